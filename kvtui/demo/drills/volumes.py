"""Disks that are added, snapshotted, restored or cloned, in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import hotplug, kinds
from kvtui.demo.catalog.disks import BROKEN, LOCAL, SHARED
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import add_claim_disk, claim, create, let_stop, small_machine
from kvtui.demo.storage import Kind, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_TIMEOUT = (
    "Failed to check and update snapshot content: failed to take snapshot of the volume: "
    '"rpc error: code = DeadlineExceeded desc = context deadline exceeded"'
)


def _with_disk(world: World, namespace: str, name: str, storage_class: str) -> None:
    shared = storage_class == SHARED
    create(world, kinds.PVC, claim(namespace, f"{name}-data", storage_class, "20Gi", shared=shared))
    vm = small_machine(namespace, name, system="debian", memory="4Gi")
    add_claim_disk(vm, f"{name}-data")
    if not shared:
        let_stop(vm)
    create(world, kinds.VM, vm)


def _reference(name: str) -> Object:
    return {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": name}


def _make(world: World, delay: float, kind: Kind, namespace: str, name: str, spec: Object) -> None:
    """Let a user create such an object after `delay` seconds."""

    def ask() -> None:
        create(world, kind, {"metadata": {"name": name, "namespace": namespace}, "spec": spec})

    world.clock.call_later(delay, ask)


@drill(
    "hotplug-stuck",
    "a disk that was added does not arrive in the guest",
    briefing="The owner of data/archive-1 added a disk while it runs. The guest does not see it.",
    debrief='The new disk lies on claim archive-1-cold of storage class "nfs-archive", whose provisioner does not run '
    "here: the claim is Pending, so the volume stays in phase Pending with PVCNotReady. Use a class with a "
    "provisioner; the volume is attached as soon as the claim is bound.",
)
def hotplug_stuck(world: World) -> None:
    """The claim of a disk that is plugged in is never bound."""
    create(world, kinds.VM, small_machine("data", "archive-1", system="debian"))
    create(world, kinds.PVC, claim("data", "archive-1-cold", BROKEN, "500Gi"))
    options = {
        "name": "cold",
        "disk": {"disk": {"bus": "scsi"}},
        "volumeSource": {"persistentVolumeClaim": {"claimName": "archive-1-cold"}},
    }
    world.clock.call_later(240.0, lambda: hotplug.add(world, "data", "archive-1", options))


@drill(
    "snapshot-failed",
    "the snapshot before the change could not be taken",
    briefing="The change window of erp/payroll-1 is open, and the snapshot that has to come first has failed.",
    debrief="The storage driver never answered for claim payroll-1-data (DeadlineExceeded), so the snapshot failed at "
    "its deadline of five minutes. See the VolumeSnapshot's error and the pods of the CSI driver and its "
    "snapshotter, then take it again.",
)
def snapshot_failed(world: World) -> None:
    """The driver does not answer until the deadline."""
    _with_disk(world, "erp", "payroll-1", SHARED)
    world.outside.failing_snapshots["erp", "payroll-1-data"] = _TIMEOUT
    _make(world, 180.0, kinds.SNAPSHOT, "erp", "payroll-1-before-update", {"source": _reference("payroll-1")})


@drill(
    "clone-without-snapshots",
    "a copy of a VM is refused",
    briefing="The test team cannot get its copy of lab/profiler-1.",
    debrief="Disk data of profiler-1 lies on class local-lvm, for which there is no VolumeSnapshotClass, and a clone "
    "is made through a snapshot. Move the disk to ceph-rbd, or copy it with a DataVolume while the VM is off.",
)
def clone_without_snapshots(world: World) -> None:
    """A clone needs a snapshot, which the disk's class cannot have."""
    _with_disk(world, "lab", "profiler-1", LOCAL)
    spec = {"source": _reference("profiler-1"), "target": _reference("profiler-copy")}
    _make(world, 180.0, kinds.CLONE, "lab", "profiler-for-tests", spec)


@drill(
    "restore-into-running",
    "a VM was not taken back to its snapshot",
    briefing="web/forum-1 was to be rolled back after the failed update. It runs, with the broken version.",
    debrief="A VM must be off to be restored: the restore waited five minutes for it and failed (Restore target "
    "failed to be ready within 5m0s). Stop the VM and restore again, or restore with targetReadinessPolicy "
    "StopTarget.",
)
def restore_into_running(world: World) -> None:
    """Nobody stopped the machine before its restore."""
    _with_disk(world, "web", "forum-1", SHARED)
    _make(world, 120.0, kinds.SNAPSHOT, "web", "forum-1-before-update", {"source": _reference("forum-1")})
    spec = {"target": _reference("forum-1"), "virtualMachineSnapshotName": "forum-1-before-update"}
    _make(world, 300.0, kinds.RESTORE, "web", "forum-1-rollback", spec)
