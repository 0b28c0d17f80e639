"""Which keys of hosts the user's ssh trusts: the files of known hosts as OpenSSH reads them, with their lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import asyncssh

from kvtui.backends.ssh.login import algorithms, fingerprint, written
from kvtui.backends.ssh.stops import Stop
from kvtui.errors import BackendError, ForbiddenError, HostKeyError

_CERTIFICATES: Final = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
)
_MAGIC: Final = frozenset("*?!|/")
"""Characters by which a host in a file may be another text than its name: patterns, hashes, networks."""

Accepted = set[tuple[str, str, str]]
"""Name, type and key that the user said yes to: their file may be /dev/null."""


class Line(NamedTuple):
    """One line about a host."""

    file: Path
    number: int
    key: asyncssh.SSHKey

    def __str__(self) -> str:
        return f"line {self.number} of {self.file}"


class HostKeys:
    """What is known of one host."""

    def __init__(self, stop: Stop, accepted: Accepted) -> None:
        """Reads the files. Raises BackendError when one that is there cannot be read."""
        self.unknown: asyncssh.SSHKey | None = None
        """What the host showed, if nothing is known of it."""
        self.keys: list[Line] = []
        self.authorities: list[Line] = []
        self.revoked: list[Line] = []
        self._stop = stop
        self._accepted = accepted
        anyhow: list[Line] = []
        for file in stop.known_hosts:
            for marker, line in _read(file, stop.known_as):
                {"@cert-authority": self.authorities, "@revoked": self.revoked}.get(marker, self.keys).append(line)
            for marker, line in _read(file, stop.known_anyhow) if stop.known_anyhow else ():
                {"@cert-authority": self.authorities, "@revoked": self.revoked}.get(marker, anyhow).append(line)
        # A pattern may hold for the name with and without the port.
        self.authorities, self.revoked = [*dict.fromkeys(self.authorities)], [*dict.fromkeys(self.revoked)]
        self._trusted = [line.key for line in (self.keys or anyhow)]

    @property
    def for_asyncssh(self) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
        """The keys that are trusted, the authorities, and the keys that are revoked."""
        return self._trusted, [line.key for line in self.authorities], [line.key for line in self.revoked]

    @property
    def algorithms(self) -> list[str]:
        """How the host may prove itself."""
        plain = algorithms(written(key)[0] for key in self._trusted)
        return [*_CERTIFICATES, *plain] if self.authorities else plain

    def check(self, key: asyncssh.SSHKey) -> None:
        """Raise BackendError for a key that is not among the trusted ones, unless the user accepted it."""
        stop = self._stop
        if (stop.known_as, *written(key)) in self._accepted:
            return
        if self.keys:
            known = self.keys[0]
            raise HostKeyError(
                f"the host key of {stop.label} has changed",
                f"it shows {fingerprint(key)}, but {fingerprint(known.key)} is known from {known}: "
                "the host was set up anew, or somebody stands in between",
                f"if it was set up anew, delete {' and '.join(map(str, self.keys))}",
            )
        self.unknown = key
        raise BackendError(f"the host key of {stop.label} is not known yet", fingerprint(key))

    def explain(self, words: str) -> ForbiddenError:
        """The error for what asyncssh itself does not trust: revoked keys, and certificates."""
        stop = self._stop
        if "revoked" in words:
            lines = " or ".join(map(str, self.revoked))
            return ForbiddenError(
                f"the host key of {stop.label} is revoked", f"{lines} says so", "ask whoever runs the host for its keys"
            )
        return ForbiddenError(
            f"the host certificate of {stop.label} is not trusted", words, "ask whoever runs the host for its keys"
        )


def _read(file: Path, name: str) -> Iterator[tuple[str, Line]]:
    """The lines about a host, with their markers. What OpenSSH would not understand either is passed over."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BackendError(f"cannot read {file}", error.strerror or str(error)) from error
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split(None, 2)
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 2 or words[0].startswith("#") or not (name in words[0].lower() or _MAGIC & {*words[0]}):
            continue
        for key in _keys(line, name):
            yield marker, Line(file, number, key)


def _keys(line: str, name: str) -> Iterable[asyncssh.SSHKey]:
    """The key of a line, if it is about the host."""
    host, rest = line.split(None, 1)
    if not host.startswith(("|", "@")):
        # Names are compared as OpenSSH does, whatever their case; a hash is of the lower case already.
        line = f"{host.lower()} {rest}"
    with contextlib.suppress(ValueError):
        keys, authorities, revoked, *_ = asyncssh.import_known_hosts(line).match(name, "", None)
        return [*keys, *authorities, *revoked]
    return ()
