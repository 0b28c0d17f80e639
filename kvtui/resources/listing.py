"""A table without a screen: which rows of a resource are shown, in which order, kept up to date delta by delta."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kvtui.model import Cell, FeedState, Health, Ref, Tone
from kvtui.resources.base import AnyResource, Column
from kvtui.resources.filtering import Filter, Subject, parse_filter
from kvtui.resources.ordering import Key, sort_key
from kvtui.resources.verdicts import NOTHING_FOUND, Found, Verdicts, doubt, show_health, worsen
from kvtui.store import Delta, View

_MANY = 64
"""From how many changed rows on, sorting anew is cheaper than placing each."""
_FAULTY = frozenset({Tone.WARN, Tone.BAD})
_STATUS = ("STATUS", "PHASE")
"""Titles of the column that tells how a row fares."""
_REASON = "REASON"
_RANKS = {Tone.BAD: 0, Tone.WARN: 1}
"""In the order of a status, trouble comes first."""
_RANK_OF_REST = 2
_UNJUDGED = Health(Tone.MUTED, "")


@dataclass(frozen=True, slots=True)
class ListingChange:
    """What a step changed."""

    changed: set[Ref] = field(default_factory=set)
    """Rows that are shown and may read differently."""
    moved: bool = False
    """Whether rows came, went or changed places."""


class Listing:
    """The rows of one resource in a view. Nothing here is read from a clock: `now` is given."""

    def __init__(
        self, resource: AnyResource, view: View, now: float, found: Callable[[], Found] = lambda: NOTHING_FOUND
    ) -> None:
        """`found` is what the rules found by now, which the rows show."""
        self.resource = resource
        self._view = view
        self._verdicts = Verdicts(resource, view, found)
        self._cut_off: frozenset[tuple[str, str]] = frozenset()
        """(backend, kind) of rows of which nobody knows whether they are as they were."""
        self._rows: dict[Ref, Any] = {}
        self._texts: dict[Ref, tuple[str, str]] = {}
        self._places: dict[Ref, Key] = {}
        """Where each row belongs, shown or not."""
        self._keys: dict[Ref, Key] = {}
        """Where each row stands that is shown."""
        self._order: list[Key] = []
        self._refs: list[Ref] = []
        self._filter = Filter()
        self.filter_text = ""
        self.faults = False
        self.namespace = ""
        titles = [column.title for column in resource.columns]
        self.status_column = next((titles.index(title) for title in _STATUS if title in titles), None)
        self.reason_column = titles.index(_REASON) if _REASON in titles and self.status_column is not None else None
        self.sort_column = titles.index(resource.sort)
        self.descending = resource.descending
        self._columns = _columns_by_name(resource)
        self.rebuild(now)

    # What is shown -------------------------------------------------------------------------------------------------

    @property
    def refs(self) -> Sequence[Ref]:
        """The rows that are shown, in their order."""
        return self._refs

    @property
    def total(self) -> int:
        """How many rows there are without the filter."""
        if not self.namespace:
            return len(self._rows)
        return sum(ref.namespace == self.namespace for ref in self._rows)

    def row(self, ref: Ref) -> Any | None:
        """The row of an identity, shown or not; None when there is none."""
        found = self._rows.get(ref)
        if found is None and ref in self._rows:
            found = self._rows[ref] = self.resource.row(self._view, ref)
        return found

    def health(self, ref: Ref, row: Any, now: float) -> Health:
        """How a row fares, by its own word and by what the rules found."""
        health = worsen(self.resource.health(row, now), self._verdicts.of(ref), ref)
        return doubt(health) if (ref.backend, ref.kind) in self._cut_off else health

    def cell(self, ref: Ref, row: Any, column: int, now: float) -> Cell:
        """The cell of one of the columns, as it is shown, filtered and sorted."""
        cell: Cell = self.resource.columns[column].cell(row, now)
        if column not in (self.status_column, self.reason_column):
            return cell
        finding = self._verdicts.of(ref)
        if finding is None and (ref.backend, ref.kind) not in self._cut_off:
            return cell
        shown = self.health(ref, row, now)
        if column == self.reason_column:
            return Cell(shown.reason, shown.tone)
        return show_health(cell, self.resource.health(row, now), shown, finding)

    def index(self, ref: Ref) -> int | None:
        """Where a row stands; None while it is not shown."""
        key = self._keys.get(ref)
        return None if key is None else bisect_left(self._order, key)

    # What the user asks for ----------------------------------------------------------------------------------------

    def set_filter(self, text: str, now: float) -> None:
        """Show only rows that match (see `filtering`). Raises FilterError and leaves all as it was."""
        self._filter = parse_filter(text, self._field_names())
        self.filter_text = text.strip()
        self._select(now)

    def set_faults(self, only: bool, now: float) -> None:
        """Show only rows whose health is a warning or worse, or all."""
        self.faults = only
        self._select(now)

    def set_namespace(self, namespace: str, now: float) -> None:
        """Show one namespace, or all for an empty name. Rows without a namespace stay."""
        self.namespace = namespace
        self._select(now)

    def set_sort(self, column: int, descending: bool, now: float) -> None:
        """Put the rows in order of a column."""
        self.sort_column, self.descending = column, descending
        self._places.clear()
        self._select(now)

    # Keeping up ----------------------------------------------------------------------------------------------------

    def rebuild(self, now: float) -> None:
        """Make everything anew from the view."""
        self._texts.clear()
        self._places.clear()
        self._rows = {
            ref: row
            for ref in self.resource.refs(self._view)
            if (row := self.resource.row(self._view, ref)) is not None
        }
        self._cut_off = self._find_cut_off()
        self._verdicts.renew()
        for ref, row in self._rows.items():
            self._verdicts.judge(ref, row)
        self._select(now)

    def apply(self, delta: Delta, now: float) -> ListingChange:
        """Follow the store: only rows that the delta has a part in are made anew."""
        touched = find_touched(self.resource, self._view, delta) | self._find_gone(delta) | self._verdicts.renew()
        doubted = self._doubt(now) if delta.feeds else set()
        if not touched and not doubted and not delta.usage:
            return ListingChange()
        moved = self._renew(touched, now) if touched else False
        changed = {ref for ref in touched if ref in self._keys} | doubted
        moved = moved or bool(doubted)
        if delta.usage:
            measured, resorted = self._measure(delta, now)
            changed |= measured
            moved = moved or resorted
        return ListingChange(changed, moved)

    def _find_gone(self, delta: Delta) -> dict[Ref, None]:
        """Rows whose own object went: an instance that went while its VM came is told of as that VM's."""
        gone = (change.ref for change in delta.changes if change.new is None)
        return dict.fromkeys(ref for ref in gone if ref in self._rows)

    def _renew(self, touched: Iterable[Ref], now: float) -> bool:
        """Make rows anew; whether any came, went or changed places."""
        gone: list[Ref] = []
        come: list[tuple[Key, Ref]] = []
        for ref in touched:
            row = self.resource.row(self._view, ref)
            self._forget(ref)
            self._verdicts.judge(ref, row)
            if row is None:
                self._rows.pop(ref, None)
            else:
                self._rows[ref] = row
            key = self._key(ref, row, now) if row is not None and self._shows(ref, row, now) else None
            if key == self._keys.get(ref):
                continue
            if ref in self._keys:
                gone.append(ref)
            if key is not None:
                come.append((key, ref))
        if not gone and not come:
            return False
        self._take_out(gone)
        self._put_in(come)
        return True

    def _take_out(self, refs: list[Ref]) -> None:
        if len(refs) > _MANY:
            out = {self._keys.pop(ref) for ref in refs}
            kept = [(key, ref) for key, ref in zip(self._order, self._refs, strict=True) if key not in out]
            self._order = [key for key, _ in kept]
            self._refs = [ref for _, ref in kept]
            return
        for ref in refs:
            at = bisect_left(self._order, self._keys.pop(ref))
            del self._order[at], self._refs[at]

    def _put_in(self, entries: list[tuple[Key, Ref]]) -> None:
        self._keys.update((ref, key) for key, ref in entries)
        if len(entries) > _MANY:
            self._set_order([*zip(self._order, self._refs, strict=True), *entries])
            return
        for key, ref in entries:
            at = bisect_left(self._order, key)
            self._order.insert(at, key)
            self._refs.insert(at, ref)

    def _set_order(self, entries: list[tuple[Key, Ref]]) -> None:
        # Keys end in the ref's own parts, so no two are equal and the refs are never compared.
        entries.sort()
        self._order = [key for key, _ in entries]
        self._refs = [ref for _, ref in entries]

    def _measure(self, delta: Delta, now: float) -> tuple[set[Ref], bool]:
        """Usage was measured anew: rows that hold it are made again when they are next looked at."""
        kinds = {source.kind for source in self.resource.sources}
        backends = {backend for backend, kind in delta.usage if kind in kinds}
        if not backends or not any(column.measured for column in self.resource.columns):
            return set(), False
        for ref in self._rows:
            if ref.backend in backends:
                self._rows[ref] = None
                self._texts.pop(ref, None)
        resorted = self._sorted_by.measured
        if resorted:
            self._places.clear()
            self._select(now)
        return {ref for ref in self._refs if ref.backend in backends}, resorted

    def _doubt(self, now: float) -> set[Ref]:
        """Lists were cut off or are followed again: the rows that are shown and read otherwise for it."""
        before, self._cut_off = self._cut_off, self._find_cut_off()
        others = before ^ self._cut_off
        if not others:
            return set()
        for ref in self._rows:
            if (ref.backend, ref.kind) in others:
                self._forget(ref)
        self._select(now)
        return {ref for ref in self._refs if (ref.backend, ref.kind) in others}

    def _find_cut_off(self) -> frozenset[tuple[str, str]]:
        kinds = {source.kind for source in self.resource.sources}
        return frozenset(
            (feed.backend, feed.kind)
            for feed in self._view.feeds()
            if feed.kind in kinds and feed.state is FeedState.STALE
        )

    # One row -------------------------------------------------------------------------------------------------------

    @property
    def _sorted_by(self) -> Column[Any]:
        return self.resource.columns[self.sort_column]

    def _select(self, now: float) -> None:
        """Choose and order the rows anew."""
        entries: list[tuple[Key, Ref]] = []
        for ref in self._rows:
            row = self.row(ref)
            if row is not None and self._shows(ref, row, now):
                entries.append((self._key(ref, row, now), ref))
        self._keys = {ref: key for key, ref in entries}
        self._set_order(entries)

    def _forget(self, ref: Ref) -> None:
        self._texts.pop(ref, None)
        self._places.pop(ref, None)

    def _key(self, ref: Ref, row: Any, now: float) -> Key:
        key = self._places.get(ref)
        if key is None:
            cell = self.cell(ref, row, self.sort_column, now)
            key = (self._rank(ref, row, cell, now), *sort_key(cell, ref, self.descending))
            self._places[ref] = key
        return key

    def _rank(self, ref: Ref, row: Any, cell: Cell, now: float) -> int:
        """Trouble comes first in the order of a status; where that is of what goes on, only what the rules found."""
        if self.sort_column != self.status_column or isinstance(cell.sort, tuple):
            return 0
        finding = self._verdicts.of(ref)
        ordered_by_word = self.resource.columns[self.sort_column].cell(row, now).sort is None
        health = self.health(ref, row, now) if ordered_by_word else worsen(_UNJUDGED, finding, ref)
        rank = _RANKS.get(health.tone, _RANK_OF_REST)
        return -rank if self.descending else rank

    def _shows(self, ref: Ref, row: Any, now: float) -> bool:
        if self.namespace and ref.namespace and ref.namespace != self.namespace:
            return False
        if self.faults and self.health(ref, row, now).tone not in _FAULTY:
            return False
        return not self._filter or self._filter.matches(self._subject(ref, row, now))

    def _subject(self, ref: Ref, row: Any, now: float) -> Subject:
        return Subject(
            text=lambda: self._words(ref, row, now)[0],
            reason=lambda: self._words(ref, row, now)[1],
            field=lambda name: self._field(ref, row, name, now),
            labels=lambda: self.resource.labels(row),
        )

    def _words(self, ref: Ref, row: Any, now: float) -> tuple[str, str]:
        """What plain words are looked for in: all columns but those that change by themselves, and the reason apart."""
        words = self._texts.get(ref)
        if words is None:
            columns = [at for at, column in enumerate(self.resource.columns) if not column.ticks]
            cells = [self.cell(ref, row, at, now).text for at in columns if at != self.reason_column]
            health = self.health(ref, row, now)
            # The word of a status that counts down beside it.
            text = "\n".join((*cells, health.word)).lower()
            words = self._texts[ref] = text, health.reason.lower() if self.reason_column is not None else ""
        return words

    def _field_names(self) -> set[str] | None:
        """What may stand before the colon of a filter; None without a row, for only rows know all their fields."""
        row = next((row for row in map(self.row, self._rows) if row is not None), None)
        return None if row is None else {*self._columns, *self.resource.fields(row)}

    def _field(self, ref: Ref, row: Any, name: str, now: float) -> str | None:
        column = self._columns.get(name)
        if column is None:
            return self.resource.fields(row).get(name)
        return self.cell(ref, row, column, now).text


def has_status(resource: AnyResource) -> bool:
    """Whether its rows have a word of how they fare, in which they show what the rules found."""
    return any(column.title in _STATUS for column in resource.columns)


def find_touched(resource: AnyResource, view: View, delta: Delta) -> dict[Ref, None]:
    """The rows of a resource that a delta has a part in."""
    touched: dict[Ref, None] = {}
    for change in delta.changes:
        related = resource.related.get(type(change.record))
        if related is None:
            continue
        for record in (change.old, change.new):
            if record is not None:
                touched.update(dict.fromkeys(related(view, change.ref, record)))
    return touched


def _columns_by_name(resource: AnyResource) -> dict[str, int]:
    """The places of columns by lower-case title, with and without its spaces."""
    return {
        spelling: at
        for at, column in enumerate(resource.columns)
        for spelling in (column.title.lower(), column.title.lower().replace(" ", ""))
    }
