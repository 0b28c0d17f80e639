"""What is collected from a host, kind by kind, and how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from kvtui.backends.base import Inbox
from kvtui.backends.libvirt.events import Events
from kvtui.backends.libvirt.link import Lane, Link
from kvtui.errors import BackendError, UnreachableError
from kvtui.model import Feed, FeedState, Usage
from kvtui.records.base import Record
from kvtui.records.libvirt import Domain, Host
from kvtui.store import Drop, Put, SetUsage

if TYPE_CHECKING:
    import libvirt


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found. A kind that is left out stays as it is."""

    records: Mapping[type[Record], Sequence[Record]] = field(default_factory=dict)
    usage: tuple[str, Usage] | None = None
    """The name of the host, and what it uses."""


_PATIENCE: Final = 6.0
"""Seconds that a look may last before what is known is called old."""
_PROMPT: Final = 3.0
"""The same for states, which wait for nothing but libvirt itself."""
_SETTLE: Final = 0.05
"""Seconds after an event in which its companions come: one look for all of them."""


class Collector(Protocol):
    """Keeps some kinds of one connection. It is made anew with each connection."""

    types: tuple[type[Record], ...]
    """What it collects, and of whose feeds it tells the state."""
    serves: tuple[type[Record], ...]
    """It only runs when one of these is wanted."""
    period: float
    """Seconds between two looks; it may change with what was found."""
    lane: Lane
    """The connection by which it looks: whatever may hang is apart from states."""

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Listen to the events after which `wake` asks for a look at once. In the event loop's thread."""

    def collect(self, connection: libvirt.virConnect) -> Found:
        """Look. In a thread of the connection; raises libvirtError."""


class Told:
    """What the store was told of one backend: only what is new, other, or gone is told again."""

    def __init__(self, backend: str, inbox: Inbox) -> None:
        self._backend = backend
        self._inbox = inbox
        self._known: dict[type[Record], dict[tuple[str, str], Record]] = {}

    def tell(self, type_: type[Record], records: Sequence[Record]) -> None:
        """The whole of a kind."""
        known = self._known.setdefault(type_, {})
        found = {(record.metadata.namespace, record.metadata.name): record for record in records}
        for namespace, name in known.keys() - found.keys():
            self._inbox(Drop(self._backend, type_, namespace, name))
        for key, record in found.items():
            if known.get(key) != record:
                self._inbox(Put(self._backend, record))
        self._known[type_] = found

    def tell_usage(self, name: str, usage: Usage) -> None:
        """What the host uses."""
        self._inbox(SetUsage(self._backend, Host.KIND, {("", name): usage}))


async def follow(
    collector: Collector,
    link: Link,
    events: Events,
    told: Told,
    report: Callable[[str, FeedState, str], None],
    shown: asyncio.Event,
) -> None:
    """Look again and again until cancelled. Raises UnreachableError when the connection is gone.

    `report` hears the state of the feed of each of its kinds, with the words of a failure. `shown` is set once domains
    were told: other connections are not made before, for each costs the host more than a look at its domains.
    """
    woken = asyncio.Event()
    collector.attach(events, woken.set)
    if collector.lane is not Lane.STATES:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await shown.wait()
    patience = _PROMPT if collector.lane is Lane.STATES else _PATIENCE
    while True:
        look = asyncio.ensure_future(link.call(collector.collect, "the host was looked at in vain", collector.lane))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await asyncio.shield(look)
            if not look.done():
                for type_ in collector.types:
                    report(type_.KIND, FeedState.STALE, "libvirt does not answer")
            found = await look
        except UnreachableError:
            raise
        except BackendError as error:
            for type_ in collector.types:
                report(type_.KIND, FeedState.FAILED, error.detail or str(error))
        else:
            for type_, records in found.records.items():
                told.tell(type_, records)
            if found.usage is not None:
                told.tell_usage(*found.usage)
            for type_ in collector.types:
                report(type_.KIND, FeedState.LIVE, "")
            if Domain in collector.types:
                shown.set()
        finally:
            look.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(collector.period):
                await woken.wait()
                await asyncio.sleep(_SETTLE)
        woken.clear()


class Feeds:
    """The states of the feeds of one backend: told when they change."""

    def __init__(self, backend: str, kinds: Sequence[str], inbox: Inbox) -> None:
        self._backend = backend
        self._inbox = inbox
        self._feeds: dict[str, Feed] = {}
        self._heard: dict[str, float] = {}
        """When each kind was last known to be as it is told."""
        for kind in kinds:
            self.report(kind, FeedState.LOADING)

    def report(self, kind: str, state: FeedState, detail: str = "", retry_at: float | None = None) -> None:
        """The state of one kind; what is said again is not told again."""
        now = time.time()
        if state is FeedState.LIVE:
            self._heard[kind] = now
        before = self._feeds.get(kind)
        if before is not None and (before.state, before.detail, before.retry_at) == (state, detail, retry_at):
            return
        begun = self._heard.get(kind, now) if state is FeedState.STALE else now
        since = before.since if before is not None and before.state is state else begun
        self._feeds[kind] = Feed(self._backend, kind, state, since, detail, retry_at)
        self._inbox(self._feeds[kind])

    def heard(self, kind: str) -> float | None:
        """When the kind was last known to be as it is told."""
        return self._heard.get(kind)

    def report_cut(self, detail: str, retry_at: float) -> None:
        """The connection is gone: what was live is old, the rest is not known."""
        for kind, feed in tuple(self._feeds.items()):
            was_known = feed.state in (FeedState.LIVE, FeedState.STALE)
            self.report(kind, FeedState.STALE if was_known else FeedState.FAILED, detail, retry_at)
