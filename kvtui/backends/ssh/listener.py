"""A socket or port of this machine that leads to a remote place, in the ssh thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from kvtui.backends.ssh.links import Link, Links
from kvtui.backends.ssh.pump import Far, pump, reset
from kvtui.errors import BackendError, KvtuiError, UnreachableError
from kvtui.hops import Route


class Listener:
    """Each connection that comes gets one of its own at the far end, over the ssh connection that there is then."""

    def __init__(
        self,
        links: Links,
        route: Route,
        dial: Callable[[Link], Awaitable[Far]],
        tell: Callable[[KvtuiError | None], None],
        tell_cut: Callable[[UnreachableError], None],
    ) -> None:
        """`tell` hears how each connection fares, None for well; `tell_cut` that the ssh connection below has ended."""
        self._links = links
        self._route = route
        self._dial = dial
        self._tell = tell
        self._tell_cut = tell_cut
        self._server: asyncio.Server | None = None
        self._watched: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def probe(self) -> None:
        """Connect once, so that what is in the way is said at once. Raises KvtuiError."""
        _, writer = await self._reach()
        writer.close()

    async def listen_socket(self, path: Path) -> None:
        """Listen on a unix socket. Raises BackendError."""
        try:
            self._server = await asyncio.start_unix_server(self._accept, path)
        except OSError as error:
            raise BackendError(f"cannot listen on {path}", error.strerror or str(error)) from error

    async def listen_port(self) -> int:
        """Listen on a free port of this machine alone. Raises BackendError."""
        try:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        except OSError as error:
            raise BackendError("cannot listen on 127.0.0.1", error.strerror or str(error)) from error
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Listen no more, and end what goes through."""
        for link in self._watched:
            link.watchers.discard(self._cut)
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _reach(self) -> Far:
        link = await self._links.reach(self._route)
        if link not in self._watched:
            self._watched.add(link)
            link.watchers.add(self._cut)
        return await self._dial(link)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer), name="ssh tunnel, connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with ExitStack() as on_failure:
            on_failure.callback(reset, writer)
            try:
                far = await self._reach()
            except KvtuiError as error:
                self._tell(error)
                return
            on_failure.pop_all()
        self._tell(None)
        await pump((reader, writer), far)

    def _cut(self, error: UnreachableError) -> None:
        self._watched = {link for link in self._watched if link.live}
        self._tell_cut(error)
