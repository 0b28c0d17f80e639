"""How a collector is kept looking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kvtui.backends.libvirt.collector import follow
from kvtui.backends.libvirt.link import Lane


class Look:
    """A collector, and the link it looks through: each look ends when the test says so."""

    lane = Lane.STATES
    types = ()
    period = 3600.0

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.answer: asyncio.Future[Nothing] = asyncio.get_running_loop().create_future()

    def attach(self, _events: object, _wake: Callable[[], None]) -> None:
        pass

    def collect(self, _connection: object) -> None:
        pass

    async def call(self, *_: object) -> object:
        self.begun.set()
        return await self.answer


class Nothing:
    """What a look found."""

    records: dict[type, object] = {}  # noqa: RUF012 - never written to
    usage = None


@pytest.mark.parametrize("turns", range(6))
async def test_it_ends_when_it_is_cancelled_just_as_the_host_answers(turns: int) -> None:
    look = Look()
    anything: Any = look
    running = asyncio.create_task(follow(anything, anything, anything, anything, lambda *_: None, asyncio.Event()))
    await look.begun.wait()
    look.answer.set_result(Nothing())
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=5)
    running.cancel()
    assert done, "a host that answers must not hold the program up at its end"
