"""Long streams of real guests, and where within them the emulator is compared with tmux."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from kvtui.console.emulator import Emulator, Look

from .tmux import Shown

_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]")
_BEGINS = re.compile(rb"[\n\x1b]")


def cuts(data: bytes, count: int) -> list[int]:
    """Places at about every `count`-th part of the stream, the last one its end, before a line feed or a sequence."""
    places = {len(data)}
    for part in range(1, count):
        found = _BEGINS.search(data, len(data) * part // count)
        places.add(found.start() if found else len(data))
    return sorted(places)


def spelled(shown: Shown) -> Shown:
    """The same screen in one spelling: tmux keeps marks apart from their letters, and characters without a picture."""
    return Shown([spell(line) for line in shown.lines], shown.cursor)


def spell(text: str) -> str:
    """The text in that spelling."""
    return unicodedata.normalize("NFC", _UNSEEN.sub("", text))


def emulated(data: bytes, places: list[int], columns: int, lines: int) -> Iterator[Emulator]:
    """The emulator at each place of the stream."""
    emulator = Emulator(columns, lines)
    begin = 0
    for place in places:
        emulator.feed(data[begin:place])
        begin = place
        yield emulator


def looks_of(emulator: Emulator) -> list[list[tuple[str, Look]]]:
    """Each row as characters with their looks."""
    rows = [emulator.row(y) for y in range(emulator.lines)]
    return [[(character, run.look) for run in row for character in spell(run.text)] for row in rows]


def looks_in_tmux(coloured: str, columns: int, lines: int) -> list[list[tuple[str, Look]]]:
    """The same of a screen that tmux describes by sequences, which this emulator reads."""
    emulator = Emulator(columns, lines)
    emulator.feed(coloured.replace("\n", "\r\n").encode())
    return looks_of(emulator)
