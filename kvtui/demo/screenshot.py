"""A picture of a machine's screen: its last console lines as a PNG of 800 by 600 pixels in two colours."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable

WIDTH, HEIGHT = 800, 600
_SCALE = 2
_CELL_WIDTH, _CELL_HEIGHT = 6 * _SCALE, 10 * _SCALE
COLUMNS, ROWS = WIDTH // _CELL_WIDTH, HEIGHT // _CELL_HEIGHT
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|.)|[\x00-\x1f\x7f]")
_PALETTE = bytes((0, 0, 0, 170, 170, 170))

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


def _shown(lines: Iterable[str]) -> list[str]:
    """The last lines that fit, long ones wrapped, without escape sequences."""
    wrapped: list[str] = []
    for line in lines:
        plain = _ESCAPES.sub("", line.expandtabs())
        wrapped += [plain[at : at + COLUMNS] for at in range(0, len(plain), COLUMNS)] or [""]
    return wrapped[-ROWS:]


def _doubled(bits: int) -> int:
    """A row of six pixels, each twice as wide."""
    wide = 0
    for at in range(6):
        if bits >> at & 1:
            wide |= 0b11 << (2 * at)
    return wide


def _glyph_row(character: str, row: int) -> int:
    """Six pixels of a character, the leftmost in the highest bit."""
    code = ord(character) - 32
    if not 0 <= code < len(_FONT) // 5:
        code = ord("?") - 32 if character.strip() else 0
    bits = 0
    for column in range(5):
        bits = bits << 1 | (_FONT[code * 5 + column] >> row & 1)
    return bits << 1


def _pixels(lines: list[str]) -> bytes:
    """The rows of the picture, one bit a pixel, each after its filter byte."""
    empty = bytes(1 + WIDTH // 8)
    rows: list[bytes] = []
    for line in lines:
        for row in range(_CELL_HEIGHT // _SCALE):
            if row >= 8:
                rows += [empty] * _SCALE
                continue
            bits = 0
            for character in line.ljust(COLUMNS):
                bits = bits << _CELL_WIDTH | _doubled(_glyph_row(character, row))
            bits <<= WIDTH - COLUMNS * _CELL_WIDTH
            rows += [b"\0" + bits.to_bytes(WIDTH // 8, "big")] * _SCALE
    rows += [empty] * (HEIGHT - len(rows))
    return b"".join(rows[:HEIGHT])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def draw(lines: Iterable[str]) -> bytes:
    """The PNG."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 1, 3, 0, 0, 0)
    data = zlib.compress(_pixels(_shown(lines)), 6)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"PLTE", _PALETTE)
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )
