"""How objects lie in the storage: JSON bytes beside what the machinery must know without decoding them."""

from __future__ import annotations

import bisect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from kvtui.demo.metadata import Kind, Object, Owner, metadata_of

_encode = msgspec.json.Encoder().encode
decode: Callable[[bytes], Object] = msgspec.json.Decoder(dict[str, Any]).decode

Key = tuple[str, str]


def encode(obj: Object) -> bytes:
    """The object as JSON bytes. Copied, because the encoder's own result keeps a third more memory than it shows."""
    return bytes(memoryview(_encode(obj)))


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as it lies in the storage. Shared: never change its labels."""

    kind: Kind
    key: Key
    """Namespace and name: its place in lists."""
    uid: str
    raw: bytes
    labels: dict[str, str]
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    deleting: bool
    grace: int

    @property
    def namespace(self) -> str:
        """The namespace, or "" for a kind of the whole cluster."""
        return self.key[0]

    @property
    def name(self) -> str:
        """The name."""
        return self.key[1]

    def blocks(self, uid: str) -> bool:
        """Whether the owner of this uid waits for it in a foreground deletion."""
        return any(owner.uid == uid and owner.block_owner_deletion for owner in self.owners)


def stored(kind: Kind, obj: Object, raw: bytes | None = None) -> Stored:
    """The row of a decoded object; `raw` where its bytes are known. Raises StorageError 400 for bad metadata."""
    meta = metadata_of(kind, obj)
    return Stored(
        kind,
        (sys.intern(meta.namespace) if kind.namespaced else "", meta.name),
        meta.uid,
        encode(obj) if raw is None else raw,
        meta.labels or {},
        tuple(meta.owner_references or ()),
        tuple(meta.finalizers or ()),
        meta.deletion_timestamp is not None,
        meta.deletion_grace_period_seconds or 0,
    )


class Table:
    """The objects of one kind and their order."""

    def __init__(self) -> None:
        self.rows: dict[Key, Stored] = {}
        self.order: list[Key] = []

    def put(self, row: Stored) -> None:
        """Add or replace one."""
        if row.key not in self.rows:
            bisect.insort(self.order, row.key)
        self.rows[row.key] = row

    def fill(self, rows: list[Stored]) -> None:
        """Add or replace many at once."""
        self.rows.update((row.key, row) for row in rows)
        self.order = sorted(self.rows)

    def drop(self, key: Key) -> None:
        """Take one out."""
        del self.rows[key]
        del self.order[bisect.bisect_left(self.order, key)]

    def select(self, namespace: str | None) -> list[Stored]:
        """Those of one namespace, or all, in the order of namespace and name."""
        if namespace is None:
            return [self.rows[key] for key in self.order]
        first = bisect.bisect_left(self.order, (namespace, ""))
        after = bisect.bisect_left(self.order, (namespace + "\0", ""))
        return [self.rows[key] for key in self.order[first:after]]
