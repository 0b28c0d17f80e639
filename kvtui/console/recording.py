"""Recordings read back: asciicast v2 as `transcript` writes it, and v2 and v3 of asciinema.

Files come from anywhere. Whatever is in one, it gives events, or a `RecordingError` that names file and line; memory is
bounded by one line.
"""

from __future__ import annotations

import os
import re
import stat
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import msgspec

from kvtui.errors import KvtuiError
from kvtui.text import clean_line

_LINE_LIMIT: Final = 4 * 1024 * 1024
_LABEL_LIMIT: Final = 200
_LARGEST: Final = 1000
"""Columns and lines of a terminal, at most: one of them as large as a number can be would take all memory."""
_LAST_TIMESTAMP: Final = 253_402_300_799
"""The last second of the year 9999."""
_SIZE: Final = re.compile(r"([0-9]{1,9})x([0-9]{1,9})\Z", re.ASCII)


class RecordingError(KvtuiError):
    """A file is no recording that can be played."""


class Output(NamedTuple):
    """Bytes that the guest sent."""

    time: float
    data: bytes


class Resize(NamedTuple):
    """The terminal has another size from here on."""

    time: float
    columns: int
    lines: int


class Marker(NamedTuple):
    """Something happened, or someone marked this place."""

    time: float
    label: str


Event = Output | Resize | Marker
"""What happened `time` seconds after the recording began; times never fall."""


class Header(NamedTuple):
    """What a recording says of itself."""

    version: int
    columns: int
    lines: int
    timestamp: float | None
    """When it began, in seconds since the epoch."""
    title: str
    idle_limit: float | None
    """The pause in seconds to which its author wants longer ones cut."""


class Place(NamedTuple):
    """Where in a file reading may go on."""

    offset: int
    line: int
    time: float


_Number = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]


class _Term(msgspec.Struct):
    cols: _Number
    rows: _Number


class _Header(msgspec.Struct):
    version: _Number
    width: _Number = 0
    height: _Number = 0
    term: _Term | None = None
    timestamp: float | None = None
    title: str | None = None
    idle_time_limit: float | None = None


_HEADERS: Final = msgspec.json.Decoder(_Header)
_EVENTS: Final = msgspec.json.Decoder(tuple[float, str, Any])


class Recording:
    """A file that is being read, from its begin or from any `Place` that `place` told of."""

    def __init__(self, path: Path) -> None:
        """Raises RecordingError for what is no asciicast, or cannot be read."""
        self.path = path
        self.trouble = ""
        """Why no more could be read, where the file did not just end."""
        try:
            # A pipe or a terminal would keep us waiting, and could not be read twice.
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise RecordingError(f"cannot read {path}", error.strerror or str(error)) from error
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            raise RecordingError(f"{path} is no file", hint="give the name of a recording, NAME.cast")
        self._file = os.fdopen(handle, "rb")
        self.size = found.st_size
        """Bytes of the file."""
        self._line = 0
        self._time = 0.0
        self._offset = 0
        self._exact: tuple[Place, bytes] | None = None
        try:
            self.header = self._read_header()
        except RecordingError:
            self.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def place(self) -> Place:
        """Where the next event begins."""
        return self._exact[0] if self._exact else Place(self._offset, self._line, self._time)

    def go(self, place: Place) -> None:
        """Read on from `place`."""
        self._file.seek(place.offset)
        self._offset, self._line, self._time = place
        self._exact = None

    def events(self) -> Iterator[Event]:
        """All events from here on."""
        while (event := self.read()) is not None:
            yield event

    def read(self) -> Event | None:
        """The next event, None at the end, be it within a line. Raises RecordingError for any other broken line."""
        self._is_whole = True
        try:
            return self._read_event()
        except RecordingError as error:
            self.trouble = str(error)
            if self._is_whole:
                raise
            self.trouble = f"{self.path} was cut off within line {self._line}"
            return None

    def _read_event(self) -> Event | None:
        while (line := self._read_line()) is not None:
            if not (line.isspace() or line.startswith(b"#")):
                self._is_whole = line.endswith(b"\n")
                if (event := self._event(line)) is not None:
                    return event
        return None

    def _read_line(self) -> bytes | None:
        try:
            line = self._file.readline(_LINE_LIMIT)
        except OSError as error:
            raise RecordingError(f"cannot read {self.path}", error.strerror or str(error)) from error
        if not line:
            return None
        self._before = self.place
        self._line += 1
        self._offset += len(line)
        if len(line) == _LINE_LIMIT and not line.endswith(b"\n"):
            self._refuse(f"is longer than {_LINE_LIMIT // 1_048_576} MiB")
        return line

    def _read_header(self) -> Header:
        line = self._read_line() or b""
        try:
            found = _HEADERS.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RecordingError(
                f"{self.path} is no recording", "its first line is not the header of an asciicast", _WAY_OUT
            ) from None
        if found.version not in (2, 3):
            raise RecordingError(
                f"{self.path} is of version {found.version} of asciicast", "2 and 3 can be played", _WAY_OUT
            )
        term = found.term or _Term(0, 0)
        columns, lines = (term.cols, term.rows) if found.version == 3 else (found.width, found.height)
        self._check_size(columns, lines)
        timestamp, limit = found.timestamp, found.idle_time_limit
        return Header(
            found.version,
            columns,
            lines,
            timestamp if timestamp is not None and 0 <= timestamp <= _LAST_TIMESTAMP else None,
            clean_line((found.title or "")[:_LABEL_LIMIT]),
            limit if limit is not None and limit > 0 else None,
        )

    def _event(self, line: bytes) -> Event | None:
        try:
            moment, code, data = _EVENTS.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._refuse("is no event of an asciicast")
        if not abs(moment) <= _LAST_TIMESTAMP:
            self._refuse("has a time that cannot be")
        if self.header.version == 3:
            moment += self._time
        self._time = max(self._time, moment)
        match code, data:
            case "o", str():
                return Output(self._time, self._exact_bytes(data))
            case "b", str():
                self._exact = self._before, self._decode(data)
            case "r", str():
                return self._resize(data)
            case "m", str():
                return Marker(self._time, clean_line(data[:_LABEL_LIMIT]))
            case (("o" | "r" | "m"), _):
                self._refuse("is no event of an asciicast")
        return None

    def _exact_bytes(self, text: str) -> bytes:
        """What the guest sent: of a file that someone edited, what the text says."""
        exact, self._exact = self._exact, None
        if exact is not None and exact[1].decode("utf-8", "replace") == text:
            return exact[1]
        return text.encode("utf-8", "replace")

    def _decode(self, data: str) -> bytes:
        try:
            return b64decode(data, validate=True)
        except ValueError:
            self._refuse("has bytes that are not in base64")

    def _resize(self, size: str) -> Resize:
        found = _SIZE.match(size)
        if found is None:
            self._refuse("has a size that is not COLUMNSxLINES")
        columns, lines = int(found[1]), int(found[2])
        self._check_size(columns, lines)
        return Resize(self._time, columns, lines)

    def _check_size(self, columns: int, lines: int) -> None:
        if not (0 < columns <= _LARGEST and 0 < lines <= _LARGEST):
            self._refuse(
                f"has a terminal of {columns} by {lines}; from 1 by 1 to {_LARGEST} by {_LARGEST} can be played"
            )

    def _refuse(self, why: str) -> NoReturn:
        raise RecordingError(f"{self.path}: line {self._line} {why}", hint=_WAY_OUT)


_WAY_OUT: Final = "give a recording of kvtui (--record DIR) or of asciinema 2 or 3"
