"""Small edits that every controller makes on API objects: conditions, owners, finalizers, sizes."""

from __future__ import annotations

import math
from typing import Any

from kvtui import text
from kvtui.demo.storage import Kind, Object

GI = 1024**3
MI = 1024**2


def copy_of(value: Any) -> Any:
    """A deep copy of JSON data, quicker than ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {key: copy_of(item) for key, item in value.items()}
    return [copy_of(item) for item in value] if isinstance(value, list) else value


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of that type in ``.status.conditions``, or None."""
    found: Object
    for found in obj.get("status", {}).get("conditions") or ():
        if found["type"] == kind:
            return found
    return None


def has_condition(obj: Object, kind: str, status: str, reason: str = "") -> bool:
    """Whether the condition has that status and, when given, that reason."""
    found = condition(obj, kind)
    return found is not None and found["status"] == status and (not reason or found.get("reason") == reason)


def set_condition(
    obj: Object, kind: str, status: str, now: str, reason: str = "", message: str = "", *, probe: str | None = ""
) -> None:
    """Put a condition in; its times move only when its status or reason changes.

    `probe` is the lastProbeTime: the same as `now` when empty, null for None (as controllers copy pod conditions).
    """
    status_part = obj.setdefault("status", {})
    conditions = status_part.setdefault("conditions", [])
    old = condition(obj, kind)
    if old is not None and (old["status"], old.get("reason", "")) == (status, reason):
        if message and old.get("message") != message:
            old["message"] = message
        return
    new: Object = {"lastProbeTime": now if probe == "" else probe, "lastTransitionTime": now}
    if message:
        new["message"] = message
    if reason:
        new["reason"] = reason
    new |= {"status": status, "type": kind}
    if old is None:
        conditions.append(new)
    else:
        conditions[conditions.index(old)] = new


def set_plain_condition(obj: Object, kind: str, status: str, now: str, reason: str = "", message: str = "") -> None:
    """As `set_condition`, for objects whose conditions know no lastProbeTime (metav1.Condition)."""
    set_condition(obj, kind, status, now, reason, message, probe=None)
    found = condition(obj, kind)
    if found is not None:
        found.pop("lastProbeTime", None)


def remove_condition(obj: Object, kind: str) -> None:
    """Take a condition out, if it is there."""
    status = obj.get("status", {})
    if condition(obj, kind) is not None:
        status["conditions"] = [item for item in status["conditions"] if item["type"] != kind]


def owner_reference(owner: Object) -> Object:
    """A controlling ownerReference to `owner`."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "blockOwnerDeletion": True,
        "controller": True,
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }


def controller_of(obj: Object) -> Object | None:
    """The ownerReference of the controlling owner, or None."""
    reference: Object
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return reference
    return None


def is_owned_by(obj: Object, owner: Object) -> bool:
    """Whether `owner` controls the object."""
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def involved(kind: Kind, obj: Object) -> Object:
    """The ``involvedObject`` of an event about the object."""
    meta = obj["metadata"]
    found: Object = {"kind": kind.kind, "name": meta["name"], "uid": meta["uid"], "apiVersion": kind.api_version}
    if meta.get("namespace"):
        found["namespace"] = meta["namespace"]
    if meta.get("resourceVersion"):
        found["resourceVersion"] = meta["resourceVersion"]
    return found


def deleting(obj: Object) -> bool:
    """Whether the object waits for its deletion."""
    return "deletionTimestamp" in obj["metadata"]


def add_finalizer(obj: Object, finalizer: str) -> None:
    """Put a finalizer on, once."""
    finalizers = obj["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


def remove_finalizer(obj: Object, finalizer: str) -> None:
    """Take a finalizer off."""
    meta = obj["metadata"]
    if finalizer in meta.get("finalizers", ()):
        meta["finalizers"] = [item for item in meta["finalizers"] if item != finalizer]
        if not meta["finalizers"]:
            del meta["finalizers"]


def amount(value: Any) -> float:
    """A Kubernetes quantity as a number; 0 for a missing or broken one."""
    return text.quantity(value) or 0.0


def binary(value: float) -> str:
    """Bytes as the shortest exact quantity in binary units."""
    whole = math.ceil(value)
    for unit, size in (("Ti", 1024**4), ("Gi", GI), ("Mi", MI), ("Ki", 1024)):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return str(whole)
