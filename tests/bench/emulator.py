"""Megabytes of guest output a second: kvtui's emulator and pyte's own stream and screen.

Run: python -m tests.bench.emulator
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyte

from kvtui.console.emulator import Emulator

_COLUMNS, _LINES = 120, 40
_SLICE = 4096
_ROUNDS = 3


def kernel_log() -> str:
    """Plain lines, as `dmesg` prints them."""
    return "".join(
        f"[{i:10.6f}] virtio_blk virtio{i % 7}: [vda] {i * 37} 512-byte logical blocks ({i % 99} GB)\r\n"
        for i in range(6000)
    )


def boot_log() -> str:
    """Coloured lines, as systemd prints them."""
    return "".join(
        f"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mservice-{i}.service\x1b[0m - Some description of unit {i}.\r\n"
        for i in range(6000)
    )


def full_screen() -> str:
    """A program like top that draws the whole screen anew, many colours, each cell written."""
    rng = random.Random(1)
    parts: list[str] = []
    for _ in range(60):
        for y in range(_LINES):
            parts.append(f"\x1b[{y + 1};1H")
            parts += [
                f"\x1b[{rng.choice([31, 32, 33, 34, 36, 37, 90, 97])};{rng.choice([40, 44, 49])}m"
                f"{rng.randint(0, 10**9):<10d}"
                for _ in range(0, _COLUMNS, 10)
            ]
            parts.append("\x1b[0m\x1b[K")
    return "".join(parts)


def wide_text() -> str:
    """Wide characters, accents and line drawing."""
    return "".join(f"日本語テキスト {i} é ü ñ — ✓ line of text with unicode │ ─ ┐\r\n" for i in range(3000))


def short_lines() -> str:
    """What `yes` prints."""
    return "y\r\n" * 100_000


STREAMS: dict[str, Callable[[], str]] = {
    "kernel log": kernel_log,
    "systemd boot": boot_log,
    "full screen": full_screen,
    "wide text": wide_text,
    "short lines": short_lines,
}


class Speed(NamedTuple):
    """Megabytes a second of kvtui's emulator and of stock pyte."""

    what: str
    ours: float
    stock: float


def _speed(feed: Callable[[bytes], None], data: bytes) -> float:
    """Megabytes in a second of the processor."""
    start = time.process_time()
    for offset in range(0, len(data), _SLICE):
        feed(data[offset : offset + _SLICE])
    return len(data) / (time.process_time() - start) / 1e6


def speeds() -> Iterator[Speed]:
    """The best of three rounds of each, in turn, for the machine may be busy with other things."""
    for what, make in STREAMS.items():
        data = make().encode()
        rounds = [
            (
                _speed(Emulator(_COLUMNS, _LINES).feed, data),
                _speed(pyte.ByteStream(pyte.Screen(_COLUMNS, _LINES)).feed, data),
            )
            for _ in range(_ROUNDS)
        ]
        yield Speed(what, max(ours for ours, _ in rounds), max(stock for _, stock in rounds))


def main() -> None:
    """Print the speeds."""
    print(f"{'':14} {'kvtui':>10} {'pyte':>10} {'ratio':>6}   MB/s, {_COLUMNS}x{_LINES}, slices of {_SLICE} bytes")
    for speed in speeds():
        print(f"{speed.what:14} {speed.ours:10.2f} {speed.stock:10.2f} {speed.ours / speed.stock:6.1f}")


if __name__ == "__main__":
    main()
