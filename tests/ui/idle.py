"""When a running app has nothing left to do: seen, where Textual guesses it from the use of the processor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any
from weakref import WeakSet

import pytest
from textual._context import active_app
from textual.app import App
from textual.screen import Screen

_BREATH = 0.001
"""Seconds in which sockets and pipes have their turn."""
_SOON = 0.02
"""What is due within so many seconds is waited for: the app puts off what may come in several pieces."""


class Idle:
    """Knows what a loop has still to do.

    Textual's own way sleeps 20 ms at a time until the process used less than 1 ms of the processor in such a nap: twice
    for every key, and for up to a second each when anything goes on beside it.
    """

    def __init__(self) -> None:
        self._threads: WeakSet[asyncio.Future[Any]] = WeakSet()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let Textual's pilot wait in this way."""
        monkeypatch.setattr("textual.app.wait_for_idle", self.wait)
        monkeypatch.setattr("textual.pilot.wait_for_idle", self.wait)
        run = asyncio.BaseEventLoop.run_in_executor

        def run_noted(
            loop: asyncio.BaseEventLoop, executor: Executor | None, func: Callable[..., Any], *args: Any
        ) -> asyncio.Future[Any]:
            future = run(loop, executor, func, *args)
            self._threads.add(future)
            return future

        monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", run_noted)

    async def wait(self, _min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
        """Wait until nothing is ready to run or due soon, no frame is to be drawn and no thread computes.

        What never comes to rest is left after `max_sleep` seconds of the processor, which a busy machine gives late; a
        thread that hangs, after so many seconds of the clock.
        """
        app = active_app.get()
        soon = asyncio.get_running_loop().time() + _SOON
        worked, end = time.process_time() + max_sleep, time.monotonic() + max_sleep
        while True:
            await asyncio.sleep(_BREATH)
            if _runs(soon) or _draws(app):
                if time.process_time() > worked:
                    return
            elif time.monotonic() > end or all(future.done() for future in self._threads):
                return


def _runs(soon: float) -> bool:
    """Whether something is ready to run, or due at that time of the loop."""
    loop: Any = asyncio.get_running_loop()
    return bool(loop._ready or any(not timer.cancelled() and timer.when() <= soon for timer in loop._scheduled))


def _draws(app: App[Any]) -> bool:
    """Draw the frame that is to be drawn, without waiting for its time; false if there is none."""
    if app._exit or not app.screen_stack:
        return False
    screen: Screen[Any] = app.screen
    can_draw = screen.is_current and not app._batch_count
    is_due = bool(screen._callbacks) or (
        can_draw
        and bool(
            screen._layout_required
            or screen._scroll_required
            or screen._repaint_required
            or screen._recompose_required
            or screen._dirty_widgets
        )
    )
    if is_due:
        screen._on_timer_update()
    return is_due
