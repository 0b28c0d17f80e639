"""A storm of changes on demand: what a large fleet's watches look like on a bad day, for measures."""

from __future__ import annotations

import asyncio
import contextlib

from kvtui.demo.kinds import VMI
from kvtui.demo.storage import Object
from kvtui.demo.world import World

_TICK = 0.02
"""Seconds between two bursts."""


class Churn:
    """Changes VMIs one after the other at a steady rate, each by a new address of its first interface."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._task: asyncio.Task[None] | None = None
        self._changes = 0

    def start(self, rate: float, seconds: float, *, visible: bool) -> int:
        """Make about ``rate * seconds`` changes; `visible` has them all on the machine that lists put first by name.

        How many running machines take part.
        """
        machines = [
            (obj["metadata"]["name"], obj["metadata"]["namespace"])
            for obj in self._world.storage.list(VMI)
            if obj.get("status", {}).get("phase") == "Running"
        ]
        machines.sort()
        if visible:
            machines = machines[:1]
        if machines:
            self.cancel()
            self._task = asyncio.get_running_loop().create_task(self._run(machines, rate, seconds))
        return len(machines)

    def cancel(self) -> None:
        """End the storm."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def stop(self) -> None:
        """End the storm and wait until it has."""
        task = self._task
        self.cancel()
        if task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self, machines: list[tuple[str, str]], rate: float, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        begun, done, total = loop.time(), 0, max(1, round(rate * seconds))
        while done < total:
            due = min(total, max(1, int((loop.time() - begun) * rate)))
            while done < due:
                name, namespace = machines[done % len(machines)]
                self._change(namespace, name)
                done += 1
            await asyncio.sleep(_TICK)

    def _change(self, namespace: str, name: str) -> None:
        number = self._changes = self._changes + 1
        address = f"10.{129 + number % 100}.{number // 100 % 250}.{number % 250}"

        def readdress(obj: Object) -> None:
            interfaces = obj.get("status", {}).get("interfaces") or [{}]
            interfaces[0]["ipAddress"] = address

        self._world.storage.modify(VMI, namespace, name, readdress)
