"""CDI's import: the helper claim, the importer pod, its progress, its failures, and the rebinding of the volume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Download
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.binder import SELECTED_NODE, bind_claim
from kvtui.demo.objects import deleting, owner_reference
from kvtui.demo.storage import Change, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

IMPORTER_IMAGE = "quay.io/kubevirt/cdi-importer:v1.66.0"
_PREFIX = "cdi.kubevirt.io/storage."
_TICK = 2.0
"""CDI scrapes an importer's progress every two seconds."""
_LONGEST_BACKOFF = 300.0
_SOURCE = "import-controller"


def prime_name(uid: str) -> str:
    """The helper claim of a target claim with this uid."""
    return f"prime-{uid}"


@dataclass(slots=True)
class _Import:
    """A running transfer, in bytes."""

    download: Download
    done: float
    updated: float


class Importer(Controller):
    """Populates claims that have an import source."""

    kinds = (kinds.PVC, kinds.POD)
    latency = 0.07

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._running: dict[str, _Import] = {}

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Target claims; helpers and importer pods name theirs in a label."""
        name = change.labels.get("cdi.kubevirt.io/dataVolume", "")
        if name:
            return ((change.namespace, name),)
        return () if change.kind is kinds.POD else ((change.namespace, change.name),)

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the import into one claim a step on."""
        claim = self.storage.find(kinds.PVC, namespace, name)
        if claim is None or deleting(claim):
            return
        notes = claim["metadata"].get("annotations", {})
        source = notes.get(_PREFIX + "import.source")
        if not source and "dataSourceRef" in claim["spec"]:
            self._populate_blank(claim)
            return
        if not source or notes.get(_PREFIX + "pod.phase") == "Succeeded" or notes.get(_PREFIX + "import.fatalError"):
            return
        worker = self._worker_claim(claim)
        if worker is None or worker.get("status", {}).get("phase") != "Bound":
            return
        pod_name = f"importer-{worker['metadata']['name']}"
        pod = self.storage.find(kinds.POD, namespace, pod_name)
        if pod is None:
            self.storage.create(kinds.POD, _importer_pod(claim, worker, pod_name))
            self._note(claim, {"pod.phase": "Pending", "import.importPodName": pod_name})
        elif pod["status"]["phase"] == "Running":
            self._transfer(claim, pod)

    def _worker_claim(self, claim: Object) -> Object | None:
        """The claim that the importer writes to: the helper when a populator is used, else the claim itself."""
        meta = claim["metadata"]
        notes = meta.get("annotations", {})
        if notes.get(_PREFIX + "usePopulator") != "true":
            return claim
        waits = self._waits_for_consumer(claim)
        if waits:
            return None
        name = prime_name(meta["uid"])
        found = self.storage.find(kinds.PVC, meta["namespace"], name)
        if found is None:
            self.storage.create(kinds.PVC, _prime(claim, name))
        return found

    def _waits_for_consumer(self, claim: Object) -> bool:
        notes = claim["metadata"].get("annotations", {})
        if SELECTED_NODE in notes or _PREFIX + "bind.immediate.requested" in notes:
            return False
        found = self.storage.find(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
        return found is not None and found["volumeBindingMode"] == "WaitForFirstConsumer"

    def _populate_blank(self, claim: Object) -> None:
        """A blank disk needs no worker that anyone would see: the volume is there at once."""
        if claim.get("status", {}).get("phase") == "Bound" or self._waits_for_consumer(claim):
            return
        worker = self._worker_claim(claim)
        if worker and worker.get("status", {}).get("phase") == "Bound":
            self._rebind(claim, worker)

    # Transfer

    def _transfer(self, claim: Object, pod: Object) -> None:
        meta = claim["metadata"]
        key = (meta["namespace"], meta["name"])
        uid = meta["uid"]
        container = pod["status"]["containerStatuses"][0]
        if "waiting" in container["state"]:
            self._retry(claim, pod, container["restartCount"])
            return
        notes = meta.get("annotations", {})
        download = self.world.outside.download(notes.get(_PREFIX + "import.endpoint", ""))
        if notes.get(_PREFIX + "condition.running") != "true":
            running = {
                "condition.running": "true",
                "condition.running.message": "",
                "condition.running.reason": "Pod is running",
            }
            self._note(claim, {"pod.phase": "Running", **running})
            return
        if download.status != 200:
            if self.elapsed(key, uid, f"refused {container['restartCount']}", self.random.uniform(1.5, 4.0)):
                self._break_off(claim, pod, _refusal(download.status))
            return
        state = self._running.setdefault(uid, _Import(download, 0.0, self.clock.elapsed))
        passed = self.clock.elapsed - state.updated
        if passed < _TICK - 0.01:
            # Woken by a change, such as the importer's own note of its progress.
            self.enqueue(key, _TICK - passed)
            return
        state.updated = self.clock.elapsed
        state.done = min(download.size, state.done + passed * download.rate * self.random.uniform(0.6, 1.3))
        if state.done < download.size:
            self._note(claim, {"populator.progress": f"{100 * state.done / download.size:.2f}%"})
            self.enqueue(key, _TICK)
        elif download.checksum_matches:
            self._succeed(claim, pod)
        else:
            self._refuse_checksum(claim, pod)

    def _break_off(self, claim: Object, pod: Object, message: str) -> None:
        """The importer exits; the kubelet will start it again after its back-off."""
        meta = pod["metadata"]
        count = pod["status"]["containerStatuses"][0]["restartCount"]
        self.world.kubelet.restart(meta["namespace"], meta["name"], message, waiting=True)
        notes = {
            "condition.running": "false",
            "condition.running.reason": "Error",
            "condition.running.message": message,
        }
        self._note(claim, {"pod.restarts": str(count + 1), **notes})
        self.world.events.warning(kinds.PVC, claim, _SOURCE, "ErrImportFailed", message)
        self._running.pop(claim["metadata"]["uid"], None)

    def _retry(self, claim: Object, pod: Object, restarts: int) -> None:
        meta = claim["metadata"]
        backoff = min(_LONGEST_BACKOFF, 10.0 * 2**restarts)
        if self.elapsed((meta["namespace"], meta["name"]), meta["uid"], f"backoff {restarts}", backoff):
            self.world.kubelet.restart(pod["metadata"]["namespace"], pod["metadata"]["name"], "", waiting=False)
            # CDI keeps the error visible until the new attempt runs for a while; here until it fails again.
            self.elapsed((meta["namespace"], meta["name"]), meta["uid"], f"again {restarts}", 3.0)

    def _refuse_checksum(self, claim: Object, pod: Object) -> None:
        wanted = claim["metadata"]["annotations"].get(_PREFIX + "import.checksum", "sha256:")
        message = (
            f"checksum mismatch: expected {wanted.partition(':')[2]}, calculated {self.random.getrandbits(256):064x}"
        )
        self.world.kubelet.complete(pod["metadata"]["namespace"], pod["metadata"]["name"], failed=True, message=message)
        notes = {
            "condition.running": "false",
            "condition.running.reason": "ChecksumError",
            "condition.running.message": message,
        }
        self._note(claim, {"pod.phase": "Failed", "import.fatalError": "true", **notes})
        self.world.events.warning(kinds.PVC, claim, _SOURCE, "ChecksumError", message)
        self._running.pop(claim["metadata"]["uid"], None)

    def _succeed(self, claim: Object, pod: Object) -> None:
        meta = pod["metadata"]
        self._running.pop(claim["metadata"]["uid"], None)
        self.world.kubelet.complete(meta["namespace"], meta["name"])
        self.world.delete_pod(meta["namespace"], meta["name"], 0)
        worker = self._worker_claim(claim)
        done = {
            "condition.running": "false",
            "condition.running.reason": "Completed",
            "condition.running.message": "Import Complete",
        }
        self._note(claim, {"populator.progress": "100.0%", "pod.phase": "Succeeded", **done})
        self.world.events.normal(
            kinds.PVC, claim, _SOURCE, "ImportSucceeded", f"Import Successful into PVC {claim['metadata']['name']}"
        )
        if worker and worker["metadata"]["name"] != claim["metadata"]["name"]:
            self._rebind(claim, worker)

    def _rebind(self, claim: Object, worker: Object) -> None:
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

    def _note(self, claim: Object, notes: dict[str, str]) -> None:
        meta = claim["metadata"]

        def note(found: Object) -> None:
            annotations = found["metadata"].setdefault("annotations", {})
            annotations.update({_PREFIX + key: value for key, value in notes.items()})

        self.storage.modify(kinds.PVC, meta["namespace"], meta["name"], note)
        worker = prime_name(meta["uid"])
        self.storage.modify(kinds.PVC, meta["namespace"], worker, note)


def _refusal(status: int) -> str:
    words = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}.get(status, "")
    return f"Unable to connect to http data source: expected status code 200, got {status}. Status: {status} {words}"


def _prime(claim: Object, name: str) -> Object:
    meta, spec = claim["metadata"], claim["spec"]
    notes = {key: value for key, value in meta["annotations"].items() if "import." in key or key == SELECTED_NODE}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "annotations": {**notes, _PREFIX + "populatedFor": meta["name"], _PREFIX + "usePopulator": "false"},
            "labels": {**meta.get("labels", {}), "cdi.kubevirt.io/dataVolume": meta["name"]},
            "finalizers": ["kubernetes.io/pvc-protection"],
            "ownerReferences": [owner_reference(claim)],
        },
        "spec": {
            key: spec[key] for key in ("accessModes", "resources", "storageClassName", "volumeMode") if key in spec
        },
        "status": {"phase": "Pending"},
    }


def _importer_pod(claim: Object, worker: Object, name: str) -> Object:
    meta = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "annotations": {"cdi.kubevirt.io/storage.createdByController": "yes"},
            "labels": {
                "app": "containerized-data-importer",
                "app.kubernetes.io/component": "storage",
                "app.kubernetes.io/managed-by": "cdi-controller",
                "cdi.kubevirt.io": "importer",
                "cdi.kubevirt.io/dataVolume": meta["name"],
                "prometheus.cdi.kubevirt.io": "true",
            },
            "ownerReferences": [owner_reference(worker)],
        },
        "spec": {
            "containers": [
                {
                    "name": "importer",
                    "image": IMPORTER_IMAGE,
                    "args": ["-v=1"],
                    "env": [
                        {"name": "IMPORTER_SOURCE", "value": meta["annotations"][_PREFIX + "import.source"]},
                        {"name": "IMPORTER_ENDPOINT", "value": meta["annotations"][_PREFIX + "import.endpoint"]},
                    ],
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
