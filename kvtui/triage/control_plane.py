"""Is what we see true, and is KubeVirt itself well: feeds in trouble, installations that are not whole."""

from __future__ import annotations

from kvtui.joins.installation import judge_installation
from kvtui.model import Evidence, Feed, FeedState, Finding, Ref, Severity, Tone
from kvtui.records.base import find_condition
from kvtui.records.cdi import Cdi
from kvtui.records.kubevirt import KubeVirt, VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import WELL, Judgement, Rule

STALE_LIMIT = 60.0
"""Seconds after which old data is no mere hiccup."""

_ESSENTIAL = frozenset({VirtualMachine.KIND, VirtualMachineInstance.KIND})


def judge_feed(_view: View, feed: Feed, now: float) -> Judgement:
    """A stream that is not live. What is not installed is not broken."""
    match feed.state:
        case FeedState.STALE:
            worse = feed.since + STALE_LIMIT
            old = now >= worse
            return Judgement(
                _of_feed(feed, Severity.BAD if old else Severity.WARN, "is stale", "the connection is cut"),
                None if old else worse,
            )
        case FeedState.FAILED:
            return Judgement(_of_feed(feed, Severity.BAD, "cannot be read", "the server does not answer as it should"))
        case FeedState.FORBIDDEN:
            severity = Severity.WARN if feed.kind in _ESSENTIAL else Severity.INFO
            return Judgement(_of_feed(feed, severity, "is forbidden", "this account may not list it"))
    return WELL


def _of_feed(feed: Feed, severity: Severity, trouble: str, otherwise: str) -> Finding:
    return Finding(
        rule="feed",
        severity=severity,
        subject=Ref(feed.backend, "Feed", "", feed.kind),
        label="feed",
        trouble=trouble,
        cause=feed.detail or otherwise,
        since=feed.since or None,
        evidence=(Evidence(f"feed {feed.kind}", "state", feed.state.value, feed.since or None),),
        step="ask for list and watch on it" if feed.state is FeedState.FORBIDDEN else "",
    )


def _kubevirt(view: View, ref: Ref, _now: float) -> Judgement:
    record = view.find(KubeVirt, ref)
    return WELL if record is None else _of_installation(record, ref, "KubeVirt")


def _cdi(view: View, ref: Ref, _now: float) -> Judgement:
    record = view.find(Cdi, ref)
    return WELL if record is None else _of_installation(record, ref, "CDI")


def _of_installation(record: KubeVirt | Cdi, ref: Ref, product: str) -> Judgement:
    health = judge_installation(record.status.phase, record.status.conditions)
    if health.tone is Tone.OK:
        return WELL
    severity = {Tone.BAD: Severity.BAD, Tone.WARN: Severity.WARN}.get(health.tone, Severity.INFO)
    available = find_condition(record.status.conditions, "Available")
    return Judgement(
        Finding(
            rule=f"{product.lower()}.available",
            severity=severity,
            subject=ref,
            label=product.lower(),
            trouble=_TROUBLES.get(health.word, "is not available"),
            cause=health.reason or f"its phase is {record.status.phase or 'not set'}",
            since=parse_time(available.last_transition_time) if available is not None else None,
            evidence=tuple(
                Evidence(f"{product} {record.metadata.name}", f"{item.type}={item.status} {item.reason}", item.message)
                for item in record.status.conditions
                if item.type in {"Available", "Progressing", "Degraded"}
            ),
            step="see the pods of its operator" if severity is not Severity.INFO else "",
        )
    )


_TROUBLES = {
    "Degraded": "is degraded",
    "Updating": "is being updated",
    "Deploying": "is being installed",
    "Deleting": "is being removed",
    "Deleted": "is being removed",
}


RULES = (
    Rule("kubevirt.available", _kubevirt, {KubeVirt: lambda _view, ref, _record: (ref,)}),
    Rule("cdi.available", _cdi, {Cdi: lambda _view, ref, _record: (ref,)}),
)
