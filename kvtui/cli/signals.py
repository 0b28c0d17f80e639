"""Signals that end a command, once, so that what was begun can be taken back or told."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Sequence
from typing import Final

ALL: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Cancels the task that makes it at the first signal; what is ignored (nohup) stays so."""

    def __init__(self, numbers: Sequence[int] = ALL) -> None:
        self.status = 0
        """The exit status as soon as a signal came."""
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        for number in numbers:
            # Outside the main thread no signal arrives.
            if threading.current_thread() is threading.main_thread() and signal.getsignal(number) != signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._end, number)

    def _end(self, number: int) -> None:
        if not self.status:
            self.status = 128 + number
            self._task.cancel()
