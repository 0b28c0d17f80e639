"""What a terminal shows of pictures in true pixels, and how it is asked."""

from __future__ import annotations

import fcntl
import re
import struct
import termios
from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple

_MOST_COLOURS: Final = 128
_MOST_PIXELS: Final = 1_300_000
"""Of a picture: 1280 by 1024."""
_CELL: Final = (10, 20)
"""Pixels of a cell of a VT340, for a terminal that does not tell."""
_CELLS_TOLD: Final = (range(3, 100), range(5, 200))
"""Widths and heights that are believed."""
_LEAST_LIMIT: Final = 200
"""Of the largest picture, in pixels: no cell is higher."""
_ASK_LIMITS: Final = "\x1b[?2;1;0S\x1b[?1;1;0S"
"""How large a picture may be, and of how many colours (XTSMGRAPHICS)."""


def measured_cell(file: int) -> tuple[int, int] | None:
    """Width and height of a cell in pixels as the kernel knows them of a terminal; None where it does not."""
    try:
        rows, columns, width, height = struct.unpack("HHHH", fcntl.ioctl(file, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return None
    return _believed(width // columns, height // rows) if columns and rows else None


def _believed(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width in _CELLS_TOLD[0] and height in _CELLS_TOLD[1] else None


class Canvas(NamedTuple):
    """What a terminal can show."""

    cell: tuple[int, int] = _CELL
    """Width and height of a cell in pixels."""
    most: tuple[int, int] | None = None
    """Width and height of the largest picture in pixels; None where the terminal does not tell."""
    colours: int = _MOST_COLOURS

    @property
    def tall(self) -> float:
        """How high a cell is, in its widths."""
        return self.cell[1] / self.cell[0]

    def fit(self, columns: int, rows: int) -> tuple[int, int]:
        """Of the room for a picture, what the largest one may take."""
        width, height = self.cell
        if self.most is not None:
            columns, rows = min(columns, self.most[0] // width), min(rows, self.most[1] // height)
        columns, rows, cells = max(1, columns), max(1, rows), _MOST_PIXELS // (width * height)
        scale = min(1.0, (cells / (columns * rows)) ** 0.5)
        columns = max(1, min(int(columns * scale), cells))
        return columns, max(1, min(int(rows * scale), cells // columns))


# Asking --------------------------------------------------------------------------------------------------------------


class Probe:
    """Learns from the answers of a terminal whether it shows sixels, and how large its cells are.

    Every terminal answers for its kind (DA1), and answers in the order of the questions: what it did not say before
    that, it does not know. Nothing waits for it; until then it is a terminal without sixels.
    """

    _KIND: ClassVar[re.Pattern[str]] = re.compile(r"\?(\d[\d;]*)c")
    _SIZE: ClassVar[re.Pattern[str]] = re.compile(r"6;(\d{1,4});(\d{1,4})t")
    _LIMIT: ClassVar[re.Pattern[str]] = re.compile(r"\?([12]);0;(\d{1,6})(?:;(\d{1,6}))?S")

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        wanted: bool = False,
        measure: Callable[[], tuple[int, int] | None] = lambda: measured_cell(0),
    ) -> None:
        """`write` sends to the terminal. Where the user `wanted` sixels, it need not say that it shows them. `measure`
        tells the size of a cell that does not answer, which xterm does not without being allowed to.
        """
        self._measure = measure
        self._measured = measure()
        self._wanted = wanted
        self._write = write
        self._cell: tuple[int, int] | None = None
        self._most: tuple[int, int] | None = None
        self._colours = _MOST_COLOURS
        self._claimed = self._settled = False

    def ask(self) -> None:
        """Put the first questions: the size of a cell, and the kind of terminal."""
        self._write("\x1b[16t\x1b[c")

    def ask_again(self) -> None:
        """The terminal, or its letters, have another size."""
        self._measured = self._measure()
        if self._claimed:
            self._write(f"\x1b[16t{_ASK_LIMITS}")

    @property
    def canvas(self) -> Canvas | None:
        """What the terminal shows; None where it does not say that it shows sixels, or not how large its cells are."""
        cell = self._cell or self._measured or (_CELL if self._wanted else None)
        return Canvas(cell, self._most, self._colours) if self._settled and cell is not None else None

    def hear(self, reply: str) -> None:
        """Take a reply, without its CSI."""
        if found := self._SIZE.fullmatch(reply):
            height, width = int(found[1]), int(found[2])
            self._cell = _believed(width, height)
        elif found := self._LIMIT.fullmatch(reply):
            first, second = int(found[2]), int(found[3] or 0)
            if found[1] == "1" and first >= 2:
                self._colours = min(first, _MOST_COLOURS)
            elif found[1] == "2" and min(first, second) >= _LEAST_LIMIT:
                self._most = first, second
        elif found := self._KIND.fullmatch(reply):
            if self._claimed:
                self._settled = True
            elif self._wanted or "4" in found[1].split(";")[1:]:
                # Only now, for others may take these questions for something else.
                self._claimed = True
                self._write(f"{_ASK_LIMITS}\x1b[c")
