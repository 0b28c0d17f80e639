"""A shell of an ssh server itself, as a stream for the screen: the connection is that of the route to it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from kvtui.backends.ssh.pipe import Pipe
from kvtui.backends.ssh.thread import SshThread
from kvtui.errors import KvtuiError, UnreachableError
from kvtui.hops import Route

if TYPE_CHECKING:
    from kvtui.backends.ssh.links import Links
    from kvtui.backends.ssh.session import Session


class HostShell:
    """A ByteStream that is a terminal: it has a size, and a status when it has ended."""

    def __init__(self, thread: SshThread, route: Route) -> None:
        self.exit_status: int | None = None
        """Once `read` came to the end; 128 and more for a signal; None when nobody said."""
        self._thread = thread
        self._route = route
        self._pipe = Pipe()
        self._error: KvtuiError | None = None
        self._over = asyncio.Event()
        self._closed = False
        self._session: Session | None = None

    async def open(self, terminal: str, columns: int, lines: int) -> None:
        """Open it. Raises KvtuiError."""

        async def work(links: Links) -> None:
            await self._open(links, terminal, columns, lines)

        async with AsyncExitStack() as on_failure:
            # It may have come just when nobody waited any more.
            on_failure.push_async_callback(self.close)
            await self._thread.call(work)
            on_failure.pop_all()

    async def read(self) -> bytes:
        """The next bytes; empty when the shell has ended. Raises UnreachableError when the connection was cut."""
        piece = await self._pipe.get()
        if not piece and not self._closed:
            await self._over.wait()
            if self._error is not None:
                raise self._error
        return piece

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises UnreachableError when the connection was cut."""
        session = self._session
        if session is None or self._closed or self._over.is_set():
            raise self._error or UnreachableError(f"the shell of {self._route[-1]} has ended")
        await self._thread.call(lambda _: session.write(data))

    def resize(self, columns: int, lines: int) -> None:
        """The terminal has another size now."""
        if (session := self._session) is not None:
            self._thread.send(lambda _: session.resize(columns, lines))

    async def close(self) -> None:
        """End the shell; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._thread.send(lambda _: self._session.close() if self._session is not None else None)
        self._pipe.end()

    # In the thread

    async def _open(self, links: Links, terminal: str, columns: int, lines: int) -> None:
        link = await links.reach(self._route)
        session = await link.open_session(self._pipe, terminal, columns, lines)
        self._session = session
        self._pipe.on_room = lambda: self._thread.send(lambda _: session.go_on())
        link.follow(session.over, self._finish)
        if self._closed:
            session.close()

    def _finish(self, status: int | None, error: KvtuiError | None) -> None:
        def tell() -> None:
            self.exit_status = status
            self._error = error
            self._over.set()

        with suppress(RuntimeError):
            self._thread.post(tell)
        self._pipe.end()
