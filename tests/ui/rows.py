"""Plain rows for tests of the table: no resource, no store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import App, ComposeResult

from kvtui.model import Cell, Tone
from kvtui.resources.base import Column
from kvtui.ui.table import LiveTable


@dataclass
class Machine:
    """A row."""

    name: str
    status: str = "Running"
    created: float = 0.0


def _status(machine: Machine, _now: float) -> Cell:
    return Cell(machine.status, Tone.OK if machine.status == "Running" else Tone.BAD)


COLUMNS: tuple[Column[Machine], ...] = (
    Column("NAME", lambda machine, _now: Cell(machine.name), 10, rank=0),
    Column("STATUS", _status, 8, rank=0),
    Column("AGE", lambda machine, now: Cell(f"{now - machine.created:.0f}s"), 5, rank=2, right=True, ticks=True),
)


class Machines:
    """Rows in the order of their names, as a listing would keep them."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self.time = 100.0
        self.by_name = {machine.name: machine for machine in machines}

    @property
    def keys(self) -> Sequence[str]:
        return sorted(self.by_name)

    def index(self, key: str) -> int | None:
        keys = self.keys
        return keys.index(key) if key in self.by_name else None

    def has(self, key: str) -> bool:
        return key in self.by_name

    def cell(self, key: str, column: int, now: float) -> Cell:
        return COLUMNS[column].cell(self.by_name[key], now)

    def now(self) -> float:
        return self.time


class TableApp(App[None]):
    """A table and nothing else."""

    CSS = "LiveTable { height: 1fr; width: 1fr; }"

    def __init__(self, rows: Machines) -> None:
        super().__init__()
        self.rows = rows
        self.table: LiveTable[str] = LiveTable(COLUMNS, rows)
        self.activated: list[str | None] = []
        self.picked: list[int] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.update_rows((), moved=True)
        self.table.focus()

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        self.activated.append(event.table.cursor)

    def on_live_table_sort_picked(self, event: LiveTable.SortPicked) -> None:
        self.picked.append(event.column)


def machines(count: int) -> Machines:
    return Machines([Machine(f"vm-{number:03}") for number in range(count)])
