"""A terminal that shows sixels, read as DEC's manual has them: pixel by pixel, and apart from what makes them."""

from __future__ import annotations

import re

from PIL import Image

from kvtui.ui.pictures.picture import Colour

CELL = (8, 17)
SIXELS = re.compile(r'\x1bP0;1q"1;1;(\d+);(\d+)((?:#\d+;2;\d+;\d+;\d+)*)([^\x1b]*)\x1b\\')

Pixels = dict[tuple[int, int], Colour]
"""By column and line; what a picture does not draw is not in it."""


def read_sixels(text: str) -> tuple[tuple[int, int], Pixels]:
    """Size and pixels of a picture, one by one, as DEC's manual has it."""
    found = SIXELS.fullmatch(text)
    assert found, text[:80]
    width, height, palette, body = int(found[1]), int(found[2]), found[3], found[4]
    colours = {
        int(number): (int(red), int(green), int(blue))
        for number, red, green, blue in re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)", palette)
    }
    pixels: Pixels = {}
    x = top = colour = 0
    for token, count, repeated in re.findall(r"(#\d+|!(\d+)(.)|[$\-?-~])", body):
        if token[0] == "#":
            colour = int(token[1:])
        elif token in "$-":
            x, top = 0, top + 6 * (token == "-")
        else:
            bits = ord(repeated or token) - 63
            end = x + int(count or 1)
            for at in [(column, top + line) for column in range(x, end) for line in range(6) if bits >> line & 1]:
                assert at not in pixels, "drawn twice"
                pixels[at] = colours[colour]
            x = end
    return (width, height), pixels


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
        self.cells: dict[tuple[int, int], str | frozenset[tuple[int, int, Colour]]] = {}
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
        (width, height), pixels = read_sixels(token)
        assert (width % CELL[0], height % CELL[1]) == (0, 0), "whole cells"
        assert top + height // CELL[1] < self.lines, "it would scroll"
        drawn: dict[tuple[int, int], set[tuple[int, int, Colour]]] = {}
        for (x, y), colour in pixels.items():
            cell = left + x // CELL[0], top + y // CELL[1]
            drawn.setdefault(cell, set()).add((x % CELL[0], y % CELL[1], colour))
        assert all(len(found) == CELL[0] * CELL[1] for found in drawn.values()), "nothing shines through"
        self.cells |= {cell: frozenset(found) for cell, found in drawn.items()}

    @property
    def drawn(self) -> set[tuple[int, int]]:
        """The cells that show a part of a picture."""
        return {cell for cell, content in self.cells.items() if not isinstance(content, str)}

    @property
    def text(self) -> str:
        return "\n".join(
            "".join(str(self.cells.get((x, y), " "))[:1] for x in range(self.columns)) for y in range(self.lines)
        )
