"""How far a server's clock is ahead of ours, by the ``Date`` that every answer bears (RFC 9110, 6.6.1)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

_STEP = 1.0
"""Seconds to which a ``Date`` is exact."""


class ServerClock:
    """Learns from answers. `ahead` is the least that they allow: a clock that may be right is taken to be."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds; negative where the server's clock is behind."""

    def hear(self, date: str | None, sent: float, received: float) -> None:
        """Take in an answer that was written between two moments of our clock."""
        try:
            written = parsedate_to_datetime(date or "")
        except ValueError:
            return
        moment = (written if written.tzinfo is not None else written.replace(tzinfo=UTC)).timestamp()
        self.ahead = min(max(self.ahead, moment - received), moment + _STEP - sent)
