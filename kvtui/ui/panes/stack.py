"""The layers of one object as a table: what stands on it above, what it stands on below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from kvtui.fleet import Fleet
from kvtui.model import Cell, Ref, Tone
from kvtui.resources.base import Column
from kvtui.stack import ToldLayer, tell_stack
from kvtui.ui.table import LiveTable

_Key = tuple[int, str, str, int]
"""Depth, role and name of a layer, and which of those that read alike it is."""


def _glyph(told: ToldLayer, _now: float) -> Cell:
    finding = told.finding
    return Cell(finding.severity.glyph, finding.severity.tone) if finding is not None else Cell("")


def _layer(told: ToldLayer, _now: float) -> Cell:
    return Cell(f"{'  ' * told.depth}{told.layer.role}", None if told.own else Tone.MUTED)


def _status(told: ToldLayer, _now: float) -> Cell:
    return Cell(told.health.word, told.health.tone) if told.health is not None else Cell("")


COLUMNS: Final[tuple[Column[ToldLayer], ...]] = (
    Column("", _glyph, 1, rank=0),
    Column("LAYER", _layer, 18, rank=0),
    Column("NAME", lambda told, _now: Cell(told.layer.name), 22, rank=0, grow=2),
    Column("STATUS", _status, 14, rank=0),
    Column("WHY", lambda told, _now: Cell(told.words, told.tone), 16, rank=1, grow=4),
)


class _Rows:
    """The layers in their order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.keys: Sequence[_Key] = ()
        self._clock = clock
        self._told: dict[_Key, ToldLayer] = {}
        self._places: dict[_Key, int] = {}

    def put(self, told: dict[_Key, ToldLayer]) -> tuple[set[_Key], bool]:
        """Other layers are there; those that read differently, and whether any came, went or changed places."""
        changed = {key for key, one in told.items() if self._told.get(key) != one}
        moved = list(told) != list(self.keys)
        self._told, self.keys = told, tuple(told)
        self._places = {key: index for index, key in enumerate(self.keys)}
        return changed, moved

    def index(self, key: _Key) -> int | None:
        return self._places.get(key)

    def has(self, key: _Key) -> bool:
        return key in self._places

    def cell(self, key: _Key, column: int, now: float) -> Cell:
        return COLUMNS[column].cell(self._told[key], now)

    def now(self) -> float:
        return self._clock()

    def find(self, key: _Key | None) -> ToldLayer | None:
        """The layer of a key."""
        return self._told.get(key) if key is not None else None


class StackTable(LiveTable[_Key]):
    """The layers of an object; the cursor is on the object itself at first."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._layers = _Rows(fleet.clock)
        super().__init__(COLUMNS, self._layers, id="stack")

    def show(self, ref: Ref) -> None:
        """Show the present state of the stack of an object."""
        fleet = self._fleet
        told = tell_stack(fleet.view, ref, fleet.resources, fleet.engine.findings, fleet.clock())
        self.show_message(*(() if told else ("nothing that is watched is above or below this",)))
        keyed: dict[_Key, ToldLayer] = {}
        own: _Key | None = None
        for one in told or ():
            number = 0
            while (key := (one.depth, one.layer.role, one.layer.name, number)) in keyed:
                number += 1
            keyed[key] = one
            own = key if one.own else own
        first = not self._layers.keys
        changed, moved = self._layers.put(keyed)
        self.update_rows(changed, moved=moved)
        if first and own is not None:
            self.move_to(own)

    @property
    def chosen(self) -> ToldLayer | None:
        """The layer under the cursor."""
        return self._layers.find(self.cursor)
