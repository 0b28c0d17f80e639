"""Disks that do not fill. Evidence: kubevirt-api.md 6.4 and 9.3. Waiting for a first consumer is no trouble."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kvtui.joins.causes import find_claim_cause, find_import_cause
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, itself

PATIENCE = 600.0
"""Seconds that a transfer may take to begin."""
RESTARTS = 3
"""From how many restarts of its worker on a transfer is in trouble even while the worker runs again."""

_WAITS = frozenset({"WaitForFirstConsumer", "PendingPopulation", "UploadReady", "Paused", "Succeeded"})
_NOT_BEGUN = frozenset({"", "Pending", "PVCBound", "ImportScheduled", "CloneScheduled", "UploadScheduled"})


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    volume = view.find(DataVolume, ref)
    if volume is None or volume.metadata.deletion_timestamp or volume.status.phase == "Succeeded":
        return WELL
    cause = find_import_cause(volume)
    restarts = volume.status.restart_count
    if cause is not None:
        words = cause.evidence.value or cause.sentence
        again = f" (restarted {_times(restarts)})" if restarts else ""
        trouble = "has failed" if volume.status.phase == "Failed" else "does not fill"
        finding = _finding(
            ref, Severity.BAD, trouble, words + again, cause.evidence.since, (cause.evidence,), cause.step
        )
        return Judgement(finding)
    if volume.status.phase in _WAITS:
        return WELL
    if restarts >= RESTARTS:
        evidence = (Evidence(f"DataVolume {ref.name}", "restartCount", str(restarts)),)
        words = f"its worker was restarted {_times(restarts)} and runs again"
        step = "read the previous log of its importer pod"
        running = find_condition(volume.status.conditions, "Running")
        since = parse_time(running.last_transition_time) if running is not None else None
        return Judgement(_finding(ref, Severity.WARN, "crashes again and again", words, since, evidence, step))
    if volume.status.phase in _NOT_BEGUN:
        return _judge_waiting(view, volume, ref, now)
    return WELL


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _judge_waiting(view: View, volume: DataVolume, ref: Ref, now: float) -> Judgement:
    since = volume.created or now
    limit = since + PATIENCE
    if now < limit:
        return Judgement(again=limit)
    evidence: tuple[Evidence, ...] = ()
    claim = view.get(Claim, ref.backend, ref.namespace, volume.status.claim_name or ref.name)
    cause = find_claim_cause(claim) if claim is not None else None
    bound = find_condition(volume.status.conditions, "Bound")
    if cause is not None:
        words, evidence = cause.sentence, (cause.evidence,)
    elif bound is not None and bound.status == "False":
        words = bound.message or bound.reason
        told = parse_time(bound.last_transition_time)
        evidence = (Evidence(f"DataVolume {ref.name}", f"Bound=False {bound.reason}", words, told),)
    else:
        words = f"its phase is {volume.status.phase or 'not set'} and no condition says why"
    finding = _finding(ref, Severity.WARN, "does not begin", words, since, evidence, "read its events")
    culprit = cause.culprit if cause is not None else None
    return Judgement(replace(finding, root=Ref(ref.backend, *culprit)) if culprit is not None else finding)


def _finding(
    ref: Ref,
    severity: Severity,
    trouble: str,
    cause: str,
    since: float | None,
    evidence: tuple[Evidence, ...] = (),
    step: str = "",
) -> Finding:
    return Finding("import.state", severity, ref, "import", trouble, cause, since, evidence, step)


def _of_claim(view: View, ref: Ref, _record: Claim) -> Iterable[Ref]:
    return (volume for volume, _ in view.linked(DataVolume, ref.backend, "claim", ref.path))


RULES = (
    Rule(
        "import.state",
        _judge,
        {DataVolume: itself, Claim: _of_claim},
        linger=LINGER,
        detects="a DataVolume that failed, does not begin or fill, or whose worker crashes again and again",
    ),
)
