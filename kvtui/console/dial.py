"""What a session talks over: a stream of bytes that somebody else opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable


class Line(Protocol):
    """The byte stream under a session."""

    async def read(self) -> bytes:
        """The next bytes; empty at a clean end. Raises BackendError when the line is cut."""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises BackendError when the line is cut."""

    async def close(self) -> None:
        """End the line; a second call does nothing."""


@runtime_checkable
class SizedLine(Protocol):
    """A line whose far end wants to know the size of the terminal."""

    def resize(self, columns: int, lines: int) -> None:
        """Tell the size."""


Dial = Callable[[], Awaitable[Line]]
"""Opens a line. Raises BackendError."""
