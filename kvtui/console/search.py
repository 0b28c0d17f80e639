"""Finds a text in the lines of a history, a slice at a time. Pure."""

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
"""Rows that one line of text is followed over beyond a slice; a guest may well send one without an end."""


class Search:
    """The lines that hold `words`; lower case letters stand for both cases unless a capital is among them.

    `step` looks through the next lines.
    """

    def __init__(self, history: History, words: str) -> None:
        self.words = words
        self._history = history
        self._pattern = re.compile(re.escape(words), re.IGNORECASE if words == words.lower() else 0)
        self._found = array("q")
        self._next = history.first
        """The first line that was not looked through yet."""

    @property
    def is_done(self) -> bool:
        """Whether all there is has been looked through."""
        return self._next >= self._history.end

    @property
    def progress(self) -> float:
        """The part that was looked through."""
        history = self._history
        return (self._next - history.first) / (history.end - history.first)

    def step(self, lines: int = SLICE) -> None:
        """Look through some more lines."""
        start = self._next
        stop = min(start + lines, self._history.end)
        rows = self._history.rows(start, stop + _LONGEST)
        used = stop - start
        if used and rows[used - 1].wrapped:
            used = next((index + 1 for index in range(used, len(rows)) if not rows[index].wrapped), len(rows))
        self._found.extend(start + index for index in self._find(rows[:used]))
        self._next = start + used

    def lines(self) -> Sequence[int]:
        """The lines found so far, in order, by the number of that on which the first text found begins."""
        return self._found

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
        around = len(self.words) // max(1, history.columns // 2) + 1
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
