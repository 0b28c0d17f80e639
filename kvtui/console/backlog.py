"""What came from the guest and is not on the screen yet.

A guest may say more in a second than an emulator reads in one. The line is read all the same, so that its end is known
at once and the next line is opened in time; what it brought waits here, in its order. Of a flood, lines are not drawn
that would be gone from the scrollback before the flood is drawn: who presses ctrl+c does not wait for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from kvtui.console.emulator import Emulator
from kvtui.console.plainbytes import PlainBytes

_MOST: Final = 16 * 1_048_576
"""Bytes that may wait; beyond them the line is not read."""
_PIECE: Final = 65_536
"""Bytes that the emulator is given at once, however small the pieces came."""
_FLOOD: Final = 262_144
"""Bytes that wait, from which on it is looked for lines that need not be drawn."""
_MARGIN: Final = 4
"""Lines more than are kept: the first of them is drawn half."""

Step = Callable[[], None]


class _Piece(NamedTuple):
    """What came at once."""

    data: bytes
    now: float
    lines: int | None
    """How many lines it ends; None where it does more than write lines."""


class Backlog:
    """Feeds an emulator with what is put in; `changed` is called after every slice."""

    def __init__(self, emulator: Emulator, changed: Callable[[], None]) -> None:
        self.size = 0
        """Bytes that wait."""
        self._emulator = emulator
        self._changed = changed
        self._items: deque[_Piece | Step] = deque()
        self._judge = PlainBytes()
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def put(self, data: bytes, now: float) -> None:
        """Add what came at `now`, as soon as there is room."""
        await self._has_room.wait()
        self._items.append(_Piece(data, now, self._judge.count_lines(data)))
        self._filled.set()
        self.size += len(data)
        if self.size > _MOST:
            self._has_room.clear()

    def put_step(self, step: Step) -> None:
        """Add something to be done between what came before and what will come."""
        self._items.append(step)
        self._filled.set()

    async def drain(self) -> None:
        """Feed until cancelled; the loop is let to others again and again."""
        while True:
            while not self._items:
                self._filled.clear()
                await self._filled.wait()
            item = self._items.popleft()
            if isinstance(item, _Piece):
                await (self._skim(item) if self._is_in_vain(item) else self._take(item))
            else:
                item()
            self._changed()

    def _is_in_vain(self, piece: _Piece) -> bool:
        """Whether so many lines follow that none of this piece will be left."""
        if self.size < _FLOOD or not piece.lines:
            return False
        needed = self._emulator.kept + _MARGIN
        for item in self._items:
            if not isinstance(item, _Piece) or item.lines is None:
                return False
            needed -= item.lines
            if needed <= 0:
                return True
        return False

    async def _skim(self, piece: _Piece) -> None:
        await self._feed(self._emulator.skim(piece.data, piece.now), piece.now)
        self._take_off(len(piece.data))

    async def _take(self, piece: _Piece) -> None:
        """Feed a piece, and with it small ones that follow."""
        pieces = [piece.data]
        size = len(piece.data)
        while size < _PIECE and self._items and isinstance(following := self._items[0], _Piece):
            pieces.append(following.data)
            size += len(following.data)
            self._items.popleft()
        await self._feed(b"".join(pieces), piece.now)
        self._take_off(size)

    async def _feed(self, data: bytes, now: float) -> None:
        for _ in self._emulator.feed_in_slices(data, now):
            self._changed()
            # A flood must leave the loop to the keys and to the other panes.
            await asyncio.sleep(0)

    def _take_off(self, size: int) -> None:
        self.size -= size
        if self.size <= _MOST:
            self._has_room.set()
