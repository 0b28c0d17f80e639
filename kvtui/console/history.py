"""What an emulator holds at a moment: its lines, numbered for good, and their text as people mean it: what was wrapped
is one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from kvtui.console.emulator import Emulator
from kvtui.console.line import PastLine, columns_of

_WORD_MARKS: Final = frozenset("-#%&+./=?@\\_~:")
"""Beside letters and digits: what paths, addresses, units and names of objects are made of."""
_AFTER_WORDS: Final = frozenset(".:?")
"""Of these, what ends a clause and not a word."""
_LONGEST: Final = 250
_SLICE: Final = 4_096
"""Lines whose text is made at once."""
_BLANK: Final = PastLine((), None, False)


class Place(NamedTuple):
    """A cell: the number of its line, and its column."""

    line: int
    x: int


class Span(NamedTuple):
    """From a cell to another, both included; in order."""

    start: Place
    end: Place


class History:
    """Scrollback and screen of an emulator as they are now, as one column of lines; what is fed later changes nothing.

    The lines are numbered for good: one that this and a later history hold has the same number in both. Numbers may be
    asked for whether or not there is such a line; what is gone, or never was, is blank. The lines of the scrollback are
    shared, not copied.
    """

    def __init__(self, emulator: Emulator) -> None:
        size, total = emulator.scrollback_size, emulator.scrolled_total
        screen = (PastLine(emulator.row(y), emulator.stamp(y), emulator.is_wrapped(y)) for y in range(emulator.lines))
        self._lines: list[PastLine] = [*emulator.past(0, size), *screen]
        self.columns: Final = emulator.columns
        self.first: Final = total - size
        """The oldest line."""
        self.screen: Final = total
        """The first line of the screen."""
        self.end: Final = total + emulator.lines
        """The number after that of the screen's last row."""
        self.cursor: Final = total + emulator.cursor.y
        """The line that the guest's cursor is on."""
        self.last: Final = last_line(emulator)
        """The last line that has any text, or the cursor."""

    def row(self, number: int) -> PastLine:
        """One line, as if it had left the screen."""
        return self._lines[number - self.first] if self.first <= number < self.end else _BLANK

    def rows(self, start: int, stop: int) -> list[PastLine]:
        """The lines from `start` to before `stop`, as far as there are such."""
        return self._lines[max(0, start - self.first) : max(0, stop - self.first)]

    def whole(self, number: int) -> tuple[int, int]:
        """The first and the last line of the text that a line is a part of, followed over some hundred lines."""
        start = end = number
        while number - start < _LONGEST and self.row(start - 1).wrapped:
            start -= 1
        while end - number < _LONGEST and self.row(end).wrapped:
            end += 1
        return start, end

    def word(self, place: Place) -> Span:
        """The word at a cell, or the cell alone where there is none."""
        start, end = self.whole(place.line)
        cells = [(Place(line, x), cell) for line in range(start, end + 1) for x, cell in enumerate(self.cells(line))]
        at = next((index for index, (there, _) in enumerate(cells) if there == place), None)
        if at is None or not _is_word(cells, at):
            return Span(place, place)
        left = right = at
        while left > 0 and _is_word(cells, left - 1):
            left -= 1
        while right + 1 < len(cells) and _is_word(cells, right + 1):
            right += 1
        while right > at and cells[right][1] in _AFTER_WORDS:
            right -= 1
        return Span(cells[left][0], cells[right][0])

    def cells(self, number: int) -> list[str]:
        """The characters of a line by columns; the right half of a wide one is empty."""
        return cells_of(text_of(self.row(number)))

    def count(self, span: Span) -> int:
        """How many lines of text there are between two cells."""
        return 1 + sum(not row.wrapped for row in self.rows(span.start.line, span.end.line))

    def text(self, span: Span) -> Iterator[str]:
        """The text between two cells in pieces; lines that were wrapped are joined, blanks at their ends left off."""
        (start, left), (end, right) = span
        for begin in range(max(start, self.first), end + 1, _SLICE):
            pieces = []
            for number, row in enumerate(self.rows(begin, min(begin + _SLICE, end + 1)), begin):
                text = text_of(row)
                if number in (start, end):
                    text = _part(text, left if number == start else 0, right if number == end else None)
                last = number == end
                pieces.append(text if row.wrapped and not last else text.rstrip(" ") + ("" if last else "\n"))
            yield "".join(pieces)


def last_line(emulator: Emulator) -> int:
    """The number of the last line of an emulator that has any text, or the cursor."""
    used = (y for y in range(emulator.lines - 1, emulator.cursor.y, -1) if emulator.row(y))
    return emulator.scrolled_total + next(used, emulator.cursor.y)


def text_of(row: PastLine) -> str:
    """The characters of a line."""
    return row.runs[0].text if len(row.runs) == 1 else "".join(run.text for run in row.runs)


def cells_of(text: str) -> list[str]:
    """A line's text by columns: a wide character is followed by an empty cell, a combining mark stays with its own."""
    if text.isascii():
        return list(text)
    cells: list[str] = []
    for character in text:
        width = columns_of(character)
        if width > 0:
            cells += [character, ""][:width]
        elif cells:
            cells[-1 if cells[-1] else -2] += character
    return cells


def column_of(text: str, index: int) -> int:
    """The column at which the character at `index` of a line's text begins."""
    return index if text.isascii() else len(cells_of(text[:index]))


def join(rows: Iterable[PastLine]) -> tuple[str, list[int]]:
    """Lines as one text, with a newline where a line does not go on, and the index at which each of them begins."""
    pieces: list[str] = []
    starts: list[int] = []
    size = 0
    for row in rows:
        text = text_of(row) if row.wrapped else text_of(row) + "\n"
        starts.append(size)
        pieces.append(text)
        size += len(text)
    return "".join(pieces), starts


def _part(text: str, left: int, right: int | None) -> str:
    """The characters of which a cell from column `left` to `right`, or to the end, is one."""
    cells = cells_of(text)
    if left and left < len(cells) and not cells[left]:
        left -= 1
    return "".join(cells[left : None if right is None else right + 1])


def _is_word(cells: Sequence[tuple[Place, str]], at: int) -> bool:
    cell = cells[at][1] or (cells[at - 1][1] if at else "")
    return bool(cell) and (cell[0].isalnum() or cell in _WORD_MARKS)
