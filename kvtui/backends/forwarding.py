"""A port of this machine that leads to a port of a guest: each connection gets a stream of its own."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import Any, Final

from kvtui.backends.base import ByteStream
from kvtui.errors import BackendError, KvtuiError

Dial = Callable[[], Awaitable[ByteStream]]
"""Opens a connection to the guest. Raises BackendError."""

_CHUNK: Final = 2**16
_LINGER: Final = 15.0
"""Seconds that a guest may be silent to a client that has said all: its answer may still come."""


class Forwarding:
    """Listens until it is closed. Its figures are of all connections together."""

    def __init__(self, dial: Dial, tell: Callable[[KvtuiError], None], linger: float) -> None:
        self.address = ""
        self.port = 0
        """Where it listens; the system chose the port when 0 was asked for."""
        self.accepted = 0
        """Connections that there were."""
        self.received = 0
        """Bytes that came from the guest."""
        self.sent = 0
        """Bytes that went to the guest."""
        self._dial = dial
        self._tell = tell
        self._linger = linger
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def open(self) -> int:
        """Connections that there are now."""
        return len(self._tasks)

    async def listen(self, address: str, port: int) -> None:
        """Begin. Raises BackendError when nobody may listen there."""
        try:
            self._server = await asyncio.start_server(self._accept, address, port)
        except (OSError, OverflowError) as error:
            words = getattr(error, "strerror", None) or str(error)
            title = f"cannot listen on {address}:{port}"
            raise BackendError(title, words, "name another port, or 0 for any") from error
        self.address, self.port = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Listen no more, and end all connections; a second call does nothing."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(self, reader, writer, self._linger)
        task = asyncio.create_task(self._carry(connection), name=f"forwarded connection {self.accepted}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, connection: _Connection) -> None:
        try:
            await connection.carry(self._dial)
        except KvtuiError as error:
            self._tell(error)


async def forward_port(
    dial: Dial,
    local_address: str,
    local_port: int,
    *,
    tell: Callable[[KvtuiError], None] = lambda _: None,
    linger: float = _LINGER,
) -> Forwarding:
    """Listen on an address and port of this machine, 0 for any, and connect whoever comes by `dial`.

    `tell` hears why a connection failed; the others go on. A client that has sent everything still gets the guest's
    answer, until the guest is silent for `linger` seconds: a websocket cannot carry the end of one direction.
    Raises BackendError when nobody may listen there.
    """
    forwarding = Forwarding(dial, tell, linger)
    await forwarding.listen(local_address, local_port)
    return forwarding


class _Connection:
    """One client, and its stream to the guest."""

    def __init__(
        self, figures: Forwarding, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, linger: float
    ) -> None:
        self._figures = figures
        self._reader = reader
        self._writer = writer
        self._linger = linger
        self._has_said_all = False
        self._limit: asyncio.Timeout | None = None
        """Of the present wait for the guest."""

    async def carry(self, dial: Dial) -> None:
        """Copy bytes both ways until the guest ends or the client is gone. Raises KvtuiError when the guest failed."""
        with ExitStack() as on_failure:
            on_failure.callback(self._reset)
            stream = await dial()
            try:
                await self._exchange(stream)
            finally:
                await stream.close()
            on_failure.pop_all()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _reset(self) -> None:
        """Leave the client so that it does not take what it has for the whole."""
        client: socket.socket = self._writer.get_extra_info("socket")
        # Closed without lingering, a socket resets its connection (socket(7)).
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _exchange(self, stream: ByteStream) -> None:
        sending = asyncio.create_task(self._send(stream), name="forwarded to the guest")
        receiving = asyncio.create_task(self._receive(stream), name="forwarded from the guest")
        try:
            waiting: set[asyncio.Task[Any]] = {sending, receiving}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._has_said_all:
                await asyncio.wait({receiving})
        finally:
            for task in (sending, receiving):
                task.cancel()
            results = await asyncio.gather(sending, receiving, return_exceptions=True)
        # That writing failed is but a consequence of what reading tells.
        for result in (results[1], results[0]):
            if isinstance(result, KvtuiError):
                raise result

    async def _send(self, stream: ByteStream) -> None:
        try:
            while data := await self._reader.read(_CHUNK):
                await stream.write(data)
                self._figures.sent += len(data)
        except OSError:
            # The client is gone, and hears no answer.
            return
        self._has_said_all = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._linger)

    async def _receive(self, stream: ByteStream) -> None:
        # The client is gone, or the guest says no more to one that has said all.
        with suppress(OSError, TimeoutError):
            while data := await self._next(stream):
                self._figures.received += len(data)
                self._writer.write(data)
                await self._writer.drain()

    async def _next(self, stream: ByteStream) -> bytes:
        async with asyncio.timeout(self._linger if self._has_said_all else None) as self._limit:
            return await stream.read()
