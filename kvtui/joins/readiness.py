"""Why a pod that runs is not ready, and where to look."""

from __future__ import annotations

from kvtui.records.base import Condition
from kvtui.records.kubernetes import Pod


def tell_unready(pod: Pod, ready: Condition) -> tuple[str, str]:
    """The sentence and the next step: in the kubelet's words, or by its containers."""
    node, log = pod.spec.node_name, f"read its log: kubectl logs -n {pod.metadata.namespace} {pod.metadata.name}"
    if ready.message:
        return ready.message, log
    if _is_unheard(pod, ready):
        words = "nothing is heard of it any more, nor of its containers, which were ready"
        return words, f"see node {node}: only once that answers can its log be read"
    for status in pod.status.container_statuses:
        if status.state.waiting is not None:
            return f"its container {status.name} waits: {status.state.waiting.reason}", f"{log} -c {status.name}"
        if not status.ready:
            return f"its container {status.name} runs, and its readiness probe fails", f"{log} -c {status.name}"
    return ready.reason or "its condition Ready is False", log


def _is_unheard(pod: Pod, ready: Condition) -> bool:
    """Whether its node fell silent: the node controller takes Ready from its pods, without a reason, and leaves the
    containers as the kubelet last told of them (kubernetes, pkg/controller/util/node, MarkPodsNotReady).
    """
    statuses = pod.status.container_statuses
    return bool(pod.spec.node_name and statuses) and not ready.reason and all(one.ready for one in statuses)
