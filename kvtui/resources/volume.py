"""Volumes of pools, with the VMs that use them and the volumes that stand on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.backends.base import Backend, Permission
from kvtui.backends.domains import Upkeep
from kvtui.joins.storage import Needed, needed_by
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.libvirt import Domain, StorageVolume
from kvtui.resources import sources
from kvtui.resources.base import Action, Column, Danger, Resource, able
from kvtui.resources.cells import NOTHING, health_cell, number_cell, text_cell
from kvtui.store import View
from kvtui.text import size


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A volume and who needs it."""

    backend: str
    volume: StorageVolume
    users: tuple[str, ...]
    """The domains that have it as a disk, or tell that their disk stands on it."""
    above: tuple[str, ...]
    """The volumes that stand right on it."""
    needed: Needed
    """Who would break without it, through all layers."""

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
    above = tuple(
        other.name for name in volume.names for other, _ in view.linked(StorageVolume, ref.backend, "backing", name)
    )
    return VolumeRow(ref.backend, volume, tuple(users), above, needed_by(view, ref.backend, volume.metadata.name))


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(StorageVolume))


def _of_domain(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    for disk in domain.disks:
        for source in (disk.source, *disk.layers):
            if source:
                yield from _down_from(view, ref.backend, source)


def _of_volume(view: View, ref: Ref, volume: StorageVolume) -> Iterator[Ref]:
    yield ref
    if volume.backing:
        yield from _down_from(view, ref.backend, volume.backing)


def _down_from(view: View, backend: str, name: str) -> Iterator[Ref]:
    """The volume of that name, and what it stands on in turn."""
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        found = view.linked(StorageVolume, backend, "name", name)
        name = ""
        for ref, volume in found:
            yield ref
            name = volume.backing


def _health(row: VolumeRow, _now: float) -> Health:
    if row.users:
        return Health(Tone.OK, "In use")
    if row.above:
        return Health(Tone.OK, "Base", f"{len(row.above)} stand{'s' if len(row.above) == 1 else ''} on it")
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


def _why_kept(row: VolumeRow) -> str:
    """Why it may not be deleted."""
    return row.needed.words.replace(" it too", " it")


def _warn(row: VolumeRow) -> tuple[str, ...]:
    taken = size(row.volume.allocation) if row.volume.allocation is not None else "all that it holds"
    return (f"{row.volume.metadata.name} is deleted for good, with {taken} of data",)


async def _delete(backend: Backend, row: VolumeRow) -> None:
    upkeep = able(backend, Upkeep)  # type: ignore[type-abstract]
    await upkeep.delete_volume(row.volume.ref(row.backend))


_ACTIONS: tuple[Action[VolumeRow], ...] = (
    Action(
        id="volume.delete",
        command="delete",
        key="ctrl+d",
        label="delete",
        help="Delete the volume, with what is in it; not while a VM has it or another volume stands on it.",
        needs=Permission("write", "libvirt", "pools"),
        when=_why_kept,
        warn=_warn,
        run=_delete,
        settled=lambda _before, _now: False,
        vanishes=lambda _row: True,
        awaits="being deleted",
        danger=Danger.TYPE,
    ),
)

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
    actions=_ACTIONS,
)
