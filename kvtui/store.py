"""All live records: backends append to the inbox at any rate, `Store.drain` applies it and hands one delta out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kvtui.model import Feed, FeedState, Ref, Usage
from kvtui.records.base import Record

R = TypeVar("R", bound=Record)

_Key = tuple[str, str, str]
"""Backend, namespace, name."""


@dataclass(frozen=True, slots=True)
class Put:
    """An object is there, or is there in a new state."""

    backend: str
    record: Record


@dataclass(frozen=True, slots=True)
class Drop:
    """An object is gone. An empty uid means whichever bears the name."""

    backend: str
    type: type[Record]
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Replace:
    """A whole kind was listed: what is not among `records` is gone."""

    backend: str
    type: type[Record]
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class SetUsage:
    """What the nodes or pods (`kind`) of a backend use now, by (namespace, name)."""

    backend: str
    kind: str
    usage: dict[tuple[str, str], Usage]


@dataclass(frozen=True, slots=True)
class SetClock:
    """By how many seconds the clock of a backend is ahead of ours."""

    backend: str
    ahead: float


Message = Put | Drop | Replace | Feed | SetUsage | SetClock
"""What a backend may append to the inbox."""


@dataclass(frozen=True, slots=True)
class Change(Generic[R]):
    """One object that came (`old` is None), changed, or went (`new` is None)."""

    ref: Ref
    old: R | None
    new: R | None

    @property
    def record(self) -> R:
        """The newest state known."""
        record = self.new if self.new is not None else self.old
        assert record is not None
        return record


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed in one step."""

    changes: tuple[Change[Record], ...] = ()
    feeds: tuple[Feed, ...] = ()
    usage: frozenset[tuple[str, str]] = frozenset()
    """(backend, kind) whose usage was measured anew."""

    def __bool__(self) -> bool:
        return bool(self.changes or self.feeds or self.usage)


class _Table:
    """The objects of one kind over all backends, with their indexes."""

    def __init__(self, type_: type[Record]) -> None:
        self._counted = type_.COUNTED
        self.editions: dict[tuple[str, str, str], int] = {}
        """Of the links that are counted: how often what bears them has changed."""
        self.entries: dict[_Key, tuple[Ref, Record]] = {}
        self.backends: dict[str, dict[_Key, None]] = {}
        """The objects of each that has had some, in the order in which they came."""
        self.links: dict[tuple[str, str, str], _Keys] = {}
        self.owned: dict[str, _Keys] = {}

    def put(self, backend: str, record: Record) -> Change[Record] | None:
        """Store the record; None when the very same version is there already.

        Another object of its name must have been dropped before.
        """
        meta = record.metadata
        key = (backend, meta.namespace, meta.name)
        before = self.entries.get(key)
        ref, old = before or (record.ref(backend), None)
        if old is not None and meta.resource_version and old.metadata.resource_version == meta.resource_version:
            return None
        self.entries[key] = (ref, record)
        self.backends.setdefault(backend, {})[key] = None
        self._relink(key, old, record)
        return Change(ref, old, record)

    def drop(self, key: _Key, uid: str) -> Change[Record] | None:
        """Remove the object; None when it is not there or is another one of that name."""
        entry = self.entries.get(key)
        if entry is None or (uid and entry[0].uid != uid):
            return None
        del self.entries[key]
        del self.backends[key[0]][key]
        self._relink(key, entry[1], None)
        return Change(entry[0], entry[1], None)

    def keys_of(self, backend: str) -> Mapping[_Key, None]:
        """The objects of one backend."""
        return self.backends.get(backend, _NOTHING)

    def _relink(self, key: _Key, old: Record | None, new: Record | None) -> None:
        """Bring the indexes from what `old` pointed at to what `new` points at; mostly that is the same."""
        before = {} if old is None else dict.fromkeys(old.links())
        after = {} if new is None else dict.fromkeys(new.links())
        for link, value in before.keys() - after.keys():
            _forget(self.links, (key[0], link, value), key)
        for link, value in after.keys() - before.keys():
            _remember(self.links, (key[0], link, value), key)
        for link, value in before | after if self._counted else ():
            if link in self._counted:
                at = (key[0], link, value)
                self.editions[at] = self.editions.get(at, 0) + 1
        owned = set() if old is None else {owner.uid for owner in old.metadata.owner_references}
        owns = set() if new is None else {owner.uid for owner in new.metadata.owner_references}
        for uid in owned - owns:
            _forget(self.owned, uid, key)
        for uid in owns - owned:
            _remember(self.owned, uid, key)


_Keys = tuple[_Key, ...] | dict[_Key, None]
"""What an index holds for one value: a few keys mostly, for which a dict would be four times the memory."""
_FEW = 8
_NOTHING: Mapping[_Key, None] = {}

K = TypeVar("K")


def _remember(index: dict[K, _Keys], at: K, key: _Key) -> None:
    keys = index.get(at, ())
    if isinstance(keys, dict):
        keys[key] = None
    elif len(keys) < _FEW:
        index[at] = (*keys, key)
    else:
        index[at] = dict.fromkeys((*keys, key))


def _forget(index: dict[K, _Keys], at: K, key: _Key) -> None:
    keys = index.get(at, ())
    if isinstance(keys, dict):
        keys.pop(key, None)
    else:
        index[at] = keys = tuple(other for other in keys if other != key)
    if not keys:
        index.pop(at, None)


def _collect(type_: type[R], entries: Mapping[_Key, tuple[Ref, Any]], keys: Iterable[_Key]) -> list[tuple[Ref, R]]:
    return [entry for key in keys if isinstance((entry := entries[key])[1], type_)]


class View:
    """The read-only side of the store."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._usage: dict[tuple[str, str], dict[tuple[str, str], Usage]] = {}
        self._ahead: dict[str, float] = {}
        self.version = 0
        """Grows with every delta."""
        self.memo: dict[Ref, object] = {}
        """What joins made of the present state, for several ask for the same; emptied with every delta. None where
        there is nothing to join.
        """

    def get(self, type_: type[R], backend: str, namespace: str, name: str) -> R | None:
        """The object of that name, whichever its uid."""
        table = self._tables.get(type_.KIND)
        entry = table.entries.get((backend, namespace, name)) if table is not None else None
        return entry[1] if entry is not None and isinstance(entry[1], type_) else None

    def ref_of(self, type_: type[Record], backend: str, namespace: str, name: str) -> Ref | None:
        """The identity of the object of that name."""
        entry = self._entries(type_).get((backend, namespace, name))
        return entry[0] if entry is not None else None

    def find(self, type_: type[R], ref: Ref) -> R | None:
        """The very object that `ref` means: one of the same name and another uid is not it."""
        entry = self._entries(type_).get((ref.backend, ref.namespace, ref.name))
        if entry is None or not isinstance(entry[1], type_):
            return None
        return entry[1] if not ref.uid or entry[0].uid == ref.uid else None

    def record(self, ref: Ref) -> Record | None:
        """The very object that `ref` means, whatever its kind."""
        table = self._tables.get(ref.kind)
        entry = table.entries.get((ref.backend, ref.namespace, ref.name)) if table is not None else None
        return entry[1] if entry is not None and (not ref.uid or entry[0].uid == ref.uid) else None

    def items(self, type_: type[R], backend: str | None = None) -> Iterator[tuple[Ref, R]]:
        """All objects of a kind, of one backend or all."""
        table = self._tables.get(type_.KIND)
        if table is None:
            return
        found = table.entries.values() if backend is None else map(table.entries.__getitem__, table.keys_of(backend))
        for ref, record in found:
            if isinstance(record, type_):
                yield ref, record

    def count(self, type_: type[Record], backend: str | None = None) -> int:
        """How many objects of a kind there are."""
        table = self._tables.get(type_.KIND)
        if table is None:
            return 0
        return len(table.entries if backend is None else table.keys_of(backend))

    def linked(self, type_: type[R], backend: str, link: str, value: str) -> list[tuple[Ref, R]]:
        """The objects whose `links` hold that pair: ``linked(Pod, backend, "node", "n1")``."""
        table = self._tables.get(type_.KIND)
        keys = table.links.get((backend, link, value)) if table is not None else None
        return _collect(type_, table.entries, keys) if table is not None and keys else []

    def count_linked(self, type_: type[Record], backend: str, link: str, value: str) -> int:
        """How many objects `linked` would give."""
        table = self._tables.get(type_.KIND)
        return len(table.links.get((backend, link, value), ())) if table is not None else 0

    def edition(self, type_: type[Record], backend: str, link: str, value: str) -> int:
        """Grows when one of those objects comes, changes or goes. Only of links that the type counts (`COUNTED`)."""
        assert link in type_.COUNTED
        table = self._tables.get(type_.KIND)
        return table.editions.get((backend, link, value), 0) if table is not None else 0

    def everywhere(self, type_: type[R], link: str, value: str) -> list[tuple[Ref, R]]:
        """The same in all backends: for what one backend knows of objects of another."""
        table = self._tables.get(type_.KIND)
        backends = table.backends if table else {}
        return [found for backend in backends for found in self.linked(type_, backend, link, value)]

    def owned(self, type_: type[R], uid: str) -> list[tuple[Ref, R]]:
        """The objects of a kind that name `uid` as an owner."""
        table = self._tables.get(type_.KIND)
        keys = table.owned.get(uid) if table is not None and uid else None
        return _collect(type_, table.entries, keys) if table is not None and keys else []

    def feed(self, backend: str, kind: str) -> Feed:
        """The state of one stream; one never heard of is loading."""
        return self._feeds.get((backend, kind)) or Feed(backend, kind, FeedState.LOADING)

    def feeds(self) -> Iterable[Feed]:
        """The state of all streams."""
        return self._feeds.values()

    def usage(self, backend: str, kind: str, namespace: str, name: str) -> Usage | None:
        """What a node or pod uses, where metrics-server told."""
        return self._usage.get((backend, kind), {}).get((namespace, name))

    def has_usage(self, backend: str, kind: str) -> bool:
        """Whether the usage of nodes or pods has been measured at all."""
        return bool(self._usage.get((backend, kind)))

    def ahead(self, backend: str) -> float:
        """By how many seconds the clock of a backend is ahead of ours, as far as it told; negative where behind."""
        return self._ahead.get(backend, 0.0)

    def _entries(self, type_: type[Record]) -> dict[_Key, tuple[Ref, Record]]:
        table = self._tables.get(type_.KIND)
        return table.entries if table else {}


class Store(View):
    """The one owner of state."""

    def __init__(self) -> None:
        super().__init__()
        self._inbox: list[Message] = []

    def post(self, message: Message) -> None:
        """Append to the inbox. Only for the thread that drains it."""
        self._inbox.append(message)

    def drain(self) -> Delta:
        """Apply everything in the inbox."""
        batch, self._inbox = self._inbox, []
        return self.apply(batch) if batch else Delta()

    def apply(self, batch: Iterable[Message]) -> Delta:
        """Take a batch in, in its order; one delta comes out, with each object at most once."""
        changes: dict[Ref, Change[Record]] = {}
        feeds: dict[tuple[str, str], Feed] = {}
        usage: set[tuple[str, str]] = set()
        for message in batch:
            match message:
                case Put(backend, record):
                    self._note(changes, self._put(backend, record, changes))
                case Drop(backend, type_, namespace, name, uid):
                    self._note(changes, self._table(type_).drop((backend, namespace, name), uid))
                case Replace():
                    self._replace(message, changes)
                case Feed():
                    at = (message.backend, message.kind)
                    if self._feeds.get(at) != message:
                        self._feeds[at] = feeds[at] = message
                case SetUsage(backend, kind, measured):
                    self._usage[backend, kind] = measured
                    usage.add((backend, kind))
                case SetClock(backend, ahead):
                    self._ahead[backend] = ahead
                    self.memo.clear()
        real = tuple(change for change in changes.values() if change.old is not change.new)
        delta = Delta(real, tuple(feeds.values()), frozenset(usage))
        if delta:
            self.version += 1
            self.memo.clear()
        return delta

    def _put(self, backend: str, record: Record, changes: dict[Ref, Change[Record]]) -> Change[Record] | None:
        table = self._table(type(record))
        meta = record.metadata
        key = (backend, meta.namespace, meta.name)
        before = table.entries.get(key)
        if before is not None and before[0].uid != meta.uid:
            self._note(changes, table.drop(key, before[0].uid))
        return table.put(backend, record)

    def _replace(self, message: Replace, changes: dict[Ref, Change[Record]]) -> None:
        table = self._table(message.type)
        kept = {(message.backend, record.metadata.namespace, record.metadata.name) for record in message.records}
        gone = [key for key in table.keys_of(message.backend) if key not in kept]
        for key in gone:
            self._note(changes, table.drop(key, ""))
        for record in message.records:
            self._note(changes, self._put(message.backend, record, changes))

    @staticmethod
    def _note(changes: dict[Ref, Change[Record]], change: Change[Record] | None) -> None:
        if change is None:
            return
        earlier = changes.get(change.ref)
        changes[change.ref] = change if earlier is None else Change(change.ref, earlier.old, change.new)

    def _table(self, type_: type[Record]) -> _Table:
        table = self._tables.get(type_.KIND)
        if table is None:
            table = self._tables[type_.KIND] = _Table(type_)
        return table
