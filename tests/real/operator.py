"""Somebody at a guest's console, who has nothing but what the program's session shows and takes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kvtui.backends.base import ByteStream
from kvtui.console.keys import KeyOptions, encode
from kvtui.console.session import Session
from tests.real.image import PASSWORD

PATIENCE = 20.0
_STILL = 0.1
"""Seconds without a byte after which a program has drawn all that it wanted to."""
_PROMPT = rb"guest:\S+# \x1b\[6n\Z"
"""busybox's shell asks where the cursor is. An answer that comes after what is typed goes to the program that was
started: busybox's less takes any report of the cursor for the size of its terminal.
"""
_PROMPT_SHOWN = r"guest:\S+#\s*\Z"


@dataclass(frozen=True, slots=True)
class Capture:
    """What a guest said while it was watched in a terminal of this size."""

    data: bytes
    columns: int
    lines: int


class Tap:
    """A line that keeps a copy of what comes over it."""

    def __init__(self, line: ByteStream, heard: bytearray) -> None:
        self._line = line
        self._heard = heard

    async def read(self) -> bytes:
        data = await self._line.read()
        self._heard += data
        return data

    async def write(self, data: bytes) -> None:
        await self._line.write(data)

    async def close(self) -> None:
        await self._line.close()


class Operator:
    """Types, and waits for what the guest answers. `heard` is filled by the session's taps."""

    def __init__(self, session: Session, heard: bytearray) -> None:
        self.session = session
        self._heard = heard
        self._changed = asyncio.Event()
        session.observe(self._changed.set)

    @property
    def screen(self) -> str:
        """The screen as text."""
        return "\n".join(self.session.emulator.text())

    @property
    def is_prompted(self) -> bool:
        """Whether the shell waits for a command and has its answer: the line is heard before the emulator reads it."""
        if self.session.behind:
            return False
        asked = re.search(_PROMPT, bytes(self._heard[-100:])) is not None
        return asked and re.search(_PROMPT_SHOWN, self.screen) is not None

    @contextmanager
    def hearing(self) -> Iterator[Callable[[], Capture]]:
        """What the guest says from now on: call it for the stream so far."""
        begin = len(self._heard)
        emulator = self.session.emulator
        yield lambda: Capture(bytes(self._heard[begin:]), emulator.columns, emulator.lines)

    def type(self, *texts: str) -> None:
        """Type texts, one after the other without a pause."""
        for text in texts:
            assert self.session.send(text.encode()), f"the session takes nothing: {self.session.sentence}"

    def press(self, *keys: str) -> None:
        """Press keys that are no text, by the names of the program's own key table."""
        for key in keys:
            data = encode(key, None, self.session.emulator.modes, KeyOptions())
            assert data, f"{key} says nothing to a guest"
            self.type(data.decode())

    async def wait_until(self, holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait until `holds`, asking after every change of the screen. Raises AssertionError that shows the screen."""
        try:
            async with asyncio.timeout(patience):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited {patience:.0f} s for {what}; the screen:\n{self.screen}") from None

    async def wait_for(self, pattern: str, patience: float = PATIENCE) -> None:
        """Wait until a pattern is on the screen."""
        await self.wait_until(lambda: bool(re.search(pattern, self.screen)), repr(pattern), patience)

    async def ask(self, keys: str, pattern: str = "") -> None:
        """Type text, or press a key of more than one letter in angle brackets, and wait until the guest has said
        something to it, the pattern is on the screen and the screen stands still: programs lose what is typed while
        they draw.
        """
        before = len(self._heard)
        if keys.startswith("<"):
            self.press(keys.strip("<>"))
        else:
            self.type(keys)
        await self.wait_until(
            lambda: len(self._heard) > before and re.search(pattern, self.screen) is not None,
            f"{pattern!r} after {keys!r}",
        )
        with suppress(TimeoutError):
            while True:
                self._changed.clear()
                await asyncio.wait_for(self._changed.wait(), _STILL)

    async def run(self, command: str, patience: float = PATIENCE) -> str:
        """Run a command of the shell as soon as it is prompted; what it printed."""
        await self.wait_until(lambda: self.is_prompted, f"the prompt before {command!r}", patience)
        begin = len(self._heard)
        self.type(f"{command}\r")
        await self.wait_for_prompt(begin, patience)
        output = re.sub(_PROMPT, b"", bytes(self._heard[begin:])).decode()
        return output.replace("\r\n", "\n").partition("\n")[2]

    async def wait_for_prompt(self, begin: int, patience: float = PATIENCE) -> None:
        """Wait until the shell asks for a command, after a line end in what was heard from `begin` on."""

        def is_prompted() -> bool:
            return b"\n" in self._heard[begin:] and self.is_prompted

        await self.wait_until(is_prompted, "the prompt", patience)

    async def log_in(self) -> None:
        """Answer getty and login."""
        await self.wait_for("guest login:", 40)
        await self.ask("root\r", r"Password:\s*\Z")
        begin = len(self._heard)
        self.type(f"{PASSWORD}\r")
        await self.wait_for_prompt(begin)
        # The kernel may find out something about its clocks a minute later, in the midst of somebody's vi.
        await self.run("dmesg -n 1")
        # SeaBIOS leaves the terminal without auto-wrap.
        await self.run(r"printf '\033[?7h'")
        await self.tell_size()

    async def tell_size(self) -> None:
        """Tell the guest how large the screen is, for its line cannot."""
        emulator = self.session.emulator
        await self.run(f"stty rows {emulator.lines} cols {emulator.columns}")
