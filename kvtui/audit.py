"""The audit log: one JSON line for every action that changes something, whatever came of it."""

from __future__ import annotations

import errno
import fcntl
import getpass
import os
import stat
import time
from pathlib import Path

import msgspec

from kvtui.errors import BackendError
from kvtui.model import Ref


class Entry(msgspec.Struct, omit_defaults=True):
    """One line of the log."""

    time: str
    user: str
    backend: str
    account: str
    verb: str
    kind: str
    namespace: str
    name: str
    uid: str
    result: str
    """``asked`` before the server is; then ``accepted``, ``refused``, or ``unknown`` when no answer came."""
    words: str = ""
    """The server's words on a refusal."""
    dry_run: bool = False
    """Whether the server was only asked to try."""


class AuditLog:
    """Appends entries to a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, verb: str, ref: Ref, account: str, result: str, words: str = "", *, dry_run: bool = False) -> None:
        """Append one line. Raises BackendError when that fails: an action that cannot be logged must not be done."""
        entry = Entry(
            time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            user=_login(),
            backend=ref.backend,
            account=account,
            verb=verb,
            kind=ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            uid=ref.uid,
            result=result,
            words=words,
            dry_run=dry_run,
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                _append(handle, msgspec.json.encode(entry) + b"\n")
            finally:
                os.close(handle)
        except OSError as error:
            raise BackendError(
                f"the audit log {self.path} cannot be written, so nothing was done",
                error.strerror or str(error),
                "make room, or let the folder be writable",
            ) from error


def _append(handle: int, line: bytes) -> None:
    """Write the line, one program at a time until the file is closed. Raises OSError when a part of it is missing."""
    fcntl.flock(handle, fcntl.LOCK_EX)
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode):
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != 0o600:
            os.fchmod(handle, 0o600)
        if found.st_size and os.pread(handle, 1, found.st_size - 1) != b"\n":
            # Part of an earlier line, for which there was no room.
            line = b"\n" + line
    written = os.write(handle, line)
    if written < len(line):
        raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes could be written")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
