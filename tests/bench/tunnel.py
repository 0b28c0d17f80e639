"""The way through two real ssh servers: its delay, its rate, and how long it keeps the screen's loop from its turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from kvtui.hops import Route, parse_route
from tests.ssh.sshd import running_sshd
from tests.ssh.support import opened, trusted
from tests.wire.sshserver import User, write_key

SECONDS = 4.0
"""Of the flood."""
_ECHOES = 300


async def _flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while True:
            writer.write(bytes(65_536))
            await writer.drain()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)


async def _serve() -> None:
    servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for serve in (_flood, _echo)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    # Until whoever started it leaves.
    await asyncio.to_thread(sys.stdin.read)


@contextlib.asynccontextmanager
async def _servers() -> AsyncIterator[list[int]]:
    """The ports of a server that floods and of one that echoes, in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.tunnel"]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield [int(port) for port in (await process.stdout.readline()).split()]
    finally:
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def _hops() -> AsyncIterator[Route]:
    """Two servers that know us, in a home of our own."""
    home = os.environ["HOME"]
    with tempfile.TemporaryDirectory(prefix="kvtui-bench-") as folder:
        os.environ["HOME"] = folder
        try:
            key = write_key(Path(folder) / ".ssh" / "id_ed25519")
            async with running_sshd(Path(folder) / "a", key) as a, running_sshd(Path(folder) / "b", key) as b:
                trusted(Path(folder), a.known, b.known)
                yield parse_route(f"{a.hop},{b.hop}")
        finally:
            os.environ["HOME"] = home


async def _echoes(opening: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> list[float]:
    """Milliseconds until 100 bytes come back, each time."""
    reader, writer = opening
    took = []
    for _ in range(_ECHOES):
        begun = time.perf_counter()
        writer.write(bytes(100))
        await reader.readexactly(100)
        took.append(1000 * (time.perf_counter() - begun))
    writer.close()
    return took


async def _lateness(seconds: float) -> list[float]:
    """Milliseconds that turns of this loop come late."""
    late = []
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        await asyncio.sleep(0.005)
        late.append(1000 * (time.monotonic() - begun - 0.005))
    return late


async def _measure() -> list[tuple[str, list[float], str]]:
    async with _servers() as (flooding, echoing), _hops() as route, opened(User()) as routes:
        dialer = routes.dialer(route)
        begun = time.monotonic()
        await dialer.prepare()
        connected = [1000 * (time.monotonic() - begun)]
        direct = await _echoes(await asyncio.open_connection("127.0.0.1", echoing))
        through = await _echoes(await asyncio.open_connection(sock=await dialer.dial("127.0.0.1", echoing)))
        tunnel = await routes.forward_port(route, "127.0.0.1", flooding)
        # Read by another process, so that only the ssh thread takes turns from the loop.
        script = f"exec 3<>/dev/tcp/127.0.0.1/{tunnel.port}; exec wc -c <&3 2>/dev/null"
        taker = await asyncio.create_subprocess_exec("bash", "-c", script, stdout=subprocess.PIPE)
        begun = time.monotonic()
        late = await _lateness(SECONDS)
        passed = time.monotonic() - begun
        await tunnel.close()
        taken, _ = await taker.communicate()
    return [
        ("two hops, logged in to", connected, "ms"),
        ("echo of 100 bytes, direct", direct, "ms"),
        ("echo of 100 bytes, through two hops", through, "ms"),
        ("flood through two hops", [int(taken) / passed / 2**20], "MiB/s"),
        ("flood through two hops: turns of the loop late", late, "ms"),
    ]


def tunnels() -> Iterator[tuple[str, list[float], str]]:
    """What was measured, with its values and their unit."""
    yield from asyncio.run(_measure())


if __name__ == "__main__":
    asyncio.run(_serve())
