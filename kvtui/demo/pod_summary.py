"""What ``kubectl get pods`` says of a pod in one word, and how many of its containers are ready.

Source: ``printPod`` in kubernetes ``pkg/printers/internalversion/printers.go``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvtui.demo.columns import condition_status, find
from kvtui.demo.metadata import Object

_ENDED = ("Succeeded", "Failed")
_WORDS = {
    "Succeeded": ("Succeeded", "The pod has completed successfully."),
    "Failed": ("Failed", "The pod failed."),
}


@dataclass(frozen=True, slots=True)
class PodSummary:
    """The Ready, Status and Restarts columns before they are put into words."""

    status: str
    ready: int
    containers: int
    restarts: int
    last_restart: str
    """RFC 3339, or "" when no container has ended yet."""


def summary(pod: Object) -> PodSummary:
    """The state of a pod and of its containers."""
    always = _sidecars(pod)
    started = find(pod, "status", "initContainerStatuses") or []
    sidecars = [status for status in started if status.get("name") in always]
    running = find(pod, "status", "containerStatuses") or []
    waiting = _initializing(pod, started, always)
    status = str(find(pod, "status", "reason") or find(pod, "status", "phase") or "")
    if waiting and condition_status(pod, "Initialized") != "True":
        counted, status = started, waiting
    else:
        counted = [*sidecars, *running]
        status = _after_start(pod, running, status)
    ready = [*(one for one in sidecars if one.get("started") and one.get("ready")), *filter(_is_up, running)]
    if find(pod, "metadata", "deletionTimestamp"):
        if find(pod, "status", "reason") == "NodeLost":
            status = "Unknown"
        elif find(pod, "status", "phase") not in _ENDED:
            status = "Terminating"
    return PodSummary(
        status,
        len(ready),
        len(find(pod, "spec", "containers") or ()) + len(always),
        sum(one.get("restartCount", 0) for one in counted),
        max((find(one, "lastState", "terminated", "finishedAt") or "" for one in counted), default=""),
    )


def ended(pod: Object) -> list[Object]:
    """The ``conditions`` of the row of a pod that has ended: clients show such rows differently. Else empty."""
    phase = find(pod, "status", "phase")
    if phase not in _ENDED:
        return []
    reason, message = _WORDS[phase]
    return [{"type": "Completed", "status": "True", "reason": reason, "message": message}]


def _sidecars(pod: Object) -> set[str]:
    return {
        container["name"]
        for container in find(pod, "spec", "initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }


def _is_up(status: Object) -> bool:
    return bool(status.get("ready")) and find(status, "state", "running") is not None


def _initializing(pod: Object, statuses: Iterable[Object], sidecars: set[str]) -> str:
    """``Init:...`` for the first init container that is not done, or ""."""
    for position, status in enumerate(statuses):
        terminated, waiting = find(status, "state", "terminated"), find(status, "state", "waiting")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if status.get("name") in sidecars and status.get("started"):
            continue
        if terminated is not None:
            return "Init:" + _ending(terminated)
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{position}/{len(find(pod, 'spec', 'initContainers') or ())}"
    return ""


def _after_start(pod: Object, statuses: list[Object], status: str) -> str:
    """The word when the init containers are done: that of the first container with something to tell."""
    for container in reversed(statuses):
        waiting, terminated = find(container, "state", "waiting"), find(container, "state", "terminated")
        if waiting and waiting.get("reason"):
            status = str(waiting["reason"])
        elif terminated is not None:
            status = _ending(terminated)
    if status == "Completed" and any(map(_is_up, statuses)):
        return "Running" if condition_status(pod, "Ready") == "True" else "NotReady"
    return status


def _ending(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"
