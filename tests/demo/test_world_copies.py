"""Snapshots, restores, clones, exports and memory dumps of the simulated cluster, as KubeVirt's controllers do them."""

from __future__ import annotations

import pytest

from kvtui.demo import dumping, kinds, lifecycle
from kvtui.demo.admission import admit
from kvtui.demo.durations import seconds_of
from kvtui.demo.metadata import Kind
from kvtui.demo.objects import condition
from kvtui.demo.storage import Object, StorageError
from kvtui.demo.world import World
from tests.demo.worlds import START, create, quiet_world, running_machine

NAMESPACE, MACHINE = "shop", "checkout-1"


def _reference(name: str, kind: str = "VirtualMachine", group: str = "kubevirt.io") -> Object:
    return {"apiGroup": group, "kind": kind, "name": name}


def _make(world: World, kind: Kind, name: str, spec: Object, namespace: str = NAMESPACE) -> Object:
    return create(world, kind, {"metadata": {"name": name, "namespace": namespace}, "spec": spec})


def _status(world: World, kind: Kind, name: str, namespace: str = NAMESPACE) -> Object:
    status: Object = world.storage.get(kind, namespace, name)["status"]
    return status


def _snapshot(world: World, name: str = "s1", machine: str = MACHINE, namespace: str = NAMESPACE) -> Object:
    _make(world, kinds.SNAPSHOT, name, {"source": _reference(machine)}, namespace)
    world.advance(20)
    return _status(world, kinds.SNAPSHOT, name, namespace)


def _reason(world: World, kind: Kind, name: str, condition_: str = "Progressing") -> str:
    found = condition(world.storage.get(kind, NAMESPACE, name), condition_)
    return str(found["reason"]) if found is not None else ""


def _off(world: World) -> None:
    lifecycle.stop(world, NAMESPACE, MACHINE, {})
    world.advance(60)


def test_a_snapshot_locks_its_machine_until_the_volumes_are_cut() -> None:
    world = quiet_world()
    _make(world, kinds.SNAPSHOT, "s1", {"source": _reference(MACHINE)})
    world.advance(1)
    assert _status(world, kinds.VM, MACHINE)["snapshotInProgress"] == "s1"
    assert _status(world, kinds.VMI, MACHINE)["fsFreezeStatus"] == "frozen"
    words = 'Cannot update vm running state until snapshot "s1" completes'
    with pytest.raises(StorageError, match=words):
        lifecycle.stop(world, NAMESPACE, MACHINE, {})
    world.advance(20)
    status = _status(world, kinds.SNAPSHOT, "s1")
    assert (status["phase"], status["readyToUse"]) == ("Succeeded", True)
    assert status["indications"] == ["GuestAgent", "Online"]
    assert status["snapshotVolumes"] == {"includedVolumes": ["rootdisk"], "excludedVolumes": ["cloudinit"]}
    assert "snapshotInProgress" not in _status(world, kinds.VM, MACHINE)
    assert "fsFreezeStatus" not in _status(world, kinds.VMI, MACHINE)


def test_a_volume_whose_class_takes_no_snapshots_is_left_out_of_a_snapshot_that_succeeds() -> None:
    world = World(60, 0, START)
    status = _status(world, kinds.SNAPSHOT, "orders-db-1-before-move")
    assert status["phase"] == "Succeeded"
    assert "data" in status["snapshotVolumes"]["excludedVolumes"]
    assert "includedVolumes" not in status["snapshotVolumes"]


def test_a_snapshot_fails_at_its_deadline_when_the_driver_does_not_answer() -> None:
    world = quiet_world()
    world.outside.failing_snapshots[NAMESPACE, f"{MACHINE}-root"] = "rpc error: code = DeadlineExceeded"
    _make(world, kinds.SNAPSHOT, "s1", {"source": _reference(MACHINE), "failureDeadline": "1m0s"})
    world.advance(30)
    assert "DeadlineExceeded" in _status(world, kinds.SNAPSHOT, "s1")["error"]["message"]
    assert _status(world, kinds.SNAPSHOT, "s1")["phase"] == "InProgress"
    world.advance(40)
    assert _status(world, kinds.SNAPSHOT, "s1")["phase"] == "Failed"
    assert _reason(world, kinds.SNAPSHOT, "s1", "Failure") == "snapshot deadline exceeded"
    assert "snapshotInProgress" not in _status(world, kinds.VM, MACHINE)
    assert not world.storage.list(kinds.SNAPSHOT_CONTENT, NAMESPACE)


def test_a_deleted_snapshot_takes_its_content_and_volume_snapshots_along() -> None:
    world = quiet_world()
    _snapshot(world)
    assert world.storage.list(kinds.VOLUME_SNAPSHOT, NAMESPACE)
    world.storage.delete(kinds.SNAPSHOT, NAMESPACE, "s1")
    world.advance(5)
    for kind in (kinds.SNAPSHOT, kinds.SNAPSHOT_CONTENT, kinds.VOLUME_SNAPSHOT):
        assert not world.storage.list(kind, NAMESPACE)


def test_a_restore_points_a_stopped_machine_at_new_claims_and_removes_the_old() -> None:
    world = quiet_world()
    _snapshot(world)
    _off(world)
    _make(world, kinds.RESTORE, "r1", {"target": _reference(MACHINE), "virtualMachineSnapshotName": "s1"})
    world.advance(30)
    status = _status(world, kinds.RESTORE, "r1")
    assert status["complete"] is True
    assert status["deletedDataVolumes"] == [f"{MACHINE}-root"]
    claim = status["restores"][0]["persistentVolumeClaim"]
    vm = world.storage.get(kinds.VM, NAMESPACE, MACHINE)
    assert vm["spec"]["template"]["spec"]["volumes"][0]["dataVolume"]["name"] == claim
    assert _status(world, kinds.DATA_VOLUME, claim)["phase"] == "Succeeded"
    assert "restoreInProgress" not in vm["status"]


@pytest.mark.parametrize(
    ("policy", "seconds", "reason", "failure"),
    [
        ("WaitEventually", 600, "Waiting for target to be ready", ""),
        ("WaitGracePeriod", 250, "Waiting for target to be ready", ""),
        ("WaitGracePeriod", 310, "Operation failed", "Restore target failed to be ready within 5m0s"),
        ("FailImmediate", 5, "Operation failed", "Restore target not ready"),
    ],
)
def test_a_restore_of_a_running_machine_waits_or_fails_by_its_policy(
    policy: str, seconds: float, reason: str, failure: str
) -> None:
    world = quiet_world()
    _snapshot(world)
    spec = {"target": _reference(MACHINE), "virtualMachineSnapshotName": "s1", "targetReadinessPolicy": policy}
    _make(world, kinds.RESTORE, "r1", spec)
    world.advance(seconds)
    assert _reason(world, kinds.RESTORE, "r1") == reason
    assert _reason(world, kinds.RESTORE, "r1", "Failure") == failure


def test_a_restore_may_stop_its_target() -> None:
    world = quiet_world()
    _snapshot(world)
    spec = {"target": _reference(MACHINE), "virtualMachineSnapshotName": "s1", "targetReadinessPolicy": "StopTarget"}
    _make(world, kinds.RESTORE, "r1", spec)
    world.advance(90)
    assert _status(world, kinds.RESTORE, "r1")["complete"] is True


def test_a_restore_does_not_overwrite_another_machine() -> None:
    world = quiet_world()
    _snapshot(world)
    _make(world, kinds.RESTORE, "r1", {"target": _reference("catalog-1"), "virtualMachineSnapshotName": "s1"})
    lifecycle.stop(world, NAMESPACE, "catalog-1", {})
    world.advance(60)
    words = "restore source and restore target are different but restore target already exists"
    assert _reason(world, kinds.RESTORE, "r1") == words


def test_a_clone_makes_a_stopped_machine_of_its_own_identity_and_tidies_up() -> None:
    world = quiet_world()
    source = world.storage.get(kinds.VM, NAMESPACE, MACHINE)["spec"]["template"]["spec"]
    _make(
        world,
        kinds.CLONE,
        "c1",
        {
            "source": _reference(MACHINE),
            "target": _reference("copy-1"),
            "labelFilters": ["*", "!team"],
            "newMacAddresses": {"default": "02:00:00:00:00:07"},
        },
    )
    world.advance(30)
    assert _status(world, kinds.CLONE, "c1")["phase"] == "Succeeded"
    vm = world.storage.get(kinds.VM, NAMESPACE, "copy-1")
    spec = vm["spec"]["template"]["spec"]
    assert vm["spec"]["runStrategy"] == "Halted"
    assert spec["domain"]["firmware"]["uuid"] != source["domain"]["firmware"]["uuid"]
    assert spec["domain"]["firmware"]["serial"] != source["domain"]["firmware"]["serial"]
    assert spec["domain"]["devices"]["interfaces"][0]["macAddress"] == "02:00:00:00:00:07"
    assert "team" not in vm["metadata"]["labels"]
    assert "app" in vm["metadata"]["labels"]
    assert not world.storage.list(kinds.SNAPSHOT, NAMESPACE)
    assert not world.storage.list(kinds.RESTORE, NAMESPACE)
    lifecycle.start(world, NAMESPACE, "copy-1", {})
    world.advance(60)
    assert _status(world, kinds.VM, "copy-1")["printableStatus"] == "Running"


def test_a_clone_goes_when_its_machine_does() -> None:
    world = quiet_world()
    _make(world, kinds.CLONE, "c1", {"source": _reference(MACHINE), "target": _reference("copy-1")})
    world.advance(30)
    world.storage.delete(kinds.VM, NAMESPACE, "copy-1")
    world.advance(5)
    assert world.storage.find(kinds.CLONE, NAMESPACE, "c1") is None


def test_an_export_waits_while_its_machine_runs_then_offers_links_and_ends_by_itself() -> None:
    world = quiet_world()
    _make(world, kinds.EXPORT, "e1", {"source": _reference(MACHINE), "ttlDuration": "30m"})
    world.advance(20)
    found = condition(world.storage.get(kinds.EXPORT, NAMESPACE, "e1"), "Ready")
    assert found is not None
    assert (found["reason"], found["message"]) == ("InUse", f"Virtual Machine {NAMESPACE}/{MACHINE} is running")
    _off(world)
    world.advance(30)
    status = _status(world, kinds.EXPORT, "e1")
    assert status["phase"] == "Ready"
    assert [item["format"] for item in status["links"]["internal"]["volumes"][0]["formats"]] == ["raw", "gzip"]
    assert world.storage.find(kinds.SECRET, NAMESPACE, status["tokenSecretRef"]) is not None
    world.advance(1800)
    assert world.storage.find(kinds.EXPORT, NAMESPACE, "e1") is None
    assert world.storage.find(kinds.SECRET, NAMESPACE, status["tokenSecretRef"]) is None


def test_an_export_of_a_snapshot_needs_nobody_to_stop_and_names_the_original_claims() -> None:
    world = quiet_world()
    _snapshot(world)
    source = _reference("s1", "VirtualMachineSnapshot", "snapshot.kubevirt.io")
    _make(world, kinds.EXPORT, "e1", {"source": source})
    world.advance(40)
    status = _status(world, kinds.EXPORT, "e1")
    assert status["phase"] == "Ready"
    assert [volume["name"] for volume in status["links"]["internal"]["volumes"]] == [f"{MACHINE}-root"]


def _dump_claim(world: World, size: str = "4Gi", mode: str = "Filesystem") -> None:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": mode,
        "resources": {"requests": {"storage": size}},
        "storageClassName": "cephfs",
    }
    _make(world, kinds.PVC, "dump", spec, "lab")
    world.advance(5)


def test_a_memory_dump_goes_through_its_phases_and_is_taken_off_again() -> None:
    world = quiet_world()
    running_machine(world)
    _dump_claim(world)
    seen = []
    dumping.dump(world, "lab", "box-1", {"claimName": "dump"})
    for _ in range(40):
        seen.append(_status(world, kinds.VM, "box-1", "lab")["memoryDumpRequest"]["phase"])
        world.advance(0.5)
    assert list(dict.fromkeys(seen)) == ["Associating", "InProgress", "Unmounting", "Completed"]
    request = _status(world, kinds.VM, "box-1", "lab")["memoryDumpRequest"]
    claim = world.storage.get(kinds.PVC, "lab", "dump")
    assert claim["metadata"]["annotations"]["kubevirt.io/memory-dump"] == request["fileName"]
    dumping.remove(world, "lab", "box-1", {})
    world.advance(10)
    assert "memoryDumpRequest" not in _status(world, kinds.VM, "box-1", "lab")
    with pytest.raises(StorageError, match="no association found"):
        dumping.remove(world, "lab", "box-1", {})


@pytest.mark.parametrize(
    ("size", "mode", "words"),
    [("4Gi", "Block", "pvc should be filesystem pvc"), ("1Gi", "Filesystem", "should be bigger then")],
)
def test_a_memory_dump_is_refused_on_a_claim_that_cannot_hold_it(size: str, mode: str, words: str) -> None:
    world = quiet_world()
    running_machine(world)
    _dump_claim(world, size, mode)
    with pytest.raises(StorageError, match=words):
        dumping.dump(world, "lab", "box-1", {"claimName": "dump"})


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        (kinds.SNAPSHOT, {"source": {"kind": "VirtualMachine", "name": "a"}}, "missing apiGroup"),
        (kinds.SNAPSHOT, {"source": _reference("a", "Pod")}, "invalid kind"),
        (kinds.SNAPSHOT, {"source": _reference("a"), "failureDeadline": "soon"}, 'invalid duration "soon"'),
        (
            kinds.RESTORE,
            {"target": _reference("a"), "virtualMachineSnapshotName": "s", "patches": ['{"path": "/metadata/name"}']},
            "patching is valid only for elements under /spec/ only",
        ),
        (kinds.CLONE, {"source": _reference("a"), "target": _reference("a")}, "cannot be equal to source name"),
        (
            kinds.CLONE,
            {"source": _reference("a"), "target": _reference("b"), "newMacAddresses": {"default": "none"}},
            "malformed MAC address",
        ),
        (kinds.CLONE, {"source": _reference("a"), "labelFilters": ["a*b"]}, "wildcard character"),
        (kinds.EXPORT, {"source": _reference("a", "VirtualMachineSnapshot")}, "invalid apiGroup"),
    ],
)
def test_webhooks_refuse_what_makes_no_sense(kind: Kind, spec: Object, words: str) -> None:
    world = quiet_world()
    with pytest.raises(StorageError, match=words):
        admit(world, kind, {"metadata": {"name": "x", "namespace": "lab"}, "spec": spec}, None, "CREATE")


def test_one_restore_of_a_machine_at_a_time() -> None:
    world = quiet_world()
    _snapshot(world)
    spec = {
        "target": _reference(MACHINE),
        "virtualMachineSnapshotName": "s1",
        "targetReadinessPolicy": "WaitEventually",
    }
    _make(world, kinds.RESTORE, "r1", spec)
    with pytest.raises(StorageError, match='VirtualMachineRestore "r1" in progress'):
        _make(world, kinds.RESTORE, "r2", spec)


@pytest.mark.parametrize(("text", "seconds"), [("1h30m", 5400.0), ("5m0s", 300.0), ("0", 0.0), ("1.5s", 1.5)])
def test_lengths_of_time_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m5", "5 m", "-5m"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        seconds_of(text)
