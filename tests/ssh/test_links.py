"""What is opened for somebody who stops waiting at the very moment in which it comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from kvtui.backends.ssh.links import _kept
from kvtui.backends.ssh.routes import RouteDialer, _Parcel
from kvtui.hops import parse_route


class Channel:
    """Its writing end."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("turns", range(8))
async def test_a_channel_that_nobody_takes_is_closed_whenever_it_comes(turns: int) -> None:
    """However many turns of the loop lie between its coming and the end of the waiting."""
    channel, comes = Channel(), asyncio.Event()

    async def opening() -> Any:
        await comes.wait()
        return object(), channel

    waiting = asyncio.create_task(_kept(opening()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    comes.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    for _ in range(8):
        await asyncio.sleep(0)
    assert channel.closed is waiting.cancelled()


async def test_a_connection_that_is_not_carried_any_more_leaves_no_channel_and_no_socket() -> None:
    channel = Channel()
    nears: list[socket.socket] = []

    class Ends:
        async def reach(self, _route: object) -> Any:
            return self

        async def open_port(self, _host: str, _port: int) -> Any:
            return object(), channel

        async def carry(self, near: socket.socket, _far: object) -> None:
            nears.append(near)
            raise asyncio.CancelledError

    thread: Any = None
    links: Any = Ends()
    with pytest.raises(asyncio.CancelledError):
        await RouteDialer(thread, parse_route("gate"))._dial(links, "127.0.0.1", 22, _Parcel())
    assert channel.closed
    assert [near.fileno() for near in nears] == [-1]
