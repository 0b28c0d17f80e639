"""Which columns have room on a line, and how wide each is."""

from __future__ import annotations

from collections.abc import Sequence
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


def lay_out(columns: Sequence[Column[Any]], room: int, *, wide: bool = False) -> tuple[Slot, ...]:
    """Share out `room` terminal columns: the greatest ranks give way first, the rest grows into what is left.

    Columns of rank 0 never give way; when even they are too wide, they are cut from the right. A column marked `wide`
    stands only when `wide` asks for it, and gives way before all others.
    """
    kept = [index for index, column in enumerate(columns) if wide or not column.wide]
    widths = {index: max(columns[index].width, cells(columns[index].title)) for index in kept}

    def total() -> int:
        return sum(widths[index] for index in kept) + GAP * max(0, len(kept) - 1)

    while total() > room:
        movable = [index for index in kept if columns[index].rank > 0]
        if not movable:
            break
        kept.remove(max(movable, key=lambda index: (columns[index].wide, columns[index].rank, index)))
    _grow(columns, kept, widths, room - total())
    slots: list[Slot] = []
    left = 0
    for index in kept:
        width = min(widths[index], room - left)
        if width <= 0:
            break
        slots.append(Slot(index, left, width))
        left += width + GAP
    return tuple(slots)


def _grow(columns: Sequence[Column[Any]], kept: Sequence[int], widths: dict[int, int], spare: int) -> None:
    shares = sum(columns[index].grow for index in kept)
    if spare <= 0 or not shares:
        return
    left = spare
    for index in kept:
        share = spare * columns[index].grow // shares
        widths[index] += share
        left -= share
    widths[next(index for index in kept if columns[index].grow)] += left
