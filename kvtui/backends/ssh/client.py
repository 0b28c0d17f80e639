"""SSH to one guest, in the thread of its shell, with errors of our own tree.

This and `login` are the only modules of the program that import `asyncssh`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import asyncssh

from kvtui.backends.ssh.errand import Errand
from kvtui.backends.ssh.login import LONGEST, Ask, Login, algorithms, no_server
from kvtui.backends.ssh.pipe import Pipe
from kvtui.errors import BackendError, ForbiddenError, KvtuiError, UnreachableError
from kvtui.text import clean_line

# It would tell what is sent.
logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)

_WINDOW: Final = 2**18
"""Bytes that a guest may send ahead: few, for ^C takes effect behind them."""


class Client:
    """One connection with one shell or command."""

    def __init__(self, errand: Errand, end: socket.socket, pipe: Pipe, ask: Ask) -> None:
        self._errand = errand
        self._end = end
        self._pipe = pipe
        self._ask = ask
        self._session: _Session | None = None

    async def run(self, opened: Callable[[], None]) -> int | None:
        """Log in, open the shell, call `opened`, and carry bytes until it ends: its exit status.

        Raises BackendError.
        """
        async with self._connected() as connection:
            with _told(self._errand.guest):
                session = self._session = await self._open(connection)
                opened()
                return await session.over

    async def write(self, data: bytes) -> None:
        """Send bytes, as fast as the guest takes them. Raises UnreachableError when the connection is gone."""
        session = self._session
        assert session is not None
        await session.may_write.wait()
        try:
            session.channel.write(data)
        except OSError as error:
            raise UnreachableError(f"the shell of {self._errand.guest} has ended") from error

    async def end_input(self) -> None:
        """Say that nothing more will be written."""
        if self._session is not None:
            # It may have ended by itself.
            with suppress(OSError):
                self._session.channel.write_eof()

    def resize(self, columns: int, lines: int) -> None:
        """Tell the guest the size of the terminal."""
        if self._session is not None and self._errand.terminal:
            # It may have ended by itself.
            with suppress(OSError):
                self._session.channel.change_terminal_size(columns, lines)

    def go_on(self) -> None:
        """There is room again for what the guest says."""
        if self._session is not None:
            self._session.channel.resume_reading()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        errand = self._errand
        known = errand.known_hosts.find(errand.alias)
        login = Login(errand, known, self._ask, self._pipe)
        watch = asyncio.get_running_loop().call_later(errand.handshake, login.check_handshake)
        try:
            with _told(errand.guest, login):
                connection = await asyncssh.run_client(
                    self._end,
                    host=errand.guest,
                    config=None,
                    client_factory=lambda: login,
                    username=errand.user,
                    # Whom to trust, and with which keys: `Login` knows.
                    known_hosts=([], [], []),
                    server_host_key_algs=algorithms(known),
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

    async def _open(self, connection: asyncssh.SSHClientConnection) -> _Session:
        errand = self._errand
        terminal = errand.terminal
        session = _Session(self._pipe)
        await connection.create_session(
            lambda: session,
            errand.command or None,
            request_pty=bool(terminal),
            term_type=terminal or None,
            term_size=(errand.columns, errand.lines) if terminal else None,
            encoding=None,
            window=_WINDOW,
        )
        return session


class _Session(asyncssh.SSHClientSession[bytes]):
    """The channel of the shell."""

    def __init__(self, pipe: Pipe) -> None:
        self.over: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.may_write = asyncio.Event()
        self.may_write.set()
        self._pipe = pipe
        self._status: int | None = None
        self._is_lost = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.channel = chan

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        if not self._pipe.put(data) and not self._is_lost:
            self.channel.pause_reading()

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()

    def exit_status_received(self, status: int) -> None:
        self._status = status

    def exit_signal_received(self, signal_name: str, _core_dumped: bool, _msg: str, _lang: str) -> None:
        number = getattr(signal, f"SIG{signal_name}", 127)
        self._status = 128 + int(number)

    def connection_lost(self, exc: Exception | None) -> None:
        self.may_write.set()
        # What came before the end is still to be read, and asyncssh would forget it.
        self._is_lost = True
        self.channel.resume_reading()
        if self.over.done():
            return
        if exc is None:
            self.over.set_result(self._status)
        else:
            self.over.set_exception(exc)


@contextmanager
def _told(guest: str, login: Login | None = None) -> Iterator[None]:
    """Say in our own errors what goes wrong on the way to a guest."""
    try:
        yield
    except KvtuiError:
        raise
    except (asyncssh.Error, OSError, ValueError, EOFError) as error:
        if login is not None and login.error is not None:
            raise login.error from error
        raise _error(guest, error, login) from error


def _error(guest: str, error: Exception, login: Login | None) -> BackendError:
    words = clean_line(getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error))[:LONGEST]
    if login is not None and not login.greeted:
        # What said something else is no broken way to it, whatever becomes of the way afterwards.
        lost = isinstance(error, asyncssh.ConnectionLost | OSError | EOFError)
        return no_server(guest, words, UnreachableError if lost else BackendError)
    match error:
        case asyncssh.PermissionDenied() if login is not None:
            return _refused(guest, login)
        case asyncssh.ConnectionLost() | OSError() | EOFError():
            return UnreachableError(f"the ssh connection to {guest} was cut", words)
        case asyncssh.KeyExchangeFailed():
            return BackendError(f"the ssh server of {guest} and kvtui have no cipher in common", words)
        case asyncssh.ProtocolError() | asyncssh.ProtocolNotSupported():
            return BackendError(f"what answers on {guest} does not speak SSH", words, "is the port right?")
        case asyncssh.ChannelOpenError():
            return BackendError(f"{guest} opened no shell", words)
        case asyncssh.DisconnectError():
            many = login is not None and not login.accepted and len(login.offered) > 1
            hint = "name the one key to offer (-i, or [ssh] key in the configuration)" if many else ""
            return BackendError(f"the ssh server of {guest} ended the connection", words, hint)
    return BackendError(f"no shell of {guest}", words)


def _refused(guest: str, login: Login) -> BackendError:
    if login.gave_up:
        return ForbiddenError(f"not logged in to {guest}", "no password was given")
    offered = ", ".join(dict.fromkeys(login.offered))
    detail = (
        f"it did not accept {offered}" if offered else "it takes nothing that kvtui could offer: no key, no password"
    )
    if login.locked:
        detail += f"; no passphrase opened {', '.join(map(str, login.locked))}"
    hint = "name another user or key (-l, -i, or [ssh] in the configuration)"
    return ForbiddenError(f"{login.user} may not log in to {guest}", detail, hint)
