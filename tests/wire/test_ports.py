"""Ports of machines over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from kvtui.backends.base import ByteStream, Ports
from kvtui.backends.kubernetes.answers import CutError
from kvtui.errors import AbsentError, BackendError, ConflictError, ForbiddenError, ReadOnlyError, UnauthorizedError
from kvtui.model import Ref
from tests.wire.fake import Fake, Handler, serving, status
from tests.wire.support import QUICK, kept, write_kubeconfig

VM = Ref("test", "VirtualMachine", "shop", "a")
PATH = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachineinstances/a/portforward/8080/tcp"


def port_server(handler: Handler) -> Fake:
    async def versions(request: web.Request) -> web.StreamResponse:
        return web.json_response({"versions": [{"version": "v1"}]})

    async def nothing(request: web.Request) -> web.StreamResponse:
        return status(404, "nothing")

    return Fake(nothing, nothing, {"/apis/subresources.kubevirt.io": versions, PATH: handler})


async def upgrade(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("plain.kubevirt.io",), autoping=False)
    await socket.prepare(request)
    return socket


async def text_of(stream: ByteStream) -> bytes:
    text = b""
    while piece := await stream.read():
        text += piece
    return text


async def test_every_port_that_is_opened_is_a_line_of_the_audit_log_and_none_without_it(tmp_path: Path) -> None:
    async def hold(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        await socket.receive()
        return socket

    async with serving(port_server(hold)) as server, kept(write_kubeconfig(tmp_path, server.url)) as state:
        stream = await state.backend.open_port(VM, 8080)
        await stream.close()
        (line,) = map(json.loads, state.audit.read_text().splitlines())
        assert (line["verb"], line["name"], line["result"]) == ("port 8080", "a", "accepted")
        state.audit.unlink()
        state.audit.mkdir()
        with pytest.raises(BackendError, match="audit log"):
            await state.backend.open_port(VM, 8080)


async def test_bytes_go_both_ways_and_pings_are_answered(tmp_path: Path) -> None:
    """virt-api lets go of a client that leaves its pings unanswered for a minute."""
    every = bytes(range(256)) * 100
    pongs: list[bytes] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        await socket.ping(b"keep alive")
        got = b""
        while len(got) < len(every) or not pongs:
            message = await socket.receive()
            if message.type is WSMsgType.PONG:
                pongs.append(bytes(message.data))
            else:
                assert message.type is WSMsgType.BINARY
                got += message.data
        await socket.send_bytes(got)
        await socket.close(code=1000)
        return socket

    async with serving(port_server(echo)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert isinstance(state.backend, Ports)
        stream = await state.backend.open_port(VM, 8080)
        reader = asyncio.create_task(text_of(stream))
        await stream.write(every)
        assert await reader == every
        assert pongs == [b"keep alive"]
        await stream.close()
        await stream.close()


async def test_the_guest_ends_a_connection_without_a_closing_frame(tmp_path: Path) -> None:
    async def leave(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        await socket.send_bytes(b"HTTP/1.0 200 OK\r\n\r\n")
        assert request.transport is not None
        request.transport.close()
        return socket

    async with serving(port_server(leave)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        stream = await state.backend.open_port(VM, 8080)
        assert await text_of(stream) == b"HTTP/1.0 200 OK\r\n\r\n"
        with pytest.raises(CutError, match="port 8080 of shop/a"):
            await stream.write(b"more")


@pytest.mark.parametrize("code", [1001, 1011])
async def test_a_close_with_another_code_is_a_cut(tmp_path: Path, code: int) -> None:
    async def leave(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        await socket.close(code=code)
        return socket

    async with serving(port_server(leave)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        stream = await state.backend.open_port(VM, 8080)
        with pytest.raises(CutError, match=str(code)):
            await stream.read()


async def test_a_server_that_falls_silent_is_a_cut(tmp_path: Path) -> None:
    async def mute(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        while not socket.closed:
            await socket.receive()  # and no pong
        return socket

    timings = replace(QUICK, heartbeat=0.2)
    async with serving(port_server(mute)) as fake, kept(write_kubeconfig(tmp_path, fake.url), timings=timings) as state:
        stream = await state.backend.open_port(VM, 8080)
        with pytest.raises(CutError, match="port 8080"):
            await asyncio.wait_for(stream.read(), 10)


async def test_a_quiet_guest_is_no_dead_link(tmp_path: Path) -> None:
    """A server that sends no pings of its own, as older ones, still answers ours."""

    async def quiet(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("plain.kubevirt.io",))
        await socket.prepare(request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(socket.receive(), 0.8)
        await socket.send_bytes(b"at last")
        await socket.close()
        return socket

    timings = replace(QUICK, heartbeat=0.2)
    async with (
        serving(port_server(quiet)) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), timings=timings) as state,
    ):
        assert await text_of(await state.backend.open_port(VM, 8080)) == b"at last"


async def test_whoever_pauses_loses_nothing(tmp_path: Path) -> None:
    """A client of a forwarded port may take its time; pings then wait behind data."""
    size = 8 * 2**20

    async def pour(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        for _ in range(size // 32_768):
            await socket.ping(b"keep alive")
            await socket.send_bytes(b"x" * 32_768)
        await socket.close()
        return socket

    timings = replace(QUICK, heartbeat=0.1)
    async with serving(port_server(pour)) as fake, kept(write_kubeconfig(tmp_path, fake.url), timings=timings) as state:
        stream = await state.backend.open_port(VM, 8080)
        assert await stream.read()
        await asyncio.sleep(0.5)
        assert len(await text_of(stream)) == size - 32_768


async def test_closing_ends_a_reader_that_waits(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        await socket.receive()
        return socket

    async with serving(port_server(silent)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        stream = await state.backend.open_port(VM, 8080)
        reader = asyncio.create_task(text_of(stream))
        await asyncio.sleep(0)
        await stream.close()
        assert await asyncio.wait_for(reader, 5) == b""


REFUSED = "Internal error occurred: dialing VM: dial tcp 10.0.0.7:8080: connect: connection refused"


@pytest.mark.parametrize(
    ("answer", "type_", "words"),
    [
        (lambda: status(500, REFUSED, "InternalError"), BackendError, "connection refused"),
        (lambda: status(400, "no network interfaces are present", "BadRequest"), BackendError, "no network interfaces"),
        (lambda: status(409, "VMI is paused", "Conflict"), ConflictError, "paused"),
        (lambda: status(404, "not found", "NotFound"), AbsentError, "not found"),
        (lambda: status(403, "you cannot get portforward", "Forbidden"), ForbiddenError, "portforward"),
        (lambda: web.Response(status=401, text="bob cannot get it"), ForbiddenError, "bob cannot get it"),
        (lambda: web.Response(status=401), ForbiddenError, "cannot get virtualmachineinstances/portforward of"),
        (lambda: status(401, "Unauthorized", "Unauthorized"), UnauthorizedError, "Unauthorized"),
        (lambda: web.Response(text="no websocket"), BackendError, "no websocket"),
    ],
)
async def test_a_refused_port_says_why(
    tmp_path: Path, answer: Callable[[], web.StreamResponse], type_: type[BackendError], words: str
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return answer()

    async with serving(port_server(refuse)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(type_) as caught:
            await state.backend.open_port(VM, 8080)
        assert words in caught.value.detail


async def test_a_read_only_backend_opens_no_port(tmp_path: Path) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        raise AssertionError("the port was asked for")

    async with serving(port_server(never)) as fake, kept(write_kubeconfig(tmp_path, fake.url), read_only=True) as state:
        with pytest.raises(ReadOnlyError, match="port 8080 of shop/a was not opened"):
            await state.backend.open_port(VM, 8080)
