"""Volumes of pools, with the VMs that use them and the volumes that stand on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.libvirt import Domain, StorageVolume
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource
from kvtui.resources.cells import NOTHING, health_cell, number_cell, text_cell
from kvtui.store import View
from kvtui.text import size


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A volume and who needs it."""

    backend: str
    volume: StorageVolume
    users: tuple[str, ...]
    """The domains that have it as a disk, or whose disk stands on it."""
    above: tuple[str, ...]
    """The volumes that stand on it."""

    @property
    def name(self) -> str:
        """Without its pool."""
        return self.volume.metadata.name.removeprefix(f"{self.volume.pool}/")


def _row(view: View, ref: Ref) -> VolumeRow | None:
    volume = view.find(StorageVolume, ref)
    if volume is None:
        return None
    users = {
        user.name: None
        for name in volume.names
        for link in ("source", "backing")
        for user, _ in view.linked(Domain, ref.backend, link, name)
    }
    above = [other.name for other, _ in view.linked(StorageVolume, ref.backend, "backing", volume.path)]
    return VolumeRow(ref.backend, volume, tuple(users), tuple(above) if volume.path else ())


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(StorageVolume))


def _of_domain(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    for disk in domain.disks:
        for source in (disk.source, disk.backing):
            if source:
                for volume, _ in view.linked(StorageVolume, ref.backend, "name", source):
                    yield volume


def _of_volume(view: View, ref: Ref, volume: StorageVolume) -> Iterator[Ref]:
    yield ref
    if volume.backing:
        for below, _ in view.linked(StorageVolume, ref.backend, "name", volume.backing):
            yield below


def _health(row: VolumeRow, _now: float) -> Health:
    if row.users:
        return Health(Tone.OK, "In use")
    if row.above:
        return Health(Tone.OK, "Base", f"{len(row.above)} stand on it")
    return Health(Tone.MUTED, "Unused", "no VM of this host has it")


def _used_by(row: VolumeRow, _now: float) -> Cell:
    base = f"base of {len(row.above)}" if row.above else ""
    return text_cell(", ".join([*row.users, base] if base else row.users))


def _amount(amount: int | None) -> Cell:
    return NOTHING if amount is None else number_cell(amount, size(amount))


def _fields(row: VolumeRow) -> Mapping[str, str]:
    return {
        "node": row.backend,
        "vm": " ".join(row.users),
        "above": " ".join(row.above),
        "key": row.volume.metadata.uid,
    }


RESOURCE: Resource[VolumeRow] = Resource(
    name="volumes",
    aliases=("volume", "vol", "vols", "storagevolumes"),
    title="Volumes",
    label="volume",
    row_type=VolumeRow,
    sources=(sources.STORAGE_VOLUMES, sources.DOMAINS),
    refs=_refs,
    row=_row,
    related={StorageVolume: _of_volume, Domain: _of_domain},
    ref=lambda row: row.volume.ref(row.backend),
    health=_health,
    columns=(
        Column("POOL", lambda row, _now: Cell(row.volume.pool), 10, rank=1, grow=1),
        Column("NAME", lambda row, _now: Cell(row.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 6, rank=2),
        Column("SIZE", lambda row, _now: _amount(row.volume.capacity), 6, rank=1, right=True),
        Column("TAKEN", lambda row, _now: _amount(row.volume.allocation), 6, rank=2, right=True),
        Column("FORMAT", lambda row, _now: text_cell(row.volume.format), 6, rank=3),
        Column("USED BY", _used_by, 16, rank=1, grow=2),
        Column("STANDS ON", lambda row, _now: text_cell(row.volume.backing), 24, rank=5, wide=True, grow=1),
        Column("PATH", lambda row, _now: text_cell(row.volume.path), 32, rank=5, wide=True, grow=1),
    ),
    fields=_fields,
    labels=lambda _row: {},
)
