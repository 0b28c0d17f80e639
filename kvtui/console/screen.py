"""The screen of a terminal: pyte's cursor, margins, tab stops and modes over the rows of `Grid`.

pyte 0.8.2 gets erasing, wrapping, wide characters, charsets and colours wrong; every method that touches cells is
therefore replaced here. What a sequence means is taken from xterm's ctlseqs, where pyte and xterm differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from pyte import modes as mo

from kvtui.console.cursor import CursorGrid
from kvtui.console.grid import ASCII, Charset
from kvtui.console.line import Line, columns_of
from kvtui.console.look import PLAIN, apply_sgr
from kvtui.console.modes import Modes
from kvtui.text import clean_line

# DEC's special graphics; pyte's table is the Linux console's, which also turns + into an arrow.
_LINE_DRAWING: Final[Charset] = dict(zip(range(0x5F, 0x7F), " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
_BRITISH: Final[Charset] = {ord("#"): "£"}
_CHARSETS: Final = {"0": _LINE_DRAWING, "A": _BRITISH}

_IRM: Final = mo.IRM
_DECCKM: Final = 1 << 5
_BRACKETED_PASTE: Final = 2004 << 5
_MOUSE_SGR: Final = 1006 << 5
_MOUSE: Final = (1003, 1002, 1000)
_KNOWN_PRIVATE: Final = frozenset({1, 5, 6, 7, 25, 1000, 1002, 1003, 1006, 2004})
_CURSOR_MODE: Final = 1048
_SCREEN_AND_CURSOR_MODE: Final = 1049
_SCREEN_MODES: Final = frozenset({47, 1047, _SCREEN_AND_CURSOR_MODE})
_KNOWN_ANSI: Final = frozenset({mo.IRM, mo.LNM})
_TITLE_LIMIT: Final = 200

# The guest's libc gives it a column, as the terminals do that show it; those that hide it would shift the row.
_SOFT_HYPHEN: Final = "\xad"


class Screen(CursorGrid):
    """What the tokenizer calls: a method for each sequence that a guest may send."""

    def __init__(self, columns: int, lines: int, scrollback: int, reply: Callable[[str], None]) -> None:
        self._reply = reply
        self._last_character = ""
        super().__init__(columns, lines, scrollback)

    # -- state for others

    @property
    def modes(self) -> Modes:
        """What the guest asked of keyboard, mouse and screen."""
        return Modes(
            application_cursor=_DECCKM in self.mode,
            newline=mo.LNM in self.mode,
            bracketed_paste=_BRACKETED_PASTE in self.mode,
            mouse=next((mode for mode in _MOUSE if mode << 5 in self.mode), 0),
            mouse_sgr=_MOUSE_SGR in self.mode,
            alternate=self.alternate,
            cut_lines=mo.DECAWM not in self.mode,
        )

    @property
    def reverse_video(self) -> bool:
        """Whether all colours are reversed (DECSCNM)."""
        return mo.DECSCNM in self.mode

    # -- resets and sizes

    def reset(self) -> None:
        """RIS: everything as at power-on. What was on the screen goes to the scrollback, for firmware begins so."""
        if self.alternate:
            self._leave_alternate()
        self._push_screen()
        super().reset()
        self._clear(PLAIN)
        self._saved = [None, None]
        self._graphics = [ASCII, ASCII]
        self._look = PLAIN
        self.placed = False
        self.all_dirty = True

    def soft_reset(self) -> None:
        """DECSTR: modes, margins, colours and charsets as at power-on; the text stays."""
        self.mode -= {mo.IRM, mo.DECOM, _DECCKM}
        self.mode |= {mo.DECAWM, mo.DECTCEM}
        self.cursor.hidden = False
        self.margins = None
        self._saved[self.alternate] = None
        self._graphics = [ASCII, ASCII]
        self.charset = 0
        self._look = PLAIN

    # -- modes

    def set_mode(self, *modes: int, **_: Any) -> None:
        """SM."""
        self.mode |= _KNOWN_ANSI.intersection(modes)

    def reset_mode(self, *modes: int, **_: Any) -> None:
        """RM."""
        self.mode -= _KNOWN_ANSI.intersection(modes)

    def set_private_mode(self, *modes: int) -> None:
        """DECSET. 132 columns (3) are not for the guest to decide."""
        for mode in modes:
            if mode in _KNOWN_PRIVATE:
                self.mode.add(mode << 5)
            self._after_switch(mode, on=True)

    def reset_private_mode(self, *modes: int) -> None:
        """DECRST."""
        for mode in modes:
            self.mode.discard(mode << 5)
            self._after_switch(mode, on=False)

    def _after_switch(self, mode: int, *, on: bool) -> None:
        if mode << 5 == mo.DECOM:
            self.cursor_position()
        elif mode << 5 == mo.DECTCEM:
            self.cursor.hidden = not on
        elif mode << 5 == mo.DECSCNM:
            self.all_dirty = True
        elif mode in _SCREEN_MODES or mode == _CURSOR_MODE:
            self._switch_screens(mode, on=on)

    def _switch_screens(self, mode: int, *, on: bool) -> None:
        """The alternate screen (47, 1047, 1049: always entered blank) and the saved cursor that goes with it.

        1049 restores the cursor even when the screen was left before, as ncurses programs may do twice.
        """
        saves = mode in (_CURSOR_MODE, _SCREEN_AND_CURSOR_MODE)
        if saves and on:
            self.save_cursor()
        if mode != _CURSOR_MODE and on != self.alternate:
            self._enter_alternate() if on else self._leave_alternate()
        if saves and not on and (mode == _CURSOR_MODE or self._saved[False]):
            self.restore_cursor()

    # -- charsets, looks, title

    def define_charset(self, code: str, mode: str) -> None:
        """Designate G0 (`mode` is ``(``) or G1 (``)``); sets other than line drawing and British are ASCII."""
        self._graphics["()".index(mode)] = _CHARSETS.get(code, ASCII)

    def set_look(self, parameters: str) -> None:
        """SGR, with its parameters as the guest wrote them."""
        self._look = apply_sgr(self._look, parameters)

    def set_title(self, param: str) -> None:
        """The title that the guest gives its window, as a harmless line."""
        self.title = clean_line(param)[:_TITLE_LIMIT]

    # -- drawing

    def draw(self, data: str) -> None:
        """Write text at the cursor, wrapping and scrolling as the modes say."""
        if graphics := self._graphics[self.charset]:
            data = data.translate(graphics)
        if data.isascii():
            self._draw_narrow(data)
            return
        data = data.replace(_SOFT_HYPHEN, "-")
        start = 0
        for width, same in groupby(map(columns_of, data)):
            end = start + len(list(same))
            if width == 1:
                self._draw_narrow(data[start:end])
            elif width == 2:
                self._draw_wide(data[start:end])
            elif width == 0:
                self._combine(data[start:end])
            start = end

    @property
    def takes_lines(self) -> bool:
        """Whether lines that are written now scroll by, each from a new row at the bottom."""
        return (
            not self.cursor.x
            and self.cursor.y == self.lines - 1
            and not self._look.bg
            and self.margins is None
            and not self.alternate
            and not self._graphics[self.charset]
            and self.rows[-1].is_new
        )

    def draw_lines(self, lines: Sequence[str]) -> None:
        """Write lines of ASCII that fit, with their ends (CR LF), where the screen `takes_lines`.

        It is what `draw`, `carriage_return` and `linefeed` do one by one, without drawing what scrolls off at once: a
        guest that floods sends thousands of lines in the time of a frame.
        """
        if last := next(filter(None, reversed(lines)), ""):
            self._last_character = last[-1]
        self._scroll_by(lines)

    def _draw_narrow(self, data: str) -> None:
        """Write characters that take one column each."""
        cursor, columns = self.cursor, self.columns
        start, size = 0, len(data)
        while start < size:
            x = cursor.x
            if x >= columns:
                x = self._wrap(1)
            end = min(size, start + columns - x)
            row = self.rows[cursor.y]
            if _IRM in self.mode:
                row.insert(x, end - start, self._look)
            row.write(x, data[start:end], self._look)
            row.stamp = self.now
            self.dirty.add(cursor.y)
            cursor.x = x + end - start
            start = end
        self._last_character = data[-1]

    def _draw_wide(self, data: str) -> None:
        """Write characters that take two columns each."""
        cursor, columns = self.cursor, self.columns
        start, size = 0, len(data)
        while start < size:
            x = cursor.x
            if x > columns - 2:
                x = self._wrap(2)
            end = min(size, start + (columns - x) // 2)
            cells = [""] * (2 * (end - start))
            cells[::2] = data[start:end]
            row = self.rows[cursor.y]
            if _IRM in self.mode:
                row.insert(x, len(cells), self._look)
            row.write(x, cells, self._look)
            row.stamp = self.now
            self.dirty.add(cursor.y)
            cursor.x = x + len(cells)
            start = end
        self._last_character = data[-1]

    def _combine(self, marks: str) -> None:
        """Add combining marks to the character before the cursor; at the begin of a row there is none."""
        if self.cursor.x:
            row = self._row()
            row.stamp = self.now
            for mark in marks:
                row.combine(self.cursor.x - 1, mark)

    def _wrap(self, width: int) -> int:
        """The column for a character of `width` that no longer fits; without auto-wrap the last one is overwritten."""
        if mo.DECAWM not in self.mode:
            return self.columns - width
        self._row().wrap(self.cursor.x)
        self.cursor.x = 0
        self.index()
        return 0

    def repeat_character(self, count: int = 1) -> None:
        """REP: the last character again, at most a row full."""
        if self._last_character:
            self.draw(self._last_character * min(count or 1, self.columns))

    # -- lines up and down

    def index(self) -> None:
        """One row down; at the bottom margin the region scrolls up."""
        self._settle()
        top, bottom = self._region
        if self.cursor.y == bottom:
            self._scroll_up(top, bottom, 1)
        elif self.cursor.y < self.lines - 1:
            self.cursor.y += 1

    def reverse_index(self) -> None:
        """One row up; at the top margin the region scrolls down."""
        self._settle()
        top, bottom = self._region
        if self.cursor.y == top:
            self._scroll_down(top, bottom, 1)
        elif self.cursor.y:
            self.cursor.y -= 1

    def linefeed(self) -> None:
        """LF, VT and FF: one row down, and to its begin if the newline mode is set."""
        self.index()
        if mo.LNM in self.mode:
            self.cursor.x = 0

    def next_line(self) -> None:
        """NEL: to the begin of the next row."""
        self.index()
        self.cursor.x = 0

    def scroll_up(self, count: int = 1) -> None:
        """SU: the region moves up, the cursor stays."""
        self._scroll_up(*self._region, count or 1)

    def scroll_down(self, count: int = 1) -> None:
        """SD: the region moves down, the cursor stays."""
        self._scroll_down(*self._region, count or 1)

    def insert_lines(self, count: int | None = None) -> None:
        """IL: blank rows at the cursor's, within the region."""
        top, bottom = self._region
        if top <= self.cursor.y <= bottom:
            self._scroll_down(self.cursor.y, bottom, count or 1)
            self.cursor.x = 0

    def delete_lines(self, count: int | None = None) -> None:
        """DL: rows from the cursor's on go, within the region."""
        top, bottom = self._region
        if top <= self.cursor.y <= bottom:
            self._scroll_up(self.cursor.y, bottom, count or 1, keep=False)
            self.cursor.x = 0

    # -- erasing and shifting within lines

    def erase_in_display(self, how: int = 0, *_: Any, **__: Any) -> None:
        """ED: 0 from the cursor on, 1 up to it, 2 all of it (kept in the scrollback), 3 the scrollback."""
        y, blank = self.cursor.y, self._blank
        if how in (0, 1):
            for row in self.rows[y + 1 :] if how == 0 else self.rows[:y]:
                row.erase(0, self.columns, blank)
            self.erase_in_line(how)
            self._part(0 if how else y + bool(self.cursor.x))
        elif how == 2:
            if not self.alternate:
                self._push_screen()
            self._clear(blank)
            self._settle()
        elif how == 3:
            self.scrollback.clear()
            self._displaced = 0
        self.all_dirty = True

    def erase_in_line(self, how: int = 0, *_: Any, **__: Any) -> None:
        """EL: 0 from the cursor on, 1 up to and with it, 2 the whole row.

        After a full row 0 erases nothing, as in VTE and unlike xterm: `grep` and `gcc` erase behind each coloured word.
        """
        x = self.cursor.x if how == 0 else self._settle()
        spans = {0: (x, self.columns), 1: (0, x + 1), 2: (0, self.columns)}
        if how in spans:
            self._row().erase(*spans[how], self._blank)
            if how == 2:
                self._part(self.cursor.y)

    def erase_characters(self, count: int | None = None) -> None:
        """ECH: blank cells from the cursor on."""
        x = self._settle()
        self._row().erase(x, min(x + (count or 1), self.columns), self._blank)

    def insert_characters(self, count: int | None = None) -> None:
        """ICH: blanks at the cursor; the rest of the row moves right."""
        x = self._settle()
        self._row().insert(x, count or 1, self._blank)

    def delete_characters(self, count: int | None = None) -> None:
        """DCH: cells from the cursor on go; the rest of the row moves left."""
        x = self._settle()
        self._row().delete(x, count or 1, self._blank)

    def alignment_display(self) -> None:
        """DECALN: the screen full of E, margins and cursor at home."""
        for row in self.rows:
            row.fill("E", self.columns, PLAIN)
            row.stamp = self.now
        self._part(0)
        self.margins = None
        self.cursor_position()
        self.all_dirty = True

    def _row(self) -> Line:
        self.dirty.add(self.cursor.y)
        return self.rows[self.cursor.y]

    # -- replies

    def report_device_attributes(self, mode: int = 0, **_: Any) -> None:
        """DA: a VT220 with colours."""
        if mode == 0:
            self._reply("\x1b[?62;22c")

    def report_secondary_attributes(self, mode: int = 0) -> None:
        """DA2: a VT220, so that programs ask for none of xterm's newer features."""
        if mode == 0:
            self._reply("\x1b[>1;10;0c")

    def report_device_status(self, mode: int = 0) -> None:
        """DSR: 5 "ready", 6 where the cursor is."""
        if mode == 5:
            self._reply("\x1b[0n")
        elif mode == 6:
            self._reply(f"\x1b[{self._place()}R")

    def report_private_status(self, mode: int = 0) -> None:
        """DECXCPR: where the cursor is."""
        if mode == 6:
            self._reply(f"\x1b[?{self._place()}R")

    def report_mode(self, mode: int = 0) -> None:
        """DECRQM of an ANSI mode: 1 set, 2 reset, 0 unknown."""
        self._reply(f"\x1b[{mode};{self._state_of(mode, mode in _KNOWN_ANSI)}$y")

    def report_private_mode(self, mode: int = 0) -> None:
        """DECRQM of a DEC mode."""
        if mode in _SCREEN_MODES:
            state = 1 if self.alternate else 2
        else:
            state = self._state_of(mode << 5, mode in _KNOWN_PRIVATE)
        self._reply(f"\x1b[?{mode};{state}$y")

    def _state_of(self, mode: int, known: bool) -> int:
        return (1 if mode in self.mode else 2) if known else 0

    def _place(self) -> str:
        top = self._region[0] if mo.DECOM in self.mode else 0
        return f"{self.cursor.y - top + 1};{min(self.cursor.x, self.columns - 1) + 1}"

    def report_window(self, what: int = 0) -> None:
        """The one question about the window that is answered: its size in characters (18). Never its title."""
        if what == 18:
            self._reply(f"\x1b[8;{self.lines};{self.columns}t")
