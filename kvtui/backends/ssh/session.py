"""The channel of one shell or command, from asyncssh's callbacks to a pipe."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Final

import asyncssh

from kvtui.backends.ssh.pipe import Pipe
from kvtui.errors import UnreachableError

_WINDOW: Final = 2**18
"""Bytes that the far side may send ahead: few, for ^C takes effect behind them."""


class Session(asyncssh.SSHClientSession[bytes]):
    """The channel of a shell. What it says goes into the pipe."""

    def __init__(self, pipe: Pipe, host: str) -> None:
        self.over: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        """The exit status, or how the connection broke."""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._pipe = pipe
        self._host = host
        self._status: int | None = None
        self._is_lost = False

    async def write(self, data: bytes) -> None:
        """Send bytes, as fast as they are taken. Raises UnreachableError when the connection is gone."""
        await self._may_write.wait()
        try:
            self._channel.write(data)
        except OSError as error:
            raise UnreachableError(f"the shell of {self._host} has ended") from error

    def end_input(self) -> None:
        """Say that nothing more will be written."""
        # It may have ended by itself.
        with suppress(OSError):
            self._channel.write_eof()

    def resize(self, columns: int, lines: int) -> None:
        """The terminal has another size now."""
        # It may have ended by itself.
        with suppress(OSError):
            self._channel.change_terminal_size(columns, lines)

    def go_on(self) -> None:
        """There is room again for what the far side says."""
        self._channel.resume_reading()

    def close(self) -> None:
        """End it."""
        self._channel.close()

    # Called by asyncssh

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Remember the channel."""
        self._channel = chan

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        """Hand on what was said, and let the far side wait while nobody reads it."""
        if not self._pipe.put(data) and not self._is_lost:
            self._channel.pause_reading()

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._may_write.set()

    def exit_status_received(self, status: int) -> None:
        """Remember the status."""
        self._status = status

    def exit_signal_received(self, signal_name: str, _core_dumped: bool, _msg: str, _lang: str) -> None:
        """Remember the signal as shells do."""
        number = getattr(signal, f"SIG{signal_name}", 127)
        self._status = 128 + int(number)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say how it ended."""
        self._may_write.set()
        # What came before the end is still to be read, and asyncssh would forget it.
        self._is_lost = True
        self._channel.resume_reading()
        if self.over.done():
            return
        if exc is None:
            self.over.set_result(self._status)
        else:
            self.over.set_exception(exc)


async def open_session(
    connection: asyncssh.SSHClientConnection,
    host: str,
    pipe: Pipe,
    *,
    command: str = "",
    terminal: str = "",
    columns: int = 80,
    lines: int = 24,
) -> Session:
    """A shell, or without one a `command`; without `terminal` it gets plain pipes. Raises asyncssh's errors."""
    session = Session(pipe, host)
    await connection.create_session(
        lambda: session,
        command or None,
        request_pty=bool(terminal),
        term_type=terminal or None,
        term_size=(columns, lines) if terminal else None,
        encoding=None,
        window=_WINDOW,
    )
    return session
