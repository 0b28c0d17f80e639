"""One line of the screen: cells side by side, and the edits terminals make to them.

A wide character lies in its left cell, and its right cell holds the empty string. Every edit leaves that true: a wide
character that loses a half becomes blank.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import compress, islice, pairwise
from operator import is_not
from typing import Final, NamedTuple

from kvtui.console.look import PLAIN, Look, Run
from kvtui.text import width_of

_MARKS_PER_CELL: Final = 4
_VARIATION_SELECTOR: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


@lru_cache(16_384)
def columns_of(character: str) -> int:
    """Columns that a character takes: 2, 1, 0 for a combining mark, -1 for what a cell cannot hold.

    Format characters are the last: variation selectors, joiners and marks of direction. The guest's own programs count
    each emoji of a joined sequence by itself (wcwidth of libc), and so do the cells when the joiner is left out.
    """
    if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") or _VARIATION_SELECTOR.match(character):
        return -1
    return width_of(character)


class PastLine(NamedTuple):
    """A line that has left the screen."""

    runs: tuple[Run, ...]
    stamp: float | None
    """When text was last written on it."""
    wrapped: bool
    """Whether its text goes on in the next line."""


def past_of(text: str, look: Look, now: float) -> PastLine:
    """The line that `text` of ASCII leaves behind, written at `now`."""
    shown = text.rstrip(" ") if look is PLAIN else text
    return PastLine((Run(shown, look),) if shown else (), now if text else None, False)


class Line:
    """The cells of one line: `text`, one string a cell, and `looks`, one look a cell.

    Cells that a narrower screen hides are kept beyond the right edge until an edit reaches that edge.
    """

    __slots__ = ("_beyond", "_padded", "looks", "stamp", "text", "used", "wrapped")

    def __init__(self, columns: int, look: Look = PLAIN) -> None:
        self.text = [" "] * columns
        self.looks = [look] * columns
        self.used = 0 if look is PLAIN else columns
        """The column from which on all cells are plain blanks; they may begin earlier."""
        self.stamp: float | None = None
        """When text was last written here; None for a line that nothing was written on."""
        self.wrapped = False
        """Whether a text that was too long goes on in the next line."""
        # Whether the last cell stayed free then, because a wide character did not fit.
        self._padded = False
        # Hidden cells, and the column of the first: that of a wide character's left half, if the edge parts one.
        self._beyond: tuple[int, list[str], list[Look]] | None = None

    @classmethod
    def from_past(cls, past: PastLine, columns: int) -> Line:
        """The line that `past` was, fitted to `columns`."""
        line = cls(0)
        line.stamp, line.wrapped = past.stamp, past.wrapped
        for run in past.runs:
            for character in run.text:
                width = columns_of(character)
                if width <= 0:
                    line.combine(len(line.text) - 1, character)
                else:
                    line.text += [character, ""][:width]
                    line.looks += [run.look] * width
        line._padded = past.wrapped and len(line.text) < columns
        line.fit(columns)
        return line

    def clear(self, columns: int, look: Look) -> None:
        """Make it a line of `columns` blanks with that look, as if new."""
        if self.used or look is not PLAIN:
            self.fill(" ", columns, look)
            self.used = 0 if look is PLAIN else columns
        self.stamp = None
        self._end_anew()

    def fill(self, character: str, columns: int, look: Look) -> None:
        """Make it a line of one narrow character, `columns` times."""
        self.text = [character] * columns
        self.looks = [look] * columns
        self.used = columns
        self._end_anew()

    def write(self, x: int, characters: Sequence[str], look: Look) -> None:
        """Put characters into the cells from `x` on, wide ones followed by ""; they must end within the line."""
        end = x + len(characters)
        text = self.text
        if not text[x]:
            text[x - 1] = " "
        if end == len(text):
            self._end_anew()
        elif not text[end]:
            text[end] = " "
        text[x:end] = characters
        self.looks[x:end] = [look] * (end - x)
        if end > self.used:
            self.used = end

    def combine(self, x: int, mark: str) -> None:
        """Add a combining mark to the character that covers cell `x`; marks beyond a few are left out."""
        if not self.text[x] and x:
            x -= 1
        joined = unicodedata.normalize("NFC", self.text[x] + mark)
        if len(joined) <= 1 + _MARKS_PER_CELL:
            self.text[x] = joined
            self.used = max(self.used, x + 1)

    def erase(self, start: int, end: int, look: Look) -> None:
        """Blank the cells from `start` to before `end`."""
        if end == len(self.text):
            self._end_anew()
        if look is PLAIN:
            end = min(end, self.used)
        if start < end:
            self.write(start, [" "] * (end - start), look)
            if look is PLAIN and end == self.used:
                self.used = start

    def insert(self, x: int, count: int, look: Look) -> None:
        """Insert blanks at `x`; what is pushed over the right end is lost."""
        columns = len(self.text)
        count = min(count, columns - x)
        self._split(x)
        self._split(columns - count)
        self._end_anew()
        self.text[x:] = [" "] * count + self.text[x : columns - count]
        self.looks[x:] = [look] * count + self.looks[x : columns - count]
        self.used = min(max(self.used, x) + count, columns)

    def delete(self, x: int, count: int, look: Look) -> None:
        """Delete cells at `x`; blanks come in at the right end."""
        end = min(x + count, len(self.text))
        self._split(x)
        self._split(end)
        self._end_anew()
        del self.text[x:end], self.looks[x:end]
        self.text += [" "] * (end - x)
        self.looks += [look] * (end - x)
        if look is not PLAIN:
            self.used = len(self.text)

    def fit(self, columns: int) -> None:
        """Show `columns` cells: hide those beyond, or show again what was hidden and fill up with blanks."""
        self._unhide()
        if columns < len(self.text):
            start = columns - 1 if columns and not self.text[columns] else columns
            if self.wrapped or not self._is_blank_from(start):
                self._beyond = start, self.text[start:], self.looks[start:]
            del self.text[start:], self.looks[start:]
        missing = columns - len(self.text)
        self.text += [" "] * missing
        self.looks += [PLAIN] * missing
        self.used = columns

    def wrap(self, x: int) -> None:
        """The text goes on in the next line, for what comes at `x` does not fit."""
        self._end_anew()
        self.wrapped = True
        self._padded = x < len(self.text)

    def past(self) -> PastLine:
        """The line for the scrollback, hidden cells and all, which it no longer hides then: `clear` it or forget it."""
        self._unhide()
        return PastLine(self.runs(), self.stamp, self.wrapped)

    def runs(self) -> tuple[Run, ...]:
        """The line as runs of one look; plain blanks at its end are left off.

        Of a text that goes on in the next line they belong to it, but for one where a wide character did not fit.
        """
        end = len(self.text) if self.wrapped else self.used
        if not end:
            return ()
        runs = self._runs(end)
        if runs[-1].look is PLAIN and (self._padded or not self.wrapped):
            text = runs.pop().text
            text = text.removesuffix(" ") if self.wrapped else text.rstrip(" ")
            if text:
                runs.append(Run(text, PLAIN))
        return tuple(runs)

    def all_runs(self) -> list[Run]:
        """The line as runs of one look, to its very end."""
        return self._runs(len(self.text))

    def _runs(self, end: int) -> list[Run]:
        text, looks = self.text, self.looks
        changes = compress(range(1, end), map(is_not, islice(looks, 1, end), looks))
        return [Run("".join(text[a:b]), looks[a]) for a, b in pairwise((0, *changes, end))]

    @property
    def is_new(self) -> bool:
        """Whether nothing was written or erased here since it was made or cleared without a colour."""
        return not self.used and self.stamp is None and not self._beyond

    def is_blank(self) -> bool:
        """Whether nothing but plain blanks is on the line, and nothing hidden beyond its edge."""
        return not self._beyond and (not self.used or not self.runs())

    def _is_blank_from(self, start: int) -> bool:
        """Whether nothing but plain blanks is there from `start` on."""
        text, looks = self.text[start:], self.looks[start:]
        return all(cell == " " for cell in text) and all(look is PLAIN for look in looks)

    def _unhide(self) -> None:
        if self._beyond:
            start, text, looks = self._beyond
            self.text[start:], self.looks[start:] = text, looks
            self.used = len(self.text)
            self._beyond = None

    def _end_anew(self) -> None:
        """Something else comes to stand at the right edge: the line goes on neither beyond it nor in the next one."""
        self.wrapped = False
        self._beyond = None

    def _split(self, x: int) -> None:
        """Blank the wide character that lies on both sides of the boundary before cell `x`."""
        text = self.text
        if 0 < x < len(text) and not text[x]:
            text[x - 1] = text[x] = " "
