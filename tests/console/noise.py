"""Streams that no honest guest sends: random bytes, soup of escape sequences, real streams with errors in them.

Run: python -m tests.console.noise [SEEDS [BYTES]]
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from functools import cache

from kvtui.console.emulator import Emulator
from kvtui.text import width_of
from tests.bench.emulator import boot_log, full_screen, wide_text

from .test_conformance import CASES

SLICE = 16_384

_PARTS: tuple[bytes, ...] = (
    b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\x1b\\", b"\x07", b"\x18", b"\x1b(",
    b"\x1b)0", b"?", b">", b"=", b"<", b"!", b"$", b" ", b"#", b";", b":", b"0", b"1", b"25", b"47", b"1049", b"9999",
    b"99999999999", b"\r", b"\n", b"\t", b"\b", b"\x0e", b"\x0f", b"\x7f", b"\x00", b"text", b"x" * 99, b"\xff",
    b"\xe2\x94", b"\xc2\x9b", b"\xf0\x9f\x91\xa9\xe2\x80\x8d", b"\xef\xb8\x8f", b"\xcc\x81", b"\xe6\x97\xa5",
    b"\xe2\x80\xae", b"\xed\xa0\x80",
)  # fmt: skip
_FINALS = bytes(range(0x40, 0x7F))


def random_bytes(rng: random.Random, size: int) -> bytes:
    """Any bytes at all."""
    return rng.randbytes(size)


def soup(rng: random.Random, size: int) -> bytes:
    """What sequences are made of, in any order."""
    stream = bytearray()
    while len(stream) < size:
        stream += rng.choice(_PARTS) if rng.random() < 0.75 else bytes((rng.choice(_FINALS),))
    return bytes(stream[:size])


@cache
def _honest() -> bytes:
    logs = "".join(make()[:20_000] for make in (boot_log, full_screen, wide_text)).encode()
    return logs + b"".join(case.data for case in CASES.values())


def mutations(rng: random.Random, size: int) -> bytes:
    """Real output and every sequence that is claimed, with bytes flipped, lost, repeated and swapped."""
    original = _honest()
    stream = bytearray()
    while len(stream) < size:
        start = rng.randrange(len(original))
        piece = bytearray(original[start : start + rng.randint(1, 400)])
        for _ in range(rng.randint(0, 4)):
            at = rng.randrange(len(piece))
            piece[at : at + rng.choice((0, 1, 1, 8))] = rng.choice((b"", rng.randbytes(1), b"\x1b[", bytes(piece[:9])))
            piece = piece or bytearray(b"\x1b")
        stream += piece
    return bytes(stream[:size])


KINDS: dict[str, Callable[[random.Random, int], bytes]] = {
    "random bytes": random_bytes,
    "soup": soup,
    "mutations": mutations,
}


def assert_sound(emulator: Emulator) -> None:
    """No control character shows, no row is too wide, the cursor is on the screen."""
    assert len(emulator.text()) == emulator.lines
    for y in range(-emulator.scrollback_size, emulator.lines):
        text = "".join(run.text for run in emulator.row(y))
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
        if y >= 0:
            assert sum(max(0, width_of(character)) for character in text) <= emulator.columns
    assert 0 <= emulator.cursor.x < emulator.columns
    assert 0 <= emulator.cursor.y < emulator.lines
    assert emulator.title.isprintable()


def main(seeds: int = 200, size: int = 1_000_000) -> None:
    """Feed that many streams of each kind, and tell how long the longest slice took."""
    for kind, make in KINDS.items():
        slowest, seconds = 0.0, 0.0
        for seed in range(seeds):
            stream = make(random.Random(seed), size)
            emulator = Emulator(80 + seed % 90, 24 + seed % 30, 1000)
            for start in range(0, len(stream), SLICE):
                begun = time.process_time()
                emulator.feed(stream[start : start + SLICE], start)
                took = time.process_time() - begun
                seconds += took
                slowest = max(slowest, took)
            assert_sound(emulator)
        rate = seeds * size / seconds / 1e6
        print(f"{kind}: {seeds} seeds of {size} bytes, {rate:.2f} MB/s, slowest {SLICE} bytes {1000 * slowest:.0f} ms")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
