"""Textual's driver of the terminal, made to notice that the terminal is gone, and not to wait for it at the end.

Textual 8.2.8 reads the end of input over and over, as fast as it can. What it writes goes to a thread by a queue of 30
pieces; once that thread waits for a terminal that nobody reads, or failed because the terminal is gone, the event loop
waits at the queue, too, for ever, and can be told nothing any more.
"""

from __future__ import annotations

import os
import select
import termios
import time
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from typing import Any, Final

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

_READ: Final = 4096
_TICK: Final = 0.1
"""Seconds until an escape is a key of its own, and until a change is noticed that wakes nobody."""
_AHEAD: Final = 30
"""Pieces that may wait for the terminal before the program waits for it, too."""
_HURRY: Final = 0.5
"""Seconds that the terminal gets to take what restores it; then as long again without what it did not read before."""
_CUT: Final = b"\x18\x1b\\"
"""Ends whatever sequence was cut off."""
_RESTORE: Final = (
    b"\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b[<u"
    b"\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""What Textual sends when it leaves a terminal, and the end of a frame, in one."""


class Output(Thread):
    """Writes to the terminal in the order of the calls; in a hurry, only what comes from then on, and not for long."""

    def __init__(self, handle: int, lost: Callable[[], None]) -> None:
        """`handle` is of a terminal and stays the caller's; `lost` is called, in the thread, when it is gone."""
        super().__init__(name="output", daemon=True)
        self._lost = lost
        self._changed = Condition()
        self._waiting: deque[bytes] = deque()
        self._hurried: float | None = None
        self._closing = False
        self._ended = False
        self._handle = _reopen(handle)
        self._poll = select.poll()
        self._poll.register(self._handle, select.POLLOUT)

    def write(self, data: bytes) -> None:
        """Hand over, waiting while the terminal takes nothing; what comes after the end is dropped."""
        with self._changed:
            while len(self._waiting) >= _AHEAD and self._hurried is None and not self._ended:
                self._changed.wait()
            if not self._ended:
                self._waiting.append(data)
                self._changed.notify_all()

    def hurry(self) -> None:
        """Drop what waits, and let nobody wait any more: the program ends."""
        with self._changed:
            if self._hurried is None:
                self._hurried = time.monotonic()
                self._waiting.clear()
                self._changed.notify_all()

    def stop(self) -> None:
        """Return when all is written, or cannot be."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.join()

    def run(self) -> None:
        """Write until `stop`, or until the terminal is gone."""
        try:
            while (data := self._take()) is not None and self._send(data):
                pass
        except OSError:
            self._lost()
        finally:
            with self._changed:
                self._ended = True
                self._waiting.clear()
                self._changed.notify_all()
            os.close(self._handle)

    def _take(self) -> bytes | None:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return data or None

    def _send(self, data: bytes) -> bool:
        """Whether it was written, or did not matter any more; False when the terminal took nothing in a hurry."""
        rest, hurried = memoryview(data), self._hurried
        flushed = False
        while rest:
            if self._hurried is not None and hurried is None:
                data, hurried = _CUT, self._hurried
                rest = memoryview(data)
            if self._poll.poll(1000 * _TICK):
                try:
                    rest = rest[os.write(self._handle, rest) :]
                except BlockingIOError:
                    # There is room, and it is too small for a line feed, which takes two.
                    time.sleep(_TICK / 10)
            elif hurried is not None and (waited := time.monotonic() - hurried) > _HURRY:
                if flushed or waited > 2 * _HURRY:
                    return False
                termios.tcflush(self._handle, termios.TCOFLUSH)
                rest, flushed = memoryview(_CUT + data), True
        return True


def _reopen(handle: int) -> int:
    """The same terminal where writing does not wait, without a change for those who share `handle` with us."""
    try:
        return os.open(os.ttyname(handle), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        # The terminal of another user, after su, or gone already.
        return os.dup(handle)


class TerminalDriver(LinuxDriver):
    """The terminal that the program runs in."""

    def __init__(self, app: App[Any], *, lost: Callable[[], None], **options: Any) -> None:
        """`lost` is called, in any thread, when the terminal is gone."""
        super().__init__(app, **options)
        assert self._file is not None, "the screen needs a terminal"
        self._handle, self._encoding = self._file.fileno(), self._file.encoding
        self._lost = lost
        self._output: Output | None = None
        self._is_ours = False

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self._output = Output(self._handle, self._lost)
        self._output.start()
        self._is_ours = True
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if not os.isatty(self.fileno):
            self._lost()

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was."""
        super().stop_application_mode()
        self._is_ours = False

    def close(self) -> None:
        """Return when all is written."""
        super().close()
        if self._output is not None:
            self._output.stop()

    def write(self, data: str) -> None:
        """Send text to the terminal."""
        if self._output is not None:
            self._output.write(data.encode(self._encoding, "backslashreplace"))

    def hurry(self) -> None:
        """Wait for the terminal no longer than a second from now on: the program ends."""
        if self._output is not None:
            self._output.hurry()

    def restore(self) -> None:
        """Give the terminal back at once, from any thread, while the program hangs; as well as it can be done."""
        if not self._is_ours:
            return
        with suppress(OSError, termios.error):
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            handle = _reopen(self._handle)
            if not os.get_blocking(handle):
                termios.tcflush(handle, termios.TCOFLUSH)
                os.write(handle, _CUT + _RESTORE)

    def run_input_thread(self) -> None:
        """Read keys and replies until told to stop, or until there is no terminal any more."""
        decode = getincrementaldecoder("utf-8")("replace").decode
        parser = XTermParser(self._debug)
        while not self.exit_event.is_set():
            if select.select([self.fileno], [], [], _TICK)[0]:
                try:
                    data = os.read(self.fileno, _READ)
                except OSError:
                    data = b""
                # Nothing is also what ctrl+d sends while someone else has set the terminal to read lines.
                if not data and not os.isatty(self.fileno):
                    self._lost()
                    return
                if text := decode(data):
                    for message in parser.feed(text):
                        self.process_message(message)
            for message in parser.tick():
                self.process_message(message)
