"""A live pane of one resource: title with counts and feed state, and the table."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from kvtui.backends.base import Permission
from kvtui.backends.kubernetes.roles import explain_need
from kvtui.errors import KvtuiError
from kvtui.fleet import Fleet
from kvtui.model import Cell, FeedState, Ref, Tone
from kvtui.resources.base import AnyAction, AnyResource, Site, show_backend
from kvtui.resources.listing import Listing
from kvtui.store import Delta
from kvtui.text import age
from kvtui.ui.actions import ActionRunner
from kvtui.ui.bar import Piece
from kvtui.ui.feeds import empty_lines, kind_words, name_backends, state_words, unread_feed, worst_feed, worst_feeds
from kvtui.ui.panes.title import PaneTitle
from kvtui.ui.table import LiveTable

_RIGHTS = 30.0
"""Seconds between two questions for the rights in one place; the backend remembers answers for longer."""
_MAY_CONSOLE = Permission("get", "subresources.kubevirt.io", "virtualmachineinstances", "console")
_CONSOLE = "console"
_NAME_MOST = 20
"""Columns that names of backends may take in a title."""
UNBOUND = "unbound"
"""The key, which no keyboard has, of an action that is only in the menu: the user may give it one."""


class _ListedRows:
    """A listing as a table wants it, with what is pending written over the status."""

    def __init__(self, listing: Listing, fleet: Fleet, runner: ActionRunner) -> None:
        self._listing = listing
        self._fleet = fleet
        self._runner = runner

    @property
    def keys(self) -> Sequence[Ref]:
        return self._listing.refs

    def index(self, key: Ref) -> int | None:
        return self._listing.index(key)

    def has(self, key: Ref) -> bool:
        return self._listing.row(key) is not None

    def cell(self, key: Ref, column: int, now: float) -> Cell:
        if column in (self._listing.status_column, self._listing.reason_column):
            pending = self._runner.pending(key)
            overdue = pending is not None and self._runner.is_overdue(key)
            if pending is not None and column == self._listing.status_column:
                return Cell(pending, Tone.WARN if overdue else Tone.BUSY)
            # What it says of the state that it leaves is of no use, until it should have left it.
            if pending is not None and not overdue:
                return Cell("")
        row = self._listing.row(key)
        return Cell("") if row is None else self._listing.cell(key, row, column, now)

    def now(self) -> float:
        return self._fleet.clock()


class ResourcePane(Vertical):
    """The rows of one resource. `make_pane` gives it the keys of the resource's actions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", tooltip="mark the row, or unmark it", id="pane.mark"),
        Binding("ctrl+space,ctrl+@", "mark_range", "mark range", tooltip="mark from the last marked row to here",
                id="pane.mark_range"),
        Binding("o", "sort_next", "sort", tooltip="sort by the next column", id="pane.sort"),
        Binding("O", "sort_reverse", "reverse", tooltip="reverse the order", id="pane.sort_reverse"),
        Binding("y", "open_tab('yaml')", "YAML", tooltip="the object itself", id="pane.yaml"),
        Binding("d", "open_tab('overview')", "describe", tooltip="the object and its parts", id="pane.describe"),
        Binding("E", "open_tab('events')", "events", tooltip="the events about the row", id="pane.events"),
        Binding("l", "open_tab('log')", "logs", tooltip="the log of the row's pod", id="pane.logs"),
        Binding("x", "open_tab('stack')", "stack", show=False, tooltip="the stack of the row", id="pane.stack"),
        Binding("t", "open_tab('timeline')", "timeline", tooltip="what happened to the row and its layers, and when",
                id="pane.timeline"),
        Binding("w", "open_tab('overview')", "why", tooltip="what is wrong with the row, and why", id="pane.why"),
    ]  # fmt: skip

    class Opened(Message):
        """The row under the cursor is to be shown in full."""

        def __init__(self, resource: AnyResource, ref: Ref, tab: str) -> None:
            super().__init__()
            self.resource = resource
            self.ref = ref
            self.tab = tab

    class Changed(Message):
        """The cursor, the marks or the count are others than before."""

        def __init__(self, pane: ResourcePane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, number: int, resource: AnyResource, fleet: Fleet, runner: ActionRunner) -> None:
        """`number` is the key that leads here, 0 for a pane that is only reached by its name."""
        super().__init__(id=f"pane-{resource.name}")
        self.number = number
        self.resource = resource
        self._fleet = fleet
        self._runner = runner
        self.listing = Listing(resource, fleet.view, fleet.clock(), lambda: fleet.engine.worst)
        self._neighbours: tuple[Piece, ...] = ()
        self._asked: dict[tuple[str, str], float] = {}
        """When the rights in which backend and namespace were asked for."""
        self._denied: dict[tuple[str, tuple[str, str]], str] = {}
        """Which action the account may not do in which backend and namespace, with the reason."""
        self._title = PaneTitle()
        self.table: LiveTable[Ref] = LiveTable(
            resource.columns, _ListedRows(self.listing, fleet, runner), id=f"table-{resource.name}"
        )
        # Backends answer one after the other: the first row that comes is seldom the first of the list.
        self.table.on_top = True

    def compose(self) -> ComposeResult:
        """Title and table."""
        yield self._title
        yield self.table

    def on_mount(self) -> None:
        """Show what is known already."""
        self.table.show_sort(self.listing.sort_column, self.listing.descending)
        self._say_empty()
        self.table.update_rows((), moved=True)
        self.draw_title()

    # What the screen says ------------------------------------------------------------------------------------------

    def take(self, delta: Delta) -> None:
        """Follow the store."""
        change = self.listing.apply(delta, self._fleet.clock())
        if delta.feeds:
            self._say_empty()
        if change.changed or change.moved:
            self._say_empty()
            self.table.update_rows(change.changed, moved=change.moved)
            self.post_message(self.Changed(self))
        if delta.feeds or change.moved:
            self.draw_title()

    def redraw_rows(self, refs: Collection[Ref]) -> None:
        """The pending text of rows began, changed or ended."""
        if any(ref in refs and self._runner.pending(ref) is not None for ref in self.table.marks):
            self.table.clear_marks()
        shown = [ref for ref in refs if self.listing.index(ref) is not None]
        if shown:
            self.table.update_rows(shown, moved=False)
            self.post_message(self.Changed(self))

    def tick(self) -> None:
        """Let ages and countdowns go on."""
        if self._runner.has_pending:
            pending = [ref for ref in self.table.visible_keys if self._runner.pending(ref)]
            self.table.update_rows(pending, moved=False)
        self.table.tick()
        self._say_empty()
        self.draw_title()

    def show_focus(self, focused: bool) -> None:
        """Show that the keyboard is here."""
        self._title.show_focus(focused)
        self.draw_title()

    def show_neighbours(self, pieces: Sequence[Piece]) -> None:
        """While this pane stands alone: name the others and their counts in the title."""
        self._neighbours = tuple(pieces)
        self.draw_title()

    def filter(self, text: str, meant: Ref | None) -> None:
        """Show only rows that match, and the cursor on the one that is `meant`. Raises ValueError with a sentence."""
        self.listing.set_filter(text, self._fleet.clock())
        self._shown_anew(meant)

    def show_faults(self, only: bool) -> None:
        """Show only rows that are not well, or all."""
        self.listing.set_faults(only, self._fleet.clock())
        self._shown_anew(self.meant)

    def show_namespace(self, namespace: str) -> None:
        """Show one namespace; empty for all."""
        self.listing.set_namespace(namespace, self._fleet.clock())
        self._shown_anew(self.meant)

    def sort_by(self, column: int, descending: bool) -> None:
        """Put the rows in order of a column."""
        self.listing.set_sort(column, descending, self._fleet.clock())
        self.table.show_sort(column, descending)
        self._shown_anew(self.meant)

    def _shown_anew(self, meant: Ref | None) -> None:
        self._say_empty()
        self.table.update_all()
        self._place_cursor(meant)
        self.draw_title()
        self.post_message(self.Changed(self))

    def _place_cursor(self, meant: Ref | None) -> None:
        """Where the row that is meant is hidden, go to one that the filter names, else to the first: what took its
        place is another one, and the next key must not be for that.
        """
        if meant is not None and self.table.move_to(meant):
            return
        name = self.listing.filter_text.lower()
        named = next((ref for ref in self.listing.refs if ref.name.lower() == name), None)
        if named is not None:
            self.table.move_to(named)
        elif not self.table.on_top:
            self.table.action_go(0)

    # What the screen asks ------------------------------------------------------------------------------------------

    @property
    def count(self) -> str:
        """How many rows: ``412``, or ``12/412`` while a filter hides some."""
        shown, total = len(self.listing.refs), self.listing.total
        if total == 0 and self._feed_is(FeedState.LOADING, FeedState.FORBIDDEN, FeedState.ABSENT, FeedState.FAILED):
            return "?" if not self._feed_is(FeedState.ABSENT) else "-"
        return str(total) if shown == total else f"{shown}/{total}"

    @property
    def tab(self) -> list[Piece]:
        """How another pane that stands alone names this one: key, title and count."""
        key, rank = str(self.number), self.number + 1
        return [
            Piece(f" {key} ", "key", rank=rank, key=key),
            Piece(f"{self.resource.title} {self.count} ", "", rank=rank, key=key),
        ]

    @property
    def chosen(self) -> list[Any]:
        """The marked rows, or the one under the cursor."""
        refs = self.table.marks or ((self.table.cursor,) if self.table.cursor else ())
        return [row for row in map(self.listing.row, refs) if row is not None]

    @property
    def current(self) -> Ref | None:
        """The row under the cursor."""
        return self.table.cursor

    @property
    def meant(self) -> Ref | None:
        """The row that the user put the cursor on; None while it is on the first one, whichever that is."""
        return None if self.table.on_top else self.table.cursor

    def hold_row(self) -> None:
        """The user means the row under the cursor: the cursor follows it from now on."""
        self.table.on_top = False

    def rows_for(self, action: AnyAction) -> list[Any]:
        """What an action is to be done to: the chosen rows, or where a maker is to make one."""
        return [self._site(action)] if action in self.resource.makers else self.chosen

    def _site(self, maker: AnyAction) -> Site:
        """The backend under the cursor, or the first that can make such a thing, and the namespace that is shown."""
        cursor = self.current
        known = self._fleet.backends
        names = [cursor.backend] if cursor is not None else []
        backends = [known[name] for name in (*names, *known) if name in known]
        here = cursor.namespace if cursor is not None else ""
        shown = self.listing.namespace or here
        sites = [
            Site(backend.name, shown or backend.info.namespace or "default", backend.info.platform)
            for backend in backends
        ]
        return next((site for site in sites if not maker.when(site)), sites[0])

    def reasons(self) -> dict[str, str]:
        """By action, why it is impossible on the chosen rows; empty where it is possible."""
        found = self._reasons(self.resource.actions, self.chosen)
        for maker in self.resource.makers:
            found |= self._reasons([maker], self.rows_for(maker))
        return found

    def _reasons(self, actions: Sequence[AnyAction], rows: Sequence[Any]) -> dict[str, str]:
        found, places = self._runner.reasons(actions, rows), self._places(rows) if self._denied else ()
        for action in actions:
            denied = (self._denied.get((action.id, place), "") for place in places)
            found[action.id] = found[action.id] or next(filter(None, denied), "")
        return found

    def ask_rights(self) -> None:
        """Find out beside the loop of messages what the account may not do to the chosen rows, now and then anew."""
        subjects = [*self.chosen, *(self._site(maker) for maker in self.resource.makers)]
        now = time.monotonic()
        places = {
            place: row
            for place, row in self._places(subjects).items()
            if now - self._asked.get(place, -math.inf) >= _RIGHTS
        }
        if places and self.resource.verbs:
            self._asked |= dict.fromkeys(places, now)
            self.run_worker(self._ask_rights(places), group="rights")

    async def _ask_rights(self, places: Mapping[tuple[str, str], Any]) -> None:
        """What could not be asked counts as allowed: the answer comes when the key is pressed."""
        for place, row in places.items():
            lacks = await asyncio.gather(*(self._lack(action.of(row), *place) for action in self.resource.verbs))
            for action, lack in zip(self.resource.verbs, lacks, strict=True):
                self._denied[action.id, place] = lack
            if self.resource.label == "vm":
                self._denied[_CONSOLE, place] = await self._lack_one(_MAY_CONSOLE, *place)
        self.post_message(self.Changed(self))

    async def _lack(self, action: AnyAction, backend: str, namespace: str) -> str:
        """Which right the account lacks for an action; empty when none."""
        for needs in (action.needs, *action.also):
            lack = await self._lack_one(needs, backend, namespace)
            if lack:
                return lack
        return ""

    async def _lack_one(self, needs: Permission, backend: str, namespace: str) -> str:
        with suppress(KvtuiError):
            verdict = await self._fleet.backends[backend].may(needs, namespace)
            if verdict.asked and not verdict.allowed:
                return explain_need(needs)
        return ""

    @property
    def why_no_console(self) -> str:
        """Which right the account lacks for the console of the chosen rows; empty when none."""
        denied = (self._denied.get((_CONSOLE, place), "") for place in self._places(self.chosen))
        return next(filter(None, denied), "")

    def why_no_console_of(self, ref: Ref) -> str:
        """The same for one machine, wherever it is chosen; empty too while nobody knows."""
        return self._denied.get((_CONSOLE, (ref.backend, ref.namespace)), "")

    def _places(self, rows: Sequence[Any]) -> dict[tuple[str, str], Any]:
        """Where the rows are, with one of them each."""
        places = {}
        for row in rows:
            ref = row.ref if isinstance(row, Site) else self.resource.ref(row)
            if ref.backend in self._fleet.backends:
                places[ref.backend, ref.namespace] = row
        return places

    @property
    def is_loading(self) -> bool:
        """Whether its rows are still to come."""
        return self._feed_is(FeedState.LOADING)

    def _feed_is(self, *states: FeedState) -> bool:
        return any(feed.state in states for feed in self._fleet.feeds(self.resource.own))

    # Drawing -------------------------------------------------------------------------------------------------------

    def draw_title(self) -> None:
        """Say what is shown, how much of it, and how well it is known."""
        left = [
            self._title.rule,
            Piece(f" {self.number or ':'} ", "key"),
            Piece(f"{self.resource.title} ", "title"),
            Piece(f"{self.count} "),
        ]
        marked = len(self.table.marks)
        if marked:
            hidden = len(self.table.hidden_marks)
            left.append(Piece(f"* {marked} marked{f', {hidden} hidden' if hidden else ''} ", "warn"))
        if self.listing.faults:
            left.append(Piece("! faults only ", "warn"))
        if self.listing.filter_text:
            left.append(Piece(f"/{self.listing.filter_text} ", "accent"))
        order = self.resource.columns[self.listing.sort_column].order
        if order:
            left.append(Piece(f"{order}{', reversed' if self.listing.descending else ''} ", "muted", rank=1))
        self._title.set_pieces(left, [*self._state_pieces(), *self._neighbours])

    def _state_pieces(self) -> list[Piece]:
        feeds = worst_feeds(self._fleet, self.resource)
        if not feeds:
            return []
        feed, now = feeds[0], self._fleet.clock()
        words, tone = state_words(feed, now)
        if feed.kind not in {source.kind for source in self.resource.own}:
            words = f"{kind_words(feed.kind)} {words}"
        elif self.listing.total and feed.state not in (FeedState.LOADING, FeedState.STALE):
            words = f"{words}, rows {age(now - feed.since)} old"
        if len(self._fleet.backends) > 1:
            names = sorted(one.backend for one in feeds)
            words = f"{name_backends(self._fleet, names, _NAME_MOST)}: {words}"
        return [Piece(f" {words} ", tone.value), self._title.rule]

    def name_row(self, row: Any) -> str:
        """A row as it is called where it stands alone."""
        return self._fleet.name(self.resource.ref(row))

    def _say_empty(self) -> None:
        if not self.listing.refs:
            self.table.show_message(*self._why_empty())

    def _why_empty(self) -> tuple[str, ...]:
        feed = worst_feed(self._fleet, self.resource) or unread_feed(self._fleet, self.resource)
        namespace = self.listing.namespace
        own = "any namespace" if any(source.namespaced for source in self.resource.own) else "sight"
        scope = f"namespace {namespace}" if namespace else own
        now = self._fleet.clock()
        return empty_lines(self.resource, feed, now, filtered=self.listing.total, scope=scope)

    @property
    def why_unchosen(self) -> str:
        """Why there is no row to do something to, where there is none."""
        return f"no row is chosen: {self._why_empty()[0]}"

    def _is_chosen(self) -> bool:
        """Whether there is a row under the cursor; else it is said why there is none."""
        if self.current is None:
            self.notify(self.why_unchosen, severity="warning", timeout=4)
        return self.current is not None

    # Keys ----------------------------------------------------------------------------------------------------------

    async def action_act(self, action_id: str) -> None:
        """Do one of the resource's actions to the chosen rows."""
        action = next(action for action in self.resource.verbs if action.id == action_id)
        self.start(action)

    def start(self, action: AnyAction) -> None:
        """Do an action to the chosen rows, beside the loop of messages: it may ask and wait."""
        self.hold_row()
        hidden = frozenset(self.table.hidden_marks)
        self.app.run_worker(self._runner.invoke(action, self.rows_for(action), hidden), group="actions")

    def action_mark(self) -> None:
        """Mark or unmark."""
        if self._is_chosen():
            self.table.toggle_mark()
            self.draw_title()

    def action_mark_range(self) -> None:
        """Mark from the last marked row to here."""
        if self._is_chosen():
            self.table.mark_range()
            self.draw_title()

    def action_sort_next(self) -> None:
        """Sort by the next column that is on the screen."""
        shown = [slot.index for slot in self.table.slots]
        here = shown.index(self.listing.sort_column) if self.listing.sort_column in shown else -1
        if shown:
            self.sort_by(shown[(here + 1) % len(shown)], False)

    def action_sort_reverse(self) -> None:
        """Reverse the order."""
        self.sort_by(self.listing.sort_column, not self.listing.descending)

    def action_open_tab(self, tab: str) -> None:
        """Show the row under the cursor in full."""
        self.hold_row()
        if self._is_chosen() and self.current is not None:
            self.post_message(self.Opened(self.resource, self.current, tab))

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        """Show the row in full."""
        event.stop()
        self.action_open_tab("overview")

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """Tell the footer."""
        event.stop()
        self.draw_title()
        self.post_message(self.Changed(self))

    def on_live_table_sort_picked(self, event: LiveTable.SortPicked) -> None:
        """Sort by the column; a second click reverses."""
        event.stop()
        same = event.column == self.listing.sort_column
        self.sort_by(event.column, same and not self.listing.descending)


def make_pane(number: int, resource: AnyResource, fleet: Fleet, runner: ActionRunner) -> ResourcePane:
    """The pane of a resource, with a key for each of its actions."""
    if len(fleet.backends) > 1:
        resource = show_backend(resource)
    bindings = [
        Binding(action.key or UNBOUND, f"act('{action.id}')", action.label, id=action.id, tooltip=action.help)
        for action in resource.verbs
    ]
    cls = type(f"{resource.label.title()}Pane", (ResourcePane,), {"BINDINGS": bindings})
    pane = cls(number, resource, fleet, runner)
    assert isinstance(pane, ResourcePane)
    return pane
