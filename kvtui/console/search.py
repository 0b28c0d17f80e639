"""Finds a text in the lines of an emulator, a slice at a time, while output goes on. Pure."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from kvtui.console.history import History, Place, cells_of, column_of, join, text_of
from kvtui.console.line import PastLine

SLICE: Final = 5_000
"""Lines that are looked through at once: some milliseconds."""
_LONGEST: Final = 2_000
"""Lines of the screen that one line of text is followed over; a guest may well send one without an end."""


class Search:
    """The lines that hold `words`; lower case letters stand for both cases unless a capital is among them.

    `step` looks through the next lines of the scrollback. What is on the screen may change and is looked through
    whenever it is asked for.
    """

    def __init__(self, history: History, words: str) -> None:
        self.words = words
        self._history = history
        self._pattern = re.compile(re.escape(words), re.IGNORECASE if words == words.lower() else 0)
        self._settled = array("q")
        """Lines of the scrollback on which a text begins that was found; one for each line of text."""
        self._next = history.first
        """The first line that was not looked through yet."""

    @property
    def is_done(self) -> bool:
        """Whether all there was has been looked through."""
        return self._next + _LONGEST >= self._history.emulator.scrolled_total

    @property
    def progress(self) -> float:
        """The part of the scrollback that was looked through."""
        history = self._history
        size = history.emulator.scrollback_size
        return min(1.0, (self._next - history.first) / size) if size else 1.0

    def step(self, lines: int = SLICE) -> None:
        """Look through some more lines of the scrollback."""
        history, total = self._history, self._history.emulator.scrolled_total
        start = max(self._next, history.first)
        stop = min(start + lines, total)
        rows = history.rows(start, min(stop + _LONGEST, total))
        used = stop - start
        if used and rows[used - 1].wrapped:
            ends = (index for index in range(used, len(rows)) if not rows[index].wrapped)
            used = next(ends, -1) + 1
            if not used and len(rows) > 2 * _LONGEST:
                used = len(rows) - _LONGEST
            elif not used:
                # It goes on on the screen, and is not settled before it has ended.
                used = _last_end(rows)
        self._settled.extend(start + index for index in self._find(rows[:used]))
        self._next = start + used

    def lines(self) -> Sequence[int]:
        """The lines found so far, in order, by the number of that on which the first text found begins."""
        self._forget()
        history = self._history
        if not self.is_done:
            return self._settled
        start = max(self._next, history.first)
        return self._settled + array("q", (start + at for at in self._find(history.rows(start, history.end))))

    def nearest(self, line: int) -> int | None:
        """The line to begin with: the first from `line` on, or else the last one before it."""
        lines = self.lines()
        at = bisect_left(lines, line)
        return lines[min(at, len(lines) - 1)] if lines else None

    def following(self, line: int, step: int) -> tuple[int, bool] | None:
        """The next line found after `line`, or with ``-1`` the one before it; and whether that went round the end."""
        lines = self.lines()
        if not lines:
            return None
        at = bisect_right(lines, line) if step > 0 else bisect_left(lines, line) - 1
        return lines[at % len(lines)], not 0 <= at < len(lines)

    def begin(self, line: int) -> Place:
        """Where on a line that was found the text begins."""
        spans = self.spans(line, line).get(line)
        return Place(line, spans[0][0] if spans else 0)

    def spans(self, first: int, last: int) -> dict[int, list[tuple[int, int]]]:
        """What is found on these lines: for each, columns of begin and, not included, end."""
        history = self._history
        around = len(self.words) // max(1, history.emulator.columns // 2) + 1
        start = max(first - around, history.first)
        rows = history.rows(start, last + around + 1)
        text, starts = join(rows)
        found: dict[int, list[tuple[int, int]]] = {}
        for match in self._pattern.finditer(text):
            at = bisect_right(starts, match.start()) - 1
            while at < len(rows) and starts[at] < match.end():
                if first <= start + at <= last:
                    row, begin = text_of(rows[at]), starts[at]
                    left = column_of(row, max(0, match.start() - begin))
                    right = min(column_of(row, match.end() - begin), len(cells_of(row)))
                    found.setdefault(start + at, []).append((left, right))
                at += 1
        return found

    def _find(self, rows: Sequence[PastLine]) -> list[int]:
        """The rows on which the first text found of each line begins."""
        text, starts = join(rows)
        found: list[int] = []
        match = self._pattern.search(text)
        while match:
            found.append(bisect_right(starts, match.start()) - 1)
            end = text.find("\n", match.end())
            match = self._pattern.search(text, end) if end >= 0 else None
        return found

    def _forget(self) -> None:
        """Leave out what the scrollback has dropped, or a larger screen has taken back."""
        total = self._history.emulator.scrolled_total
        dropped = bisect_left(self._settled, self._history.first)
        del self._settled[:dropped]
        del self._settled[bisect_left(self._settled, total) :]
        self._next = min(self._next, total)


def _last_end(rows: Sequence[PastLine]) -> int:
    """How many rows there are up to the last one that does not go on."""
    return next((index + 1 for index in range(len(rows) - 1, -1, -1) if not rows[index].wrapped), 0)
