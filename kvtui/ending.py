"""The end of a program on the screen that comes from outside: a signal, or the loss of its terminal."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from threading import Thread
from types import FrameType
from typing import Any, Final

_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_LOST, _CLOSED = b"\0", b"\xff"
"""What stands in the pipe beside the numbers of signals."""
_PATIENCE: Final = 2.0
"""Seconds that the program gets to end by itself."""
_BURST: Final = 0.3
"""Seconds in which several signals may tell the same: of the terminal and of the shell, or TERM and HUP of logind."""


class Ending:
    """Ends the program that runs within it when a signal comes or its terminal is lost; entered in the main thread.

    The program gets some time to end cleanly, and none once it is told a second time. A thread sees to that, for the
    main thread may wait for something that does not come. Before there is a program that can be told, SystemExit is
    raised in the main thread. The exit status is 128 and the number of the signal; a lost terminal counts as SIGHUP.
    """

    def __init__(self) -> None:
        self.status = 0
        """The exit status as soon as an end was told."""
        self._tell: Callable[[int], None] | None = None
        self._last: list[Callable[[], None]] = []

    def __enter__(self) -> Ending:
        self._out, self._in = os.pipe()
        os.set_blocking(self._in, False)
        # Who was started with nohup goes on ignoring.
        heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._before: dict[int, Any] = {number: signal.signal(number, self._unwind) for number in heeded}
        self._wakeup = signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
        Thread(target=self._watch, name="ending", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Once told, it stays on guard until the process is gone.
        if not self.status:
            signal.set_wakeup_fd(self._wakeup)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            os.write(self._in, _CLOSED)

    def follow(self, tell: Callable[[int], None]) -> None:
        """Have the program told the exit status from now on, in another thread; it may be told twice."""
        self._tell = tell
        if self.status:
            tell(self.status)

    def at_last(self, do: Callable[[], None]) -> None:
        """Have something done where the program did not end by itself; what is added last is done first."""
        self._last.append(do)

    def lose(self) -> None:
        """The terminal is gone. Any thread may say so, any number of times."""
        os.write(self._in, _LOST)

    def _unwind(self, number: int, _frame: FrameType | None) -> None:
        if self._tell is None:
            raise SystemExit(128 + number)

    def _watch(self) -> None:
        told = self._read()
        if told == _CLOSED:
            os.close(self._out)
            os.close(self._in)
            return
        begun = time.monotonic()
        self.status = 128 + (signal.SIGHUP if told == _LOST else told[0])
        if self._tell is not None:
            self._tell(self.status)
        while (passed := time.monotonic() - begun) < _PATIENCE:
            if self._read(_PATIENCE - passed) not in (b"", _LOST) and time.monotonic() - begun > _BURST:
                break
        try:
            for do in reversed(self._last):
                do()
        finally:
            os._exit(self.status)

    def _read(self, seconds: float | None = None) -> bytes:
        """The next that is of concern, or nothing when the time is over."""
        while select.select([self._out], [], [], seconds)[0]:
            told = os.read(self._out, 1)
            # An editor may have the interrupt for itself.
            if told in (_LOST, _CLOSED) or signal.getsignal(told[0]) == self._unwind:
                return told
        return b""
