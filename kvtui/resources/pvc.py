"""PersistentVolumeClaims: the disks as Kubernetes knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.joins.causes import find_claim_cause
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, number_cell, reason_column, text_cell
from kvtui.store import View
from kvtui.text import quantity, size

_TONES = {"Bound": Tone.OK, "Pending": Tone.BUSY, "Lost": Tone.BAD}
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim and the VMs that use it."""

    backend: str
    claim: Claim
    users: tuple[str, ...]


def _row(view: View, ref: Ref) -> ClaimRow | None:
    claim = view.find(Claim, ref)
    if claim is None:
        return None
    users = {
        user.name: None
        for link in ("claim", "datavolume")
        for user, _ in view.linked(VirtualMachine, ref.backend, link, ref.path)
    }
    return ClaimRow(ref.backend, claim, tuple(users))


def _of_vm(view: View, ref: Ref, vm: VirtualMachine) -> Iterable[Ref]:
    for volume in vm.spec.template.spec.volumes:
        claim = view.get(Claim, ref.backend, ref.namespace, volume.claim) if volume.claim else None
        if claim is not None:
            yield claim.ref(ref.backend)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Claim))


def _health(row: ClaimRow, _now: float) -> Health:
    claim = row.claim
    if claim.fault:
        return Health(Tone.BAD, claim.status.phase or "Unreadable", f"cannot be read in full: {claim.fault}")
    if claim.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Terminating")
    phase = claim.status.phase or "Pending"
    cause = find_claim_cause(claim)
    return Health(_TONES.get(phase, Tone.WARN), phase, cause.sentence if cause is not None else "")


def _capacity(row: ClaimRow, _now: float) -> Cell:
    claim = row.claim
    amount = quantity(claim.status.capacity.get("storage")) or quantity(claim.spec.resources.requests.get("storage"))
    return number_cell(amount, size(amount))


def _modes(row: ClaimRow, _now: float) -> Cell:
    modes = row.claim.status.access_modes or row.claim.spec.access_modes
    return text_cell(",".join(_MODES.get(mode, mode) for mode in modes))


def _fields(row: ClaimRow) -> Mapping[str, str]:
    return {"vm": " ".join(row.users), "volumemode": row.claim.spec.volume_mode}


RESOURCE: Resource[ClaimRow] = Resource(
    name="pvcs",
    aliases=("pvc", "persistentvolumeclaims", "persistentvolumeclaim", "claims"),
    title="Claims",
    label="claim",
    row_type=ClaimRow,
    sources=(sources.CLAIMS, sources.MACHINES),
    refs=_refs,
    row=_row,
    related={Claim: itself, VirtualMachine: _of_vm},
    ref=lambda row: row.claim.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.claim.metadata.namespace), 12, rank=2, grow=1),
        Column("NAME", lambda row, _now: Cell(row.claim.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        Column("SIZE", _capacity, 6, rank=1, right=True),
        Column("MODES", _modes, 9, rank=3),
        Column("CLASS", lambda row, _now: text_cell(row.claim.spec.storage_class_name or ""), 14, rank=2),
        Column("VM", lambda row, _now: text_cell(",".join(row.users)), 12, rank=3, grow=1),
        age_column(lambda row: row.claim.created),
        Column("VOLUME", lambda row, _now: text_cell(row.claim.spec.volume_name), 40, rank=6, wide=True),
        Column("MODE", lambda row, _now: text_cell(row.claim.spec.volume_mode), 10, rank=6, wide=True),
        reason_column(_health, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.claim.metadata.labels,
)
