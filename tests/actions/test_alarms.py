"""An end that counts only once its time has come."""

from __future__ import annotations

import asyncio
from typing import Any

from kvtui.actions.alarms import Alarms
from kvtui.actions.items import Item
from kvtui.resources.base import Progress

NOW = 1000.0


async def test_an_item_is_looked_at_again_when_its_end_is_due() -> None:
    rang = asyncio.Event()
    alarms = Alarms(lambda _item: rang.set())
    item: Any = object()
    for ends in (Progress("written", over=True, due=NOW + 0.01), Progress("written", failure="no", due=NOW + 0.01)):
        rang.clear()
        assert alarms.weigh(item, ends, NOW) == Progress("written", due=NOW + 0.01)
        async with asyncio.timeout(5):
            await rang.wait()
        assert alarms.weigh(item, ends, NOW + 1) == ends


async def test_what_is_due_at_once_counts_at_once() -> None:
    alarms, item = Alarms(_never), object()
    ends = Progress("gone", over=True)
    assert alarms.weigh(item, ends, NOW) is ends  # type: ignore[arg-type]


async def test_nothing_rings_once_it_is_closed() -> None:
    alarms, item = Alarms(_never), object()
    alarms.weigh(item, Progress("written", over=True, due=NOW), NOW - 0.001)  # type: ignore[arg-type]
    alarms.close()
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, done.set)
    await done.wait()


def _never(_item: Item) -> None:
    raise AssertionError
