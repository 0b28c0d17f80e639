"""Sockets, ports and shells behind real ssh servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from kvtui.backends.ssh import Tunnel
from kvtui.backends.ssh.pace import Pace
from kvtui.errors import ForbiddenError, KvtuiError, UnreachableError
from kvtui.hops import parse_route
from tests.ssh.sshd import SSHD, Sshd, running_sshd
from tests.ssh.support import opened, trusted
from tests.wire.sshserver import User
from tests.wire.support import eventually

pytestmark = pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write(b"!")
    writer.close()


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while True:
            writer.write(bytes(65_536))
            await writer.drain()


@contextlib.asynccontextmanager
async def listening(place: Path | None = None, serve: Serve = echo) -> AsyncIterator[int]:
    """A server on a unix socket, or on the port that it yields."""
    if place is not None:
        server = await asyncio.start_unix_server(serve, place)
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield 0 if place is not None else server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def answer(tunnel: Tunnel, said: bytes) -> bytes:
    """What comes back through a tunnel, to its end."""
    opening = (
        asyncio.open_unix_connection(tunnel.path) if tunnel.path else asyncio.open_connection("127.0.0.1", tunnel.port)
    )
    reader, writer = await opening
    writer.write(said)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def sshd(home: Path, key: asyncssh.SSHKey, name: str = "gate", options: str = "") -> AsyncIterator[Sshd]:
    async with running_sshd(home / name, key, options=options) as server:
        file = home / ".ssh" / "known_hosts"
        trusted(home, file.read_text() if file.exists() else "", server.known)
        yield server


async def test_a_socket_is_private_and_leads_to_the_one_behind_the_hop(home: Path, key: asyncssh.SSHKey) -> None:
    async with listening(home / "remote"), sshd(home, key) as gate, opened(User()) as routes:
        tunnel = await routes.forward_socket(parse_route(gate.hop), str(home / "remote"))
        folder = Path(tunnel.path).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        text = os.urandom(300_000)
        assert await answer(tunnel, text) == text + b"!"
        assert tunnel.trouble is None
        await tunnel.close()
        assert not folder.exists()
        with pytest.raises(OSError, match="No such file"):
            await answer(tunnel, b"")


async def test_routes_share_the_hops_that_they_have_in_common(home: Path, key: asyncssh.SSHKey) -> None:
    async with (
        listening() as port,
        sshd(home, key, "gate", "ForceCommand /bin/false\nPermitTTY no") as gate,
        sshd(home, key, "one") as one,
        sshd(home, key, "two") as two,
        opened(User()) as routes,
    ):
        ways = [f"{gate.hop},{one.hop}", f"{gate.hop},{two.hop}", f"{gate.hop},{one.hop}", gate.hop]
        tunnels = await asyncio.gather(*(routes.forward_port(parse_route(way), "127.0.0.1", port) for way in ways))
        for tunnel in tunnels:
            assert await answer(tunnel, b"hello") == b"hello!"
        assert [hop.logins for hop in (gate, one, two)] == [1, 1, 1]


async def test_a_cut_is_told_with_its_cause_and_the_tunnel_serves_again(home: Path, key: asyncssh.SSHKey) -> None:
    async with (
        listening(home / "remote"),
        sshd(home, key, "gate") as gate,
        sshd(home, key, "host") as host,
        opened(User()) as routes,
    ):
        tunnel = await routes.forward_socket(parse_route(f"{gate.hop},{host.hop}"), str(home / "remote"))
        cuts: list[KvtuiError] = []
        tunnel.on_cut = cuts.append
        reader, writer = await asyncio.open_unix_connection(tunnel.path)
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        gate.cut()
        # Whoever is on it learns it, and so does whoever watches the tunnel: in the words of the hop that is gone.
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await eventually(lambda: cuts)
        assert str(cuts[0]).startswith(f"the ssh connection to 127.0.0.1:{gate.port} was cut")
        assert tunnel.trouble is cuts[0]
        assert await answer(tunnel, b"again") == b"again!"
        assert (len(cuts), gate.logins, host.logins) == (1, 2, 2)
        await eventually(lambda: tunnel.trouble is None)


async def test_while_the_hop_is_down_the_tunnel_says_why(home: Path, key: asyncssh.SSHKey) -> None:
    async with listening() as port, sshd(home, key) as gate, opened(User()) as routes:
        tunnel = await routes.forward_port(parse_route(gate.hop), "127.0.0.1", port)
        await gate.go_down()
        await eventually(lambda: tunnel.trouble is not None)
        with pytest.raises(ConnectionResetError):
            await answer(tunnel, b"")
        words = f"cannot connect to 127.0.0.1:{gate.port} over ssh: Connection refused"
        await eventually(lambda: str(tunnel.trouble) == words, lambda: str(tunnel.trouble))


async def test_a_hop_that_hangs_is_noticed(home: Path, key: asyncssh.SSHKey) -> None:
    async with listening() as port, sshd(home, key) as gate, opened(User(), Pace(keepalive=0.3)) as routes:
        tunnel = await routes.forward_port(parse_route(gate.hop), "127.0.0.1", port)
        cuts: list[KvtuiError] = []
        tunnel.on_cut = cuts.append
        frozen = gate.connections
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            await eventually(lambda: cuts)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGKILL)
        assert "Server not responding to keepalive" in str(cuts[0])
        # Only the connection hung; the server takes another one.
        assert await answer(tunnel, b"hello") == b"hello!"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ("AllowStreamLocalForwarding no", UnreachableError, "may forbid it, too (AllowStreamLocalForwarding)"),
        ("", UnreachableError, "cannot connect to /nowhere/socket"),
    ],
)
async def test_what_the_hop_refuses_is_said_before_anything_listens(
    home: Path, key: asyncssh.SSHKey, options: str, error: type[KvtuiError], words: str
) -> None:
    async with sshd(home, key, options=options) as gate, opened(User()) as routes:
        with pytest.raises(error) as failure:
            await routes.forward_socket(parse_route(gate.hop), "/nowhere/socket")
        assert words in str(failure.value)


async def test_a_hop_behind_one_that_does_not_let_us_through(home: Path, key: asyncssh.SSHKey) -> None:
    async with sshd(home, key, options="PermitOpen 127.0.0.1:1") as gate, opened(User()) as routes:
        dialer = routes.dialer(parse_route(f"{gate.hop},127.0.0.1:2"))
        with pytest.raises(ForbiddenError, match=r"through to 127.0.0.1:2") as failure:
            await dialer.prepare()
        assert failure.value.hint == "see PermitOpen and AllowTcpForwarding in its sshd_config"
        with pytest.raises(UnreachableError, match=f"127.0.0.1:{gate.port} cannot connect to 127.0.0.1:1"):
            await routes.dialer(parse_route(f"{gate.hop},127.0.0.1:1")).prepare()


async def test_a_shell_of_the_hop_has_a_size_and_a_status(home: Path, key: asyncssh.SSHKey) -> None:
    async with sshd(home, key) as gate, opened(User()) as routes:
        shell = await routes.open_shell(parse_route(gate.hop), 91, 31)
        await shell.write(b"stty size\n")
        text = await read_until(shell.read, b"31 91")
        shell.resize(77, 22)
        await shell.write(b"stty size; exit 3\n")
        text = await read_until(shell.read, b"22 77")
        while piece := await asyncio.wait_for(shell.read(), 10):
            text += piece
        assert shell.exit_status == 3
        with pytest.raises(UnreachableError, match="has ended"):
            await shell.write(b"x")
        await shell.close()
        cut = await routes.open_shell(parse_route(gate.hop), 80, 24)
        gate.cut()
        with pytest.raises(UnreachableError, match=f"the ssh connection to 127.0.0.1:{gate.port} was cut"):
            await read_until(cut.read, b"nothing that it says")


async def read_until(read: Callable[[], Coroutine[Any, Any, bytes]], words: bytes) -> bytes:
    text = b""
    while words not in text:
        piece = await asyncio.wait_for(read(), 10)
        assert piece, text
        text += piece
    return text


async def test_connections_that_come_and_go_leave_nothing(home: Path, key: asyncssh.SSHKey) -> None:
    async with listening() as port, sshd(home, key) as gate, opened(User()) as routes:
        dialer = routes.dialer(parse_route(gate.hop))
        await dialer.prepare()
        await come_and_go(dialer, port)
        before = descriptors()
        await come_and_go(dialer, port)
        await eventually(lambda: descriptors() <= before, lambda: f"{descriptors()} > {before}")


def descriptors() -> int:
    """How many this process has."""
    return len([*Path("/proc/self/fd").iterdir()])


async def come_and_go(dialer: Any, port: int) -> None:
    """Ten that are used, and ten that nobody waits for."""
    for made in await asyncio.gather(*(dialer.dial("127.0.0.1", port) for _ in range(10))):
        reader, writer = await asyncio.open_connection(sock=made)
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        writer.close()
        await writer.wait_closed()
    tasks = [asyncio.create_task(dialer.dial("127.0.0.1", port)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_loop_has_its_turns_while_a_tunnel_floods(home: Path, key: asyncssh.SSHKey) -> None:
    async with listening(serve=flood) as port, sshd(home, key) as gate, opened(User()) as routes:
        tunnel = await routes.forward_port(parse_route(gate.hop), "127.0.0.1", port)
        # Another process reads, as libvirt's own thread would: what is measured is the way through the ssh thread.
        script = f"exec 3<>/dev/tcp/127.0.0.1/{tunnel.port}; exec cat <&3 >/dev/null"
        taker = await asyncio.create_subprocess_exec("bash", "-c", script)
        try:
            lags = []
            end = time.monotonic() + 3
            while (now := time.monotonic()) < end:
                await asyncio.sleep(0.005)
                lags.append(time.monotonic() - now - 0.005)
        finally:
            taker.kill()
            await taker.wait()
    # In the screen's own loop it was a fifth of a second, in 5 of 100 turns.
    assert sorted(lags)[len(lags) * 95 // 100] < 0.1
    assert len(lags) > 50
