"""Programs that run on while the terminal stays in cooked mode: cat, sleep, yes, flood."""

from __future__ import annotations

import math

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.system import System
from kvtui.demo.guests.tty import END_OF_FILE, INTERRUPT, LineInput, Tty

MIB = 1 << 20
RATE = 4 * MIB  # bytes a second that a flood prints
BURST = MIB  # most bytes printed for one step of the clock, however long the step
LARGEST_FLOOD = 64  # MiB


class Cat(Process):
    """Says again what is typed, until ^D."""

    def __init__(self, system: System, tty: Tty) -> None:
        super().__init__(system, tty)
        self._input = LineInput(self.tty)

    def on_key(self, key: str) -> None:
        """Echo each line when it is complete."""
        line = self._input.key(key)
        if line in (INTERRUPT, END_OF_FILE):
            self.finish(130 if line == INTERRUPT else 0)
        elif line is not None:
            self.tty.write(line + "\n")


class Sleep(Process):
    """Waits a number of seconds."""

    def __init__(self, system: System, tty: Tty, seconds: float) -> None:
        super().__init__(system, tty)
        self._left = seconds

    def on_time(self, seconds: float) -> None:
        """Come nearer to the end."""
        self._left -= seconds
        if self._left <= 0:
            self.finish()


class Flood(Process):
    """Prints numbered lines as fast as the line goes, up to a number of bytes."""

    def __init__(self, system: System, tty: Tty, size: int, line: str | None = None) -> None:
        super().__init__(system, tty)
        self._left = size
        self._line = line
        self._number = 0

    def on_time(self, seconds: float) -> None:
        """Print this step's share."""
        share = min(int(seconds * RATE), BURST, self._left)
        printed = 0
        lines = []
        while printed < share:
            line = self._next_line()
            lines.append(line)
            printed += len(line)
        self._left -= printed
        self.tty.write("".join(lines))
        if self._left <= 0:
            self.finish()

    def _next_line(self) -> str:
        if self._line is not None:
            return self._line + "\n"
        self._number += 1
        colour = 31 + self._number % 6
        return f"\x1b[{colour}m{self._number:08d}\x1b[0m the quick brown fox jumps over the lazy dog {'=' * 16}\n"


def sleep(call: Call) -> int | Process:
    """Sleep for some seconds."""
    try:
        seconds = float(call.args[0])
    except (IndexError, ValueError):
        return call.fail("missing or invalid time interval")
    if not math.isfinite(seconds) or seconds < 0:
        return call.fail(f"invalid time interval '{call.args[0]}'")
    return Sleep(call.system, call.tty, seconds)


def flood(call: Call) -> int | Process:
    """Print N MiB (1 unless told, 64 at most)."""
    try:
        size = float(call.args[0]) if call.args else 1.0
    except ValueError:
        size = 0.0
    if not 0 < size <= LARGEST_FLOOD:
        return call.fail(f"usage: flood [MIB], from above 0 to {LARGEST_FLOOD}")
    return Flood(call.system, call.tty, int(size * MIB))


def yes(call: Call) -> int | Process:
    """Print a word again and again, until ^C or 64 MiB."""
    return Flood(call.system, call.tty, LARGEST_FLOOD * MIB, " ".join(call.args) or "y")


COMMANDS: dict[str, Command] = {"sleep": sleep, "flood": flood, "yes": yes}
