"""Pictures of screens for tests: a real one, and drawn ones."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

SEABIOS = (Path(__file__).parent / "data" / "pictures" / "seabios-720x400.png").read_bytes()
"""What QEMU 9 dumped of a machine without a disk: VGA text, 80 by 25 letters."""

RED, BLUE = (255, 0, 0), (0, 0, 255)


def encode(image: Image.Image, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (80, 40), form: str = "PNG") -> bytes:
    """A screen of one colour."""
    return encode(Image.new("RGB", size, colour), form)


def halves(size: tuple[int, int] = (80, 40), form: str = "PNG") -> bytes:
    """A screen that is red above and blue below."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, size[1] // 2, *size))
    return encode(image, form)


def shades(size: tuple[int, int] = (256, 128)) -> bytes:
    """A screen of many colours, dark at its left and light at its right."""
    width, height = size
    image = Image.new("RGB", size)
    image.putdata(
        [(255 * x // width, 255 * x // width, 255 * y // height) for y in range(height) for x in range(width)]
    )
    return encode(image)
