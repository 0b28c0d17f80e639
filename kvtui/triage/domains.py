"""Domains that ended or stand still by a fault, and jobs that do not get done. Evidence: libvirt.md 4 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kvtui.joins.domain import Guest, guests_of_host, host_answers, join_guest
from kvtui.joins.footing import domains_of_node
from kvtui.joins.memory import tell_too_large
from kvtui.joins.storage import (
    absent_images,
    fellow_writers,
    guests_starved_in,
    images_outside,
    pool_of_disk,
    starving_pool,
    writers_of,
    writers_of_volume,
)
from kvtui.joins.transit import join_migration, transits_of_host, transits_of_job
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.kubernetes import Node
from kvtui.records.libvirt import Disk, Domain, DomainJob, DomainState, Host, StoragePool, StorageVolume
from kvtui.store import View
from kvtui.text import age, percent, rate, size
from kvtui.triage.base import HIDDEN, LINGER, LOOK_AGAIN, WELL, Judgement, Rule, itself

JOB_RECENT = 600.0
"""Seconds for which a failed job is news."""
STANDSTILL = 60.0
"""Seconds in which a job must get on."""
ROUNDS = 20
"""Rounds after which a migration does not end by itself: each copies what was written during the one before."""

ERRORS = 4.0
"""Seconds after an I/O error in which it is asked on which disk: the next look at figures does."""

DIFFERS = 30.0
"""Seconds for which the running machine may differ from the stored one: whoever changes both does so one by one."""

_STEPS = {
    "I/O error": "make room or mend the disk, then unpause it: the guest goes on where it stood",
    "crashed": "start it; its log is on the host, in /var/log/libvirt/qemu",
    "failed": "see its log on the host, in /var/log/libvirt/qemu",
    "watchdog": "look at its console why the guest did not feed its watchdog, then reset it",
    "api error": "unpause it; if that is refused, its log on the host says why, in /var/log/libvirt/qemu",
    "post-copy failed": "its memory is torn between two hosts: recover the migration, or destroy it and start it anew",
}
_RESET = "reset it, and it boots anew; its console has its last words, and virsh dump keeps its memory before that"
_TROUBLES = {
    "I/O error": "is paused by an I/O error",
    "crashed": "has crashed",
    "failed": "failed to start",
    "watchdog": "is paused by its watchdog",
    "panicked": "has crashed",
    "post-copy failed": "hangs between two hosts",
    "api error": "is paused by an error of libvirt",
}
_STANDS = frozenset({DomainState.PAUSED, DomainState.CRASHED, DomainState.SHUTOFF})


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    guest = join_guest(view, ref)
    if guest is None:
        return WELL
    if not guest.reachable:
        return HIDDEN
    domain = guest.domain
    if (known := _errors_known(domain)) is not None and now < known:
        return Judgement(again=known)
    if domain.state is DomainState.CRASHED and domain.reason not in _TROUBLES:
        return Judgement(_stopped(view, guest, ref, "crashed"))
    if domain.state in _STANDS and domain.reason in _TROUBLES:
        return Judgement(_stopped(view, guest, ref, domain.reason))
    if domain.hung:
        words = "its QEMU does not answer: no figures, and actions on it wait up to 30 s"
        step = "look at the process and its storage on the host"
        # Its state may be as old as the guest.
        return Judgement(replace(_finding(guest, ref, Severity.WARN, "hangs", words, step), since=None))
    # A pool that was full stops it no longer.
    return Judgement(over=domain.state is DomainState.RUNNING)


def _errors_known(domain: Domain) -> float | None:
    """When it is told at the latest what paused it; until then its pool cannot be named."""
    waits = domain.state is DomainState.PAUSED and domain.reason == "I/O error" and not domain.measured
    return domain.since + ERRORS if waits and domain.since is not None else None


def _stopped(view: View, guest: Guest, ref: Ref, reason: str) -> Finding:
    domain = guest.domain
    broken = [disk for disk in domain.disks if disk.error]
    absent = absent_images(view, ref.backend, domain) if reason == "failed" else ()
    step = _RESET if domain.state is DomainState.CRASHED else _STEPS.get(reason, "")
    if domain.state is DomainState.PAUSED and reason == "crashed":
        words, step = "it crashed and was reset, and is still paused", "unpause it: it boots"
    elif reason == "I/O error":
        words = _tell_broken(domain, broken)
    elif reason == "panicked":
        words = "its kernel panicked"
    elif absent:
        words = _tell_absent(absent)
        step = "bring the image back, or give it another one or none; then start it"
    elif too_large := tell_too_large(ref.backend, domain, guest.host) if reason == "failed" else "":
        words, step = too_large, "give it less memory, or start it on a larger host"
    else:
        words = f"libvirt says {domain.state.value}, {reason}"
        outside = images_outside(view, ref.backend, domain) if reason == "failed" else ()
        if outside:
            step = f"see on the host whether {', '.join(outside)} is there: it is in no pool; {step}"
    carried = f"; node {', '.join(guest.nodes)} runs in it" if guest.nodes else ""
    finding = _finding(guest, ref, Severity.BAD, _TROUBLES.get(reason, "has crashed"), words + carried, step)
    evidence = (*finding.evidence, *(_of_disk(view, ref, disk) for disk in broken))
    return replace(finding, evidence=evidence, root=starving_pool(view, ref.backend, domain))


def _tell_broken(domain: Domain, broken: Sequence[Disk]) -> str:
    if broken:
        return f"I/O error on {', '.join(f'{disk.target} ({disk.error}): {disk.source}' for disk in broken)}"
    return "I/O error on a disk; libvirt does not say on which" if domain.measured else "I/O error on a disk"


def _of_disk(view: View, ref: Ref, disk: Disk) -> Evidence:
    """What is wrong with which image, in which pool."""
    pool = pool_of_disk(view, ref.backend, disk)
    where = f"{disk.source}, pool {pool}" if pool else disk.source
    return Evidence(f"domain {ref.name}", f"disk {disk.target}", f"{disk.error}: {where}")


def _tell_absent(absent: Sequence[tuple[Disk, str]]) -> str:
    """``pool images has no /pool/web.qcow2, its disk vda``."""
    return "; ".join(
        f"pool {pool} has no {disk.source}, its {_NOUNS.get(disk.device, 'disk')} {disk.target}"
        for disk, pool in absent
    )


_NOUNS = {"cdrom": "CD-ROM", "floppy": "floppy"}


def _finding(guest: Guest, ref: Ref, severity: Severity, trouble: str, cause: str, step: str) -> Finding:
    domain = guest.domain
    return Finding(
        rule="domain.state",
        severity=severity,
        subject=ref,
        label="vm",
        trouble=trouble,
        cause=cause,
        since=domain.since,
        evidence=(Evidence(f"domain {ref.name}", "state", f"{domain.state.value}, {domain.reason}", domain.since),),
        step=step,
    )


def _judge_disks(view: View, ref: Ref, _now: float) -> Judgement:
    """Of those that write one image the first by name is the subject."""
    guest = join_guest(view, ref)
    if guest is None:
        return WELL
    if not guest.reachable:
        return HIDDEN
    found = []
    for disk in guest.domain.disks:
        writers = writers_of(view, ref.backend, disk)
        active = sum(domain.active for _, domain in writers)
        if len(writers) > 1 and active and writers[0][0] == ref:
            found.append((active, disk.source, writers))
    if not found:
        return WELL
    active, source, writers = max(found, key=lambda one: one[0])
    names = [other.name for other, _ in writers]
    several = ", ".join(names[:-1]) + f" and {names[-1]}"
    return Judgement(
        Finding(
            rule="domain.disks",
            severity=Severity.BAD if active > 1 else Severity.WARN,
            subject=ref,
            label="vm",
            trouble="shares its disk",
            cause=f"{several} have the same disk {source}: whichever writes second destroys it",
            evidence=tuple(
                Evidence(f"domain {other.name}", "disk", f"{source}, {domain.state.value}") for other, domain in writers
            ),
            step="let only one run and give the others their own disk, or make it shareable if the guests know of it",
        )
    )


def _judge_difference(view: View, ref: Ref, _now: float) -> Judgement:
    guest = join_guest(view, ref)
    if guest is None or not guest.domain.differs or not guest.domain.active:
        return WELL
    if not guest.reachable:
        return HIDDEN
    return Judgement(
        Finding(
            rule="domain.differs",
            severity=Severity.INFO,
            subject=ref,
            label="vm",
            trouble="changes at its next start",
            cause=f"it is stored with {', '.join(guest.domain.differs)}",
            evidence=tuple(Evidence(f"domain {ref.name}", "stored XML", one) for one in guest.domain.differs),
            step="stop it and start it when that is wished for, or store what runs: a restart changes nothing",
        )
    )


def _judge_job(view: View, ref: Ref, now: float) -> Judgement:
    job = view.find(DomainJob, ref)
    if job is None or (job.is_migration and join_migration(view, ref) is None):
        # Of one that both hosts tell of, the source's word counts.
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    if job.phase == "Failed":
        ended = job.ended or now
        if now >= ended + JOB_RECENT:
            return WELL
        words = job.reason or "libvirt gives no reason"
        step = "see the log of the VM on the host, in /var/log/libvirt/qemu, and try it again"
        finding = _of_job(ref, job, Severity.BAD, f"{job.operation} failed", words, step)
        return Judgement(finding, ended + JOB_RECENT)
    if job.is_stuck or job.iteration >= ROUNDS:
        step = "give it more bandwidth, switch to post-copy, let auto-converge slow the guest, or abort it"
        return Judgement(_of_job(ref, job, Severity.WARN, "does not converge", _tell_rounds(job), step))
    if job.is_final or not job.total or job.advanced is None:
        return WELL
    ripe = job.advanced + STANDSTILL
    if now < ripe:
        return Judgement(again=ripe)
    words = f"nothing more was copied for {age(now - job.advanced)}: {size(job.left)} of {size(job.total)} are left"
    step = f"see the network and the storage that it goes to; virsh domjobabort {job.domain} ends it"
    finding = replace(_of_job(ref, job, Severity.WARN, "stands still", words, step), since=job.advanced)
    return Judgement(finding, now + STANDSTILL)


def _tell_rounds(job: DomainJob) -> str:
    """``dirty 57Mi/s >= transfer 9.5Mi/s, 64Mi left in round 5 after 90s``."""
    compared = ">=" if job.is_stuck else "<"
    words = f"dirty {rate(job.dirty_rate)} {compared} transfer {rate(job.rate)}, "
    words += f"{size(job.left)} left in round {job.iteration}"
    if job.elapsed:
        words += f" after {age(job.elapsed)}"
    if job.throttle:
        words += f"; auto-converge takes {percent(job.throttle, 1.0)} of its CPUs"
    return words


def _of_job(ref: Ref, job: DomainJob, severity: Severity, trouble: str, cause: str, step: str) -> Finding:
    return Finding(
        rule="job.state",
        severity=severity,
        subject=ref,
        label="migration" if "migration" in job.operation else "job",
        trouble=trouble,
        cause=cause,
        since=job.began,
        evidence=(Evidence(f"job of {job.domain}", job.operation, f"{job.phase}, round {job.iteration}", job.began),),
        step=step,
    )


RULES = (
    Rule(
        "domain.state",
        _judge,
        {Domain: itself, Host: guests_of_host, Node: domains_of_node, StoragePool: guests_starved_in},
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a VM of a host that crashed, hangs, or is paused by an I/O error, its watchdog or libvirt",
        severities="bad, warn",
    ),
    Rule(
        "domain.disks",
        _judge_disks,
        {Domain: fellow_writers, StorageVolume: writers_of_volume, Host: guests_of_host},
        linger=LINGER,
        detects="VMs of a host that write the same disk, at least one of them running",
        severities="bad, warn",
    ),
    Rule(
        "domain.differs",
        _judge_difference,
        {Domain: itself, Host: guests_of_host},
        settle=DIFFERS,
        linger=LINGER,
        detects="a VM of a host that runs with another machine type, CPU, memory, features, boot order, kernel, video, "
        "disks, interfaces, title or `on_crash` than it is stored with",
        severities="info",
    ),
    Rule(
        "job.state",
        _judge_job,
        {DomainJob: transits_of_job, Host: transits_of_host},
        linger=LINGER,
        detects="a job of a host that failed or stands still, or a migration that does not converge",
        severities="bad, warn",
    ),
)
