"""Connections to ssh servers, one for each however many routes lead through it. All of it runs in the ssh thread."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

import asyncssh

from kvtui.backends.ssh.bastions import Block, Path
from kvtui.backends.ssh.errand import NobodyError
from kvtui.backends.ssh.failures import FAILURES, explain, words_of
from kvtui.backends.ssh.hostkeys import Accepted, HostKeys
from kvtui.backends.ssh.known_hosts import KnownHosts
from kvtui.backends.ssh.login import Ask, Login, Unlocked, ask_for_trust, fingerprint, means_trust, written
from kvtui.backends.ssh.pace import Pace
from kvtui.backends.ssh.pipe import Pipe
from kvtui.backends.ssh.pump import Far, pump
from kvtui.backends.ssh.session import Session, open_session
from kvtui.backends.ssh.stops import Stop, find_stops
from kvtui.errors import BackendError, ForbiddenError, KvtuiError, UnreachableError
from kvtui.hops import Route

_KEYS_ASKED: Final = 3
"""Unknown keys of one host that are asked about in a row: behind one name may be several machines."""
_FAREWELL: Final = 0.1
_MARGIN: Final = 0.5
"""Seconds after the last answer that would have counted."""


class Link:
    """A connection to an ssh server, through the one `below` if there is one. It is live until it is `lost`."""

    def __init__(
        self,
        stop: Stop,
        below: Link | None,
        connection: asyncssh.SSHClientConnection,
        gone: asyncio.Future[str],
        pace: Pace,
    ) -> None:
        self.stop = stop
        self.connection = connection
        self.watchers: set[Callable[[UnreachableError], None]] = set()
        """Called once, when it ends."""
        self.below = below
        self._gone = gone
        self._pace = pace
        self._check: asyncio.Task[None] | None = None
        gone.add_done_callback(self._end)

    @property
    def lost(self) -> UnreachableError | None:
        """How it ended: by the end of the nearest one that it went through."""
        if not self._gone.done():
            return None
        cause = self.below.lost_on_the_way if self.below is not None else None
        words = "" if self._gone.cancelled() else self._gone.result()
        return cause or UnreachableError(f"the ssh connection to {self.stop.label} was cut", words)

    @property
    def lost_on_the_way(self) -> UnreachableError | None:
        """How it ended, for whoever comes through it."""
        lost = self.lost
        if lost is not None:
            lost.hop = lost.hop or self.stop.label
        return lost

    @property
    def live(self) -> bool:
        """Whether it may be used."""
        return not self._gone.done()

    @property
    def hops_before(self) -> int:
        """How many others it goes through."""
        return self.below.hops_before + 1 if self.below is not None else 0

    async def check(self) -> None:
        """See that it answers, and those before it: one that does not is ended. Takes some seconds.

        Raises UnreachableError of the nearest that has ended, for whoever comes through it.
        """
        if self.below is not None:
            await self.below.check()
        if self._check is None:
            self._check = asyncio.create_task(self._ask(), name=f"ssh to {self.stop.label}, checked")
            self._check.add_done_callback(self._forget_check)
        await asyncio.shield(self._check)
        if (lost := self.lost_on_the_way) is not None:
            raise lost

    async def _ask(self) -> None:
        patience = self._pace.patience(self.hops_before)
        self.connection.set_keepalive(self._pace.check, patience)
        await asyncio.wait({self._gone}, timeout=self._pace.check * (patience + 1) + _MARGIN)
        if self.live:
            self.connection.set_keepalive(self._pace.keepalive, patience)

    def _forget_check(self, _: object) -> None:
        self._check = None

    async def open_port(self, host: str, port: int) -> Far:
        """A TCP connection from the server to a port. Raises BackendError."""
        try:
            return await _kept(self.connection.open_connection(host, port, encoding=None))
        except FAILURES as error:
            raise self.explain(error, f"{host}:{port}", "PermitOpen and AllowTcpForwarding") from error

    async def open_socket(self, path: str) -> Far:
        """A connection to a unix socket of the server. Raises BackendError."""
        try:
            return await _kept(self.connection.open_unix_connection(path, encoding=None))
        except FAILURES as error:
            raise self.explain(error, path, "AllowStreamLocalForwarding") from error

    async def open_session(self, pipe: Pipe, terminal: str, columns: int, lines: int) -> Session:
        """A shell of the server. Raises BackendError."""
        label = self.stop.label
        try:
            return await open_session(self.connection, label, pipe, terminal=terminal, columns=columns, lines=lines)
        except FAILURES as error:
            raise explain(label, error) from error

    def follow(self, over: asyncio.Future[int | None], finish: Callable[[int | None, KvtuiError | None], None]) -> None:
        """Call `finish` with the status of a session, or with how it broke."""

        def ended(over: asyncio.Future[int | None]) -> None:
            error = None if over.cancelled() else over.exception()
            if over.cancelled():
                finish(None, None)
            elif error is not None:
                finish(None, explain(self.stop.label, error))
            else:
                finish(over.result(), None)

        over.add_done_callback(ended)

    async def close(self) -> None:
        """End it."""
        self.connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self.connection.wait_closed()
        self.connection.abort()

    def _end(self, _: object) -> None:
        lost = self.lost
        assert lost is not None
        for watcher in tuple(self.watchers):
            watcher(lost)

    def explain(self, error: BaseException, what: str, setting: str) -> BackendError:
        """Why it does not connect to something; `setting` of its sshd allows it."""
        label, words = self.stop.label, words_of(error)
        if self.lost is not None:
            return self.lost
        if not isinstance(error, asyncssh.ChannelOpenError):
            return UnreachableError(f"the ssh connection to {label} was cut", words)
        if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            return ForbiddenError(
                f"{label} does not let {self.stop.user} through to {what}", words, f"see {setting} in its sshd_config"
            )
        # sshd says of unix sockets that it forbids no more than of those that are not there.
        hint = f"its sshd_config may forbid it, too ({setting})" if words == "open failed" else ""
        return UnreachableError(f"{label} cannot connect to {what}", words, hint)


def _path(stops: Sequence[Stop]) -> Path:
    return tuple(stop.key for stop in stops)


async def _kept(opening: Coroutine[Any, Any, Far]) -> Far:
    """What is opened; should nobody wait for it any more, it is closed as soon as it is there."""
    task = asyncio.create_task(opening, name="ssh channel, opened")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # asyncssh would leave it open for as long as the connection lasts. It may have come just now.
        task.add_done_callback(_close)
        raise


def _close(task: asyncio.Task[Far]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result()[1].close()


class _Owner(Login):
    """The login at one server, which hears when its connection ends."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.on_connected: Callable[[], None] = lambda: None
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """There is a way to it: now it has to agree on keys."""
        super().connection_made(conn)
        self.on_connected()
        self._watch = asyncio.get_running_loop().call_later(self.account.handshake, self.check_handshake)

    def close(self) -> None:
        """The login is over."""
        super().close()
        if self._watch is not None:
            self._watch.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        if not self.gone.done():
            self.gone.set_result(words_of(exc) if exc is not None else "closed by the other side")


def _show_nothing(_banner: str) -> None:
    """There is no terminal for what a host says before the login."""


@dataclass(slots=True)
class _Dial:
    """A connection that is being made, and how many wait for it."""

    task: asyncio.Task[Link]
    waiters: int = 0


class Links:
    """All connections. Whoever comes while one is being made waits for the same one."""

    def __init__(self, ask: Ask, pace: Pace, tell: Callable[[Route, Block | None], None]) -> None:
        """`tell` hears which server does not let a route through, and None when it does again."""
        self._ask = ask
        self._pace = pace
        self._tell = tell
        self._blocked: dict[Route, Block] = {}
        self._links: dict[Path, Link] = {}
        self._dials: dict[Path, _Dial] = {}
        self._refused: dict[Path, ForbiddenError] = {}
        """Where we were turned away, or turned away ourselves: not tried again until somebody wants it."""
        self._ends: dict[Route, Link] = {}
        self._accepted: Accepted = set()
        self._unlocked: Unlocked = {}
        self._carried: set[asyncio.Task[None]] = set()

    async def reach(self, route: Route) -> Link:
        """The connection to the last server of a route. Raises KvtuiError."""
        link = self._ends.get(route)
        if link is not None and link.live:
            return link
        link = None
        stops = find_stops(route, self._pace.handshake)
        for number, stop in enumerate(stops, 1):
            try:
                link = await self._reach(_path(stops[:number]), stop, link)
            except KvtuiError as error:
                # Of whoever else waits for this hop it may be the goal.
                own = copy(error)
                own.hop = error.hop or ("" if stop is stops[-1] else stop.label)
                self._block(route, stops[:number], own, is_last=number == len(stops))
                raise own from error
        assert link is not None, "a route has hops"
        self._ends[route] = link
        link.watchers.add(lambda lost: self._block(route, stops, lost, is_last=True))
        self._free(route)
        return link

    async def carry(self, near: socket.socket, far: Far) -> None:
        """Copy between a socket and a connection at the far side from now on."""
        streams = await asyncio.open_connection(sock=near)
        task = asyncio.create_task(pump(streams, far), name="ssh connection, carried")
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)

    async def check(self, route: Route) -> None:
        """See that the connections answer that lead to the last server of a route.

        Raises UnreachableError, in the words of the nearest that does not.
        """
        link = self._ends.get(route)
        if link is not None and link.below is not None:
            await link.below.check()

    def retry(self) -> None:
        """Let those be tried again that turned us away."""
        self._refused.clear()

    async def close(self) -> None:
        """End all connections, the farthest first."""
        for dial in self._dials.values():
            dial.task.cancel()
        await asyncio.gather(*(dial.task for dial in self._dials.values()), return_exceptions=True)
        for task in self._carried:
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)
        for path in sorted(self._links, key=len, reverse=True):
            self._links[path].connection.close()
        await asyncio.gather(*(link.close() for link in self._links.values()))

    def _block(self, route: Route, stops: Sequence[Stop], error: KvtuiError, *, is_last: bool) -> None:
        """Tell which of the servers does not let a route through: the last of them, or one that the error names."""
        labels = [stop.label for stop in stops]
        number = labels.index(error.hop) + 1 if error.hop in labels else len(stops)
        is_last = is_last and number == len(stops)
        block = self._blocked[route] = Block(_path(stops[:number]), tuple(labels[:number]), is_last, error)
        self._tell(route, block)

    def _free(self, route: Route) -> None:
        if self._blocked.pop(route, None) is not None:
            self._tell(route, None)

    async def _reach(self, path: Path, stop: Stop, below: Link | None) -> Link:
        link = self._links.get(path)
        if link is not None and link.live:
            return link
        if path in self._refused:
            raise self._refused[path]
        dial = self._dials.get(path)
        if dial is None:
            task = asyncio.create_task(self._dial(path, stop, below), name=f"ssh to {stop.label}")
            dial = self._dials[path] = _Dial(task)
            task.add_done_callback(lambda _: self._dials.pop(path, None))
        dial.waiters += 1
        try:
            return await asyncio.shield(dial.task)
        finally:
            dial.waiters -= 1
            if not dial.waiters:
                dial.task.cancel()

    async def _dial(self, path: Path, stop: Stop, below: Link | None) -> Link:
        try:
            link = self._links[path] = await self._log_in(stop, below)
        except ForbiddenError as error:
            again = "ctrl+r tries again"
            hint = f"{error.hint}; {again}" if error.hint else again
            refused = self._refused[path] = copy(error)
            refused.hint = hint
            raise
        for route in [route for route, block in self._blocked.items() if block.path == path]:
            self._free(route)
        return link

    async def _log_in(self, stop: Stop, below: Link | None) -> Link:
        for _ in range(_KEYS_ASKED):
            keys = HostKeys(stop, self._accepted)
            try:
                return await self._connect(stop, below, keys)
            except KvtuiError:
                if keys.unknown is None:
                    raise
            # Asked about between two connections: sshd lets nobody wait for long, and other connections go on.
            await self._ask_trust(stop, keys.unknown)
        raise BackendError(f"{stop.label} shows another host key each time", hint="ask whoever runs the host")

    async def _connect(self, stop: Stop, below: Link | None, keys: HostKeys) -> Link:
        owner = _Owner(stop.account, keys.check, self._ask, _show_nothing, self._unlocked)
        try:
            async with asyncio.timeout(self._pace.connect) as limit:
                # What comes behind has limits of its own; a user who types has none.
                owner.on_connected = lambda: limit.reschedule(None)
                connection = await self._open(stop, below, owner, keys)
            if not owner.accepted:
                raise asyncssh.ConnectionLost("ended before the login")
        except FAILURES as error:
            fell_silent = isinstance(error, TimeoutError) or isinstance(owner.error, UnreachableError)
            if below is not None and fell_silent:
                await below.check()
            raise self._explain(stop, below, owner, keys, error) from error
        finally:
            owner.close()
        return Link(stop, below, connection, owner.gone, self._pace)

    async def _open(
        self, stop: Stop, below: Link | None, owner: _Owner, keys: HostKeys
    ) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            stop.alias,
            stop.port,
            username=stop.user,
            config=list(stop.configs),
            canonicalize_hostname=False,
            tunnel=below.connection if below is not None else None,
            client_factory=lambda: owner,
            known_hosts=keys.for_asyncssh,
            server_host_key_algs=() if stop.picky else keys.algorithms,
            # `Login` offers them, and asks.
            client_keys=None,
            x509_trusted_certs=None,
            gss_kex=False,
            gss_auth=False,
            host_based_auth=False,
            # Nobody on the way gets what we hold, whatever the configuration says of shells.
            agent_forwarding=False,
            x11_forwarding=False,
            command=None,
            connect_timeout=None,
            login_timeout=0,
            keepalive_interval=self._pace.keepalive,
            keepalive_count_max=self._pace.patience(below.hops_before + 1 if below is not None else 0),
        )

    def _explain(
        self, stop: Stop, below: Link | None, owner: _Owner, keys: HostKeys, error: BaseException
    ) -> KvtuiError:
        if owner.error is not None:
            return owner.error
        if below is not None and (lost := below.lost_on_the_way) is not None:
            return lost
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return keys.explain(words_of(error))
        if owner.connected:
            return explain(stop.label, error, owner)
        if below is not None and isinstance(error, asyncssh.ChannelOpenError):
            return below.explain(error, stop.label, "PermitOpen and AllowTcpForwarding")
        words = f"no answer in {self._pace.connect:g} s" if isinstance(error, TimeoutError) else words_of(error)
        return UnreachableError(f"cannot connect to {stop.label} over ssh", words)

    async def _ask_trust(self, stop: Stop, key: asyncssh.SSHKey) -> None:
        trusts: bool | None = None
        try:
            answer = await asyncio.wrap_future(self._ask(ask_for_trust(stop.label, key, again=False), False))
            while (trusts := means_trust(answer, key)) is None:
                answer = await asyncio.wrap_future(self._ask(ask_for_trust(stop.label, key, again=True), False))
        except NobodyError as error:
            raise ForbiddenError(
                f"not logged in to {stop.label}",
                f"its host key is not known yet: {fingerprint(key)}",
                "log in once on a terminal, with ssh or kvtui, to trust it",
            ) from error
        if not trusts:
            raise ForbiddenError(f"not logged in to {stop.label}", "its host key was not trusted")
        KnownHosts(stop.known_hosts[0]).add(stop.known_as, *written(key))
        self._accepted.add((stop.known_as, *written(key)))
