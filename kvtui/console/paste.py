"""Pastes, at a pace that a serial line without flow control can take.

A UART at 115,200 baud takes 11,520 bytes a second, and holds 16 until the guest has fetched them; what comes faster is
lost without a sound. So a paste goes out in pieces that the UART can hold, and not faster than the guest empties it.
"""

from __future__ import annotations

import re
from typing import Final

PACE: Final = 8000
"""Bytes a second by default: 115,200 baud, and a third for a guest that is busy with echoing them."""
PIECE: Final = 16
"""Bytes at once: the buffer of a 16550 UART."""
LINE_LIMIT: Final = 4095
"""Bytes of a line that Linux takes (n_tty) while no program reads keys one by one; it drops the rest of the line."""

_PIECE_WITH_FLOW_CONTROL: Final = 1024
_BEGIN: Final = b"\x1b[200~"
_END: Final = b"\x1b[201~"
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_END: Final = re.compile("\r\n|\n")


class Paste:
    """A text on its way into a guest. It holds no control characters but tabs and carriage returns, which end lines."""

    def __init__(self, text: str, *, bracketed: bool = False, pace: int | None = PACE) -> None:
        """`bracketed` when the guest asked for brackets (``?2004``); `pace` in bytes a second, None for a stream with
        flow control.
        """
        text = _FORBIDDEN.sub("", _LINE_END.sub("\r", text))
        self._text = text.encode("utf-8", "replace")
        self._bracketed = bracketed
        self._data = _BEGIN + self._text + _END if bracketed else self._text
        self._taken = 0
        self._pace = pace

    @property
    def lines(self) -> list[str]:
        """The lines of the text; the last one counts whether it is ended or not."""
        lines = self._text.decode().split("\r")
        return lines if lines[-1] else lines[:-1]

    @property
    def too_long(self) -> int:
        """How many lines are longer than Linux takes."""
        return sum(len(line) > LINE_LIMIT for line in self._text.split(b"\r"))

    @property
    def bracketed(self) -> bool:
        """Whether the guest takes it as a paste, and not as keys."""
        return self._bracketed

    @property
    def has_tabs(self) -> bool:
        """Whether a shell without brackets would complete words, or ask whether it shall."""
        return b"\t" in self._text

    @property
    def size(self) -> int:
        """Bytes of the whole, with the brackets."""
        return len(self._data)

    @property
    def seconds(self) -> float:
        """How long it takes at this pace."""
        return self.size / self._pace if self._pace else 0.0

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._data) - self._taken

    @property
    def percent(self) -> int:
        """How much was taken."""
        return 100 * self._taken // max(1, len(self._data))

    def take(self) -> tuple[bytes, float]:
        """The next piece, and the seconds that the guest needs for it. An escape sequence is never cut in two."""
        begin, end = self._taken, self._taken + (PIECE if self._pace else _PIECE_WITH_FLOW_CONTROL)
        inside = len(self._data) - len(_END) if self._bracketed else len(self._data)
        self._taken = min(end, inside if begin < inside else len(self._data))
        piece = self._data[begin : self._taken]
        return piece, len(piece) / self._pace if self._pace else 0.0

    def stop(self) -> None:
        """Leave out what is left, but for the end of brackets that are open."""
        if self._bracketed and 0 < self._taken < len(self._data):
            self._data = self._data[: self._taken] + _END
        else:
            self._data = self._data[: self._taken]
