"""Faults that tests and the tour bring about in the server itself: for now, one that answers nobody."""

from __future__ import annotations

import asyncio


class Faults:
    """The state of the faults."""

    def __init__(self) -> None:
        self._going = asyncio.Event()
        self._going.set()
        self._end: asyncio.TimerHandle | None = None

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
