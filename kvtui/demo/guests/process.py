"""What may own the guest's terminal: one process, and under it the one it waits for."""

from __future__ import annotations

from collections.abc import Callable

from kvtui.demo.guests.system import System
from kvtui.demo.guests.tty import INTERRUPT, Tty, caret

INTERRUPTED = 130  # a shell's status of a process that SIGINT ended


class Process:
    """A program on the terminal. Keys and time go to its child while it has one.

    Subclasses override `start`, `on_key`, `on_time` and `on_resize`, and call `finish` when done.
    """

    def __init__(self, system: System, tty: Tty) -> None:
        self.system = system
        self.tty = tty
        self.finished = False
        self.status = 0
        self.unread: list[str] = []
        self._child: Process | None = None
        self._when_done: Callable[[int], None] = lambda _status: None

    def start(self) -> None:
        """Called once when the process gets the terminal."""

    def on_key(self, key: str) -> None:
        """A key was pressed. A process that does not read leaves it to its parent, echoed; ^C ends it."""
        if key == INTERRUPT:
            self.unread.clear()
            self.interrupt()
            return
        if len(self.unread) < 1000:
            self.unread.append(key)
            self.tty.write("\n" if key in ("\r", "\n") else "".join(caret(char) for char in key))

    def on_time(self, seconds: float) -> None:
        """Seconds of the guest's time went by."""

    def on_resize(self) -> None:
        """The terminal has another size (SIGWINCH)."""

    def interrupt(self) -> None:
        """End as SIGINT does."""
        self.tty.write("^C\n")
        self.finish(INTERRUPTED)

    def finish(self, status: int = 0) -> None:
        """Give the terminal back to the parent with an exit status."""
        self.finished = True
        self.status = status

    def run(self, child: Process, when_done: Callable[[int], None]) -> None:
        """Give the terminal to `child`, and call `when_done` with its status after it finished."""
        self._child = child
        self._when_done = when_done
        child.start()
        self._reap()

    def key(self, key: str) -> None:
        """Hand a key to whoever owns the terminal."""
        if self._child is None:
            self.on_key(key)
        else:
            self._child.key(key)
            self._reap()

    def advance(self, seconds: float) -> None:
        """Let time pass for whoever owns the terminal."""
        if self._child is None:
            self.on_time(seconds)
        else:
            self._child.advance(seconds)
            self._reap()

    def resized(self) -> None:
        """Tell whoever owns the terminal that it has another size."""
        if self._child is None:
            self.on_resize()
        else:
            self._child.resized()

    def _reap(self) -> None:
        child = self._child
        if child is None or not child.finished:
            return
        self._child = None
        self._when_done(child.status)
        for key in child.unread:
            self.key(key)
