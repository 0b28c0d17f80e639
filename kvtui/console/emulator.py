"""The terminal emulator of a console: bytes of the guest in, rows of styled text out.

This is all that the screen and the sessions know of it, so that another emulator could take its place. Nothing here
raises, whatever the guest sends, and no text that comes out holds a control character.

It is a VT220 with what programs of today use of xterm. Left out, and swallowed without a trace on the screen:
- Left and right margins (DECLRMM, DECSLRM) and what needs them or comes with them: DECIC, DECDC, DECFI, DECBI, SL, SR.
- Protected characters (DECSCA, SPA, EPA): DECSED and DECSEL erase as ED and EL do. Rectangles (DECCRA, DECFRA, DECERA,
  DECSERA, DECCARA, DECRARA) and their checksums.
- Lines of double width or height, 132 columns (DECCOLM), VT52 mode, reverse wrapping (?45), wrapping of tabs (?41).
- G2 and G3 with their shifts, 8-bit controls but as UTF-8, national charsets but the British one.
- User-defined keys, answerback, printing, LEDs, bells; the keypad, DECPAM and DECPNM; the shape of the cursor.
- Pictures (sixel, ReGIS, Kitty's, iTerm2's), links (OSC 8), colours set or asked for (OSC 4, 10, 11), the clipboard
  (OSC 52), working directories and marks of prompts (OSC 7, 133): of all strings titles alone are read.
- Questions but DA, DA2, DSR 5 and 6, DECXCPR, DECRQM and the size in characters: no DECRQSS, XTVERSION, XTGETTCAP, no
  other DSR, no title. Windows are neither moved nor sized.
- Reports of the focus (?1004), synchronized output (?2026), Kitty's and xterm's reports of modified keys.
Other than in xterm: what ED 2 and RIS clear goes to the scrollback; EL behind a full row keeps its last character; the
end of a line ends a string that was not ended; REP repeats a row at most; a style of underlines is an underline; a text
after parameters of more than 256 characters is printed; characters without width (joiners, selectors, marks of
direction) are left out and combining marks beyond four are too.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice
from typing import NamedTuple

from kvtui.console.line import Line, PastLine
from kvtui.console.look import Look, Run, reversed_of
from kvtui.console.modes import Modes
from kvtui.console.plainbytes import colours_of, split_lines
from kvtui.console.screen import Screen
from kvtui.console.tokenizer import Tokenizer

__all__ = ["Cursor", "Emulator", "Look", "Run"]

# CAN, the main screen, DECSTR, wrapping, upright colours, no mouse, no bracketed paste, plain line ends.
_RECOVERY = b"\x18\x1b[?1049l\x1b[!p\x1b[?7h\x1b[?5;1000;1002;1003;1006;2004l\x1b[20l"
_FORGET_PROGRAMS = b"\x18\x1b[?1049l\x1b[!p\x1b[?1000;1002;1003;1006;2004l"
"""Out of the alternate screen, a scrolling region, looks, mouse and paste modes."""
_REPLIES_AT_ONCE = 20
_REPLIES_PER_SECOND = 10.0
_SLICE_LEAST, _SLICE_FIRST, _SLICE_MOST = 256, 2_048, 16_384
_SLICE_SECONDS = 0.02


class Cursor(NamedTuple):
    """Where the cursor is, from 0, and whether it is shown."""

    x: int
    y: int
    visible: bool


class Emulator:
    """A terminal of `columns` by `lines` with `scrollback` lines above it.

    `answer` takes what the terminal replies to questions of the guest (which terminal, where is the cursor); beyond
    20 at once and 10 a second by `clock`, in seconds, questions stay without reply.
    """

    def __init__(
        self,
        columns: int = 80,
        lines: int = 24,
        scrollback: int = 10_000,
        answer: Callable[[bytes], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._replies_left = float(_REPLIES_AT_ONCE)
        self._replied_at = clock()
        self._slice = _SLICE_FIRST
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._screen = Screen(max(2, columns), max(1, lines), scrollback, self._reply)
        self._tokenizer = Tokenizer(self._screen)
        self._reported_cursor = self.cursor

    def feed(self, data: bytes, now: float = 0.0) -> None:
        """Take bytes of the guest: UTF-8, whose errors show as the replacement character.

        `now`, in seconds since the epoch, is when they came: the stamp of the lines that they write on.
        """
        self._screen.now = now
        self._tokenizer.feed(self._decoder.decode(data))

    def skim(self, data: bytes, now: float = 0.0) -> bytes:
        """Take plain bytes (`plainbytes`) of which no line will be left, for more lines follow than are kept; what of
        them is to be fed still. In the end all is as if they were fed; what is seen meanwhile is older.
        """
        first, lines, rest = split_lines(data)
        if not lines or len(first) > _SLICE_FIRST:
            return data
        self.feed(first, now)
        if not self._tokenizer.is_between or not self._screen.takes_lines:
            return lines + rest
        self._screen.forget(lines.count(b"\n"))
        return colours_of(lines) + rest

    @property
    def takes_lines(self) -> bool:
        """Whether whole lines of text and colours that are fed now scroll by, with nothing changed but their cuts."""
        return (
            self._tokenizer.is_between
            and not self._decoder.getstate()[0]
            and self._screen.takes_lines
            and not self.modes.cut_lines
        )

    def drop_past(self, keep: int) -> None:
        """Forget the oldest lines of the scrollback but so many."""
        past = self._screen.scrollback
        for _ in range(len(past) - keep):
            past.popleft()

    @property
    def kept(self) -> int:
        """How many lines are left of an endless text: those of the scrollback and the screen."""
        return (self._screen.scrollback.maxlen or 0) + self.lines

    def feed_in_slices(self, data: bytes, now: float = 0.0) -> Iterator[None]:
        """Take bytes in slices of at most 16 kB, and so small that each costs some 20 ms at most by the clock.

        Between two the caller shall let others work: there are sequences of a few bytes that cost a screen full.
        """
        self._slice, start = min(self._slice, _SLICE_FIRST), 0
        while piece := data[start : start + self._slice]:
            begun = self._clock()
            self.feed(piece, now)
            start += len(piece)
            took = self._clock() - begun
            affordable = int(len(piece) * _SLICE_SECONDS / took) if took else _SLICE_MOST
            self._slice = max(_SLICE_LEAST, min(affordable, 2 * self._slice, _SLICE_MOST))
            yield

    def resize(self, columns: int, lines: int) -> None:
        """Change the size, at least 2 by 1. Lines that no longer fit go to the scrollback, columns are hidden."""
        self._screen.resize(max(1, lines), max(2, columns))

    def begin_anew(self) -> None:
        """Give a guest that boots an empty screen, out of all modes, and keep what was there in the scrollback."""
        self.feed(_FORGET_PROGRAMS, self._screen.now)
        used = max((number for number, row in enumerate(self.text(), start=1) if row), default=0)
        self.feed(b"\x1b[%d;1H%b\x1b[H" % (self.lines, b"\n" * used), self._screen.now)

    def recover(self) -> None:
        """Undo what a guest left behind that ended within a program, or whose firmware turned wrapping off.

        Modes, margins, charsets and colours are as at power-on, the main screen is back, and all text stays.
        """
        self._decoder.reset()
        self.feed(_RECOVERY, self._screen.now)

    def copy(self) -> Emulator:
        """Another one that stands where this one does. They share the lines of the scrollback, which never change."""
        return deepcopy(self, {id(line): line for line in self._screen.scrollback})

    def take_changed(self) -> frozenset[int] | None:
        """Rows of the screen that changed since the last call, with the cursor's old and new one; None for all."""
        screen, cursor = self._screen, self.cursor
        changed, everything = set(screen.dirty), screen.all_dirty
        if cursor != self._reported_cursor:
            changed |= {self._reported_cursor.y, cursor.y}
        screen.dirty.clear()
        screen.all_dirty = False
        self._reported_cursor = cursor
        return None if everything else frozenset(changed)

    def row(self, y: int) -> tuple[Run, ...]:
        """The runs of a row, without the plain blanks at its end; -1 is the newest line of the scrollback.

        A line of the scrollback is as long as it was when it left, whatever the width now. Raises IndexError beyond
        either end.
        """
        screen = self._screen
        if y < 0:
            return screen.scrollback[y].runs
        if screen.reverse_video:
            return tuple(Run(run.text, reversed_of(run.look)) for run in screen.rows[y].all_runs())
        return screen.rows[y].runs()

    def stamp(self, y: int) -> float | None:
        """When text was last written on row `y`, numbered as in `row`; None if none ever was."""
        return self._line(y).stamp

    def is_wrapped(self, y: int) -> bool:
        """Whether the text of row `y`, numbered as in `row`, was too long for it and goes on in row ``y + 1``."""
        return self._line(y).wrapped

    def _line(self, y: int) -> Line | PastLine:
        return self._screen.scrollback[y] if y < 0 else self._screen.rows[y]

    def past(self, start: int, stop: int) -> Iterator[PastLine]:
        """Lines of the scrollback in order, from `start` to before `stop`, counted from the oldest.

        Nothing may be fed until they are taken. To take many so is quicker than by `row`, which counts its way.
        """
        lines = self._screen.scrollback
        if 2 * start < len(lines):
            return islice(lines, start, stop)
        # From the end that is nearer: a deque is walked to where one begins.
        stop = min(stop, len(lines))
        newest_first = islice(reversed(lines), len(lines) - stop, len(lines) - min(start, stop))
        return reversed(list(newest_first))

    def text(self) -> list[str]:
        """The rows of the screen as plain text without trailing blanks."""
        return ["".join(row.text).rstrip(" ") for row in self._screen.rows]

    @property
    def columns(self) -> int:
        """Width in columns."""
        return self._screen.columns

    @property
    def lines(self) -> int:
        """Height in rows."""
        return self._screen.lines

    @property
    def cursor(self) -> Cursor:
        """Where the cursor is and whether it is shown."""
        cursor = self._screen.cursor
        return Cursor(min(cursor.x, self._screen.columns - 1), cursor.y, not cursor.hidden)

    @property
    def is_placed(self) -> bool:
        """Whether the guest put the cursor somewhere by row and column since the screen scrolled last."""
        return self._screen.placed

    @property
    def scrollback_size(self) -> int:
        """How many lines the scrollback holds now."""
        return len(self._screen.scrollback)

    @property
    def scrolled_total(self) -> int:
        """How many lines went into the scrollback for good, those that it has dropped since among them.

        With this added, the number of a row, as in `row`, is that of its line for as long as the line is kept.
        """
        return self._screen.scrolled_total

    @property
    def title(self) -> str:
        """The title that the guest set, harmless and in one line."""
        return self._screen.title

    @property
    def modes(self) -> Modes:
        """What the guest asked of keyboard, mouse and screen."""
        return self._screen.modes

    def _reply(self, text: str) -> None:
        now = self._clock()
        earned = (now - self._replied_at) * _REPLIES_PER_SECOND
        self._replied_at = now
        self._replies_left = min(self._replies_left + earned, _REPLIES_AT_ONCE)
        if self._replies_left >= 1:
            self._replies_left -= 1
            self._answer(text.encode())
