"""DaemonSets of which not every pod is ready: what mounts disks and connects pods to networks lacks on a node then.

Their pods are not watched (`kvtui.resources.sources`): on which node one lacks, only a warning of the kubelet may tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import is_true
from kvtui.records.daemons import DaemonSet
from kvtui.records.kubernetes import Event, Node, Pod
from kvtui.store import View
from kvtui.text import name_few
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Rule, itself
from kvtui.triage.components import HANDLER, UNREADY_LIMIT
from kvtui.triage.hearsay import PASSING
from kvtui.triage.warnings import EVENT_RECENT, REPEATED, read_warning

_NAMED: Final = 3
"""Pods that a sentence names before it counts the rest."""
_BY_HAND: Final = "OnDelete"
"""The strategy by which pods of an old template stay until somebody deletes them."""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    record = view.find(DaemonSet, ref)
    # Each pod of virt-handler is watched, and tells of itself and of its node.
    if record is None or record.metadata.deletion_timestamp or ref.name == HANDLER:
        return WELL
    wanted, ready = record.status.desired_number_scheduled, record.status.number_ready
    if ready >= wanted:
        return WELL
    lost = sum(not is_true(node.status.conditions, "Ready") for _, node in view.items(Node, ref.backend))
    if wanted - ready <= lost:
        # Those of nodes that are not ready are not either, which the nodes tell.
        return Judgement(again=now + LOOK_AGAIN)
    warnings = sorted(_warnings(view, ref, now), key=lambda event: event.last_seen or 0.0, reverse=True)
    repeated = any(event.times >= REPEATED and event.reason not in PASSING for event in warnings)
    rolling = 0 < record.status.updated_number_scheduled < wanted and record.spec.update_strategy.type != _BY_HAND
    counted = f"{ready} of {wanted} pods are ready"
    evidence = (
        Evidence(f"DaemonSet {ref.name}", "status.numberReady", f"{ready} of {wanted}"),
        *(read_warning(event)[2] for event in warnings),
    )
    finding = Finding(
        "daemonset.ready",
        _severity(record, quiet=rolling and not repeated),
        ref,
        "daemonset",
        "is being rolled out" if rolling else "lacks pods",
        "; ".join(filter(None, (counted, _consequence(record), _tell_pods(warnings)))),
        None,
        evidence,
        _show_pods(record),
    )
    until = min(((event.last_seen or 0.0) + EVENT_RECENT for event in warnings), default=None)
    return Judgement(finding, until, confirmed=repeated)


def _severity(record: DaemonSet, *, quiet: bool) -> Severity:
    if quiet or not record.bears:
        return Severity.INFO
    return Severity.WARN if record.status.number_ready else Severity.BAD


def _consequence(record: DaemonSet) -> str:
    """What does not go on where a pod of it lacks."""
    if record.mounts:
        return "on a node without one no disk of its driver can be mounted"
    return "on a node without one no new pod is connected to its network" if record.connects else ""


def _warnings(view: View, ref: Ref, now: float) -> Iterable[Event]:
    """The newest of each pod of it that somebody warned of lately."""
    newest: dict[str, Event] = {}
    for _, event in view.linked(Event, ref.backend, "warns of", f"{Pod.KIND} {ref.path}"):
        seen, name = event.last_seen or 0.0, event.involved_object.name
        if now < seen + EVENT_RECENT and (name not in newest or seen > (newest[name].last_seen or 0.0)):
            newest[name] = event
    return newest.values()


def _tell_pods(warnings: Iterable[Event]) -> str:
    """What is warned of which pod, and on which node: ``pod rbd-x2x4z on worker-01: Back-off restarting ...``."""
    told = [
        f"pod {event.involved_object.name}{f' on {event.source.host}' if event.source.host else ''}: "
        f"{read_warning(event)[1]}"
        for event in warnings
    ]
    return name_few(told, _NAMED)


def _show_pods(record: DaemonSet) -> str:
    """The command that shows which of its pods is not ready, and on which node."""
    labels = ",".join(f"{name}={value}" for name, value in sorted(record.spec.selector.match_labels.items()))
    return f"kubectl get pods -n {record.metadata.namespace}{f' -l {labels}' if labels else ''} -o wide"


def _of_event(view: View, ref: Ref, event: Event) -> Iterator[Ref]:
    about = event.involved_object
    if event.type == "Warning" and about.kind == Pod.KIND:
        found = view.ref_of(DaemonSet, ref.backend, about.namespace, event.maker)
        if found is not None:
            yield found


RULES: Final = (
    Rule(
        "daemonset.ready",
        _judge,
        {DaemonSet: itself, Event: _of_event},
        settle=UNREADY_LIMIT,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a DaemonSet with fewer pods ready than nodes want one: what mounts disks or connects pods lacks there",
        severities="bad, warn, info",
    ),
)
