"""Servers that ask to come back later (429, 503 with ``Retry-After``): heeded, and by all who ask through here.

A 429 means that nothing was done, whatever was asked for: kube-apiserver answers so before it looks at a request (API
Priority and Fairness). After a 503 nobody knows that of what changes something: only what reads is sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from kvtui.errors import BusyError, KvtuiError
from kvtui.text import age

T = TypeVar("T")
_TOO_MANY: Final = 429


class Waiting:
    """Holds requests back while the server wants none; then one goes ahead, and what waited follows one by one."""

    def __init__(self, patience: float) -> None:
        """`patience`: for how many seconds a request is put off at most."""
        self._patience = patience
        self._said: BusyError | None = None
        """What the server said when it wanted none; None while it takes requests."""
        self._until = 0.0
        """When it wants to be asked again, by the monotonic clock."""
        self._turn = asyncio.Lock()

    @property
    def seconds(self) -> float:
        """How long the server still wants not to be asked; 0 while it takes requests."""
        return max(0.0, self._until - time.monotonic()) if self._said is not None else 0.0

    async def ask(self, send: Callable[[], Awaitable[T]], *, reads: bool) -> T:
        """What `send` returns, sent again as often as the server wants it later; `reads` when it changes nothing.

        Raises what `send` raises, among that BusyError when the server wants it later than there is patience for, or
        does not say when.
        """
        end = time.monotonic() + self._patience
        while True:
            async with self._admitted(end):
                try:
                    answer = await send()
                except BusyError as error:
                    if not self._heed(error, end, reads=reads):
                        raise
                except KvtuiError:
                    self._said = None
                    raise
                else:
                    self._said = None
                    return answer

    @asynccontextmanager
    async def _admitted(self, end: float) -> AsyncIterator[None]:
        """When it may be sent. Raises BusyError when that is not before the end."""
        if self._said is None:
            yield
            return
        said = self._said
        try:
            async with asyncio.timeout(end - time.monotonic()):
                await self._turn.acquire()
        except TimeoutError:
            raise self._tell(said) from None
        try:
            if self._said is not None:
                if self._until > end:
                    raise self._tell(self._said)
                await asyncio.sleep(self._until - time.monotonic())
            yield
        finally:
            self._turn.release()

    def _heed(self, error: BusyError, end: float, *, reads: bool) -> bool:
        """Whether it is to be sent again."""
        if not error.retry_after:
            self._said = None
            return False
        self._said, self._until = error, time.monotonic() + error.retry_after
        return (reads or error.code == _TOO_MANY) and self._until <= end

    def _tell(self, said: BusyError) -> BusyError:
        hint = f"nothing was sent: it is asked again in {age(self.seconds)}, not before"
        return BusyError(said.title, said.detail, hint, said.code, self.seconds)
