"""Pictures of machines' screens: PNG or PPM files, drawn with the characters of a terminal.

A cell of a terminal is about twice as high as it is wide. As a half block it holds two pixels in any colour; as a
pattern of braille dots it holds two by four in two colours, which is what text needs: a VGA console of 80 by 25
characters can be read in 160 by 44 cells of dots, and as half blocks not at all.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from kvtui.errors import KvtuiError

if TYPE_CHECKING:
    # Loaded where it is used: the first frame does not need it.
    from PIL import Image

MOST_PIXELS: Final = 40_000_000
"""Of a picture that is decoded: an 8K screen has 33 million."""
_FEW_COLOURS: Final = 64
"""A console has 16 colours and its cursor; a desktop has thousands."""
_MOST_GAIN: Final = 5.0
_FLAT_COLOURS: Final = 32
"""To which a picture of many colours is reduced before it is drawn with dots."""
_COVERED: Final = 0.35
"""How much of a dot must be ink."""
_STEM: Final = 0.8
"""How much less it may be where a dot is wider than the stem of a letter, in pixels."""
_HAZE: Final = 0.4
"""By how much contrast is given back, for each pixel that is lost in one."""
_AROUND: Final = 32
"""Pixels on both sides of a cell that are its neighbourhood: more than a letter is wide, and less than a menu."""
_TALL: Final = 2.0
"""How high a cell is, in its widths, where the terminal does not tell."""
_DOTS: Final = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
"""The bits of a braille pattern (from U+2800 on), from left to right and from top to bottom."""

_RGB = tuple[int, int, int]


_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PPM: Final = b"P6"

Colour = tuple[int, int, int]


class PictureError(KvtuiError):
    """What a machine gave as its picture is none."""


class Way(StrEnum):
    """How a picture is drawn."""

    BLOCKS = "blocks"
    """Half blocks in colours."""
    DOTS = "dots"
    """Braille dots in two colours a cell."""
    PLAIN = "plain"
    """Braille dots without colours: a dot where it is light."""


Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, in its pixels."""


class Window(NamedTuple):
    """Which part of a picture is wanted."""

    zoom: float = 1.0
    """1 shows the whole picture as large as there is room, 2 twice as large."""
    x: float = 0.5
    """Where the part is, from 0 (left) to 1 (right)."""
    y: float = 0.5
    """From 0 (top) to 1 (bottom)."""


WHOLE: Final = Window()


class Frame(NamedTuple):
    """A part of a picture and the cells for it, which have its shape."""

    columns: int
    rows: int
    box: Box


def frame(size: tuple[int, int], columns: int, rows: int, window: Window = WHOLE, tall: float = _TALL) -> Frame:
    """The largest drawing that fits into so many cells and keeps the shape of a picture of `size` pixels.

    A cell is `tall` times as high as it is wide.
    """
    width, height = size
    scale = window.zoom * min(columns / width, tall * rows / height)
    part_width, part_height = min(width, columns / scale), min(height, tall * rows / scale)
    left, top = (width - part_width) * window.x, (height - part_height) * window.y
    return Frame(
        min(columns, max(1, round(part_width * scale))),
        min(rows, max(1, round(part_height * scale / tall))),
        (left, top, left + part_width, top + part_height),
    )


class Picture:
    """A decoded picture."""

    def __init__(self, image: Image.Image) -> None:
        """`image` is in RGB."""
        self._image = image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._image.size

    @cached_property
    def is_console(self) -> bool:
        """Whether it has as few colours as a text console, and is to be drawn so that text can be read."""
        return self._image.getcolors(_FEW_COLOURS) is not None

    @cached_property
    def flat(self) -> Image.Image:
        """The picture in few colours."""
        if self.is_console:
            return self._image
        from PIL import Image

        return self._image.quantize(_FLAT_COLOURS, method=Image.Quantize.FASTOCTREE).convert("RGB")

    @cached_property
    def ground(self) -> Colour:
        """The colour that most of it has."""
        return _ranked_colours(self.flat)[0]

    @property
    def inks(self) -> list[Colour]:
        """The other colours of a console, the most frequent one first; of anything else none."""
        return _ranked_colours(self.flat)[1:] if self.is_console else []

    @property
    def lowest(self) -> float:
        """Where the last thing ends that stands on the ground: 0 is the top of the picture, 1 its bottom."""
        from PIL import Image, ImageChops

        ground = Image.new("RGB", self.size, self.ground)
        found = ImageChops.difference(self.flat, ground).getbbox()
        return found[3] / self.size[1] if found else 0.0

    @property
    def ppm(self) -> bytes:
        """All of it as a PPM file."""
        return b"%s\n%d %d\n255\n" % (_PPM, *self.size) + self._image.tobytes()

    def scaled(self, width: int, height: int, box: Box | None = None) -> Image.Image:
        """A part of it in that many pixels.

        Of a console, letters that are thinner than such a pixel would be a haze: they get back some of their contrast,
        the more the smaller they become, whatever else is on the screen, for a cursor that blinks must change no more
        than itself.
        """
        small = _resize(self._image, width, height, box)
        gain = min(_MOST_GAIN, _HAZE * _shrinking(self._image, width, box)) if self.is_console else 1.0
        if gain <= 1:
            return small
        bands = zip(self.ground, cast("tuple[tuple[int, int], ...]", self._image.getextrema()), strict=True)
        return small.point(
            [
                min(high, max(low, round(ground + (value - ground) * gain)))
                for ground, (low, high) in bands
                for value in range(256)
            ]
        )


def _shrinking(image: Image.Image, width: int, box: Box | None) -> float:
    """How many pixels become one, in width."""
    left, _, right, _ = box or (0, 0, *image.size)
    return (right - left) / width


def _resize(image: Image.Image, width: int, height: int, box: Box | None) -> Image.Image:
    from PIL import Image

    box = box or (0, 0, *image.size)
    if width < box[2] - box[0]:
        return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return image.resize((width, height), Image.Resampling.BOX, box=box)


def _ranked_colours(image: Image.Image) -> list[Colour]:
    """The colours of a picture in few of them, the most frequent one first."""
    found = image.getcolors(_FEW_COLOURS)
    assert found is not None
    return [colour for _count, colour in cast("list[tuple[int, Colour]]", sorted(found, reverse=True))]


def decode(data: bytes) -> Picture:
    """The picture in a PNG or PPM file. Raises PictureError with a sentence when there is none, or a monstrous one."""
    from PIL import Image, UnidentifiedImageError

    # It would warn on standard error, which is the screen; here is a bound of our own.
    Image.MAX_IMAGE_PIXELS = None
    if not data:
        raise PictureError("the server sent an empty picture")
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "PPM"))
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise PictureError(f"the picture is too large to be drawn: {width} by {height} pixels")
        return Picture(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, ArithmeticError) as error:
        # What Pillow raises at files that are cut or forged.
        if isinstance(error, UnidentifiedImageError) and not data.startswith((_PNG, _PPM)):
            raise PictureError("what the server sent is no PNG and no PPM picture") from error
        raise PictureError("the picture is broken or cut off") from error


def is_png(data: bytes) -> bool:
    """Whether a file calls itself a PNG."""
    return data.startswith(_PNG)


def as_png(data: bytes) -> bytes:
    """The picture as a PNG file; one that is a PNG stays as it is. Raises PictureError."""
    return data if is_png(data) else encode_png(decode(data))


def as_ppm(data: bytes) -> bytes:
    """The picture as a PPM file; one that is a PPM stays as it is. Raises PictureError."""
    return data if data.startswith(_PPM) else decode(data).ppm


def encode_png(picture: Picture, most: tuple[int, int] | None = None, box: Box | None = None) -> bytes:
    """A part of a picture as a PNG file, of at most so many pixels in width and height."""
    left, top, right, bottom = box or (0, 0, *picture.size)
    width, height = right - left, bottom - top
    scale = 1.0 if most is None else min(1.0, most[0] / width, most[1] / height)
    out = io.BytesIO()
    picture.scaled(max(1, round(width * scale)), max(1, round(height * scale)), box).save(out, "PNG")
    return out.getvalue()


def choose_way(picture: Picture, wanted: str, *, coloured: bool) -> Way:
    """How to draw a picture where the user wants it so: ``blocks``, ``dots``, or what is best."""
    if not coloured:
        return Way.PLAIN
    if wanted in (Way.BLOCKS, Way.DOTS):
        return Way(wanted)
    return Way.DOTS if picture.is_console else Way.BLOCKS


def draw(picture: Picture, wanted: Frame, way: Way) -> list[Strip]:
    """A part of a picture in its cells, line by line."""
    width, height, box = wanted
    if way is Way.BLOCKS:
        lines = _draw_blocks(picture.scaled(width, 2 * height, box), width)
    elif way is Way.DOTS or picture.is_console:
        lines = _draw_dots(picture, wanted, coloured=way is Way.DOTS)
    else:
        lines = _draw_light(picture.scaled(2 * width, 4 * height, box), width)
    return [Strip(segments, width) for segments in lines]


def _draw_blocks(image: Image.Image, width: int) -> Iterator[list[Segment]]:
    # Fewer shades make longer runs of one colour, and each run costs an escape sequence; the eye sees no difference.
    data = image.point([round(value / 255 * 31) * 255 // 31 for value in range(256)] * 3).tobytes()
    for start in range(0, len(data), 6 * width):
        line = _Runs()
        for at in range(start, start + 3 * width, 3):
            upper, lower = data[at : at + 3], data[at + 3 * width : at + 3 * width + 3]
            if upper == lower:
                line.add(" ", None, lower)
            else:
                line.add("▀", upper, lower)
        yield line.segments()


def _draw_dots(picture: Picture, wanted: Frame, *, coloured: bool) -> Iterator[list[Segment]]:
    """Each cell in two colours that the picture has there: what most of it is, and what most of the rest is.

    Without colours a cell shows its ink, or its ground where that stands out more, as in a bar of inverse text.
    """
    flat = picture.flat
    width, height, (left, top, right, bottom) = wanted
    across, down = (right - left) / width, (bottom - top) / height
    data = _resize(flat, 2 * width, 4 * height, wanted.box).tobytes()
    least = min(_COVERED, _STEM / _shrinking(flat, 2 * width, wanted.box))
    offsets = _dot_offsets(2 * width, 3)
    for y in range(height):
        line = _Runs()
        row = flat.crop(_whole_pixels(left, top + y * down, right, top + (y + 1) * down))
        for x in range(width):
            ground, ink = _cell_colours(row, x, across, picture.ground)
            at = 6 * width * 4 * y + 6 * x
            dots = 0 if ink is None else _pattern(data, [at + offset for offset in offsets], ground, ink, least)
            if coloured:
                line.add(_character(dots), bytes(ink) if ink and dots else None, bytes(ground))
            else:
                swap = _distance(ground, picture.ground) > (_distance(ink, picture.ground) if ink else 0)
                line.add(_character(dots ^ 0xFF if swap else dots), None, None)
        yield line.segments()


def _cell_colours(row: Image.Image, x: int, across: float, likely: Colour) -> tuple[Colour, Colour | None]:
    """Ground and ink of a cell, `across` pixels wide, in a row of cells.

    The ground is what most of its neighbourhood is: a thick letter may fill a cell and is ink all the same.
    """
    left = x * across
    colours = _colours(row, left, left + across)
    if colours == [likely]:
        return likely, None
    start = max(0.0, min(left - _AROUND, row.width - 2 * _AROUND - across))
    ground = _colours(row, start, start + 2 * _AROUND + across)[0]
    return ground, next((colour for colour in colours if colour != ground), None)


def _colours(row: Image.Image, left: float, right: float) -> list[Colour]:
    """Of a part of a row in few colours, those colours, the most frequent one first."""
    part = row.crop(_whole_pixels(max(0.0, left), 0, min(float(row.width), right), row.height))
    return _ranked_colours(part)


def _draw_light(image: Image.Image, width: int) -> Iterator[list[Segment]]:
    """A dot where it is light; shades are as many dots as they are bright."""
    data = image.convert("L").convert("1").convert("L").tobytes()
    offsets = _dot_offsets(2 * width, 1)
    for start in range(0, len(data), 8 * width):
        line = _Runs()
        for at in range(start, start + 2 * width, 2):
            dots = sum(bit for bit, offset in zip(_DOTS, offsets, strict=True) if data[at + offset])
            line.add(_character(dots), None, None)
        yield line.segments()


def _dot_offsets(row: int, size: int) -> list[int]:
    """Where the dots of a cell are in the bytes of a picture, from its first on."""
    return [size * (down * row + across) for down in range(4) for across in range(2)]


def _whole_pixels(left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    x, y = round(left), round(top)
    return x, y, max(x + 1, round(right)), max(y + 1, round(bottom))


def _pattern(data: bytes, places: Iterable[int], ground: Colour, ink: Colour, covered: float) -> int:
    """The dots of which more than that part is ink."""
    red, green, blue = (much - less for much, less in zip(ink, ground, strict=True))
    least = covered * (red * red + green * green + blue * blue)
    base = red * ground[0] + green * ground[1] + blue * ground[2]
    return sum(
        bit
        for bit, at in zip(_DOTS, places, strict=True)
        if red * data[at] + green * data[at + 1] + blue * data[at + 2] - base > least
    )


def _character(dots: int) -> str:
    return chr(0x2800 + dots) if dots else " "


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


class _Runs:
    """The segments of a line: neighbours of one style are one, and each costs an escape sequence."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._text = ""
        self._look: tuple[bytes | None, bytes | None] = None, None

    def add(self, character: str, ink: bytes | None, ground: bytes | None) -> None:
        """Append a character; None is no colour of its own."""
        # A blank needs no ink: it goes with whatever stands before it on the same ground.
        if self._look != (ink, ground) and not (character == " " and self._text and self._look[1] == ground):
            self._end()
            self._look = ink, ground
        self._text += character

    def segments(self) -> list[Segment]:
        """All that was added."""
        self._end()
        return self._segments

    def _end(self) -> None:
        if self._text:
            self._segments.append(Segment(self._text, _style(*self._look)))
        self._text = ""


@lru_cache(8192)
def _style(ink: bytes | None, ground: bytes | None) -> Style:
    return Style.from_color(_rich(ink), _rich(ground))


@lru_cache(8192)
def _rich(colour: bytes | None) -> Color | None:
    return None if colour is None else Color.from_triplet(ColorTriplet(*colour))
