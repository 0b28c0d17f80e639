"""Bytes from one thread to the event loop of another: bounded, and the loop is woken once however many come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_HIGH: Final = 2**18
"""Bytes that wait before the writer has to."""
_LOW: Final = 2**16
_PIECE: Final = 2**16
"""Bytes of one reading, so that a flood comes in slices."""


class Pipe:
    """Made in the reader's loop; `put` and `end` are called in the other thread."""

    def __init__(self) -> None:
        self.on_room: Callable[[], None] = lambda: None
        """Called in the reader's thread when the writer may go on after `put` was False."""
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._filled = asyncio.Event()
        self._data = bytearray()
        self._told = False
        """Whether the reader knows, or is about to, that there is something."""
        self._full = False
        self._ended = False

    def put(self, data: bytes) -> bool:
        """Append; False when the writer shall wait for `on_room`."""
        with self._lock:
            self._data += data
            self._full = self._full or len(self._data) >= _HIGH
            told, self._told = self._told, True
            full = self._full
        if not told:
            self._tell()
        return not full

    def end(self) -> None:
        """Nothing more will come."""
        with self._lock:
            self._ended = True
        self._tell()

    async def get(self) -> bytes:
        """The next bytes; empty at the end. The loop gets a turn each time, however much there is."""
        await asyncio.sleep(0)
        while True:
            with self._lock:
                piece = bytes(self._data[:_PIECE])
                del self._data[:_PIECE]
                room = self._full and len(self._data) <= _LOW
                if room:
                    self._full = False
                if not piece:
                    self._told = False
                    self._filled.clear()
                ended = self._ended
            if room:
                self.on_room()
            if piece or ended:
                return piece
            await self._filled.wait()

    def _tell(self) -> None:
        # The reader's loop may be closed already, when the program ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._filled.set)
