"""Long streams of real guests, and where within them the emulator is compared with tmux."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from kvtui.console.emulator import Emulator

from .tmux import Shown, shown_by

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
    return Shown([unicodedata.normalize("NFC", _UNSEEN.sub("", line)) for line in shown.lines], shown.cursor)


def shown_after(data: bytes, places: list[int], columns: int, lines: int) -> Iterator[Shown]:
    """What the emulator shows at each place of the stream."""
    emulator = Emulator(columns, lines)
    begin = 0
    for place in places:
        emulator.feed(data[begin:place])
        begin = place
        yield spelled(shown_by(emulator))
