"""Real time turned into virtual time, in small ticks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from kvtui.demo.failures import Failures

_TICK = 0.1
"""Seconds between two ticks."""


class Ticker:
    """Advances the world by real time times `speed`; it can be paused."""

    def __init__(self, advance: Callable[[float], None], speed: float, failures: Failures) -> None:
        self.speed = speed
        self.paused = False
        self._advance = advance
        self._failures = failures
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Let time pass from now on; a speed of 0 leaves that to others."""
        if self.speed > 0 and self._task is None:
            self._task = asyncio.create_task(self._run(), name="demo clock")

    async def stop(self) -> None:
        """Let time stand still for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(_TICK)
            now = loop.time()
            if not self.paused:
                self._pass((now - last) * self.speed)
            last = now

    def _pass(self, seconds: float) -> None:
        try:
            self._advance(seconds)
        except Exception as error:  # noqa: BLE001 - boundary: time goes on for everything else
            self._failures.tell("clock", error)
