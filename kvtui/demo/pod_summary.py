"""What ``kubectl get pods`` says of a pod in one word, and how many of its containers are ready.

Source: ``printPod`` in ``pkg/printers/internalversion/printers.go`` of kubernetes 1.36.
"""

from __future__ import annotations

from dataclasses import dataclass

from kvtui.demo.columns import condition_status, find
from kvtui.demo.metadata import Object

_GATED = "SchedulingGated"
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
    init = _init(pod, always)
    status = init.word or _phase(pod)
    running = find(pod, "status", "containerStatuses") or []
    ready, counted = init.ready, init.seen
    if not init.word or condition_status(pod, "Initialized") == "True":
        status = _after_start(pod, running, status)
        ready += sum(map(_is_up, running))
        counted = [*(one for one in init.seen if one.get("name") in always), *running]
    if find(pod, "metadata", "deletionTimestamp"):
        if find(pod, "status", "reason") == "NodeLost":
            status = "Unknown"
        elif find(pod, "status", "phase") not in _ENDED:
            status = "Terminating"
    return PodSummary(
        status,
        ready,
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


def _phase(pod: Object) -> str:
    for condition in find(pod, "status", "conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == _GATED:
            return _GATED
    return str(find(pod, "status", "reason") or find(pod, "status", "phase") or "")


def _is_up(status: Object) -> bool:
    silent = not find(status, "state", "waiting", "reason") and find(status, "state", "terminated") is None
    return silent and bool(status.get("ready")) and find(status, "state", "running") is not None


@dataclass(frozen=True, slots=True)
class _Init:
    """The init containers up to the first that is not done."""

    word: str
    """``Init:...`` for that one, or "" when all are done."""
    seen: list[Object]
    ready: int
    """How many of them run beside the others and are ready."""


def _init(pod: Object, sidecars: set[str]) -> _Init:
    seen: list[Object] = []
    ready = 0
    for position, status in enumerate(find(pod, "status", "initContainerStatuses") or ()):
        seen.append(status)
        terminated, waiting = find(status, "state", "terminated"), find(status, "state", "waiting")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if status.get("name") in sidecars and status.get("started"):
            ready += bool(status.get("ready"))
            continue
        if terminated is not None:
            return _Init("Init:" + _ending(terminated), seen, ready)
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return _Init(f"Init:{waiting['reason']}", seen, ready)
        return _Init(f"Init:{position}/{len(find(pod, 'spec', 'initContainers') or ())}", seen, ready)
    return _Init("", seen, ready)


def _after_start(pod: Object, statuses: list[Object], status: str) -> str:
    """The word when the init containers are done: that of the first container with something to tell."""
    failure = ""
    for container in reversed(statuses):
        waiting, terminated = find(container, "state", "waiting"), find(container, "state", "terminated")
        if waiting and waiting.get("reason"):
            status = str(waiting["reason"])
        elif terminated is not None:
            status = _ending(terminated)
            failure = status if terminated.get("exitCode") else failure
    if status != "Completed":
        return status
    running = any(map(_is_up, statuses))
    if running and condition_status(pod, "Ready") == "True":
        return "Running"
    return failure or ("NotReady" if running else status)


def _ending(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"
