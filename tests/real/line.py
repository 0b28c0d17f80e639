"""Somebody at a domain's serial console with nothing but libvirt, for tests of what kvtui finds there."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import Any

from kvtui.backends.libvirt.link import load
from tests.real.image import PASSWORD

PATIENCE = 60.0
_ASK_AGAIN = 10.0
_CHUNK = 65_536
_TURN = 0.01


class Line:
    """An open console, within a `with` block: `connection` should be one of its own, for it is read in a thread.

    The stream is one that does not block, and libvirt's event loop reads for it: a call that blocks while that loop
    runs can miss what the loop takes off the socket just before, and then waits for more
    (virNetClientStreamRecvPacket lets go of the stream before it is known to wait).
    """

    def __init__(self, connection: Any, domain: str) -> None:
        self._connection = connection
        self._domain = domain
        self._stream: Any = None
        self._heard = bytearray()
        self._taken = 0
        self._ended = False
        self._left = threading.Event()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Line:
        self._stream = self._connection.newStream(load().VIR_STREAM_NONBLOCK)
        self._connection.lookupByName(self._domain).openConsole(None, self._stream, 0)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._reader.join(PATIENCE)
        with contextlib.suppress(load().libvirtError):
            self._stream.abort()

    @property
    def heard(self) -> str:
        """All that came over it."""
        return self._heard.decode(errors="replace")

    @property
    def has_ended(self) -> bool:
        """Whether the other end has hung up."""
        return self._ended

    def type(self, text: str) -> None:
        """Type a text."""
        data = text.encode()
        while data:
            sent = self._stream.send(data)
            if sent < 0:
                self._left.wait(_TURN)
            data = data[max(0, sent) :]

    def wait_for(self, pattern: str, patience: float = PATIENCE) -> str:
        """Wait for a pattern in what came after the last one that was waited for; what it matched."""
        found = self._comes(pattern, patience)
        with self._changed:
            match = self._find(pattern)
            if match is None:
                why = "the line ended" if found else f"waited {patience:.0f} s"
                raise AssertionError(f"{why}, no {pattern!r} on the console of {self._domain}:\n{self.heard}")
            self._taken += len(match.string[: match.end()].encode())
            return match[0]

    def log_in(self) -> None:
        """Answer getty and login, up to the prompt of the shell."""
        self._wake_until(f"{self._domain} login:")
        self.type("root\r")
        self.wait_for("Password:")
        self.type(f"{PASSWORD}\r")
        self.wake()
        # So that a command that is typed stays one line.
        self.run("dmesg -n 1; stty cols 1000")

    def _wake_until(self, pattern: str) -> None:
        # What asks may have done so before the line was open: an enter has it ask again.
        for _ in range(round(PATIENCE / _ASK_AGAIN)):
            if self._comes(pattern, _ASK_AGAIN):
                break
            self.type("\r")
        self.wait_for(pattern, 0)

    def wake(self) -> None:
        """Have the shell show its prompt, be it that it came before the line was open."""
        self._wake_until(r":~# ")
        # More than one enter may have been answered: what is left of that is no answer to what follows.
        self.type("echo awa''ke\r")
        self.wait_for(r"awake\r\n")
        self.wait_for(r":~# ")

    def run(self, command: str, patience: float = PATIENCE) -> str:
        """Run a command of the shell; what it printed."""
        self.type(f"{command}\r")
        self.wait_for(r"\r\n")
        return self.wait_for(r"(?s)\A.*?\S+:\S+# ", patience).replace("\r\n", "\n").rpartition("\n")[0]

    def _comes(self, pattern: str, patience: float) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._find(pattern) or self._ended, patience))

    def _find(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self._heard[self._taken :].decode("latin-1"))

    def _read(self) -> None:
        while not self._ended and not self._left.is_set():
            try:
                data = self._stream.recv(_CHUNK)
            except load().libvirtError:
                data = b""
            if isinstance(data, bytes):
                self._take(data)
            else:
                self._left.wait(_TURN)

    def _take(self, data: bytes) -> None:
        with self._changed:
            self._heard += data
            self._ended = not data
            self._changed.notify_all()
