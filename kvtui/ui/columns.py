"""Which columns have room on a line, and how wide each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvtui.resources.base import Column
from kvtui.text import cells

GAPS = (2, 1)
"""Blank columns of the terminal between two columns of a table: where there is room, and where there is not."""
_WHOLE = 24
"""Up to this width a column of rank 0 or 1 shows its texts whole before others of higher rank stand."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one column stands on the line."""

    index: int
    """Of the column among all that the resource declares."""
    left: int
    width: int


def lay_out(
    columns: Sequence[Column[Any]],
    room: int,
    *,
    widest: Mapping[int, int] | None = None,
    wide: bool = False,
    sort: int | None = None,
) -> tuple[Slot, ...]:
    """Share out `room` terminal columns: the greatest ranks give way first, then cut texts get what is left.

    `widest` says by column how wide its widest text is: a column takes no more than that, less than it asked for if its
    texts are short, and more if they are long and there is room, the lowest ranks first. Columns of rank 0 never give
    way; when even they are too wide, they are cut from the right. A column marked `wide` stands only when `wide` asks
    for it, and gives way before all others. `sort` is the column whose title bears an arrow.
    """
    known = widest or {}
    kept = [index for index, column in enumerate(columns) if wide or not column.wide]
    titles = {index: cells(columns[index].title) + (index == sort) for index in kept}
    widths = {index: max(titles[index], _ask(columns[index], known.get(index))) for index in kept}

    gap = GAPS[0]

    def total() -> int:
        return sum(widths[index] for index in kept) + gap * max(0, len(kept) - 1)

    if total() > room or any(widths[index] < known.get(index, 0) for index in kept if columns[index].rank <= 1):
        gap = GAPS[1]

    while total() > room:
        movable = [index for index in kept if columns[index].rank > 0]
        if not movable:
            break
        kept.remove(max(movable, key=lambda index: (columns[index].wide, columns[index].rank, index)))
    spare = room - total()
    for index in sorted(kept, key=lambda index: (columns[index].rank, -columns[index].grow, index)):
        more = min(spare, max(0, known.get(index, 0) - widths[index]))
        if more > 0:
            widths[index] += more
            spare -= more
    return _place(kept, widths, room, gap)


def _ask(column: Column[Any], widest: int | None) -> int:
    """What a column wants before any gives way; the whole text where the column says what a row is or does."""
    if widest is None:
        return column.width
    return min(widest, max(column.width, _WHOLE) if column.rank <= 1 else column.width)


def _place(kept: Sequence[int], widths: Mapping[int, int], room: int, gap: int) -> tuple[Slot, ...]:
    slots: list[Slot] = []
    left = 0
    for index in kept:
        width = min(widths[index], room - left)
        if width <= 0:
            break
        slots.append(Slot(index, left, width))
        left += width + gap
    return tuple(slots)
