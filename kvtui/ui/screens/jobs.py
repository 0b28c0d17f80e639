"""What was begun: each action with what came of every row, to be cancelled, tried again, or looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from kvtui.actions.items import AGAIN, Batch, Item, State, name_item
from kvtui.fleet import Fleet
from kvtui.model import Cell, Ref, Tone
from kvtui.resources.base import Column
from kvtui.text import age, clean_line, join_clauses
from kvtui.ui.actions import ActionRunner
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.table import LiveTable

_PAUSE: Final = 0.25
"""Seconds between two looks at what changes."""
_LISTED: Final = 8
"""Lines that the list of actions takes at most."""
_NONE: Final = ("nothing was done yet", "actions are begun on the list: a tells what there is")
_TONES: Final = {
    State.WAITING: Tone.MUTED, State.ASKED: Tone.BUSY, State.ACCEPTED: Tone.BUSY, State.DONE: Tone.OK,
    State.FAILED: Tone.BAD, State.LEFT_OUT: Tone.MUTED, State.UNSENT: Tone.WARN, State.UNKNOWN: Tone.WARN,
}  # fmt: skip
_TROUBLES: Final = frozenset({State.FAILED, State.UNSENT, State.UNKNOWN})

K = TypeVar("K", bound=Hashable)


class _Rows(Generic[K]):
    """Keys in their order, each the row itself."""

    def __init__(self, columns: Sequence[Column[K]], clock: Callable[[], float]) -> None:
        self.keys: Sequence[K] = ()
        self._columns = columns
        self._clock = clock
        self._places: dict[K, int] = {}

    def put(self, keys: Sequence[K]) -> bool:
        """Other rows are there; whether any came, went or changed places."""
        moved = list(keys) != list(self.keys)
        self.keys, self._places = keys, {key: index for index, key in enumerate(keys)}
        return moved

    def index(self, key: K) -> int | None:
        return self._places.get(key)

    def has(self, key: K) -> bool:
        return key in self._places

    def cell(self, key: K, column: int, now: float) -> Cell:
        return self._columns[column].cell(key, now)

    def now(self) -> float:
        return self._clock()


class JobsScreen(Screen[None]):
    """The actions that were begun, the newest first, and below them the rows of the chosen one."""

    TITLE = "What was done"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "back", tooltip="back to the list; what goes on goes on"),
        Binding("tab,shift+tab", "step", "other table", tooltip="from the actions to their rows, and back"),
        Binding("x", "open_stack", "stack", tooltip="the stack of the row"),
        Binding("M", "cancel", "cancel", tooltip="send nothing more of the action; what was sent stays sent"),
        Binding("r", "retry", "retry", tooltip="try again what failed, was not sent, or of which nobody knows"),
        Binding(
            "exclamation_mark",
            "faults",
            "faults",
            tooltip="show only what failed, is overdue, put back or unknown",
        ),
        Binding("J", "leave", "back", show=False),
    ]

    def __init__(self, fleet: Fleet, runner: ActionRunner) -> None:
        super().__init__()
        self._fleet = fleet
        self._runner = runner
        self._faults = False
        self._title = Static(classes="detail-title", markup=False)
        self._heading = Static(classes="detail-title", markup=False)
        self._keys = Static(classes="detail-keys", markup=False)
        self._summaries: dict[Batch, Cell] = {}
        """What each action came to when it was last looked at: a frame is painted later, and tells it twice."""
        batch_columns, item_columns = self._batch_columns(), self._item_columns()
        self._batches: _Rows[Batch] = _Rows(batch_columns, fleet.clock)
        self._items: _Rows[Item] = _Rows(item_columns, fleet.clock)
        self.batch_table: LiveTable[Batch] = LiveTable(batch_columns, self._batches, id="jobs-batches")
        self.item_table: LiveTable[Item] = LiveTable(item_columns, self._items, id="jobs-items")

    def compose(self) -> ComposeResult:
        """The actions, and the rows of one."""
        yield self._title
        yield self.batch_table
        yield self._heading
        yield self.item_table
        yield self._keys

    def on_mount(self) -> None:
        """Follow what goes on."""
        self.batch_table.show_message(*_NONE)
        self.item_table.show_message("")
        self.redraw()
        self.set_interval(_PAUSE, self.redraw)
        self.set_focus(self.batch_table)

    @property
    def chosen(self) -> Batch | None:
        """The action under the cursor."""
        return self.batch_table.cursor

    def redraw(self) -> None:
        """Show the present state."""
        batches, now = self._runner.batches.all, self._fleet.clock()
        self._summaries = {batch: _summary_cell(batch, now) for batch in batches}
        going = sum(batch.open for batch in batches)
        count = "1 action" if len(batches) == 1 else f"{len(batches)} actions"
        self._title.update(Text(f" What was done   {count}{f', {going} under way' if going else ''}"))
        moved = self._batches.put(tuple(batches))
        self.batch_table.styles.height = max(3, min(len(batches) + 1, _LISTED, self.size.height // 3))
        _show(self.batch_table, self._batches.keys, moved=moved)
        self._redraw_items()

    def _redraw_items(self) -> None:
        batch, now = self.chosen, self._fleet.clock()
        self._keys.update(Text(_name_keys(batch)))
        items = [] if batch is None else [item for item in batch.items if not self._faults or _is_faulty(item, now)]
        moved = self._items.put(tuple(items))
        if batch is not None:
            more = "   ! faults only" if self._faults else ""
            told = f"{batch.action.label} {batch.subject}: {self._summaries[batch].text}"
            self._heading.update(Text(clean_line(f" {told}{more}")))
            self.item_table.show_message(f"none of {len(batch.items)} is in trouble: ! shows all")
        _show(self.item_table, self.item_table.visible_keys if not moved else self._items.keys, moved=moved)

    def _batch_columns(self) -> tuple[Column[Batch], ...]:
        return (
            Column("AGO", _age_cell, 5, rank=2, right=True, ticks=True),
            Column("ACTION", lambda batch, _now: Cell(batch.action.label), 14, rank=0),
            Column("ON", lambda batch, _now: Cell(clean_line(batch.subject)), 20, rank=0, grow=1),
            Column("CAME TO", lambda batch, _now: self._summaries[batch], 24, rank=0, grow=2, ticks=True),
        )

    def _item_columns(self) -> tuple[Column[Item], ...]:
        return (
            Column("OBJECT", lambda item, _now: Cell(self._name_item(item)), 24, rank=0, grow=1),
            Column("STATE", _state_cell, 18, rank=0),
            Column("AFTER", _seconds_cell, 6, rank=2, right=True),
            Column("WORDS", self._words_cell, 20, rank=1, grow=3),
        )

    def _name_item(self, item: Item) -> str:
        return self._fleet.name(Ref(item.ref.backend, "", "", name_item(item)))

    def _words_cell(self, item: Item, _now: float) -> Cell:
        warned = [f"the server warns: {words}" for words in item.warnings]
        return Cell(clean_line(join_clauses(self._runner.batches.explain(item), *warned)))

    # Keys ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_step(self) -> None:
        """Give the keyboard to the other table."""
        if not self._say_none():
            self.set_focus(self.item_table if self.batch_table.has_focus else self.batch_table)

    def action_faults(self) -> None:
        """Show only rows that are in trouble, or all."""
        if not self._say_none():
            self._faults = not self._faults
            self._redraw_items()

    def _say_none(self) -> bool:
        """Whether nothing was done yet, which is said then."""
        if self.chosen is None:
            self.notify(_NONE[0], severity="warning", timeout=4)
        return self.chosen is None

    def action_cancel(self) -> None:
        """Send nothing more of the chosen action."""
        if self._say_none() or self.chosen is None:
            return
        kept = self._runner.batches.cancel(self.chosen)
        words = f"{kept} of {len(self.chosen.items)} are not sent" if kept else "all of it was sent already"
        self.notify(f"{self.chosen.action.label}: {words}", severity="information" if kept else "warning", timeout=4)
        self.redraw()

    def action_retry(self) -> None:
        """Try again what failed, was not sent, or of which nobody knows."""
        batch = self.chosen
        if self._say_none() or batch is None:
            return
        if not _is_retriable(batch):
            why = "it goes on still" if batch.unsent else "nothing of it failed"
            self.notify(f"{batch.action.label}: {why}", severity="warning", timeout=4)
            return
        self.app.run_worker(self._runner.retry(batch), group="actions")

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """Show the rows of the action that is chosen now."""
        event.stop()
        if event.table is self.batch_table:
            self._redraw_items()

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        """From an action to its rows; of a row, show it in full."""
        event.stop()
        if self._say_none():
            return
        if event.table is self.batch_table:
            self.set_focus(self.item_table)
        else:
            self._open()

    def action_open_stack(self) -> None:
        """Show the stack of the chosen row."""
        if self._say_none():
            return
        if self.batch_table.has_focus:
            self.notify("a stack is of a row: tab leads to the rows of the action", severity="warning", timeout=4)
        else:
            self._open("stack")

    def _open(self, tab: str = "overview") -> None:
        """Show the chosen row in full, at a tab; where there is none, it is said why."""
        item = self.item_table.cursor
        if item is None:
            self.notify("none of its rows is in trouble: ! shows all", severity="warning", timeout=4)
            return
        resource = item.batch.resource
        if not item.ref.name or resource.row(self._fleet.view, item.ref) is None:
            self.notify(f"{self._name_item(item)} is not there", severity="warning", timeout=4)
            return
        self.app.push_screen(DetailScreen(self._fleet, self._runner.batches, resource, item.ref, tab))


def _is_cancellable(batch: Batch) -> bool:
    return any(item.state is State.WAITING for item in batch.items)


def _is_retriable(batch: Batch) -> bool:
    return not batch.unsent and any(item.state in AGAIN for item in batch.items)


def _name_keys(batch: Batch | None) -> str:
    """The keys, those in parentheses that come to nothing on the chosen action."""
    cancel = "M cancel" if batch is not None and _is_cancellable(batch) else "(M cancel)"
    retry = "r retry" if batch is not None and _is_retriable(batch) else "(r retry)"
    return f"esc back  tab other table  enter open  {cancel}  {retry}  ! faults  ? help"


def _show(table: LiveTable[Any], keys: Collection[Any], *, moved: bool) -> None:
    table.update_rows(keys, moved=moved)
    table.tick()


def _age_cell(batch: Batch, now: float) -> Cell:
    return Cell(age(now - batch.begun), Tone.MUTED)


def _summary_cell(batch: Batch, now: float) -> Cell:
    counts = batch.counts
    if counts[State.FAILED]:
        tone = Tone.BAD
    elif any(_is_faulty(item, now) for item in batch.items):
        tone = Tone.WARN
    else:
        tone = Tone.BUSY if batch.open else Tone.OK
    return Cell(batch.summary(now), tone)


def _state_cell(item: Item, now: float) -> Cell:
    if item.is_overdue(now):
        return Cell(f"{item.state}, overdue", Tone.WARN)
    return Cell(f"{item.state}, put back", Tone.WARN) if item.undone else Cell(item.state.value, _TONES[item.state])


def _seconds_cell(item: Item, now: float) -> Cell:
    seconds = item.seconds(now)
    return Cell("" if seconds is None else age(seconds), Tone.MUTED)


def _is_faulty(item: Item, now: float) -> bool:
    return item.state in _TROUBLES or item.undone or item.is_overdue(now)
