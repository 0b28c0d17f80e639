"""Snapshots of domains, as the tree that they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kvtui.backends.base import Backend
from kvtui.backends.domains import Snapshots
from kvtui.joins.storage import name_broken
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.libvirt import Domain
from kvtui.resources import sources
from kvtui.resources.base import Action, Column, Danger, Resource, able
from kvtui.resources.cells import age_cell, health_cell, text_cell
from kvtui.resources.domain_changes import NEEDS
from kvtui.resources.form import Answers, Form, Toggle
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot and those that it was taken after."""

    backend: str
    snapshot: DomainSnapshot
    ancestors: tuple[DomainSnapshot, ...]
    """From the root down to its parent."""


def _row(view: View, ref: Ref) -> SnapshotRow | None:
    snapshot = view.find(DomainSnapshot, ref)
    if snapshot is None:
        return None
    path = [snapshot]
    while path[0].parent:
        above = view.get(DomainSnapshot, ref.backend, "", f"{snapshot.domain}/{path[0].parent}")
        # What a host tells may be a circle, or lead nowhere.
        if above is None or any(above is other for other in path):
            break
        path.insert(0, above)
    return SnapshotRow(ref.backend, snapshot, tuple(path[:-1]))


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(DomainSnapshot))


def _of_domain(view: View, ref: Ref, snapshot: DomainSnapshot) -> Iterator[Ref]:
    """All of its domain: where one stands in the tree depends on those above it."""
    yield ref
    for other, _ in view.linked(DomainSnapshot, ref.backend, "domain", snapshot.domain_uid):
        if other != ref:
            yield other


def _health(row: SnapshotRow, _now: float) -> Health:
    if row.snapshot.current:
        return Health(Tone.OK, "Current", "the VM goes on from here")
    return Health(Tone.MUTED, "-")


_Make = Callable[[SnapshotRow, float], Cell]


def _in_tree(make: _Make) -> _Make:
    """The cell, ordered within the tree: whatever it is sorted by, children stand below their parent."""

    def cell(row: SnapshotRow, now: float) -> Cell:
        levels: list[tuple[str | float, str]] = [(row.snapshot.domain, row.snapshot.domain_uid)]
        for at, snapshot in enumerate((*row.ancestors, row.snapshot)):
            own = make(SnapshotRow(row.backend, snapshot, row.ancestors[:at]), now)
            value = own.text if own.sort is None or isinstance(own.sort, tuple) else own.sort
            levels.append((value, snapshot.snapshot))
        own = make(row, now)
        return Cell(own.text, own.tone, tuple(levels))

    return cell


def _name(row: SnapshotRow, _now: float) -> Cell:
    """Indented by what it was taken after; brothers stand in the order in which they were taken."""
    depth = len(row.ancestors)
    indent = f"{'| ' * (depth - 1)}+- " if depth else ""
    return Cell(f"{indent}{row.snapshot.snapshot}", None, row.snapshot.created or 0.0)


def _status(row: SnapshotRow, now: float) -> Cell:
    return health_cell(_health(row, now))


def _holds(row: SnapshotRow, _now: float) -> Cell:
    """What is gone back to: the disks alone, or with the memory of the running machine."""
    return Cell("disks, memory" if row.snapshot.memory else "disks")


def _kind(row: SnapshotRow, _now: float) -> Cell:
    return Cell("external" if row.snapshot.external else "internal")


def _age(row: SnapshotRow, now: float) -> Cell:
    return age_cell(row.snapshot.created, now)


def _fields(row: SnapshotRow) -> Mapping[str, str]:
    snapshot = row.snapshot
    return {
        "node": row.backend,
        "parent": snapshot.parent,
        "snapshot": snapshot.snapshot,
        "current": "yes" if snapshot.current else "no",
    }


# What can be done to one ----------------------------------------------------------------------------------------


def _domain(row: SnapshotRow) -> Ref:
    return Ref(row.backend, Domain.KIND, "", row.snapshot.domain, row.snapshot.domain_uid)


def _possible(_row: SnapshotRow) -> str:
    return ""


def _revert_form(view: View, rows: Sequence[SnapshotRow]) -> Form:
    (row,) = rows
    domain = view.find(Domain, _domain(row))
    broken = name_broken(view, row.backend, domain) if domain is not None else ()
    return Form(
        f"revert {row.snapshot.domain} to {row.snapshot.snapshot}",
        (Toggle("force", "by force", hint="where libvirt says that it is risky"),),
        warn=lambda _: ("what the guest has written since then is lost", *broken),
    )


def _delete_form(_view: View, rows: Sequence[SnapshotRow]) -> Form:
    subject = rows[0].snapshot.snapshot if len(rows) == 1 else f"{len(rows)} snapshots"
    return Form(
        f"delete {subject}",
        (Toggle("children", "and those after it"),),
        about=("the VM stays as it is; one cannot go back to it any more",),
    )


async def _revert(backend: Backend, row: SnapshotRow, answers: Answers) -> None:
    await _snapshots(backend).revert(_domain(row), row.snapshot.snapshot, force=answers.flag("force"))


async def _delete(backend: Backend, row: SnapshotRow, answers: Answers) -> None:
    await _snapshots(backend).delete_snapshot(_domain(row), row.snapshot.snapshot, children=answers.flag("children"))


def _snapshots(backend: Backend) -> Snapshots:
    return able(backend, Snapshots)  # type: ignore[type-abstract]


ACTIONS: tuple[Action[SnapshotRow], ...] = (
    Action(
        id="snapshot.revert",
        command="revert",
        key="R",
        label="revert",
        help="Take the VM back to the snapshot; what came after it is lost.",
        needs=NEEDS,
        when=_possible,
        form=_revert_form,
        reads=(sources.DOMAINS, sources.STORAGE_VOLUMES),
        run=_revert,
        single=True,
        settled=lambda _before, now: now.snapshot.current,
        awaits="reverting",
        danger=Danger.TYPE,
        usual=120.0,
    ),
    Action(
        id="snapshot.delete",
        command="delete",
        key="ctrl+d",
        label="delete",
        help="Delete the snapshot.",
        needs=NEEDS,
        when=_possible,
        form=_delete_form,
        run=_delete,
        settled=lambda _before, _now: False,
        vanishes=lambda _row: True,
        awaits="being deleted",
        danger=Danger.TYPE,
        usual=120.0,
    ),
)

RESOURCE: Resource[SnapshotRow] = Resource(
    name="snapshots",
    aliases=("snapshot", "snap", "snaps", "domainsnapshots"),
    title="Snapshots",
    label="snapshot",
    row_type=SnapshotRow,
    sources=(sources.SNAPSHOTS,),
    refs=_refs,
    row=_row,
    related={DomainSnapshot: _of_domain},
    ref=lambda row: row.snapshot.ref(row.backend),
    health=_health,
    columns=(
        Column("VM", _in_tree(lambda row, _now: Cell(row.snapshot.domain)), 12, rank=0, grow=1),
        Column("NAME", _in_tree(_name), 20, rank=0, grow=2),
        Column("STATUS", _in_tree(_status), 7, rank=0),
        Column("TAKEN WHILE", _in_tree(lambda row, _now: text_cell(row.snapshot.state)), 11, rank=2),
        Column("HOLDS", _in_tree(_holds), 13, rank=2),
        Column("DISKS", _in_tree(_kind), 8, rank=3),
        Column("AGE", _in_tree(_age), 5, rank=1, right=True, ticks=True),
        Column("DESCRIPTION", _in_tree(lambda row, _now: text_cell(row.snapshot.description)), 20, rank=4, grow=1),
    ),
    fields=_fields,
    labels=lambda _row: {},
    actions=ACTIONS,
)
