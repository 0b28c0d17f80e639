"""The audit log: one JSON line for every action that changes something, whatever came of it."""

from __future__ import annotations

import getpass
import os
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


class AuditLog:
    """Appends entries to a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, verb: str, ref: Ref, account: str, result: str, words: str = "") -> None:
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
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, msgspec.json.encode(entry) + b"\n")
            finally:
                os.close(handle)
        except OSError as error:
            raise BackendError(
                f"the audit log {self.path} cannot be written, so nothing was done",
                error.strerror or str(error),
                "make room, or let the folder be writable",
            ) from error


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
