"""What waits to be sent to a guest: what the user typed, and pastes, each in its turn."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from kvtui.console.paste import Paste

INTERRUPT: Final = b"\x03"

_LIMIT: Final = 1_048_576


class Outbox:
    """A queue of at most a megabyte."""

    def __init__(self) -> None:
        self._items: deque[bytes | Paste] = deque()
        self._filled = asyncio.Event()
        self.leaves_open = False
        """Whether a paste may stand open in the guest: its end was forgotten, and no ctrl+c came since."""

    @property
    def waiting(self) -> int:
        """Bytes that wait."""
        return sum(item.left if isinstance(item, Paste) else len(item) for item in self._items)

    @property
    def pasting(self) -> int | None:
        """How much of the paste under way was taken, in percent; None without one."""
        return next((item.percent for item in self._items if isinstance(item, Paste)), None)

    def put(self, item: bytes | Paste) -> bool:
        """Add to the end: all of it or, with False, nothing."""
        size = item.left if isinstance(item, Paste) else len(item)
        if self.waiting + size > _LIMIT:
            return False
        self._append(item)
        self.leaves_open = self.leaves_open and item != INTERRUPT
        return True

    def _append(self, item: bytes | Paste) -> None:
        if not isinstance(item, Paste) or item.left:
            self._items.append(item)
            self._filled.set()

    def break_off(self) -> None:
        """Forget all but the end of brackets that are open."""
        self.stop_pastes(forget_keys=True)
        ends = [item.take()[0] for item in self._items if isinstance(item, Paste)]
        self.clear()
        for end in ends:
            self._append(end)

    def leave_open(self) -> None:
        """Forget all, after `break_off`: an end of brackets would be typed into whatever somebody else does there."""
        self.leaves_open = self.leaves_open or bool(self._items)
        self.clear()

    async def take(self) -> tuple[bytes, float]:
        """What is to be sent next, as soon as there is something, and the seconds that the guest gets after it."""
        while not self._items:
            await self._filled.wait()
        item = self._items[0]
        data, pause = item.take() if isinstance(item, Paste) else (item, 0.0)
        if not isinstance(item, Paste) or not item.left:
            self._items.popleft()
        if not self._items:
            self._filled.clear()
        return data, pause

    def stop_pastes(self, *, forget_keys: bool = False) -> None:
        """Leave out what is left of pastes, but for the end of brackets that are open; keys stay unless forgotten."""
        items, self._items = self._items, deque()
        self._filled.clear()
        for item in items:
            if isinstance(item, Paste):
                item.stop()
                self._append(item)
            elif not forget_keys:
                self._append(item)

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._filled.clear()
