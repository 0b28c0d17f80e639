"""Questions on the terminal of a command, whatever its standard streams are."""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kvtui.backends.ssh import NobodyError
from kvtui.text import clean_line

_TERMINAL: Final = "/dev/tty"
_LONGEST: Final = 4096
_LOCAL_FLAGS: Final = 3
"""Where termios has ECHO among the attributes."""


class TerminalAsker:
    """Asks on the controlling terminal; without one nobody can answer."""

    async def ask(self, prompt: str, secret: bool) -> str | None:
        """The answer to one question; None when the terminal was closed. A `secret` is not echoed.

        Raises NobodyError without a terminal.
        """
        try:
            handle = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise NobodyError(f"no {_TERMINAL}") from error
        try:
            with _echo(handle, not secret):
                os.write(handle, f"{clean_line(prompt)} ".encode())
                try:
                    await _readable(handle)
                except asyncio.CancelledError:
                    # What the shell says next shall not stand behind the question.
                    os.write(handle, b"\n")
                    raise
                line = os.read(handle, _LONGEST)
                if secret:
                    os.write(handle, b"\n")
        finally:
            os.close(handle)
        return line.decode(errors="replace").rstrip("\n") if line else None


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(handle, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(handle)


@contextmanager
def _echo(handle: int, shown: bool) -> Iterator[None]:
    """Let the terminal show what is typed, or not, and leave it as it was."""
    before = termios.tcgetattr(handle)
    wanted = termios.tcgetattr(handle)
    if not shown:
        wanted[_LOCAL_FLAGS] &= ~termios.ECHO
    termios.tcsetattr(handle, termios.TCSAFLUSH, wanted)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSAFLUSH, before)
