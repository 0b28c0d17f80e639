"""Standard input as it comes, whatever it is: a pipe, a file, a terminal, or closed."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Final

_PIECE: Final = 65_536
_AHEAD: Final = 16
"""Pieces that are read before somebody takes them."""


async def read_input() -> AsyncIterator[bytes]:
    """What comes on standard input, until it ends. May be begun once.

    A thread reads, for a file cannot be waited for; it does not keep the process from ending.
    """
    if sys.stdin is None:
        return
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)
    handle = sys.stdin.fileno()

    def read() -> None:
        while True:
            room.acquire()
            try:
                data = os.read(handle, _PIECE)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(queue.put_nowait, data)
            except RuntimeError:
                # The loop was closed: nobody is left to read for.
                return
            if not data:
                return

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while data := await queue.get():
        yield data
        room.release()
