"""``make screenshots``: the pictures of the README, drawn by the program itself on the demo cluster."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from kvtui.audit import AuditLog
from kvtui.backends.base import Backend
from kvtui.backends.kubernetes.client import connect
from kvtui.backends.libvirt.client import Place
from kvtui.backends.libvirt.client import connect as connect_host
from kvtui.config import Settings
from kvtui.demo.pool import write_hosts
from kvtui.fleet import Fleet
from kvtui.ui.app import KvtuiApp
from kvtui.ui.hacks import screen_text
from tests.cluster import RunningCluster, running_cluster

FOLDER = Path(__file__).parent.parent / "screenshots"
_PATIENCE = 30.0


class Camera:
    """The running program and the way to its pictures."""

    def __init__(self, app: KvtuiApp, pilot: Pilot[int], cluster: RunningCluster) -> None:
        self._app = app
        self._pilot = pilot
        self.cluster = cluster

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self._pilot.press(*keys)

    async def wait_for(self, pattern: str) -> None:
        """Wait until the pattern is on the screen."""
        end = time.monotonic() + _PATIENCE
        while not re.search(pattern, screen_text(self._app)):
            if time.monotonic() > end:
                raise TimeoutError(f"{pattern!r} did not come:\n{screen_text(self._app)}")
            await asyncio.sleep(0.05)

    async def settle(self, seconds: float = 1.0) -> None:
        """Let what was pressed be drawn."""
        await asyncio.sleep(seconds)

    def take(self, name: str) -> None:
        """Save the picture."""
        svg = self._app.export_screenshot(title="kvtui", simplify=True)
        (FOLDER / f"{name}.svg").write_text(re.sub(r"terminal-\d+-", "terminal-", svg), encoding="utf-8")
        print(f"screenshots/{name}.svg")


@dataclass(frozen=True)
class Picture:
    """One picture: its name, the size of the terminal, and what to do before it is taken."""

    name: str
    size: tuple[int, int]
    prepare: Callable[[Camera], Awaitable[None]]
    theme: str = "kvtui-dark"
    hosts: int = 0
    """Plain hosts beside the cluster."""


async def _show_main(camera: Camera) -> None:
    await camera.settle(3)


async def _show_console(camera: Camera) -> None:
    await camera.press("slash", *"checkout-1", "enter")
    await camera.settle()
    await camera.press("c")
    await camera.wait_for("Connected")
    await camera.press("ctrl+u", "enter")
    await camera.wait_for("login:")
    await camera.press(*"root", "enter")
    await camera.wait_for("assword:")
    await camera.press("x", "enter")
    await camera.wait_for(r"\[root@\S+ ~\]#")
    await camera.press(*"systemctl status", "enter")
    await camera.settle(2)


async def _show_detail(camera: Camera) -> None:
    await camera.press("exclamation_mark")
    await camera.settle()
    await camera.press("enter")
    await camera.settle(2)


async def _show_hosts(camera: Camera) -> None:
    await camera.wait_for("kvm-2")
    await camera.settle(3)


async def _show_migrate(camera: Camera) -> None:
    await camera.press("slash", *"checkout-1", "enter")
    await camera.settle()
    await camera.press("m")
    await camera.wait_for("cannot take it")


async def _show_problems(camera: Camera) -> None:
    await camera.settle(3)
    await camera.press("P")
    await camera.settle(2)


async def _show_stack(camera: Camera) -> None:
    await camera.press("slash", *"orders-db-2", "enter")
    await camera.settle()
    await camera.press("x")
    await camera.settle(2)


async def _show_timeline(camera: Camera) -> None:
    await camera.press("slash", *"hot-cache-1", "enter")
    await camera.settle()
    await camera.press("t")
    await camera.settle(3)


PICTURES = (
    Picture("main", (160, 45), _show_main),
    Picture("main-light", (160, 45), _show_main, theme="kvtui-light"),
    Picture("narrow", (80, 24), _show_main),
    Picture("console", (180, 45), _show_console),
    Picture("why", (120, 35), _show_detail),
    Picture("problems", (140, 40), _show_problems),
    Picture("stack", (120, 35), _show_stack),
    Picture("timeline", (140, 40), _show_timeline),
    Picture("hosts", (160, 45), _show_hosts, hosts=3),
    Picture("migrate", (120, 35), _show_migrate),
)


async def _draw(picture: Picture) -> None:
    async with running_cluster(size=60, speed=1.0, seed=3, troubles=True) as cluster:
        cluster.advance(120)
        with tempfile.TemporaryDirectory() as state:
            audit = AuditLog(Path(state) / "audit.jsonl")
            hosts = write_hosts(Path(state), picture.hosts)

            async def open_fleet(_contexts: Sequence[str]) -> Fleet:
                backends: list[Backend] = [connect(str(cluster.kubeconfig), None, "", False, audit)]
                backends += (connect_host(Place(name, uri), audit) for name, uri in hosts)
                return Fleet(backends)

            app = KvtuiApp(open_fleet, Settings(theme=picture.theme), where="demo")
            async with app.run_test(size=picture.size, notifications=True) as pilot:
                camera = Camera(app, pilot, cluster)
                await camera.wait_for(r"Running")
                await picture.prepare(camera)
                camera.take(picture.name)


async def main(names: list[str]) -> None:
    """Draw all pictures, or those named."""
    for picture in PICTURES:
        if not names or picture.name in names:
            await _draw(picture)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
