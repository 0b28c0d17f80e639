"""Which columns have room on a line, and how wide each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvtui.model import Cell
from kvtui.resources.base import Column
from kvtui.text import cells, fit

GAPS = (2, 1)
"""Blank columns of the terminal between two columns of a table: where there is room, and where there is not."""
_WHOLE = 24
"""Up to this width a column of rank 0 or 1 shows its texts whole before others of higher rank stand."""
_LEAST = 8
"""To this width a column of rank 0 or 1 is cut before one of rank 1 gives way."""
_WORDS = 12
"""To this width a column that can grow is cut where it would not stand else."""
_FAIR = 32
"""Up to this width each column gets what it wants before any gets more."""
_CALM = 5.0
"""Seconds after which the widths are judged anew; a column shrinks when its texts were shorter for two such spans."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one column stands on the line."""

    index: int
    """Of the column among all that the resource declares."""
    left: int
    width: int


class Widths:
    """How wide the texts of each column are: more at once, less only when they have been shorter for a while."""

    def __init__(self) -> None:
        self.widest: dict[int, int] = {}
        self._recent: dict[int, int] = {}
        """Of the texts seen since the widths were last judged."""
        self._due = 0.0

    def clear(self) -> None:
        """Other rows are shown from now on."""
        self.widest.clear()
        self._recent.clear()

    def add(self, row: Sequence[Cell]) -> bool:
        """A row is shown; whether one of its texts is wider than all before."""
        grown = False
        for index, cell in enumerate(row):
            size = cells(cell.text)
            if size > self._recent.get(index, 0):
                self._recent[index] = size
                if size > self.widest.get(index, 0):
                    self.widest[index] = size
                    grown = True
        return grown

    def is_due(self, now: float) -> bool:
        """Whether it is time to judge the widths anew; `now` in seconds."""
        if abs(now - self._due) < _CALM:
            return False
        self._due = now
        return True

    def judge(self, rows: Iterable[Sequence[Cell]]) -> bool:
        """These rows are shown now: forget texts that are long gone. Whether any column asks for another width."""
        before = dict(self.widest)
        seen, self._recent = self._recent, {}
        for row in rows:
            self.add(row)
        for index, size in self._recent.items():
            self.widest[index] = max(size, seen.get(index, 0))
        return before != self.widest


def lay_out(
    columns: Sequence[Column[Any]],
    room: int,
    *,
    widest: Mapping[int, int] | None = None,
    wide: bool = False,
    sort: int | None = None,
) -> tuple[Slot, ...]:
    """Share out `room` terminal columns: the lowest ranks first, and whoever still has room after them.

    `widest` says by column how wide its widest text is: a column takes no more than that, less than it asked for if its
    texts are short, and more if they are long and there is room, the lowest ranks first. Columns of rank 0 and 1 are
    cut before any of them gives way, and rank 0 never does: when all is too narrow, they are cut from the right. A
    column marked `wide` stands only when `wide` asks for it, and after all others. `sort` is the column whose title
    bears an arrow.
    """
    known = widest or {}
    kept = [index for index, column in enumerate(columns) if wide or not column.wide]
    titles = {index: cells(columns[index].title) + (index == sort) for index in kept}
    asked = {index: max(titles[index], _ask(columns[index], known.get(index))) for index in kept}
    whole = all(asked[index] >= known.get(index, 0) for index in kept if columns[index].rank <= 1)
    if whole and sum(asked.values()) + GAPS[0] * (len(kept) - 1) <= room:
        gap, widths = GAPS[0], asked
    else:
        gap = GAPS[1]
        widths = _choose(columns, asked, titles, room, gap)
    spare = room - sum(widths.values()) - gap * (len(widths) - 1)
    _widen(columns, widths, known, spare)
    return _place(sorted(widths), widths, room, gap)


def head(column: Column[Any], width: int, arrow: str) -> str:
    """A column's title; an arrow behind it is never cut."""
    title = fit(column.title, min(cells(column.title), width - len(arrow))) + arrow
    return fit(title, width, right=column.right)


def _ask(column: Column[Any], widest: int | None) -> int:
    """What a column wants before any gives way; the whole text where the column says what a row is or does."""
    if widest is None:
        return column.width
    return min(widest, max(column.width, _WHOLE) if column.rank <= 1 else column.width)


def _choose(
    columns: Sequence[Column[Any]], asked: Mapping[int, int], titles: Mapping[int, int], room: int, gap: int
) -> dict[int, int]:
    """The columns that stand, by their importance, with their widths."""
    ranked = sorted(asked, key=lambda index: (columns[index].wide, columns[index].rank, index))
    widths = _squeeze(columns, {index: asked[index] for index in ranked if _essential(columns[index])}, room, gap)
    spare = room - sum(widths.values()) - gap * (len(widths) - 1)
    _widen(columns, widths, asked, spare)
    for index in ranked:
        spare = room - sum(widths.values()) - gap * len(widths)
        least = min(asked[index], max(titles[index], _WORDS)) if columns[index].grow else asked[index]
        if not _essential(columns[index]) and spare >= least:
            widths[index] = min(asked[index], spare)
    return widths


def _essential(column: Column[Any]) -> bool:
    return column.rank <= 1 and not column.wide


def _squeeze(columns: Sequence[Column[Any]], asked: Mapping[int, int], room: int, gap: int) -> dict[int, int]:
    """The least that the essential columns can do with: their own width, then less, then without those of rank 1."""
    widths = {
        index: min(width, max(columns[index].width, cells(columns[index].title))) for index, width in asked.items()
    }
    for index in sorted(widths, key=lambda index: (-columns[index].rank, -columns[index].grow, -index)):
        over = sum(widths.values()) + gap * (len(widths) - 1) - room
        widths[index] -= min(max(0, over), max(0, widths[index] - _LEAST))
    for index in sorted(widths, reverse=True):
        if columns[index].rank > 0 and sum(widths.values()) + gap * (len(widths) - 1) > room:
            del widths[index]
    return widths


def _widen(columns: Sequence[Column[Any]], widths: dict[int, int], wanted: Mapping[int, int], spare: int) -> None:
    """Hand out what is left to columns that want more: the lowest ranks first up to a fair width, and beyond that those
    that grow most, so that one long name takes nothing away from the sentence beside it.
    """
    for fair in (True, False):
        for index in sorted(widths, key=lambda index: _turn(columns[index], index, fair=fair)):
            want = min(wanted.get(index, 0), _FAIR) if fair else wanted.get(index, 0)
            more = min(spare, want - widths[index])
            if more > 0:
                widths[index] += more
                spare -= more


def _turn(column: Column[Any], index: int, *, fair: bool) -> tuple[int, int, int]:
    return (column.rank, -column.grow, index) if fair else (-column.grow, column.rank, index)


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
