"""Disks for tests: DataVolumes, claims and the VMs that use them, in the namespace ``shop`` of the backend ``c``."""

from __future__ import annotations

from typing import Any

from kvtui.store import Store
from tests.machines import Object, store_of


def volume(name: str = "web", phase: str = "Succeeded", **parts: Any) -> Object:
    """A DataVolume; `parts` are ``source``, ``conditions``, ``owner``, ``deleted``."""
    metadata: Object = {"name": name, "namespace": "shop", "uid": f"dv-{name}"}
    if "owner" in parts:
        owner = {"kind": "VirtualMachine", "name": parts["owner"], "uid": f"vm-{parts['owner']}", "controller": True}
        metadata["ownerReferences"] = [owner]
    if parts.get("deleted"):
        metadata["deletionTimestamp"] = "2026-11-21T01:50:00Z"
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": metadata,
        "spec": {
            "source": parts.get("source", {"http": {"url": "https://images.example.org/a.qcow2"}}),
            "storage": {"resources": {"requests": {"storage": "10Gi"}}},
        },
        "status": {"phase": phase, "conditions": parts.get("conditions", [])},
    }


def claim(name: str = "web", phase: str = "Bound", **parts: Any) -> Object:
    """A claim of 10 GiB; `parts` are ``owned``, ``storage_class``, ``conditions``."""
    metadata: Object = {"name": name, "namespace": "shop", "uid": f"pvc-{name}"}
    if parts.get("owned"):
        metadata["ownerReferences"] = [{"kind": "DataVolume", "name": name, "uid": f"dv-{name}", "controller": True}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": parts.get("storage_class", "fast"),
            "resources": {"requests": {"storage": "10Gi"}},
        },
        "status": {
            "phase": phase,
            "capacity": {"storage": "10Gi"} if phase == "Bound" else {},
            "conditions": parts.get("conditions", []),
        },
    }


def user(name: str, disk: str, *, running: bool = False) -> list[Object]:
    """A VM that has a disk, with its instance while it runs."""
    spec = {"domain": {}, "volumes": [{"name": "root", "dataVolume": {"name": disk}}]}
    metadata = {"name": name, "namespace": "shop", "uid": f"vm-{name}"}
    vm: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": metadata,
        "spec": {"runStrategy": "Always", "template": {"spec": spec}},
        "status": {"printableStatus": "Running" if running else "Stopped"},
    }
    vmi: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {**metadata, "uid": f"vmi-{name}"},
        "spec": spec,
        "status": {"phase": "Running"},
    }
    return [vm, vmi] if running else [vm]


def disk_store(*items: Object) -> Store:
    """A store that holds them."""
    store = store_of(items)
    store.drain()
    return store
