"""How long things on the way to remote places may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """All in seconds but `unanswered`."""

    connect: float = 10.0
    """Until there is a connection to a hop, whoever answers there."""
    handshake: float = 15.0
    """Until both sides must have agreed on keys."""
    keepalive: float = 5.0
    """Between two questions whether a hop is still there."""
    unanswered: int = 3
    """Questions that a hop may leave unanswered before it counts as gone."""
    check: float = 1.0
    """Between two such questions once somebody behind the hop does not answer."""

    def patience(self, before: int) -> int:
        """`unanswered` of a hop with so many before it: more, lest it is blamed for one of them that hangs."""
        return self.unanswered + 2 * before
