"""Faults that tests and the tour bring about in the server itself: it answers nobody, or is only just starting."""

from __future__ import annotations

import asyncio
import time

from kvtui.demo.storage import StorageError


class Faults:
    """The state of the faults."""

    def __init__(self) -> None:
        self._going = asyncio.Event()
        self._going.set()
        self._end: asyncio.TimerHandle | None = None
        self._starting_until = 0.0

    def begin_start(self, seconds: float) -> None:
        """Refuse lists for `seconds` of real time, as an API server does that still fills its caches."""
        self._starting_until = time.monotonic() + seconds

    def check_list(self) -> None:
        """Raise StorageError 429 while the server is starting."""
        if time.monotonic() < self._starting_until:
            message = "storage is (re)initializing"
            raise StorageError(429, "TooManyRequests", message, {"retryAfterSeconds": 1})

    def hang(self, seconds: float) -> None:
        """Leave every request and every watch without an answer for `seconds` of real time."""
        self.release()
        self._going.clear()
        self._end = asyncio.get_running_loop().call_later(seconds, self.release)

    def release(self) -> None:
        """Answer again."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self._going.set()

    async def hold(self) -> None:
        """Wait while the server hangs."""
        await self._going.wait()
