"""The cursor's ways over the grid: positions, margins, tab stops, and the place that is saved.

What a sequence means is taken from xterm's ctlseqs, where pyte and xterm differ.
"""

from __future__ import annotations

from typing import Final

from pyte import modes as mo
from pyte.screens import Margins

from kvtui.console.grid import ASCII, Grid, SavedCursor
from kvtui.console.look import PLAIN

_NOTHING_SAVED: Final = SavedCursor(0, 0, PLAIN, 0, (ASCII, ASCII), origin=False)


class CursorGrid(Grid):
    """A grid with all that moves its cursor and nothing else."""

    def _settle(self) -> int:
        """The cursor's column; a wrap that was due no longer is."""
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        return self.cursor.x

    def set_margins(self, top: int | None = None, bottom: int | None = None) -> None:
        """DECSTBM: the region that scrolls, by default the whole screen; regions of less than two rows are ignored."""
        first, last = (top or 1) - 1, min(bottom or self.lines, self.lines) - 1
        if last > first:
            self.margins = None if (first, last) == (0, self.lines - 1) else Margins(first, last)
            self.cursor_position()

    def save_cursor(self) -> None:
        """DECSC and SCOSC: one place to save in for each of the two screens."""
        self._saved[self.alternate] = SavedCursor(
            self.cursor.x,
            self.cursor.y,
            self._look,
            self.charset,
            (self._graphics[0], self._graphics[1]),
            mo.DECOM in self.mode,
        )

    def restore_cursor(self) -> None:
        """DECRC and SCORC: as often as wanted; home with nothing set, when nothing was saved.

        Auto-wrap is not part of it: what xterm takes for the VT510's "wrap flag" is whether a wrap is due.
        """
        saved = self._saved[self.alternate] or _NOTHING_SAVED
        self.cursor.x, self.cursor.y = min(saved.x, self.columns), min(saved.y, self.lines - 1)
        self._look, self.charset, self._graphics = saved.look, saved.charset, list(saved.graphics)
        self.mode.add(mo.DECOM) if saved.origin else self.mode.discard(mo.DECOM)

    def cursor_up(self, count: int | None = None) -> None:
        """CUU: up to the top margin, or from above it to the first row."""
        self._settle()
        top, _ = self._region
        self.cursor.y = max(self.cursor.y - (count or 1), top if self.cursor.y >= top else 0)

    def cursor_down(self, count: int | None = None) -> None:
        """CUD: down to the bottom margin, or from below it to the last row."""
        self._settle()
        _, bottom = self._region
        self.cursor.y = min(self.cursor.y + (count or 1), bottom if self.cursor.y <= bottom else self.lines - 1)

    def cursor_forward(self, count: int | None = None) -> None:
        """CUF: to the right, up to the last column."""
        self.cursor.x = min(self._settle() + (count or 1), self.columns - 1)

    def cursor_position(self, line: int | None = None, column: int | None = None) -> None:
        """CUP: to a place; in origin mode counted from the region's corner, and kept inside it."""
        self.placed = True
        self.cursor.x = min((column or 1), self.columns) - 1
        self.cursor_to_line(line)

    def cursor_to_line(self, line: int | None = None) -> None:
        """VPA: to a row, the column stays."""
        self._settle()
        origin = mo.DECOM in self.mode
        top, bottom = self._region if origin else (0, self.lines - 1)
        self.cursor.y = min(top + (line or 1) - 1, bottom)

    def cursor_down_to_edge(self, count: int | None = None) -> None:
        """VPR: down to the last row, whatever the margins; in origin mode to the bottom margin."""
        self._settle()
        bottom = self._region[1] if mo.DECOM in self.mode else self.lines - 1
        self.cursor.y = min(self.cursor.y + (count or 1), bottom)

    def set_tab_stop(self) -> None:
        """HTS: a tab stop in the cursor's column."""
        self.tabstops.add(self._settle())

    def clear_tab_stop(self, how: int = 0) -> None:
        """TBC: 0 the tab stop in the cursor's column, 3 all of them."""
        if how == 0:
            self.tabstops.discard(self._settle())
        elif how == 3:
            self.tabstops.clear()

    def tab_forward(self, count: int = 1) -> None:
        """CHT: to the count-th tab stop to the right, or the last column. A wrap that is due stays so."""
        x = self.cursor.x
        if x >= self.columns:
            return
        stops = sorted(stop for stop in self.tabstops if stop > x)
        self.cursor.x = stops[min(count or 1, len(stops)) - 1] if len(stops) >= (count or 1) else self.columns - 1

    def tab_back(self, count: int = 1) -> None:
        """CBT: to the count-th tab stop to the left, or the first column."""
        x = self._settle()
        stops = sorted((stop for stop in self.tabstops if stop < x), reverse=True)
        self.cursor.x = stops[(count or 1) - 1] if len(stops) >= (count or 1) else 0

    def tab(self) -> None:
        """HT: to the next tab stop."""
        self.tab_forward()
