"""The demo cluster before the rules, without a server: its storage decoded as the program decodes what it lists."""

from __future__ import annotations

from collections.abc import Collection

from kvtui.backends.base import Source
from kvtui.demo.kinds import KINDS
from kvtui.demo.storage import Change as Written
from kvtui.demo.storage import Kind, Object
from kvtui.demo.world import World
from kvtui.model import Feed, FeedState, Finding, Platform
from kvtui.records.base import Record
from kvtui.records.decode import decode_record
from kvtui.resources import resources_for
from kvtui.store import Change, Delta, Drop, Message, Put, Replace, Store
from kvtui.triage.engine import Engine
from kvtui.triage.problems import Problem

BACKEND = "demo"


class Observer:
    """Sees a world as the program would: what is watched, from now on, at the world's own time."""

    def __init__(self, world: World, engine: Engine | None = None) -> None:
        self.world = world
        self.store = Store()
        self.engine = engine or Engine()
        self._inbox: list[Message] = []
        self._sources: dict[tuple[str, str], list[Source]] = {}
        for source in _sources():
            self._sources.setdefault((source.group, source.plural), []).append(source)
        world.storage.subscribe(self._on_change)
        self._list()
        self._judge()

    def pass_time(self, seconds: float, every: float = 15.0) -> None:
        """Let virtual time pass, and judge what has changed every so often."""
        while seconds > 0:
            self.world.advance(min(every, seconds))
            seconds -= every
            self._judge()

    @property
    def findings(self) -> list[Finding]:
        """What is wrong now, the worst first."""
        return list(self.engine.findings)

    @property
    def problems(self) -> list[Problem]:
        """The same by cause, as the strip tells it."""
        return list(self.engine.problems)

    def look_once(self) -> list[Problem]:
        """What a command finds that comes now, has seen nothing before and looks but once."""
        engine = Engine()
        engine.waits = False
        types = {source.type for sources in self._sources.values() for source in sources}
        changes = tuple(Change(ref, None, record) for type_ in types for ref, record in self.store.items(type_))
        delta = Delta(changes, tuple(self.store.feeds()))
        engine.update(self.store, delta, self.world.clock.now.timestamp())
        return list(engine.problems)

    def _judge(self) -> None:
        batch, self._inbox = self._inbox, []
        self.engine.update(self.store, self.store.apply(batch), self.world.clock.now.timestamp())

    def _list(self) -> None:
        by_place = {(kind.group, kind.plural): kind for kind in KINDS}
        now = self.world.clock.now.timestamp()
        for place, sources in self._sources.items():
            kind = by_place.get(place)
            state = FeedState.ABSENT if kind is None else FeedState.LIVE
            if kind is not None:
                rows = self.world.storage.raw_list(kind)
                records = [decode_record(row.raw, sources[0].type) for row in rows]
                seen = [record for record in records if _is_seen(sources, record.metadata.labels)]
                self._inbox.append(Replace(BACKEND, sources[0].type, seen))
            self._inbox += [Feed(BACKEND, source.feed, state, now) for source in sources]

    def _on_change(self, change: Written) -> None:
        sources = self._sources.get((change.kind.group, change.kind.plural))
        if sources is None:
            return
        type_ = sources[0].type
        if change.type == "DELETED":
            self._inbox.append(Drop(BACKEND, type_, change.namespace, change.name))
        elif _is_seen(sources, change.labels):
            record: Record = decode_record(change.raw, type_)
            self._inbox.append(Put(BACKEND, record))


def _sources() -> set[Source]:
    found = resources_for([Platform.KUBERNETES])
    return {source for resource in found for source in resource.sources if source.platform is Platform.KUBERNETES}


def _is_seen(sources: Collection[Source], labels: dict[str, str]) -> bool:
    """By the label selector of one of them, which is the name of a label that has to be there."""
    return any(not source.label_selector or source.label_selector in labels for source in sources)


def find(world: World, kind: Kind, namespace: str, name: str) -> Object:
    """An object; of a name that ends with a dash the first that begins so."""
    if not name.endswith("-"):
        return world.storage.get(kind, namespace, name)
    return next(obj for obj in world.storage.list(kind, namespace) if obj["metadata"]["name"].startswith(name))
