"""Boot logs over the wire: which pod's, how lines end, and how the log ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.backends.base import BootLogs, ByteStream
from kvtui.backends.kubernetes.answers import CutError
from kvtui.demo import kinds
from kvtui.errors import AbsentError, BackendError, ForbiddenError
from kvtui.model import Ref
from tests.cluster import RunningCluster, running_cluster
from tests.demo.wire import create, machine
from tests.wire.fake import Fake, Handler, serving, status
from tests.wire.support import QUICK, kept, write_kubeconfig

VM = Ref("test", "VirtualMachine", "shop", "a", "uid-of-vm")
INSTANCE = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachineinstances/a"
PODS = "/api/v1/namespaces/shop/pods"


def instance(**devices: bool) -> dict[str, Any]:
    return {
        "metadata": {"name": "a", "namespace": "shop", "uid": "uid-of-vmi"},
        "spec": {"domain": {"devices": devices}},
        "status": {"nodeName": "n1"},
    }


def pod(name: str, node: str, created: str, *containers: str, **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": created,
            "annotations": {f"kubevirt.io/{key.replace('_', '-')}": value for key, value in annotations.items()},
        },
        "spec": {
            "nodeName": node,
            "containers": [{"name": "compute"}],
            "initContainers": [{"name": container} for container in containers],
        },
    }


LAUNCHER = pod("launcher", "n1", "2026-11-21T02:00:00Z", "guest-console-log")


def log_server(log: Handler, *pods: dict[str, Any], found: dict[str, Any] | None = None) -> Fake:
    """A server with one instance and its pods; `log` answers for the log of the pod ``launcher``."""

    async def nothing(request: web.Request) -> web.StreamResponse:
        return status(404, "nothing")

    async def one(request: web.Request) -> web.StreamResponse:
        return web.json_response(found or instance())

    async def listed(request: web.Request) -> web.StreamResponse:
        assert request.query["labelSelector"] == "kubevirt.io/created-by=uid-of-vmi"
        return web.json_response({"items": list(pods) if pods else [LAUNCHER]})

    return Fake(nothing, nothing, {INSTANCE: one, PODS: listed, f"{PODS}/launcher/log": log})


async def text_of(stream: ByteStream) -> bytes:
    text = b""
    while piece := await stream.read():
        text += piece
    return text


async def test_lines_end_as_a_terminal_needs_them_wherever_the_pieces_were_cut(tmp_path: Path) -> None:
    async def log(request: web.Request) -> web.StreamResponse:
        assert dict(request.query) == {"container": "guest-console-log", "follow": "true", "tailLines": "7"}
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (
            b"one\n",
            b"two\r\nthr",
            b"ee\r",
            b"\n\xff\x1b[31mfo",
            b"ur\r",
            b"\r\nfive\r",
            b"six\n\n",
            b"login: ",
        ):
            await response.write(piece)
            await asyncio.sleep(0)
        return response

    async with serving(log_server(log)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert isinstance(state.backend, BootLogs)
        stream = await state.backend.open_boot_log(VM, tail=7)
        assert await text_of(stream) == b"one\r\ntwo\r\nthree\r\n\xff\x1b[31mfour\r\r\nfive\rsix\r\n\r\nlogin: "
        assert await stream.read() == b"", "an end is an end"
        await stream.write(b"nobody hears it")
        await stream.close()
        await stream.close()


async def test_a_log_with_the_guest_s_own_returns_is_left_as_it_is(tmp_path: Path) -> None:
    """A kernel's line that comes between the CR and the LF of a program leaves a LF alone."""
    pieces = (b"one\r", b"\ntwo\r[ 1.5] kernel\r\n\nthr", b"ee\n\xff\r\n")

    async def log(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        return response

    async with serving(log_server(log)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert await text_of(await state.backend.open_boot_log(VM)) == b"".join(pieces)


async def test_the_log_is_read_where_the_instance_runs(tmp_path: Path) -> None:
    """During a migration there are two launchers, and the one that only bound a volume runs no guest."""

    async def log(request: web.Request) -> web.StreamResponse:
        return web.Response(text="here\n")

    pods = (
        pod("former", "n1", "2026-11-21T01:00:00Z", "guest-console-log"),
        LAUNCHER,
        pod("target", "n2", "2026-11-21T03:00:00Z", "guest-console-log"),
        pod("binder", "n1", "2026-11-21T04:00:00Z", "guest-console-log", ephemeral_provisioning="true"),
    )
    async with serving(log_server(log, *pods)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        assert await text_of(await state.backend.open_boot_log(VM)) == b"here\r\n"


@pytest.mark.parametrize(
    ("devices", "cause"),
    [
        ({"autoattachSerialConsole": False}, "autoattachSerialConsole is false"),
        ({"logSerialConsole": False}, "logSerialConsole is false"),
        ({}, "disableSerialConsoleLog"),
    ],
)
async def test_a_machine_without_log_says_which_setting_is_the_cause(
    tmp_path: Path, devices: dict[str, bool], cause: str
) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        raise AssertionError("there is no such container")

    bare = pod("launcher", "n1", "2026-11-21T02:00:00Z")
    fake = log_server(never, bare, found=instance(**devices))
    async with serving(fake), kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(AbsentError, match="shop/a keeps no boot log") as caught:
            await state.backend.open_boot_log(VM)
        assert cause in caught.value.detail


@pytest.mark.parametrize(
    ("answer", "type_", "words"),
    [
        (
            lambda: status(400, 'container "guest-console-log" is waiting to start', "BadRequest"),
            BackendError,
            "waiting",
        ),
        (lambda: status(403, "you cannot get pods/log", "Forbidden"), ForbiddenError, "pods/log"),
    ],
)
async def test_a_refused_log_says_why(tmp_path: Path, answer: Any, type_: type[BackendError], words: str) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = answer()
        return response

    async with serving(log_server(refuse)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        with pytest.raises(type_) as caught:
            await state.backend.open_boot_log(VM)
        assert words in caught.value.detail


async def test_a_guest_that_says_nothing_yet_has_an_open_log(tmp_path: Path) -> None:
    """A kubelet begins its answer with the first line."""
    speak = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await speak.wait()
        return web.Response(text="at last\n")

    timings = replace(QUICK, boot_log=0.05, answer=0.2)
    async with serving(log_server(late)) as fake, kept(write_kubeconfig(tmp_path, fake.url), timings=timings) as state:
        stream = await state.backend.open_boot_log(VM)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read(), 0.3)
        speak.set()
        assert await text_of(stream) == b"at last\r\n", "whoever stopped waiting lost nothing"


async def test_closing_ends_a_reader_that_waits(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"login: ")
        await asyncio.sleep(60)
        return response

    async with serving(log_server(silent)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        stream = await state.backend.open_boot_log(VM)
        assert await stream.read() == b"login: "
        reader = asyncio.create_task(text_of(stream))
        await asyncio.sleep(0)
        await stream.close()
        assert await asyncio.wait_for(reader, 5) == b""


async def test_a_log_that_is_cut_is_no_end(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"Linux version\n")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(log_server(cut)) as fake, kept(write_kubeconfig(tmp_path, fake.url)) as state:
        stream = await state.backend.open_boot_log(VM)
        with pytest.raises(CutError):
            await text_of(stream)


async def started(cluster: RunningCluster, **devices: bool) -> Ref:
    """A machine shop/one of the demo cluster that has booted."""
    obj = machine("one", strategy="Always")
    obj["spec"]["template"]["spec"]["domain"]["devices"] = devices
    async with cluster.session() as session:
        await create(session, obj)
    cluster.advance(300)
    return Ref("demo-admin", "VirtualMachine", "shop", "one")


async def test_the_boot_log_of_a_guest_goes_on_and_ends_with_it() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig) as state:
        ref = await started(cluster)
        stream = await state.backend.open_boot_log(ref)
        text = b""
        while b"one login:" not in text:
            text += await stream.read()
        assert b"Linux version" in text
        assert text.count(b"\n") == text.count(b"\r\n")
        console = await state.backend.open_console(ref)
        await console.write(b"root\r")
        while b"Password" not in text:
            text += await stream.read()
        assert await console.read(), "the log takes the console from nobody"
        await state.backend.stop(ref)
        cluster.advance(120)
        assert cluster.world.storage.find(kinds.VMI, "shop", "one") is None
        await asyncio.wait_for(text_of(stream), 10)
        with pytest.raises(AbsentError, match="does not run"):
            await state.backend.open_boot_log(ref)


async def test_a_machine_without_serial_device_keeps_no_log() -> None:
    async with running_cluster() as cluster, kept(cluster.kubeconfig) as state:
        ref = await started(cluster, autoattachSerialConsole=False)
        with pytest.raises(AbsentError, match="no boot log"):
            await state.backend.open_boot_log(ref)
