"""A program in a pseudo terminal whose screen can be read: what a person sees, with the keyboard alone."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from kvtui.console.emulator import Emulator

KEYS = {
    "enter": b"\r",
    "escape": b"\x1b",
    "tab": b"\t",
    "space": b" ",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "shift+pageup": b"\x1b[5;2~",
    "shift+pagedown": b"\x1b[6;2~",
    "ctrl+]": b"\x1d",
    "ctrl+c": b"\x03",
    "ctrl+k": b"\x0b",
    "ctrl+p": b"\x10",
    "ctrl+u": b"\x15",
    "backspace": b"\x7f",
}

_READING = 1.0
"""Seconds from a dialog to the first key that is meant for it: what comes at once is not taken."""


class ScreenTimeoutError(AssertionError):
    """What was waited for did not come; the message shows the screen."""


class Program:
    """Runs a command in a terminal of `columns` by `lines` and emulates that terminal."""

    def __init__(
        self, command: Sequence[str], *, columns: int = 120, lines: int = 35, env: Mapping[str, str] | None = None
    ) -> None:
        self.columns, self.lines = columns, lines
        self.received = 0
        """Bytes that the program wrote to the terminal."""
        self.raw = bytearray()
        self._master, slave = pty.openpty()
        self._hung_up = False
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._emulator = Emulator(columns, lines, answer=self._answer)
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("TEXTUAL", "KUBECONFIG", "NO_COLOR", "COLORTERM"))
        }
        environment |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LINES": str(lines), "COLUMNS": str(columns)}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment | dict(env or {}),
            start_new_session=True,
            close_fds=True,
        )
        os.close(slave)

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if not self._hung_up:
            os.close(self._master)

    def hang_up(self) -> None:
        """The terminal goes away; who has it as its controlling terminal gets a SIGHUP, nobody else does."""
        os.close(self._master)
        self._hung_up = True

    def _answer(self, reply: bytes) -> None:
        os.write(self._master, reply)

    def pump(self, seconds: float) -> bool:
        """Read what the program writes for at most `seconds`, returning at the first piece; False when none came."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            time.sleep(min(seconds, 0.01))
            return False
        self.received += len(data)
        self.raw += data
        self._emulator.feed(data)
        return True

    def settle(self, seconds: float) -> int:
        """Read for the whole of `seconds`; how many bytes came."""
        before, end = self.received, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(left)
        return self.received - before

    @property
    def screen(self) -> str:
        """The screen as text."""
        return "\n".join(self._emulator.text())

    @property
    def backgrounds(self) -> tuple[tuple[tuple[str, bool], ...], ...]:
        """The backgrounds of every row: they change when a cursor moves, and not when a text does."""
        rows = (self._emulator.row(y) for y in range(self.lines))
        return tuple(tuple(dict.fromkeys((run.look.bg, run.look.reverse) for run in row)) for row in rows)

    @property
    def alternate(self) -> bool:
        """Whether the program holds the alternate screen."""
        return self._emulator.modes.alternate

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed by itself, as it does for a shell."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def wait_for(self, what: str | Callable[[str], bool], timeout: float = 20.0) -> float:
        """Read until a pattern is on the screen, or the condition holds for it; the seconds that it took."""
        begun = time.monotonic()

        def holds() -> bool:
            return bool(re.search(what, self.screen)) if isinstance(what, str) else what(self.screen)

        while not holds():
            left = begun + timeout - time.monotonic()
            if left <= 0:
                raise ScreenTimeoutError(f"waited {timeout:.0f} s for {what!r}; the screen:\n{self.screen}")
            self.pump(min(left, 0.5))
        return time.monotonic() - begun

    def press(self, *keys: str) -> None:
        """Press keys, each a name of KEYS or text."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key.encode()))

    def answer(self, *keys: str) -> None:
        """Press keys in a dialog that has just come, as late as whoever has read it does."""
        self.settle(_READING)
        self.press(*keys)

    def send(self, data: bytes) -> None:
        """What a terminal sends for keys, to the byte."""
        os.write(self._master, data)

    def wait_exit(self, timeout: float = 10.0) -> float:
        """Read until the program has ended; the seconds that it took."""
        begun = time.monotonic()
        while self.process.poll() is None:
            if time.monotonic() - begun > timeout:
                raise ScreenTimeoutError(f"did not end within {timeout:.0f} s; the screen:\n{self.screen}")
            self.pump(0.02)
        while self.pump(0.02):
            pass
        return time.monotonic() - begun

    def memory(self) -> float:
        """Resident memory of the program in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def cpu_seconds(self) -> float:
        """User and system time of the program so far."""
        values = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
