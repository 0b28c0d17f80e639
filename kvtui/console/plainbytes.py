"""Bytes of a guest that do nothing but write lines: text, line ends, tabs and colours."""

from __future__ import annotations

import re
from typing import Final

# All but C0 controls, C1 as UTF-8 and sequences other than SGR.
_PLAIN: Final = re.compile(
    rb"(?:[\t\n\r -~\x80-\xc1\xc3-\xff]++|\xc2[\xa0-\xff]|\x1b\[[0-9;:]*+m)*+(?:\xc2|\x1b(?:\[[0-9;:]{0,64})?)?\Z"
)
_OPEN: Final = re.compile(rb"(?:\xc2|\x1b[\[ -?]*)\Z")
_LONGEST: Final = 256
"""Bytes of a sequence behind which nobody goes on with it."""
_COLOURS: Final = re.compile(rb"\x1b\[[0-9;:]*m")
_RESETS: Final = (b"\x1b[0m", b"\x1b[m")


class PlainBytes:
    """Judges the pieces of a stream in their order; a sequence may be parted between two of them."""

    def __init__(self) -> None:
        self._rest = b""

    def count_lines(self, data: bytes) -> int | None:
        """How many lines the next piece ends; None where it does anything else, or may go on with that."""
        found = _PLAIN.match(self._rest + data)
        rest = _OPEN.search((self._rest + data)[-_LONGEST:])
        self._rest = rest[0] if rest else b""
        return data.count(b"\n") if found else None


def split_lines(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Up to the first line end (CR LF), the whole lines behind it, and what is left behind the last line end."""
    first, last = data.find(b"\r\n") + 2, data.rfind(b"\r\n") + 2
    return (data, b"", b"") if first < 2 else (data[:first], data[first:last], data[last:])


def colours_of(data: bytes) -> bytes:
    """The sequences that leave behind the colours that plain bytes do."""
    return b"".join(_COLOURS.findall(data, max(0, *(data.rfind(reset) for reset in _RESETS))))
