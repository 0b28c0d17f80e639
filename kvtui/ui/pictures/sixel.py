"""Pictures in true pixels as sixels, the graphics of DEC's VT340 (https://vt100.net/docs/vt3xx-gp/chapter14.html).

Sixels are drawn at the cursor, over the cells, and belong to nothing: a cell that is written again loses its part of
them. So a picture's cells are drawn with characters first, like any other text, and carry a mark that the compositor
takes along. Behind each frame stand the sixels for those of its cells that have a mark: what a toast covers is not
drawn, what it uncovers is, and what no frame touches is not sent again. A cell whose mark is lost, as behind a dialog
that lets it shine through, shows its characters.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from textual.geometry import Offset, Region
from textual.strip import Strip

from kvtui.ui.pictures.canvas import Canvas, Probe
from kvtui.ui.pictures.picture import Colour

if TYPE_CHECKING:
    from PIL import Image

_MARK: Final = "sixel"
_FEW_COLOURS: Final = 16
"""Of a picture that would be too long in more of them."""
_MOST_BYTES: Final = 400_000
"""Of a whole picture; one that is longer is shown with characters."""
_RUN: Final = re.compile(rb"(.)\1{3,}", re.DOTALL)
_SPELLED: Final = bytes(min(255, 63 + bits) for bits in range(256))
"""Six pixels, one above the other, as a character."""

# Encoding ------------------------------------------------------------------------------------------------------------


class Plate:
    """A picture, ready to be drawn as a whole or in parts, in whole cells."""

    def __init__(
        self, image: Image.Image, columns: int, rows: int, canvas: Canvas, palette: Sequence[Colour] | None = None
    ) -> None:
        """`image` in RGB has as many pixels as the cells. Without a palette one is found that suits it."""
        self.columns, self.rows = columns, rows
        self._cell = canvas.cell
        height = canvas.cell[1]
        data, length = image.tobytes(), 3 * image.width * height
        self.digests = [
            hashlib.blake2b(data[row * length : (row + 1) * length], digest_size=8).digest() for row in range(rows)
        ]
        """Of the lines of cells: those of two pictures that are equal look the same."""
        self._image = _reduce(image, canvas.colours, palette)
        self._whole = _encode(self._image)
        if len(self._whole) > _MOST_BYTES:
            self._image = _reduce(image, min(_FEW_COLOURS, canvas.colours), None)
            self._whole = _encode(self._image)

    @property
    def too_long(self) -> bool:
        """Whether it is better not sent."""
        return len(self._whole) > _MOST_BYTES

    def sixels(self, part: Region | None = None) -> str:
        """A part of it, in cells, or all of it."""
        if part is None or part == Region(0, 0, self.columns, self.rows):
            return self._whole
        width, height = self._cell
        return _encode(self._image.crop((part.x * width, part.y * height, part.right * width, part.bottom * height)))


def shades(ground: Colour, inks: Sequence[Colour], most: int) -> list[Colour]:
    """What a text in some colours is mixed of where letters end within a pixel: at most so many colours.

    A palette that is found by counting would lose the few letters that matter: those in red.
    """
    steps = next((steps for steps in (4, 3, 2) if 1 + steps * len(inks) <= most), 1)
    mixed = [
        tuple(low + (high - low) * step // steps for low, high in zip(ground, ink, strict=True))
        for ink in inks
        for step in range(steps, 0, -1)
    ]
    return [ground, *cast("list[Colour]", mixed)][:most]


def _reduce(image: Image.Image, colours: int, palette: Sequence[Colour] | None) -> Image.Image:
    from PIL import Image

    if palette is None:
        return image.quantize(colours, method=Image.Quantize.FASTOCTREE)
    table = Image.new("P", (1, 1))
    table.putpalette([value for colour in palette for value in colour])
    return image.quantize(palette=table, dither=Image.Dither.NONE)


def _encode(image: Image.Image) -> str:
    """A picture with a palette as sixels.

    Of each band of six lines, each colour is a line of characters that tell which of six pixels have it.
    """
    width, height = image.size
    data = image.tobytes()
    bands, used = [], set[int]()
    for top in range(0, height, 6):
        lines = [data[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
        colours = set(b"".join(lines))
        used |= colours
        bands.append(b"$".join(_spell(colour, lines) for colour in sorted(colours)))
    palette = image.getpalette() or []
    head = b"".join(
        b"#%d;2;%d;%d;%d" % (colour, *(round(value * 100 / 255) for value in palette[3 * colour : 3 * colour + 3]))
        for colour in sorted(used)
    )
    # Pixels that are not drawn stay as they are (1), a pixel is square (1;1).
    return f'\x1bP0;1q"1;1;{width};{height}{(head + b"-".join(bands)).decode()}\x1b\\'


def _spell(colour: int, lines: Sequence[bytes]) -> bytes:
    """Where a band has a colour."""
    bits = 0
    for line, table in zip(lines, _tables(colour), strict=False):
        if colour in line:
            bits |= int.from_bytes(line.translate(table), "little")
    spelled = bits.to_bytes(len(lines[0]), "little").translate(_SPELLED).rstrip(b"?")
    return b"#%d%b" % (colour, _RUN.sub(lambda run: b"!%d%b" % (run.end() - run.start(), run[1]), spelled))


@cache
def _tables(colour: int) -> list[bytes]:
    """For each of six lines, what makes its bit of a colour and nothing of all others."""
    return [bytes(1 << line if value == colour else 0 for value in range(256)) for line in range(6)]


# Showing -------------------------------------------------------------------------------------------------------------


class _Shown(NamedTuple):
    plate: Plate
    place: Callable[[], Offset]


class SixelPictures:
    """The pictures on the screen of a terminal that is asked first."""

    def __init__(
        self, write: Callable[[str], object], lines: Callable[[], int], changed: Callable[[], object], *, wanted: bool
    ) -> None:
        """`write` sends to the terminal, `lines` tells how many the screen has. `changed` is called when the terminal
        said what it shows, or something else than before. Where the user `wanted` sixels, it need not say so.
        """
        self._probe = Probe(write, wanted=wanted)
        self._lines = lines
        self._changed = changed
        self._shown: dict[int, _Shown] = {}
        self._probe.ask()

    @property
    def canvas(self) -> Canvas | None:
        """What the terminal shows; None as long as it did not say so."""
        return self._probe.canvas

    def ask_again(self) -> None:
        """The screen has another size, and perhaps its letters have."""
        self._probe.ask_again()

    def hear(self, reply: str) -> None:
        """The terminal answered."""
        before = self.canvas
        self._probe.hear(reply)
        if self.canvas != before:
            self._changed()

    def show(self, key: int, plate: Plate, strips: Sequence[Strip], place: Callable[[], Offset]) -> list[Strip]:
        """Cells that show a picture, in place of the one before it under that key.

        `strips` are its characters, `place` tells where on the screen its first cell is. Lines that look as they did
        are equal to what they were.
        """
        self._shown[key] = _Shown(plate, place)
        return [
            strip.apply_meta({_MARK: (key, row, digest)})
            for row, (strip, digest) in enumerate(zip(strips, plate.digests, strict=True))
        ]

    def keep(self, keys: Iterable[int]) -> None:
        """Forget all others."""
        kept = set(keys)
        self._shown = {key: shown for key, shown in self._shown.items() if key in kept}

    def behind(self, runs: Iterable[tuple[int, int, Strip]]) -> str:
        """The sixels over what a frame writes: strips, each at a line and a column.

        The last line of the screen stays without: sixels that reach it would make the terminal scroll.
        """
        if not self._shown:
            return ""
        last = self._lines() - 1
        found: dict[int, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for y, start, end, key in _marked(runs):
            if y < last and key in self._shown:
                spans = found[key][y]
                if spans and spans[-1][1] >= start:
                    spans[-1] = spans[-1][0], max(end, spans[-1][1])
                else:
                    spans.append((start, end))
        pieces = []
        for key, lines in found.items():
            plate, place = self._shown[key]
            origin = place()
            for region in _rectangles(lines):
                part = region.translate(-origin).intersection(Region(0, 0, plate.columns, plate.rows))
                if part:
                    at = part.offset + origin
                    pieces.append(f"\x1b[{at.y + 1};{at.x + 1}H{plate.sixels(part)}")
        return "".join(pieces)


def _marked(runs: Iterable[tuple[int, int, Strip]]) -> Iterator[tuple[int, int, int, int]]:
    """Line, first column, column behind the last one, and key of what has a mark."""
    for y, x, strip in runs:
        for segment in strip:
            end = x + segment.cell_length
            if segment.style is not None and segment.style.meta and (mark := segment.style.meta.get(_MARK)):
                yield y, x, end, mark[0]
            x = end


def _rectangles(lines: dict[int, list[tuple[int, int]]]) -> Iterator[Region]:
    """Lines with the same spans one below the other, as one."""
    open_: dict[tuple[int, int], int] = {}
    for y in sorted(lines):
        spans = lines[y] if y - 1 in lines else []
        for span in [span for span in open_ if span not in spans]:
            first = open_.pop(span)
            bottom = max(line for line in lines if first <= line < y)
            yield Region.from_corners(span[0], first, span[1], bottom + 1)
        for span in lines[y]:
            open_.setdefault(span, y)
    for span, first in open_.items():
        yield Region.from_corners(span[0], first, span[1], max(lines) + 1)
