"""What goes on with domains as a whole: migrations, saves, dumps, snapshots. Fields: libvirt's virDomainGetJobStats.

libvirt has no list of jobs, and no event tells that one begins. Asked are domains of which an event or their state
says that there is one, those that had one at the last look, and of the others a few each time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kvtui.backends.libvirt.collector import Found
from kvtui.backends.libvirt.events import Events, Plain
from kvtui.backends.libvirt.figures import round_rate
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.prober import Prober
from kvtui.backends.libvirt.survey import Survey
from kvtui.backends.libvirt.transfers import KEPT
from kvtui.backends.libvirt.words import OPERATIONS, PASSING, is_unsupported
from kvtui.records.base import Meta, Record
from kvtui.records.libvirt import Domain, DomainJob
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

Stats = Mapping[str, Any]

ROUND: Final = 3
"""Domains that are asked in each look though nothing says that they have a job."""
_REST: Final = 5.0
_BUSY: Final = 2.0
"""Seconds between two looks: while nothing goes on, and while something does."""
_GRACE: Final = 3.0
"""Seconds that the event of its end may come after a job."""
_FINAL: Final = {3: "Completed", 4: "Failed", 5: "Cancelled"}
"""By ``virDomainJobType``; 1 and 2 are jobs that run, with and without a known end."""


def describe_job(domain: Domain, host: str, stats: Stats, now: float) -> DomainJob:
    """A job that runs, from its numbers; `host` is where it was asked for."""
    number, elapsed = int(stats.get("operation", 0)), stats.get("time_elapsed", 0) / 1000
    operation = OPERATIONS[number] if 0 <= number < len(OPERATIONS) else OPERATIONS[0]
    began = now - elapsed
    job = fill(
        DomainJob(
            metadata=Meta(name=domain.metadata.name, uid=f"{domain.metadata.uid} {began:.1f}"),
            domain=domain.metadata.name,
            domain_uid=domain.metadata.uid,
            operation=operation,
            phase="PostCopy" if domain.reason in ("post-copy", "post-copy failed") else "Running",
            source=host if operation != "incoming migration" else "",
            target=host if operation == "incoming migration" else "",
            began=began,
        ),
        stats,
    )
    if job.step == "disks":
        # QEMU tells nothing of the memory before the disks are there, and would be as good as done.
        job.total += domain.memory
        job.left += domain.memory
    return job


def fill(job: DomainJob, stats: Stats) -> DomainJob:
    """The job with the numbers of `stats`."""
    # While disks are copied first, memory has no rate yet.
    rates = [stats[name] for name in ("memory_bps", "disk_bps") if stats.get(name)]
    pages, page = stats.get("memory_dirty_rate"), stats.get("memory_page_size")
    downtime = stats.get("downtime")
    throttle = stats.get("auto_converge_throttle")
    return msgspec.structs.replace(
        job,
        elapsed=stats.get("time_elapsed", 0) / 1000,
        step="" if not stats.get("disk_total") else "memory" if stats.get("memory_total") else "disks",
        total=stats.get("data_total", 0),
        done=stats.get("data_processed", 0),
        left=stats.get("data_remaining", 0),
        rate=round_rate(sum(rates)) if rates else None,
        dirty_rate=round_rate(pages * page) if pages is not None and page else None,
        iteration=stats.get("memory_iteration", 0),
        downtime=downtime / 1000 if downtime is not None else None,
        throttle=throttle / 100 if throttle else None,
    )


def carry_on(job: DomainJob, known: DomainJob, now: float) -> None:
    """Give a job that was seen before what is known of it, and when it last got on."""
    job.metadata, job.began, job.target = known.metadata, known.began, known.target
    job.advanced = now if job.done > known.done else known.advanced


def complete(job: DomainJob, stats: Stats, now: float) -> DomainJob:
    """The job at its end, with the numbers that libvirt tells then."""
    words = clean_line(str(stats.get("errmsg") or ""))
    failed = words or stats.get("success") in (0, False)
    phase = "Failed" if failed else _FINAL.get(int(stats.get("type", 3)), "Completed")
    return msgspec.structs.replace(fill(job, stats), phase=phase, reason=words, ended=now)


class JobNotes:
    """What those know of a job who began or ended it here, and libvirt does not tell. From any thread, by UUID."""

    def __init__(self) -> None:
        self.targets: dict[str, str] = {}
        """Where a migration goes, by the name that its host has here."""
        self.ends: dict[str, tuple[str, str]] = {}
        """How a job ended: ``Failed`` or ``Cancelled``, and why."""


class JobCollector:
    """Jobs that run, and those that ended lately."""

    types: tuple[type[Record], ...] = (DomainJob,)
    serves = types
    lane = Lane.JOBS

    def __init__(self, survey: Survey, host: str, notes: JobNotes, prober: Prober) -> None:
        self.period = _REST
        self._survey = survey
        self._host = host
        self._notes = notes
        self._prober = prober
        self._lock = threading.Lock()
        self._suspects: set[str] = set()
        self._ends: deque[tuple[str, Stats, float]] = deque()
        """What events told of jobs that ended: UUID, numbers, time."""
        self._jobs: dict[str, DomainJob] = {}
        """By UUID, the job that runs or the last one."""
        self._vanished: dict[str, float] = {}
        """Jobs that are no more, of whose end no event told yet, with the time."""
        self._rounds: deque[str] = deque()
        self._asked: set[str] = set()
        """Domains that were asked once: each is, when it is first seen."""
        self._supported = True

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look when events tell of a job."""

        def suspect(uuid: str, *_: object) -> None:
            with self._lock:
                self._suspects.add(uuid)
                known = self._jobs.get(uuid)
            # Iterations follow each other fast towards the end; a job that is followed is looked at soon enough.
            if self._supported and (known is None or known.is_final):
                wake()

        def hear_end(uuid: str, _name: str, details: tuple[Plain, ...]) -> None:
            stats = next((one for one in details if isinstance(one, dict)), {})
            self._ends.append((uuid, stats, time.time()))
            wake()

        events.listen(("MIGRATION_ITERATION", "LIFECYCLE", "kvtui.JOB"), suspect)
        events.listen(("JOB_COMPLETED",), hear_end)

    def collect(self, connection: libvirt.virConnect) -> Found:
        """Ask those that may have one."""
        self._survey.wait_measured()
        now = time.time()
        known = {domain.metadata.uid: domain for domain in self._survey.actives()}
        if self._supported:
            self._ask(connection, known, now)
        self._take_ends(now)
        self._judge_vanished(now)
        self._take_notes(now)
        for uuid, job in tuple(self._jobs.items()):
            if job.ended is not None and now - job.ended > KEPT:
                del self._jobs[uuid]
        running = any(not job.is_final for job in self._jobs.values())
        self.period = _BUSY if running else _REST
        return Found({DomainJob: list(self._jobs.values())})

    def _choose(self, known: Mapping[str, Domain]) -> set[str]:
        with self._lock:
            suspects, self._suspects = self._suspects, set()
        suspects |= {uuid for uuid, job in self._jobs.items() if not job.is_final}
        suspects |= {uuid for uuid, domain in known.items() if domain.reason in PASSING}
        self._asked &= known.keys()
        suspects |= known.keys() - self._asked
        for _ in range(min(ROUND, len(known))):
            while self._rounds and self._rounds[0] not in known:
                self._rounds.popleft()
            if not self._rounds:
                self._rounds.extend(known)
            suspects.add(self._rounds.popleft())
        return {uuid for uuid in suspects if uuid not in known or self._survey.answers(known[uuid])}

    def _ask(self, connection: libvirt.virConnect, known: Mapping[str, Domain], now: float) -> None:
        suspects = self._choose(known)
        if not suspects:
            return
        module = load()
        here = {
            handle.UUIDString(): clean_line(handle.name())
            for handle in connection.listAllDomains(module.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        }
        for uuid in suspects & self._jobs.keys() - here.keys():
            # It runs here no more.
            self._miss(uuid, now)
        suspects &= here.keys()
        self._asked |= suspects
        for uuid, stats in self._prober.ask_each(connection, suspects, self._ask_one).items():
            if stats is not None:
                self._take(uuid, known.get(uuid) or Domain(metadata=Meta(name=here[uuid], uid=uuid)), stats, now)

    def _ask_one(self, connection: libvirt.virConnect, uuid: str) -> Stats | None:
        """What libvirt tells of the job of a domain; None where it tells nothing."""
        module = load()
        if not self._supported:
            return None
        try:
            stats: Stats = connection.lookupByUUIDString(uuid).jobStats(0)
        except module.libvirtError as error:
            code = error.get_error_code()
            self._supported = self._supported and not is_unsupported(code)
            # The numbers of a migration are with its source.
            is_target = code == module.VIR_ERR_OPERATION_UNSUPPORTED
            return {"type": 2, "operation": module.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN} if is_target else None
        return stats

    def _take(self, uuid: str, domain: Domain, stats: Stats, now: float) -> None:
        known = self._jobs.get(uuid)
        if int(stats.get("type", 0)) not in (1, 2):
            self._miss(uuid, now)
            return
        self._vanished.pop(uuid, None)
        job = describe_job(domain, self._host, stats, now)
        if known is not None and not known.is_final and known.operation == job.operation:
            carry_on(job, known, now)
        else:
            self._notes.ends.pop(uuid, None)
            self._name_target(job)
            job.advanced = now
        self._jobs[uuid] = job

    def _name_target(self, job: DomainJob) -> None:
        """What is noted is of the next migration alone: the one after it may go elsewhere."""
        if job.operation == "outgoing migration":
            job.target = self._notes.targets.pop(job.domain_uid, "")

    def _miss(self, uuid: str, now: float) -> None:
        known = self._jobs.get(uuid)
        if known is not None and not known.is_final:
            self._vanished.setdefault(uuid, now)

    def _take_ends(self, now: float) -> None:
        while self._ends:
            uuid, stats, moment = self._ends.popleft()
            self._vanished.pop(uuid, None)
            job = self._jobs.get(uuid)
            number = int(stats.get("operation", 0))
            if job is None or job.is_final or (number and OPERATIONS[number % len(OPERATIONS)] != job.operation):
                # It began and ended between two looks.
                domain = self._survey.known(uuid)
                if domain is None:
                    continue
                job = describe_job(domain, self._host, stats, moment)
                self._name_target(job)
            self._jobs[uuid] = complete(job, stats, min(now, moment))

    def _judge_vanished(self, now: float) -> None:
        """Jobs that are no more. An aborted or failed one is told by no event, nor why it ended (libvirt 9.0)."""
        for uuid, moment in tuple(self._vanished.items()):
            if now - moment < _GRACE and uuid not in self._notes.ends:
                continue
            del self._vanished[uuid]
            job = self._jobs.get(uuid)
            if job is not None and not job.is_final:
                end = _end_of(job, self._survey.known(uuid))
                phase, reason = self._notes.ends.pop(uuid, end)
                self._jobs[uuid] = msgspec.structs.replace(job, phase=phase, reason=reason, ended=moment, rate=None)

    def _take_notes(self, now: float) -> None:
        """Migrations that we began, and that failed before anybody saw them travel."""
        for uuid, (phase, reason) in tuple(self._notes.ends.items()):
            job = self._jobs.get(uuid)
            domain = self._survey.known(uuid)
            if (job is not None and not job.is_final) or uuid in self._vanished or domain is None:
                continue
            del self._notes.ends[uuid]
            self._jobs[uuid] = DomainJob(
                metadata=Meta(name=domain.metadata.name, uid=f"{uuid}/{now:.3f}"),
                domain=domain.metadata.name,
                domain_uid=uuid,
                operation="outgoing migration",
                phase=phase,
                source=self._host,
                target=self._notes.targets.pop(uuid, ""),
                began=now,
                ended=now,
                reason=reason,
            )


def _end_of(job: DomainJob, domain: Domain | None) -> tuple[str, str]:
    """How a job ended of which libvirt says nothing more: told by where the domain is now."""
    here = domain is not None and domain.active
    match job.operation:
        case "outgoing migration":
            return ("Failed", "it stayed here: aborted or failed, libvirt does not say which") if here else (
                "Completed", "")  # fmt: skip
        case "incoming migration":
            return ("Completed", "") if here else ("Failed", "it did not arrive; its source knows why")
        case "save":
            return ("Failed", "it runs on: aborted or failed, libvirt does not say which") if here else (
                "Completed", "")  # fmt: skip
    return "Completed", ""
