"""Looks at items again when the time comes at which they count as done or failed, though nothing changes by then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from kvtui.actions.items import Item
from kvtui.resources.base import Progress


class Alarms:
    """One alarm for each item that waits for its time."""

    def __init__(self, look: Callable[[Item], None]) -> None:
        self._look = look
        self._set: dict[Item, asyncio.TimerHandle] = {}

    def weigh(self, item: Item, progress: Progress, now: float) -> Progress:
        """The progress as it counts now: an end that is not due is none yet, and the item is looked at again then."""
        left = 0.0 if progress.due is None else progress.due - now
        if left <= 0:
            return progress
        if item not in self._set:
            self._set[item] = asyncio.get_running_loop().call_later(left, self._ring, item)
        return replace(progress, over=False, failure="")

    def close(self) -> None:
        """Look at nothing any more."""
        for handle in self._set.values():
            handle.cancel()
        self._set.clear()

    def _ring(self, item: Item) -> None:
        del self._set[item]
        self._look(item)
