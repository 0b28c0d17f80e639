"""Further terminals of a guest, as its ssh server opens them: the same machine, and a terminal of their own."""

from __future__ import annotations

from collections.abc import Callable

from kvtui.demo.guests.process import Process
from kvtui.demo.guests.shell import Shell
from kvtui.demo.guests.system import System
from kvtui.demo.guests.terminal import LARGEST
from kvtui.demo.guests.tty import KeyReader, Tty

_ESCAPE_WAIT = 0.05  # seconds after which a lone ESC is the Escape key


class Command(Shell):
    """A shell that runs one line and ends with its status, as for ``ssh HOST LINE``."""

    def __init__(self, system: System, tty: Tty, user: str, line: str) -> None:
        super().__init__(system, tty, user)
        self._line = line

    def start(self) -> None:
        """Run the line."""
        self.execute(self._line)

    def prompt(self) -> None:
        """End where an interactive shell would ask."""
        self.finish(self.session.status)

    def leave(self) -> None:
        """End without a word."""
        self.finish(self.session.status)


class PseudoTerminal:
    """One session of a user: the shell, or one `line` of it. It goes on as bytes come and time passes.

    `ended` is told the exit status, or None when the guest went down.
    """

    def __init__(
        self, system: System, tty: Tty, user: str, line: str | None, ended: Callable[[int | None], None]
    ) -> None:
        self.name = tty.name
        self.paused = False
        """Nobody takes what it writes: whatever runs waits."""
        self._system = system
        self._tty = tty
        self._user = user
        self._ended = ended
        self._keys = KeyReader()
        self._escape_age = 0.0
        self._process: Process = Shell(system, tty, user) if line is None else Command(system, tty, user, line)
        self._is_started = False
        self.is_open = True

    def start(self) -> None:
        """Begin the session, and greet whoever sits at a terminal."""
        if not isinstance(self._process, Command) and self._system.files.exists("/etc/motd"):
            self._tty.write(self._system.files.read("/etc/motd"))
        self._system.note("sshd-session[1742]", f"session opened for user {self._user} on {self._tty.name}")
        self._is_started = True
        self._process.start()
        self._reap()

    def receive(self, data: bytes) -> None:
        """What was typed."""
        self._escape_age = 0.0
        self._type(self._keys.feed(data))

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size now."""
        self._tty.cols = max(1, min(LARGEST, columns))
        self._tty.rows = max(1, min(LARGEST, rows))
        if self.is_open and self._is_started:
            self._process.resized()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._escape_age += seconds
        if self._escape_age >= _ESCAPE_WAIT:
            self._type(self._keys.flush())
        if self.is_open and not self.paused:
            self._process.advance(seconds)
            self._reap()

    def hang_up(self) -> None:
        """The user is gone, or the guest goes down."""
        if self.is_open:
            self.is_open = False
            self._ended(None)

    def _type(self, keys: list[str]) -> None:
        for key in keys:
            if self.is_open:
                self._process.key(key)
                self._reap()

    def _reap(self) -> None:
        if self.is_open and self._process.finished:
            self.is_open = False
            self._ended(self._process.status)
