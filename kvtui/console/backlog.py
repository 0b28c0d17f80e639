"""What came from the guest and is not on the screen yet.

A guest may say more in a second than an emulator reads in one. The line is read all the same, so that its end is known
at once and the next line is opened in time; what it brought waits here, in its order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from kvtui.console.emulator import Emulator

_MOST: Final = 16 * 1_048_576
"""Bytes that may wait; beyond them the line is not read."""
_PIECE: Final = 65_536
"""Bytes that the emulator is given at once, however small the pieces came."""

Step = Callable[[], None]


class Backlog:
    """Feeds an emulator with what is put in; `changed` is called after every slice."""

    def __init__(self, emulator: Emulator, changed: Callable[[], None]) -> None:
        self.size = 0
        """Bytes that wait."""
        self._emulator = emulator
        self._changed = changed
        self._items: deque[tuple[bytes, float] | Step] = deque()
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def put(self, data: bytes, now: float) -> None:
        """Add what came at `now`, as soon as there is room."""
        await self._has_room.wait()
        self._items.append((data, now))
        self._filled.set()
        self.size += len(data)
        if self.size > _MOST:
            self._has_room.clear()

    def put_step(self, step: Step) -> None:
        """Add something to be done between what came before and what will come."""
        self._items.append(step)
        self._filled.set()

    async def drain(self) -> None:
        """Feed until cancelled; the loop is let to others again and again."""
        while True:
            while not self._items:
                self._filled.clear()
                await self._filled.wait()
            item = self._items.popleft()
            if isinstance(item, tuple):
                await self._feed(*item)
            else:
                item()
            self._changed()

    async def _feed(self, data: bytes, now: float) -> None:
        pieces = [data]
        size = len(data)
        while size < _PIECE and self._items and isinstance(following := self._items[0], tuple):
            pieces.append(following[0])
            size += len(following[0])
            self._items.popleft()
        for _ in self._emulator.feed_in_slices(b"".join(pieces), now):
            self._changed()
            # A flood must leave the loop to the keys and to the other panes.
            await asyncio.sleep(0)
        self.size -= size
        if self.size <= _MOST:
            self._has_room.set()
