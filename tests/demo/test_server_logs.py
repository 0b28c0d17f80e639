"""Pod logs on the wire."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import aiohttp
import pytest

from kvtui.demo import kinds
from kvtui.demo.storage import Object
from tests.cluster import RunningCluster
from tests.demo.wire import create, fetch, machine


@pytest.fixture
async def launcher(cluster: RunningCluster, admin: aiohttp.ClientSession) -> Object:
    """The launcher pod of a machine that has run for five minutes."""
    await create(admin, machine("one", strategy="Always"))
    cluster.advance(300)
    return next(
        pod
        for pod in cluster.world.storage.list(kinds.POD, "shop")
        if pod["metadata"].get("annotations", {}).get("kubevirt.io/domain") == "one"
    )


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/log"


async def _read(session: aiohttp.ClientSession, pod: Object, **query: str) -> list[str]:
    async with session.get(_path(pod), params=query) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/plain"
        return (await response.text()).splitlines()


async def test_a_launcher_speaks_json(launcher: Object, admin: aiohttp.ClientSession) -> None:
    lines = await _read(admin, launcher, container="compute")
    assert len(lines) > 10
    assert all(json.loads(line)["component"] == "virt-launcher" for line in lines)
    assert await _read(admin, launcher, container="compute") == lines


async def test_options_choose_lines(cluster: RunningCluster, launcher: Object, admin: aiohttp.ClientSession) -> None:
    lines = await _read(admin, launcher, container="compute")
    assert await _read(admin, launcher, container="compute", tailLines="3") == lines[-3:]
    assert await _read(admin, launcher, container="compute", tailLines="0") == []
    recent = await _read(admin, launcher, container="compute", sinceSeconds="65", timestamps="true")
    assert 0 < len(recent) < len(lines)
    oldest = cluster.world.clock.now - timedelta(seconds=65)
    assert all(datetime.fromisoformat(line.split(" ", 1)[0]) > oldest for line in recent)
    since = (cluster.world.clock.now - timedelta(seconds=65)).isoformat()
    assert len(await _read(admin, launcher, container="compute", sinceTime=since)) == len(recent)
    async with admin.get(_path(launcher), params={"container": "compute", "limitBytes": "10"}) as response:
        assert len(await response.read()) == 10


async def test_the_console_log_is_the_guest_s_output(launcher: Object, admin: aiohttp.ClientSession) -> None:
    lines = await _read(admin, launcher, container="guest-console-log")
    assert any("Linux version" in line for line in lines)
    assert lines[-1].startswith("one login:")


async def test_following_shows_what_is_new_until_the_pod_ends(
    cluster: RunningCluster, launcher: Object, admin: aiohttp.ClientSession
) -> None:
    query = {"container": "compute", "follow": "true", "tailLines": "1"}
    async with admin.get(_path(launcher), params=query) as response, asyncio.timeout(20):
        last = await response.content.readline()
        cluster.advance(60)
        new = await response.content.readline()
        assert json.loads(new)["timestamp"] > json.loads(last)["timestamp"]
        stop = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachines/one/stop"
        async with admin.put(stop, headers={"Accept": "*/*"}) as stopped:
            assert stopped.status == 202
        cluster.advance(300)
        await response.content.read()


async def test_following_the_console_log(
    cluster: RunningCluster, launcher: Object, admin: aiohttp.ClientSession
) -> None:
    query = {"container": "guest-console-log", "follow": "true", "tailLines": "0"}
    async with admin.get(_path(launcher), params=query) as response, asyncio.timeout(20):
        reset = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachineinstances/one/reset"
        async with admin.put(reset, headers={"Accept": "*/*"}) as done:
            assert done.status == 200
        cluster.advance(5)
        seen = b""
        while b"Linux version" not in seen:
            seen += await response.content.readline()


async def test_the_console_log_goes_on_byte_for_byte_from_within_a_line(
    cluster: RunningCluster, launcher: Object, admin: aiohttp.ClientSession
) -> None:
    vmi = cluster.world.storage.get(kinds.VMI, "shop", "one")
    guest = cluster.server.consoles.machines.of(vmi).guest
    said = b""
    query = {"container": "guest-console-log", "follow": "true"}
    async with admin.get(_path(launcher), params=query) as response, asyncio.timeout(20):
        guest.receive(b"root")
        while b"one login: " not in said:
            said += await response.content.readany()
        guest.receive(b"\rsecret\r")
        while b"Password: \r\n" not in said:
            said += await response.content.readany()
    log = guest.log.since(0)[0] + guest.log.unfinished
    assert log.startswith(said)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"container": "nope"}, 400, "container nope is not valid for pod virt-launcher-one-"),
        ({"container": "compute", "previous": "true"}, 400, 'previous terminated container "compute" in pod'),
        ({"container": "compute", "tailLines": "-1"}, 422, "must be greater than or equal to 0"),
        ({"container": "compute", "sinceSeconds": "0"}, 422, "must be greater than 0"),
        ({"container": "compute", "sinceTime": "yesterday"}, 400, "cannot parse"),
        ({"container": "compute", "tailLines": "many"}, 400, "invalid syntax"),
    ],
)
async def test_bad_options(
    launcher: Object, admin: aiohttp.ClientSession, query: dict[str, str], status: int, words: str
) -> None:
    assert words in (await fetch(admin, _path(launcher), params=query, status=status))["message"]


async def test_a_pod_without_a_node_has_no_log(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    obj = machine("huge", strategy="Always")
    obj["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "100Ti"
    await create(admin, obj)
    cluster.advance(30)
    pod = next(
        pod
        for pod in cluster.world.storage.list(kinds.POD, "shop")
        if pod["metadata"].get("annotations", {}).get("kubevirt.io/domain") == "huge"
    )
    answer = await fetch(admin, _path(pod), params={"container": "compute"}, status=400)
    assert answer["message"] == f"pod {pod['metadata']['name']} does not have a host assigned"


async def test_a_container_must_be_named_where_there_are_several(
    launcher: Object, admin: aiohttp.ClientSession
) -> None:
    answer = await fetch(admin, _path(launcher), status=400)
    assert "a container name must be specified" in answer["message"]
    assert "guest-console-log" in answer["message"]
