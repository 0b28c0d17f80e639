"""What goes on with single disks: copies, commits, pulls. Source: libvirt's virDomainGetBlockJobInfo.

Asked are disks with a <mirror> in the XML, those of which an event or an action told, those that had one at the last
look, and of the other domains a few each time: no event tells that a job begins.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from kvtui.backends.libvirt.collector import Found
from kvtui.backends.libvirt.events import Events, Plain
from kvtui.backends.libvirt.figures import round_rate
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.prober import Prober
from kvtui.backends.libvirt.survey import Survey
from kvtui.backends.libvirt.transfers import KEPT, Transfers
from kvtui.backends.libvirt.words import BLOCK_OPERATIONS, is_unsupported
from kvtui.records.base import Meta, Record
from kvtui.records.libvirt import BlockJob, Disk, Domain

if TYPE_CHECKING:
    import libvirt

_ROUND: Final = 1
"""Domains whose disks are asked about in each look though nothing says that they have a job."""
_REST: Final = 5.0
_BUSY: Final = 2.0
_ENDS: Final = {0: "Completed", 1: "Failed", 2: "Cancelled"}
"""By ``virConnectDomainEventBlockJobStatus``; 3 is one that is ready."""
_READY: Final = 3

_Key = tuple[str, str]
"""UUID of the domain, and target of the disk."""


def describe_block_job(domain: Domain, disk: Disk, info: Mapping[str, int], now: float) -> BlockJob:
    """A job that runs, from what ``virDomainGetBlockJobInfo`` tells."""
    number, done, total = info.get("type", 0), info.get("cur", 0), info.get("end", 0)
    return BlockJob(
        metadata=Meta(
            name=f"{domain.metadata.name}/{disk.target}", uid=f"{domain.metadata.uid} {disk.target} {now:.1f}"
        ),
        domain=domain.metadata.name,
        domain_uid=domain.metadata.uid,
        target=disk.target,
        operation=BLOCK_OPERATIONS[number] if 0 <= number < len(BLOCK_OPERATIONS) else BLOCK_OPERATIONS[0],
        phase="Ready" if disk.mirror_ready else "Running",
        done=done,
        total=total,
        began=now,
        source=disk.source,
    )


class BlockJobCollector:
    """Jobs of disks, and what fills volumes: those that run, and those that ended lately."""

    types: tuple[type[Record], ...] = (BlockJob,)
    serves = types
    lane = Lane.JOBS

    def __init__(self, survey: Survey, transfers: Transfers, prober: Prober) -> None:
        self.period = _REST
        self._survey = survey
        self._transfers = transfers
        self._prober = prober
        self._lock = threading.Lock()
        self._suspects: set[str] = set()
        self._told: deque[tuple[_Key, int, int, float]] = deque()
        """What events told: the disk, kind of job, status, time."""
        self._jobs: dict[_Key, BlockJob] = {}
        self._moments: dict[_Key, tuple[float, int]] = {}
        self._missed: set[_Key] = set()
        """Jobs that were no more at the last look, and of whose end no event told."""
        self._rounds: deque[str] = deque()
        self._asked: set[str] = set()
        """Domains that were asked once: each is, when it is first seen."""
        self._supported = True

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look after events of disks, and after what is begun here."""

        def hear(uuid: str, _name: str, details: tuple[Plain, ...]) -> None:
            match details:
                case (str(target), int(kind), int(status), *_):
                    self._told.append(((uuid, target), kind, status, time.time()))
            suspect(uuid)

        def suspect(uuid: str, *_: object) -> None:
            with self._lock:
                self._suspects.add(uuid)
            wake()

        events.listen(("BLOCK_JOB_2",), hear)
        events.listen(("kvtui.BLOCK_JOB",), suspect)
        self._transfers.on_change("jobs", events.from_any_thread(wake))

    def collect(self, connection: libvirt.virConnect) -> Found:
        """Ask about the disks that may have one."""
        self._survey.wait_measured()
        now = time.time()
        known = {domain.metadata.uid: domain for domain in self._survey.actives()}
        if self._supported:
            self._ask(connection, known, now)
        self._take_told(known, now)
        for key, job in tuple(self._jobs.items()):
            if job.ended is not None and now - job.ended > KEPT:
                del self._jobs[key]
        jobs = [*self._jobs.values(), *self._transfers.jobs()]
        self.period = _BUSY if any(not job.is_final for job in jobs) else _REST
        return Found({BlockJob: jobs})

    def _choose(self, known: Mapping[str, Domain]) -> set[str]:
        with self._lock:
            suspects, self._suspects = self._suspects, set()
        suspects |= {uuid for (uuid, _), job in self._jobs.items() if not job.is_final}
        suspects |= {uuid for uuid, domain in known.items() if any(disk.mirror for disk in domain.disks)}
        self._asked &= known.keys()
        suspects |= known.keys() - self._asked
        for _ in range(min(_ROUND, len(known))):
            while self._rounds and self._rounds[0] not in known:
                self._rounds.popleft()
            if not self._rounds:
                self._rounds.extend(known)
            suspects.add(self._rounds.popleft())
        return {uuid for uuid in suspects if uuid in known and self._survey.answers(known[uuid])}

    def _ask(self, connection: libvirt.virConnect, known: Mapping[str, Domain], now: float) -> None:
        chosen = {
            uuid: [disk for disk in known[uuid].disks if disk.source and not disk.read_only]
            for uuid in self._choose(known)
        }
        self._asked |= chosen.keys()

        def ask_one(own: libvirt.virConnect, uuid: str) -> list[tuple[Disk, Mapping[str, int]]]:
            return self._ask_disks(own, uuid, chosen[uuid])

        for uuid, infos in self._prober.ask_each(
            connection, [uuid for uuid, disks in chosen.items() if disks], ask_one
        ).items():
            for disk, info in infos:
                self._take((uuid, disk.target), known[uuid], disk, info, now)

    def _ask_disks(
        self, connection: libvirt.virConnect, uuid: str, disks: Sequence[Disk]
    ) -> list[tuple[Disk, Mapping[str, int]]]:
        """What libvirt tells of the jobs of disks; one of which it tells nothing is left out."""
        module = load()
        found: list[tuple[Disk, Mapping[str, int]]] = []
        try:
            handle = connection.lookupByUUIDString(uuid)
        except module.libvirtError:
            return found
        for disk in disks:
            if not self._supported:
                break
            try:
                found.append((disk, handle.blockJobInfo(disk.target, 0)))
            except module.libvirtError as error:
                self._supported = not is_unsupported(error.get_error_code())
        return found

    def _take(self, key: _Key, domain: Domain, disk: Disk, info: Mapping[str, int], now: float) -> None:
        known = self._jobs.get(key)
        runs = known is not None and not known.is_final
        if not info:
            if runs:
                self._miss(key, now)
            return
        self._missed.discard(key)
        job = describe_block_job(domain, disk, info, now)
        if known is not None and runs and known.operation == job.operation:
            job.metadata, job.began = known.metadata, known.began
            job.phase = known.phase if known.phase == "Ready" else job.phase
            job.rate = self._rate(key, job, known, now)
        else:
            self._moments[key] = (now, job.done)
        self._jobs[key] = job

    def _rate(self, key: _Key, job: BlockJob, known: BlockJob, now: float) -> float | None:
        """Bytes a second since it last moved: QEMU tells its progress in jumps."""
        if job.phase == "Ready":
            return None
        moment, done = self._moments.get(key, (now, job.done))
        if job.done <= done:
            return known.rate
        self._moments[key] = (now, job.done)
        return round_rate((job.done - done) / max(1.0, now - moment))

    def _miss(self, key: _Key, now: float) -> None:
        """It is no more. The event that says how it ended may still be on its way until the next look."""
        if key not in self._missed:
            self._missed.add(key)
            return
        self._missed.discard(key)
        self._end(key, "Completed", "libvirt did not say how it ended", now)

    def _take_told(self, known: Mapping[str, Domain], now: float) -> None:
        while self._told:
            key, kind, status, moment = self._told.popleft()
            domain = known.get(key[0]) or self._survey.known(key[0])
            job = self._jobs.get(key)
            if job is None or job.is_final:
                if domain is None:
                    continue
                # It began and became ready or ended between two looks.
                disk = next((disk for disk in domain.disks if disk.target == key[1]), Disk(target=key[1]))
                job = self._jobs[key] = describe_block_job(domain, disk, {"type": kind}, moment)
            if status == _READY:
                self._jobs[key] = msgspec.structs.replace(job, phase="Ready", rate=None)
            elif status in _ENDS:
                reason = "see the log of its QEMU on the host" if _ENDS[status] == "Failed" else ""
                self._end(key, _ENDS[status], reason, min(now, moment))

    def _end(self, key: _Key, phase: str, reason: str, now: float) -> None:
        job = self._jobs[key]
        done = job.total if phase == "Completed" else job.done
        self._missed.discard(key)
        self._moments.pop(key, None)
        self._jobs[key] = msgspec.structs.replace(job, phase=phase, reason=reason, done=done, rate=None, ended=now)
