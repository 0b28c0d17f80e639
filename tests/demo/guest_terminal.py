"""Somebody at the simulated guest's serial line, with pyte's screen before them."""

from __future__ import annotations

import copy
from typing import Any

import pyte

from kvtui.demo.guest import Guest


def make_guest(**changes: Any) -> Guest:
    facts: dict[str, Any] = {
        "hostname": "db-2",
        "os_name": "Fedora Linux",
        "os_version": "41 (Cloud Edition)",
        "kernel": "6.11.4-301.fc41.x86_64",
        "memory_mib": 4096,
        "cpus": 4,
        "ip": "10.244.3.17",
        "seed": 7,
        "booted_ago": 3600.0,
    }
    return Guest(**{**facts, **changes})


class AlternateScreen(pyte.Screen):
    """pyte's screen with the alternate screen of xterm."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self.normal: tuple[Any, Any] | None = None

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        if 1049 in modes:
            self.normal = copy.deepcopy(self.buffer), copy.copy(self.cursor)
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        if 1049 in modes and self.normal is not None:
            self.buffer, self.cursor = self.normal
            self.normal = None
        super().reset_mode(*modes, **kwargs)


class Terminal:
    """Somebody at the guest's serial line."""

    def __init__(self, guest: Guest, columns: int = 80, lines: int = 24) -> None:
        self.guest = guest
        self.raw = b""
        self.screen = AlternateScreen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        guest.attach(self.take)

    def take(self, data: bytes) -> None:
        self.raw += data
        self.stream.feed(data)

    def type(self, text: str | bytes, seconds: float = 0.1) -> None:
        self.guest.receive(text.encode() if isinstance(text, str) else text)
        self.guest.advance(seconds)

    def run(self, command: str) -> str:
        """What a command prints, on a cleared screen."""
        self.type("\x0c")
        self.type(command + "\r")
        return "\n".join(self.lines[1:])

    def cursor_hidden(self) -> bool:
        return self.screen.cursor.hidden

    def power(self) -> str:
        return self.guest.state

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    @property
    def current(self) -> str:
        return self.lines[self.screen.cursor.y]
