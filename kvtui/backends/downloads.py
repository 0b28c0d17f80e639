"""The volumes of an export, brought into a file of this machine: checked, never over another file unasked.

A file that comes as gzip is unpacked while it comes, be it to store it so or to check it: its checksum and its length
stand at its end. Until all is well it bears another name, and nothing is left of one that was cut or cancelled.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol, runtime_checkable

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
_BLOCK: Final = 2**16
_ZEROS: Final = bytes(_BLOCK)
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


async def fetch(download: Download, target: Path, form: str, figures: Figures, *, overwrite: bool = False) -> None:
    """Store a download as `target`. Raises BackendError when it is cut or broken, or cannot be written."""
    figures.size, figures.way = download.size, download.way
    check_target(target, overwrite=overwrite)
    sink = await asyncio.to_thread(_Sink, target, download.packed, unpack=form == RAW, figures=figures)
    try:
        figures.mark()
        async for piece in download.pieces:
            figures.received += len(piece)
            await asyncio.to_thread(sink.take, piece)
            figures.mark()
        await asyncio.to_thread(sink.finish, overwrite=overwrite)
    finally:
        sink.abandon()


def check_target(target: Path, *, overwrite: bool) -> None:
    """Raise BackendError when a file cannot or must not be written there."""
    if target.is_dir():
        raise BackendError(f"{target} is a folder", "", "name the file in it")
    if not target.parent.is_dir():
        raise BackendError(f"there is no folder {target.parent}", "", "make it first")
    if target.exists() and not overwrite:
        raise BackendError(f"{target} is there already", "nothing was downloaded", "name another file, or overwrite it")


class _Sink:
    """The file while it grows. Used by one thread at a time."""

    def __init__(self, target: Path, packed: bool, *, unpack: bool, figures: Figures) -> None:
        self._target = target
        self._figures = figures
        self._unpack = unpack or not packed
        self._unpacker = zlib.decompressobj(wbits=31) if packed else None
        self._lock = threading.Lock()
        self._ended = False
        try:
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        except OSError as error:
            raise _unwritable(target, error) from error
        self._part = Path(name)
        self._file: IO[bytes] = os.fdopen(handle, "wb")

    def take(self, piece: bytes) -> None:
        """What came next. Raises BackendError."""
        with self._lock:
            if self._ended:
                return
            try:
                if not self._unpack or self._unpacker is None:
                    self._write(piece)
                if self._unpacker is not None:
                    self._inflate(piece)
            except OSError as error:
                raise _unwritable(self._target, error) from error
            except zlib.error as error:
                raise BackendError("what came is no whole gzip file", str(error), "try again") from error

    def finish(self, *, overwrite: bool) -> None:
        """All came: check it, and give the file its name. Raises BackendError."""
        with self._lock:
            if self._unpacker is not None and not self._unpacker.eof:
                raise BackendError("what came is no whole gzip file", "it ends in the middle", "try again")
            if not self._figures.written:
                raise BackendError("nothing came", "the file would be empty", "look at the export's pod")
            try:
                # What was left out at the end are zeros.
                self._file.truncate(self._file.tell())
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                # Somebody may have put a file there meanwhile.
                check_target(self._target, overwrite=overwrite)
                self._part.chmod(0o600)
                self._part.replace(self._target)
            except OSError as error:
                raise _unwritable(self._target, error) from error

    def abandon(self) -> None:
        """Leave nothing that has not its own name yet; a second call does nothing."""
        self._ended = True
        with self._lock:
            with suppress(OSError):
                self._file.close()
            self._part.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        """Bytes of the file; blocks of zeros are left out where it is stored as it is used."""
        if self._unpacker is None:
            self._figures.written += len(data)
        if not self._unpack:
            self._file.write(data)
            return
        view = memoryview(data)
        for start in range(0, len(data), _BLOCK):
            block = view[start : start + _BLOCK]
            if block == _ZEROS[: len(block)]:
                self._file.seek(len(block), os.SEEK_CUR)
            else:
                self._file.write(block)

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


def _unwritable(target: Path, error: OSError) -> BackendError:
    return BackendError(f"{target} cannot be written", error.strerror or str(error), "name a file elsewhere")
