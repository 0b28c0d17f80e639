"""What waits to be drawn: of a flood only what will be left of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console import backlog
from kvtui.console.backlog import Backlog
from kvtui.console.emulator import Emulator
from kvtui.console.plainbytes import PlainBytes
from tests.console.screens import picture

COLUMNS, LINES, SCROLLBACK = 40, 10, 60


def flood(count: int) -> bytes:
    """Coloured lines, as many programs print them."""
    return b"".join(b"\x1b[%dm%06d\x1b[0m the quick brown fox\r\n" % (31 + n % 6, n) for n in range(count))


def plain(count: int) -> bytes:
    """Lines in the colours that were set before."""
    return b"".join(b"line %d\r\n" % n for n in range(count))


def cut(data: bytes, rng: random.Random, most: int) -> list[bytes]:
    pieces = []
    while data:
        size = rng.randint(1, most)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


async def drain(emulator: Emulator, pieces: Iterable[bytes]) -> int:
    """Let all of it wait, then draw it; how many bytes the emulator read."""
    fed = 0
    feed = emulator.feed

    def counting(data: bytes, now: float = 0.0) -> None:
        nonlocal fed
        fed += len(data)
        feed(data, now)

    emulator.feed = counting  # type: ignore[method-assign]
    done = asyncio.Event()
    waiting = Backlog(emulator, lambda: done.set() if not waiting.size else None)
    for number, piece in enumerate(pieces):
        await waiting.put(piece, float(number))
    task = asyncio.create_task(waiting.drain())
    await done.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return fed


def fed_whole(pieces: Iterable[bytes]) -> Emulator:
    emulator = Emulator(COLUMNS, LINES, SCROLLBACK)
    for number, piece in enumerate(pieces):
        emulator.feed(piece, float(number))
    return emulator


async def test_of_a_flood_only_what_will_be_left_is_drawn() -> None:
    pieces = [flood(30_000)[start : start + 8_192] for start in range(0, len(flood(30_000)), 8_192)]
    emulator = Emulator(COLUMNS, LINES, SCROLLBACK)
    read = await drain(emulator, pieces)
    whole = fed_whole(pieces)
    assert picture(emulator) == picture(whole)
    assert emulator.scrolled_total == whole.scrolled_total
    assert read < len(flood(30_000)) / 2, "what is less than a flood is drawn as ever"


async def test_colours_that_were_set_in_what_is_not_drawn_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_FLOOD", 0)
    data = plain(100) + b"\x1b[1m\x1b[mplain\x1b[4m\x1b[33m\r\n" + plain(400)
    pieces = [data[start : start + 500] for start in range(0, len(data), 500)]
    emulator = Emulator(COLUMNS, LINES, SCROLLBACK)
    assert await drain(emulator, pieces) < len(data)
    assert picture(emulator) == picture(fed_whole(pieces))
    assert emulator.row(0)[0].look.underline


_INSERTS = (
    b"\x1b[2J\x1b[H",
    b"\x1b[?1049h",
    b"\x1b[?1049l",
    b"\x1b[3;7r",
    b"\x1b[r",
    b"\x1b[44m",
    b"\x1b[1;33mwarning\r\n",
    b"\x1b[m\x1b[4m",
    b"\x1b[m",
    b"\x1b(0",
    b"\x1b(B",
    b"\x1b]0;title\x07",
    b"\xc2\x9b2J",
    b"\x0e",
    b"\x0f",
    b"\x1b[?7l",
    b"\x1b[4h",
    b"no line end",
    b"\n\n",
    b"\r",
    b"\x1b[5A",
    b"\x1bc",
    "日本 é │ ".encode(),
    b"\x1b[20b",
    b"x" * 100,
)


@pytest.mark.parametrize("seed", range(40))
async def test_what_is_left_is_the_same_as_if_all_was_drawn(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_FLOOD", 0)
    rng = random.Random(seed)
    floods = (flood, plain)
    data = b"".join(rng.choice(floods)(rng.randint(1, 400)) + rng.choice(_INSERTS) for _ in range(rng.randint(1, 12)))
    pieces = cut(data, rng, rng.choice((7, 100, 3_000)))
    emulator = Emulator(COLUMNS, LINES, SCROLLBACK)
    await drain(emulator, pieces)
    whole = fed_whole(pieces)
    assert picture(emulator) == picture(whole)


@given(st.binary(max_size=40), st.integers(0, 40))
def test_a_sequence_that_is_parted_is_judged_as_one(data: bytes, at: int) -> None:
    judge = PlainBytes()
    parts = [judge.count_lines(part) for part in (data[:at], data[at:])]
    if PlainBytes().count_lines(data) is None:
        assert None in parts
