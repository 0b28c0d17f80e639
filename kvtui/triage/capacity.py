"""Whether a cluster has a node left that takes VMs. Evidence: kubevirt-api.md 2.9."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.landing import SCHEDULABLE
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import is_true
from kvtui.records.kubernetes import Node
from kvtui.store import View
from kvtui.triage.base import LINGER, WELL, Judgement, Rule, backend_ref

SETTLE: Final = 30.0
"""Seconds that no node may take VMs: one may be given back as another is drained."""


def takes_vms(node: Node) -> bool:
    """Whether VMs may be started on a node, as far as it says itself."""
    return (
        is_true(node.status.conditions, "Ready")
        and not node.spec.unschedulable
        and node.metadata.labels.get(SCHEDULABLE) == "true"
    )


def _judge(view: View, ref: Ref, _now: float) -> Judgement:
    """Somebody has cordoned the last: of nodes that are lost their own findings tell."""
    # Nodes change all the time, and one of the first that are looked at mostly takes VMs.
    if any(takes_vms(node) for _, node in view.items(Node, ref.backend)):
        return WELL
    workers = {at.name: node for at, node in view.items(Node, ref.backend) if SCHEDULABLE in node.metadata.labels}
    cordoned = sorted(name for name, node in workers.items() if node.spec.unschedulable)
    if not cordoned:
        return WELL
    others = len(workers) - len(cordoned)
    which = "all" if not others else f"{len(cordoned)} of"
    beside = f", and the {'other takes' if others == 1 else f'other {others} take'} none either" if others else ""
    cause = f"{which} {len(workers)} nodes that run VMs are cordoned{beside}: none starts or moves"
    if len(workers) == 1:
        cause = f"node {cordoned[0]}, the only one that runs VMs, is cordoned: none starts again"
    evidence = tuple(Evidence(f"Node {name}", "spec.unschedulable", "true") for name in cordoned)
    step = f"uncordon a node: kubectl uncordon {cordoned[0]}"
    return Judgement(
        Finding("cluster.capacity", Severity.WARN, ref, "cluster", "takes no VMs", cause, None, evidence, step)
    )


def _cluster_itself(_view: View, ref: Ref, _node: Node) -> Iterator[Ref]:
    yield backend_ref(ref.backend)


RULES: Final = (
    Rule(
        "cluster.capacity",
        _judge,
        {Node: _cluster_itself},
        settle=SETTLE,
        linger=LINGER,
        detects="a cluster in which no node takes VMs any more, as the last were cordoned",
        severities="warn",
    ),
)
