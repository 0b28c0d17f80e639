"""Jobs of single disks that failed, or are done and wait for somebody. Source: libvirt's virDomainBlockCopy."""

from __future__ import annotations

from collections.abc import Iterator

from kvtui.joins.domain import host_answers
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.libvirt import BlockJob, Domain, Host
from kvtui.store import View
from kvtui.text import size
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, itself

READY = 15.0
"""Seconds for which a copy may be ready: a script that began it pivots at once."""
RECENT = 600.0
"""Seconds for which a failed job is news."""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    job = view.find(BlockJob, ref)
    if job is None or job.phase not in ("Ready", "Failed"):
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    if job.phase == "Ready":
        return Judgement(_ready(ref, job))
    ended = job.ended or now
    if now >= ended + RECENT:
        return WELL
    words = job.reason or "libvirt gives no reason"
    return Judgement(_finding(ref, job, Severity.WARN, f"{job.operation} failed", words, ""), ended + RECENT)


def _ready(ref: Ref, job: BlockJob) -> Finding:
    whole = f"all {size(job.total)} of {job.target}" if job.total else f"all of {job.target}"
    words = f"{whole} is there, and written twice until somebody pivots or ends the {job.operation}"
    step = f"virsh blockjob {job.domain} {job.target} --pivot goes over to it, --abort stays with the old image"
    return _finding(ref, job, Severity.INFO, "waits for its pivot", words, step)


def _finding(ref: Ref, job: BlockJob, severity: Severity, trouble: str, cause: str, step: str) -> Finding:
    return Finding(
        rule="blockjob.state",
        severity=severity,
        subject=ref,
        label="job",
        trouble=trouble,
        cause=cause,
        since=job.ended,
        evidence=(Evidence(f"job {ref.name}", job.operation, f"{job.phase}, {size(job.done)} of {size(job.total)}"),),
        step=step,
        about=(Ref(ref.backend, Domain.KIND, "", job.domain, job.domain_uid),) if job.domain else (),
    )


def _of_host(view: View, ref: Ref, _host: Host) -> Iterator[Ref]:
    return (job for job, _ in view.items(BlockJob, ref.backend))


RULES = (
    Rule(
        "blockjob.state",
        _judge,
        {BlockJob: itself, Host: _of_host},
        settle=READY,
        linger=LINGER,
        detects="a job of a disk on a host that failed, or a copy that is ready and waits for its pivot",
        severities="warn, info",
    ),
)
