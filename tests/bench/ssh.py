"""A guest that floods its shell: how fast its bytes come, and how long the screen's loop is kept from its turns."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncssh

from kvtui.backends.ssh import open_shell
from tests.wire.sshserver import VM, User, ssh_server, wire_to

SECONDS = 4.0
"""Of each measurement."""
_LINE = b"\x1b[32m00000000\x1b[0m the quick brown fox jumps over the lazy dog ================\r\n"


class Flood(NamedTuple):
    """What one way to read a flooding shell costs: MiB a second, and milliseconds that turns of the loop came late."""

    rate: float
    late: list[float]


async def _pour(process: asyncssh.SSHServerProcess[bytes]) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while True:
            process.stdout.write(_LINE * 500)
            await process.stdout.drain()


async def _serve() -> None:
    async with ssh_server(shell=_pour) as port:
        print(port, flush=True)
        # Until whoever started it leaves.
        await asyncio.to_thread(sys.stdin.read)


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.ssh", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def _measure(read: Callable[[], Awaitable[bytes]]) -> Flood:
    late: list[float] = []

    async def watch() -> None:
        while True:
            due = time.monotonic() + 0.005
            await asyncio.sleep(0.005)
            late.append(1000 * (time.monotonic() - due))

    watching = asyncio.create_task(watch())
    begun, size = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < SECONDS:
        size += len(await read())
    watching.cancel()
    return Flood(size / passed / 2**20, late)


async def _in_a_thread() -> Flood:
    async with _server() as port:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "known_hosts"
            shell = await open_shell(await wire_to(port), VM, user="root", asker=User("yes", "right"), known_hosts=file)
            flood = await _measure(shell.read)
            await shell.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ssh ")]
    return flood


async def _in_the_loop() -> Flood:
    """For comparison: asyncssh in the loop that should draw the screen."""
    async with (
        _server() as port,
        asyncssh.connect(
            "127.0.0.1", port, username="root", password="right", known_hosts=None, client_keys=None, config=None
        ) as connection,
    ):
        process = await connection.create_process(term_type="xterm", encoding=None)

        async def read() -> bytes:
            data: bytes = await process.stdout.read(65_536)
            # As with any stream whose bytes are there already.
            await asyncio.sleep(0)
            return data

        flood = await _measure(read)
        connection.abort()
    return flood


def floods() -> Iterator[tuple[str, Flood]]:
    """Both ways, measured one after the other."""
    yield "in its thread", asyncio.run(_in_a_thread())
    yield "in the loop, for comparison", asyncio.run(_in_the_loop())


if __name__ == "__main__":
    asyncio.run(_serve())
