"""The one thread in which all connections to ssh servers live, and the way between its loop and that of the screen."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kvtui.backends.ssh.bastions import Block
from kvtui.backends.ssh.pace import Pace
from kvtui.backends.ssh.questions import Questions
from kvtui.errors import UnreachableError
from kvtui.hops import Route

if TYPE_CHECKING:
    from kvtui.backends.ssh.links import Links

T = TypeVar("T")
_FAREWELL: Final = 0.25
"""Seconds that the thread gets to end; it is a daemon, so that nobody has to wait longer."""


class SshThread:
    """Starts with the first call, made in the screen's loop; everything that is called runs in the thread's own."""

    def __init__(self, questions: Questions, pace: Pace, tell: Callable[[Route, Block | None], None]) -> None:
        """`tell` is called in the screen's loop: see `Links`."""
        self._questions = questions
        self._pace = pace
        self._tell = tell
        self._links: Links | None = None
        self._thread: threading.Thread | None = None
        self._calls: set[concurrent.futures.Future[Any]] = set()
        self._closed = False

    async def call(self, work: Callable[[Links], Awaitable[T]]) -> T:
        """Do it in the thread, and be cancelled there when the caller is.

        Raises what the work raises, UnreachableError when all is closed meanwhile.
        """
        if self._closed:
            raise _closed()
        self._start()

        async def run() -> T:
            return await work(self._present_links())

        call = asyncio.run_coroutine_threadsafe(run(), self._loop)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            return await asyncio.wrap_future(call)
        except asyncio.CancelledError as error:
            if self._is_closed() and not _is_cancelled():
                raise _closed() from error
            raise

    def send(self, work: Callable[[Links], None]) -> None:
        """Do it in the thread, if that runs, and go on at once."""
        if self._thread is not None and not self._closed:
            # The thread may have ended by itself.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(lambda: work(self._present_links()))

    def post(self, call: Callable[[], None]) -> None:
        """Called in the thread: do it in the screen's loop."""
        # That may be closed already, when the program ends.
        with suppress(RuntimeError):
            self._screen.call_soon_threadsafe(call)

    async def close(self) -> None:
        """End all connections and the thread; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            return
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end.set)
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._over.wait()
        # It has said its last, and ends by itself.
        self._thread.join(_FAREWELL if self._over.is_set() else 0)

    def _is_closed(self) -> bool:
        return self._closed

    def _start(self) -> None:
        if self._thread is not None:
            return
        self._screen = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="ssh routes", daemon=True)
        self._thread.start()

    # In the thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            for call in tuple(self._calls):
                # Came too late to be begun.
                call.cancel()
            self.post(self._over.set)

    async def _serve(self) -> None:
        await self._end.wait()
        if self._links is not None:
            await self._links.close()

    def _present_links(self) -> Links:
        if self._links is None:
            # A sixth of a second of imports, which the screen does not wait for.
            from kvtui.backends.ssh.links import Links

            self._links = Links(self._ask, self._pace, lambda route, block: self.post(lambda: self._tell(route, block)))
        return self._links

    def _ask(self, prompt: str, secret: bool) -> concurrent.futures.Future[str | None]:
        return asyncio.run_coroutine_threadsafe(self._questions.ask(prompt, secret), self._screen)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _closed() -> UnreachableError:
    return UnreachableError("the ssh connections were closed")
