"""What a guest said, kept in a file with its times: asciicast v2, which asciinema and its web player read.

The format: https://docs.asciinema.org/manual/asciicast/v2/. A line is ``[seconds, code, data]``; the codes written
here are ``o`` (output), ``r`` (size), ``m`` (marker) and ``b``. Text cannot hold bytes that are not UTF-8: where a
guest sends such, ``o`` has the replacement character for them, and a ``b`` before it has in base64 the exact bytes that
the ``o`` stands for. The specification lets the list of codes be extended and asks of players to ignore the unknown
ones; those of asciinema do (2.x `player.py`: only `o` is written out; 3.x `asciicast/v2.rs`: `Other`, of one
character; the web player's `driver/recording.js`: `executeEvent`).

What the user types (code ``i``) is never written: of a password there is what the guest echoes, that is nothing.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from kvtui.console.files import create, new_paths
from kvtui.errors import KvtuiError
from kvtui.text import clean_line

_PIECE: Final = 65_536
"""Bytes of the guest that one event holds at most."""
_FLUSH_SECONDS: Final = 1.0
_FLUSH_BYTES: Final = 65_536
# "Any non-printable Unicode codepoints encoded as \uXXXX", says the specification. JSON itself asks it of C0 alone.
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")


class Transcript:
    """An asciicast v2 file that grows. Nothing here raises once it is created: a failure ends the recording.

    What is written is in the file a second later at the latest, as long as the event loop runs. `failed` is told why
    the recording ended, if not by `close`.
    """

    def __init__(
        self,
        path: Path,
        columns: int,
        lines: int,
        *,
        title: str = "",
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        failed: Callable[[KvtuiError], None] = lambda _: None,
    ) -> None:
        """Raises OSError when the file exists, cannot be made or has no room for its first line, and leaves none then;
        `create_transcript` finds a name.
        """
        self.path = path
        self.failure: KvtuiError | None = None
        """Why the recording ended by itself."""
        self._failed = failed
        self._clock = clock
        self._began = self._flushed = clock()
        self._time = 0.0
        self._held = b""
        """The begin of a character of which the guest has not sent the rest."""
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._file: int | None = create(path)
        header = {"version": 2, "width": columns, "height": lines, "timestamp": int(wall()), "title": clean_line(title)}
        try:
            self._put(msgspec.json.encode({**header, "env": {"TERM": "xterm-256color"}}) + b"\n")
        except OSError:
            self._let_go()
            with suppress(OSError):
                path.unlink()
            raise
        self._header_size = self._size

    @property
    def is_open(self) -> bool:
        """Whether what is written still goes into the file."""
        return self._file is not None

    def write(self, data: bytes) -> None:
        """Keep what the guest sent, just now."""
        for start in range(0, len(data), _PIECE):
            self._write(data[start : start + _PIECE], final=False)

    def resize(self, columns: int, lines: int) -> None:
        """Keep that the terminal has this size from now on."""
        self._append("r", f"{columns}x{lines}")

    def mark(self, words: str) -> None:
        """Keep what happened to the console, as a marker that players can jump to."""
        self._append("m", clean_line(words))

    def flush(self) -> None:
        """Bring everything into the file now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flushed = self._clock()
        if self._file is None or not self._pending:
            return
        data, self._pending, self._pending_size = b"".join(self._pending), [], 0
        try:
            self._put(data)
            removed = not os.fstat(self._file).st_nlink
        except OSError as error:
            # No player can read past half a line.
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            self._fail(error.strerror or str(error), kept=self._size > self._header_size)
        else:
            if removed:
                self._fail("the file was removed", kept=False)

    def close(self) -> None:
        """End the recording; a second call does nothing."""
        if self._held:
            self._write(b"", final=True)
        self.flush()
        self._let_go()

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        written = 0
        while written < len(data):
            written += os.write(self._file, data[written:])
        self._size += len(data)

    def _write(self, data: bytes, *, final: bool) -> None:
        """One event of the characters that are whole, in two lines where their text does not tell the bytes."""
        data = self._held + data
        try:
            text, used = codecs.utf_8_decode(data, "strict", final)
        except UnicodeDecodeError:
            text, used = codecs.utf_8_decode(data, "replace", final)
            self._append("b", b64encode(data[:used]).decode())
        self._held = data[used:]
        if text:
            self._append("o", text)

    def _append(self, code: str, data: str) -> None:
        if self._file is None:
            return
        # A clock of the tests may stand still, none may lead a player back.
        self._time = max(self._time, self._clock() - self._began)
        text = msgspec.json.encode(data)
        if not text.isascii() or b"\x7f" in text:
            text = _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text.decode()).encode()
        line = b'[%.6f, "%s", %s]\n' % (self._time, code.encode(), text)
        self._pending.append(line)
        self._pending_size += len(line)
        due = self._flushed + _FLUSH_SECONDS - self._clock()
        if due <= 0 or self._pending_size >= _FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(due, self.flush)
            except RuntimeError:
                # Nobody would do it later.
                self.flush()

    def _fail(self, words: str, *, kept: bool) -> None:
        self._let_go()
        rest = "what was kept until then can be replayed" if kept else "nothing of it was kept"
        self.failure = KvtuiError(f"the recording {self.path} ended", words, f"the console goes on; {rest}")
        self._failed(self.failure)

    def _let_go(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None
            self._pending.clear()


def create_transcript(
    folder: Path,
    names: Sequence[str],
    columns: int,
    lines: int,
    *,
    wall: Callable[[], float] = time.time,
    failed: Callable[[KvtuiError], None] = lambda _: None,
) -> Transcript:
    """A new transcript in `folder`, which is made where it is missing; `names` (backend, namespace, name) are its title
    and, with the time in UTC, its file name. Raises KvtuiError when it cannot be made.
    """
    try:
        for path in new_paths(folder, names, ".cast", wall()):
            with suppress(FileExistsError):
                return Transcript(path, columns, lines, title="/".join(names), wall=wall, failed=failed)
    except OSError as error:
        raise KvtuiError(
            f"nothing is recorded: no file can be made in {folder}",
            error.strerror or str(error),
            "let the folder be writable and have room, or record to another one",
        ) from error
    raise AssertionError("the paths do not end")
