"""Whether the key that a guest shows is the one that it showed before."""

from __future__ import annotations

import concurrent.futures
from contextlib import suppress

import asyncssh

from kvtui.backends.ssh.errand import Errand, NobodyError
from kvtui.backends.ssh.known_hosts import KnownKey
from kvtui.backends.ssh.login import Ask, ask_for_trust, fingerprint, means_trust, written
from kvtui.errors import ForbiddenError
from kvtui.text import clean_line


class GuestTrust:
    """Called with the key of a guest; one that is not known yet is asked about, and remembered."""

    def __init__(self, errand: Errand, known: list[KnownKey], ask: Ask) -> None:
        self._errand = errand
        self._known = known
        self._ask = ask

    def __call__(self, key: asyncssh.SSHKey) -> None:
        """Raise BackendError unless the key is trusted."""
        if self._known:
            self._check_known(key)
        else:
            self._trust_first(key)

    def _check_known(self, key: asyncssh.SSHKey) -> None:
        type_, data = written(key)
        if any((known.type, known.key) == (type_, data) for known in self._known):
            return
        hosts = self._errand.known_hosts
        known = self._known[0]
        lines = " and ".join(str(known.line) for known in self._known)
        raise ForbiddenError(
            f"the host key of {self._errand.guest} has changed",
            f"it shows {fingerprint(key)}, but {_known_fingerprint(known)} is known: "
            "the VM was re-created, or somebody stands in between",
            f"if it was re-created, delete line {lines} of {hosts.path}",
        )

    def _trust_first(self, key: asyncssh.SSHKey) -> None:
        guest = self._errand.guest
        trusts: bool | None = None
        # Called by asyncssh outside of any task: waiting here stops the shell's thread, which has nothing else to do.
        try:
            answer = self._ask(ask_for_trust(guest, key, again=False), False).result()
            while (trusts := means_trust(answer, key)) is None:
                answer = self._ask(ask_for_trust(guest, key, again=True), False).result()
        except concurrent.futures.CancelledError:
            trusts = False
        except NobodyError as error:
            raise ForbiddenError(
                f"not logged in to {guest}",
                f"its host key is not known yet: {fingerprint(key)}",
                "log in once on a terminal to trust it",
            ) from error
        if not trusts:
            raise ForbiddenError(f"not logged in to {guest}", "its host key was not trusted")
        self._errand.known_hosts.add(self._errand.alias, *written(key))


def _known_fingerprint(known: KnownKey) -> str:
    with suppress(asyncssh.KeyImportError, ValueError):
        return fingerprint(asyncssh.import_public_key(f"{known.type} {known.key}"))
    return f"another {clean_line(known.type)}"
