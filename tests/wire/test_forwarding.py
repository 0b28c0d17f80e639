"""Ports of this machine that lead to ports of guests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from kvtui.backends.base import ByteStream
from kvtui.backends.forwarding import Forwarding, forward_port
from kvtui.errors import BackendError, KvtuiError, UnreachableError
from kvtui.model import Ref
from tests.cluster import running_cluster
from tests.demo.test_server_ports import networked
from tests.demo.wire import create
from tests.wire.sshserver import raw_server, wire_to
from tests.wire.support import eventually, kept


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def greet_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello and goodbye")
    await writer.drain()


async def client_of(forwarding: Forwarding) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(forwarding.address, forwarding.port)


async def forwarded_to(port: int, told: list[KvtuiError] | None = None, **options: float) -> Forwarding:
    tell: Callable[[KvtuiError], None] = told.append if told is not None else lambda _: None
    return await forward_port(lambda: wire_to(port), "127.0.0.1", 0, tell=tell, **options)


async def test_every_connection_has_a_stream_of_its_own_and_bytes_are_counted() -> None:
    async with raw_server(echo) as port:
        forwarding = await forwarded_to(port, linger=0.1)
        every = bytes(range(256)) * 2000
        clients = [await client_of(forwarding) for _ in range(3)]
        for number, (_, writer) in enumerate(clients):
            writer.write(b"%d" % number + every)
        for number, (reader, _) in enumerate(clients):
            assert await asyncio.wait_for(reader.readexactly(1 + len(every)), 10) == b"%d" % number + every
        assert (forwarding.accepted, forwarding.open) == (3, 3)
        assert forwarding.sent == forwarding.received == 3 * (1 + len(every))
        for _, writer in clients:
            writer.transport.abort()
        await eventually(lambda: forwarding.open == 0)
        await forwarding.close()
        await forwarding.close()


async def test_the_end_of_the_guest_is_the_end_of_the_client() -> None:
    async with raw_server(greet_and_leave) as port:
        forwarding = await forwarded_to(port)
        reader, writer = await client_of(forwarding)
        assert await asyncio.wait_for(reader.read(), 10) == b"hello and goodbye"
        writer.close()
        await eventually(lambda: forwarding.open == 0)
        await forwarding.close()


async def answer_later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    assert await reader.readexactly(8) == b"question"
    await asyncio.sleep(0.1)
    writer.write(b"answer")
    await writer.drain()


async def test_a_client_that_has_said_all_still_gets_its_answer() -> None:
    async with raw_server(answer_later) as port:
        forwarding = await forwarded_to(port)
        reader, writer = await client_of(forwarding)
        writer.write(b"question")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == b"answer"
        writer.close()
        await forwarding.close()


async def test_a_guest_that_has_no_answer_is_not_waited_for_ever() -> None:
    async with raw_server(echo) as port:
        forwarding = await forwarded_to(port, linger=0.1)
        reader, writer = await client_of(forwarding)
        writer.write(b"said")
        assert await reader.readexactly(4) == b"said"
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await eventually(lambda: forwarding.open == 0)
        await forwarding.close()


async def test_a_refused_connection_is_told_and_the_next_one_tried() -> None:
    told: list[KvtuiError] = []
    refuse = True

    async with raw_server(echo) as port:

        async def dial() -> ByteStream:
            if refuse:
                raise UnreachableError("nobody listens there")
            return await wire_to(port)

        forwarding = await forward_port(dial, "127.0.0.1", 0, tell=told.append)
        reader, writer = await client_of(forwarding)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(reader.readexactly(1), 10)
        writer.close()
        assert [error.title for error in told] == ["nobody listens there"]
        refuse = False
        reader, writer = await client_of(forwarding)
        writer.write(b"x")
        assert await asyncio.wait_for(reader.readexactly(1), 10) == b"x"
        writer.close()
        await forwarding.close()


class Broken:
    """A stream that breaks after its first bytes."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        if self.reads > 1:
            raise UnreachableError("it was cut")
        return b"half of it"

    async def write(self, data: bytes) -> None:
        pass

    async def close(self) -> None:
        pass


async def test_a_cut_is_no_end_for_the_client() -> None:
    told: list[KvtuiError] = []

    async def dial() -> ByteStream:
        return Broken()

    forwarding = await forward_port(dial, "127.0.0.1", 0, tell=told.append)
    reader, writer = await client_of(forwarding)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.readexactly(100), 10)
    writer.close()
    assert [error.title for error in told] == ["it was cut"]
    await forwarding.close()


async def test_a_client_that_does_not_read_makes_the_guest_wait() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with raw_server(pour) as port:
        forwarding = await forwarded_to(port)
        client = socket.create_connection((forwarding.address, forwarding.port))
        await eventually(lambda: forwarding.received)
        before = -1
        while before != forwarding.received:
            before = forwarding.received
            await asyncio.sleep(0.1)
        assert before < 32 * 2**20
        client.close()
        await forwarding.close()


async def test_an_address_where_nobody_may_listen_is_said() -> None:
    taken = await forward_port(lambda: wire_to(1), "127.0.0.1", 0)
    for address, port in (("127.0.0.1", taken.port), ("192.0.2.1", 0), ("127.0.0.1", 99_999)):
        with pytest.raises(BackendError, match=f"cannot listen on {address}:{port}"):
            await forward_port(lambda: wire_to(1), address, port)
    await taken.close()


async def test_closing_ends_what_is_open() -> None:
    async with raw_server(echo) as port:
        forwarding = await forwarded_to(port)
        reader, writer = await client_of(forwarding)
        writer.write(b"x")
        await reader.readexactly(1)
        await asyncio.wait_for(forwarding.close(), 5)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 10)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await client_of(forwarding)


async def test_the_web_server_of_a_guest_at_a_port_of_this_machine() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig) as state:
        async with cluster.session() as session:
            await create(session, networked("web-1"))
        cluster.advance(300)
        ref = Ref(state.backend.name, "VirtualMachine", "shop", "web-1")
        told: list[KvtuiError] = []
        forwarding = await forward_port(lambda: state.backend.open_port(ref, 80), "127.0.0.1", 0, tell=told.append)
        for _ in range(2):
            reader, writer = await client_of(forwarding)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"web-1: it works\n")
            writer.close()
        assert told == []
        await forwarding.close()
