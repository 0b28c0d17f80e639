from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kvtui.backends.base import Inbox, Permission, Source, Verdict
from kvtui.fleet import Fleet, all_sources
from kvtui.model import BackendInfo, Feed, FeedState, Severity
from kvtui.records.base import Meta
from kvtui.records.kubernetes import Node, Pod
from kvtui.resources import RESOURCES
from kvtui.store import Delta, Put

NOW = 1_800_000_000.0


class Script:
    """A backend that says what it is told to say, and then stays."""

    def __init__(self, name: str, *messages: Put | Feed) -> None:
        self.name = name
        self.info = BackendInfo(name)
        self.messages = messages
        self.sources: Sequence[Source] = ()
        self.started, self.ended = asyncio.Event(), asyncio.Event()
        self.closed = False

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        self.sources = sources
        for message in self.messages:
            inbox(message)
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        return Verdict(allowed=True)

    async def close(self) -> None:
        self.closed = True


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def put(backend: str, name: str, version: int = 1) -> Put:
    return Put(backend, Node(metadata=Meta(name=name, uid=name, resource_version=str(version))))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet((), clock=clock)


def test_a_step_hands_one_delta_to_every_listener(fleet: Fleet) -> None:
    first: list[Delta] = []
    second: list[Delta] = []
    fleet.listen(first.append)
    fleet.listen(second.append)
    fleet.store.post(put("prod", "n1"))
    fleet.store.post(put("prod", "n2"))
    delta = fleet.step()
    assert first == second == [delta]
    assert {change.ref.name for change in delta.changes} == {"n1", "n2"}
    assert fleet.view.count(Node) == 2


def test_a_step_without_news_is_silent(fleet: Fleet) -> None:
    heard: list[Delta] = []
    fleet.store.post(put("prod", "n1"))
    fleet.step()
    fleet.listen(heard.append)
    fleet.step()
    fleet.store.post(put("prod", "n1"))
    fleet.step()
    assert not heard


def test_a_listener_may_leave_while_it_listens(fleet: Fleet) -> None:
    heard: list[str] = []

    def once(_delta: Delta) -> None:
        heard.append("once")
        leave()

    leave = fleet.listen(once)
    fleet.listen(lambda _delta: heard.append("always"))
    for version in (1, 2):
        fleet.store.post(put("prod", "n1", version))
        fleet.step()
    assert heard == ["once", "always", "always"]


def test_time_alone_can_change_a_finding(fleet: Fleet, clock: Clock) -> None:
    heard: list[Delta] = []
    fleet.store.post(Feed("prod", "Pod", FeedState.STALE, since=NOW, detail="connection refused"))
    fleet.step()
    assert [finding.severity for finding in fleet.engine.findings] == [Severity.WARN]
    fleet.listen(heard.append)
    clock.now += 3600
    fleet.step()
    assert [finding.severity for finding in fleet.engine.findings] == [Severity.BAD]
    assert len(heard) == 1
    assert not heard[0]


async def test_all_backends_feed_the_one_store_until_the_end(clock: Clock) -> None:
    prod, lab = Script("prod", put("prod", "n1")), Script("lab", put("lab", "n1"), put("lab", "n2"))
    fleet = Fleet((prod, lab), clock=clock)
    complete = asyncio.Event()
    fleet.listen(lambda _delta: complete.set() if fleet.view.count(Node) == 3 else None)
    running = asyncio.create_task(fleet.run())
    await asyncio.wait_for(complete.wait(), 5)
    assert tuple(prod.sources) == tuple(lab.sources) == all_sources(fleet.resources)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert prod.ended.is_set()
    assert lab.ended.is_set()
    await fleet.close()
    assert prod.closed
    assert lab.closed


class Flood(Script):
    """A backend whose lists come in parts, the next as soon as the one before is shown."""

    def __init__(self, name: str, parts: int, size: int) -> None:
        super().__init__(name)
        self.parts, self.size = parts, size
        self.shown = asyncio.Event()

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        for part in range(self.parts):
            for index in range(self.size):
                inbox(put(self.name, f"n{part}-{index}"))
            await self.shown.wait()
            self.shown.clear()
        await asyncio.Event().wait()


async def test_while_whole_lists_come_rows_go_before_rules(clock: Clock) -> None:
    flood = Flood("prod", parts=14, size=300)
    fleet = Fleet((flood,), clock=clock)
    judged: list[int] = []
    all_judged = asyncio.Event()

    def show(delta: Delta) -> None:
        flood.shown.set()
        if not fleet.engine.behind:
            judged.append(fleet.view.count(Node))
            all_judged.set()

    fleet.listen(show)
    running = asyncio.create_task(fleet.run())
    await asyncio.wait_for(all_judged.wait(), 20)
    assert judged == [14 * 300]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_only_the_sources_asked_for_are_kept_live(clock: Clock) -> None:
    backend = Script("prod")
    fleet = Fleet((backend,), clock=clock)
    pods = [source for source in all_sources() if source.type is Pod]
    running = asyncio.create_task(fleet.run(pods))
    await asyncio.wait_for(backend.started.wait(), 5)
    assert list(backend.sources) == pods
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_each_source_has_a_feed_of_its_own() -> None:
    feeds = [source.feed for source in all_sources()]
    assert len(feeds) == len(set(feeds))
    for resource in RESOURCES:
        assert set(resource.sources) <= set(all_sources()), f"{resource.name} wants a kind in another way"
