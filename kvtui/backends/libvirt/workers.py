"""Threads for calls that may hang: a few for each connection, and none that the end of the program waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

_Job = Callable[[], None]


class Workers:
    """Runs calls in its own threads, begun as they are needed.

    Not a ThreadPoolExecutor: the interpreter joins its threads at exit, and a call to a dead host lasts for minutes.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = 0
        self._idle = threading.Semaphore(0)
        self._closed = False

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises. Who is cancelled meanwhile leaves it running."""
        return await asyncio.wrap_future(self.submit(call))

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call, from any thread."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - boundary: whoever waits for the call gets what it raises
                # Its frames may hold objects of libvirt, whose end must not be left to the event loop's thread.
                future.set_exception(error.with_traceback(None))
            else:
                future.set_result(result)

        self._jobs.put(work)
        if not self._idle.acquire(blocking=False) and self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, name=f"{self._name} {self._threads}", daemon=True).start()
        return future

    def close(self) -> None:
        """Let the threads end once they have done what is asked already; nobody waits for them."""
        if not self._closed:
            self._closed = True
            for _ in range(self._threads):
                self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # What the call held must not live until the next one.
            del job
            self._idle.release()


def tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Call back in the thread of the event loop; nothing happens when the program is ending."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)
