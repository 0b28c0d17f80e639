"""A job of a domain with what the other host of a migration tells: libvirt's source does not name its target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kvtui.model import Ref
from kvtui.records.libvirt import Domain, DomainJob, Host
from kvtui.store import View
from kvtui.text import size

OUTGOING = "outgoing migration"
INCOMING = "incoming migration"
_TOGETHER = 60.0
"""Seconds that may lie between what its two hosts tell of one migration: clocks differ, looks are rare."""


@dataclass(frozen=True, slots=True)
class Transit:
    """A job, and where it goes from and to."""

    backend: str
    job: DomainJob
    source: str
    """A host by its name here; empty while it is not known."""
    target: str

    @property
    def ref(self) -> Ref:
        """Identity of the row."""
        return self.job.ref(self.backend)


def join_transit(view: View, ref: Ref) -> Transit | None:
    """The job that `ref` means."""
    job = view.find(DomainJob, ref)
    if job is None:
        return None
    source, target = job.source, job.target
    if job.operation == OUTGOING and not target:
        target = next((other.backend for other, _ in _others(view, ref.backend, job, INCOMING)), "")
        target = target or next(_elsewhere(view, ref.backend, job), "")
    elif job.operation == INCOMING and not source:
        source = next((other.backend for other, _ in _others(view, ref.backend, job, OUTGOING)), "")
        source = source or next(_elsewhere(view, ref.backend, job), "")
    return Transit(ref.backend, job, source, target)


def join_migration(view: View, ref: Ref) -> Transit | None:
    """The same for migrations alone, and one row for each: where both hosts are watched, the source's, which has the
    numbers.
    """
    job = view.find(DomainJob, ref)
    if job is None or not job.is_migration:
        return None
    if job.operation == INCOMING and next(iter(_others(view, ref.backend, job, OUTGOING)), None) is not None:
        return None
    return join_transit(view, ref)


def _others(view: View, backend: str, job: DomainJob, operation: str) -> Iterator[tuple[Ref, DomainJob]]:
    """What other hosts tell of the same migration."""
    for ref, other in view.everywhere(DomainJob, "domain", job.domain_uid):
        if ref.backend != backend and other.operation == operation and _at_once(job, other):
            yield ref, other


def _at_once(one: DomainJob, other: DomainJob) -> bool:
    begins = (one.began or 0.0, other.began or 0.0)
    ends = [job.ended if job.ended is not None else float("inf") for job in (one, other)]
    return max(begins) <= min(ends) + _TOGETHER


def _elsewhere(view: View, backend: str, job: DomainJob) -> Iterator[str]:
    """Hosts on which the domain runs or is being received: while it moves, there is another one of its UUID there."""
    for ref, domain in view.everywhere(Domain, "uuid", job.domain_uid):
        if ref.backend != backend and domain.active:
            yield ref.backend


def tell_progress(job: DomainJob) -> str:
    """How far a job that runs is, rounded down: ``disks, 12% of 3.1G``."""
    part = job.progress
    over = f"{min(99, int(100 * part))}% of {size(job.total)}" if part is not None else "prepares"
    return f"{job.step}, {over}" if job.step else over


def transits_of_job(view: View, ref: Ref, job: DomainJob) -> Iterator[Ref]:
    """For `related`: the job, and what other hosts tell of the same domain."""
    yield ref
    for other, _ in view.everywhere(DomainJob, "domain", job.domain_uid):
        if other != ref:
            yield other


def transits_of_domain(view: View, _ref: Ref, domain: Domain) -> Iterator[Ref]:
    """For `related`: the jobs of a domain, on whichever host."""
    for job, _ in view.everywhere(DomainJob, "domain", domain.metadata.uid):
        yield job


def transits_of_host(view: View, ref: Ref, _host: Host) -> Iterator[Ref]:
    """For `related`: all jobs on a host, when what is known of them becomes old or new."""
    return (job for job, _ in view.items(DomainJob, ref.backend))
