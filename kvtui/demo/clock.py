"""The virtual clock of the demo cluster: time that runs faster or stands still, and the work that waits for it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    """RFC 3339 with whole seconds, as the API server writes metav1.Time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Clock:
    """Virtual time in seconds since the world began; work is queued by its due time and run by `advance`.

    Nothing moves by itself: the server advances it by real time times `speed`, tests by hand.
    """

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.elapsed = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    @property
    def now(self) -> datetime:
        """The present virtual moment."""
        return self.start + timedelta(seconds=self.elapsed)

    def stamp(self, ago: float = 0.0) -> str:
        """The moment `ago` virtual seconds before now, as RFC 3339."""
        return stamp(self.now - timedelta(seconds=ago))

    def call_later(self, delay: float, work: Callable[[], None]) -> None:
        """Run `work` once, `delay` virtual seconds from now."""
        heapq.heappush(self._queue, (self.elapsed + max(0.0, delay), next(self._order), work))

    def advance(self, seconds: float) -> None:
        """Let virtual time pass and run all work that falls due on the way, each at its own moment."""
        end = self.elapsed + seconds
        while self._queue and self._queue[0][0] <= end:
            due, _, work = heapq.heappop(self._queue)
            self.elapsed = max(self.elapsed, due)
            work()
        self.elapsed = end
