"""Long streams of real guests, what the emulator and tmux show at places within them, and those that are kept.

A kept one is two files in tests/data/console: what the guest said, and what tmux showed of it, as text.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kvtui.console.emulator import Emulator, Look

from .tmux import Shown

FOLDER = Path(__file__).parent.parent / "data" / "console"
_PLACE = re.compile(r"after (\d+) bytes, cursor (\d+),(\d+)")
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


class Kept(NamedTuple):
    """A stream with its size and origin, and the screens that tmux showed at some places."""

    data: bytes
    columns: int
    lines: int
    origin: Mapping[str, str]
    """What of the guest and the makers of both files: ``kernel``, ``program``, ``term``, ``judge``."""
    screens: Sequence[tuple[int, Shown]]


def keep(name: str, kept: Kept) -> None:
    """Write both files."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.gz").write_bytes(gzip.compress(kept.data, mtime=0))
    text = [f"size {kept.columns}x{kept.lines}", *(f"{key} {value}" for key, value in kept.origin.items())]
    for place, shown in kept.screens:
        text.append(f"after {place} bytes, cursor {shown.cursor[0]},{shown.cursor[1]}")
        text += [f"|{line}" for line in shown.lines]
    (FOLDER / f"{name}.txt").write_text("\n".join(text) + "\n", encoding="utf-8")


def read_kept(name: str) -> Kept:
    """Read both files."""
    facts: dict[str, str] = {}
    screens: list[tuple[int, Shown]] = []
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]:
        if line.startswith("|"):
            screens[-1][1].lines.append(line[1:])
        elif found := _PLACE.fullmatch(line):
            screens.append((int(found[1]), Shown([], (int(found[2]), int(found[3])))))
        else:
            key, _, value = line.partition(" ")
            facts[key] = value
    columns, lines = map(int, facts.pop("size").split("x"))
    return Kept(gzip.decompress((FOLDER / f"{name}.gz").read_bytes()), columns, lines, facts, screens)
