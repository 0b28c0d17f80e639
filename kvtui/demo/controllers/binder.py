"""Volumes for claims: the persistent volume controller and the CSI provisioners together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.protection import VOLUME_FINALIZER
from kvtui.demo.objects import deleting
from kvtui.demo.storage import Change, Object

SELECTED_NODE = "volume.kubernetes.io/selected-node"
_CONTROLLER = "persistentvolume-controller"
LOCAL_PROVISIONER = "topolvm.io"
NODE_LABEL = "topology.topolvm.io/node"
"""What that provisioner's volumes are tied to: the node's own name."""
_PROVISIONERS = ("rook-ceph.rbd.csi.ceph.com", "rook-ceph.cephfs.csi.ceph.com", LOCAL_PROVISIONER)
"""The provisioners that run in this cluster."""
_REMINDER = 60.0


class VolumeBinder(Controller):
    """Binds claims, and releases volumes whose claim is gone."""

    kinds = (kinds.PVC, kinds.POD)

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Claims; a pod that was given a node may be the first consumer of one."""
        if change.kind is kinds.PVC:
            if change.type == "DELETED":
                self._release(change)
                return ()
            return ((change.namespace, change.name),)
        return self._consumed(change)

    def _consumed(self, change: Change) -> Iterable[Key]:
        if change.type != "MODIFIED":
            return ()
        pod = self.storage.peek(kinds.POD, change.namespace, change.name)
        if pod is None or pod["status"].get("phase") != "Pending" or not pod["spec"].get("nodeName"):
            return ()
        keys = []
        for volume in pod["spec"].get("volumes", ()):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            found = self.storage.peek(kinds.PVC, change.namespace, claim) if claim else None
            if found and found.get("status", {}).get("phase") != "Bound":
                select_node(self, found, pod["spec"]["nodeName"])
                keys.append((change.namespace, claim))
        return keys

    def reconcile(self, namespace: str, name: str) -> None:
        """Bind one claim, or say what it waits for."""
        claim = self.storage.peek(kinds.PVC, namespace, name)
        if claim is None or deleting(claim):
            return
        if claim.get("status", {}).get("phase") in ("Bound", "Lost"):
            return
        if claim["spec"].get("dataSourceRef"):
            # A populator gives it its volume.
            return
        storage_class = self.storage.peek(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
        if storage_class is None:
            self._remind(claim, "Warning", "ProvisioningFailed", _no_class(claim))
            return
        waits = storage_class["volumeBindingMode"] == "WaitForFirstConsumer"
        if waits and SELECTED_NODE not in claim["metadata"].get("annotations", {}):
            told = "waiting for first consumer to be created before binding"
            self._remind(claim, "Normal", "WaitForFirstConsumer", told)
            return
        if storage_class["provisioner"] not in _PROVISIONERS:
            told = (
                "Waiting for a volume to be created either by the external provisioner "
                f"'{storage_class['provisioner']}' or manually by the system administrator. If volume creation is "
                "delayed, please verify that the provisioner is running and correctly registered."
            )
            self._remind(claim, "Normal", "ExternalProvisioning", told)
            return
        if self.elapsed((namespace, name), claim["metadata"]["uid"], "provision", self.random.uniform(0.8, 2.5)):
            self.bind(claim, storage_class)

    def bind(self, claim: Object, storage_class: Object) -> None:
        """Make a volume and bind the claim to it."""
        meta = claim["metadata"]
        volume = volume_for(claim, storage_class)
        self.storage.create(kinds.PV, volume)
        self.storage.modify(
            kinds.PVC, meta["namespace"], meta["name"], lambda found: bind_claim(found, volume["metadata"]["name"])
        )
        provisioner = f"{storage_class['provisioner']}_csi-provisioner"
        told = f"Successfully provisioned volume {volume['metadata']['name']}"
        self.world.events.normal(kinds.PVC, claim, provisioner, "ProvisioningSucceeded", told)
        self.forget(meta["uid"])

    def _remind(self, claim: Object, severity: str, reason: str, message: str) -> None:
        meta = claim["metadata"]
        self.world.events.record(kinds.PVC, claim, severity, _CONTROLLER, reason, message)
        self.enqueue((meta["namespace"], meta["name"]), _REMINDER)

    def _release(self, change: Change) -> None:
        """The volume of a claim that is gone is free, and goes too unless its class keeps it."""
        volume = msgspec.json.decode(change.raw)["spec"].get("volumeName")
        found = self.storage.find(kinds.PV, "", volume) if volume else None
        # A populator may have handed the volume on to another claim.
        if found and found["spec"]["claimRef"]["name"] == change.name:
            self.storage.modify(kinds.PV, "", volume, lambda obj: obj["status"].__setitem__("phase", "Released"))
            if found["spec"].get("persistentVolumeReclaimPolicy") != "Retain":
                self.storage.delete(kinds.PV, "", volume)


def select_node(controller: Controller, claim: Object, node: str) -> None:
    """Tell the provisioner on which node the claim's first consumer will run."""
    meta = claim["metadata"]

    def select(found: Object) -> None:
        found["metadata"].setdefault("annotations", {})[SELECTED_NODE] = node

    controller.storage.modify(kinds.PVC, meta["namespace"], meta["name"], select)


def volume_for(claim: Object, storage_class: Object) -> Object:
    """The PersistentVolume that a provisioner makes for the claim."""
    meta, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{meta['uid']}"
    node = meta.get("annotations", {}).get(SELECTED_NODE)
    local = {}
    if node and storage_class["provisioner"] == LOCAL_PROVISIONER:
        home = {"key": NODE_LABEL, "operator": "In", "values": [node]}
        local["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [home]}]}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": storage_class["provisioner"]},
            "finalizers": [VOLUME_FINALIZER],
        },
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "csi": {"driver": storage_class["provisioner"], "volumeHandle": f"0001-0009-rook-ceph-{meta['uid']}"},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            **local,
        },
        "status": {"phase": "Bound"},
    }


def bind_claim(claim: Object, volume: str) -> None:
    """Mark a claim as bound to the volume."""
    claim["metadata"].setdefault("annotations", {}).update(
        {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
    )
    claim["spec"]["volumeName"] = volume
    claim["status"] = {
        "phase": "Bound",
        "accessModes": claim["spec"]["accessModes"],
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
    }


def _no_class(claim: Object) -> str:
    name = claim["spec"].get("storageClassName", "")
    if not name:
        return "no persistent volumes available for this claim and no storage class is set"
    return f'storageclass.storage.k8s.io "{name}" not found'
