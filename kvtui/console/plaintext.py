"""What a recording says as text: lines as the guest wrote them, whatever it drew over them on the way.

Most of a log is lines that only scroll by. They are not drawn: where the screen would let them through as they are,
their text is taken, and those alone are drawn that stay on the screen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from kvtui.console.emulator import Emulator
from kvtui.console.history import History, text_of
from kvtui.console.line import PastLine, columns_of
from kvtui.console.plainbytes import colours_of
from kvtui.console.recording import Output, Recording, RecordingError, Resize

_PIECE: Final = 256 * 1024
"""Bytes that are looked through at once."""
_SLICE: Final = 4_096
"""Bytes that are drawn at once."""
_SCROLLBACK: Final = 50_000
"""More lines than a slice of output can let scroll off a terminal of usual size."""
_KEPT: Final = 1_000
"""Lines that are kept though they were taken: a larger screen takes lines back, at most as many as a screen has."""
_WORTHWHILE: Final = 4
"""Screens full of lines, from which on it is quicker not to draw them."""
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;:]{0,64}+m")
_BACKGROUND: Final = re.compile(rb"\x1b\[(?:[0-9;:]*[;:])?(?:4[0-8]|10[0-7])(?=[;:m])")
_LINES: Final = re.compile(rb"(?:(?:[ -~\x80-\xff]++|\x1b\[[0-9;:]{0,64}+m){0,1000}+\r++\n)++")
"""Whole lines of text and colours. What is not ASCII is looked at later."""
_LINE_ENDS: Final = re.compile(rb"\r++\n")


def read_text(recording: Recording) -> Iterator[str]:
    """The plain text of a recording from where it stands, in pieces of whole lines, without blanks at the lines' ends;
    `trouble` of it tells whether it is all.

    Lines that were too long for the terminal are whole. Of full-screen programs there is what they leave behind.
    """
    emulator = Emulator(recording.header.columns, recording.header.lines, _SCROLLBACK)
    lines = _Lines(emulator)
    for piece in _pieces(recording):
        if isinstance(piece, Resize):
            emulator.resize(piece.columns, piece.lines)
        else:
            yield from _read_piece(piece, emulator, lines)
    yield lines.take_all()


def _read_piece(piece: bytes, emulator: Emulator, lines: _Lines) -> Iterator[str]:
    start = 0
    while start < len(piece):
        if emulator.takes_lines and (end := _end_of_passing(piece, start, emulator.lines)):
            passing = _LINE_ENDS.sub(b"\r\n", piece[start:end])
            # What is on the screen goes first.
            emulator.feed(b"\r\n" * (emulator.lines - 1))
            yield lines.take()
            yield lines.join(_text_of(passing))
            emulator.feed(b"\x1b[H" + colours_of(passing))
            start = end
        end = min(len(piece), start + _SLICE)
        # To be between two lines as often as may be.
        end = piece.rfind(b"\n", start, end) + 1 or end
        emulator.feed(piece[start:end])
        yield lines.take()
        start = end


def _end_of_passing(piece: bytes, start: int, rows: int) -> int:
    """Where the lines end that begin at `start` and only scroll by, none of them left on a screen of so many rows; 0
    where they are none or too few.
    """
    found = _LINES.match(piece, start)
    end = _end_of_simple(piece, start, found.end()) if found else start
    if piece.count(b"\n", start, end) < _WORTHWHILE * rows:
        return 0
    last = end
    for _ in range(rows - 1):
        last = piece.rindex(b"\n", start, last - 1) + 1
    # The last character can be repeated: it must be among what is drawn.
    return last if _COLOUR.sub(b"", piece[last:end]).strip(b"\r\n") else 0


def _end_of_simple(piece: bytes, start: int, end: int) -> int:
    """Where the lines end, among these, in which nothing is that leaves other text behind than was written: characters
    without columns, or a background, which fills the cell that a wide character does not fit into.
    """
    if found := _BACKGROUND.search(piece, start, end):
        end = piece.rfind(b"\n", start, found.start()) + 1 or start
    text = piece[start:end].decode("utf-8", "replace")
    strange = {mark for mark in set(text) if mark not in "\x1b\r\n" and columns_of(mark) <= 0}
    if strange:
        whole = text[: min(map(text.index, strange))].count("\n")
        end = start
        for _ in range(whole):
            end = piece.index(b"\n", end) + 1
    return end


def _text_of(passing: bytes) -> str:
    text = _COLOUR.sub(b"", passing) if b"\x1b" in passing else passing
    return text.decode("utf-8", "replace").replace("\r\n", "\n")


def _pieces(recording: Recording) -> Iterator[bytes | Resize]:
    """Output in pieces of at most some size, whatever the events it came in, and the changes of size between them.

    They end at the end of a line, where there is one.
    """
    waiting: list[bytes] = []
    size = 0
    with suppress(RecordingError):
        for event in recording.events():
            if isinstance(event, Output):
                waiting.append(event.data)
                size += len(event.data)
            if size >= _PIECE:
                data = b"".join(waiting)
                end = data.rfind(b"\n") + 1 or len(data)
                yield from _cut(data[:end])
                waiting, size = [data[end:]], len(data) - end
            if isinstance(event, Resize):
                yield from _cut(b"".join(waiting))
                waiting, size = [], 0
                yield event
    yield from _cut(b"".join(waiting))


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


class _Lines:
    """Takes lines out of an emulator, each once: a larger screen takes lines back that were read already."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._next = 0
        self._begun = ""
        """The first part of a line that goes on."""

    def take(self) -> str:
        """Whole lines that have left the screen and were not taken yet."""
        emulator = self._emulator
        if self._next >= emulator.scrolled_total:
            return ""
        first = emulator.scrolled_total - emulator.scrollback_size
        rows = emulator.past(max(0, self._next - first), emulator.scrollback_size)
        self._next = emulator.scrolled_total
        text = self._join(rows)
        emulator.drop_past(_KEPT)
        return text

    def join(self, text: str) -> str:
        """Whole lines that went by beside the emulator, after those that were taken."""
        text, self._begun = self._begun + text, ""
        return re.sub(r"(?<! ) ++\n", "\n", text) if " \n" in text else text

    def _join(self, rows: Iterable[PastLine]) -> str:
        """Whole lines of them; the begin of one that is not whole is kept."""
        parts = [self._begun]
        for row in rows:
            parts.append(text_of(row))
            if not row.wrapped:
                parts.append("\n")
        whole, end, self._begun = "".join(parts).rpartition("\n")
        return "\n".join([line.rstrip(" ") for line in f"{whole}{end}".split("\n")])

    def take_all(self) -> str:
        """All that is left, but for blank lines at the end."""
        history = History(self._emulator)
        text = (self._join(history.rows(self._next, history.end)) + self._begun.rstrip(" ")).rstrip("\n")
        return f"{text}\n" if text else ""
