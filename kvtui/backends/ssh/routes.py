"""The one way to remote places: sockets, ports and shells behind ssh servers, for whoever needs them.

One object serves the program. One connection is made to each ssh server, however many routes lead through it, and made
anew by whoever comes after it was cut. asyncssh runs in a thread with a loop of its own: a flood that is decrypted in
the screen's loop makes keys wait (design.md: 203 ms against 19 ms).
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kvtui.backends.ssh.bastions import Bastions
from kvtui.backends.ssh.hostshell import HostShell
from kvtui.backends.ssh.pace import Pace
from kvtui.backends.ssh.questions import Questions
from kvtui.backends.ssh.thread import SshThread
from kvtui.errors import BackendError, KvtuiError, UnreachableError
from kvtui.hops import Route, write_route

if TYPE_CHECKING:
    from kvtui.backends.ssh.links import Link, Links
    from kvtui.backends.ssh.listener import Listener
    from kvtui.backends.ssh.pump import Far


class Tunnel:
    """A socket or port of this machine that leads to a remote place until it is closed.

    It outlives a cut: whoever connects next brings a new ssh connection about.
    """

    def __init__(self, thread: SshThread) -> None:
        self.path = ""
        """The unix socket; empty for a port."""
        self.port = 0
        """The port of 127.0.0.1; 0 for a socket."""
        self.trouble: KvtuiError | None = None
        """Why the last who connected did not come through, or how the ssh connection was cut; None while all is well.
        A library that only sees its connection close can be asked about in these words."""
        self.on_cut: Callable[[UnreachableError], None] = lambda _: None
        """Called in the loop of the screen each time that the ssh connection below is cut."""
        self._thread = thread
        self._folder: Path | None = None
        self._listener: Listener | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    async def close(self) -> None:
        """Listen no more, and end what goes through; a second call does nothing."""
        if self._closed:
            return
        self._closed = True

        async def work(_: Links) -> None:
            if self._listener is not None:
                await self._listener.close()

        try:
            await self._thread.call(work)
        except UnreachableError:
            # The thread has ended, and all with it.
            pass
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    async def open(self, route: Route, dial: Callable[[Link], Awaitable[Far]], socket_name: str) -> None:
        """Reach the place once, and listen: on a socket of that name, or without one on a port. Raises KvtuiError."""

        async def work(links: Links) -> None:
            from kvtui.backends.ssh.listener import Listener

            tell = partial(self._post, self._tell)
            listener = self._listener = Listener(links, route, dial, tell, partial(self._post, self._cut))
            await listener.probe()
            if socket_name:
                # A folder of our own, for sockets of others' must not be replaced, and ours is for this user alone.
                self._folder = Path(tempfile.mkdtemp(prefix="kvtui-"))
                path = self._folder / socket_name
                await listener.listen_socket(path)
                self.path = str(path)
            else:
                self.port = await listener.listen_port()

        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(self.close)
            await self._thread.call(work)
            on_failure.pop_all()

    def _post(self, call: Callable[[object], None], value: object) -> None:
        self._thread.post(lambda: call(value))

    def _tell(self, trouble: object) -> None:
        assert trouble is None or isinstance(trouble, KvtuiError)
        self.trouble = trouble

    def _cut(self, error: object) -> None:
        assert isinstance(error, UnreachableError)
        self.trouble = error
        if not self._closed:
            self.on_cut(error)


class Routes:
    """Opens what is behind ssh servers. Nothing is imported or connected before the first call."""

    def __init__(self, questions: Questions, pace: Pace | None = None) -> None:
        self.questions = questions
        self.bastions = Bastions()
        self._thread = SshThread(questions, pace or Pace(), self.bastions.take)
        self._tunnels: set[Tunnel] = set()
        self._dialers: list[RouteDialer] = []

    async def forward_socket(self, route: Route, path: str) -> Tunnel:
        """A unix socket of this machine, in a folder for this user alone, that leads to `path` of the last hop.

        Raises KvtuiError when the way is closed, or nobody listens at its end.
        """
        return await self._open(route, lambda link: link.open_socket(path), "socket")

    async def forward_port(self, route: Route, host: str, port: int) -> Tunnel:
        """A port of 127.0.0.1 that leads to a port of `host`, as the last hop knows it. Everybody who is logged in to
        this machine can reach it: use it for what asks for a login itself. Raises KvtuiError as `forward_socket` does.
        """
        return await self._open(route, lambda link: link.open_port(host, port), "")

    async def open_shell(self, route: Route, columns: int, lines: int, terminal: str = "xterm-256color") -> HostShell:
        """A shell of the last hop itself. Raises KvtuiError."""
        shell = HostShell(self._thread, route)
        await shell.open(terminal, columns, lines)
        return shell

    async def dial(self, route: Route, host: str, port: int) -> socket.socket:
        """One connection from the last hop to a port, as a socket that does not block. Raises KvtuiError."""
        return await RouteDialer(self._thread, route).dial(host, port)

    async def check(self, route: Route) -> None:
        """See that the ssh servers on the way to the last hop answer, as far as they are connected; takes seconds.

        Raises UnreachableError of the one that does not: who hears nothing through it need not be the one that hangs.
        """
        await self._thread.call(lambda links: links.check(route))

    def dialer(self, route: Route) -> RouteDialer:
        """Connections to wherever the last hop can connect to, one by one."""
        dialer = RouteDialer(self._thread, route)
        self._dialers.append(dialer)
        return dialer

    async def prepare(self) -> None:
        """Have the ways of all dialers ready, however long the user needs to answer. What fails is told to whoever
        dials.
        """
        await asyncio.gather(*(dialer.prepare() for dialer in self._dialers), return_exceptions=True)

    def retry(self) -> None:
        """Let those hops be tried again that turned us away, or whose questions the user gave up: by themselves they
        are not, lest passwords are asked for without end and accounts locked."""
        self._thread.send(lambda links: links.retry())

    async def close(self) -> None:
        """End everything; a second call does nothing."""
        await asyncio.gather(*(tunnel.close() for tunnel in self._tunnels))
        await self._thread.close()

    async def _open(self, route: Route, dial: Callable[[Link], Awaitable[Far]], name: str) -> Tunnel:
        tunnel = Tunnel(self._thread)
        self._tunnels = {tunnel, *(other for other in self._tunnels if not other.closed)}
        await tunnel.open(route, dial, name)
        return tunnel


class RouteDialer:
    """Connections through one route. Implements Dialer."""

    def __init__(self, thread: SshThread, route: Route) -> None:
        self._thread = thread
        self._route = route

    @property
    def way(self) -> str:
        """The hops, as users write them."""
        return write_route(self._route)

    async def prepare(self) -> None:
        """Have the ssh connections ready, however long the user needs to answer their questions. Raises KvtuiError."""
        await self._thread.call(lambda links: links.reach(self._route))

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connection, as a socket that does not block. Raises KvtuiError."""
        parcel = _Parcel()
        with ExitStack() as on_failure:
            # It may have come just when nobody waited any more.
            on_failure.callback(self._thread.send, lambda _: parcel.discard())
            await self._thread.call(lambda links: self._dial(links, host, port, parcel))
            on_failure.pop_all()
        return parcel.take()

    def retry(self) -> None:
        """Let the hops be tried again that turned us away."""
        self._thread.send(lambda links: links.retry())

    async def _dial(self, links: Links, host: str, port: int, parcel: _Parcel) -> None:
        link = await links.reach(self._route)
        far = await link.open_port(host, port)
        here, there = socket.socketpair()
        here.setblocking(False)
        with ExitStack() as on_failure:
            on_failure.callback(far[1].close)
            on_failure.callback(there.close)
            on_failure.callback(here.close)
            await links.carry(there, far)
            on_failure.pop_all()
        parcel.put(here)


class _Parcel:
    """A socket on its way from one thread to another, which may not be waited for any more."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._discarded = False

    def put(self, made: socket.socket) -> None:
        """In the thread that made it."""
        self._socket = made
        if self._discarded:
            made.close()

    def discard(self) -> None:
        """In the thread that made it: nobody waits for it."""
        self._discarded = True
        if self._socket is not None:
            self._socket.close()

    def take(self) -> socket.socket:
        """In the other thread, when it is there."""
        if self._socket is None:
            raise BackendError("no connection came")
        return self._socket
