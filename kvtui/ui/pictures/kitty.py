"""Pictures in true pixels, by Kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol).

The picture is sent once under a number. Where it is to stand, placeholder characters are printed like any other text:
their marks tell row and column, their colour tells the number. So the picture obeys the compositor, and a toast in
front of it is in front of it. A new picture under the same number needs no cell to be printed anew.

Kitty (since 0.28) and Ghostty know placeholders. Others that know the rest of the protocol draw at the cursor instead,
and an older Kitty shows the characters. So a terminal must say its name in TERM (other variables are inherited by
terminals that are started from within), and must have answered Textual that it tells its size in band, which Kitty
learnt with 0.36 and Ghostty before its first release.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

_TERMINALS: Final = frozenset({"xterm-kitty", "xterm-ghostty"})
_PLACEHOLDER: Final = "\U0010eeee"
_CHUNK: Final = 4096
"""Characters of base64 in one escape sequence, as the protocol has it."""
_CELL: Final = (12, 24)
"""Pixels of a cell that are reckoned with: more would be sent in vain to most terminals."""

# Kitty's gen/rowcolumn-diacritics.txt: the marks that stand for 0, 1, 2 ..., as ranges.
_MARKS: Final = (
    "305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1 5a8-5a9 5ab-5ac "
    "5af 5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec 730 732-733 735-736 73a 73d 73f-741 743 745 "
    "747 749-74a 7eb-7f1 7f3 816-819 81b-823 825-827 829-82d 951 953-954 f82-f83 f86-f87 135d-135f 17dd 193a 1a17 "
    "1a75-1a7c 1b6b 1b6d-1b73 1cd0-1cd2 1cda-1cdb 1ce0 1dc0-1dc1 1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 "
    "20d4-20d7 20db-20dc 20e1 20e7 20e9 20f0 2cef-2cf1 2de0-2dff a66f a67c-a67d a6f0-a6f1 a8e0-a8f1 aab0 aab2-aab3 "
    "aab7-aab8 aabe-aabf aac1 fe20-fe26 10a0f 10a38 1d185-1d189 1d1aa-1d1ad 1d242-1d244"
)


def _spell_marks() -> Iterator[str]:
    for part in _MARKS.split():
        first, _, last = part.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


MARKS: Final = tuple(_spell_marks())
"""By number of the row or column."""


def is_kitty(environ: Mapping[str, str], *, sizes_in_band: bool) -> bool:
    """Whether the terminal says that it shows pictures at placeholders; within tmux it does not."""
    return sizes_in_band and environ.get("TERM") in _TERMINALS and "TMUX" not in environ


class KittyPictures:
    """The pictures that the terminal holds for us."""

    def __init__(self, write: Callable[[str], object], *, true_colour: bool, tmux: bool = False) -> None:
        """`write` sends to the terminal. With `tmux`, through a tmux whose ``allow-passthrough`` is on."""
        self._write = write
        self._true_colour = true_colour
        self._tmux = tmux
        self._free = _numbered_colours()
        self._held: dict[object, int] = {}

    def most_pixels(self, columns: int, rows: int) -> tuple[int, int]:
        """Width and height of the largest picture that is worth sending for so many cells."""
        return columns * _CELL[0], rows * _CELL[1]

    def show(self, place: object, png: bytes, columns: int, rows: int) -> list[Strip]:
        """Send a picture, in place of the one before it at that place; the cells that show it."""
        columns, rows = min(columns, len(MARKS)), min(rows, len(MARKS))
        if place not in self._held:
            # With more than that on one screen, which has no room for them, numbers would be used twice.
            self._held[place] = self._free[len(self._held) % len(self._free)]
        colour = self._held[place]
        text = base64.b64encode(png).decode()
        chunks = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
        head = f"a=T,U=1,f=100,t=d,q=2,i={self._number(colour)},c={columns},r={rows},"
        for index, chunk in enumerate(chunks):
            more = int(index + 1 < len(chunks))
            self._send(f"{head if index == 0 else 'q=2,'}m={more};{chunk}")
        style = Style.from_color(Color.from_triplet(_triplet(colour)))
        return [
            Strip(
                [Segment("".join(_PLACEHOLDER + MARKS[row] + MARKS[column] for column in range(columns)), style)],
                columns,
            )
            for row in range(rows)
        ]

    def forget(self) -> None:
        """Let the terminal forget all of them."""
        for colour in self._held.values():
            self._send(f"a=d,d=I,q=2,i={self._number(colour)}")
        self._held.clear()

    def _number(self, colour: int) -> int:
        """The number that a cell of that colour of the palette tells."""
        if not self._true_colour:
            return colour
        red, green, blue = _triplet(colour)
        return red << 16 | green << 8 | blue

    def _send(self, command: str) -> None:
        sequence = f"\x1b_G{command}\x1b\\"
        if self._tmux:
            sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
        self._write(sequence)


def _triplet(colour: int) -> ColorTriplet:
    return Color.from_ansi(colour).get_truecolor()


def _numbered_colours() -> list[int]:
    """Colours of the palette of 256 that reach a terminal as themselves, whether it is sent 256 colours or all of them.

    They begin elsewhere in each process: two that share a terminal, as in tmux, share its pictures.
    """
    found = [
        number
        for number in range(17, 232)
        if Color.from_triplet(_triplet(number)).downgrade(ColorSystem.EIGHT_BIT).number == number
    ]
    start = os.getpid() * 37 % len(found)
    return found[start:] + found[:start]
