"""What a recording says as text: lines as the guest wrote them, whatever it drew over them on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from kvtui.console.emulator import Emulator
from kvtui.console.history import History, text_of
from kvtui.console.line import PastLine
from kvtui.console.recording import Output, Recording, RecordingError, Resize

_SLICE: Final = 4_096
_SCROLLBACK: Final = 50_000
"""More lines than a slice of output can let scroll off a terminal of usual size."""


def read_lines(recording: Recording) -> Iterator[str]:
    """The lines of a recording from where it stands, in plain text without blanks at their ends; `trouble` of it tells
    whether they are all.

    Lines that were too long for the terminal are whole. Of full-screen programs there is what they leave behind.
    """
    emulator = Emulator(recording.header.columns, recording.header.lines, _SCROLLBACK)
    lines = _Lines(emulator)
    for piece in _pieces(recording):
        if isinstance(piece, Resize):
            emulator.resize(piece.columns, piece.lines)
        else:
            emulator.feed(piece)
            yield from lines.take()
    yield from lines.take_all()


def _pieces(recording: Recording) -> Iterator[bytes | Resize]:
    """Output in pieces of at most a slice, whatever the events it came in, and the changes of size between them."""
    waiting: list[bytes] = []
    size = 0
    with suppress(RecordingError):
        for event in recording.events():
            if isinstance(event, Output):
                waiting.append(event.data)
                size += len(event.data)
            if size >= _SLICE or isinstance(event, Resize):
                yield from _cut(waiting)
                waiting, size = [], 0
            if isinstance(event, Resize):
                yield event
    yield from _cut(waiting)


def _cut(waiting: list[bytes]) -> Iterator[bytes]:
    data = b"".join(waiting)
    for start in range(0, len(data), _SLICE):
        yield data[start : start + _SLICE]


class _Lines:
    """Takes lines out of an emulator, each once: a larger screen takes lines back that were read already."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._next = 0
        self._begun = ""
        """The first part of a line that goes on."""

    def take(self) -> Iterator[str]:
        """Whole lines that have left the screen and were not taken yet. Nothing may be fed until they are taken."""
        emulator = self._emulator
        first = emulator.scrolled_total - emulator.scrollback_size
        rows = emulator.past(max(0, self._next - first), emulator.scrollback_size)
        self._next = max(self._next, emulator.scrolled_total)
        return self._join(rows)

    def _join(self, rows: Iterable[PastLine]) -> Iterator[str]:
        for row in rows:
            self._begun += text_of(row)
            if not row.wrapped:
                line, self._begun = self._begun.rstrip(" "), ""
                yield line

    def take_all(self) -> Iterator[str]:
        """All that is left, but for blank lines at the end."""
        history = History(self._emulator)
        blank = 0
        for line in (*self._join(history.rows(self._next, history.end)), self._begun.rstrip(" ")):
            if line:
                yield from [""] * blank
                yield line
            blank = 0 if line else blank + 1
