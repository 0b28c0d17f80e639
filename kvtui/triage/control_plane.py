"""Is what we see true, and is KubeVirt itself well: feeds in trouble, installations that are not whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kvtui.joins.installation import judge_installation
from kvtui.joins.kinds import by_weight
from kvtui.model import Evidence, Feed, FeedState, Finding, Ref, Severity, Tone
from kvtui.records.base import Condition, find_condition, is_true
from kvtui.records.bastion import Bastion
from kvtui.records.cdi import Cdi
from kvtui.records.kubernetes import Pod
from kvtui.records.kubevirt import KubeVirt, VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Host
from kvtui.store import View
from kvtui.text import name_few, parse_time
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, backend_ref, itself
from kvtui.triage.components import find_down, find_holdup
from kvtui.triage.messages import read_message

STALE_LIMIT = 60.0
"""Seconds after which old data is no mere hiccup."""

UNANSWERED = "does not answer"
"""The trouble of a backend of which nothing is live."""

LOOK_AT = {
    "host": "look at the machine and at libvirtd there",
    "cluster": "look at its API server and at the way there",
}
"""What to do about a backend that does not answer, by its label."""

_ESSENTIAL = frozenset({VirtualMachine.KIND, VirtualMachineInstance.KIND})
_NAMED = 3
"""Kinds that a sentence names before it counts the rest."""


def _silent(view: View, ref: Ref, now: float) -> Judgement:
    """Streams that were cut or never began: one finding for all of a backend, for they have one cause.

    Of a host that is not connected its own rule tells.
    """
    feeds = [feed for feed in view.feeds() if feed.backend == ref.backend]
    silent = [feed for feed in feeds if feed.state in (FeedState.STALE, FeedState.FAILED)]
    if not silent or any(not host.connected for _, host in view.items(Host, ref.backend)):
        return WELL
    if any(ref.backend in bastion.contexts for _, bastion in view.items(Bastion)):
        return HIDDEN
    since = min(feed.since for feed in silent)
    answered = any(feed.state is FeedState.LIVE for feed in feeds)
    label = "host" if any(feed.kind == Host.KIND for feed in feeds) else "cluster"
    worse = since + STALE_LIMIT
    bad = now >= worse or any(feed.state is FeedState.FAILED for feed in silent)
    return Judgement(
        Finding(
            rule="backend.silent",
            severity=Severity.BAD if bad else Severity.WARN,
            subject=ref,
            label=label,
            trouble="answers in part" if answered else UNANSWERED,
            cause=_silent_cause(silent, all_of_it=not answered),
            since=since or None,
            evidence=_evidence(silent),
            step="what is shown of it is as old as this" if any(feed.usable for feed in silent) else LOOK_AT[label],
        ),
        None if bad else worse,
    )


def _contexts_behind(_view: View, _ref: Ref, bastion: Bastion) -> Iterator[Ref]:
    for name in bastion.contexts:
        yield backend_ref(name)


def _silent_cause(silent: Sequence[Feed], *, all_of_it: bool) -> str:
    details = Counter(feed.detail for feed in silent if feed.detail)
    words = details.most_common(1)[0][0] if details else "the connection is cut"
    return words if all_of_it else f"{_name_kinds(silent)}: {words}"


def _forbidden(view: View, ref: Ref, _now: float) -> Judgement:
    """What the account may not list. A view that lacks the VMs is worth a warning, one without events is not."""
    forbidden = [feed for feed in view.feeds() if feed.backend == ref.backend and feed.state is FeedState.FORBIDDEN]
    if not forbidden:
        return WELL
    essential = any(feed.kind in _ESSENTIAL for feed in forbidden)
    return Judgement(
        Finding(
            rule="backend.forbidden",
            severity=Severity.WARN if essential else Severity.INFO,
            subject=ref,
            label="cluster",
            trouble="hides a part",
            cause=f"this account may not list {_name_kinds(forbidden)}",
            since=min(feed.since for feed in forbidden) or None,
            evidence=tuple(
                Evidence(feed.kind, feed.state.value, feed.detail, feed.since or None) for feed in forbidden
            ),
            step="ask for list and watch on them",
        )
    )


def _evidence(feeds: Sequence[Feed]) -> tuple[Evidence, ...]:
    return tuple(Evidence(feed.kind, feed.state.value, feed.detail, feed.since or None) for feed in feeds)


def _name_kinds(feeds: Sequence[Feed]) -> str:
    return name_few(by_weight(feed.kind for feed in feeds), _NAMED)


def _kubevirt(view: View, ref: Ref, now: float) -> Judgement:
    record = view.find(KubeVirt, ref)
    if record is None:
        return WELL
    judgement = _of_installation(record, ref, "KubeVirt")
    if judgement is WELL:
        return Judgement(_outdated(record, ref))
    finding = judgement.finding
    if finding is not None and (patch := _patch_at_fault(record, ref, finding)) is not None:
        step = f"{finding.step}: kubectl edit kubevirt -n {ref.namespace} {ref.name}"
        return Judgement(replace(finding, evidence=(*finding.evidence, patch), step=step))
    if finding is None or not is_true(record.status.conditions, "Progressing"):
        return judgement
    held = find_holdup(view, ref.backend, ref.namespace, now)
    if held is None:
        return Judgement(finding, now + _LOOK_AGAIN)
    pod, trouble = held
    stuck = replace(
        finding,
        severity=Severity.WARN,
        trouble="does not get on",
        cause=f"{_name_update(record)} waits for pod {pod.metadata.name}: {trouble.sentence}",
        evidence=(trouble.evidence, *finding.evidence),
        step=trouble.step,
        root=pod.ref(ref.backend),
    )
    return Judgement(stuck, now + _LOOK_AGAIN)


def _patch_at_fault(record: KubeVirt, ref: Ref, finding: Finding) -> Evidence | None:
    """The patch of a component that its message complains of."""
    for number, one in enumerate(record.spec.customize_components.patches):
        if f"patch of {one.resource_type} {one.resource_name} in spec.customizeComponents" in finding.cause:
            return Evidence(f"KubeVirt {ref.name}", f"spec.customizeComponents.patches[{number}].patch", one.patch)
    return None


def _outdated(record: KubeVirt, ref: Ref) -> Finding | None:
    """VMs whose launchers are of the version before: KubeVirt moves them only where it is told to (row 75)."""
    count = record.status.outdated_virtual_machine_instance_workloads
    if not count:
        return None
    evidence = Evidence(f"KubeVirt {ref.name}", "status.outdatedVirtualMachineInstanceWorkloads", str(count))
    cause = f"{count} VM{'s run in launchers' if count > 1 else ' runs in a launcher'} of an older version"
    step = "migrate them, or let spec.workloadUpdateStrategy of the KubeVirt resource name LiveMigrate"
    return Finding(
        "kubevirt.available", Severity.INFO, ref, "kubevirt", "has outdated launchers", cause, None, (evidence,), step
    )


def _name_update(record: KubeVirt) -> str:
    old, new = record.status.observed_kube_virt_version, record.status.target_kube_virt_version
    return f"its update from {old} to {new}" if old and new and old != new else "its rollout"


_LOOK_AGAIN = 30.0
"""Seconds until a rollout that waits is looked at again."""


def _kubevirts_of_pod(view: View, ref: Ref, pod: Pod) -> Iterator[Ref]:
    if pod.component:
        yield from (found for found, _ in view.items(KubeVirt, ref.backend) if found.namespace == ref.namespace)


def _cdi(view: View, ref: Ref, now: float) -> Judgement:
    record = view.find(Cdi, ref)
    if record is None:
        return WELL
    judgement = _of_installation(record, ref, "CDI")
    finding = judgement.finding
    if finding is None or finding.severity is Severity.INFO:
        return judgement
    down = (find_down(view, ref.backend, component, now) for component in _OF_CDI)
    return Judgement(replace(finding, root=next((one for one in down if one is not None), None)))


_OF_CDI = ("cdi-deployment", "cdi-apiserver", "cdi-uploadproxy")


def _cdis_of_pod(view: View, ref: Ref, pod: Pod) -> Iterator[Ref]:
    if pod.component in _OF_CDI:
        yield from (found for found, _ in view.items(Cdi, ref.backend))


def _of_installation(record: KubeVirt | Cdi, ref: Ref, product: str) -> Judgement:
    health = judge_installation(record.status.phase, record.status.conditions)
    if health.tone is Tone.OK:
        return WELL
    severity = {Tone.BAD: Severity.BAD, Tone.WARN: Severity.WARN}.get(health.tone, Severity.INFO)
    available = find_condition(record.status.conditions, "Available")
    reading = read_message(health.reason)
    words = reading.sentence if reading is not None else health.reason
    step = (reading.step if reading is not None else "") or "see the pods of its operator"
    return Judgement(
        Finding(
            rule=f"{product.lower()}.available",
            severity=severity,
            subject=ref,
            label=product.lower(),
            trouble=_TROUBLES.get(health.word, f"is in phase {health.word}"),
            cause=words or f"its phase is {record.status.phase or 'not set'}",
            since=parse_time(available.last_transition_time) if available is not None else None,
            evidence=tuple(_tell_conditions(f"{product} {record.metadata.name}", record.status.conditions)),
            step=step if severity is not Severity.INFO else "",
        )
    )


def _tell_conditions(subject: str, conditions: Sequence[Condition]) -> Iterator[Evidence]:
    """Those of an operator; what several say in the same words is told once, by the first of them."""
    told = set()
    for type_ in ("Degraded", "Available", "Progressing"):
        item = find_condition(conditions, type_)
        if item is not None and (not item.message or item.message not in told):
            told.add(item.message)
            since = parse_time(item.last_transition_time)
            yield Evidence(subject, f"{type_}={item.status} {item.reason}".rstrip(), item.message, since)


_TROUBLES = {
    "Degraded": "is degraded",
    "Updating": "is being updated",
    "Deploying": "is being installed",
    "Deleting": "is being removed",
    "Deleted": "is being removed",
    "Unavailable": "is not available",
    "Unknown": "is not available",
}


RULES = (
    Rule(
        "backend.silent",
        _silent,
        {Bastion: _contexts_behind},
        feeds=True,
        detects="a cluster or host that does not answer, or in part only",
        severities="bad, warn",
    ),
    Rule(
        "backend.forbidden",
        _forbidden,
        {},
        feeds=True,
        detects="what the account may not list, and so is not judged",
        severities="warn, info",
    ),
    Rule(
        "kubevirt.available",
        _kubevirt,
        {KubeVirt: itself, Pod: _kubevirts_of_pod},
        linger=LINGER,
        detects="KubeVirt that is degraded, not available, being changed, or whose VMs run in outdated launchers",
        severities="bad, warn, info",
    ),
    Rule(
        "cdi.available",
        _cdi,
        {Cdi: itself, Pod: _cdis_of_pod},
        linger=LINGER,
        detects="CDI that is degraded, not available, or being changed",
        severities="bad, warn, info",
    ),
)
