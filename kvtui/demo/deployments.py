"""What the Deployment controller writes into a Deployment: how many of its pods are ready, and how its rollout fares.

Sources: Kubernetes ``pkg/controller/deployment/sync.go``, ``progress.go``, ``util/deployment_util.go``; a quarter of
the pods may lack or be too many (the default strategy).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from kvtui.demo.objects import condition, copy_of
from kvtui.demo.storage import Object

DEADLINE = 600.0
"""Seconds without progress after which a rollout has failed (``progressDeadlineSeconds``)."""
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Count:
    """Pods of a Deployment; those that are being deleted do not count."""

    all: int
    updated: int
    """Made of its present template."""
    ready: int


def name_of_set(deployment: Object) -> str:
    """The ReplicaSet of its present template."""
    return f"{deployment['metadata']['name']}-{hash_of_template(deployment['spec']['template'])}"


def hash_of_template(template: Object) -> str:
    """``pod-template-hash``."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:9])


def least(wanted: int) -> int:
    """How many have to be available."""
    return wanted - wanted // 4


def most(wanted: int) -> int:
    """How many there may be while one template takes the place of another."""
    return wanted + math.ceil(wanted / 4)


def status_of(deployment: Object, count: Count, now: str, *, late: bool = False) -> Object:
    """Its status; `late` where nothing has come of its rollout for as long as `DEADLINE`."""
    wanted = deployment["spec"].get("replicas", 1)
    before = deployment.get("status", {})
    numbers = {
        "replicas": count.all,
        "updatedReplicas": count.updated,
        "readyReplicas": count.ready,
        "availableReplicas": count.ready,
        "unavailableReplicas": max(0, wanted - count.ready),
    }
    found: Object = {"observedGeneration": deployment["metadata"].get("generation", 1)}
    found |= {field: number for field, number in numbers.items() if number}
    found["conditions"] = copy_of(before.get("conditions", []))
    moved = any(before.get(field, 0) != number for field, number in numbers.items())
    told = _progress(deployment, found, count, moved=moved, late=late)
    for item in (_availability(count.ready >= least(wanted)), *([told] if told is not None else ())):
        _tell(found, item, now)
    return found


_Told = tuple[str, str, str, str]
"""Type, status, reason and message of a condition."""


def _availability(available: bool) -> _Told:
    if available:
        return "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    return "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."


def _progress(deployment: Object, status: Object, count: Count, *, moved: bool, late: bool) -> _Told | None:
    """What is new of its rollout. Pods that fail once it is through do not begin it anew."""
    wanted, name = deployment["spec"].get("replicas", 1), name_of_set(deployment)
    before = condition({"status": status}, "Progressing") or {}
    if count.all == count.updated == count.ready == wanted:
        return "Progressing", "True", _THROUGH, f'ReplicaSet "{name}" has successfully progressed.'
    if before and f'"{name}"' not in (before.get("message") or ""):
        return "Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"'
    if before.get("reason") == _THROUGH and count.all == count.updated:
        return None
    if moved:
        return "Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
    if late:
        return "Progressing", "False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.'
    return None


_THROUGH = "NewReplicaSetAvailable"


def _tell(status: Object, told: _Told, now: str) -> None:
    """Set a condition: its transition is that of its status, its update that of its reason."""
    type_, state, reason, message = told
    old = condition({"status": status}, type_)
    # Whoever wrote it may have left out all but type and status.
    if old is not None and (old["status"], old.get("reason"), old.get("message")) == (state, reason, message):
        return
    since = old.get("lastTransitionTime", now) if old is not None and old["status"] == state else now
    times = {"lastTransitionTime": since, "lastUpdateTime": now}
    kept = [item for item in status["conditions"] if item["type"] != type_]
    status["conditions"] = [*kept, {**times, "message": message, "reason": reason, "status": state, "type": type_}]
