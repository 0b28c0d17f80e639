"""The state of the demo cluster as etcd and the API machinery behind it would keep it.

Objects are held as JSON bytes beside a small index, so that ten thousand machines fit a laptop and a list is a join of
bytes. Every change has a revision; a bounded log of them feeds watches, and what fell out of it answers 410 Gone.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from kvtui.demo.changes import Change, ChangeLog, ChangeType
from kvtui.demo.metadata import (
    Kind,
    Metadata,
    Object,
    Owner,
    StorageError,
    bad_request,
    check_name,
    conflict,
    exists,
    invalid,
    metadata_of,
    not_found,
)
from kvtui.demo.rows import Key, Stored, Table, decode, encode, stored

__all__ = ["Change", "Kind", "Object", "Storage", "StorageError", "Stored"]

FOREGROUND = "foregroundDeletion"
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_BASE = 58
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName")

# Named here, for inside the class `list` is the method.
Rows = list[Stored]
Places = list[tuple[Kind, str, str]]


class Storage:
    """All objects of the cluster, by kind, namespace and name."""

    revision: int
    """The revision of the last change; revisions grow by one."""

    def __init__(self, now: Callable[[], str], *, log_size: int = 20_000, seed: int = 0) -> None:
        """`now` gives the virtual clock as RFC 3339; `seed` makes generated names repeatable, and uids too with
        the time at which it begins: no two clusters have the same.

        The log keeps at most `log_size` changes, and fewer when their objects exceed 64 MiB.
        """
        self.revision = 1
        self._now = now
        self._random = random.Random(seed)
        self._salt = random.Random(now()).getrandbits(128)
        self._tables: dict[Kind, Table] = {}
        self._by_uid: dict[str, Stored] = {}
        self._dependents: dict[str, dict[tuple[Kind, Key], None]] = {}
        self._known: set[tuple[str, str]] = set()
        self._log = ChangeLog(log_size, self.revision)
        self._decoded = lru_cache(maxsize=512)(decode)

    def create(self, kind: Kind, obj: Object) -> Object:
        """Store a new object: uid, creationTimestamp, generation 1, resourceVersion and generateName are filled in.

        A given status is stored too (the server drops a client's). An object whose owners are all gone is collected
        at once. Raises StorageError 409 AlreadyExists, 422 Invalid for a bad name, 400 for metadata of a wrong type.
        """
        meta = metadata_of(kind, obj)
        fresh = self._prepared(kind, obj, meta)
        name = fresh["metadata"]["name"]
        check_name(kind, name)
        if kind.namespaced and not meta.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        if (meta.namespace if kind.namespaced else "", name) in self._table(kind).rows:
            raise exists(kind, name)
        created = fresh["metadata"]
        created |= {"uid": self._new_uid(), "creationTimestamp": self._now()}
        for owned in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            created.pop(owned, None)
        if kind.counts_generations:
            created["generation"] = 1
        row = self._commit("ADDED", kind, fresh, None)
        self._collect(row)
        self._log.deliver()
        return decode(row.raw)

    def load(self, kind: Kind, objects: Iterable[Object]) -> None:
        """Store many objects quickly at the start of the world; listeners are not told. A given uid, creationTimestamp
        or resourceVersion is kept; missing ones are filled in.

        The log ends here: watches from before answer 410.
        """
        table, rows = self._table(kind), []
        for obj in objects:
            meta = metadata_of(kind, obj)
            fresh = self._prepared(kind, obj, meta)
            loaded = fresh["metadata"]
            self.revision += 1
            if meta.resource_version:
                self.revision = max(self.revision, int(meta.resource_version))
            else:
                loaded["resourceVersion"] = str(self.revision)
            if not meta.uid:
                loaded["uid"] = self._new_uid()
            loaded.setdefault("creationTimestamp", self._now())
            if kind.counts_generations:
                loaded.setdefault("generation", 1)
            row = stored(kind, fresh)
            self._index(row, table.rows.get(row.key))
            rows.append(row)
        table.fill(rows)
        self.compact()

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object. Raises StorageError 404 NotFound with the API server's words."""
        return decode(self._row(kind, namespace, name).raw)

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        row = self._table(kind).rows.get((namespace if kind.namespaced else "", name))
        return None if row is None else decode(row.raw)

    def peek(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """As `find`, for who only looks: the object is shared with all others who do, so it must never be changed."""
        row = self._table(kind).rows.get((namespace if kind.namespaced else "", name))
        return None if row is None else self._decoded(row.raw)

    def raw(self, kind: Kind, namespace: str, name: str) -> Stored:
        """One object as stored bytes with its index. Raises StorageError 404 NotFound."""
        return self._row(kind, namespace, name)

    def by_uid(self, uid: str) -> Stored | None:
        """The object with this uid, of any kind."""
        return self._by_uid.get(uid)

    def list(self, kind: Kind, namespace: str | None = None, labels: dict[str, str] | None = None) -> list[Object]:
        """The objects of a kind in the order of namespace and name; all namespaces for None; labels must be equal."""
        wanted = (labels or {}).items()
        return [decode(row.raw) for row in self._table(kind).select(namespace) if wanted <= row.labels.items()]

    def raw_list(self, kind: Kind, namespace: str | None = None, revision: int | None = None) -> Rows:
        """The same objects undecoded, now or as they were at an earlier revision (for the pages of one list).

        Raises StorageError 410 Expired when the log does not reach back to that revision.
        """
        rows = self._table(kind).select(namespace)
        if revision is None or revision >= self.revision:
            return rows
        past = {row.key: row for row in rows}
        for change in reversed(list(self.since(revision))):
            if change.kind != kind or namespace not in (None, change.namespace):
                continue
            if change.previous is None:
                past.pop((change.namespace, change.name), None)
            else:
                past[change.namespace, change.name] = stored(kind, decode(change.previous), change.previous)
        return [past[key] for key in sorted(past)]

    def contents(self, namespace: str) -> Rows:
        """Everything in a namespace, of all kinds."""
        return [row for kind, table in self._tables.items() if kind.namespaced for row in table.select(namespace)]

    def count(self, kind: Kind, namespace: str | None = None) -> int:
        """How many objects of a kind there are."""
        table = self._table(kind)
        return len(table.rows) if namespace is None else len(table.select(namespace))

    def update(self, kind: Kind, obj: Object, *, status: bool = False) -> Object:
        """Replace an object; with `status` only its ``.status`` and its writers, else all but that where the kind has
        the subresource.

        metadata that the server owns (uid, creationTimestamp, deletionTimestamp, generation) is kept. generation grows
        when anything outside metadata and status changed; status counts too for kinds without the subresource, as the
        real server does for VMIs. A write that changes nothing has no revision. An object that waits for deletion and
        has lost its last finalizer is removed. Raises 409 Conflict when the given resourceVersion or uid is not the
        present one, 422 when an object that waits for deletion is given new finalizers.
        """
        meta = metadata_of(kind, obj)
        row = self._row(kind, meta.namespace, meta.name)
        present = self._decoded(row.raw)
        if meta.uid and meta.uid != row.uid:
            why = f"Precondition failed: UID in precondition: {meta.uid}, UID in object meta: {row.uid}"
            raise conflict(kind, meta.name, why)
        if meta.resource_version and meta.resource_version != present["metadata"]["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(kind, meta.name, why)
        fresh = dict(obj)
        if kind.status:
            fresh = with_status(present, obj) if status else with_status(obj, present)
            if status and "managedFields" in obj["metadata"]:
                fresh["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
            if kind.group == "" and not isinstance(fresh.get("status"), dict):
                # A typed kind has a status, be it empty.
                fresh["status"] = {}
        self._replace(row, fresh)
        self._log.deliver()
        # Much of it is the caller's own, or shared.
        return decode(encode(fresh))

    def modify(self, kind: Kind, namespace: str, name: str, change: Callable[[Object], None]) -> Object | None:
        """Let `change` edit spec, metadata and status together, as controllers do; None when the object is gone.

        The same rules as `update`, without a conflict.
        """
        row = self._table(kind).rows.get((namespace if kind.namespaced else "", name))
        if row is None:
            return None
        fresh = decode(row.raw)
        change(fresh)
        self._replace(row, fresh)
        self._log.deliver()
        return fresh

    def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
        grace: int | None = None,
    ) -> Object:
        """Delete, or with finalizers only mark by deletionTimestamp. Dependents by ownerReferences go too, unless
        `propagation` is Orphan; Foreground keeps the object until those that block it are gone.

        A pod that runs on a node is marked and stays for `grace` seconds (None: its own terminationGracePeriodSeconds)
        until it is deleted again with grace 0. Answers the last state. Raises 404, and 409 when the preconditions do
        not hold.
        """
        row = self._row(kind, namespace, name)
        last = self._delete(row, uid=uid, resource_version=resource_version, propagation=propagation, grace=grace)
        self._log.deliver()
        return last

    def owned(self, uid: str) -> Places:
        """Kind, namespace and name of everything that names this uid as an owner."""
        return [(kind, *key) for kind, key in self._dependents.get(uid, ())]

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after every change, in order and synchronously; what is returned ends it.

        A change that a listener makes itself is told after the present one has reached everybody.
        """
        return self._log.subscribe(listener)

    def since(self, revision: int) -> Iterable[Change]:
        """The log after a revision. Raises StorageError 410 Expired when it is compacted."""
        return self._log.since(revision)

    def compact(self, revision: int | None = None) -> None:
        """Forget the log up to a revision (all of it for None): older watches get 410 Gone."""
        self._log.compact(self.revision if revision is None else min(revision, self.revision))

    # Writing

    def _prepared(self, kind: Kind, obj: Object, meta: Metadata) -> Object:
        """A copy with apiVersion and kind, the right namespace and a name, its top levels free to change."""
        fresh = {"apiVersion": "", "kind": "", **obj, "metadata": dict(obj.get("metadata") or {})}
        fresh |= {"apiVersion": kind.api_version, "kind": kind.kind}
        if not kind.namespaced:
            fresh["metadata"].pop("namespace", None)
        if not meta.name:
            suffix = "".join(self._random.choice(_SUFFIX_LETTERS) for _ in range(5))
            fresh["metadata"]["name"] = meta.generate_name[:_LONGEST_BASE] + suffix if meta.generate_name else ""
        return fresh

    def _replace(self, row: Stored, fresh: Object) -> None:
        """Write `fresh` over the stored object, keeping what the server owns: it is then what is stored."""
        present = self._decoded(row.raw)
        old = present["metadata"]
        new = fresh["metadata"] = dict(fresh.get("metadata") or {})
        new |= {"name": row.name, "resourceVersion": old["resourceVersion"]}
        fresh |= {"apiVersion": row.kind.api_version, "kind": row.kind.kind}
        for owned in _KEPT:
            new.pop(owned, None)
            if owned in old:
                new[owned] = old[owned]
        added = [name for name in new.get("finalizers") or () if name not in row.finalizers]
        if row.deleting and added:
            words = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
            listed = ", ".join(f'"{name}"' for name in added)
            path = "metadata.finalizers"
            raise invalid(row.kind, row.name, path, "FieldValueForbidden", f"{words}[]string{{{listed}}}")
        if fresh == present:
            return
        if row.kind.counts_generations and _desired(row.kind, fresh) != _desired(row.kind, present):
            new["generation"] = old.get("generation", 0) + 1
        if row.deleting and not row.grace and not new.get("finalizers") and not _is_held(row.kind, fresh):
            self._remove(row)
            return
        written = self._commit("MODIFIED", row.kind, fresh, row)
        if written.owners != row.owners:
            for owner in row.owners:
                self._release(owner.uid)
            self._collect(written)

    def _delete(
        self, row: Stored, *, uid: str = "", resource_version: str = "", propagation: str, grace: int | None = None
    ) -> Object:
        present = decode(row.raw)
        meta = present["metadata"]
        _check_preconditions(row, meta["resourceVersion"], uid, resource_version)
        if propagation == "Orphan":
            for dependent in self._dependents_of(row.uid):
                self._drop_owners(dependent, {row.uid})
            # One that waited for them alone is let go of by the last.
            left = self._by_uid.get(row.uid)
            if left is None:
                return present
            row, present = left, decode(left.raw)
            meta = present["metadata"]
        finalizers = [*row.finalizers]
        if propagation == "Foreground" and FOREGROUND not in finalizers:
            finalizers.append(FOREGROUND)
        seconds = _grace_seconds(row.kind, present, grace)
        if row.deleting:
            seconds = min(seconds, row.grace)
        if not finalizers and not seconds and not _is_held(row.kind, present):
            self._remove(row)
            return present
        if row.deleting and seconds == row.grace and finalizers == [*row.finalizers]:
            return present
        begun = _seconds_later(meta["deletionTimestamp"], -row.grace) if row.deleting else self._now()
        if not row.deleting and "generation" in meta:
            meta["generation"] += 1
        meta |= {"deletionTimestamp": _seconds_later(begun, seconds), "deletionGracePeriodSeconds": seconds}
        if finalizers:
            meta["finalizers"] = finalizers
        if row.kind.resource == "namespaces":
            present["status"] = {**(present.get("status") or {}), "phase": "Terminating"}
        marked = self._commit("MODIFIED", row.kind, present, row)
        if propagation == "Foreground":
            for dependent in self._dependents_of(row.uid):
                self._collect(dependent)
            self._release(row.uid)
        return decode(marked.raw)

    def _commit(self, event: ChangeType, kind: Kind, obj: Object, previous: Stored | None) -> Stored:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        row = stored(kind, obj)
        self._index(row, previous)
        self._table(kind).put(row)
        self._record(event, row, row.raw, previous)
        return row

    def _remove(self, row: Stored) -> None:
        self.revision += 1
        last = decode(row.raw)
        last["metadata"]["resourceVersion"] = str(self.revision)
        self._table(row.kind).drop(row.key)
        self._unindex(row)
        self._record("DELETED", row, encode(last), row)
        for dependent in self._dependents_of(row.uid):
            self._collect(dependent)
        for owner in row.owners:
            self._release(owner.uid)

    # Garbage collection

    def _collect(self, row: Stored) -> None:
        """What the garbage collector does with one dependent: nothing while an owner lives, else it is deleted."""
        gone = {owner.uid for owner in row.owners if self._is_gone(owner)}
        waiting = {owner.uid for owner in row.owners if self._waits_for_dependents(owner.uid)}
        if not gone and not waiting:
            return
        if any(owner.uid not in gone | waiting for owner in row.owners):
            self._drop_owners(row, gone | waiting)
        elif not row.deleting:
            propagation = "Foreground" if waiting and self._dependents.get(row.uid) else "Background"
            self._delete(row, propagation=propagation)

    def _is_gone(self, owner: Owner) -> bool:
        """Owners of kinds that are not stored here are believed to live, as the real collector does."""
        return owner.uid not in self._by_uid and (owner.api_version, owner.kind) in self._known

    def _waits_for_dependents(self, uid: str) -> bool:
        row = self._by_uid.get(uid)
        return row is not None and row.deleting and FOREGROUND in row.finalizers

    def _drop_owners(self, row: Stored, uids: set[str]) -> None:
        fresh = decode(row.raw)
        meta = fresh["metadata"]
        meta["ownerReferences"] = [owner for owner in meta["ownerReferences"] if owner.get("uid") not in uids]
        if not meta["ownerReferences"]:
            del meta["ownerReferences"]
        self._replace(row, fresh)

    def _release(self, uid: str) -> None:
        """Let an owner in foreground deletion go when no dependent blocks it any more."""
        if not self._waits_for_dependents(uid) or any(row.blocks(uid) for row in self._dependents_of(uid)):
            return
        row = self._by_uid[uid]
        fresh = decode(row.raw)
        fresh["metadata"]["finalizers"].remove(FOREGROUND)
        self._replace(row, fresh)

    def _dependents_of(self, uid: str) -> Iterator[Stored]:
        """The dependents there are now; those that go while this is read are left out."""
        for kind, key in [*self._dependents.get(uid, ())]:
            row = self._table(kind).rows.get(key)
            if row is not None:
                yield row

    # Index and log

    def _table(self, kind: Kind) -> Table:
        table = self._tables.get(kind)
        if table is None:
            table = self._tables[kind] = Table()
            self._known.add((kind.api_version, kind.kind))
        return table

    def _row(self, kind: Kind, namespace: str, name: str) -> Stored:
        row = self._table(kind).rows.get((namespace if kind.namespaced else "", name))
        if row is None:
            raise not_found(kind, name)
        return row

    def _index(self, row: Stored, previous: Stored | None) -> None:
        if previous is not None:
            self._unindex(previous)
        self._by_uid[row.uid] = row
        for owner in row.owners:
            self._dependents.setdefault(owner.uid, {})[row.kind, row.key] = None

    def _unindex(self, row: Stored) -> None:
        self._by_uid.pop(row.uid, None)
        for owner in row.owners:
            dependents = self._dependents.get(owner.uid, {})
            dependents.pop((row.kind, row.key), None)
            if not dependents:
                self._dependents.pop(owner.uid, None)

    def _record(self, event: ChangeType, row: Stored, raw: bytes, previous: Stored | None) -> None:
        labels, before = (None, None) if previous is None else (previous.labels, previous.raw)
        change = Change(self.revision, event, row.kind, row.namespace, row.name, raw, row.labels, labels, before)
        self._log.append(change)

    def _new_uid(self) -> str:
        return self.salted_uid(self._random.getrandbits(128))

    def salted_uid(self, drawn: int) -> str:
        """A uid out of 128 bits that somebody drew."""
        return str(uuid.UUID(int=drawn ^ self._salt, version=4))


def with_status(obj: Object, source: Object) -> Object:
    """`obj`, its metadata free to change, with the status of `source`, or without one."""
    merged = {name: value for name, value in obj.items() if name != "status"} | {"metadata": dict(obj["metadata"])}
    if "status" in source:
        merged["status"] = source["status"]
    return merged


def _desired(kind: Kind, obj: Object) -> Object:
    """What the generation counts the changes of."""
    left_out = {"metadata", "status"} if kind.status else {"metadata"}
    return {name: value for name, value in obj.items() if name not in left_out}


def _check_preconditions(row: Stored, present_version: str, uid: str, resource_version: str) -> None:
    if uid and uid != row.uid:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({row.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(row.kind, row.name, why)
    if resource_version and resource_version != present_version:
        why = (
            f"the ResourceVersion in the precondition ({resource_version}) does not match the ResourceVersion in "
            f"record ({present_version}). The object might have been modified"
        )
        raise conflict(row.kind, row.name, why)


def _is_held(kind: Kind, obj: Object) -> bool:
    """Whether finalizers of its spec hold the object back: namespaces have such."""
    return kind.resource == "namespaces" and bool((obj.get("spec") or {}).get("finalizers"))


def _grace_seconds(kind: Kind, obj: Object, asked: int | None) -> int:
    """How long a deleted object stays: only pods that run on a node do."""
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if kind.resource != "pods" or not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
        return 0
    seconds = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
    return int(seconds) if seconds >= 0 else 1


def _seconds_later(moment: str, seconds: int) -> str:
    later = datetime.fromisoformat(moment).astimezone(UTC) + timedelta(seconds=seconds)
    return later.strftime("%Y-%m-%dT%H:%M:%SZ")
