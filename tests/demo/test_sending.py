"""Long answers to clients that vanish in the middle: the server notices, and writes no more."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Iterator

import pytest
from aiohttp import web

from kvtui.demo.certificate import Certificate, make_certificate
from kvtui.demo.replies import stream

_PIECE = b"x" * 300_000
_PIECES = 100


def connect(port: int, certificate: Certificate) -> ssl.SSLSocket:
    """A client that has asked for something."""
    raw = socket.create_connection(("127.0.0.1", port))
    client = certificate.client_context().wrap_socket(raw, server_hostname="localhost")
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def vanish(client: ssl.SSLSocket) -> None:
    """End as a process does that was killed with answers unread."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def test_nothing_more_is_written_to_a_client_that_has_vanished(caplog: pytest.LogCaptureFixture) -> None:
    certificate, sent = make_certificate(), 0
    connected: asyncio.Future[ssl.SSLSocket] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    def pieces(client: ssl.SSLSocket) -> Iterator[bytes]:
        nonlocal sent
        for number in range(_PIECES):
            if number == 1:
                vanish(client)
            sent += 1
            yield _PIECE

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await stream(request, pieces(await connected), _PIECES * len(_PIECE))
        finally:
            ended.set()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(handle), "127.0.0.1", 0, ssl=certificate.server_context())
    async with server:
        port = server.sockets[0].getsockname()[1]
        connected.set_result(await asyncio.to_thread(connect, port, certificate))
        with caplog.at_level(logging.WARNING, logger="asyncio"):
            await asyncio.wait_for(ended.wait(), 10)
    assert sent < _PIECES
    assert not caplog.records
