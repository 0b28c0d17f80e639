"""A demo cluster for tests that speak to it over the wire: in this process, or as a process of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from kvtui.demo.certificate import Certificate, make_certificate
from kvtui.demo.kubeconfig import write_kubeconfig
from kvtui.demo.machines import MakeGuest, simulated_guest
from kvtui.demo.server import Server
from kvtui.demo.world import World

SIZE = 20
"""Virtual machines of a test's cluster, where it does not ask for another number."""
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A cluster in this process: its clock stands still unless a speed was given."""

    server: Server
    world: World
    kubeconfig: Path
    url: str

    def token(self, user: str = "admin") -> str:
        """The bearer token of ``admin``, ``edit``, ``view`` or ``none``."""
        return self.server.access.accounts[user].token

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.server.advance(seconds)

    def session(self, user: str | None = "admin", **headers: str) -> aiohttp.ClientSession:
        """A client of the cluster; without a user it is anonymous."""
        if user is not None:
            headers["Authorization"] = f"Bearer {self.token(user)}"
        connector = aiohttp.TCPConnector(ssl=self.server.certificate.client_context())
        return aiohttp.ClientSession(self.url, connector=connector, headers=headers)


@cache
def _keep_certificate() -> Certificate:
    """One for all clusters of this process: to make one takes as long as to make a small world."""
    return make_certificate()


@contextlib.asynccontextmanager
async def running_cluster(
    size: int = SIZE,
    speed: float = 0.0,
    *,
    seed: int = 0,
    troubles: bool = False,
    world: World | None = None,
    bookmark_interval: float = 60.0,
    make_guest: MakeGuest = simulated_guest,
) -> AsyncIterator[RunningCluster]:
    """A cluster on a free port in this process. `speed` 0 lets time pass by `advance` alone."""
    world = world or World(size, seed, troubles=troubles)
    server = Server(
        world,
        speed=speed,
        bookmark_interval=bookmark_interval,
        make_guest=make_guest,
        certificate=_keep_certificate(),
    )
    await server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="kvtui-test-") as folder:
            kubeconfig = Path(folder) / "kubeconfig"
            write_kubeconfig(kubeconfig, server)
            yield RunningCluster(server, world, kubeconfig, server.url)
    finally:
        await server.stop()


@dataclass(frozen=True, slots=True)
class ClusterProcess:
    """A cluster in a process of its own."""

    process: asyncio.subprocess.Process
    kubeconfig: Path
    url: str
    tokens: dict[str, str]
    tls: ssl.SSLContext

    def session(self, user: str = "admin") -> aiohttp.ClientSession:
        """A client of the cluster."""
        connector = aiohttp.TCPConnector(ssl=self.tls)
        return aiohttp.ClientSession(
            self.url, connector=connector, headers={"Authorization": f"Bearer {self.tokens[user]}"}
        )

    async def control(self, name: str, **options: Any) -> Any:
        """Call an endpoint under ``/demo/``, such as ``hang`` or ``compact``."""
        async with self.session() as session, session.post(f"/demo/{name}", json=options) as response:
            response.raise_for_status()
            return await response.json()


@contextlib.asynccontextmanager
async def cluster_process(size: int = SIZE, speed: float = 1.0) -> AsyncIterator[ClusterProcess]:
    """``python -m kvtui.demo`` of such a size and speed, without troubles; it is ended with the block."""
    arguments = [f"--size={size}", f"--speed={speed}", "--quiet", "--with-parent"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kvtui.demo",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield await _described(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), _PATIENCE)


async def _described(process: asyncio.subprocess.Process) -> ClusterProcess:
    if process.stdout is None:
        raise RuntimeError("the process has no standard output")
    line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
    return _cluster(process, Path(line.decode().strip()))


def _cluster(process: asyncio.subprocess.Process, kubeconfig: Path) -> ClusterProcess:
    document = yaml.safe_load(kubeconfig.read_text())
    cluster = document["clusters"][0]["cluster"]
    tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    tokens = {entry["name"].removeprefix("demo-"): entry["user"]["token"] for entry in document["users"]}
    return ClusterProcess(process, kubeconfig, cluster["server"], tokens, tls)
