"""Recorded objects before the rules: machines, nodes, classes, and what is changed of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from kvtui.model import Feed, FeedState, Finding
from kvtui.store import Message, Put, Store
from kvtui.triage.engine import Engine
from kvtui.triage.rules import RULES
from tests.machines import DATA, RECORDED, TYPES, Object, record_of
from tests.triage.looking import find_unfollowed


def recorded(kind: str) -> list[Object]:
    """All objects of a recorded list: ``nodes``."""
    answer = json.loads((DATA / "recordings" / "lists" / f"{kind}.json").read_text())
    items: list[Object] = answer["items"]
    item_kind = answer["kind"].removesuffix("List")
    return [{"kind": item_kind, "apiVersion": answer["apiVersion"], **item} for item in items]


def node(name: str, **changes: Any) -> Object:
    """A recorded node that takes VMs, under another name, with its labels, taints, ... changed."""
    made = deepcopy(next(one for one in recorded("nodes") if "kubevirt.io/schedulable" in one["metadata"]["labels"]))
    made["metadata"].update(name=name, uid=f"uid-{name}")
    made["metadata"]["annotations"] = {}
    made["metadata"]["labels"] |= {"kubernetes.io/hostname": name, "kubevirt.io/schedulable": "true"}
    made["metadata"]["labels"] |= changes.pop("labels", {})
    made["status"]["allocatable"] |= changes.pop("allocatable", {})
    made["status"]["capacity"] |= changes.pop("capacity", {})
    made["status"]["conditions"] = [
        {**one, "status": "True" if one["type"] == "Ready" else "False"} for one in made["status"]["conditions"]
    ]
    if changes.pop("lost", False):
        next(one for one in made["status"]["conditions"] if one["type"] == "Ready")["status"] = "Unknown"
    made["spec"] = changes
    return made


def storage_class(name: str, *, default: bool = False, waits: bool = False) -> Object:
    """A StorageClass as a driver's installation makes it."""
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "uid": f"uid-{name}", "annotations": marks},
        "provisioner": f"{name}.csi.example.org",
        "volumeBindingMode": "WaitForFirstConsumer" if waits else "Immediate",
    }


def csi_driver(class_name: str) -> Object:
    """The CSIDriver of such a class, as its driver's installation makes it."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": f"{class_name}.csi.example.org", "uid": f"uid-driver-{class_name}"},
        "spec": {"attachRequired": True, "podInfoOnMount": False},
    }


def event(about: Object, reason: str, message: str, type_: str = "Warning") -> Object:
    """An event as a controller writes it of an object."""
    meta = about["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{reason}", "namespace": meta["namespace"], "uid": f"uid-{reason}"},
        "type": type_,
        "reason": reason,
        "message": message,
        "count": 3,
        "firstTimestamp": "2026-11-21T01:50:00Z",
        "lastTimestamp": "2026-11-21T01:55:30Z",
        "involvedObject": {"kind": about["kind"], **{key: meta.get(key, "") for key in ("namespace", "name", "uid")}},
    }


def judge(
    items: Sequence[Object], now: float = RECORDED, *, waits: bool = True, more: Sequence[Message] = ()
) -> list[Finding]:
    """What all rules find in these objects, and in nothing else but `more`; `waits` for what has to stand for a while.

    Whatever is found has to be followed, too.
    """
    store = Store()
    for kind in TYPES:
        store.post(Feed("c", kind, FeedState.LIVE))
    for item in items:
        store.post(Put("c", record_of(item)))
    for message in more:
        store.post(message)
    engine = Engine()
    engine.waits = waits
    engine.update(store, store.drain(), now)
    assert find_unfollowed(store, RULES, now) == []
    return list(engine.findings)


def only(findings: Sequence[Finding], label: str) -> Finding:
    """The one finding of that label."""
    (found,) = [one for one in findings if one.label == label]
    return found
