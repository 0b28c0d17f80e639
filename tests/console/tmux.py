"""tmux as the judge of the emulator: what its pane shows after the same bytes.

tmux is an implementation of its own of the same terminal, and what most guests' programs were tried under.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from kvtui.console.emulator import Emulator

MISSING = "" if shutil.which("tmux") else "tmux is not installed: apt-get install tmux"

_CONFIGURATION = """\
set -g status off
set -g history-limit 50000
set -g default-terminal tmux-256color
set -g remain-on-exit on
set -g allow-rename off
set -s exit-empty off
set -s escape-time 0
"""
_PATIENCE = 30.0

# Captured with its looks, a row holds SGR, and SO and SI around the letters that stand for line drawing.
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_DRAWN = re.compile("\x0e([^\x0f]*)(?:\x0f|$)")
_LINE_DRAWING = dict(zip(range(0x60, 0x7F), "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True)) | {0x5F: " "}


class Shown(NamedTuple):
    """What a terminal shows: rows without trailing blanks, and the cursor's column and row from 0."""

    lines: list[str]
    cursor: tuple[int, int]


def shown_by(emulator: Emulator) -> Shown:
    """The same of the emulator."""
    return Shown(emulator.text(), (emulator.cursor.x, emulator.cursor.y))


def history_of(emulator: Emulator) -> list[str]:
    """The emulator's scrollback as plain lines, as `Pane.history` gives tmux's."""
    return ["".join(run.text for run in emulator.row(y)).rstrip(" ") for y in range(-emulator.scrollback_size, 0)]


class Tmux:
    """A tmux server of the test's own, which knows neither the user's server nor their configuration."""

    def __init__(self) -> None:
        # The path of a socket may have 107 characters, which pytest's directories may exceed.
        self._directory = Path(tempfile.mkdtemp(prefix="kvtui-tmux-"))
        (self._directory / "conf").write_text(_CONFIGURATION)
        self._environment = {key: value for key, value in os.environ.items() if key not in ("TMUX", "TMUX_PANE")}
        self._environment |= {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "SHELL": "/bin/sh"}
        self.run("start-server")

    def __enter__(self) -> Tmux:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run("kill-server")
        shutil.rmtree(self._directory)

    def run(self, *command: str) -> str:
        """Run a command of tmux; its output. Raises CalledProcessError when tmux refuses it."""
        server = ["tmux", "-u", "-S", str(self._directory / "socket"), "-f", str(self._directory / "conf")]
        done = subprocess.run(
            [*server, *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_PATIENCE,
        )
        return done.stdout.decode("utf-8")

    def show(self, stream: bytes, columns: int = 80, lines: int = 24) -> Shown:
        """What tmux shows after `stream`."""
        with self.open(columns, lines) as pane:
            pane.feed(stream)
            return pane.shown()

    def open(self, columns: int = 80, lines: int = 24) -> Pane:
        """An empty pane of that size."""
        pipe = Path(tempfile.mkdtemp(dir=self._directory)) / "pipe"
        os.mkfifo(pipe)
        feeder = f"stty raw -echo; exec cat '{pipe}'"
        size = ["-x", str(columns), "-y", str(lines)]
        name = self.run("new-session", "-d", "-P", "-F", "#{pane_id}", *size, feeder).strip()
        return Pane(self, name, pipe)


class Pane:
    """One pane, which obeys the bytes it is fed. What it would reply to their questions goes nowhere."""

    def __init__(self, tmux: Tmux, name: str, pipe: Path) -> None:
        self._tmux = tmux
        self._name = name
        self._feeds = 0
        # The feeder opens its end once the terminal is raw; before that, this waits.
        self._pipe = pipe.open("wb", buffering=0)

    def __enter__(self) -> Pane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tmux.run("kill-session", "-t", self._name)
        self._pipe.close()

    def feed(self, data: bytes) -> None:
        """Send bytes, and wait until tmux has obeyed them.

        A title at their end tells that it has. CAN before it ends whatever sequence they broke off in, so that a
        sequence must not be parted between two calls.
        """
        self._feeds += 1
        title = f"fed {self._feeds}"
        self._write(data + f"\x18\x1b]2;{title}\x1b\\".encode())
        end = time.monotonic() + _PATIENCE
        while self._ask("#{pane_title}") != title:
            if time.monotonic() > end:
                raise AssertionError(f"tmux has not obeyed {len(data)} bytes in {_PATIENCE:.0f} s")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._pipe.write(view) :]

    def resize(self, columns: int, lines: int) -> None:
        """Change the size."""
        self._tmux.run("resize-window", "-t", self._name, "-x", str(columns), "-y", str(lines))

    def shown(self) -> Shown:
        """The pane's screen."""
        x, y, columns = (int(number) for number in self._ask("#{cursor_x} #{cursor_y} #{pane_width}").split())
        return Shown(self._capture(), (min(x, columns - 1), y))

    def coloured(self) -> str:
        """The pane's screen with the sequences that colour it; what was erased at the end of a row is left out."""
        return self._tmux.run("capture-pane", "-p", "-e", "-N", "-t", self._name).removesuffix("\n")

    def history(self) -> list[str]:
        """The lines above the screen."""
        if self._ask("#{history_size}") == "0":
            return []
        return self._capture("-S", "-", "-E", "-1")

    def _capture(self, *options: str) -> list[str]:
        captured = self._tmux.run("capture-pane", "-p", "-e", "-t", self._name, *options)
        # A drawn run goes on over the ends of rows.
        plain = _DRAWN.sub(lambda found: found[1].translate(_LINE_DRAWING), _SGR.sub("", captured))
        return [row.rstrip(" ") for row in plain.removesuffix("\n").split("\n")]

    def _ask(self, form: str) -> str:
        return self._tmux.run("display-message", "-p", "-t", self._name, form).removesuffix("\n")
