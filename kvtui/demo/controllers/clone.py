"""virt-controller's loop for VirtualMachineClones: a snapshot of the source, a restore into the target, both removed.

Source: KubeVirt ``pkg/virt-controller/watch/clone/clone.go``, ``util.go`` and ``vm-target.go``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Key
from kvtui.demo.controllers.copying import CopyController, content_of, is_ready, state
from kvtui.demo.controllers.restore import is_over
from kvtui.demo.objects import condition, deleting, owner_reference
from kvtui.demo.storage import Change, Object

_API = "kubevirt.io"


class CloneError(Exception):
    """Why a clone has failed: the reason of its event, and the controller's words."""

    def __init__(self, event: str, words: str) -> None:
        super().__init__(words)
        self.event = event


class Clones(CopyController):
    """Makes machines of others, or of their snapshots."""

    component = "virt-controller"
    kind = kinds.CLONE
    kinds = (kinds.CLONE, kinds.SNAPSHOT, kinds.RESTORE, kinds.VM)
    source = "clone-controller"
    latency = 0.3

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Clones wait for their snapshots and restores, and for machines that may go or come."""
        if change.kind is kinds.CLONE:
            return ((change.namespace, change.name),)
        if change.kind is kinds.VM and change.type == "MODIFIED":
            return ()
        return self.all_in(change.namespace)

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one clone a step on."""
        clone = self.storage.find(kinds.CLONE, namespace, name)
        if clone is None or deleting(clone):
            return
        phase = clone.get("status", {}).get("phase", "")
        if phase == "Succeeded":
            # A clone whose target is gone is of no use any more.
            if self.storage.find(kinds.VM, namespace, _target(clone)) is None:
                self.remove(kinds.CLONE, namespace, name)
            return
        if phase == "Failed":
            return
        try:
            self._advance(clone, phase)
        except CloneError as error:
            self.tell(clone, error.event, str(error))

            def write(found: Object, now: str, words: str = str(error)) -> None:
                found.setdefault("status", {})["phase"] = "Failed"
                state(found, "Progressing", "False", now, "Failed", words)
                state(found, "Ready", "False", now, "Failed", words)

            self._write(clone, write)

    def _advance(self, clone: Object, phase: str) -> None:
        match phase:
            case "":
                self._begin(clone)
            case "SnapshotInProgress":
                self._await_snapshot(clone)
            case "RestoreInProgress":
                self._await_restore(clone)
            case "CreatingTargetVM":
                self._clean_up(clone)

    def _begin(self, clone: Object) -> None:
        namespace, source = clone["metadata"]["namespace"], clone["spec"]["source"]
        name = source["name"]
        if source["kind"] == "VirtualMachine":
            vm = self.storage.find(kinds.VM, namespace, name)
            if vm is None:
                words = f"Source VM {name} does not exist in namespace {namespace}"
                raise CloneError("SourceDoesNotExist", words)
            self._check_volumes(vm)
            name = f"tmp-snapshot-{clone['metadata']['uid']}"
            self.storage.create(
                kinds.SNAPSHOT,
                {
                    "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner_reference(clone)]},
                    "spec": {"source": {"apiGroup": _API, "kind": "VirtualMachine", "name": source["name"]}},
                },
            )
            self.tell(clone, "SnapshotCreated", f"created snapshot {name} for clone {clone['metadata']['name']}")
        elif self.storage.find(kinds.SNAPSHOT, namespace, name) is None:
            raise CloneError("SourceDoesNotExist", f"Source VMSnapshot {name} does not exist in namespace {namespace}")

        def write(found: Object, now: str) -> None:
            found.setdefault("status", {}).update({"phase": "SnapshotInProgress", "snapshotName": name})
            _processing(found, now)

        self._write(clone, write)

    def _check_volumes(self, vm: Object) -> None:
        """Every disk on a claim must be one that can be snapshotted."""
        fitting = {item["name"] for item in vm.get("status", {}).get("volumeSnapshotStatuses", ()) if item["enabled"]}
        for volume in vm["spec"]["template"]["spec"].get("volumes", ()):
            on_claim = "persistentVolumeClaim" in volume or "dataVolume" in volume
            if on_claim and volume["name"] not in fitting:
                words = f"Virtual Machine volume {volume['name']} does not support snapshots"
                raise CloneError("VMVolumeSnapshotsInvalid", words)

    def _await_snapshot(self, clone: Object) -> None:
        meta = clone["metadata"]
        name = clone["status"]["snapshotName"]
        snapshot = self.storage.find(kinds.SNAPSHOT, meta["namespace"], name)
        if snapshot is None:
            raise CloneError("SnapshotDeleted", f"snapshot {name} does not exist anymore")
        if not is_ready(snapshot):
            return
        self.tell(clone, "SnapshotReady", f"snapshot {name} for clone {meta['name']} is ready to use")
        content = content_of(self.world, snapshot)
        if content is None:
            raise CloneError("SnapshotContentInvalid", f"snapshot content of {name} does not exist")
        restore = f"tmp-restore-{meta['uid']}"
        past = content["spec"]["source"]["virtualMachine"]
        self.storage.create(
            kinds.RESTORE,
            {
                "metadata": {
                    "name": restore,
                    "namespace": meta["namespace"],
                    "ownerReferences": [owner_reference(clone)],
                },
                "spec": {
                    "target": {"apiGroup": _API, "kind": "VirtualMachine", "name": _target(clone)},
                    "virtualMachineSnapshotName": name,
                    "patches": [json.dumps(patch) for patch in _patches(past, clone["spec"])],
                },
            },
        )
        self.tell(clone, "RestoreCreated", f"created restore {restore} for clone {meta['name']}")

        def write(found: Object, now: str) -> None:
            found["status"] |= {"phase": "RestoreInProgress", "restoreName": restore}
            _processing(found, now)

        self._write(clone, write)

    def _await_restore(self, clone: Object) -> None:
        meta = clone["metadata"]
        name = clone["status"]["restoreName"]
        restore = self.storage.find(kinds.RESTORE, meta["namespace"], name)
        if restore is None or not is_over(restore):
            return
        failure = condition(restore, "Failure")
        if failure is not None:
            raise CloneError("RestoreCreated", failure["reason"])
        self.tell(clone, "RestoreReady", f"restore {name} for clone {meta['name']} is ready to use")

        def write(found: Object, now: str) -> None:
            found["status"] |= {"phase": "CreatingTargetVM", "targetName": restore["spec"]["target"]["name"]}
            _processing(found, now)

        self._write(clone, write)

    def _clean_up(self, clone: Object) -> None:
        meta, status = clone["metadata"], clone["status"]
        if self.storage.find(kinds.VM, meta["namespace"], _target(clone)) is None:
            return
        self.tell(clone, "TargetVMCreated", f"created target VM {_target(clone)} for clone {meta['name']}")
        self.remove(kinds.RESTORE, meta["namespace"], status["restoreName"])
        if clone["spec"]["source"]["kind"] == "VirtualMachine":
            self.remove(kinds.SNAPSHOT, meta["namespace"], status["snapshotName"])

        def write(found: Object, now: str) -> None:
            found["status"] |= {"phase": "Succeeded", "creationTime": now}
            for name in ("snapshotName", "restoreName"):
                found["status"].pop(name, None)
            state(found, "Progressing", "False", now, "Ready")
            state(found, "Ready", "True", now, "Ready")

        self._write(clone, write)

    def _write(self, clone: Object, change: Callable[[Object, str], None]) -> None:
        meta, now = clone["metadata"], self.clock.stamp()
        self.storage.modify(kinds.CLONE, meta["namespace"], meta["name"], lambda found: change(found, now))


def _processing(clone: Object, now: str) -> None:
    state(clone, "Progressing", "True", now, "Still processing")
    state(clone, "Ready", "False", now, "Still processing")


def _target(clone: Object) -> str:
    name: str = clone["spec"]["target"]["name"]
    return name


def _patches(past: Object, spec: Object) -> list[Object]:
    """What the target has otherwise than its source: addresses, serial, UUID, labels and annotations."""
    found: list[Object] = []
    domain = past["spec"]["template"]["spec"]["domain"]
    macs = spec.get("newMacAddresses") or {}
    for at, interface in enumerate(domain.get("devices", {}).get("interfaces", ())):
        path = f"/spec/template/spec/domain/devices/interfaces/{at}/macAddress"
        mac = macs.get(interface["name"], "")
        if mac or "macAddress" in interface:
            found.append({"op": "replace", "path": path, "value": mac})
    firmware = domain.get("firmware", {})
    serial = spec.get("newSMBiosSerial", "")
    if serial or "serial" in firmware:
        path = "/spec/template/spec/domain/firmware/serial"
        found.append({"op": "replace", "path": path, "value": serial} if serial else {"op": "remove", "path": path})
    if "uuid" in firmware:
        found.append({"op": "remove", "path": "/spec/template/spec/domain/firmware/uuid"})
    for part in ("label", "annotation"):
        found += _left_out(past["metadata"], "/metadata", part, spec.get(f"{part}Filters"))
        filters = (spec.get("template") or {}).get(f"{part}Filters")
        template = past["spec"]["template"].get("metadata", {})
        found += _left_out(template, "/spec/template/metadata", part, filters)
    return found + [{"op": patch["op"], **patch} for patch in map(json.loads, spec.get("patches") or ())]


def _left_out(metadata: Object, place: str, part: str, filters: list[str] | None) -> list[Object]:
    """The removal of what the filters do not let pass; none at all lets everything pass."""
    if filters is None:
        return []
    keys = metadata.get(f"{part}s", {})
    kept = {key for key in keys if _passes(key, filters)}
    return [
        {"op": "remove", "path": f"{place}/{part}s/{key.replace('~', '~0').replace('/', '~1')}"}
        for key in keys
        if key not in kept
    ]


def _passes(key: str, filters: list[str]) -> bool:
    wanted = [text for text in filters if not text.startswith("!")]
    barred = [text[1:] for text in filters if text.startswith("!")]
    return any(_matches(key, text) for text in wanted) and not any(_matches(key, text) for text in barred)


def _matches(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern
