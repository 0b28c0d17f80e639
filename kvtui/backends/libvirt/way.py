"""How a host is reached whose URI leads through ssh: by a socket of this machine, and never by libvirt's own ssh."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from kvtui.backends.base import SizedStream
from kvtui.backends.libvirt.uri import RemoteUri
from kvtui.errors import AbsentError, BackendError, ForbiddenError, KvtuiError, UnauthorizedError, UnreachableError
from kvtui.hops import Route


class Tunnel(Protocol):
    """A socket of this machine that leads to a remote one, until the program ends."""

    path: str
    trouble: KvtuiError | None
    """Why the last who connected did not come through."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What ssh does at one host. All of it raises KvtuiError when the host is not reached."""

    forward_socket: Callable[[str], Awaitable[Tunnel]]
    """Makes a tunnel to a socket of the host; raises KvtuiError, too, when nobody listens there."""
    open_shell: Callable[[int, int], Awaitable[SizedStream]]
    """Opens a shell of the host in a terminal of so many columns and lines."""
    dial: Callable[[str, int], Awaitable[socket.socket]]
    """Connects from the host to a port, which may refuse."""
    check: Callable[[], Awaitable[None]]
    """Sees that those on the way to the host answer; the error is of one that does not."""


class Way:
    """The way to one host. Its tunnel is made once, and serves every further connection."""

    def __init__(self, remote: RemoteUri, reach: Reach, route: Route) -> None:
        self.reach = reach
        self.route = route
        """The host itself is the last on it."""
        self._remote = remote
        self._tunnel: Tunnel | None = None

    @property
    def trouble(self) -> KvtuiError | None:
        """What is in the way, where libvirt only sees its connection close."""
        return self._tunnel.trouble if self._tunnel is not None else None

    async def find_trouble(self, *, silent: bool) -> KvtuiError | None:
        """What is in the way, once the connection of libvirt has ended; `silent`: because nothing was heard."""
        if self.trouble is None and silent:
            try:
                await self.reach.check()
            except KvtuiError as error:
                return error
        return self.trouble

    async def open(self) -> str:
        """The URI that leads through it, however long the user needs for the questions of ssh. Raises KvtuiError."""
        if self._tunnel is None:
            self._tunnel = await self._find()
        return self._remote.through(self._tunnel.path)

    async def _find(self) -> Tunnel:
        """The first of the sockets at which somebody listens."""
        failures: list[KvtuiError] = []
        for path in self._remote.sockets:
            try:
                return await self.reach.forward_socket(path)
            except (UnreachableError, UnauthorizedError):
                raise
            except (AbsentError, ForbiddenError, BackendError) as error:
                if error.hop:
                    raise
                failures.append(error)
        first = failures[0]
        sockets = " or ".join(self._remote.sockets)
        raise BackendError(f"no libvirt daemon is reached at {sockets}", first.detail or first.title, first.hint)
