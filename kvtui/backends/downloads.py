"""The volumes of an export, brought to this machine and checked.

What comes as gzip is unpacked while it comes, be it to store it so or to check it: its checksum and its length stand at
its end. Until all is well nothing bears the name of the file.
"""

from __future__ import annotations

import asyncio
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from kvtui.backends.sinks import Sink, unwritable
from kvtui.errors import BackendError
from kvtui.model import Ref

GZIP: Final = "gzip"
RAW: Final = "raw"
TAR: Final = "tar.gz"
FORMATS: Final = (GZIP, RAW, TAR)
"""The forms in which a volume can be had."""
SUFFIXES: Final = {GZIP: ".img.gz", RAW: ".img", TAR: ".tar.gz"}
_UNPACKED: Final = 2**22
"""Bytes that are unpacked at a time: a piece of zeros grows a thousandfold."""
_WINDOW: Final = 10.0
"""Seconds over which the rate is taken."""


@dataclass(frozen=True, slots=True)
class Download:
    """A volume that is being sent."""

    pieces: AsyncIterator[bytes]
    packed: bool
    """Whether what comes is gzip."""
    size: int | None
    """Bytes of the volume, unpacked, as far as they are known; a file system on it has somewhat less."""
    way: str
    """How it comes here, for sentences."""


@runtime_checkable
class Downloads(Protocol):
    """A backend whose exports can be downloaded."""

    def open_download(self, ref: Ref, volume: str, form: str) -> AbstractAsyncContextManager[Download]:
        """A volume of an export in one of `FORMATS`; without a name, its only one.

        Raises BackendError: BusyError while the export is not ready, AbsentError when it has no such volume,
        ConflictError where it has several and none is named, ForbiddenError without the right, ReadOnlyError on a
        read-only backend.
        """


class Figures:
    """How far a download is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.received = 0
        """Bytes that came."""
        self.written = 0
        """Bytes of the volume that they hold."""
        self.size: int | None = None
        self.way = ""
        self._clock = clock
        self._marks: list[tuple[float, int, int]] = []

    def mark(self) -> None:
        """Remember where it stands now."""
        now = self._clock()
        self._marks.append((now, self.received, self.written))
        while len(self._marks) > 2 and now - self._marks[1][0] >= _WINDOW:
            del self._marks[0]

    @property
    def rate(self) -> float | None:
        """Bytes that come in a second, of late; None at the begin."""
        return self._per_second(1)

    @property
    def done(self) -> float | None:
        """The part that is there, from 0 to 1; None where the size is not known."""
        return min(1.0, self.written / self.size) if self.size else None

    @property
    def eta(self) -> float | None:
        """Seconds that it takes still, as far as one can tell."""
        pace = self._per_second(2)
        return max(0.0, (self.size - self.written) / pace) if self.size and pace else None

    def _per_second(self, column: int) -> float | None:
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        passed = last[0] - first[0]
        return (last[column] - first[column]) / passed if passed > 0 else None


async def fetch(download: Download, sink: Sink, form: str, figures: Figures) -> None:
    """Bring a download to its place. Raises BackendError when it is cut or broken, or cannot be written."""
    figures.size, figures.way = download.size, download.way
    intake = _Intake(sink, download.packed, unpack=form == RAW, figures=figures)
    try:
        await asyncio.to_thread(intake.open)
        figures.mark()
        async for piece in download.pieces:
            figures.received += len(piece)
            await asyncio.to_thread(intake.take, piece)
            figures.mark()
        await asyncio.to_thread(intake.finish)
    finally:
        intake.abandon()


class _Intake:
    """What comes, on its way into its place: unpacked, be it to store it so or to check it. Used by one thread at a
    time, and abandoned by another.
    """

    def __init__(self, sink: Sink, packed: bool, *, unpack: bool, figures: Figures) -> None:
        self._sink = sink
        self._figures = figures
        self._unpack = unpack or not packed
        self._unpacker = zlib.decompressobj(wbits=31) if packed else None
        self._lock = threading.Lock()
        self._ended = False

    def open(self) -> None:
        """Begin. Raises BackendError."""
        with self._lock, self._writing():
            if not self._ended:
                self._sink.open()

    def take(self, piece: bytes) -> None:
        """What came next. Raises BackendError."""
        with self._lock, self._writing():
            if self._ended:
                return
            try:
                if not self._unpack or self._unpacker is None:
                    self._write(piece)
                if self._unpacker is not None:
                    self._inflate(piece)
            except zlib.error as error:
                raise BackendError("what came is no whole gzip file", str(error), "try again") from error

    def finish(self) -> None:
        """All came: check it, and have it kept. Raises BackendError."""
        with self._lock, self._writing():
            if self._unpacker is not None and not self._unpacker.eof:
                raise BackendError("what came is no whole gzip file", "it ends in the middle", "try again")
            if not self._figures.written:
                raise BackendError("nothing came", "the file would be empty", "look at the export's pod")
            self._sink.finish()

    def abandon(self) -> None:
        """Leave nothing that is not whole; a second call does nothing."""
        self._ended = True
        # It may wait for its reader, with the lock held.
        self._sink.stop()
        with self._lock:
            self._sink.abandon()

    def _write(self, data: bytes) -> None:
        """Bytes of the place."""
        if self._unpacker is None:
            self._figures.written += len(data)
        self._sink.write(data)

    def _inflate(self, piece: bytes) -> None:
        unpacker = self._unpacker
        assert unpacker is not None
        while piece and not self._ended:
            if unpacker.eof:
                # A gzip file may have several members.
                unpacker = self._unpacker = zlib.decompressobj(wbits=31)
            data = unpacker.decompress(piece, _UNPACKED)
            piece = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            self._figures.written += len(data)
            if self._unpack:
                self._write(data)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self._sink.name, error) from error
