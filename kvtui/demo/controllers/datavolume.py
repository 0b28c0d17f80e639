"""CDI's loop for DataVolumes: the claim, its population by an importer, phase, progress and conditions."""

from __future__ import annotations

from collections.abc import Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.binder import SELECTED_NODE
from kvtui.demo.controllers.claimcopies import CLONE_PHASE, CLONE_REQUEST
from kvtui.demo.controllers.protection import CLAIM_FINALIZER
from kvtui.demo.controllers.uploader import UPLOAD_TARGET
from kvtui.demo.objects import condition, deleting, owner_reference
from kvtui.demo.storage import Change, Object

POPULATED_FOR = "cdi.kubevirt.io/storage.populatedFor"
"""On a claim that holds its data already: the DataVolume that will adopt it."""
_SOURCE = "datavolume-import-controller"
_REMINDER = 60.0
_CLONE_PHASES = {"": "CloneScheduled", "CSIClone": "CSICloneInProgress", "HostClone": "CloneInProgress"}
_NOT_SCHEDULED = ("", "Pending", "PVCBound", "WaitForFirstConsumer", "PendingPopulation")


class DataVolumes(Controller):
    """Derives a DataVolume's status from its claim and its importer."""

    component = "cdi-deployment"
    kinds = (kinds.DATA_VOLUME, kinds.PVC)
    latency = 0.06

    def keys_for(self, change: Change) -> Iterable[Key]:
        """A DataVolume has the name of its claim; helper claims say for whom they work."""
        prime = change.labels.get("cdi.kubevirt.io/dataVolume", "")
        return ((change.namespace, prime or change.name),)

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one DataVolume a step on."""
        volume = self.storage.peek(kinds.DATA_VOLUME, namespace, name)
        if volume is None or deleting(volume):
            return
        phase = volume.get("status", {}).get("phase", "")
        if phase in ("Succeeded", "Failed"):
            return
        claim = self.storage.peek(kinds.PVC, namespace, name)
        if claim is None:
            self._make_claim(volume)
            return
        self._write(volume, claim)

    def _make_claim(self, volume: Object) -> None:
        meta = volume["metadata"]
        spec = self._claim_spec(volume)
        if spec is None:
            told = "PVC spec is missing accessMode and no storageClass to choose profile"
            self.world.events.warning(kinds.DATA_VOLUME, volume, _SOURCE, "ErrClaimNotValid", told)
            self.enqueue((meta["namespace"], meta["name"]), _REMINDER)
            return
        source = volume["spec"].get("source", {})
        kind = next(iter(source), "none")
        populated = self._is_csi(spec.get("storageClassName", ""))
        annotations = {
            "cdi.kubevirt.io/storage.contentType": volume["spec"].get("contentType", "kubevirt"),
            "cdi.kubevirt.io/storage.usePopulator": "true" if populated else "false",
        }
        if kind in ("http", "registry", "s3"):
            annotations |= {
                "cdi.kubevirt.io/storage.import.source": kind,
                "cdi.kubevirt.io/storage.import.endpoint": source[kind].get("url", ""),
            }
        if kind == "upload":
            annotations[UPLOAD_TARGET] = ""
        if kind == "pvc":
            annotations[CLONE_REQUEST] = f"{source[kind].get('namespace', '')}/{source[kind].get('name', '')}"
        if source.get("http", {}).get("checksum"):
            annotations["cdi.kubevirt.io/storage.import.checksum"] = source["http"]["checksum"]
        if populated:
            role = {"upload": "upload", "pvc": "clone"}.get(kind, "import")
            spec["dataSourceRef"] = {
                "apiGroup": "cdi.kubevirt.io",
                "kind": f"Volume{role.title()}Source",
                "name": f"volume-{role}-source-{meta['uid']}",
            }
        asked = meta.get("annotations", {})
        annotations |= {key: value for key, value in asked.items() if key.startswith("cdi.kubevirt.io/storage.bind")}
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "annotations": annotations,
                "labels": {
                    "alerts.k8s.io/KubePersistentVolumeFillingUp": "disabled",
                    "app": "containerized-data-importer",
                    "app.kubernetes.io/component": "storage",
                    "app.kubernetes.io/managed-by": "cdi-controller",
                },
                "finalizers": [CLAIM_FINALIZER],
                "ownerReferences": [owner_reference(volume)],
            },
            "spec": spec,
            "status": {"phase": "Pending"},
        }
        self.storage.create(kinds.PVC, claim)
        self._write(volume, claim)

    def _claim_spec(self, volume: Object) -> Object | None:
        """The claim's spec; storage profiles fill in what ``spec.storage`` leaves out."""
        wanted = volume["spec"].get("pvc") or volume["spec"].get("storage") or {}
        copied = self._copied(volume)
        name = wanted.get("storageClassName") or self._default_class()
        if not name:
            return None
        profile = self.storage.find(kinds.STORAGE_PROFILE, "", name) or {}
        sets = profile.get("status", {}).get("claimPropertySets") or [{}]
        modes = wanted.get("accessModes") or sets[0].get("accessModes")
        if not modes:
            return None
        size = copied["spec"]["resources"]["requests"]["storage"] if copied else "10Gi"
        return {
            "accessModes": modes,
            "resources": {"requests": {"storage": size} | wanted.get("resources", {}).get("requests", {})},
            "storageClassName": name,
            "volumeMode": wanted.get("volumeMode") or sets[0].get("volumeMode", "Filesystem"),
        }

    def _copied(self, volume: Object) -> Object | None:
        source = volume["spec"].get("source", {}).get("pvc", {})
        return self.storage.find(kinds.PVC, source.get("namespace", ""), source.get("name", ""))

    def _default_class(self) -> str:
        classes = self.storage.list(kinds.STORAGE_CLASS)
        for mark in ("storageclass.kubevirt.io/is-default-virt-class", "storageclass.kubernetes.io/is-default-class"):
            for item in classes:
                if item["metadata"].get("annotations", {}).get(mark) == "true":
                    name: str = item["metadata"]["name"]
                    return name
        return ""

    def _is_csi(self, name: str) -> bool:
        found = self.storage.find(kinds.STORAGE_CLASS, "", name)
        return found is not None and "csi" in found["provisioner"]

    def _write(self, volume: Object, claim: Object) -> None:
        meta = volume["metadata"]
        phase = self._phase(volume, claim)
        old = volume.get("status", {}).get("phase", "")
        now = self.clock.stamp()
        notes = claim["metadata"].get("annotations", {})

        def write(found: Object) -> None:
            status = found.setdefault("status", {})
            status["claimName"] = meta["name"]
            status["phase"] = phase
            status["progress"] = _progress(phase, notes, status.get("progress", "N/A"))
            restarts = int(notes.get("cdi.kubevirt.io/storage.pod.restarts", status.get("restartCount", 0)))
            if restarts or phase not in _NOT_SCHEDULED:
                status["restartCount"] = restarts
            _judge(found, claim, notes, phase, now)

        self.storage.modify(kinds.DATA_VOLUME, meta["namespace"], meta["name"], write)
        if phase != old:
            self._tell(volume, phase)

    def _phase(self, volume: Object, claim: Object) -> str:
        notes = claim["metadata"].get("annotations", {})
        if notes.get("cdi.kubevirt.io/storage.import.fatalError") == "true":
            return "Failed"
        state = notes.get("cdi.kubevirt.io/storage.pod.phase", "")
        bound = claim.get("status", {}).get("phase") == "Bound"
        if state == "Succeeded" and bound:
            return "Succeeded"
        if bound and notes.get(POPULATED_FOR) == volume["metadata"]["name"]:
            return "Succeeded"
        if "blank" in volume["spec"].get("source", {}) and bound:
            return "Succeeded"
        if claim.get("status", {}).get("phase") == "Lost":
            return "Failed"
        if CLONE_PHASE in notes:
            return _CLONE_PHASES.get(notes[CLONE_PHASE], "RebindInProgress")
        if UPLOAD_TARGET in notes and state:
            ready = notes.get("cdi.kubevirt.io/storage.pod.ready") == "true"
            return "UploadReady" if state == "Running" and ready else "UploadScheduled"
        if state in ("Running", "Succeeded"):
            return "ImportInProgress"
        if state == "Pending":
            return "ImportScheduled"
        if self._waits_for_consumer(claim):
            populated = notes.get("cdi.kubevirt.io/storage.usePopulator") == "true"
            return "PendingPopulation" if populated else "WaitForFirstConsumer"
        return "PVCBound" if bound else "Pending"

    def _waits_for_consumer(self, claim: Object) -> bool:
        notes = claim["metadata"].get("annotations", {})
        if SELECTED_NODE in notes or "cdi.kubevirt.io/storage.bind.immediate.requested" in notes:
            return False
        if claim.get("status", {}).get("phase") == "Bound":
            return False
        found = self.storage.find(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
        return found is not None and found["volumeBindingMode"] == "WaitForFirstConsumer"

    def _tell(self, volume: Object, phase: str) -> None:
        name = volume["metadata"]["name"]
        told = {
            "ImportScheduled": f"Import into {name} scheduled",
            "ImportInProgress": f"Import into {name} in progress",
            "UploadScheduled": f"Upload into {name} scheduled",
            "UploadReady": f"Upload into {name} ready",
            "CSICloneInProgress": f"CSI Volume clone in progress (from {name})",
            "Succeeded": f"Successfully imported into PVC {name}",
            "WaitForFirstConsumer": f"PVC {name} Pending",
            "Pending": f"PVC {name} Pending",
        }.get(phase)
        reason = {"Succeeded": "ImportSucceeded"}.get(phase, phase)
        if phase == "Failed":
            self.world.events.warning(
                kinds.DATA_VOLUME, volume, _SOURCE, "ImportFailed", f"Failed to import into PVC {name}"
            )
        elif told:
            self.world.events.normal(kinds.DATA_VOLUME, volume, _SOURCE, reason, told)


def _progress(phase: str, notes: Object, old: str) -> str:
    if phase == "Succeeded":
        return "100.0%"
    if phase in ("ImportInProgress", "Failed"):
        told: str = notes.get("cdi.kubevirt.io/storage.populator.progress", old)
        return told
    return "N/A"


def _judge(volume: Object, claim: Object, notes: Object, phase: str, now: str) -> None:
    """The conditions Bound, Ready and Running."""
    name = volume["metadata"]["name"]
    if phase == "Succeeded" or claim.get("status", {}).get("phase") == "Bound":
        bound = ("True", "Bound", f"PVC {name} Bound")
    else:
        bound = ("False", "Pending", f"PVC {name} Pending")
    reason = notes.get("cdi.kubevirt.io/storage.condition.running.reason", "")
    message = notes.get("cdi.kubevirt.io/storage.condition.running.message", "")
    if phase == "Succeeded":
        running = ("False", "Completed", "Import Complete")
    elif notes.get("cdi.kubevirt.io/storage.condition.running") == "true":
        running = ("True", reason or "Pod is running", message)
    else:
        running = ("False", reason, message)
    ready = ("True", "", "") if phase == "Succeeded" else ("False", _unready(phase), "")
    for kind, told in (("Bound", bound), ("Ready", ready), ("Running", running)):
        _set(volume, kind, told, now)


def _unready(phase: str) -> str:
    if phase == "Failed":
        return "Error"
    return "" if phase in _NOT_SCHEDULED else "TransferRunning"


def _set(volume: Object, kind: str, told: tuple[str, str, str], now: str) -> None:
    status, reason, message = told
    old = condition(volume, kind)
    if old and (old["status"], old.get("reason", ""), old.get("message", "")) == told:
        return
    new: Object = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    if old and old["status"] == status:
        new["lastTransitionTime"] = old.get("lastTransitionTime", now)
    if message:
        new["message"] = message
    new |= {"reason": reason, "status": status, "type": kind}
    conditions = volume["status"].setdefault("conditions", [])
    if old:
        conditions[conditions.index(old)] = new
    else:
        conditions.append(new)
