"""Ports of the simulated machines on the wire: a real ssh server, a small web server, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncssh
import pytest

from kvtui.demo import kinds
from tests.cluster import RunningCluster
from tests.demo.wire import SUBRESOURCES, create, fetch, machine, vms

KEY = asyncssh.generate_private_key("ssh-ed25519")


def port_of(name: str, port: int, *, resource: str = "virtualmachineinstances") -> str:
    return f"{SUBRESOURCES}/namespaces/shop/{resource}/{name}/portforward/{port}"


def networked(name: str, **volumes: Any) -> dict[str, Any]:
    obj = machine(name, strategy="Always")
    spec = obj["spec"]["template"]["spec"]
    spec["networks"] = [{"name": "default", "pod": {}}]
    spec["domain"]["devices"] = {
        "interfaces": [{"name": "default", "masquerade": {}}],
        "disks": [{"name": name, "disk": {"bus": "virtio"}} for name in volumes],
    }
    spec["volumes"] = [{"name": name, **source} for name, source in volumes.items()]
    return obj


@pytest.fixture
async def running(cluster: RunningCluster, admin: aiohttp.ClientSession) -> RunningCluster:
    """With a machine shop/web-1 that has booted, and knows a public key."""
    data = f"#cloud-config\nssh_authorized_keys:\n  - {KEY.export_public_key().decode()}"
    await create(admin, networked("web-1", cloudinit={"cloudInitNoCloud": {"userData": data}}))
    cluster.advance(300)
    return cluster


async def pump(websocket: aiohttp.ClientWebSocketResponse, end: socket.socket) -> None:
    """Copy bytes between a websocket and a socket."""
    reader, writer = await asyncio.open_connection(sock=end)

    async def send() -> None:
        while data := await reader.read(65_536):
            await websocket.send_bytes(data)

    sending = asyncio.create_task(send())
    try:
        async for message in websocket:
            writer.write(message.data)
    finally:
        sending.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def logged_in(
    admin: aiohttp.ClientSession, user: str = "root", **options: Any
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A client at the ssh server of shop/web-1; the password is right unless the options say otherwise."""
    async with admin.ws_connect(port_of("web-1", 22)) as websocket:
        here, there = socket.socketpair()
        pumping = asyncio.create_task(pump(websocket, here))
        chosen = {"password": "any", "client_keys": None, "known_hosts": None, "config": None} | options
        try:
            connection = await asyncssh.run_client(there, host="guest", username=user, **chosen)
            async with connection:
                yield connection
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
            there.close()


async def test_a_second_terminal_of_the_same_machine(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with logged_in(admin) as ssh:
        assert (await ssh.run("echo from afar > /tmp/note; false")).exit_status == 1
        process = await ssh.create_process(term_type="xterm", term_size=(100, 40))
        process.stdin.write("cat /tmp/note; stty size; who\r")
        process.stdin.write("exit\r")
        said = await process.stdout.read()
        assert said is not None
        assert "from afar\r\n" in said
        assert "40 100\r\n" in said
        assert "root     pts/0" in said
        assert process.exit_status == 0


async def test_the_window_s_size_is_followed(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with logged_in(admin) as ssh:
        process = await ssh.create_process(term_type="xterm", term_size=(100, 40))
        process.change_terminal_size(90, 20)
        process.stdin.write("stty size; exit\r")
        said = await process.stdout.read()
        assert said is not None
        assert "20 90\r\n" in said


@pytest.mark.parametrize("program", ["top", "htop", "vi /etc/passwd", "less /etc/passwd"])
async def test_full_screen_programs_draw_in_the_new_size(
    running: RunningCluster, admin: aiohttp.ClientSession, program: str
) -> None:
    async with logged_in(admin) as ssh:
        process = await ssh.create_process(term_type="xterm", term_size=(100, 40))
        process.stdin.write(program + "\r")
        await process.stdout.readuntil("\x1b[40;1H")
        process.change_terminal_size(90, 20)
        await process.stdout.readuntil("\x1b[20;1H")


async def test_the_serial_line_does_not_hear_it(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    vmi = running.world.storage.get(kinds.VMI, "shop", "web-1")
    log = running.server.consoles.machines.of(vmi).guest.log
    before = log.since(0)
    async with logged_in(admin) as ssh:
        await ssh.run("echo loud")
    assert log.since(0) == before


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("uname -n", "web-1\n"),
        ("ls -a /var/empty-not-there", "ls: cannot access '/var/empty-not-there': No such file or directory\n"),
        ("hostname; nonsense", "web-1\n-bash: nonsense: command not found\n"),
    ],
)
async def test_a_command_without_terminal_gets_plain_lines(
    running: RunningCluster, admin: aiohttp.ClientSession, line: str, expected: str
) -> None:
    async with logged_in(admin) as ssh:
        assert (await ssh.run(line)).stdout == expected


async def test_a_command_reads_what_is_sent_to_it(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with logged_in(admin) as ssh:
        assert (await ssh.run("cat", input="one\ntwo\n")).stdout == "one\ntwo\n"


@pytest.mark.parametrize(
    ("user", "options"),
    [
        ("root", {"password": ""}),
        ("mallory", {}),
        ("fedora", {"password": None, "client_keys": [asyncssh.generate_private_key("ssh-ed25519")]}),
    ],
)
async def test_who_may_not_log_in(
    running: RunningCluster, admin: aiohttp.ClientSession, user: str, options: dict[str, Any]
) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        async with logged_in(admin, user, **options):
            pass


async def test_the_key_of_cloud_init_is_accepted(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with logged_in(admin, "fedora", password=None, client_keys=[KEY]) as ssh:
        assert (await ssh.run("whoami")).stdout == "fedora\n"


async def test_the_key_of_a_secret_is_accepted(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    data = {"mine": base64.b64encode(KEY.export_public_key()).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "shop"}, "data": data}
    await fetch(admin, "/api/v1/namespaces/shop/secrets", method="POST", status=201, json=secret)
    obj = networked("web-1")
    obj["spec"]["template"]["spec"]["accessCredentials"] = [
        {"sshPublicKey": {"source": {"secret": {"secretName": "keys"}}, "propagationMethod": {"noCloud": {}}}}
    ]
    await create(admin, obj)
    cluster.advance(300)
    async with logged_in(admin, "fedora", password=None, client_keys=[KEY]) as ssh:
        assert (await ssh.run("whoami")).stdout == "fedora\n"


async def host_key(admin: aiohttp.ClientSession) -> str:
    async with logged_in(admin) as ssh:
        key = ssh.get_server_host_key()
        assert key is not None
        return key.get_fingerprint()


async def test_the_host_key_outlives_a_restart_and_not_the_machine(
    running: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    first = await host_key(admin)
    async with admin.put(
        f"{SUBRESOURCES}/namespaces/shop/virtualmachines/web-1/restart", headers={"Accept": "*/*"}
    ) as done:
        assert done.status == 202
    running.advance(300)
    assert await host_key(admin) == first
    await fetch(admin, vms("shop", "web-1"), method="DELETE")
    running.advance(120)
    await create(admin, networked("web-1"))
    running.advance(300)
    assert await host_key(admin) != first


async def test_a_reboot_ends_the_session_and_the_port_with_it(
    running: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    async with logged_in(admin) as ssh:
        process = await ssh.create_process(term_type="xterm", term_size=(80, 24))
        process.stdin.write("reboot\r")
        await process.stdout.readuntil("reboot")
        running.advance(1)
        with pytest.raises((asyncssh.DisconnectError, asyncssh.ChannelOpenError)):
            await ssh.run("true")
    assert "connection refused" in (await fetch(admin, port_of("web-1", 22), status=500))["message"]


async def test_a_service_that_is_stopped_listens_no_more(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with logged_in(admin) as ssh:
        await ssh.run("systemctl stop nginx")
    assert "connection refused" in (await fetch(admin, port_of("web-1", 80), status=500))["message"]


async def test_a_web_server_answers_and_leaves_without_a_closing_frame(
    running: RunningCluster, admin: aiohttp.ClientSession
) -> None:
    async with admin.ws_connect(port_of("web-1", 80), protocols=["plain.kubevirt.io"]) as websocket:
        assert websocket.protocol == "plain.kubevirt.io"
        await websocket.send_bytes(b"GET / HTTP/1.1\r\nHost: web-1\r\n\r\n")
        text = b""
        while (message := await websocket.receive(timeout=10)).type is aiohttp.WSMsgType.BINARY:
            text += message.data
        assert text.startswith(b"HTTP/1.1 200 OK\r\n")
        assert text.endswith(b"web-1: it works\n")
        assert message.type is aiohttp.WSMsgType.CLOSED, "virt-api says nothing more"


async def test_the_server_pings_each_second(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with admin.ws_connect(port_of("web-1", 80), autoping=False) as websocket:
        message = await websocket.receive(timeout=10)
        assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PING, b"keep alive")


@pytest.mark.parametrize(("user", "may"), [("edit", True), ("view", False)])
async def test_a_port_is_for_edit_and_not_for_view(running: RunningCluster, user: str, may: bool) -> None:
    async with running.session(user) as session:
        if may:
            async with session.ws_connect(port_of("web-1", 22)) as websocket:
                assert (await websocket.receive()).data.startswith(b"SSH-2.0")
        else:
            async with session.get(port_of("web-1", 22)) as response:
                assert response.status == 403
                assert "virtualmachineinstances/portforward" in await response.text()


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (port_of("web-1", 443), 500, "Internal error occurred: dialing VM: dial tcp "),
        (port_of("web-1", 22) + "/udp", 500, "Internal error occurred: dialing VM: dial udp "),
        (port_of("nobody", 22), 404, 'virtualmachineinstance.kubevirt.io "nobody" not found'),
        (port_of("idle", 22), 404, 'virtualmachineinstance.kubevirt.io "idle" not found'),
        (port_of("idle", 22, resource="virtualmachines"), 409, "VMI is not started"),
        (port_of("bare", 22), 400, "no network interfaces are present"),
        (port_of("asleep", 22), 409, "VMI is paused"),
        (port_of("glass", 22), 500, "connection refused"),
    ],
)
async def test_ports_that_cannot_be_reached(
    running: RunningCluster, admin: aiohttp.ClientSession, path: str, status: int, words: str
) -> None:
    windows = networked("glass")
    windows["spec"]["template"]["metadata"] = {"annotations": {"vm.kubevirt.io/os": "windows"}}
    for obj in (machine("idle"), machine("bare", strategy="Always"), networked("asleep"), windows):
        await create(admin, obj)
    running.advance(300)
    async with admin.put(
        f"{SUBRESOURCES}/namespaces/shop/virtualmachineinstances/asleep/pause", headers={"Accept": "*/*"}
    ) as done:
        assert done.status == 200
    assert words in (await fetch(admin, path, status=status))["message"]


async def test_connections_break_when_the_machine_stops(running: RunningCluster, admin: aiohttp.ClientSession) -> None:
    async with admin.ws_connect(port_of("web-1", 22)) as websocket:
        assert (await websocket.receive_bytes(timeout=10)).startswith(b"SSH-2.0-OpenSSH")
        async with admin.put(
            f"{SUBRESOURCES}/namespaces/shop/virtualmachines/web-1/stop", headers={"Accept": "*/*"}
        ) as done:
            assert done.status == 202
        running.advance(120)
        while (message := await websocket.receive(timeout=10)).type is aiohttp.WSMsgType.BINARY:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
