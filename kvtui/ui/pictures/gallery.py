"""How pictures of machines are arranged, drawn beside the loop of messages, and kept in files."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from textual.strip import Strip

from kvtui.errors import KvtuiError
from kvtui.model import Ref
from kvtui.ui.pictures.canvas import Canvas
from kvtui.ui.pictures.picture import Frame, Picture, Window, as_png, choose_way, decode, draw, encode_png, frame
from kvtui.ui.pictures.sixel import Plate, shades

LEAST_TILE: Final = (38, 11)
"""Columns and lines of a tile with its title: less of a screen tells nothing."""
_SHAPE: Final = 4 / 3
"""Of a screen whose shape is not known yet."""
_UNFIT: Final = re.compile(r"[^\w.-]+")
"""What the name of a machine may hold and that of a file had better not."""


class Grid(NamedTuple):
    """Columns and rows of tiles on one page."""

    columns: int
    rows: int

    @property
    def size(self) -> int:
        """Tiles of a page."""
        return self.columns * self.rows


def plan_grid(count: int, width: int, height: int) -> Grid:
    """The grid in which `count` pictures are largest; more than have room stand on further pages.

    Between the columns one is left free.
    """
    most = Grid(max(1, (width + 1) // (LEAST_TILE[0] + 1)), max(1, height // LEAST_TILE[1]))
    if count >= most.size:
        return most
    plans = [Grid(columns, -(-count // columns)) for columns in range(1, min(most.columns, max(1, count)) + 1)]
    return max((plan for plan in plans if plan.rows <= most.rows), key=lambda plan: _picture_width(plan, width, height))


def _picture_width(plan: Grid, width: int, height: int) -> float:
    return min((width + 1) // plan.columns - 1, (height // plan.rows - 1) * 2 * _SHAPE)


class Order(NamedTuple):
    """How a picture is to be drawn; an equal order gives an equal drawing."""

    digest: bytes
    columns: int
    rows: int
    way: str
    """``blocks``, ``dots``, or anything else for what is best."""
    coloured: bool
    zoom: float = 1.0
    place: tuple[float, float] | None = None
    """Where the part is that is shown; None follows the text."""
    pixels: tuple[int, int] | None = None
    """The largest picture that the terminal takes itself; None where it takes none."""
    canvas: Canvas | None = None
    """For sixels; None where there are to be none."""


class Drawing(NamedTuple):
    """What became of an order."""

    size: tuple[int, int]
    """Of the whole picture, in pixels."""
    window: Window
    frame: Frame
    strips: list[Strip]
    png: bytes = b""
    """For a terminal that takes pictures; then there are no strips."""
    plate: Plate | None = None
    """For a terminal that shows sixels, over the strips."""

    def moved(self, across: int, down: int) -> tuple[float, float]:
        """Where a window is that is half of what this one shows further to the right or down."""
        left, top, right, bottom = self.frame.box
        width, height = self.size
        return (
            _moved(self.window.x, across * (right - left) / 2, width - (right - left)),
            _moved(self.window.y, down * (bottom - top) / 2, height - (bottom - top)),
        )


def _moved(place: float, step: float, room: float) -> float:
    return min(1.0, max(0.0, place + step / room)) if room >= 1 else place


def carry_out(order: Order, data: bytes) -> Drawing:
    """Decode and draw: work of some 20 to 150 ms, for a thread of its own. Raises PictureError."""
    picture = decode(data)
    window = Window(order.zoom, *(order.place or (0.0, 1.0)))
    wanted = _frame(picture, order, window)
    if order.place is None:
        window = window._replace(y=_follow_text(picture, wanted))
        wanted = _frame(picture, order, window)
    if order.pixels is not None:
        return Drawing(picture.size, window, wanted, [], encode_png(picture, order.pixels, wanted.box))
    strips = draw(picture, wanted, choose_way(picture, order.way, coloured=order.coloured))
    plate = press(picture, wanted, order.canvas) if order.canvas is not None else None
    return Drawing(picture.size, window, wanted, strips, plate=plate)


def _frame(picture: Picture, order: Order, window: Window) -> Frame:
    if order.canvas is None:
        return frame(picture.size, order.columns, order.rows, window)
    return frame(picture.size, *order.canvas.fit(order.columns, order.rows), window, order.canvas.tall)


def press(picture: Picture, wanted: Frame, canvas: Canvas) -> Plate | None:
    """A part of a picture as sixels; None where they would be too many."""
    (width, height), (columns, rows, box) = canvas.cell, wanted
    image = picture.scaled(columns * width, rows * height, box)
    palette = shades(picture.ground, picture.inks, canvas.colours) if picture.is_console else None
    plate = Plate(image, columns, rows, canvas, palette)
    return None if plate.too_long else plate


def _follow_text(picture: Picture, wanted: Frame) -> float:
    """How far down a window is whose last line is the last one that anything is written in."""
    part = wanted.box[3] - wanted.box[1]
    room = picture.size[1] - part
    return min(1.0, max(0.0, picture.lowest * picture.size[1] - part) / room) if room >= 1 else 0.5


def save(data: bytes, folder: Path, ref: Ref) -> Path:
    """Keep a picture where only its owner may read it; the path. Raises PictureError, KvtuiError."""
    png = as_png(data)
    stem = f"{_UNFIT.sub('_', ref.path.replace('/', '-'))}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for suffix in ("", *(f"-{number}" for number in range(2, 100))):
            path = folder / f"{stem}{suffix}.png"
            try:
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(png)
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise KvtuiError(f"the picture cannot be kept in {folder}", error.strerror or str(error)) from error
    raise KvtuiError(f"the picture cannot be kept in {folder}", f"{stem}.png and 98 more are there")


def in_sight(refs: Sequence[Ref], cursor: int, grid: Grid) -> Sequence[Ref]:
    """The page that the cursor is on."""
    first = cursor - cursor % grid.size
    return refs[first : first + grid.size]
