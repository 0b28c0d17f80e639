"""Who logs in to an ssh server, and with what."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


def default_agent() -> str:
    """The socket of the user's agent; empty without one."""
    return os.environ.get("SSH_AUTH_SOCK", "")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of an ssh server, with the keys to offer there."""

    host: str
    """As sentences name it."""
    user: str
    keys: tuple[Path, ...]
    """Private keys to offer; none for the usual files."""
    only: bool
    """Whether what the agent holds beside `keys` is kept back."""
    must: bool
    """Whether `keys` were named for this login: one that cannot be read is an error."""
    handshake: float
    """Seconds until both sides must have agreed on keys."""
    key_option: str
    """How the user names a key, for hints."""
    user_option: str
    """How the user names a user or a key, for hints."""
    agent: str = field(default_factory=default_agent)
    """The socket of the agent; empty for none."""
    certificates: tuple[Path, ...] = ()
    """Certificates for `keys` beside those that lie next to them."""
