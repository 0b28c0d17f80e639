"""PersistentVolumeClaims: the disks as Kubernetes knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kvtui.joins.disk import ClaimRow, disks_of, find_users, tell_end
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import is_true
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import MODES, age_column, health_cell, number_cell, reason_column, text_cell
from kvtui.resources.pvc_actions import ACTIONS, FILE_SYSTEM_PENDING, MAKERS, RESIZING
from kvtui.resources.pvc_export import ACTIONS as EXPORTS
from kvtui.store import View
from kvtui.text import size

_WORDS = {"Pending": "no volume is bound to it yet", "Lost": "the volume that was bound to it does not exist any more"}
_TONES = {"Bound": Tone.OK, "Pending": Tone.BUSY, "Lost": Tone.BAD}


def _row(view: View, ref: Ref) -> ClaimRow | None:
    claim = view.find(Claim, ref)
    if claim is None:
        return None
    volume = view.get(DataVolume, ref.backend, ref.namespace, ref.name)
    dumps = tuple(vm.name for vm, _ in view.linked(VirtualMachine, ref.backend, "dump", ref.path))
    return ClaimRow(ref.backend, claim, find_users(view, ref.backend, ref.path), volume, dumps)


def _of_vm(view: View, ref: Ref, machine: VirtualMachine | VirtualMachineInstance) -> Iterable[Ref]:
    for name in disks_of(machine):
        yield from _claims_named(view, ref.backend, ref.namespace, name)
    dump = machine.status.memory_dump_request if isinstance(machine, VirtualMachine) else None
    if dump is not None:
        yield from _claims_named(view, ref.backend, ref.namespace, dump.claim_name)


def _of_volume(view: View, ref: Ref, _record: DataVolume) -> Iterable[Ref]:
    return _claims_named(view, ref.backend, ref.namespace, ref.name)


def _claims_named(view: View, backend: str, namespace: str, name: str) -> Iterable[Ref]:
    claim = view.get(Claim, backend, namespace, name)
    return () if claim is None else (claim.ref(backend),)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Claim))


def _health(row: ClaimRow, _now: float) -> Health:
    claim = row.claim
    if claim.fault:
        return Health(Tone.BAD, claim.status.phase or "Unreadable", f"cannot be read in full: {claim.fault}")
    if claim.metadata.deletion_timestamp:
        end = tell_end(row)
        return Health(Tone.WARN if end else Tone.BUSY, "Terminating", end)
    phase = claim.status.phase or "Pending"
    if is_true(claim.status.conditions, FILE_SYSTEM_PENDING):
        return Health(Tone.BUSY, phase, "the volume has grown; its file system grows when a pod uses it next")
    if is_true(claim.status.conditions, RESIZING):
        return Health(Tone.BUSY, RESIZING)
    return Health(_TONES.get(phase, Tone.WARN), phase, _WORDS.get(phase, ""))


def _capacity(row: ClaimRow, _now: float) -> Cell:
    return number_cell(row.size, size(row.size))


def _modes(row: ClaimRow, _now: float) -> Cell:
    modes = row.claim.status.access_modes or row.claim.spec.access_modes
    return text_cell(",".join(MODES.get(mode, mode) for mode in modes))


def _fields(row: ClaimRow) -> Mapping[str, str]:
    return {"vm": " ".join(user.name for user in row.users), "volumemode": row.claim.spec.volume_mode}


RESOURCE: Resource[ClaimRow] = Resource(
    name="pvcs",
    aliases=("pvc", "persistentvolumeclaims", "persistentvolumeclaim", "claims"),
    title="Claims",
    label="claim",
    row_type=ClaimRow,
    sources=(sources.CLAIMS, sources.MACHINES, sources.INSTANCES, sources.DATA_VOLUMES),
    refs=_refs,
    row=_row,
    related={Claim: itself, DataVolume: _of_volume, VirtualMachine: _of_vm, VirtualMachineInstance: _of_vm},
    ref=lambda row: row.ref,
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.claim.metadata.namespace), 12, rank=2, grow=1),
        Column("NAME", lambda row, _now: Cell(row.claim.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        Column("SIZE", _capacity, 6, rank=1, right=True),
        Column("MODES", _modes, 9, rank=3),
        Column("CLASS", lambda row, _now: text_cell(row.claim.spec.storage_class_name or ""), 14, rank=2),
        Column("VM", lambda row, _now: text_cell(",".join(user.name for user in row.users)), 12, rank=3, grow=1),
        age_column(lambda row: row.claim.created),
        Column("VOLUME", lambda row, _now: text_cell(row.claim.spec.volume_name), 40, rank=6, wide=True),
        Column("MODE", lambda row, _now: text_cell(row.claim.spec.volume_mode), 10, rank=6, wide=True),
        reason_column(_health, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.claim.metadata.labels,
    actions=(*ACTIONS, *EXPORTS),
    makers=MAKERS,
)
