"""What fills claims in CDI: its helper claim, and the rebinding of the volume to the claim in the end."""

from __future__ import annotations

from collections.abc import Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.binder import SELECTED_NODE, bind_claim, select_node
from kvtui.demo.controllers.protection import CLAIM_FINALIZER
from kvtui.demo.objects import owner_reference
from kvtui.demo.storage import Change, Object

PREFIX = "cdi.kubevirt.io/storage."
"""Of the annotations by which CDI's parts tell each other how far they are."""


def prime_name(uid: str) -> str:
    """The helper claim of a target claim with this uid."""
    return f"prime-{uid}"


class Populator(Controller):
    """A controller that fills claims."""

    component = "cdi-deployment"
    kinds = (kinds.PVC, kinds.POD)
    latency = 0.07

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Target claims; helpers and worker pods name theirs in a label."""
        name = change.labels.get("cdi.kubevirt.io/dataVolume", "")
        if name:
            return ((change.namespace, name),)
        return () if change.kind is kinds.POD else ((change.namespace, change.name),)

    def worker_claim(self, claim: Object) -> Object | None:
        """The claim that the importer writes to: the helper when a populator is used, else the claim itself."""
        meta = claim["metadata"]
        notes = meta.get("annotations", {})
        if self.waits_for_consumer(claim):
            return None
        if notes.get(PREFIX + "usePopulator") != "true":
            self._choose_node(claim)
            return claim
        name = prime_name(meta["uid"])
        found = self.storage.peek(kinds.PVC, meta["namespace"], name)
        if found is None:
            self.storage.create(kinds.PVC, _prime(claim, name))
        return found

    def _choose_node(self, claim: Object) -> None:
        """Be the first consumer of a claim that shall not wait for another."""
        found = self.storage.find(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
        waits = found is not None and found["volumeBindingMode"] == "WaitForFirstConsumer"
        if not waits or SELECTED_NODE in claim["metadata"].get("annotations", {}):
            return
        node = self.world.scheduler.node_for(worker_pod(claim, claim, "importer", "importer", {}))
        if node:
            select_node(self, claim, node)

    def waits_for_consumer(self, claim: Object) -> bool:
        """Whether nobody has chosen a node for a claim whose class wants one first."""
        notes = claim["metadata"].get("annotations", {})
        if SELECTED_NODE in notes or PREFIX + "bind.immediate.requested" in notes:
            return False
        found = self.storage.peek(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
        return found is not None and found["volumeBindingMode"] == "WaitForFirstConsumer"

    def rebind(self, claim: Object, worker: Object) -> None:
        """Give the helper's volume to the target claim."""
        meta = claim["metadata"]
        volume = worker["spec"]["volumeName"]
        reference = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        }
        self.storage.modify(kinds.PV, "", volume, lambda found: found["spec"].__setitem__("claimRef", reference))
        self.storage.modify(kinds.PVC, meta["namespace"], meta["name"], lambda found: bind_claim(found, volume))
        self.storage.delete(kinds.PVC, meta["namespace"], worker["metadata"]["name"])

    def note(self, claim: Object, notes: dict[str, str]) -> None:
        """Annotate the claim, and the helper while there is one."""
        meta = claim["metadata"]

        def note(found: Object) -> None:
            annotations = found["metadata"].setdefault("annotations", {})
            annotations.update({PREFIX + key: value for key, value in notes.items()})

        self.storage.modify(kinds.PVC, meta["namespace"], meta["name"], note)
        worker = prime_name(meta["uid"])
        self.storage.modify(kinds.PVC, meta["namespace"], worker, note)


IMAGES = {"importer": "cdi-importer", "cdi-upload-server": "cdi-uploadserver"}


def worker_pod(claim: Object, worker: Object, name: str, role: str, env: dict[str, str]) -> Object:
    """The pod that fills `worker` for `claim`: its role is ``importer`` or ``cdi-upload-server``."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": claim["metadata"]["namespace"],
            "annotations": {PREFIX + "createdByController": "yes"},
            "labels": {
                "app": "containerized-data-importer",
                "app.kubernetes.io/component": "storage",
                "app.kubernetes.io/managed-by": "cdi-controller",
                "cdi.kubevirt.io": role,
                "cdi.kubevirt.io/dataVolume": claim["metadata"]["name"],
                "prometheus.cdi.kubevirt.io": "true",
            },
            "ownerReferences": [owner_reference(worker)],
        },
        "spec": {
            "containers": [
                {
                    "name": role,
                    "image": f"quay.io/kubevirt/{IMAGES[role]}:v1.66.0",
                    "args": ["-v=1"],
                    "env": [{"name": key, "value": value} for key, value in env.items()],
                    "ports": [{"name": "metrics", "containerPort": 8443, "protocol": "TCP"}],
                    "resources": {
                        "limits": {"cpu": "750m", "memory": "600M"},
                        "requests": {"cpu": "100m", "memory": "60M"},
                    },
                }
            ],
            "volumes": [{"name": "cdi-data-vol", "persistentVolumeClaim": {"claimName": worker["metadata"]["name"]}}],
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": 30,
            "schedulerName": "default-scheduler",
            "serviceAccountName": "default",
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }


def _prime(claim: Object, name: str) -> Object:
    meta, spec = claim["metadata"], claim["spec"]
    notes = {key: value for key, value in meta["annotations"].items() if "import." in key or key == SELECTED_NODE}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "annotations": {**notes, PREFIX + "populatedFor": meta["name"], PREFIX + "usePopulator": "false"},
            "labels": {**meta.get("labels", {}), "cdi.kubevirt.io/dataVolume": meta["name"]},
            "finalizers": [CLAIM_FINALIZER],
            "ownerReferences": [owner_reference(claim)],
        },
        "spec": {
            key: spec[key] for key in ("accessModes", "resources", "storageClassName", "volumeMode") if key in spec
        },
        "status": {"phase": "Pending"},
    }
