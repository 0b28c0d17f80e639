"""One pane for what several platforms have under one name: VMs of KubeVirt beside domains of libvirt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from kvtui.model import Cell, Health, Ref
from kvtui.records.base import Record
from kvtui.resources.base import Action, AnyAction, AnyResource, Column, Related, Resource
from kvtui.resources.cells import NOTHING
from kvtui.store import View

LACKS: Final = "has no such action"
"""How the reason of an action ends that the row's platform does not have at all."""


def unite(*members: AnyResource) -> AnyResource:
    """A resource with the rows of all `members`, named as the first of them.

    Columns of the same title are one; what a platform does not have is a dash. Actions of the same name are one key.
    """
    first = members[0]

    def member(row: Any) -> AnyResource:
        return next(one for one in members if isinstance(row, one.row_type))

    by_kind = {source.kind: one for one in members for source in one.sources}

    def make_row(view: View, ref: Ref) -> Any | None:
        return by_kind[ref.kind].row(view, ref) if ref.kind in by_kind else None

    def health(row: Any, now: float) -> Health:
        return member(row).health(row, now)

    return Resource(
        name=first.name,
        aliases=tuple(dict.fromkeys(chain.from_iterable(one.aliases for one in members))),
        title=first.title,
        label=first.label,
        row_type=object,
        sources=tuple(chain.from_iterable(one.sources for one in members)),
        refs=lambda view: chain.from_iterable(one.refs(view) for one in members),
        row=make_row,
        related=_unite_related(members),
        ref=lambda row: member(row).ref(row),
        health=health,
        columns=tuple(_unite_columns(members)),
        fields=_unite_fields(members, member),
        labels=lambda row: member(row).labels(row),
        measured=tuple(chain.from_iterable(one.measured for one in members)),
        sort=first.sort,
        descending=first.descending,
        actions=tuple(_unite_actions(members)),
        makers=tuple(chain.from_iterable(one.makers for one in members)),
        arriving=lambda row: member(row).arriving(row),
        placed=frozenset().union(*(one.placed for one in members)),
    )


def _unite_related(members: Sequence[AnyResource]) -> Mapping[type[Record], Related]:
    found: dict[type[Record], list[Related]] = {}
    for one in members:
        for type_, related in one.related.items():
            found.setdefault(type_, []).append(related)
    return {type_: _chain_related(several) for type_, several in found.items()}


def _chain_related(several: Sequence[Related]) -> Related:
    def related(view: View, ref: Ref, record: Any) -> Iterable[Ref]:
        return chain.from_iterable(one(view, ref, record) for one in several)

    return several[0] if len(several) == 1 else related


def _unite_columns(members: Sequence[AnyResource]) -> Iterable[Column[Any]]:
    """The columns of the first, and behind each those that the others have there."""
    titles: list[str] = []
    found: dict[str, list[tuple[type, Column[Any]]]] = {}
    for one in members:
        at = 0
        for column in one.columns:
            if column.title in found:
                at = titles.index(column.title) + 1
            else:
                titles.insert(at, column.title)
                at += 1
            found.setdefault(column.title, []).append((one.row_type, column))
    return (_unite_column(found[title]) for title in titles)


def _unite_column(parts: Sequence[tuple[type, Column[Any]]]) -> Column[Any]:
    def cell(row: Any, now: float) -> Cell:
        return next((column.cell(row, now) for type_, column in parts if isinstance(row, type_)), NOTHING)

    columns = [column for _, column in parts]
    return replace(
        columns[0],
        cell=cell,
        width=max(column.width for column in columns),
        wide=all(column.wide for column in columns),
        ticks=any(column.ticks for column in columns),
        measured=any(column.measured for column in columns),
        drifts=any(column.drifts for column in columns),
    )


def _unite_fields(
    members: Sequence[AnyResource], member: Callable[[Any], AnyResource]
) -> Callable[[Any], Mapping[str, str]]:
    """The fields of a row, and those that only other platforms have, empty: a filter may name any of them."""
    names: dict[type, frozenset[str]] = {}

    def fields(row: Any) -> Mapping[str, str]:
        one = member(row)
        own = one.fields(row)
        names.setdefault(one.row_type, frozenset(own))
        others = frozenset[str]().union(*names.values()) if len(names) == len(members) else frozenset(own)
        return {**dict.fromkeys(others, ""), **own, "platform": one.own[0].platform.value}

    return fields


def _unite_actions(members: Sequence[AnyResource]) -> Iterable[AnyAction]:
    found: dict[str, list[tuple[type, AnyAction]]] = {}
    for one in members:
        for action in one.actions:
            found.setdefault(action.id, []).append((one.row_type, action))
    for several in found.values():
        first = several[0][1]
        has = {type_ for type_, _ in several}
        lacking = [
            (one.row_type, _impossible(first, f"{one.own[0].platform.value} {LACKS}"))
            for one in members
            if one.row_type not in has
        ]
        yield replace(first, footer=any(action.footer for _, action in several), variants=(*several, *lacking))


def _impossible(action: AnyAction, reason: str) -> Action[Any]:
    return replace(action, when=lambda _row: reason)
