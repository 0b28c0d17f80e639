"""What the machines show on their screens, as PNG: a VGA text console of 720 by 400 pixels, or Windows' lock screen."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from functools import lru_cache

COLUMNS, ROWS = 80, 25
_CELL_WIDTH, _CELL_HEIGHT = 9, 16
WIDTH, HEIGHT = COLUMNS * _CELL_WIDTH, ROWS * _CELL_HEIGHT
_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|.)|[\x00-\x1f\x7f]")
_LIGHT_GREY = 7
_VGA = bytes.fromhex(
    "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff"
)
_WINDOWS = bytes.fromhex("0b2f5b ffffff" + "000000" * 14)
_Cell = tuple[str, int]
"""A character and its colour."""

# The common 5x7 font of character displays: five columns a character from space to tilde, the lowest bit on top.
_FONT = bytes.fromhex(
    "0000000000" "00005f0000" "0007000700" "147f147f14" "242a7f2a12" "2313086462" "3649562050" "0008070300"
    "001c224100" "0041221c00" "2a1c7f1c2a" "08083e0808" "0080703000" "0808080808" "0000606000" "2010080402"
    "3e5149453e" "00427f4000" "7249494946" "2141494d33" "1814127f10" "2745454539" "3c4a494931" "4121110907"
    "3649494936" "464949291e" "0000140000" "0040340000" "0008142241" "1414141414" "0041221408" "0201590906"
    "3e415d594e" "7c1211127c" "7f49494936" "3e41414122" "7f4141413e" "7f49494941" "7f09090901" "3e41415173"
    "7f0808087f" "00417f4100" "2040413f01" "7f08142241" "7f40404040" "7f021c027f" "7f0408107f" "3e4141413e"
    "7f09090906" "3e4151215e" "7f09192946" "2649494932" "03017f0103" "3f4040403f" "1f2040201f" "3f4038403f"
    "6314081463" "0304780403" "6159494d43" "007f414141" "0204081020" "004141417f" "0402010204" "4040404040"
    "0003070800" "2054547840" "7f28444438" "3844444428" "384444287f" "3854545418" "00087e0902" "18a4a49c78"
    "7f08040478" "00447d4000" "2040403d00" "7f10284400" "00417f4000" "7c04780478" "7c08040478" "3844444438"
    "fc18242418" "18242418fc" "7c08040408" "4854545424" "04043f4424" "3c4040207c" "1c2040201c" "3c4030403c"
    "4428102844" "4c9090907c" "4464544c44" "0008364100" "0000770000" "0041360800" "0201020402"
)  # fmt: skip


def _cells(line: str) -> list[_Cell]:
    """A line as characters with colours, of which a text console has sixteen; other sequences are left out."""
    cells: list[_Cell] = []
    colour, bright = _LIGHT_GREY, 0
    for at, part in enumerate(_SGR.split(line.expandtabs())):
        if at % 2 == 0:
            cells += [(character, colour | bright) for character in _ESCAPES.sub("", part)]
            continue
        for code in map(int, filter(None, (part or "0").split(";"))):
            match code:
                case 0:
                    colour, bright = _LIGHT_GREY, 0
                case 1 | 22:
                    bright = 8 if code == 1 else 0
                case 39:
                    colour = _LIGHT_GREY
                case _ if 30 <= code <= 37:
                    colour = code - 30
                case _ if 90 <= code <= 97:
                    colour, bright = code - 90, 8
    return cells


def _shown(lines: Iterable[str]) -> list[list[_Cell]]:
    """The last lines that fit, long ones wrapped, and the cursor behind the last."""
    wrapped: list[list[_Cell]] = []
    for line in lines:
        cells = _cells(line)
        wrapped += [cells[at : at + COLUMNS] for at in range(0, len(cells), COLUMNS)] or [[]]
    if wrapped and len(wrapped[-1]) < COLUMNS:
        wrapped[-1] = [*wrapped[-1], ("_", _LIGHT_GREY)]
    return wrapped[-ROWS:]


def _glyph(character: str) -> bytes:
    """The five columns of a character."""
    code = ord(character) - 32
    if not 0 <= code < len(_FONT) // 5:
        code = ord("?") - 32 if character.strip() else 0
    return _FONT[code * 5 : code * 5 + 5]


@lru_cache(maxsize=1024)
def _cell_rows(character: str, colour: int) -> tuple[int, ...]:
    """The pixel rows of a cell, four bits a pixel: every dot of the font is two wide and two high."""
    rows = [0] * _CELL_HEIGHT
    columns = _glyph(character)
    for dot in range(8):
        bits = 0
        for column in range(5):
            if columns[column] >> dot & 1:
                for pixel in (column * 3 // 2, column * 3 // 2 + 1):
                    bits |= colour << 4 * (_CELL_WIDTH - 1 - pixel)
        rows[2 * dot] = rows[2 * dot + 1] = bits
    return tuple(rows)


def _text_pixels(lines: list[list[_Cell]]) -> bytes:
    """The rows of the picture, four bits a pixel, each after its filter byte."""
    rows: list[bytes] = []
    for line in lines:
        cells = [_cell_rows(*cell) for cell in line]
        free = 4 * _CELL_WIDTH * (COLUMNS - len(cells))
        for row in range(_CELL_HEIGHT):
            bits = 0
            for cell in cells:
                bits = bits << 4 * _CELL_WIDTH | cell[row]
            rows.append(b"\0" + (bits << free).to_bytes(WIDTH // 2, "big"))
    rows += [bytes(1 + WIDTH // 2)] * (HEIGHT - len(rows))
    return b"".join(rows)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, palette: bytes, pixels: bytes) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0))
        + _chunk(b"PLTE", palette)
        + _chunk(b"IDAT", zlib.compress(pixels, 6))
        + _chunk(b"IEND", b"")
    )


def draw_console(lines: Iterable[str]) -> bytes:
    """A text console that shows the last of these lines."""
    return _png(WIDTH, HEIGHT, _VGA, _text_pixels(_shown(lines)))


def draw_lock_screen(*lines: tuple[str, int]) -> bytes:
    """Windows' lock screen, 1024 by 768: texts, each with the size of its dots in pixels."""
    width, height = 1024, 768
    canvas = [bytearray(width) for _ in range(height)]
    top = height // 3
    for text, size in lines:
        left = (width - 6 * size * len(text)) // 2
        for number, character in enumerate(text):
            for column, dots in enumerate(_glyph(character)):
                start = left + (6 * number + column) * size
                for dot in range(8):
                    if dots >> dot & 1:
                        for row in range(top + dot * size, top + (dot + 1) * size):
                            canvas[row][start : start + size] = b"\1" * size
        top += 10 * size
    pixels = b"".join(b"\0" + bytes(row[at] << 4 | row[at + 1] for at in range(0, width, 2)) for row in canvas)
    return _png(width, height, _WINDOWS, pixels)
