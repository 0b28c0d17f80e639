"""Pools of storage. Sizes are those of libvirt's own last look into each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kvtui.backends.base import Backend, Permission
from kvtui.backends.domains import Upkeep
from kvtui.backends.volumes import VolumeTransfer
from kvtui.joins.domain import host_of
from kvtui.joins.storage import (
    hang_on,
    has_old_sizes,
    name_run,
    name_starved,
    pools_in_trouble,
    pools_of_host,
    runs_from,
    starved_by,
)
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.libvirt import POOL_FULL, POOL_NEARLY_FULL, Domain, Host, StoragePool
from kvtui.resources import sources
from kvtui.resources.autostart import autostart_form
from kvtui.resources.base import Action, Column, Resource, able, itself
from kvtui.resources.cells import NOTHING, health_cell, last_known, number_cell, reason_column, text_cell, yes_no
from kvtui.resources.form import Answers, Form
from kvtui.resources.pool_upload import begin_upload, upload_form
from kvtui.store import View
from kvtui.text import age, percent, size

_WORTH = 60.0
"""Seconds from which it is worth saying that its sizes are older."""


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool and the host that it is on."""

    backend: str
    pool: StoragePool
    starved: list[Domain] = field(default_factory=list)
    """The VMs that stand still because they found no space in it. A list: they are no parts of the pool."""
    hanging: tuple[Domain, ...] = ()
    """The VMs on it, when all that run hang."""
    runs: tuple[tuple[str, str], ...] = ()
    """The VMs that run from it though it is not active, each with its disk."""
    host: Host | None = None

    @property
    def doubt(self) -> str:
        """What stands behind sizes that one of them contradicts."""
        return "?" if has_old_sizes(self.pool, self.starved) else ""


def _row(view: View, ref: Ref) -> PoolRow | None:
    pool = view.find(StoragePool, ref)
    if pool is None:
        return None
    runs = tuple(runs_from(view, ref.backend, pool)) if pool.state == "inactive" else ()
    starved, hanging = list(starved_by(view, ref.backend, pool)), hang_on(view, ref.backend, pool)
    return PoolRow(ref.backend, pool, starved, hanging, runs, host_of(view, ref.backend))


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(StoragePool))


def _health(row: PoolRow, now: float) -> Health:
    return last_known(_known_health(row), row.backend, row.host, now)


def _known_health(row: PoolRow) -> Health:
    pool = row.pool
    word = pool.state.capitalize() or "Unknown"
    match pool.state:
        case "inactive" if row.runs:
            return Health(Tone.WARN, word, name_run(pool, row.runs))
        case "inactive" if pool.autostart:
            return Health(Tone.WARN, word, "it is to start with its host; its volumes cannot be used until then")
        case "inactive":
            return Health(Tone.MUTED, word)
        case "building":
            return Health(Tone.BUSY, word)
        case "degraded" | "inaccessible":
            return Health(Tone.BAD, word, f"libvirt says {pool.state}")
        case "running":
            pass
        case _:
            return Health(Tone.WARN, word)
    used = pool.strain
    if row.starved:
        return Health(Tone.BAD, "Full", name_starved(row.starved))
    if row.hanging:
        names = ", ".join(domain.metadata.name for domain in row.hanging)
        hang = f"VMs {names} hang" if len(row.hanging) > 1 else f"VM {names} hangs"
        return Health(Tone.WARN, f"{word}?", f"nobody knows whether it answers: {hang}")
    if pool.outgrown:
        return Health(
            Tone.OK, word, f"its volumes took {size(pool.grown)} since libvirt looked: refresh it for its sizes"
        )
    if used >= POOL_FULL:
        return Health(Tone.BAD, "Full", f"{size(pool.left)} left: the next write may pause a VM")
    if used >= POOL_NEARLY_FULL:
        return Health(Tone.WARN, "Nearly full", f"{size(pool.left)} left")
    return Health(Tone.OK, word)


def _used(row: PoolRow, _now: float) -> Cell:
    used = row.pool.used
    if used is None or row.pool.state == "inactive":
        return NOTHING
    strain = row.pool.strain
    tone = Tone.BAD if strain >= POOL_FULL else Tone.WARN if strain >= POOL_NEARLY_FULL else None
    return Cell(percent(used, 1.0) + row.doubt, tone, used)


def _amount(row: PoolRow, amount: int, doubt: str = "") -> Cell:
    """Of a pool that is not active, libvirt keeps the sizes of long ago or none."""
    return number_cell(amount, size(amount) + doubt) if row.pool.capacity and row.pool.state != "inactive" else NOTHING


def _free(row: PoolRow, _now: float) -> Cell:
    return NOTHING if row.pool.outgrown else _amount(row, row.pool.left, row.doubt)


def _as_of(row: PoolRow, now: float) -> Cell:
    """How old its sizes are; of those that nobody saw being taken, how old at least."""
    pool = row.pool
    if pool.state == "inactive":
        return NOTHING
    if pool.looked is not None:
        return Cell(f"{age(now - pool.looked)} ago", None, pool.looked)
    watched = now - pool.watched if pool.watched is not None else 0.0
    return Cell(f">{age(watched)} ago" if watched >= _WORTH else "unknown", Tone.MUTED, pool.watched)


def _volumes(row: PoolRow, _now: float) -> Cell:
    return number_cell(row.pool.volumes, str(row.pool.volumes))


def _fields(row: PoolRow) -> Mapping[str, str]:
    return {"node": row.backend, "uuid": row.pool.metadata.uid}


def _upkeep(backend: Backend) -> Upkeep:
    return able(backend, Upkeep)  # type: ignore[type-abstract]


async def _start(backend: Backend, row: PoolRow) -> None:
    await _upkeep(backend).start_pool(row.pool.ref(row.backend))


async def _refresh(backend: Backend, row: PoolRow) -> None:
    await _upkeep(backend).refresh_pool(row.pool.ref(row.backend))


def _autostart_form(_view: View, rows: Sequence[PoolRow]) -> Form:
    whom = rows[0].pool.metadata.name if len(rows) == 1 else f"{len(rows)} pools"
    return autostart_form(whom, all(row.pool.autostart for row in rows))


async def _autostart(backend: Backend, row: PoolRow, answers: Answers) -> None:
    await _upkeep(backend).set_pool_autostart(row.pool.ref(row.backend), answers.flag("autostart"))


def _upload_form(view: View, rows: Sequence[PoolRow]) -> Form:
    (row,) = rows
    return upload_form(view, row.backend, row.pool)


def _upload_when(row: PoolRow) -> str:
    return "" if row.pool.state in ("running", "degraded") else f"it is {row.pool.state}"


def _begin_upload(backend: Backend, row: PoolRow, answers: Answers) -> VolumeTransfer:
    return begin_upload(backend, row.pool.ref(row.backend), answers)


async def _upload(backend: Backend, row: PoolRow, answers: Answers) -> None:
    await _begin_upload(backend, row, answers).carry()


_NEEDS = Permission("write", "libvirt", "pools")
_ACTIONS: tuple[Action[PoolRow], ...] = (
    Action(
        id="pool.start",
        command="start",
        key="s",
        label="start",
        help="Make the volumes of the pool usable.",
        needs=_NEEDS,
        when=lambda row: "" if row.pool.state == "inactive" else f"it is {row.pool.state}",
        run=_start,
        settled=lambda _before, now: now.pool.state != "inactive",
        awaits="starting",
    ),
    Action(
        id="pool.upload",
        key="U",
        label="upload",
        help="Send a file of this machine into a new volume of the pool.",
        needs=_NEEDS,
        when=_upload_when,
        form=_upload_form,
        run=_upload,
        transfer=_begin_upload,
        single=True,
        settled=lambda _before, _now: True,
        awaits="uploading",
    ),
    Action(
        id="pool.refresh",
        command="refresh",
        key="R",
        label="refresh",
        help="Have libvirt look at the storage itself: what others did there, and how much is free.",
        needs=_NEEDS,
        when=lambda row: "it is not active" if row.pool.state == "inactive" else "",
        run=_refresh,
        settled=lambda _before, _now: True,
        awaits="being refreshed",
    ),
    Action(
        id="pool.autostart",
        command="autostart",
        key="",
        label="autostart",
        help="Have the pool start with its host, or no longer.",
        needs=_NEEDS,
        when=lambda row: "" if row.pool.persistent else "it is gone once it is not active",
        form=_autostart_form,
        run=_autostart,
        settled=lambda _before, _now: True,
        awaits="autostart asked",
        footer=False,
    ),
)

RESOURCE: Resource[PoolRow] = Resource(
    name="pools",
    aliases=("pool", "storagepools"),
    title="Pools",
    label="pool",
    row_type=PoolRow,
    sources=(sources.POOLS, sources.DOMAINS, sources.HOSTS),
    refs=_refs,
    row=_row,
    related={StoragePool: itself, Domain: pools_in_trouble, Host: pools_of_host},
    ref=lambda row: row.pool.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.pool.metadata.name), 14, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 12, rank=0),
        Column("TYPE", lambda row, _now: text_cell(row.pool.type), 8, rank=2),
        Column("CAPACITY", lambda row, _now: _amount(row, row.pool.capacity), 8, rank=2, right=True),
        Column("FREE", _free, 6, rank=1, right=True),
        Column("USED", _used, 5, rank=1, right=True),
        Column("AS OF", _as_of, 8, rank=2, right=True, ticks=True),
        Column("AUTOSTART", lambda row, _now: yes_no(row.pool.autostart), 9, rank=4),
        Column("VOLUMES", _volumes, 7, rank=3, right=True),
        reason_column(_health, rank=3),
        Column("PATH", lambda row, _now: text_cell(row.pool.path), 24, rank=5, grow=1),
        Column("SOURCE", lambda row, _now: text_cell(row.pool.source), 24, rank=6, wide=True, grow=1),
    ),
    fields=_fields,
    labels=lambda _row: {},
    measured=(sources.DOMAINS,),
    actions=_ACTIONS,
)
