"""Bytes between a program of this machine and a channel of an ssh connection, in the ssh thread."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

import asyncssh

from kvtui.backends.ssh.failures import FAILURES

Near = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Far = tuple[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]]
_CHUNK: Final = 2**16


class _Sink(Protocol):
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def write_eof(self) -> None: ...


async def pump(near: Near, far: Far) -> None:
    """Copy both ways until both have said all, or one is gone. Whoever is left then learns that it was cut."""
    near_reader, near_writer = near
    far_reader, far_writer = far
    sending = asyncio.create_task(_copy(near_reader.read, far_writer), name="ssh channel, sent")
    receiving = asyncio.create_task(_copy(far_reader.read, near_writer), name="ssh channel, received")
    try:
        await asyncio.gather(sending, receiving)
        near_writer.close()
        await near_writer.wait_closed()
    except FAILURES:
        pass
    finally:
        sending.cancel()
        receiving.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
        reset(near_writer)
        with suppress(OSError):
            far_writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Leave a program of this machine so that it does not take what it has for the whole; nothing if it was closed."""
    near: socket.socket = writer.get_extra_info("socket")
    # Closed without lingering, a socket resets its connection (socket(7)); a unix socket only ends.
    with suppress(OSError):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _copy(read: Callable[[int], Awaitable[bytes]], sink: _Sink) -> None:
    while data := await read(_CHUNK):
        sink.write(data)
        await sink.drain()
    sink.write_eof()
