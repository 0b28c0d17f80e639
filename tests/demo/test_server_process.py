"""``python -m kvtui.demo`` as a process: its first line, its kubeconfig, its end."""

from __future__ import annotations

import asyncio
import re
import signal
import stat
import sys
import time

import aiohttp
import pytest
import yaml

from kvtui.demo.catalog.hosts import system_uuid
from kvtui.demo.options import parse_options
from tests.cluster import ClusterProcess, cluster_process
from tests.demo.wire import SUBRESOURCES, VMIS, VMS, fetch, open_watch


async def _stopped(cluster: ClusterProcess) -> float:
    """Seconds from now to the end of the process, which must end well."""
    started = time.monotonic()
    async with asyncio.timeout(10):
        assert await cluster.process.wait() == 0
    return time.monotonic() - started


async def test_it_serves_and_leaves_nothing_behind() -> None:
    async with cluster_process(size=5) as cluster:
        kubeconfig = cluster.kubeconfig
        assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
        assert stat.S_IMODE(kubeconfig.parent.stat().st_mode) == 0o700
        document = yaml.safe_load(kubeconfig.read_text())
        assert document["current-context"] == "demo"
        assert {entry["name"] for entry in document["contexts"]} == {"demo", "demo-view", "demo-edit"}
        async with cluster.session("view") as session:
            assert (await fetch(session, VMS))["items"]
        cluster.process.send_signal(signal.SIGINT)
        await _stopped(cluster)
    assert not kubeconfig.parent.exists()


async def test_it_ends_at_once_with_watches_and_consoles_open() -> None:
    async with cluster_process(size=5) as cluster, cluster.session() as session:
        await open_watch(session, VMS)
        await open_watch(session, "/api/v1/pods")
        running = next(
            item["metadata"]
            for item in (await fetch(session, VMIS))["items"]
            if item["status"].get("phase") == "Running"
        )
        path = f"{SUBRESOURCES}/namespaces/{running['namespace']}/virtualmachineinstances/{running['name']}/console"
        async with session.ws_connect(path) as socket:
            await socket.send_bytes(b"\r")
            cluster.process.terminate()
            assert await _stopped(cluster) < 1.0


async def test_it_ends_with_its_parent() -> None:
    async with cluster_process(size=5) as cluster:
        assert cluster.process.stdin is not None
        cluster.process.stdin.close()
        await _stopped(cluster)


async def test_its_parent_tells_it_of_the_machines_below_its_nodes() -> None:
    async with cluster_process(size=5) as cluster, cluster.session() as session:
        assert cluster.process.stdin is not None
        cluster.process.stdin.write(f"{system_uuid(0)} off\n{system_uuid(1)} pau".encode())
        cluster.process.stdin.write(b"sed\n")
        ready: list[str] = []
        end = time.monotonic() + 10
        while ready != ["Unknown", "Unknown", "True"]:
            assert time.monotonic() < end
            await cluster.control("advance", seconds=20)
            nodes = [await fetch(session, f"/api/v1/nodes/cp-{number}") for number in (1, 2, 3)]
            ready = [
                condition["status"] for node in nodes for condition in node["status"]["conditions"]
                if condition["type"] == "Ready"
            ]  # fmt: skip


async def test_its_time_passes_at_the_asked_speed() -> None:
    async with cluster_process(size=5, speed=50) as cluster:
        first = (await cluster.control("advance", seconds=0))["now"]
        watch_end = time.monotonic() + 10
        while (await cluster.control("advance", seconds=0))["now"] == first:
            assert time.monotonic() < watch_end
        await cluster.control("pause-clock")
        paused = (await cluster.control("advance", seconds=0))["now"]
        assert (await cluster.control("advance", seconds=0))["now"] == paused
        assert (await cluster.control("advance", seconds=60))["now"] > paused


async def test_a_port_in_use_is_a_sentence() -> None:
    async with cluster_process(size=1) as cluster:
        port = cluster.url.rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kvtui.demo", "--size=1", f"--port={port}", stderr=asyncio.subprocess.PIPE
        )
        _, errors = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 1
    assert re.fullmatch(rf"kvtui demo: cannot listen on port {port}: .*\n", errors.decode())


@pytest.mark.parametrize("arguments", [["--size", "0"], ["--size", "x"], ["--speed", "-1"], ["--user", "root"]])
def test_bad_arguments_are_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments)
    assert ended.value.code == 2
    assert "error: argument" in capsys.readouterr().err


async def test_the_certificate_is_not_trusted_by_others() -> None:
    async with cluster_process(size=1) as cluster, aiohttp.ClientSession() as stranger:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await stranger.get(f"{cluster.url}/version")
