"""What ssh has to ask the user: whether a host is trusted, passphrases, passwords."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Asker(Protocol):
    """Whoever can be asked for passwords and for trust."""

    async def ask(self, prompt: str, secret: bool) -> str | None:
        """The answer to one question; None when the user gives up. What is `secret` must not be shown.

        Raises NobodyError where nobody can be asked.
        """


class Questions:
    """Puts questions, one at a time, to whoever can ask the user now: the terminal of a command, or the screen."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def open(self) -> bool:
        """Whether one is being asked: nobody should run out of patience meanwhile."""
        return self._waiting > 0

    async def ask(self, prompt: str, secret: bool) -> str | None:
        """The answer; None when the user gives up. Raises NobodyError where nobody can be asked."""
        self._waiting += 1
        try:
            async with self._turn:
                return await self.asker.ask(prompt, secret)
        finally:
            self._waiting -= 1
