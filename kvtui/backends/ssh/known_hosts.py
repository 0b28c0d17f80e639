"""Which key each guest showed when it was first trusted: a file of our own in the format of OpenSSH.

A guest has no address that would last, so a line begins with an alias made of context, namespace and name.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from kvtui.errors import BackendError
from kvtui.model import Ref


class KnownKey(NamedTuple):
    """One line of the file: its number from 1, the type of the key, and the key in base64."""

    line: int
    type: str
    key: str


def alias_of(ref: Ref) -> str:
    """The name of a guest in the file: one for a VM and its instance, without characters that mean something there."""
    return "/".join(quote(part, safe="-._~:@") for part in (ref.backend, ref.namespace, ref.name))


class KnownHosts:
    """The file. Lines that are not understood are left alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, alias: str) -> list[KnownKey]:
        """The keys of a guest. Raises BackendError when the file cannot be read."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BackendError(f"cannot read {self.path}", error.strerror or str(error)) from error
        found = []
        for number, line in enumerate(text.split("\n"), 1):
            match line.split():
                case [hosts, type_, key, *_] if alias in hosts.split(","):
                    found.append(KnownKey(number, type_, key))
        return found

    def add(self, alias: str, type_: str, key: str) -> None:
        """Remember a key of a guest. Raises BackendError when the file cannot be written."""
        line = f"{alias} {type_} {key}\n".encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                _append(handle, line)
            finally:
                os.close(handle)
        except OSError as error:
            raise BackendError(
                f"cannot write {self.path}",
                error.strerror or str(error),
                "make room, or let the folder be writable: the key must be remembered",
            ) from error


def _append(handle: int, line: bytes) -> None:
    fcntl.flock(handle, fcntl.LOCK_EX)
    size = os.fstat(handle).st_size
    # Somebody's editor may have left the last line without its end.
    ended = not size or os.pread(handle, 1, size - 1) == b"\n"
    os.write(handle, line if ended else b"\n" + line)
