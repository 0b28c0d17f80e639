"""What the controllers of snapshots, restores, clones and exports share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.catalog.disks import SNAPSHOT_CLASSES
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.protection import CLAIM_FINALIZER
from kvtui.demo.objects import condition, owner_reference
from kvtui.demo.storage import Kind, Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

CONTENT_TYPE = "cdi.kubevirt.io/storage.contentType"


def state(obj: Object, kind: str, status: str, now: str, reason: str, message: str = "") -> None:
    """Put a condition in as KubeVirt's storage controllers do: free text in the reason, no probe time."""
    found = condition(obj, kind)
    told: Object = {"type": kind, "status": status, "reason": reason, "message": message}
    if found is not None and {**found, **told} == found:
        return
    moment = now if found is None or found["status"] != status else found.get("lastTransitionTime", now)
    fresh = {"lastProbeTime": None, "lastTransitionTime": moment, **told}
    if not message:
        del fresh["message"]
    conditions = obj.setdefault("status", {}).setdefault("conditions", [])
    if found is None:
        conditions.append(fresh)
    else:
        conditions[conditions.index(found)] = fresh


def snapshot_class(world: World, storage_class: str) -> str:
    """The VolumeSnapshotClass for claims of a storage class; empty where there is none."""
    found = world.storage.find(kinds.STORAGE_CLASS, "", storage_class)
    name = SNAPSHOT_CLASSES.get(found["provisioner"], "") if found is not None else ""
    return name if name and world.storage.find(kinds.VOLUME_SNAPSHOT_CLASS, "", name) is not None else ""


def is_ready(snapshot: Object | None) -> bool:
    """Whether a VirtualMachineSnapshot may be restored from."""
    return snapshot is not None and bool(snapshot.get("status", {}).get("readyToUse"))


def content_of(world: World, snapshot: Object) -> Object | None:
    """The VirtualMachineSnapshotContent of a snapshot."""
    name = snapshot.get("status", {}).get("virtualMachineSnapshotContentName") or content_name(snapshot)
    return world.storage.find(kinds.SNAPSHOT_CONTENT, snapshot["metadata"]["namespace"], name)


def content_name(snapshot: Object) -> str:
    """What the content of a snapshot is called."""
    return f"vmsnapshot-content-{snapshot['metadata']['uid']}"


def claim_from(backup: Object, name: str, namespace: str, owner: Object | None) -> Object:
    """A claim that the CSI driver fills from the volume snapshot of a backup."""
    past = backup["persistentVolumeClaim"]
    spec = {key: value for key, value in past["spec"].items() if key not in ("volumeName", "dataSourceRef")}
    claim: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {CONTENT_TYPE: "kubevirt"},
            "finalizers": [CLAIM_FINALIZER],
        },
        "spec": {
            **spec,
            "dataSource": {
                "apiGroup": "snapshot.storage.k8s.io",
                "kind": "VolumeSnapshot",
                "name": backup["volumeSnapshotName"],
            },
        },
        "status": {"phase": "Pending"},
    }
    if owner is not None:
        claim["metadata"]["ownerReferences"] = [owner_reference(owner)]
    return claim


class CopyController(Controller):
    """A loop over one of the kinds that copy machines; it looks at all of them when a machine near them changes."""

    kind: Kind
    source = ""
    """Who its events come from."""

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object; one that is gone already is no error."""
        try:
            self.storage.delete(kind, namespace, name)
        except StorageError as error:
            if error.code != 404:
                raise

    def tell(self, obj: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event about one of its objects."""
        severity = "Warning" if warning else "Normal"
        self.world.events.record(self.kind, obj, severity, self.source, reason, message)

    def all_in(self, namespace: str) -> list[Key]:
        """The keys of all its objects in a namespace."""
        return [(row.namespace, row.name) for row in self.storage.raw_list(self.kind, namespace)]
