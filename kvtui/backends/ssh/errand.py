"""What the thread of a shell is sent to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kvtui.backends.ssh.account import Account
from kvtui.backends.ssh.known_hosts import KnownHosts


class NobodyError(Exception):
    """A question was to be asked where nobody can answer, as without a terminal."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Whose shell is to be opened, as whom, and how."""

    guest: str
    """``namespace/name``, as sentences name it."""
    alias: str
    user: str
    keys: tuple[Path, ...]
    """The only private keys to offer; none for those of the agent and the usual files."""
    known_hosts: KnownHosts
    command: str
    """Run it instead of a shell; empty for a shell."""
    terminal: str
    """The TERM of the terminal; empty for none."""
    columns: int
    lines: int
    handshake: float
    """Seconds until both sides must have agreed on keys."""
    keepalive: float
    """Seconds between two questions whether the guest is still there; it may leave three of them unanswered."""

    @property
    def account(self) -> Account:
        """Who logs in to the guest."""
        return Account(
            self.guest,
            self.user,
            self.keys,
            bool(self.keys),
            bool(self.keys),
            self.handshake,
            key_option="-i, or [ssh] key in the configuration",
            user_option="-l, -i, or [ssh] in the configuration",
        )
