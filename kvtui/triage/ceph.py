"""The Ceph below: its own complaints, the worst first. Evidence: kubevirt-api.md 9.7, row 103."""

from __future__ import annotations

from typing import Final

from kvtui.joins.ceph import judge_ceph, tell_taken
from kvtui.model import Evidence, Finding, Ref, Severity, Tone
from kvtui.records.storage import CephCluster
from kvtui.store import View
from kvtui.text import parse_time, size
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, itself


def _judge(view: View, ref: Ref, _now: float) -> Judgement:
    record = view.find(CephCluster, ref)
    if record is None:
        return WELL
    health = judge_ceph(record)
    if health.tone not in (Tone.BAD, Tone.WARN):
        return WELL
    complaints = list(record.complaints())
    words = "; ".join(detail.message or code for code, detail in complaints) or health.reason or health.word
    by_rook = health.word == record.status.phase
    since = None if by_rook else parse_time(record.status.ceph.last_changed)
    field = "status.phase" if by_rook else "status.ceph.health"
    evidence: tuple[Evidence, ...] = (Evidence(f"CephCluster {ref.name}", field, health.word, since),)
    if complaints:
        evidence = tuple(
            Evidence(f"CephCluster {ref.name}", f"status.ceph.details.{code}", detail.message, since)
            for code, detail in complaints
        )
    severity = Severity.BAD if health.tone is Tone.BAD else Severity.WARN
    step = "run ceph health detail in its toolbox"
    if any("FULL" in code for code, _ in complaints):
        if taken := tell_taken(record):
            capacity = record.status.ceph.capacity
            used, total = size(float(capacity.bytes_used)), size(float(capacity.bytes_total))
            words = f"{words}; {taken}"
            told = f"bytesUsed {used}, bytesTotal {total}"
            evidence = (*evidence, Evidence(f"CephCluster {ref.name}", "status.ceph.capacity", told))
        full = "then unpause the VMs that it stopped"
        step = f"add OSDs or delete what is not needed; {full if severity is Severity.BAD else _BEFORE}"
    return Judgement(Finding("ceph.health", severity, ref, "ceph", f"says {health.word}", words, since, evidence, step))


_BEFORE: Final = "VMs are paused once it is full"

RULES: Final = (
    Rule(
        "ceph.health",
        _judge,
        {CephCluster: itself},
        linger=LINGER,
        detects="a Ceph cluster that complains of itself",
        severities="bad, warn",
    ),
)
