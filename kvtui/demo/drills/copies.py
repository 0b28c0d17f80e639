"""Snapshots, restores, clones and exports that somebody made before, some of which came to nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers import snapshot as snapshots
from kvtui.demo.controllers.copying import content_name, state
from kvtui.demo.controllers.launcher import claims_of
from kvtui.demo.controllers.restore import FINALIZER as RESTORE_FINALIZER
from kvtui.demo.drills.making import create
from kvtui.demo.objects import owner_reference
from kvtui.demo.seed import DAY
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_HOUR = 3600.0
_LATE = 600.0
"""Seconds after the world began: what is made then is new when the world is handed out."""
_TIMEOUT = (
    "Failed to check and update snapshot content: failed to take snapshot of the volume: "
    '"rpc error: code = DeadlineExceeded desc = context deadline exceeded"'
)


def begin(world: World) -> None:
    """Make them, as far as their machines are in this world."""
    _Copies(world).make()


def _uid(name: str) -> str:
    # None of the world's own chance, on which all that comes after it would depend.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class _Copies:
    def __init__(self, world: World) -> None:
        self._world = world

    def make(self) -> None:
        """All of them."""
        world = self._world
        before = self._snapshot("shop", "postgres-1", "postgres-1-before-upgrade", 5 * DAY)
        self._snapshot("shop", "checkout-2", "checkout-2-nightly", 20 * _HOUR, agent=False)
        self._snapshot("erp", "sap-app-1", "sap-app-1-monthly", 26 * DAY)
        self._failed_snapshot("erp", "mssql-1", "mssql-1-nightly", 9 * _HOUR)
        self._snapshot("shop", "orders-db-1", "orders-db-1-before-move", 2 * DAY, agent=False)
        if before is not None:
            self._waiting_restore(before, "postgres-1-rollback", 40 * 60.0)
        taken = self._snapshot("shop", "catalog-2", "catalog-2-release-41", 3 * DAY)
        if taken is not None:
            self._past_restore(taken, "catalog-2-undo-release-41", 2.9 * DAY)
        self._clone("web", "frontend-1", "frontend-7", "frontend-for-load-test", 11 * DAY)
        self._failed_clone("shop", "orders-db-1", "orders-db-copy", 4 * DAY)
        world.clock.call_later(_LATE, self._exports)

    def _exports(self) -> None:
        for namespace, machine, name, lasts in (
            ("data", "spark-5", "spark-5-to-lab", "48h"),
            ("web", "frontend-2", "frontend-2-offsite", "12h"),
        ):
            if self._world.storage.find(kinds.VM, namespace, machine) is not None:
                source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": machine}
                metadata = {"name": name, "namespace": namespace}
                create(
                    self._world, kinds.EXPORT, {"metadata": metadata, "spec": {"source": source, "ttlDuration": lasts}}
                )

    def _snapshot(self, namespace: str, machine: str, name: str, ago: float, *, agent: bool = True) -> Object | None:
        vm = self._world.storage.find(kinds.VM, namespace, machine)
        if vm is None:
            return None
        snapshot, now = self._metadata(namespace, name, ago, snapshots.FINALIZER), self._world.clock.stamp(ago)
        snapshot["spec"] = {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": machine}}
        online = bool(vm.get("status", {}).get("created"))
        snapshot["status"] = {
            "phase": "Succeeded",
            "readyToUse": True,
            "creationTime": now,
            "sourceUID": vm["metadata"]["uid"],
            "virtualMachineSnapshotContentName": content_name(snapshot),
            **(snapshots.indications("GuestAgent" if agent else "NoGuestAgent", "Online") if online else {}),
        }
        state(snapshot, "Progressing", "False", now, "Operation complete")
        state(snapshot, "Ready", "True", now, "Ready")
        backups = [
            snapshots.backup_of(snapshot, volume, claim)
            for volume, name in claims_of(vm["spec"]["template"])
            for claim in [self._world.storage.find(kinds.PVC, namespace, name)]
            if claim is not None and snapshots.can_copy(self._world, claim)
        ]
        content = self._metadata(namespace, content_name(snapshot), ago, snapshots.CONTENT_FINALIZER)
        content["spec"] = {
            "source": {"virtualMachine": snapshots.past_of(vm)},
            "virtualMachineSnapshotName": snapshot["metadata"]["name"],
            "volumeBackups": backups,
        }
        told = {"creationTime": now, "readyToUse": True}
        names = [backup["volumeSnapshotName"] for backup in backups]
        content["status"] = told | {"volumeSnapshotStatus": [told | {"volumeSnapshotName": one} for one in names]}
        snapshots.list_volumes(snapshot, content)
        self._world.load(kinds.SNAPSHOT, [snapshot])
        self._world.load(kinds.SNAPSHOT_CONTENT, [content])
        self._world.load(kinds.VOLUME_SNAPSHOT, [self._volume_snapshot(content, one, ago, told) for one in backups])
        return snapshot

    def _volume_snapshot(self, content: Object, backup: Object, ago: float, told: Object) -> Object:
        found = self._metadata(content["metadata"]["namespace"], backup["volumeSnapshotName"], ago)
        claim = backup["persistentVolumeClaim"]
        content = {"apiVersion": kinds.SNAPSHOT_CONTENT.api_version, "kind": kinds.SNAPSHOT_CONTENT.kind, **content}
        found["metadata"]["ownerReferences"] = [owner_reference(content)]
        found["spec"] = {"source": {"persistentVolumeClaimName": claim["metadata"]["name"]}}
        found["status"] = told | {"restoreSize": claim["spec"]["resources"]["requests"]["storage"]}
        return found

    def _failed_snapshot(self, namespace: str, machine: str, name: str, ago: float) -> None:
        """The driver never answered."""
        vm = self._world.storage.find(kinds.VM, namespace, machine)
        if vm is None:
            return
        self._world.outside.failing_snapshots[namespace, f"{machine}-data"] = _TIMEOUT
        snapshot, now = self._metadata(namespace, name, ago, snapshots.FINALIZER), self._world.clock.stamp(ago - 300)
        snapshot["spec"] = {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": machine}}
        volume = f"vmsnapshot-{snapshot['metadata']['uid']}-volume-data"
        snapshot["status"] = {
            "phase": "Failed",
            "readyToUse": False,
            "sourceUID": vm["metadata"]["uid"],
            "error": {"time": now, "message": f"VolumeSnapshot {volume} error: {_TIMEOUT}"},
            **snapshots.indications("GuestAgent", "Online"),
        }
        state(snapshot, "Failure", "True", now, "snapshot deadline exceeded")
        state(snapshot, "Progressing", "False", now, "In error state")
        state(snapshot, "Ready", "False", now, "Not ready")
        self._world.load(kinds.SNAPSHOT, [snapshot])

    def _restore(self, snapshot: Object, name: str, ago: float) -> Object:
        restore = self._metadata(snapshot["metadata"]["namespace"], name, ago, RESTORE_FINALIZER)
        restore["spec"] = {
            "target": snapshot["spec"]["source"],
            "targetReadinessPolicy": "WaitEventually",
            "virtualMachineSnapshotName": snapshot["metadata"]["name"],
        }
        return restore

    def _waiting_restore(self, snapshot: Object, name: str, ago: float) -> None:
        """It waits for the machine to be stopped, and nobody stops it."""
        restore, now = self._restore(snapshot, name, ago), self._world.clock.stamp(ago)
        restore["status"] = {"complete": False}
        for kind in ("Progressing", "Ready"):
            state(restore, kind, "False", now, "Waiting for target to be ready")
        self._world.load(kinds.RESTORE, [restore])

    def _past_restore(self, snapshot: Object, name: str, ago: float) -> None:
        restore, now = self._restore(snapshot, name, ago), self._world.clock.stamp(ago - 40)
        restore["status"] = {"complete": True, "restoreTime": now}
        state(restore, "Progressing", "False", now, "Operation complete")
        state(restore, "Ready", "True", now, "Operation complete")
        self._world.load(kinds.RESTORE, [restore])

    def _clone(self, namespace: str, source: str, target: str, name: str, ago: float) -> None:
        def finish(clone: Object, now: str) -> None:
            clone["status"] = {"phase": "Succeeded", "targetName": target, "creationTime": now}
            state(clone, "Progressing", "False", now, "Ready")
            state(clone, "Ready", "True", now, "Ready")

        if self._world.storage.find(kinds.VM, namespace, target) is not None:
            self._load_clone(namespace, source, target, name, ago, finish)

    def _failed_clone(self, namespace: str, source: str, name: str, ago: float) -> None:
        """One of its disks lies where no snapshots can be taken."""

        def fail(clone: Object, now: str) -> None:
            words = "Virtual Machine volume data does not support snapshots"
            clone["status"] = {"phase": "Failed"}
            state(clone, "Progressing", "False", now, "Failed", words)
            state(clone, "Ready", "False", now, "Failed", words)

        self._load_clone(namespace, source, name, name, ago, fail)

    def _load_clone(
        self, namespace: str, source: str, target: str, name: str, ago: float, end: Callable[[Object, str], None]
    ) -> None:
        if self._world.storage.find(kinds.VM, namespace, source) is None:
            return
        clone = self._metadata(namespace, name, ago)
        machine = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine"}
        clone["spec"] = {"source": {**machine, "name": source}, "target": {**machine, "name": target}}
        end(clone, self._world.clock.stamp(ago))
        self._world.load(kinds.CLONE, [clone])

    def _metadata(self, namespace: str, name: str, ago: float, finalizer: str = "") -> Object:
        metadata: Object = {
            "name": name,
            "namespace": namespace,
            "uid": _uid(f"{namespace}/{name}"),
            "creationTimestamp": self._world.clock.stamp(ago),
        }
        if finalizer:
            metadata["finalizers"] = [finalizer]
        return {"metadata": metadata}
