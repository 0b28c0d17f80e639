"""Noise and attacks: nothing raises, nothing takes more work than it has bytes, no control character shows.

Two hundred seeds of a megabyte each: python -m tests.console.noise
"""

from __future__ import annotations

import random
import sys
from types import FrameType

import pytest

from kvtui.console.emulator import Emulator
from kvtui.ui.consoles.emulation import EmulatorView
from tests.ui.test_emulation import Host

from .noise import KINDS, SLICE, assert_sound
from .screens import picture

SEEDS, SIZE = 200, 6_000


@pytest.mark.parametrize("kind", KINDS)
def test_noise_does_no_harm(kind: str) -> None:
    """More than a megabyte of each kind, on screens of many sizes."""
    for seed in range(SEEDS):
        rng = random.Random(seed)
        emulator = Emulator(rng.randint(2, 90), rng.randint(1, 40), 100)
        emulator.feed(KINDS[kind](rng, SIZE))
        assert_sound(emulator)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_cut_anywhere_shows_the_same(kind: str) -> None:
    for seed in range(40):
        rng = random.Random(seed)
        stream = KINDS[kind](rng, SIZE)
        whole, pieces = Emulator(40, 12, 50), Emulator(40, 12, 50)
        whole.feed(stream)
        start = 0
        while start < len(stream):
            end = start + rng.choice((1, 2, 3, 40, 700))
            pieces.feed(stream[start:end])
            start = end
        assert picture(pieces) == picture(whole)


@pytest.mark.parametrize("kind", KINDS)
async def test_noise_reaches_no_terminal_as_a_control_character(kind: str) -> None:
    """Every line of the view, at its bottom and scrolled back."""
    view = EmulatorView(Emulator(60, 20, 100))
    async with Host(view).run_test(size=(60, 20)):
        for seed in range(20):
            view.emulator.feed(KINDS[kind](random.Random(seed), SIZE))
            for back in (0, 15):
                view.scroll_back(-back)
                text = "".join(segment.text for y in range(20) for segment in view.render_line(y))
                assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
            view.scroll_back(100)


ATTACKS: dict[str, bytes] = {
    "endless string": b"\x1b]0;" + b"A" * 100_000,
    "endless string in small pieces of others": b"\x1bP" + b"q\x00" * 50_000,
    "endless parameters": b"\x1b[" + b"1;" * 50_000,
    "sequences with as many parameters as are taken": (b"\x1b[" + b"1;" * 127 + b"m") * 200,
    "sequences full of controls": (b"\x1b[" + b"\n" * 250 + b"m") * 200,
    "never the same sequence twice": b"".join(b"\x1b[%d;%dH" % (n, 7 * n) for n in range(6000)),
    "never the same colour twice": b"".join(b"\x1b[38;2;%d;%d;%dmx" % (n % 256, n >> 8, n % 7) for n in range(4000)),
    "repetitions": b"x\x1b[9999b" * 6000,
    "marks on one letter": b"e" + "\u0301".encode() * 30_000,
    "marks on each letter": "e\u0301\u0302".encode() * 10_000,
    "resets": b"x\x1bc" * 10_000,
    "clearings": b"x\x1b[2J" * 8_000,
    "test patterns": b"\x1b#8\x1b[2J" * 2_000,
    "scrolling far": b"\x1b[9999S\x1b[9999T" * 3_000,
    "lines inserted far": b"\x1b[9999L\x1b[9999M" * 3_000,
    "characters inserted far": b"\x1b[9999@\x1b[9999P" * 3_000,
    "tab stops everywhere": b"\x1bH " * 200 + b"\r\t\t\t\x1b[9999I\x1b[9999Z" * 2_000,
    "screens in turn": b"\x1b[?1049h\x1b[?1049l" * 3_000,
    "cursors saved": b"\x1b7" * 20_000,
    "questions": b"\x1b[6n\x1b[c\x1b[?1$p" * 4_000,
    "titles": b"\x1b]2;title\x07" * 6_000,
    "line feeds": b"\n" * 60_000,
    "escapes": b"\x1b" * 60_000,
    "bytes that are no UTF-8": b"\xff\xe2\x94" * 20_000,
}


class Work:
    """Counts the calls of functions, of Python's and of C's, that are made while it is entered."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Work:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.calls += event in ("call", "c_call")


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("slice_", [SLICE, 7])
def test_the_work_grows_with_the_bytes_alone(name: str, slice_: int) -> None:
    stream = ATTACKS[name] if slice_ == SLICE else ATTACKS[name][:20_000]
    emulator = Emulator(100, 30, 1000)
    half = len(stream) // 2
    works = []
    for part in (stream[:half], stream[half:]):
        with Work() as work:
            for start in range(0, len(part), slice_):
                emulator.feed(part[start : start + slice_])
        works.append(work.calls)
    assert_sound(emulator)
    assert works[1] <= 1.5 * works[0] + 1000
    assert sum(works) <= 4 * emulator.lines * len(stream)
