"""Where the bytes of a download go: a file, which has its name only once it is whole, or a pipe.

A name means what it leads to, through symbolic links, and never another file unasked. Devices and pipes are no files:
what is written there cannot be taken back, so that only standard output is, which its reader looks after.
"""

from __future__ import annotations

import os
import select
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Protocol

from kvtui.errors import BackendError

_BLOCK: Final = 2**16
_ZEROS: Final = bytes(_BLOCK)
_LOOK: Final = 0.2
"""Seconds between two looks whether a pipe that nobody reads is still to be written."""
_KINDS: Final = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISLNK, "symbolic link that leads back to itself"),
)


class Sink(Protocol):
    """One place for one download, used by one thread at a time but for `stop`."""

    @property
    def name(self) -> str:
        """What it is called, for sentences."""

    @property
    def result(self) -> str:
        """What there is when all went well, in one clause."""

    @property
    def left(self) -> str:
        """What is left of one that was given up, in one clause."""

    def check(self) -> None:
        """Raise BackendError when nothing can or must be written there."""

    def open(self) -> None:
        """Begin. Raises BackendError as `check` does, and OSError."""

    def write(self, data: bytes) -> None:
        """What comes next. Raises OSError."""

    def finish(self) -> None:
        """All is there. Raises BackendError as `check` does, and OSError."""

    def stop(self) -> None:
        """Nothing more will be written: a `write` that waits for somebody returns. May be called in any thread."""

    def abandon(self) -> None:
        """Leave nothing that is not whole, as far as that can be; a second call, or one after the end, does nothing."""


class FileSink:
    """A file; blocks of zeros take no room in it. Until all is there it bears another name, in the same folder."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self._path = path
        self._place = Path(os.path.realpath(path))
        self._overwrite = overwrite
        self._part: Path | None = None
        self._file: IO[bytes] | None = None

    @property
    def name(self) -> str:
        """The file, as it was named."""
        return str(self._path)

    @property
    def result(self) -> str:
        """The file."""
        return f"{self._path} is there, checked"

    @property
    def left(self) -> str:
        """A part of a volume is of no use."""
        return "nothing of it was kept"

    def check(self) -> None:
        """Raise BackendError when a file cannot or must not be written there."""
        kind = _find_kind(self._place)
        if kind == "folder":
            raise BackendError(f"{self._path} is a folder", "", "name the file in it")
        unnamed = "" if kind else _find_unnamed(self._path)
        if unnamed not in ("", "file"):
            raise BackendError(
                f"{self._path} is a {unnamed}",
                "only a file can be checked before it has its name",
                "--to - writes to standard output",
            )
        if kind not in ("", "file"):
            raise BackendError(
                f"{self._path} is a {kind}",
                "only a file can be checked before it has its name",
                f"kvtui download EXPORT --format raw --to - | dd of={self._path} bs=4M writes into it",
            )
        if not self._place.parent.is_dir():
            raise BackendError(f"there is no folder {self._place.parent}", "", "make it first")
        if kind and not self._overwrite:
            raise BackendError(
                f"{self._path} is there already", "nothing was downloaded", "name another file, or overwrite it"
            )

    def open(self) -> None:
        """Begin it under its other name."""
        self.check()
        handle, name = tempfile.mkstemp(prefix=f".{self._place.name}.", suffix=".part", dir=self._place.parent)
        self._part, self._file = Path(name), os.fdopen(handle, "wb")

    def write(self, data: bytes) -> None:
        """What comes next; blocks of zeros are left out."""
        assert self._file is not None
        view = memoryview(data)
        for start in range(0, len(data), _BLOCK):
            block = view[start : start + _BLOCK]
            if block == _ZEROS[: len(block)]:
                self._file.seek(len(block), os.SEEK_CUR)
            else:
                self._file.write(block)

    def finish(self) -> None:
        """Give it its name."""
        assert self._file is not None
        assert self._part is not None
        # What was left out at the end are zeros.
        self._file.truncate(self._file.tell())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        # Somebody may have put something there meanwhile.
        self.check()
        self._part.chmod(0o600)
        self._part.replace(self._place)

    def stop(self) -> None:
        """A file has nobody wait."""

    def abandon(self) -> None:
        """Leave nothing that has not its own name yet."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)


class PipeSink:
    """Standard output. It is written at the pace of who reads it, and left as soon as it is given up."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._is_over = False

    @property
    def name(self) -> str:
        """As sentences call it."""
        return "standard output"

    @property
    def result(self) -> str:
        """Who reads it has it."""
        return "all of it went to standard output, checked"

    @property
    def left(self) -> str:
        """What was read cannot be taken back."""
        return "what went there is not whole"

    def check(self) -> None:
        """It takes whatever comes."""

    def open(self) -> None:
        """It is open."""

    def write(self, data: bytes) -> None:
        """What comes next, unless it is given up meanwhile. Raises BrokenPipeError when nobody reads it any more."""
        view = memoryview(data)
        while view and not self._is_over:
            if select.select([], [self._handle], [], _LOOK)[1]:
                # As much as a pipe takes at once: more would wait for its reader, whatever happens here.
                view = view[os.write(self._handle, view[: select.PIPE_BUF]) :]

    def finish(self) -> None:
        """Its reader sees the end when the program ends."""

    def stop(self) -> None:
        """Wait for its reader no more."""
        self._is_over = True

    def abandon(self) -> None:
        """What was read is gone."""


def _find_kind(place: Path) -> str:
    """What is there: empty for nothing. Raises BackendError where that cannot be seen."""
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise unwritable(str(place), error) from error
    return _name_kind(mode)


def _find_unnamed(path: Path) -> str:
    """What is open where a name leads to no file: a pipe, by ``/dev/stdout``; empty for nothing."""
    try:
        return _name_kind(path.stat().st_mode)
    except OSError:
        return ""


def _name_kind(mode: int) -> str:
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "file")


def unwritable(name: str, error: OSError) -> BackendError:
    """That nothing can be written to what is called so."""
    hint = "" if isinstance(error, BrokenPipeError) else "name a file elsewhere"
    return BackendError(f"{name} cannot be written", error.strerror or str(error), hint)
