"""Asks for the past of an object and its layers, and keeps what was found while it is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Final

from kvtui.audit import AuditLog, Entry, join_acts
from kvtui.backends.base import Archive, Chronicle, Reader
from kvtui.errors import AbsentError, ForbiddenError, KvtuiError, UnservedError
from kvtui.fleet import Fleet
from kvtui.joins.involved import Layer, Owners, involve
from kvtui.joins.moments import (
    OUR_CLOCK,
    Moment,
    drop_mirrored,
    drop_seen_states,
    is_act_on,
    moments_of,
    moments_of_audit,
    moments_of_event,
    moments_of_finding,
    moments_of_happenings,
    moments_of_past,
    name_migrations,
)
from kvtui.joins.timeline import compare_clocks, merge
from kvtui.model import FeedState, Platform, Ref
from kvtui.records.kubernetes import Claim, Event, Node, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, Host
from kvtui.records.past import Past
from kvtui.store import Delta
from kvtui.text import age, clean_line
from kvtui.unseen import unseen_layers

_AT_ONCE: Final = 8
"""Requests under way at a time."""
_WORKERS: Final = "app=containerized-data-importer"
"""On the pods that fill disks (kubevirt-api.md 2.10); they are not kept live."""
_UNREADABLE: Final = {
    FeedState.FORBIDDEN: "forbidden to this account",
    FeedState.FAILED: "cannot be read",
    FeedState.LOADING: "not answered yet",
    FeedState.STALE: "cut off, what is shown is old",
}
_FORGOTTEN: Final = 3600.0
"""Seconds after which the API server forgets events (kube-apiserver, --event-ttl)."""
_KEPT: Final = 5_000
"""Moments that are kept while one looks on, besides those that are still told."""


class Recall:
    """The past of one object. `look` asks the servers; `moments` and `notes` then tell what is known now."""

    def __init__(self, fleet: Fleet, ref: Ref, audit: AuditLog) -> None:
        self._fleet = fleet
        self._ref = ref
        self._audit = audit
        self._involved: dict[Ref, Layer] = {}
        self._owners = Owners({})
        self._events: dict[str, tuple[Event, Ref, Layer]] = {}
        self._pasts: dict[Ref, tuple[str, Past]] = {}
        """By object: the version of it that was read, and what it told."""
        self._workers: dict[Ref, Pod] = {}
        self._acts: list[tuple[Entry, Ref]] = []
        self._kept: list[Moment] = []
        self._troubles: dict[str, str] = {}
        """What could not be asked, and why."""
        self._log_seen: tuple[int, int] = (-1, -1)
        self._clocks: list[str] = []
        self._find_objects()

    # What is known ---------------------------------------------------------------------------------------------------

    def moments(self) -> list[Moment]:
        """All that is known now and was seen since one looks, the oldest first."""
        view = self._fleet.view
        self._find_objects()
        fresh: list[Moment] = []
        for ref, layer in self._involved.items():
            record = self._workers.get(ref) or view.record(ref)
            if record is not None:
                fresh += moments_of(record, ref, layer)
            if ref in self._pasts:
                fresh += moments_of_past(self._pasts[ref][1], record, ref, layer)
            backend = self._fleet.backends[ref.backend]
            if ref.kind in (Domain.KIND, Host.KIND) and isinstance(backend, Chronicle):
                fresh += moments_of_happenings(backend.tell_happenings(ref), ref, layer)
        for event, ref, layer in sorted(self._events.values(), key=_place_event):
            fresh += moments_of_event(event, ref, layer)
        for entry, ref in self._acts:
            fresh += moments_of_audit(entry, ref)
        self._kept = merge(self._kept[-_KEPT:], name_migrations(fresh, self._involved))
        found = drop_mirrored(drop_seen_states(merge(self._kept, self._findings())))
        self._clocks = compare_clocks(found, self._fleet.clock())
        return found

    def _find_objects(self) -> None:
        self._involved = {**involve(self._fleet.view, self._ref), **dict.fromkeys(self._workers, Layer.POD)}
        machines = (ref for ref in self._involved if ref.kind in (VirtualMachine.KIND, VirtualMachineInstance.KIND))
        self._owners = Owners(self._involved, self._created(next(machines, self._ref)))

    def _findings(self) -> Iterator[Moment]:
        names = {ref[:4] for ref in self._involved}
        for problem in self._fleet.engine.problems:
            for finding in problem.findings:
                if finding.subject[:4] in names:
                    yield from moments_of_finding(finding)

    @property
    def notes(self) -> list[str]:
        """What is not known and why, and which clocks disagree: a sentence each."""
        now = self._fleet.clock()
        notes = [*self._clocks, *self._guest_clock(), *self._feeds(), *self._troubles.values()]
        if any(ref.kind in (Domain.KIND, Host.KIND) for ref in self._involved):
            notes.append("libvirt keeps no events: of domains and hosts there is what kvtui saw since it was started")
        record = self._fleet.view.record(self._ref)
        made = record.created if record is not None else None
        if self._is_of_cluster and made is not None and now - made > _FORGOTTEN:
            notes.append("API servers forget events, mostly after an hour")
        return list(dict.fromkeys(map(clean_line, notes)))

    @property
    def troubled(self) -> bool:
        """Whether something could not be read."""
        return any(self._feeds()) or any(key != "audit" for key in self._troubles)

    @property
    def _is_of_cluster(self) -> bool:
        backend = self._fleet.backends[self._ref.backend]
        return backend.info.platform is Platform.KUBERNETES

    def _feeds(self) -> Iterator[str]:
        """Kinds of layers that are not known."""
        told: dict[tuple[str, str], list[str]] = {}
        for name, kind in self._kinds():
            words = _UNREADABLE.get(self._fleet.view.feed(name, kind).state)
            if words is not None:
                told.setdefault((name, words), []).append(kind)
        for (name, words), kinds in told.items():
            yield f"{name}: {', '.join(kinds)} {words}"

    def _kinds(self) -> Iterable[tuple[str, str]]:
        """Backend and kind of the object and of its layers, also of those that cannot be seen; each once."""
        own, view = self._ref.backend, self._fleet.view
        usual = [(own, kind) for kind in (Pod.KIND, Node.KIND, Claim.KIND)] if self._is_of_cluster else []
        involved = [(ref.backend, ref.kind) for ref in self._involved]
        unseen = [(one.ref.backend, one.ref.kind) for one in unseen_layers(view, self._ref)]
        return dict.fromkeys([*usual, *involved, *unseen])

    def _guest_clock(self) -> Iterator[str]:
        domain = self._fleet.view.find(Domain, self._ref) if self._ref.kind == Domain.KIND else None
        if domain is not None and domain.guest is not None and abs(domain.guest.clock or 0.0) > 2.0:
            by = domain.guest.clock or 0.0
            yield f"the clock of the guest is {age(abs(by))} {'ahead of' if by > 0 else 'behind'} ours"

    # What comes ------------------------------------------------------------------------------------------------------

    def take(self, delta: Delta) -> None:
        """Follow the store: events that come, and objects that go."""
        names = {ref[:4]: ref for ref in self._involved}
        for change in delta.changes:
            if isinstance(change.record, Event):
                if change.new is not None and change.ref.backend == self._ref.backend:
                    self._note(change.record)
                continue
            ref = names.get(change.ref[:4])
            if ref is not None and change.new is None:
                now, layer = self._fleet.clock(), self._involved[ref]
                self._kept.append(Moment(now, layer, ref, "object", "gone", key="gone", clock=OUR_CLOCK))

    def _note(self, event: Event) -> None:
        """Keep an event when it is about one of the objects."""
        found = self._owners.find(event, self._ref.backend)
        if found is not None:
            self._events[event.metadata.uid or event.metadata.name] = event, *found

    async def look(self) -> None:
        """Ask for all that is not kept live. What cannot be had becomes a note."""
        self._troubles = {}
        self._find_objects()
        await asyncio.gather(self._find_workers(), self._find_events(), self._read_log())
        await self._read_pasts()

    async def _find_workers(self) -> None:
        claims = {ref.uid: ref for ref in self._involved if ref.kind == Claim.KIND and ref.uid}
        for backend, namespace in {(ref.backend, ref.namespace) for ref in claims.values()}:
            archive = self._fleet.backends[backend]
            if not isinstance(archive, Archive):
                continue
            try:
                pods = await archive.fetch_pods(namespace, _WORKERS)
            except KvtuiError as error:
                self._complain("the pods that fill disks", error)
                continue
            for pod in pods:
                if any(owner.uid in claims for owner in pod.metadata.owner_references):
                    self._workers[pod.ref(backend)] = pod
        self._find_objects()

    async def _find_events(self) -> None:
        """From the store where all of them are kept live, else of each object from its server."""
        for name in {ref.backend for ref in self._involved}:
            backend = self._fleet.backends[name]
            if not isinstance(backend, Reader):
                continue
            if self._fleet.view.feed(name, Event.KIND).usable:
                found = [event for _, event in self._fleet.view.items(Event, name)]
            else:
                found = await self._gather(backend, [ref for ref in self._involved if ref.backend == name])
            for event in found:
                self._note(event)

    async def _gather(self, backend: Reader, refs: Sequence[Ref]) -> list[Event]:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def ask(ref: Ref) -> Sequence[object]:
            async with limit:
                try:
                    return await backend.fetch_events(ref)
                except KvtuiError as error:
                    self._complain(f"events of {'nodes' if ref.kind == Node.KIND else ref.namespace}", error)
                    return ()

        return [event for part in await asyncio.gather(*map(ask, refs)) for event in part if isinstance(event, Event)]

    async def _read_pasts(self) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def ask(archive: Archive, ref: Ref, version: str) -> None:
            async with limit:
                try:
                    self._pasts[ref] = version, await archive.fetch_past(ref)
                except KvtuiError as error:
                    if not isinstance(error, AbsentError) or isinstance(error, UnservedError):
                        self._complain(f"who wrote {ref.kind} objects", error)
                    # Else it went meanwhile.

        wanted: list[Coroutine[object, object, None]] = []
        for ref in self._involved:
            record = self._workers.get(ref) or self._fleet.view.record(ref)
            backend = self._fleet.backends[ref.backend]
            if record is None or not isinstance(backend, Archive):
                continue
            version = record.metadata.resource_version
            if self._pasts.get(ref, ("", None))[0] != version or not version:
                wanted.append(ask(backend, ref, version))
        await asyncio.gather(*wanted)

    async def _read_log(self) -> None:
        path = self._audit.path
        try:
            found = await asyncio.to_thread(path.stat)
        except OSError:
            self._troubles["audit"] = "nothing was done through kvtui by this user: there is no audit log yet"
            return
        if (found.st_mtime_ns, found.st_size) == self._log_seen:
            return
        try:
            entries = await asyncio.to_thread(self._read_entries)
        except KvtuiError as error:
            self._complain("the audit log", error)
            return
        self._log_seen = found.st_mtime_ns, found.st_size
        names = {ref[:4]: ref for ref in self._involved}
        self._acts = []
        for entry in join_acts(entries):
            for one in entry.subjects:
                ref = names.get((entry.backend, one.kind, one.namespace, one.name))
                if ref is not None and is_act_on(entry, one, ref, self._created(ref)):
                    self._acts.append((entry, ref))
                    break

    def _created(self, ref: Ref) -> float | None:
        """When an object was; of one that is not there, the object of the timeline."""
        record = self._fleet.view.record(ref) or self._fleet.view.record(self._ref)
        return record.created if record is not None else None

    def _read_entries(self) -> list[Entry]:
        """Those of objects of our names: of the log only a few concern them."""
        names = {ref.name for ref in self._involved}
        return [
            entry
            for entry in self._audit.read()
            if isinstance(entry, Entry) and any(one.name in names for one in entry.subjects)
        ]

    def _complain(self, what: str, error: KvtuiError) -> None:
        why = "forbidden to this account" if isinstance(error, ForbiddenError) else str(error)
        self._troubles[what] = f"{what}: {why}"


def _place_event(event_of: tuple[Event, Ref, Layer]) -> tuple[float, int]:
    """When it first came; what came in one second stands as it was written, for versions grow."""
    event = event_of[0]
    version = event.metadata.resource_version
    return event.first_seen or 0.0, int(version) if version.isdecimal() else 0
