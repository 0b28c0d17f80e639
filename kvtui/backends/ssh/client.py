"""SSH to one guest, in the thread of its shell, with errors of our own tree."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncssh

from kvtui.backends.ssh.errand import Errand
from kvtui.backends.ssh.failures import told
from kvtui.backends.ssh.login import Ask, Login, algorithms
from kvtui.backends.ssh.pipe import Pipe
from kvtui.backends.ssh.session import Session, open_session
from kvtui.backends.ssh.trust import GuestTrust


class Client:
    """One connection with one shell or command."""

    def __init__(self, errand: Errand, end: socket.socket, pipe: Pipe, ask: Ask) -> None:
        self._errand = errand
        self._end = end
        self._pipe = pipe
        self._ask = ask
        self._session: Session | None = None

    async def run(self, opened: Callable[[], None]) -> int | None:
        """Log in, open the shell, call `opened`, and carry bytes until it ends: its exit status.

        Raises BackendError.
        """
        errand = self._errand
        async with self._connected() as connection:
            with told(errand.guest):
                session = self._session = await open_session(
                    connection,
                    errand.guest,
                    self._pipe,
                    command=errand.command,
                    terminal=errand.terminal,
                    columns=errand.columns,
                    lines=errand.lines,
                )
                opened()
                return await session.over

    async def write(self, data: bytes) -> None:
        """Send bytes, as fast as the guest takes them. Raises UnreachableError when the connection is gone."""
        assert self._session is not None
        await self._session.write(data)

    async def end_input(self) -> None:
        """Say that nothing more will be written."""
        if self._session is not None:
            self._session.end_input()

    def resize(self, columns: int, lines: int) -> None:
        """Tell the guest the size of the terminal."""
        if self._session is not None and self._errand.terminal:
            self._session.resize(columns, lines)

    def go_on(self) -> None:
        """There is room again for what the guest says."""
        if self._session is not None:
            self._session.go_on()

    def _show_banner(self, words: str) -> None:
        self._pipe.put(words.replace("\r\n", "\n").replace("\n", "\r\n").encode(errors="replace"))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        errand = self._errand
        known = errand.known_hosts.find(errand.alias)
        login = Login(errand.account, GuestTrust(errand, known, self._ask), self._ask, self._show_banner)
        watch = asyncio.get_running_loop().call_later(errand.handshake, login.check_handshake)
        try:
            with told(errand.guest, login):
                connection = await asyncssh.run_client(
                    self._end,
                    host=errand.guest,
                    config=None,
                    client_factory=lambda: login,
                    username=errand.user,
                    # Whom to trust, and with which keys: `Login` knows.
                    known_hosts=([], [], []),
                    server_host_key_algs=algorithms(key.type for key in known),
                    client_keys=None,
                    x509_trusted_certs=None,
                    gss_kex=False,
                    gss_auth=False,
                    host_based_auth=False,
                    # Whoever types a password needs the time that it takes; the guest's sshd has a limit of its own.
                    login_timeout=0,
                    keepalive_interval=errand.keepalive,
                    keepalive_count_max=3,
                )
                if not login.accepted:
                    # It was ended without an error of asyncssh's: by ourselves, or by the end of the stream.
                    raise asyncssh.ConnectionLost("ended before the login")
        finally:
            watch.cancel()
            login.close()
        try:
            yield connection
        finally:
            connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await connection.wait_closed()
            connection.abort()
