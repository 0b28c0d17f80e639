"""A terminal that shows sixels, read as DEC's manual has them: pixel by pixel, and apart from what makes them."""

from __future__ import annotations

import re
from itertools import product

from PIL import Image

from kvtui.ui.pictures.picture import Colour

CELL = (8, 17)
SIXELS = re.compile(r'\x1bP0;1q"1;1;(\d+);(\d+)((?:#\d+;2;\d+;\d+;\d+)*)([^\x1b]*)\x1b\\')

Pixels = dict[tuple[int, int], Colour]
"""By column and line; what a picture does not draw is not in it."""


def read_lines(text: str) -> list[list[Colour | None]]:
    """The pixels of a picture, line by line, as DEC's manual has it; None where it draws nothing."""
    found = SIXELS.fullmatch(text)
    assert found, text[:80]
    width, height, palette, body = int(found[1]), int(found[2]), found[3], found[4]
    colours = {
        int(number): (int(red), int(green), int(blue))
        for number, red, green, blue in re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)", palette)
    }
    lines: list[list[Colour | None]] = [[None] * width for _ in range(height)]
    x = top = colour = 0
    for token, count, repeated in re.findall(r"(#\d+|!(\d+)(.)|[$\-?-~])", body):
        if token[0] == "#":
            colour = int(token[1:])
        elif token in "$-":
            x, top = 0, top + 6 * (token == "-")
        else:
            bits, length = ord(repeated or token) - 63, int(count or 1)
            for line in (lines[top + down] for down in range(6) if bits >> down & 1):
                assert line[x : x + length] == [None] * length, "drawn twice, or beyond the edge"
                line[x : x + length] = [colours[colour]] * length
            x += length
    return lines


def read_sixels(text: str) -> tuple[tuple[int, int], Pixels]:
    """Size and pixels of a picture."""
    lines = read_lines(text)
    pixels = {(x, y): colour for y, line in enumerate(lines) for x, colour in enumerate(line) if colour is not None}
    return (len(lines[0]), len(lines)), pixels


def percent(image: Image.Image) -> Pixels:
    """The pixels of a picture, as exactly as sixels tell colours."""
    width, height = image.size
    data = image.convert("RGB").tobytes()
    return {
        (x, y): tuple(round(value * 100 / 255) for value in data[3 * (y * width + x) :][:3])  # type: ignore[misc]
        for y in range(height)
        for x in range(width)
    }


class Terminal:
    """What is seen: of each cell a character, or the pixels over it. A character takes the pixels away."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.columns, self.lines = size
        self.cells: dict[tuple[int, int], str | tuple[Colour, ...]] = {}
        self.pictures = 0

    def feed(self, text: str) -> None:
        x = y = 0
        for token in re.findall(r"\x1bP[^\x1b]*\x1b\\|\x1b\[[\d;]*[A-Za-z]|.|\n", text):
            if place := re.fullmatch(r"\x1b\[(\d+);(\d+)H", token):
                y, x = int(place[1]) - 1, int(place[2]) - 1
            elif token.startswith("\x1bP"):
                self._draw(token, x, y)
            elif not token.startswith("\x1b") and token != "\n":
                self.cells[x, y] = token
                x += 1

    def _draw(self, token: str, left: int, top: int) -> None:
        self.pictures += 1
        lines = read_lines(token)
        (across, odd), (down, uneven) = divmod(len(lines[0]), CELL[0]), divmod(len(lines), CELL[1])
        assert (odd, uneven) == (0, 0), "whole cells"
        assert top + down < self.lines, "it would scroll"
        for x, y in product(range(across), range(down)):
            part = slice(x * CELL[0], (x + 1) * CELL[0])
            found = [colour for line in lines[y * CELL[1] : (y + 1) * CELL[1]] for colour in line[part]]
            drawn = tuple(colour for colour in found if colour is not None)
            if drawn:
                assert len(drawn) == len(found), "nothing shines through"
                self.cells[left + x, top + y] = drawn

    @property
    def drawn(self) -> set[tuple[int, int]]:
        """The cells that show a part of a picture."""
        return {cell for cell, content in self.cells.items() if not isinstance(content, str)}

    @property
    def text(self) -> str:
        return "\n".join(
            "".join(str(self.cells.get((x, y), " "))[:1] for x in range(self.columns)) for y in range(self.lines)
        )
