"""KubeVirt's subresources on the wire, the serial console among them; metrics and evictions."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from PIL import Image

from kvtui.demo import kinds
from kvtui.demo.storage import Object
from tests.cluster import RunningCluster
from tests.demo.wire import SUBRESOURCES, create, fetch, machine, vms

_PROTOCOL = "plain.kubevirt.io"


def _sub(name: str, verb: str, resource: str = "virtualmachineinstances", namespace: str = "shop") -> str:
    return f"{SUBRESOURCES}/namespaces/{namespace}/{resource}/{name}/{verb}"


async def _put(session: aiohttp.ClientSession, path: str, body: Any = None) -> tuple[int, str]:
    async with session.put(path, json=body, headers={"Accept": "*/*"}) as response:
        return response.status, await response.text()


@pytest.fixture
async def running(cluster: RunningCluster, admin: aiohttp.ClientSession) -> RunningCluster:
    """With a machine shop/one that runs, its agent connected."""
    obj = machine("one", strategy="Always")
    obj["spec"]["template"]["spec"]["evictionStrategy"] = "LiveMigrate"
    await create(admin, obj)
    cluster.advance(300)
    return cluster


def _vmi(cluster: RunningCluster, name: str = "one") -> Object:
    return cluster.world.storage.get(kinds.VMI, "shop", name)


async def test_stop_and_start(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    assert await _put(admin, _sub("one", "stop", "virtualmachines"), {}) == (202, "")
    running.advance(120)
    assert running.world.storage.find(kinds.VMI, "shop", "one") is None
    assert await _put(admin, _sub("one", "start", "virtualmachines")) == (202, "")
    running.advance(120)
    assert _vmi(running)["status"]["phase"] == "Running"


async def test_pause_and_unpause(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    assert await _put(admin, _sub("one", "pause"), {"dryRun": ["All"]}) == (200, "")
    assert await _put(admin, _sub("one", "pause"), {}) == (200, "")
    status, text = await _put(admin, _sub("one", "pause"), {})
    assert (status, "VMI is already paused" in text) == (409, True)
    assert await _put(admin, _sub("one", "unpause"), {}) == (200, "")


async def test_migration_through_the_subresource(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    source = _vmi(running)["status"]["nodeName"]
    assert await _put(admin, _sub("one", "migrate", "virtualmachines"), {}) == (202, "")
    status, text = await _put(admin, _sub("one", "migrate", "virtualmachines"), {})
    assert (status, "in-flight migration detected" in text) == (500, True)
    running.advance(300)
    assert _vmi(running)["status"]["nodeName"] != source


@pytest.mark.parametrize("body", ["{", '{"gracePeriod": "soon"}', "[]", '{"dryRun": true}'])
async def test_bad_options(running: RunningCluster, admin: aiohttp.ClientSession, body: str) -> None:
    async with admin.put(_sub("one", "stop", "virtualmachines"), data=body, headers={"Accept": "*/*"}) as response:
        answer = await response.json()
    assert answer["code"] == 400
    assert answer["message"].startswith("Can not unmarshal Request body to struct, error: json: ")


async def test_the_agent_answers(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    info = await fetch(admin, _sub("one", "guestosinfo"))
    assert info["kind"] == "VirtualMachineInstanceGuestAgentInfo"
    assert info["os"] == _vmi(running)["status"]["guestOSInfo"]
    disks = await fetch(admin, _sub("one", "filesystemlist"))
    assert all(0 < item["usedBytes"] < item["totalBytes"] for item in disks["items"])
    assert (await fetch(admin, _sub("one", "userlist")))["kind"] == "VirtualMachineInstanceGuestOSUserList"


async def test_an_agent_that_is_not_there_is_500_in_plain_text(
    running: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    def forget(vmi: Object) -> None:
        vmi["status"]["conditions"] = [item for item in vmi["status"]["conditions"] if item["type"] != "AgentConnected"]

    running.world.storage.modify(kinds.VMI, "shop", "one", forget)
    async with admin.get(_sub("one", "guestosinfo")) as response:
        assert (response.status, response.content_type) == (500, "text/plain")
        assert (await response.text()).endswith("VMI does not have guest agent connected")


async def _screen(admin: aiohttp.ClientSession, name: str) -> Image.Image:
    async with admin.get(_sub(name, "vnc/screenshot")) as response:
        assert (response.status, response.content_type) == (200, "image/png")
        picture = Image.open(io.BytesIO(await response.read()))
    picture.load()
    return picture.convert("RGB")


async def test_a_screenshot_is_a_text_console(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    picture = await _screen(admin, "one")
    assert picture.size == (720, 400), "80 by 25 cells of VGA"
    colours = {colour for _, colour in picture.getcolors() or ()}
    assert {(0, 0, 0), (170, 170, 170), (0, 170, 0), (255, 255, 255)} <= colours, "the OK of units is green"


async def test_a_screen_shows_the_firmware_while_the_machine_boots(
    running: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    before = await _screen(admin, "one")
    async with admin.put(_sub("one", "reset"), headers={"Accept": "*/*"}) as response:
        assert response.status == 200
    running.advance(0.2)
    firmware = await _screen(admin, "one")
    dark = (0, 80, 720, 400)
    assert firmware.crop(dark).getcolors() == [(720 * 320, (0, 0, 0))], "two lines, and nothing below"
    running.advance(60)
    assert (await _screen(admin, "one")).tobytes() == before.tobytes(), "the console waits at its login again"


async def test_windows_shows_its_lock_screen(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    obj = machine("glass", strategy="Always")
    obj["spec"]["template"]["metadata"] = {"annotations": {"vm.kubevirt.io/os": "windows"}}
    await create(admin, obj)
    cluster.advance(300)
    assert (await _screen(admin, "glass")).size == (1024, 768)


async def test_a_screenshot_is_not_for_edit(running: RunningCluster) -> None:
    # kube-apiserver lets `vnc` pass, virt-api looks at the whole of `vnc/screenshot`.
    async with running.session("edit") as session, session.get(_sub("one", "vnc/screenshot")) as response:
        assert (response.status, response.content_type) == (401, "text/plain")


async def test_expand_spec_and_versions(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    expanded = await fetch(admin, _sub("one", "expand-spec", "virtualmachines"))
    assert expanded["spec"] == (await fetch(admin, vms("shop", "one")))["spec"]
    assert (await fetch(admin, f"{SUBRESOURCES}/version"))["gitVersion"].startswith("v1.")


async def test_unknown_subresources(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with admin.get(_sub("one", "nothing")) as response:
        assert response.status == 404


# The console


@pytest.fixture
async def console(
    running: RunningCluster, admin: aiohttp.ClientSession
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The serial line of shop/one, which waits at its login prompt."""
    async with admin.ws_connect(_sub("one", "console"), protocols=[_PROTOCOL]) as socket:
        yield socket


async def _until(socket: aiohttp.ClientWebSocketResponse, words: bytes) -> bytes:
    """What comes until these words have come."""
    seen = b""
    while words not in seen:
        message = await socket.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        assert len(message.data) <= 32 * 1024
        seen += message.data
    return seen


async def test_the_console_takes_what_is_typed(console: aiohttp.ClientWebSocketResponse) -> None:
    assert console.protocol == _PROTOCOL
    await console.send_bytes(b"root\r")
    await _until(console, b"assword")
    await console.send_bytes(b"anything\r")
    await _until(console, b"# ")
    await console.send_bytes(b"uname\r")
    await _until(console, b"Linux")


async def test_text_frames_are_dropped(console: aiohttp.ClientWebSocketResponse) -> None:
    await console.send_str("root\r")
    await console.send_bytes(b"\r")
    assert b"root" not in await _until(console, b"login: ")


async def test_a_second_client_cuts_the_first_off(
    console: aiohttp.ClientWebSocketResponse, admin: aiohttp.ClientSession
) -> None:
    async with admin.ws_connect(_sub("one", "console")) as second:
        message = await console.receive(timeout=10)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert console.close_code == 1006
        await second.send_bytes(b"\r")
        await _until(second, b"login: ")


async def _start(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    """Start shop/late, and let it come as far as its node."""
    await create(admin, machine("late"))
    cluster.advance(5)
    assert await _put(admin, _sub("late", "start", "virtualmachines")) == (202, "")
    for _ in range(600):
        vmi = cluster.world.storage.find(kinds.VMI, "shop", "late")
        if vmi is not None and vmi["status"].get("phase") == "Scheduled":
            return
        cluster.advance(0.1)
    raise AssertionError("it was never Scheduled")


async def test_who_is_there_before_the_guest_sees_its_first_line(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    await _start(cluster, admin)
    async with admin.ws_connect(_sub("late", "console")) as socket:
        await socket.send_bytes(b"typed into the void\r")
        cluster.advance(60)
        assert (await _until(socket, b"login: ")).startswith(b"SeaBIOS")


async def test_a_second_client_cuts_off_who_waits_for_the_guest(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    await _start(cluster, admin)
    async with (
        admin.ws_connect(_sub("late", "console")) as first,
        admin.ws_connect(_sub("late", "console")) as second,
    ):
        assert (await first.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSED
        cluster.advance(60)
        await _until(second, b"SeaBIOS")


async def test_waiting_for_a_guest_ends_with_its_instance(
    cluster: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    await _start(cluster, admin)
    async with admin.ws_connect(_sub("late", "console")) as socket:
        cluster.world.handler.end_guest("shop", "late", crashed=True)
        assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSED


async def test_the_line_breaks_when_the_machine_stops(
    running: RunningCluster, console: aiohttp.ClientWebSocketResponse, admin: aiohttp.ClientSession
) -> None:
    await _put(admin, _sub("one", "stop", "virtualmachines"), {})
    running.advance(120)
    while not console.closed:
        await console.receive(timeout=10)
    assert console.close_code == 1006


async def test_the_line_breaks_when_the_machine_moves(
    running: RunningCluster, console: aiohttp.ClientWebSocketResponse, admin: aiohttp.ClientSession
) -> None:
    await _put(admin, _sub("one", "migrate", "virtualmachines"), {})
    running.advance(300)
    while not console.closed:
        await console.receive(timeout=10)
    assert console.close_code == 1006


async def test_a_reset_boots_on_the_same_line(
    running: RunningCluster, console: aiohttp.ClientWebSocketResponse, admin: aiohttp.ClientSession
) -> None:
    assert await _put(admin, _sub("one", "reset"), {}) == (200, "")
    running.advance(5)
    await _until(console, b"Linux version")
    running.advance(60)
    await _until(console, b"login: ")


async def test_poweroff_in_the_guest_ends_the_instance(
    running: RunningCluster, console: aiohttp.ClientWebSocketResponse
) -> None:
    await console.send_bytes(b"root\r")
    await _until(console, b"assword")
    await console.send_bytes(b"x\r")
    await _until(console, b"# ")
    uid = _vmi(running)["metadata"]["uid"]
    await console.send_bytes(b"poweroff\r")
    while not console.closed:
        running.advance(1)
        async with asyncio.timeout(10):
            await console.receive()
    present = running.world.storage.find(kinds.VMI, "shop", "one")
    assert present is None or present["metadata"]["uid"] != uid or present["status"]["phase"] == "Succeeded"


async def test_a_paused_machine_is_silent(
    running: RunningCluster, console: aiohttp.ClientWebSocketResponse, admin: aiohttp.ClientSession
) -> None:
    await _put(admin, _sub("one", "pause"), {})
    await console.send_bytes(b"lost\r")
    await console.ping()
    # The answer to a request that came later shows that the line was read.
    await fetch(admin, "/version")
    await _put(admin, _sub("one", "unpause"), {})
    await console.send_bytes(b"\r")
    assert b"lost" not in await _until(console, b"login: ")


async def test_consoles_end_with_the_server(running: RunningCluster, console: aiohttp.ClientWebSocketResponse) -> None:
    await running.server.stop()
    while not console.closed:
        await console.receive(timeout=10)
    assert console.close_code == 1006


async def test_a_machine_without_a_line(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    obj = machine("mute", strategy="Always")
    obj["spec"]["template"]["spec"]["domain"]["devices"]["autoattachSerialConsole"] = False
    await create(admin, obj)
    cluster.advance(120)
    answer = await fetch(admin, _sub("mute", "console"), status=400)
    assert answer["message"] == "No serial consoles are present."


# Evictions and metrics


async def test_eviction_of_a_machine_moves_it(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    vmi = _vmi(running)
    pod = next(
        pod["metadata"]["name"]
        for pod in running.world.storage.list(kinds.POD, "shop")
        if pod["metadata"].get("annotations", {}).get("kubevirt.io/domain") == "one"
    )
    path = f"/api/v1/namespaces/shop/pods/{pod}/eviction"
    dry = {"deleteOptions": {"dryRun": ["All"]}}
    before = running.world.storage.revision
    await fetch(admin, path, method="POST", json=dry, status=429)
    assert running.world.storage.revision == before
    first = await fetch(admin, path, method="POST", json={"metadata": {"name": pod}}, status=429)
    assert first["message"] == (
        'admission webhook "virt-launcher-eviction-interceptor.kubevirt.io" denied the request: '
        'Eviction triggered evacuation of VMI "shop/one"'
    )
    assert "reason" not in first
    again = await fetch(admin, path, method="POST", json={"metadata": {"name": pod}}, status=429)
    assert "Evacuation in progress: Eviction triggered evacuation" in again["message"]
    running.advance(300)
    assert _vmi(running)["status"]["nodeName"] != vmi["status"]["nodeName"]


async def test_eviction_of_an_ordinary_pod_deletes_it(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    pod = next(
        pod for pod in cluster.world.storage.list(kinds.POD) if "kubevirt.io" not in pod["metadata"].get("labels", {})
    )
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    assert (await fetch(admin, f"{path}/eviction", method="POST", json={}, status=201))["status"] == "Success"
    assert (await fetch(admin, path))["metadata"]["deletionTimestamp"]


async def test_virt_handler_tells_how_far_a_migration_is(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    node = _vmi(running)["status"]["nodeName"]
    pod = next(
        pod["metadata"]
        for pod in running.world.storage.list(kinds.POD)
        if pod["spec"].get("nodeName") == node and pod["metadata"]["labels"].get("kubevirt.io") == "virt-handler"
    )
    pods = f"/api/v1/namespaces/{pod['namespace']}/pods"
    path = f"{pods}/https:{pod['name']}:8443/proxy/metrics"
    await _put(admin, _sub("one", "migrate", "virtualmachines"), {})
    sent: dict[str, float] = {}
    for _ in range(60):
        running.advance(1)
        async with admin.get(path) as response:
            assert response.status == 200
            lines = [line.split() for line in (await response.text()).splitlines() if 'name="one"' in line]
        sent = {line[0].partition("{")[0]: float(line[1]) for line in lines}
        if sent.get("kubevirt_vmi_migration_data_processed_bytes"):
            break
    assert sent["kubevirt_vmi_migration_data_remaining_bytes"] > 0
    assert sent["kubevirt_vmi_migration_memory_transfer_rate_bytes"] > 0
    await fetch(admin, f"{pods}/https:{pod['name']}:9999/proxy/metrics", status=503)
    async with running.session("view") as viewer:
        await fetch(viewer, path, status=403)


async def test_metrics_move_slowly(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    path = "/apis/metrics.k8s.io/v1beta1/nodes"
    before = await fetch(admin, path)
    assert before["kind"] == "NodeMetricsList"
    assert await fetch(admin, path) == before
    cluster.advance(30)
    after = await fetch(admin, path)
    assert [item["metadata"]["name"] for item in after["items"]] == [
        item["metadata"]["name"] for item in before["items"]
    ]
    assert after != before
    one = after["items"][0]["metadata"]["name"]
    assert (await fetch(admin, f"{path}/{one}")) == after["items"][0]
    await fetch(admin, f"{path}/nope", status=404)


async def test_metrics_of_running_pods(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"
    items = (await fetch(admin, path))["items"]
    pods = {pod["metadata"]["name"]: pod for pod in running.world.storage.list(kinds.POD, "shop")}
    assert items
    for item in items:
        containers = [container["name"] for container in pods[item["metadata"]["name"]]["spec"]["containers"]]
        assert [container["name"] for container in item["containers"]] == containers
        assert item["containers"][0]["usage"]["cpu"].endswith("n")
    await fetch(admin, f"{path}/nope", status=404)
    await fetch(admin, path, method="POST", json={}, status=405)
