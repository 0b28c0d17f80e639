"""PersistentVolumes: the storage behind claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.joins.disk import User, find_users
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubernetes import Claim
from kvtui.records.storage import PersistentVolume
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import MODES, age_column, health_cell, number_cell, reason_column, text_cell
from kvtui.store import View
from kvtui.text import quantity, size

_TONES = {"Bound": Tone.OK, "Available": Tone.MUTED, "Released": Tone.MUTED, "Pending": Tone.BUSY, "Failed": Tone.BAD}


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A volume and the VMs that use its claim."""

    backend: str
    volume: PersistentVolume
    users: tuple[User, ...]

    @property
    def size(self) -> float | None:
        """In bytes."""
        return quantity(self.volume.spec.capacity.get("storage"))

    @property
    def claim(self) -> str:
        """The claim that has it, or had it; empty for one that was never bound."""
        claim = self.volume.spec.claim_ref
        return claim.path if claim is not None else ""


def _row(view: View, ref: Ref) -> VolumeRow | None:
    volume = view.find(PersistentVolume, ref)
    if volume is None:
        return None
    claim = volume.spec.claim_ref
    return VolumeRow(ref.backend, volume, find_users(view, ref.backend, claim.path) if claim is not None else ())


def _of_claim(view: View, ref: Ref, claim: Claim) -> Iterator[Ref]:
    volume = view.get(PersistentVolume, ref.backend, "", claim.spec.volume_name)
    if volume is not None:
        yield volume.ref(ref.backend)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(PersistentVolume))


def _health(row: VolumeRow, _now: float) -> Health:
    volume, status = row.volume, row.volume.status
    if volume.fault:
        return Health(Tone.BAD, status.phase or "Unreadable", f"cannot be read in full: {volume.fault}")
    if volume.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Terminating")
    phase = status.phase or "Pending"
    reason = status.message or status.reason
    if phase == "Released" and not reason:
        policy = volume.spec.persistent_volume_reclaim_policy
        reason = f"claim {row.claim} is gone; reclaim policy {policy or 'Retain'}"
    return Health(_TONES.get(phase, Tone.WARN), phase, reason)


def _modes(row: VolumeRow, _now: float) -> Cell:
    return text_cell(",".join(MODES.get(mode, mode) for mode in row.volume.spec.access_modes))


def _fields(row: VolumeRow) -> Mapping[str, str]:
    spec = row.volume.spec
    return {"vm": " ".join(user.name for user in row.users), "volumemode": spec.volume_mode}


RESOURCE: Resource[VolumeRow] = Resource(
    name="pvs",
    aliases=("pv", "persistentvolumes", "persistentvolume"),
    title="PVs",
    label="pv",
    row_type=VolumeRow,
    sources=(sources.VOLUMES, sources.CLAIMS, sources.MACHINES, sources.INSTANCES),
    refs=_refs,
    row=_row,
    related={PersistentVolume: itself, Claim: _of_claim},
    ref=lambda row: row.volume.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.volume.metadata.name), 20, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        Column("SIZE", lambda row, _now: number_cell(row.size, size(row.size)), 6, rank=1, right=True),
        Column("MODES", _modes, 9, rank=4),
        Column("CLAIM", lambda row, _now: text_cell(row.claim), 18, rank=0, grow=2),
        Column("VM", lambda row, _now: text_cell(",".join(user.name for user in row.users)), 10, rank=3, grow=1),
        Column("CLASS", lambda row, _now: text_cell(row.volume.spec.storage_class_name), 12, rank=2),
        age_column(lambda row: row.volume.created),
        Column("RECLAIM", lambda row, _now: text_cell(row.volume.spec.persistent_volume_reclaim_policy), 8, rank=5),
        Column("DRIVER", lambda row, _now: text_cell(row.volume.origin), 26, rank=6, wide=True),
        Column("USABLE ON", lambda row, _now: text_cell(", ".join(row.volume.homes)), 16, rank=6, wide=True),
        reason_column(_health, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.volume.metadata.labels,
)
