"""What a recording says as text: lines as the guest wrote them, whatever it drew over them on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from kvtui.console.emulator import Emulator
from kvtui.console.recording import Output, Recording, RecordingError, Resize
from kvtui.text import cells

_SLICE: Final = 4_096
_SCROLLBACK: Final = 50_000
"""More lines than a slice of output can let scroll off a terminal of usual size."""


def read_lines(recording: Recording) -> Iterator[str]:
    """The lines of a recording from where it stands, in plain text without blanks at their ends; `trouble` of it tells
    whether they are all.

    Lines that were too long for the terminal are whole. Of full-screen programs there is what they leave behind. The
    terminal keeps its height, for lines that come back into a higher one would be read twice.
    """
    emulator = Emulator(recording.header.columns, recording.header.lines, _SCROLLBACK)
    reader = _Reader(emulator)
    with suppress(RecordingError):
        for event in recording.events():
            if isinstance(event, Resize):
                emulator.resize(event.columns, emulator.lines)
            elif isinstance(event, Output):
                for start in range(0, len(event.data), _SLICE):
                    emulator.feed(event.data[start : start + _SLICE])
                    yield from reader.take_past()
    yield from reader.take_screen()


class _Reader:
    """Takes lines out of an emulator, each once."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._taken = 0
        self._begun = ""
        """The first part of a line that goes on."""
        self._room = 0
        """Columns that its last row left free."""

    def take_past(self) -> Iterator[str]:
        """Whole lines that have scrolled off since the last call."""
        emulator = self._emulator
        new = min(emulator.scrolled_total - self._taken, emulator.scrollback_size)
        self._taken = emulator.scrolled_total
        return self._take(range(-new, 0))

    def take_screen(self) -> Iterator[str]:
        """What stands on the screen, but for blank lines at its end."""
        lines = [*self._take(range(self._emulator.lines)), self._begun.rstrip(" ")]
        while lines and not lines[-1]:
            lines.pop()
        return iter(lines)

    def _take(self, rows: range) -> Iterator[str]:
        for y in rows:
            text = "".join(run.text for run in self._emulator.row(y))
            self._begun += self._blanks_before(text) + text
            self._room = self._emulator.columns - cells(text)
            if not self._emulator.is_wrapped(y):
                line, self._begun = self._begun.rstrip(" "), ""
                yield line

    def _blanks_before(self, text: str) -> str:
        """What the end of a row has lost that goes on with `text`: a wide character leaves a column free of itself."""
        if not self._begun or (self._room == 1 and cells(text[:1]) == 2):
            return ""
        return " " * self._room
