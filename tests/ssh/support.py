"""A route to the tests' own ssh server, and the user who is asked on it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from kvtui.backends.ssh import Asker, NobodyError, Questions, Routes
from kvtui.backends.ssh.pace import Pace
from kvtui.hops import Hop


class Nobody:
    """Whoever would answer is not there, as without a terminal."""

    async def ask(self, prompt: str, secret: bool) -> str | None:
        raise NobodyError("no terminal")


@contextlib.asynccontextmanager
async def opened(asker: Asker, pace: Pace | None = None) -> AsyncIterator[Routes]:
    """Routes on which that user is asked."""
    routes = Routes(Questions(asker), pace)
    try:
        yield routes
    finally:
        await routes.close()


async def log_in(asker: Asker, port: int, user: str = "root", pace: Pace | None = None) -> None:
    """Connect to the server on a port of this machine, and no further. Raises KvtuiError."""
    async with opened(asker, pace) as routes:
        await routes.dialer((Hop("127.0.0.1", user, port),)).prepare()


def known(port: int, key: Any, marker: str = "", name: str = "") -> str:
    """A line of a file of known hosts."""
    return f"{marker} {name or f'[127.0.0.1]:{port}'} {key.export_public_key().decode()}".lstrip()


def trusted(home: Path, *lines: str) -> Path:
    """The user's file of known hosts, with these lines."""
    file = home / ".ssh" / "known_hosts"
    file.write_text("".join(lines))
    return file
