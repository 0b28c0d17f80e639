"""Which columns have room on a line, and how wide each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvtui.resources.base import Column
from kvtui.text import cells

GAP = 2
"""Blank columns of the terminal between two columns of a table."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one column stands on the line."""

    index: int
    """Of the column among all that the resource declares."""
    left: int
    width: int


def lay_out(
    columns: Sequence[Column[Any]], room: int, *, widest: Mapping[int, int] | None = None, wide: bool = False
) -> tuple[Slot, ...]:
    """Share out `room` terminal columns: the greatest ranks give way first, then cut texts get what is left.

    `widest` says by column how wide its widest text is; a column becomes wider than it asked for only up to that, the
    lowest ranks first. Columns of rank 0 never give way; when even they are too wide, they are cut from the right. A
    column marked `wide` stands only when `wide` asks for it, and gives way before all others.
    """
    kept = [index for index, column in enumerate(columns) if wide or not column.wide]
    widths = {index: max(columns[index].width, _title_width(columns[index])) for index in kept}

    def total() -> int:
        return sum(widths[index] for index in kept) + GAP * max(0, len(kept) - 1)

    while total() > room:
        movable = [index for index in kept if columns[index].rank > 0]
        if not movable:
            break
        kept.remove(max(movable, key=lambda index: (columns[index].wide, columns[index].rank, index)))
    _widen(columns, kept, widths, widest or {}, room - total())
    return _place(kept, widths, room)


def _title_width(column: Column[Any]) -> int:
    """The title, and the arrow of the sorted column."""
    return cells(column.title) + 1 if column.title else 0


def _widen(
    columns: Sequence[Column[Any]], kept: Sequence[int], widths: dict[int, int], widest: Mapping[int, int], spare: int
) -> None:
    """Give cut texts the room that is left, and failing that the room that other columns ask for and do not use."""
    by_rank = sorted(kept, key=lambda index: (columns[index].rank, -columns[index].grow, index))
    idle = {
        index: max(0, widths[index] - max(widest[index], _title_width(columns[index])))
        for index in kept
        if index in widest
    }
    for index in by_rank:
        need = widest.get(index, 0) - widths[index]
        if need <= 0:
            continue
        more = min(spare, need)
        spare -= more
        for other in reversed(by_rank):
            lent = min(idle.get(other, 0), need - more)
            if lent > 0:
                idle[other] -= lent
                widths[other] -= lent
                more += lent
        widths[index] += more


def _place(kept: Sequence[int], widths: Mapping[int, int], room: int) -> tuple[Slot, ...]:
    slots: list[Slot] = []
    left = 0
    for index in kept:
        width = min(widths[index], room - left)
        if width <= 0:
            break
        slots.append(Slot(index, left, width))
        left += width + GAP
    return tuple(slots)
