"""virt-controller's loop for VirtualMachineRestores: new claims from the snapshot, then the machine is pointed at them.

Source: KubeVirt ``pkg/storage/snapshot/restore.go``. The target must not run: by ``targetReadinessPolicy`` a restore
stops it, fails, or waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from kvtui.demo import kinds, lifecycle
from kvtui.demo.catalog.virtualmachines import default_machine
from kvtui.demo.controllers.base import Key
from kvtui.demo.controllers.copying import CONTENT_TYPE, CopyController, claim_from, content_of, is_ready, state
from kvtui.demo.controllers.datavolume import POPULATED_FOR
from kvtui.demo.managers import written_by
from kvtui.demo.metadata import StorageError
from kvtui.demo.objects import add_finalizer, copy_of, deleting, has_condition, owner_reference, remove_finalizer
from kvtui.demo.seed import new_uid
from kvtui.demo.storage import Change, Object

FINALIZER = "snapshot.kubevirt.io/vmrestore-protection"
_LAST = "restore.kubevirt.io/lastRestoreUID"
_GRACE = 300.0
_RETRY = 5.0
_EXISTING = "restore source and restore target are different but restore target already exists"
_Change = Callable[[Object, str], None]


class RestoreError(Exception):
    """What is wrong with a restore, in the controller's words."""


class Restores(CopyController):
    """Takes machines back to snapshots, or makes new ones of them."""

    component = "virt-controller"
    kind = kinds.RESTORE
    kinds = (kinds.RESTORE, kinds.VMI, kinds.PVC)
    source = "restore-controller"
    latency = 0.25

    def keys_for(self, change: Change) -> Iterable[Key]:
        """A restore waits for an instance to end, and for claims to be bound."""
        if change.kind is kinds.RESTORE:
            return ((change.namespace, change.name),)
        if change.kind is kinds.VMI and change.type != "DELETED":
            return ()
        return self.all_in(change.namespace)

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one restore a step on."""
        restore = self.storage.find(kinds.RESTORE, namespace, name)
        if restore is None:
            return
        vm = self.storage.find(kinds.VM, namespace, restore["spec"]["target"]["name"])
        if deleting(restore):
            self._release(restore, vm)
            self.storage.modify(kinds.RESTORE, namespace, name, lambda found: remove_finalizer(found, FINALIZER))
            self.forget(restore["metadata"]["uid"])
            return
        if "status" not in restore:
            self._begin(restore, vm)
            return
        if is_over(restore):
            return
        try:
            self._advance(restore, vm)
        except RestoreError as error:
            self._err(restore, str(error))
            self.enqueue((namespace, name), _RETRY)

    def _begin(self, restore: Object, vm: Object | None) -> None:
        def write(found: Object, now: str) -> None:
            found["status"] = {"complete": False}
            add_finalizer(found, FINALIZER)
            if vm is not None:
                found["metadata"].setdefault("ownerReferences", [owner_reference(vm)])
            words = "Initializing VirtualMachineRestore"
            state(found, "Progressing", "True", now, words)
            state(found, "Ready", "False", now, words)

        self._write(restore, write)

    def _advance(self, restore: Object, vm: Object | None) -> None:
        meta, spec = restore["metadata"], restore["spec"]
        namespace = meta["namespace"]
        if vm is not None and self.storage.find(kinds.VMI, namespace, vm["metadata"]["name"]) is not None:
            self._wait(restore, vm)
            return
        snapshot = self.storage.find(kinds.SNAPSHOT, namespace, spec["virtualMachineSnapshotName"])
        if snapshot is None:
            raise RestoreError(f"VMSnapshot {namespace}/{spec['virtualMachineSnapshotName']} does not exist")
        content = content_of(self.world, snapshot)
        if not is_ready(snapshot) or content is None:
            raise RestoreError(f"VMSnapshot {namespace}/{spec['virtualMachineSnapshotName']} not ready")
        restored = vm is not None and vm["metadata"].get("annotations", {}).get(_LAST) == _mark(restore)
        if vm is not None and not restored:
            if vm["metadata"]["uid"] != snapshot["status"].get("sourceUID"):
                raise RestoreError(_EXISTING)
            self._hold(restore, vm)
        if not self._claims_are_bound(restore, content):
            return
        if not restored:
            self._restore_machine(restore, vm, content["spec"]["source"]["virtualMachine"])
            return
        self._finish(restore, vm)

    # The target

    def _wait(self, restore: Object, vm: Object) -> None:
        """The target still runs."""
        meta = restore["metadata"]
        policy = restore["spec"].get("targetReadinessPolicy", "WaitGracePeriod")
        begun = datetime.fromisoformat(meta["creationTimestamp"])
        left = _GRACE - (self.clock.now - begun).total_seconds()
        failure = ""
        if policy == "FailImmediate":
            failure = "Restore target not ready"
        elif policy == "WaitGracePeriod" and left <= 0:
            failure = "Restore target failed to be ready within 5m0s"
        if not has_condition(restore, "Progressing", "False", "Waiting for target to be ready"):
            self.tell(restore, "RestoreTargetNotReady", "Restore target VMI still exists")

        def write(found: Object, now: str) -> None:
            words = "Operation failed" if failure else "Waiting for target to be ready"
            state(found, "Progressing", "False", now, words)
            state(found, "Ready", "False", now, words)
            if failure:
                state(found, "Failure", "True", now, failure)

        self._write(restore, write)
        if policy == "StopTarget":
            try:
                lifecycle.stop(self.world, meta["namespace"], vm["metadata"]["name"], {})
            except StorageError as error:
                # It is being stopped already.
                if error.code != 409:
                    raise
        elif not failure and policy == "WaitGracePeriod":
            self.enqueue((meta["namespace"], meta["name"]), max(left, 0.0) + 0.1)

    def _hold(self, restore: Object, vm: Object) -> None:
        name = restore["metadata"]["name"]
        other = vm.get("status", {}).get("restoreInProgress", name)
        if other != name:
            raise RestoreError(f"vm restore {other} in progress")
        meta = vm["metadata"]

        def hold(found: Object) -> None:
            found.setdefault("status", {})["restoreInProgress"] = name

        self.storage.modify(kinds.VM, meta["namespace"], meta["name"], hold)

    def _release(self, restore: Object, vm: Object | None) -> None:
        def release(found: Object) -> None:
            status = found.get("status", {})
            if status.get("restoreInProgress") == restore["metadata"]["name"]:
                del status["restoreInProgress"]
                status.pop("memoryDumpRequest", None)

        if vm is not None:
            meta = vm["metadata"]
            self.storage.modify(kinds.VM, meta["namespace"], meta["name"], release)

    # Its claims

    def _claims_are_bound(self, restore: Object, content: Object) -> bool:
        meta = restore["metadata"]
        backups = content["spec"]["volumeBackups"]
        past = content["spec"]["source"]["virtualMachine"]
        volumes = {volume["name"]: volume for volume in past["spec"]["template"]["spec"]["volumes"]}
        claims = [
            self.storage.find(kinds.PVC, meta["namespace"], claim_name(restore, backup["volumeName"]))
            for backup in backups
        ]
        if all(claim is not None and claim.get("status", {}).get("phase") == "Bound" for claim in claims):
            return True
        for backup, claim in zip(backups, claims, strict=True):
            if claim is not None:
                continue
            name = claim_name(restore, backup["volumeName"])
            fresh = claim_from(backup, name, meta["namespace"], restore)
            if "dataVolume" in volumes[backup["volumeName"]]:
                fresh["metadata"]["annotations"] |= {POPULATED_FOR: name, CONTENT_TYPE: "kubevirt"}
            self.storage.create(kinds.PVC, fresh)

        def write(found: Object, now: str) -> None:
            found["status"]["restores"] = [
                {
                    "volumeName": backup["volumeName"],
                    "persistentVolumeClaim": claim_name(restore, backup["volumeName"]),
                    "volumeSnapshotName": backup["volumeSnapshotName"],
                    **(
                        {"dataVolumeName": claim_name(restore, backup["volumeName"])}
                        if "dataVolume" in volumes[backup["volumeName"]]
                        else {}
                    ),
                }
                for backup in backups
            ]
            state(found, "Progressing", "True", now, "Creating new PVCs")
            state(found, "Ready", "False", now, "Waiting for new PVCs")

        self._write(restore, write)
        return False

    # Its machine

    def _restore_machine(self, restore: Object, vm: Object | None, past: Object) -> None:
        meta = restore["metadata"]
        spec = _restored_spec(restore, past)
        if vm is None:
            self._make_machine(restore, past, spec)
        else:
            old = {name for _, name in _data_volumes(vm)} - {name for _, name in _data_volumes({"spec": spec})}
            spec["runStrategy"] = vm["spec"].get("runStrategy", "Halted")
            spec.pop("running", None)

            def put(found: Object) -> None:
                found["spec"] = spec
                found["metadata"].setdefault("annotations", {})[_LAST] = _mark(restore)

            write_back = written_by(kinds.VM, self.component, self.clock.stamp(), put)
            self.storage.modify(kinds.VM, meta["namespace"], vm["metadata"]["name"], write_back)
            self._write(restore, lambda found, _now: found["status"].__setitem__("deletedDataVolumes", sorted(old)))
            for name in sorted(old):
                self.remove(kinds.DATA_VOLUME, meta["namespace"], name)

        def write(found: Object, now: str) -> None:
            state(found, "Progressing", "True", now, "Updating target spec")
            state(found, "Ready", "False", now, "Waiting for target update")

        self._write(restore, write)
        self.enqueue((meta["namespace"], meta["name"]), 1.0)

    def _make_machine(self, restore: Object, past: Object, spec: Object) -> None:
        meta = restore["metadata"]
        kept = past["metadata"]
        vm: Object = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {
                "name": restore["spec"]["target"]["name"],
                "namespace": meta["namespace"],
                "labels": kept.get("labels", {}),
                "annotations": {**kept.get("annotations", {}), _LAST: _mark(restore)},
            },
            "spec": {**spec, "runStrategy": "Halted"},
        }
        vm["spec"].pop("running", None)
        for text in restore["spec"].get("patches", ()):
            _patch(vm, msgspec.json.decode(text))
        default_machine(vm, new_uid(self.world), new_uid(self.world))
        self.storage.create(kinds.VM, vm)

    def _finish(self, restore: Object, vm: Object | None) -> None:
        """The new DataVolumes adopt their claims, and the machine is let go."""
        if vm is not None:
            for item in restore["status"].get("restores", ()):
                self.storage.modify(
                    kinds.PVC, vm["metadata"]["namespace"], item["persistentVolumeClaim"], _let_go(restore, vm)
                )
        self._release(restore, vm)

        def write(found: Object, now: str) -> None:
            found["status"] |= {"complete": True, "restoreTime": now}
            if vm is not None:
                found["metadata"].setdefault("ownerReferences", [owner_reference(vm)])
            state(found, "Progressing", "False", now, "Operation complete")
            state(found, "Ready", "True", now, "Operation complete")

        self._write(restore, write)
        told = f"Successfully completed VirtualMachineRestore {restore['metadata']['name']}"
        self.tell(restore, "VirtualMachineRestoreComplete", told)

    # Status

    def _err(self, restore: Object, words: str) -> None:
        def write(found: Object, now: str) -> None:
            state(found, "Progressing", "False", now, words)
            state(found, "Ready", "False", now, words)

        told = f"VirtualMachineRestore encountered error {words}"
        self.tell(restore, "VirtualMachineRestoreError", told, warning=True)
        self._write(restore, write)

    def _write(self, restore: Object, change: _Change) -> None:
        meta, now = restore["metadata"], self.clock.stamp()
        self.storage.modify(kinds.RESTORE, meta["namespace"], meta["name"], lambda found: change(found, now))


def is_over(restore: Object) -> bool:
    """Whether a restore is complete or has failed."""
    status = restore.get("status", {})
    return bool(status.get("complete")) or any(item["type"] == "Failure" for item in status.get("conditions", ()))


def claim_name(restore: Object, volume: str) -> str:
    """The claim that a restore makes for a volume."""
    return f"restore-{restore['metadata']['uid']}-{volume}"


def _mark(restore: Object) -> str:
    meta = restore["metadata"]
    return f"{meta['name']}-{meta['uid']}"


def _data_volumes(vm: Object) -> list[tuple[str, str]]:
    volumes = vm["spec"]["template"]["spec"].get("volumes", ())
    return [(item["name"], item["dataVolume"]["name"]) for item in volumes if "dataVolume" in item]


def _restored_spec(restore: Object, past: Object) -> Object:
    """The spec of the past, on the new claims, without a volume for memory dumps."""
    spec: Object = copy_of(past["spec"])
    inside = {item["volumeName"] for item in restore["status"].get("restores", ())}
    templates = {item["metadata"]["name"]: item for item in spec.get("dataVolumeTemplates", ())}
    volumes = []
    for volume in spec["template"]["spec"].get("volumes", ()):
        if "memoryDump" in volume:
            continue
        volumes.append(volume)
        if volume["name"] not in inside:
            continue
        name = claim_name(restore, volume["name"])
        template = templates.get(volume["dataVolume"]["name"]) if "dataVolume" in volume else None
        if template is not None:
            template["metadata"]["name"] = volume["dataVolume"]["name"] = name
        else:
            volume.pop("dataVolume", None)
            volume["persistentVolumeClaim"] = {"claimName": name}
    spec["template"]["spec"]["volumes"] = volumes
    return spec


def _let_go(restore: Object, vm: Object) -> Callable[[Object], None]:
    """A claim outlives its restore: it belongs to the machine from now on."""
    uid = restore["metadata"]["uid"]

    def change(claim: Object) -> None:
        owners = [item for item in claim["metadata"].get("ownerReferences", ()) if item["uid"] != uid]
        claim["metadata"]["ownerReferences"] = owners or [owner_reference(vm)]

    return change


def _patch(obj: Object, patch: Any) -> None:
    """One operation of a JSON patch (RFC 6902): add, replace and remove are what clones ask for."""
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in patch["path"].split("/")[1:]]
    place: Any = obj
    for part in path:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if patch["op"] == "remove":
        if isinstance(place, list):
            del place[int(last)]
        else:
            place.pop(last, None)
    elif isinstance(place, list):
        place[int(last)] = patch["value"]
    else:
        place[last] = patch["value"]
