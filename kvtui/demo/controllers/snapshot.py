"""virt-controller's loop for VirtualMachineSnapshots: the machine is locked, its claims are snapshotted, it is let go.

Source: KubeVirt ``pkg/storage/snapshot/snapshot.go`` and ``source.go``. A volume whose storage class has no
VolumeSnapshotClass is left out, and the snapshot succeeds without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Key
from kvtui.demo.controllers.copying import (
    CopyController,
    content_name,
    content_of,
    snapshot_class,
    state,
)
from kvtui.demo.controllers.launcher import claims_of
from kvtui.demo.durations import seconds_of
from kvtui.demo.objects import add_finalizer, deleting, has_condition, owner_reference, remove_finalizer
from kvtui.demo.storage import Change, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

FINALIZER = "snapshot.kubevirt.io/vmsnapshot-protection"
CONTENT_FINALIZER = "snapshot.kubevirt.io/vmsnapshotcontent-protection"
_LOCK = "snapshot.kubevirt.io/snapshot-source-protection"
_DEADLINE = 300.0
_RETRY = 5.0
_FREEZES, _COPIES = 2.0, 4.0
"""Virtual seconds until the driver has cut the volumes, and until it has made them usable."""
_INDICATIONS = {
    "Online": "Snapshot taken while the VM was running. Consistency depends on guest-agent quiescing.",
    "GuestAgent": "Guest agent was active and attempted to quiesce the filesystem for application consistency.",
    "NoGuestAgent": "Guest agent was not available. Snapshot is crash-consistent and may not be "
    "application-consistent.",
    "Paused": "Snapshot taken while the VM was paused. Snapshot is crash-consistent and may not be "
    "application-consistent.",
    "PartialSnapshot": "Not all snapshotable volumes were included in the snapshot. Check status.snapshotVolumes for "
    "excluded volumes and VM VolumeSnapshotStatus for details.",
}
_Write = Callable[[Object, str], None]
"""Changes a snapshot; it gets the moment as RFC 3339 too."""


class Snapshots(CopyController):
    """Takes snapshots of machines, and deletes them."""

    component = "virt-controller"
    kind = kinds.SNAPSHOT
    kinds = (kinds.SNAPSHOT, kinds.VM)
    source = "snapshot-controller"
    latency = 0.2

    def keys_for(self, change: Change) -> Iterable[Key]:
        """A machine that changes may be one that a snapshot waits for."""
        if change.kind is kinds.SNAPSHOT:
            return ((change.namespace, change.name),)
        return self._waiting(change.namespace, change.name)

    def _waiting(self, namespace: str, machine: str) -> list[Key]:
        rows = self.storage.raw_list(kinds.SNAPSHOT, namespace)
        found = (self.storage.peek(kinds.SNAPSHOT, namespace, row.name) for row in rows)
        return [
            (namespace, snapshot["metadata"]["name"])
            for snapshot in found
            if snapshot and snapshot["spec"]["source"]["name"] == machine and _is_open(snapshot)
        ]

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one snapshot a step on."""
        snapshot = self.storage.find(kinds.SNAPSHOT, namespace, name)
        if snapshot is None:
            return
        vm = self.storage.find(kinds.VM, namespace, snapshot["spec"]["source"]["name"])
        if deleting(snapshot):
            self._end(snapshot, vm)
            return
        if FINALIZER not in snapshot["metadata"].get("finalizers", ()):
            self.storage.modify(kinds.SNAPSHOT, namespace, name, lambda found: add_finalizer(found, FINALIZER))
            return
        if not _is_open(snapshot):
            return
        if self._left(snapshot) <= 0:
            self._fail(snapshot, vm)
            return
        self.enqueue((namespace, name), min(_RETRY, self._left(snapshot)))
        if vm is None or not self._lock(snapshot, vm):
            words = "Source does not exist" if vm is None else "Source not locked"
            self._write(snapshot, vm, lambda found, now: state(found, "Progressing", "False", now, words))
            return
        content = content_of(self.world, snapshot) or self._make_content(snapshot, vm)
        self._advance(snapshot, vm, content)

    # The machine

    def _lock(self, snapshot: Object, vm: Object) -> bool:
        name, held = snapshot["metadata"]["name"], vm.get("status", {})
        if held.get("restoreInProgress") or held.get("snapshotInProgress", name) != name:
            return False
        if not held.get("snapshotInProgress"):
            meta = vm["metadata"]

            def lock(found: Object) -> None:
                found.setdefault("status", {})["snapshotInProgress"] = name
                add_finalizer(found, _LOCK)

            self.storage.modify(kinds.VM, meta["namespace"], meta["name"], lock)
        return True

    def _unlock(self, snapshot: Object) -> None:
        meta = snapshot["metadata"]

        def unlock(found: Object) -> None:
            if found.get("status", {}).get("snapshotInProgress") == meta["name"]:
                del found["status"]["snapshotInProgress"]
                remove_finalizer(found, _LOCK)

        self.storage.modify(kinds.VM, meta["namespace"], snapshot["spec"]["source"]["name"], unlock)
        self._freeze(snapshot, frozen=False)

    def _freeze(self, snapshot: Object, *, frozen: bool) -> None:
        def write(vmi: Object) -> None:
            if frozen:
                vmi["status"]["fsFreezeStatus"] = "frozen"
            else:
                vmi["status"].pop("fsFreezeStatus", None)

        self.storage.modify(kinds.VMI, snapshot["metadata"]["namespace"], snapshot["spec"]["source"]["name"], write)

    # The content

    def _make_content(self, snapshot: Object, vm: Object) -> Object:
        meta = snapshot["metadata"]
        backups = []
        for volume, claim in claims_of(vm["spec"]["template"]):
            found = self.storage.find(kinds.PVC, meta["namespace"], claim)
            if found is not None and can_copy(self.world, found):
                backups.append(backup_of(snapshot, volume, found))
        content = self.storage.create(
            kinds.SNAPSHOT_CONTENT,
            {
                "metadata": {
                    "name": content_name(snapshot),
                    "namespace": meta["namespace"],
                    "finalizers": [CONTENT_FINALIZER],
                },
                "spec": {
                    "source": {"virtualMachine": past_of(vm)},
                    "virtualMachineSnapshotName": meta["name"],
                    "volumeBackups": backups,
                },
            },
        )
        vmi = self._instance(vm)
        if (
            vmi is not None
            and has_condition(vmi, "AgentConnected", "True")
            and not has_condition(vmi, "Paused", "True")
        ):
            self._freeze(snapshot, frozen=True)
        for backup in backups:
            self._make_volume_snapshot(content, backup)
        told = f"Successfully created VirtualMachineSnapshotContent {content['metadata']['name']}"
        self.tell(snapshot, "SuccessfulVirtualMachineSnapshotContentCreate", told)
        return content

    def _make_volume_snapshot(self, content: Object, backup: Object) -> None:
        namespace = content["metadata"]["namespace"]
        claim = backup["persistentVolumeClaim"]
        storage_class = claim["spec"].get("storageClassName", "")
        fresh: Object = {
            "metadata": {
                "name": backup["volumeSnapshotName"],
                "namespace": namespace,
                "ownerReferences": [owner_reference(content)],
            },
            "spec": {
                "source": {"persistentVolumeClaimName": claim["metadata"]["name"]},
                "volumeSnapshotClassName": snapshot_class(self.world, storage_class),
            },
        }
        trouble = self.world.outside.failing_snapshots.get((namespace, claim["metadata"]["name"]))
        if trouble:
            fresh["status"] = {"readyToUse": False, "error": {"time": self.clock.stamp(), "message": trouble}}
        self.storage.create(kinds.VOLUME_SNAPSHOT, fresh)

    def _advance(self, snapshot: Object, vm: Object, content: Object) -> None:
        meta = snapshot["metadata"]
        key = (meta["namespace"], meta["name"])
        error = self._error(content)
        cut = not error and self.elapsed(key, meta["uid"], "cut", _FREEZES)
        ready = cut and self.elapsed(key, meta["uid"], "copy", _COPIES)
        now = self.clock.stamp()
        if cut:
            self._write_content(content, ready=ready, now=now)
        if cut and not content.get("status", {}).get("creationTime"):
            self._freeze(snapshot, frozen=False)

        def write(found: Object, moment: str) -> None:
            status = found["status"]
            status["virtualMachineSnapshotContentName"] = content["metadata"]["name"]
            status["readyToUse"] = ready
            if cut:
                status.setdefault("creationTime", moment)
                status.pop("error", None)
            if error:
                status.setdefault("error", {"time": moment, "message": error})
            if ready:
                status["phase"] = "Succeeded"
                list_volumes(found, content)
                state(found, "Progressing", "False", moment, "Operation complete")
            elif error:
                state(found, "Progressing", "False", moment, "In error state")
            else:
                state(found, "Progressing", "True", moment, "Source locked and operation in progress")

        self._write(snapshot, vm, write)
        if ready:
            self._unlock(snapshot)
            self.forget(meta["uid"])

    def _error(self, content: Object) -> str:
        for backup in content["spec"]["volumeBackups"]:
            name = backup["volumeSnapshotName"]
            found = self.storage.find(kinds.VOLUME_SNAPSHOT, content["metadata"]["namespace"], name)
            if found is not None and found.get("status", {}).get("error"):
                return f"VolumeSnapshot {name} error: {found['status']['error']['message']}"
        return ""

    def _write_content(self, content: Object, *, ready: bool, now: str) -> None:
        namespace, backups = content["metadata"]["namespace"], content["spec"]["volumeBackups"]

        def cut(found: Object) -> None:
            status = found.setdefault("status", {})
            status.setdefault("creationTime", now)
            status["readyToUse"] = ready
            status["volumeSnapshotStatus"] = [
                {
                    "creationTime": status["creationTime"],
                    "readyToUse": ready,
                    "volumeSnapshotName": backup["volumeSnapshotName"],
                }
                for backup in backups
            ]

        self.storage.modify(kinds.SNAPSHOT_CONTENT, namespace, content["metadata"]["name"], cut)
        for backup in backups:
            size = backup["persistentVolumeClaim"]["spec"]["resources"]["requests"]["storage"]
            told = {"creationTime": now, "restoreSize": size}

            def finish(found: Object, told: Object = told) -> None:
                found["status"] = {**told, **found.get("status", {}), "readyToUse": ready}

            self.storage.modify(kinds.VOLUME_SNAPSHOT, namespace, backup["volumeSnapshotName"], finish)

    # Ends

    def _left(self, snapshot: Object) -> float:
        """Seconds until its deadline."""
        given = snapshot["spec"].get("failureDeadline")
        limit = _DEADLINE if given is None else seconds_of(given)
        if not limit:
            return float("inf")
        begun = datetime.fromisoformat(snapshot["metadata"]["creationTimestamp"])
        return limit - (self.clock.now - begun).total_seconds()

    def _fail(self, snapshot: Object, vm: Object | None) -> None:
        def write(found: Object, now: str) -> None:
            found["status"] |= {"phase": "Failed", "readyToUse": False}
            state(found, "Failure", "True", now, "snapshot deadline exceeded")
            words = "In error state" if found["status"].get("error") else "Operation failed"
            state(found, "Progressing", "False", now, words)

        self._write(snapshot, vm, write)
        self._drop_content(snapshot)
        self._unlock(snapshot)

    def _end(self, snapshot: Object, vm: Object | None) -> None:
        meta = snapshot["metadata"]
        if vm is not None:
            self._unlock(snapshot)
        if snapshot["spec"].get("deletionPolicy", "Delete") == "Delete":
            self._drop_content(snapshot)
        self.storage.modify(
            kinds.SNAPSHOT, meta["namespace"], meta["name"], lambda found: remove_finalizer(found, FINALIZER)
        )
        self.forget(meta["uid"])

    def _drop_content(self, snapshot: Object) -> None:
        content = content_of(self.world, snapshot)
        if content is not None:
            meta = content["metadata"]
            self.storage.modify(
                kinds.SNAPSHOT_CONTENT,
                meta["namespace"],
                meta["name"],
                lambda found: remove_finalizer(found, CONTENT_FINALIZER),
            )
            self.remove(kinds.SNAPSHOT_CONTENT, meta["namespace"], meta["name"])

    # Status

    def _instance(self, vm: Object) -> Object | None:
        meta = vm["metadata"]
        vmi = self.storage.find(kinds.VMI, meta["namespace"], meta["name"])
        return vmi if vmi is not None and vmi.get("status", {}).get("phase") == "Running" else None

    def _write(self, snapshot: Object, vm: Object | None, change: _Write) -> None:
        meta, now = snapshot["metadata"], self.clock.stamp()
        vmi = self._instance(vm) if vm is not None else None

        def write(found: Object) -> None:
            status = found.setdefault("status", {})
            status.setdefault("phase", "InProgress")
            status.setdefault("readyToUse", False)
            if vm is not None:
                status["sourceUID"] = vm["metadata"]["uid"]
            if vmi is not None and not status.get("creationTime"):
                _indicate(status, vmi)
            change(found, now)
            ready = status["readyToUse"]
            state(found, "Ready", "True" if ready else "False", now, "Ready" if ready else "Not ready")

        self.storage.modify(kinds.SNAPSHOT, meta["namespace"], meta["name"], write)


def _is_open(snapshot: Object) -> bool:
    return snapshot.get("status", {}).get("phase", "") not in ("Succeeded", "Failed")


def _indicate(status: Object, vmi: Object) -> None:
    """How far the guest was at rest."""
    if has_condition(vmi, "Paused", "True"):
        status |= indications("Online", "Paused")
    elif has_condition(vmi, "AgentConnected", "True"):
        status |= indications("GuestAgent", "Online")
    else:
        status |= indications("NoGuestAgent", "Online")


def indications(*names: str) -> Object:
    """The part of a snapshot's status that tells how far the guest was at rest."""
    told = [{"indication": name, "message": _INDICATIONS[name]} for name in names]
    return {"indications": list(names), "sourceIndications": told}


def can_copy(world: World, claim: Object) -> bool:
    """Whether a claim can be snapshotted: it is bound, and its class has a VolumeSnapshotClass."""
    bound = claim.get("status", {}).get("phase") == "Bound"
    return bound and bool(snapshot_class(world, claim["spec"].get("storageClassName", "")))


def list_volumes(snapshot: Object, content: Object) -> None:
    """Write down which volumes of the machine are in it, and which are not."""
    vm = content["spec"]["source"]["virtualMachine"]
    inside = {backup["volumeName"] for backup in content["spec"]["volumeBackups"]}
    names = [volume["name"] for volume in vm["spec"]["template"]["spec"].get("volumes", ())]
    left_out = [name for name in names if name not in inside]
    status = snapshot["status"]
    status["snapshotVolumes"] = {
        key: found
        for key, found in (
            ("includedVolumes", [name for name in names if name in inside]),
            ("excludedVolumes", left_out),
        )
        if found
    }
    fitting = {item["name"] for item in vm.get("status", {}).get("volumeSnapshotStatuses", ()) if item["enabled"]}
    if fitting.intersection(left_out):
        for key, told in indications("PartialSnapshot").items():
            status.setdefault(key, []).extend(told)


def backup_of(snapshot: Object, volume: str, claim: Object) -> Object:
    """How a content names the copy of a volume, and what its claim was like."""
    meta = claim["metadata"]
    return {
        "volumeName": volume,
        "volumeSnapshotName": f"vmsnapshot-{snapshot['metadata']['uid']}-volume-{volume}",
        "persistentVolumeClaim": {
            "metadata": {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta},
            "spec": claim["spec"],
        },
    }


def past_of(vm: Object) -> Object:
    """The machine as it was, as a content keeps it."""
    meta = vm["metadata"]
    kept = ("name", "namespace", "labels", "annotations", "uid", "generation")
    return {
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": vm["spec"],
        "status": {"volumeSnapshotStatuses": vm.get("status", {}).get("volumeSnapshotStatuses", [])},
    }
