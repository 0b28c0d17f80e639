"""``kvtui screenshot``: what a VM shows on its screen, into a file or drawn in the terminal."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kvtui.backends.base import Screens
from kvtui.cli.connecting import read_settings
from kvtui.cli.machine import capable, explained, find_machine
from kvtui.cli.output import printing
from kvtui.config import Settings
from kvtui.errors import ConfigError, KvtuiError, UnreachableError

if TYPE_CHECKING:
    from kvtui.fleet import Fleet
    from kvtui.model import Ref

_STDOUT: Final = "-"
_ENDINGS: Final = (".png", ".ppm")
_PROMPT_LINES: Final = 2
"""Lines of the terminal that are left for the shell."""


def screenshot(options: Namespace) -> int:
    """Take the picture and put it where it was asked for; the exit code."""
    settings = read_settings(options)
    _check_output(options)
    data = asyncio.run(_take(*find_machine(options, settings), options.timeout))
    if options.output is None:
        _draw(data, settings)
    elif options.output == _STDOUT:
        from kvtui.ui.pictures.picture import as_png

        png = as_png(data)
        with printing():
            sys.stdout.buffer.write(png)
    else:
        _save(data, Path(options.output), force=options.force)
    return 0


def _check_output(options: Namespace) -> None:
    """What is wrong with the place is told before anybody is asked."""
    terminal = sys.stdout.isatty()
    if options.output == _STDOUT and terminal:
        raise ConfigError("a picture on a terminal is nothing but noise", hint="leave out -o to have it drawn")
    if options.output is None and not terminal:
        raise ConfigError("there is no terminal to draw the picture in", hint="give -o FILE, or -o - for a pipe")
    if options.output in (None, _STDOUT):
        return
    path = Path(options.output)
    if path.suffix and path.suffix.lower() not in _ENDINGS:
        raise ConfigError(f"{path}: no picture can be saved as {path.suffix}", hint="name it .png or .ppm")
    if path.exists() and not options.force:
        raise _exists(path)


async def _take(fleet: Fleet, ref: Ref, patience: float) -> bytes:
    try:
        await fleet.prepare()
        async with asyncio.timeout(patience):
            backend = capable(fleet, ref, Screens, "screens to look at")  # type: ignore[type-abstract]
            async with explained(fleet, ref):
                return await backend.take_screenshot(ref)
    except TimeoutError:
        raise UnreachableError(f"no picture of {ref.path} came within {patience:g} seconds") from None
    finally:
        await fleet.close()


def _save(data: bytes, path: Path, *, force: bool) -> None:
    """Others may not read it: a screen can show anything."""
    from kvtui.ui.pictures.picture import as_png, as_ppm

    data = as_ppm(data) if path.suffix.lower() == ".ppm" else as_png(data)
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if not force:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise KvtuiError(f"cannot write {path}", error.strerror or str(error)) from error


def _exists(path: Path) -> KvtuiError:
    return KvtuiError(f"{path} exists", hint="--force writes over it")


def _draw(data: bytes, settings: Settings) -> None:
    from rich.console import Console

    from kvtui.ui.pictures.canvas import Canvas, measured_cell
    from kvtui.ui.pictures.gallery import press
    from kvtui.ui.pictures.kitty import KittyPictures
    from kvtui.ui.pictures.picture import WHOLE, choose_way, decode, draw, encode_png, frame

    if "utf" not in sys.stdout.encoding.lower():
        raise KvtuiError(f"the terminal's encoding, {sys.stdout.encoding}, has no characters to draw with",
                         hint="-o FILE saves the picture")  # fmt: skip
    console = Console()
    picture = decode(data)
    columns, rows = shutil.get_terminal_size()
    rows = max(1, rows - _PROMPT_LINES)
    wanted = frame(picture.size, columns, rows)
    way = settings.console.pictures
    coloured = console.color_system not in (None, "windows") and not console.no_color
    with printing():
        if coloured and way == "sixel":
            cell = measured_cell(sys.stdout.fileno())
            canvas = Canvas(cell) if cell is not None else Canvas()
            wanted = frame(picture.size, *canvas.fit(columns, rows), WHOLE, canvas.tall)
            plate = press(picture, wanted, canvas)
            if plate is not None:
                # Where sixels leave the cursor differs from terminal to terminal: room is made, and the cursor kept.
                sys.stdout.write("\n" * plate.rows + f"\x1b[{plate.rows}A\x1b7{plate.sixels()}\x1b8\x1b[{plate.rows}B")
                return
        # Whether it is a terminal that shows pictures could only be known by asking it: the user must say so.
        if coloured and way == "kitty":
            kitty = KittyPictures(sys.stdout.write, true_colour=console.color_system == "truecolor",
                                  tmux="TMUX" in os.environ)  # fmt: skip
            cells = wanted.columns, wanted.rows
            strips = kitty.show("", encode_png(picture, kitty.most_pixels(*cells)), *cells)
        else:
            strips = draw(picture, wanted, choose_way(picture, way, coloured=coloured))
        for strip in strips:
            sys.stdout.write(strip.render(console) + "\n")
