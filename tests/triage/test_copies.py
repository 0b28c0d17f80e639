"""Snapshots, restores, clones and exports that come to nothing (catalogue 9.2, rows 29 to 33, and row 129)."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Finding, Severity
from kvtui.text import parse_time
from tests.machines import RECORDED, Object, read_machine
from tests.triage.judging import judge, only

_MADE = "2026-11-21T01:40:00Z"
_VM = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web-1"}
_TIMEOUT = (
    "VolumeSnapshot vmsnapshot-1-volume-data error: Failed to check and update snapshot content: failed to take "
    'snapshot of the volume: "rpc error: code = DeadlineExceeded desc = context deadline exceeded"'
)


def condition(type_: str, status: str, reason: str, message: str = "") -> Object:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": _MADE}


def copy(kind: str, name: str, spec: Object, made: str = _MADE, **status: Any) -> Object:
    """An object of KubeVirt's snapshots, as its controllers leave it."""
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "creationTimestamp": made}
    return {"apiVersion": "x/v1beta1", "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def snapshot(name: str = "before", made: str = _MADE, **status: Any) -> Object:
    return copy("VirtualMachineSnapshot", name, {"source": _VM}, made, **status)


def failed_snapshot() -> Object:
    """kv pkg/storage/snapshot/snapshot.go:66."""
    told = [condition("Failure", "True", "snapshot deadline exceeded"), condition("Ready", "False", "Not ready")]
    return snapshot(phase="Failed", readyToUse=False, error={"message": _TIMEOUT}, conditions=told)


def vm(status: str) -> Object:
    """The recorded VM web-1 of namespace shop, in some state."""
    found = next(item for item in read_machine("stopped") if item["kind"] == "VirtualMachine")
    found["metadata"].update(namespace="shop", name="web-1")
    found["status"]["printableStatus"] = status
    return found


def test_a_failed_snapshot_tells_what_the_driver_said() -> None:
    found = only(judge([failed_snapshot()]), "snapshot")
    assert (found.severity, found.trouble) == (Severity.WARN, "has failed")
    assert found.cause == (
        "VM shop/web-1: snapshot deadline exceeded; its driver said of volume data: rpc error: code = "
        "DeadlineExceeded desc = context deadline exceeded"
    )


def test_a_failed_snapshot_is_no_alarm_once_a_later_one_is_ready() -> None:
    later = snapshot("again", "2026-11-21T01:50:00Z", phase="Succeeded", readyToUse=True)
    found = only(judge([failed_snapshot(), later]), "snapshot")
    assert found.severity is Severity.INFO
    assert found.cause.endswith("; a later one is ready")
    earlier = snapshot("again", "2026-11-21T01:30:00Z", phase="Succeeded", readyToUse=True)
    assert only(judge([failed_snapshot(), earlier]), "snapshot").severity is Severity.WARN


def test_a_snapshot_that_does_not_end_says_what_it_holds_up() -> None:
    told = [condition("Progressing", "True", "Source locked and operation in progress")]
    under_way = snapshot(phase="InProgress", conditions=told)
    assert judge([under_way], RECORDED - 12 * 60) == []
    assert only(judge([under_way]), "snapshot").cause == (
        "Source locked and operation in progress; meanwhile VM shop/web-1 cannot be started, stopped or changed"
    )


def test_a_snapshot_of_a_vm_that_does_not_exist_says_so_long_before_it_fails() -> None:
    told = [condition("Progressing", "False", "Source does not exist"), condition("Ready", "False", "Not ready")]
    waits = snapshot(phase="InProgress", conditions=told, readyToUse=False)
    found = only(judge([waits], (parse_time(_MADE) or 0.0) + 70), "snapshot")
    assert (found.trouble, found.cause) == ("does not begin", "there is no VM shop/web-1")
    late = condition("Failure", "True", "snapshot deadline exceeded")
    for conditions in ([*told, late], [late, condition("Progressing", "False", "In error state")]):
        found = only(judge([snapshot(phase="Failed", conditions=conditions)]), "snapshot")
        assert (found.trouble, found.cause) == ("has failed", "there is no VM shop/web-1")


@pytest.mark.parametrize("indication", ["NoGuestAgent", "QuiesceTimeout"])
def test_a_snapshot_that_the_agent_did_not_prepare_is_worth_knowing_and_no_alarm(indication: str) -> None:
    found = only(judge([snapshot(phase="Succeeded", readyToUse=True, indications=["Online", indication])]), "snapshot")
    assert (found.severity, found.trouble) == (Severity.INFO, "is crash-consistent only")


def test_a_snapshot_with_its_agent_is_well() -> None:
    assert judge([snapshot(phase="Succeeded", readyToUse=True, indications=["Online", "GuestAgent"])]) == []


def test_a_snapshot_without_a_disk_says_which_and_leaves_out_what_can_never_be_in_it() -> None:
    machine = vm("Stopped")
    machine["spec"]["template"]["spec"]["volumes"] = [
        {"name": "root", "containerDisk": {"image": "x"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "web-1-data"}},
    ]
    left = {"includedVolumes": [], "excludedVolumes": ["root", "data"]}
    found = only(judge([snapshot(phase="Succeeded", readyToUse=True, snapshotVolumes=left), machine]), "snapshot")
    assert found.cause.startswith("it holds no copy of data of VM shop/web-1:")


def restore(*conditions: Object) -> Object:
    spec = {"target": _VM, "virtualMachineSnapshotName": "before"}
    return copy("VirtualMachineRestore", "back", spec, complete=False, conditions=list(conditions))


def of_restore(*items: Object, now: float = RECORDED) -> list[Finding]:
    return [one for one in judge(items, now) if one.label == "restore"]


def test_a_restore_into_a_vm_that_runs_says_so() -> None:
    # kv pkg/storage/snapshot/restore.go:91
    failed = restore(condition("Failure", "True", "Restore target failed to be ready within 5m0s"))
    (found,) = of_restore(failed, vm("Running"))
    assert found.trouble == "has failed"
    assert found.cause == ("Restore target failed to be ready within 5m0s; VM shop/web-1 is Running and has to be off")
    assert found.step == "stop the VM and restore anew, or with targetReadinessPolicy StopTarget"
    (found,) = of_restore(failed, vm("Running"), now=RECORDED + 86400)
    assert found.severity is Severity.INFO


def test_a_restore_that_waits_says_for_which_vm() -> None:
    waits = restore(condition("Progressing", "False", "Waiting for target to be ready"))
    assert of_restore(waits, vm("Running"), now=RECORDED - 12 * 60) == []
    (found,) = of_restore(waits, vm("Running"))
    assert (found.trouble, found.step) == ("waits", "stop VM shop/web-1")
    assert found.cause == "it goes on when VM shop/web-1, which is Running, has been stopped"


def test_a_clone_that_cannot_be_snapshotted_names_disk_and_class() -> None:
    words = "Virtual Machine volume data does not support snapshots"
    spec = {"source": _VM, "target": {**_VM, "name": "web-2"}}
    clone = copy(
        "VirtualMachineClone", "copy", spec, phase="Failed", conditions=[condition("Ready", "False", "Failed", words)]
    )
    machine = vm("Stopped")
    reason = "No VolumeSnapshotClass: Volume snapshots are not configured for this StorageClass [local-lvm] [data]"
    machine["status"]["volumeSnapshotStatuses"] = [{"name": "data", "enabled": False, "reason": reason}]
    found = only(judge([clone, machine]), "clone")
    assert found.cause == f"volume data of VM shop/web-1 cannot be snapshotted: {reason}"
    assert only(judge([clone]), "clone").cause == words


@pytest.mark.parametrize(
    ("reason", "message", "trouble", "cause"),
    [
        ("VMNotFound", "", "offers nothing", "VM shop/web-1 does not exist"),
        ("InUse", "pod shop/x uses it", "waits", "VM shop/web-1 is in use: pod shop/x uses it"),
        ("PodPending", "pod is pending", "does not begin", "pod is pending"),
    ],
)
def test_an_export_that_offers_nothing_says_why(reason: str, message: str, trouble: str, cause: str) -> None:
    told = [condition("Ready", "False", reason, message)]
    found = only(
        judge([copy("VirtualMachineExport", "away", {"source": _VM}, phase="Pending", conditions=told)]), "export"
    )
    assert (found.trouble, found.cause) == (trouble, cause)


def test_an_export_that_is_ready_is_well() -> None:
    ready = [condition("Ready", "True", "PodReady")]
    assert judge([copy("VirtualMachineExport", "away", {"source": _VM}, phase="Ready", conditions=ready)]) == []
