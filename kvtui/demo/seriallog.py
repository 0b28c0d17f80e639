"""What a guest said on its serial line, as QEMU writes it down: the newest of it, byte for byte."""

from __future__ import annotations

from collections import deque
from itertools import islice

KEPT = 2000  # lines
LONGEST = 4096  # bytes of a line; a longer one counts as several


class SerialLog:
    """Kept in lines, each with its end. Positions count lines from the first that was ever written."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=KEPT)
        self._written = 0
        self.unfinished = b""
        """The beginning of the line that is being written."""

    def write(self, data: bytes) -> None:
        """Append what the guest said."""
        *complete, rest = (self.unfinished + data).split(b"\n")
        pieces = [line + b"\n" for line in complete]
        while len(rest) > LONGEST:
            pieces.append(rest[:LONGEST])
            rest = rest[LONGEST:]
        self._lines.extend(pieces)
        self._written += len(pieces)
        self.unfinished = rest

    def since(self, position: int) -> tuple[bytes, int]:
        """What was written since a position, 0 for all that is kept, but for the unfinished line; the new position."""
        new = min(self._written - position, len(self._lines))
        return b"".join(islice(self._lines, len(self._lines) - new, None)), self._written

    def lines(self) -> list[str]:
        """The newest lines without their ends, escape sequences included, the unfinished one last."""
        text = b"".join([*self._lines, self.unfinished]).decode(errors="replace")
        lines = text.replace("\r\n", "\n").split("\n")
        return lines if lines[-1] else lines[:-1]
