"""The audit log: JSON lines that say who did what to which object, and what came of it.

An action leaves one line before the server is asked and one with its answer, both with the same `act`. The log is a
file that grows; full ones are kept beside it, ``audit.1.jsonl`` the latest of them.
"""

from __future__ import annotations

import errno
import fcntl
import getpass
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from kvtui.errors import BackendError, KvtuiError
from kvtui.model import Platform, Ref

SIZE: Final = 10 * 2**20
"""Bytes after which a new file begins."""
KEPT: Final = 9
"""Full files that are kept."""


class Subject(msgspec.Struct, omit_defaults=True, frozen=True):
    """An object that something is done to."""

    kind: str
    namespace: str
    name: str
    uid: str = ""

    @property
    def path(self) -> str:
        """As sentences name it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Entry(msgspec.Struct, omit_defaults=True):
    """One line of the log."""

    time: str
    """RFC 3339, in UTC."""
    user: str
    """Who is logged in to this machine."""
    backend: str
    """The context or host."""
    account: str
    """Who the backend takes us for."""
    verb: str
    kind: str
    namespace: str
    name: str
    uid: str
    result: str
    """``asked`` before the server is; then ``accepted``, ``refused``, ``unknown`` when no answer came, or none but that
    somebody gave up waiting (502, 504), or ``unsent`` when the connection was lost before the server could be asked.
    """
    words: str = ""
    """The server's words on a refusal; what was wrong when none came."""
    dry_run: bool = False
    """Whether the server was only asked to try."""
    platform: str = ""
    context: str = ""
    """The context of the kubeconfig; empty of a host, and in older lines."""
    act: str = ""
    """Which lines belong together."""
    action: str = ""
    """What the user chose: ``vm.kill``; empty in older lines, and for what is no action."""
    command: str = ""
    """Its word on the command line: ``force-stop``."""
    about: tuple[Subject, ...] = ()
    """What else it is done to or made of: the VM of a restore."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """All that it is done to, what is changed first."""
        return Subject(self.kind, self.namespace, self.name, self.uid), *self.about

    @property
    def path(self) -> str:
        """The object, as sentences name it."""
        return Ref(self.backend, self.kind, self.namespace, self.name).path

    @property
    def told(self) -> str:
        """What was done, by the word that it was asked for with: ``force-stop: stop within 0 s``."""
        if not self.command or self.verb.replace(" ", "-").startswith(self.command):
            return self.verb
        return f"{self.command}: {self.verb}"


@dataclass(slots=True)
class _Choice:
    """An action that is under way."""

    action: str = ""
    command: str = ""
    about: tuple[Ref, ...] = ()
    asked: bool = False
    """Whether a backend was asked for a change by now."""


_chosen: ContextVar[_Choice | None] = ContextVar("chosen", default=None)


@contextmanager
def chosen(action: str, command: str, *about: Ref) -> Iterator[None]:
    """Have what is done meanwhile bear the id of the action that was chosen, its word on the command line, and the
    objects that it was chosen for.
    """
    token = _chosen.set(_Choice(action, command, about))
    try:
        yield
    finally:
        _chosen.reset(token)


def mark_asked() -> None:
    """Note that the action that is under way asks a backend for a change now."""
    choice = _chosen.get()
    if choice is not None:
        choice.asked = True


def is_untouched() -> bool:
    """Whether an action is under way that has asked for no change yet."""
    choice = _chosen.get()
    return choice is not None and not choice.asked


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is about to be done."""

    verb: str
    ref: Ref
    account: str
    platform: Platform
    dry_run: bool = False
    about: tuple[Ref, ...] = ()
    """What else it is done to."""
    id: str = field(default_factory=lambda: secrets.token_hex(6))


class AuditLog:
    """Appends entries to a file that only its owner can read, and reads them again."""

    def __init__(self, path: Path, *, size: int = SIZE) -> None:
        self.path = path
        self._size = size

    def write(self, act: Act, result: str, words: str = "") -> None:
        """Append one line. Raises BackendError when that fails: an action that cannot be logged must not be done."""
        ref = act.ref
        choice = _chosen.get() or _Choice()
        entry = Entry(
            time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            user=_login(),
            backend=ref.backend,
            account=act.account,
            verb=act.verb,
            kind=ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            uid=ref.uid,
            result=result,
            words=words,
            dry_run=act.dry_run,
            platform=act.platform,
            context=ref.backend if act.platform == Platform.KUBERNETES else "",
            act=act.id,
            action=choice.action,
            command=choice.command,
            about=_name_others(ref, (*act.about, *choice.about)),
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._append(msgspec.json.encode(entry) + b"\n")
        except OSError as error:
            raise BackendError(
                f"the audit log {self.path} cannot be written, so nothing was done",
                error.strerror or str(error),
                "make room, or let the folder be writable",
            ) from error

    def read(self, since: float = 0.0) -> Iterator[Entry | str]:
        """All entries from a time on, in seconds since the epoch, the oldest first; a sentence for each line that
        cannot be read. Raises KvtuiError when a file cannot be.
        """
        for path in [*reversed(self.full_files), self.path]:
            try:
                if path.stat().st_mtime < since:
                    continue
                with path.open("rb") as file:
                    yield from _read(path, file.readlines(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since)))
            except FileNotFoundError:
                # Nothing was done yet, or it was moved on while we read.
                continue
            except OSError as error:
                raise KvtuiError(f"the audit log {path} cannot be read", error.strerror or str(error)) from error

    @property
    def full_files(self) -> list[Path]:
        """Where full files are kept, the latest first, whether they are there or not."""
        return [self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}") for number in range(1, KEPT + 1)]

    def _append(self, line: bytes) -> None:
        """Write the line, one program at a time until the file is closed. Raises OSError when a part is missing."""
        with self._locked() as handle:
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
            if stat.S_ISREG(found.st_mode) and found.st_size + written >= self._size:
                self._move_on()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, for this program alone."""
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if self._is_there(handle):
                    yield handle
                    return
            finally:
                os.close(handle)

    def _is_there(self, handle: int) -> bool:
        """Whether the file still is the log, and was not moved on while we waited for it."""
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            return False

    def _move_on(self) -> None:
        """Let the next line begin a file. Where that is not allowed, this one goes on growing."""
        files = [self.path, *self.full_files]
        try:
            for older, newer in zip(reversed(files), reversed(files[:-1]), strict=False):
                if newer.exists():
                    newer.replace(older)
        except OSError:
            return


def join_acts(entries: Iterable[Entry]) -> list[Entry]:
    """One entry an act: with when it was asked for, and what came of it. One without an answer is unknown."""
    joined: dict[str, Entry] = {}
    for number, entry in enumerate(entries):
        key = entry.act or f"line {number}"
        asked = joined.get(key)
        joined[key] = entry if asked is None else msgspec.structs.replace(entry, time=asked.time)
    return [
        msgspec.structs.replace(entry, result="unknown", words="no answer was logged")
        if entry.result == "asked" and entry.act
        else entry
        for entry in joined.values()
    ]


def _read(path: Path, lines: list[bytes], since: str) -> Iterator[Entry | str]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield f"line {number} of {path} cannot be read"
        else:
            # Times of one form sort as texts do.
            if entry.time >= since:
                yield entry


def _name_others(own: Ref, about: Iterable[Ref]) -> tuple[Subject, ...]:
    """Those of the objects that have a name and are not the `own` one, each once."""
    found = {ref[:4]: ref for ref in about if ref.name and ref[:4] != own[:4]}
    return tuple(Subject(ref.kind, ref.namespace, ref.name, ref.uid) for ref in found.values())


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
