"""The rows of a terminal: scrolling, scrollback, sizes and the alternate screen, over lines of our own.

This replaces pyte's sparse buffer, which loses rows when it shrinks and has neither alternate screen nor a usable
scrollback. What a sequence means is taken from xterm's ctlseqs, where pyte and xterm differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyte

from kvtui.console.line import Line, PastLine, past_of
from kvtui.console.look import PLAIN, Look, blank_of

Charset = dict[int, str]
ASCII: Final[Charset] = {}


@dataclass(frozen=True, slots=True)
class SavedCursor:
    """What DECSC keeps."""

    x: int
    y: int
    look: Look
    charset: int
    graphics: tuple[Charset, Charset]
    origin: bool


class Grid(pyte.Screen):
    """Rows of two screens and the scrollback of the main one.

    A cursor column equal to the width means that the next character wraps, as in pyte.
    """

    def __init__(self, columns: int, lines: int, scrollback: int) -> None:
        self.rows = [Line(columns) for _ in range(lines)]
        self.scrollback: deque[PastLine] = deque(maxlen=scrollback)
        self.scrolled_total = 0
        self.now = 0.0
        """The time that lines written from now on are stamped with."""
        self.all_dirty = True
        self.alternate = False
        self.placed = False
        """Whether the cursor was put somewhere by row and column since the screen scrolled last."""
        self._look = PLAIN
        self._other_rows: list[Line] = []
        self._main_cursor_y = 0
        # How many of the newest scrollback lines a smaller screen pushed there, so that a larger one takes them back.
        self._displaced = 0
        self._saved: list[SavedCursor | None] = [None, None]
        self._graphics: list[Charset] = [ASCII, ASCII]
        super().__init__(columns, lines)

    @property
    def _blank(self) -> Look:
        return blank_of(self._look) if self._look.bg else PLAIN

    @property
    def _region(self) -> tuple[int, int]:
        """First and last row of the scrolling region."""
        return (self.margins.top, self.margins.bottom) if self.margins else (0, self.lines - 1)

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Change the size. Rows that no longer fit go to the scrollback, and come back when there is room again.

        Nothing else comes back, and nothing is wrapped anew: a serial guest is not told of sizes and goes on addressing
        the rows it knows. What a narrower screen cuts off is hidden, and shows again on a wider one.
        """
        lines, columns = lines or self.lines, columns or self.columns
        if (lines, columns) == (self.lines, self.columns):
            return
        for row in (*self.rows, *self._other_rows):
            row.fit(columns)
        self.tabstops.update(range(-(-self.columns // 8) * 8, columns, 8))
        self.tabstops = {stop for stop in self.tabstops if stop < columns}
        self.lines, self.columns = lines, columns
        self.margins = None
        if self.alternate:
            self._main_cursor_y = self._fit_main(self._other_rows, self._main_cursor_y)
            self._fit_alternate()
        else:
            self.cursor.y = self._fit_main(self.rows, self.cursor.y)
        self.cursor.x = min(self.cursor.x, columns - 1)
        self.cursor.y = min(self.cursor.y, lines - 1)
        self.all_dirty = True

    def _fit_main(self, rows: list[Line], cursor_y: int) -> int:
        """Bring the main screen's rows to the height of the screen; the cursor's new row."""
        while len(rows) > self.lines and len(rows) - 1 > cursor_y and rows[-1].is_blank():
            rows.pop()
        shift = self._take_back(rows) if len(rows) < self.lines else -self._displace(rows)
        rows.extend(Line(self.columns) for _ in range(self.lines - len(rows)))
        if saved := self._saved[False]:
            self._saved[False] = replace(saved, y=max(0, saved.y + shift))
        return max(0, cursor_y + shift)

    def _displace(self, rows: list[Line]) -> int:
        """Push the rows that are too many into the scrollback; their number."""
        surplus, before = len(rows) - self.lines, self._displaced
        for row in rows[:surplus]:
            self._push(row)
        del rows[:surplus]
        self._displaced = before + surplus
        return surplus

    def _take_back(self, rows: list[Line]) -> int:
        """Bring rows back that a smaller screen had pushed into the scrollback; their number."""
        count = min(self._displaced, self.lines - len(rows), len(self.scrollback))
        newest_first = [self.scrollback.pop() for _ in range(count)]
        rows[:0] = [Line.from_past(past, self.columns) for past in reversed(newest_first)]
        self._displaced -= count
        self.scrolled_total -= count
        return count

    def _fit_alternate(self) -> None:
        """A full-screen program draws anew: keep the rows around the cursor, forget the others."""
        surplus = len(self.rows) - self.lines
        above = max(0, min(surplus, self.cursor.y - self.lines + 1))
        del self.rows[:above]
        self.cursor.y -= above
        del self.rows[self.lines :]
        self.rows.extend(Line(self.columns) for _ in range(self.lines - len(self.rows)))

    def _enter_alternate(self) -> None:
        self._main_cursor_y = self.cursor.y
        self._other_rows = self.rows
        self.rows = [Line(self.columns, self._blank) for _ in range(self.lines)]
        self.alternate = self.all_dirty = True

    def _leave_alternate(self) -> None:
        self.rows, self._other_rows = self._other_rows, []
        self.alternate = False
        self.all_dirty = True

    def _scroll_up(self, top: int, bottom: int, count: int, *, keep: bool = True) -> None:
        """Move the rows up. Those that leave at the screen's top go to the scrollback, as in xterm, if `keep`."""
        rows, count, blank = self.rows, min(count, bottom - top + 1), self._blank
        kept = top == 0 and keep and not self.alternate
        if kept:
            self.placed = False
        else:
            self._part(top)
        for _ in range(count):
            row = rows.pop(top)
            if kept:
                self._push(row)
            row.clear(self.columns, blank)
            rows.insert(bottom, row)
        self._mark(top, bottom)

    def _scroll_by(self, texts: Sequence[str]) -> None:
        """Scroll lines of ASCII through the main screen, in from below and as far up as there are such."""
        self.placed = False
        rows, room = self.rows, self.lines - 1
        moving = rows[: min(len(texts), room)]
        for row in moving:
            self._push(row)
            row.clear(self.columns, PLAIN)
        through = texts[: len(texts) - len(moving)]
        past = {text: past_of(text, self._look, self.now) for text in set(through)}
        self.scrollback.extend(past[text] for text in through)
        self.scrolled_total += len(through)
        self._displaced = 0
        for row, text in zip(moving, texts[len(through) :], strict=True):
            if text:
                row.write(0, text, self._look)
                row.stamp = self.now
        rows[:room] = rows[len(moving) : room] + moving
        self.all_dirty = True

    def _scroll_down(self, top: int, bottom: int, count: int) -> None:
        rows, count, blank = self.rows, min(count, bottom - top + 1), self._blank
        leaving = rows[bottom + 1 - count : bottom + 1]
        del rows[bottom + 1 - count : bottom + 1]
        self._part(top)
        for row in leaving:
            row.clear(self.columns, blank)
        rows[top:top] = leaving
        rows[bottom].wrapped = False
        self._mark(top, bottom)

    def forget(self, count: int) -> None:
        """Count `count` lines as gone through the scrollback, and so many more that none of it is left."""
        self.placed = False
        self.scrollback.clear()
        self.scrolled_total += count
        self._displaced = 0

    def _push(self, row: Line) -> None:
        self.scrollback.append(row.past())
        self.scrolled_total += 1
        self._displaced = 0

    def _push_screen(self) -> None:
        """Keep what the main screen shows in the scrollback, but for blank rows at its end; they are to be cleared."""
        used = next((y + 1 for y in reversed(range(len(self.rows))) if not self.rows[y].is_blank()), 0)
        for row in self.rows[:used]:
            self._push(row)

    def _clear(self, blank: Look) -> None:
        """Blank all rows."""
        for row in self.rows:
            row.clear(self.columns, blank)
        self._part(0)
        self.all_dirty = True

    def _part(self, y: int) -> None:
        """Row `y` becomes another one, and no longer goes on where the row above it ended."""
        if y > 0:
            if self.rows[y - 1].wrapped:
                self.rows[y - 1].wrapped = False
                self.dirty.add(y - 1)
        elif not self.alternate and self.scrollback and self.scrollback[-1].wrapped:
            self.scrollback[-1] = self.scrollback[-1]._replace(wrapped=False)

    def _mark(self, top: int, bottom: int) -> None:
        if top == 0 and bottom == self.lines - 1:
            self.all_dirty = True
        else:
            self.dirty.update(range(top, bottom + 1))
