"""Pieces of an answer on their way to a client that may have left.

A connection that broke is known to aiohttp only when the loop has told it, and what is written until then goes into a
closed socket. As long as there is room nothing that is written waits, so whoever sends many pieces lets the loop work
before each.
"""

from __future__ import annotations

import asyncio

from aiohttp import web


async def write_piece(response: web.StreamResponse, piece: bytes) -> None:
    """Write the next piece of a body. Raises ConnectionError when the client has left."""
    await asyncio.sleep(0)
    await response.write(piece)


async def send_frame(socket: web.WebSocketResponse, data: bytes) -> None:
    """Send a binary frame. Raises ConnectionError when the client has left."""
    await asyncio.sleep(0)
    await socket.send_bytes(data)
