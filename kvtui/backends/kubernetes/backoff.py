"""How long to wait between tries: longer each time, and never in step with other clients."""

from __future__ import annotations

import random


class Backoff:
    """Decorrelated jitter: each wait is drawn between the first one and three times the last, up to `most` seconds."""

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._last = first

    def next(self) -> float:
        """Seconds to wait before the next try."""
        self._last = min(self._most, random.uniform(self._first, 3 * self._last))
        return self._last

    def reset(self) -> None:
        """It works again."""
        self._last = self._first
