"""The layers of one object as a table: what stands on it above, what it stands on below."""

from __future__ import annotations

from typing import Final

from kvtui.fleet import Fleet
from kvtui.model import Cell, Ref, Tone
from kvtui.resources.base import Column
from kvtui.stack import ToldLayer, tell_stack
from kvtui.ui.rows import KeyedRows
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


class StackTable(LiveTable[_Key]):
    """The layers of an object; the cursor is on the object itself at first."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._layers: KeyedRows[_Key, ToldLayer] = KeyedRows(COLUMNS, fleet.clock)
        super().__init__(COLUMNS, self._layers, id="stack")

    def show(self, ref: Ref) -> None:
        """Show the present state of the stack of an object."""
        fleet = self._fleet
        findings = (*fleet.engine.worst.values(), *fleet.engine.findings)
        told = tell_stack(fleet.view, ref, fleet.resources, findings, fleet.clock())
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
