"""Consoles, logs, objects and events over the wire."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from kvtui.backends.base import ByteStream
from kvtui.backends.kubernetes.answers import CutError
from kvtui.backends.kubernetes.timings import Timings
from kvtui.errors import AbsentError, BackendError, ForbiddenError, ReadOnlyError
from kvtui.model import FeedState, Ref
from kvtui.records.kubernetes import Event, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from tests.cluster import running_cluster
from tests.wire.fake import Fake, machine, serving, status
from tests.wire.proxy import running_proxy
from tests.wire.support import (
    INSTANCES,
    MACHINES,
    PODS,
    QUICK,
    Kept,
    eventually,
    kept,
    moved_to_port,
    write_kubeconfig,
)

VMI = Ref("test", "VirtualMachineInstance", "shop", "a", "uid-a")
POD = Ref("test", "Pod", "shop", "p")
CONSOLE = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachineinstances/a/console"
LOG = "/api/v1/namespaces/shop/pods/p/log"


def console_server(handler: object) -> Fake:
    async def versions(request: web.Request) -> web.StreamResponse:
        return web.json_response({"versions": [{"version": "v1"}]})

    async def nothing(request: web.Request) -> web.StreamResponse:
        return status(404, "nothing")

    return Fake(nothing, nothing, {"/apis/subresources.kubevirt.io": versions, CONSOLE: handler})  # type: ignore[dict-item]


async def upgrade(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("plain.kubevirt.io",))
    await socket.prepare(request)
    assert socket.ws_protocol == "plain.kubevirt.io"
    return socket


async def test_bytes_go_both_ways_as_they_are(tmp_path: Path) -> None:
    every = bytes(range(256)) * 100

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        got = b""
        while len(got) < len(every):
            message = await socket.receive()
            assert message.type is WSMsgType.BINARY
            got += message.data
        await socket.send_str("a text frame is nothing that a console sends")
        await socket.send_bytes(got)
        await socket.send_bytes(b"x" * 200_000)
        await socket.close(code=1000)
        return socket

    async with serving(console_server(echo)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        console = await state.backend.open_console(VMI)
        await console.write(every)
        got = b""
        while data := await console.read():
            got += data
        assert got == every + b"x" * 200_000
        await console.close()
        await console.close()


async def test_a_read_only_backend_opens_no_console(tmp_path: Path) -> None:
    """Opening evicts whoever has the console, and what is typed changes the guest."""

    async def never(request: web.Request) -> web.StreamResponse:
        raise AssertionError("the console was asked for")

    async with (
        serving(console_server(never)) as fake,
        kept(write_kubeconfig(tmp_path, fake.url), read_only=True) as state,
    ):
        with pytest.raises(ReadOnlyError, match="the console of shop/a was not opened"):
            await state.backend.open_console(VMI)


async def test_a_connection_that_is_cut_is_no_end(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        await socket.send_bytes(b"login: ")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return socket

    async with serving(console_server(cut)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        console = await state.backend.open_console(VMI)
        assert await console.read() == b"login: "
        with pytest.raises(CutError, match="taken over"):
            await console.read()
        with pytest.raises(CutError):
            await console.write(b"x")


async def test_a_close_with_another_code_is_a_cut(tmp_path: Path) -> None:
    async def leave(request: web.Request) -> web.StreamResponse:
        socket = await upgrade(request)
        await socket.close(code=1011)
        return socket

    async with serving(console_server(leave)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        console = await state.backend.open_console(VMI)
        with pytest.raises(CutError, match="1011"):
            await console.read()


async def test_a_console_that_is_gone_without_a_word_is_noticed() -> None:
    async with (
        running_cluster() as cluster,
        running_proxy(cluster.server.port) as proxy,
        kept(moved_to_port(cluster.kubeconfig, proxy.port), INSTANCES, timings=replace(QUICK, heartbeat=0.2)) as state,
    ):
        console = await state.backend.open_console(await running_instance(state))
        await console.write(b"\r")
        assert await console.read()
        proxy.hang()
        with pytest.raises(CutError, match="fell silent") as caught:
            await asyncio.wait_for(read_to_end(console), 10)
        assert caught.value.silent


def test_a_dead_link_is_noticed_within_twenty_seconds() -> None:
    """aiohttp takes a link for dead when half a heartbeat after a ping there is no answer."""
    assert Timings().heartbeat * 1.5 < 20


async def read_to_end(console: ByteStream) -> None:
    while await console.read():
        pass


async def running_instance(state: Kept) -> Ref:
    def found() -> Ref | None:
        state.store.drain()
        running = (ref for ref, vmi in state.store.items(VirtualMachineInstance) if vmi.is_running)
        return next(running, None)

    await eventually(found)
    ref = found()
    assert ref is not None
    return ref


@pytest.mark.parametrize(
    ("answer", "type_", "code", "words"),
    [
        (lambda: status(400, "VMI is not running", "BadRequest"), BackendError, 400, "VMI is not running"),
        (lambda: status(404, "virtualmachineinstance not found", "NotFound"), AbsentError, 404, "not found"),
        (lambda: status(403, "you cannot get console", "Forbidden"), ForbiddenError, 403, "cannot get console"),
        (lambda: web.Response(status=401), ForbiddenError, 403, "cannot get virtualmachineinstances/console of"),
        (
            lambda: web.Response(status=400, text='Bad Request\n{"kind":"Status","message":"no serial"}'),
            BackendError,
            400,
            "no serial",
        ),
        (lambda: web.Response(text="no websocket"), BackendError, 200, "no websocket"),
    ],
)
async def test_a_refused_console_says_why(
    tmp_path: Path, answer: object, type_: type[BackendError], code: int, words: str
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return answer()  # type: ignore[operator,no-any-return]

    async with serving(console_server(refuse)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(type_) as caught:
            await state.backend.open_console(VMI)
        assert caught.value.code == code
        assert words in caught.value.detail
        assert fake.counts[f"GET {CONSOLE}"] == 1


async def test_the_console_of_a_guest_and_the_one_who_takes_it() -> None:
    async with running_cluster(speed=20.0) as cluster, kept(cluster.kubeconfig, INSTANCES) as state:
        ref = await running_instance(state)
        first = await state.backend.open_console(ref)
        await first.write(b"\r")
        assert await first.read()
        second = await state.backend.open_console(ref)
        with pytest.raises(CutError):
            await read_to_end(first)
        await second.write(b"\r")
        assert await second.read()
        await second.close()


async def test_lines_of_a_log(tmp_path: Path) -> None:
    async def log(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept"] == "*/*"
        assert dict(request.query) == {"tailLines": "7", "container": "compute", "follow": "true"}
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b"fir", b"st\r\n\n\x1b[31mred\n", b"\xff\xfe\n", b"z" * 40_000, b"\nlast"):
            await response.write(piece)
        return response

    fake = Fake(log, log, {LOG: log})
    async with serving(fake), kept(write_kubeconfig(tmp_path, fake.url)) as state:
        lines = [line async for line in state.backend.follow_log(POD, container="compute", tail=7)]
    assert lines[:4] == ["first", "", "\ufffd[31mred", "\ufffd\ufffd"]
    assert "".join(lines[4:-1]) == "z" * 40_000
    assert all(len(line) <= 2**14 for line in lines)
    assert lines[-1] == "last"


async def test_the_log_of_a_launcher() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, PODS) as state:
        await state.reaches(Pod, FeedState.LIVE)
        pod = next(ref for ref, pod in state.store.items(Pod) if pod.is_launcher and pod.status.phase == "Running")
        lines = [line async for line in state.backend.follow_log(pod, container="compute", follow=False)]
        assert lines
        with pytest.raises(BackendError, match="nope"):
            async for _ in state.backend.follow_log(pod, container="nope", follow=False):
                pass


async def test_a_whole_object_and_its_events() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig, MACHINES) as state:
        await state.reaches(VirtualMachine, FeedState.LIVE)
        ref = state.ref(VirtualMachine)
        whole = await state.backend.fetch(ref)
        assert whole["kind"] == "VirtualMachine"
        metadata = whole["metadata"]
        assert isinstance(metadata, dict)
        assert metadata["uid"] == ref.uid
        assert "managedFields" not in metadata
        about = {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "uid": ref.uid}
        async with cluster.session() as session:
            for uid, message in ((ref.uid, "mine"), ("another", "of a former machine of that name")):
                event = {
                    "metadata": {"generateName": "event-", "namespace": ref.namespace},
                    "involvedObject": about | {"uid": uid},
                    "message": message,
                }
                url = f"/api/v1/namespaces/{ref.namespace}/events"
                async with session.post(url, json=event | {"apiVersion": "v1", "kind": "Event"}) as answer:
                    assert answer.status == 201, await answer.text()
        events = await state.backend.fetch_events(ref)
        assert [event.message for event in events if isinstance(event, Event)] == ["mine"]
        with pytest.raises(AbsentError):
            await state.backend.fetch(ref._replace(name="nope"))


async def test_names_are_quoted_in_paths(tmp_path: Path) -> None:
    async def one(request: web.Request) -> web.StreamResponse:
        return web.json_response(machine("a"))

    async with serving(Fake(one, one)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(AbsentError):
            await state.backend.fetch(Ref("test", "VirtualMachine", "shop", "../../../secrets/x?y#z"))
        assert fake.asked[-1].raw_path == (
            "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/..%2F..%2F..%2Fsecrets%2Fx%3Fy%23z"
        )
