"""Claims without a volume and the classes that make none; volumes of VMs that run (catalogue 9.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kvtui.model import Finding, Severity
from kvtui.triage.problems import group_problems
from tests.machines import RECORDED, Object, read_machine
from tests.triage.judging import csi_driver, event, judge, only, storage_class


def unbound(**spec: Any) -> tuple[list[Object], Object]:
    """A recorded VM whose claim waits, without the event; and the claim."""
    items = [item for item in read_machine("unbound") if item["kind"] != "Event"]
    claim = next(item for item in items if item["kind"] == "PersistentVolumeClaim")
    claim["spec"] |= spec
    return items, claim


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """As the strip tells them by cause."""
    return [
        (one.finding.label, f"{one.finding.subject.name} {one.finding.trouble}", one.cause)
        for one in group_problems(findings)
    ]


def test_a_vm_that_waits_for_a_claim_that_waits_for_a_provisioner_is_one_problem_at_the_class() -> None:
    found = judge([*read_machine("unbound"), storage_class("rig-rwx"), csi_driver("rig-rwx")])
    assert told(found) == [
        (
            "class",
            "rig-rwx makes no volumes",
            "stops VM shop/db-1: its provisioner rig-rwx.csi.example.org has made none for PVC shop/db-1-data",
        )
    ]
    assert [(one.label, one.root.kind if one.root else "") for one in found] == [
        ("vm", "PersistentVolumeClaim"),
        ("class", ""),
        ("claim", "StorageClass"),
    ]


def test_several_vms_that_one_class_stops_are_counted() -> None:
    items = read_machine("unbound")
    more = [_renamed(item) for item in read_machine("unbound")]
    ((label, _, cause),) = told(judge([*items, *more, storage_class("rig-rwx")]))
    assert label == "class"
    assert cause == "stops 2 VMs: there is no CSIDriver rig-rwx.csi.example.org"


def _renamed(item: Object) -> Object:
    """The same for another VM: names and uids with ``9`` in the place of ``1``."""
    text = repr(item).replace("db-1", "db-9")
    found: Object = eval(text)
    for meta in (found["metadata"], *found["metadata"].get("ownerReferences", ()), found.get("involvedObject", {})):
        if meta.get("uid"):
            meta["uid"] = f"9-{meta['uid']}"
    labels = found["metadata"].get("labels", {})
    if "kubevirt.io/created-by" in labels:
        labels["kubevirt.io/created-by"] = f"9-{labels['kubevirt.io/created-by']}"
    return found


def test_a_claim_of_a_class_that_does_not_exist_says_so_for_its_vm() -> None:
    items, _ = unbound(storageClassName="gone")
    found = judge([*items, storage_class("ceph-rbd", default=True)])
    claim = only(found, "claim")
    assert claim.cause == 'there is no StorageClass "gone"'
    assert claim.step == "create StorageClass gone, or make the claim anew with one of ceph-rbd"
    ((label, name, cause),) = told(found)
    assert (label, name) == ("claim", "db-1-data gets no volume")
    assert cause == 'stops VM shop/db-1: there is no StorageClass "gone"'


def test_several_claims_of_a_class_that_does_not_exist_are_one_problem_of_the_class() -> None:
    items = [item for item in read_machine("unbound") if item["kind"] == "PersistentVolumeClaim"]
    found = judge([*items, *map(_renamed, items), storage_class("ceph-rbd", default=True)])
    ((label, name, cause),) = told(found)
    assert (label, name) == ("class", "rig-rwx is at fault")
    assert cause == 'there is no StorageClass "rig-rwx"'


def test_a_claim_that_names_no_class_where_none_is_the_default() -> None:
    items, claim = unbound()
    del claim["spec"]["storageClassName"]
    found = only(judge([*items, storage_class("ceph-rbd")]), "claim")
    assert found.cause == "it names no storage class, and none of the cluster is the default"
    assert only(judge([*items, storage_class("ceph-rbd", default=True)]), "vm").cause != found.cause


def test_what_the_driver_said_is_the_cause() -> None:
    items, claim = unbound()
    # csi external-provisioner: controller.go
    words = 'failed to provision volume with StorageClass "rig-rwx": rpc error: code = Internal desc = pool is full'
    found = only(judge([*items, event(claim, "ProvisioningFailed", words), storage_class("rig-rwx")]), "claim")
    assert found.cause == (
        'StorageClass "rig-rwx" has not made its volume: rpc error: code = Internal desc = pool is full'
    )
    assert found.severity is Severity.WARN


def test_a_claim_that_waits_for_its_first_consumer_is_well() -> None:
    _, claim = unbound()
    waits = event(claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding", "Normal")
    assert judge([claim, waits, storage_class("rig-rwx", waits=True)]) == []


def test_a_claim_that_cdi_fills_is_pending_till_it_is_full_and_well() -> None:
    _, claim = unbound()
    owner = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": "db-1-data", "uid": "u"}
    claim["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    external = event(
        claim,
        "ExternalProvisioning",
        "Waiting for a volume to be created either by the external provisioner 'x' or manually by the system "
        "administrator. If volume creation is delayed, please verify that the provisioner is running.",
        "Normal",
    )
    assert judge([claim, external, storage_class("rig-rwx")]) == []


def test_a_class_that_may_not_be_listed_makes_no_claim_suspect() -> None:
    _, claim = unbound()
    assert judge([claim]) == []


def test_the_first_minute_of_a_claim_is_silent() -> None:
    _, claim = unbound()
    claim["metadata"]["creationTimestamp"] = "2026-11-21T01:55:30Z"
    assert judge([claim, storage_class("rig-rwx")], RECORDED) == []
    assert only(judge([claim, storage_class("rig-rwx")], RECORDED + 60), "claim").trouble == "gets no volume"


def test_a_lost_claim_is_bad_at_once() -> None:
    items, claim = unbound(volumeName="pv-7")
    claim["status"]["phase"] = "Lost"
    found = only(judge([*items, storage_class("rig-rwx")]), "claim")
    assert (found.severity, found.trouble, found.cause) == (
        Severity.BAD,
        "has lost its volume",
        "its volume pv-7 is gone",
    )


@pytest.mark.parametrize(
    ("holder", "cause"),
    [
        ("other", "its volume pv-7 belongs to PVC shop/other"),
        ("db-1-data", "its volume pv-7 is not bound to it any more"),
    ],
)
def test_a_lost_claim_whose_volume_exists_does_not_call_it_gone(holder: str, cause: str) -> None:
    items, claim = unbound(volumeName="pv-7")
    claim["status"]["phase"] = "Lost"
    volume = {
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-7", "uid": "uid-pv-7"},
        "spec": {"claimRef": {"namespace": "shop", "name": holder}},
        "status": {"phase": "Bound"},
    }
    assert only(judge([*items, storage_class("rig-rwx"), volume]), "claim").cause == cause


def running(*status: Object) -> list[Object]:
    """A recorded VM that runs, with volumes that were added since."""
    items = read_machine("running")
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")
    vmi["spec"]["volumes"] += [
        {"name": one["name"], "persistentVolumeClaim": {"claimName": f"{one['name']}-claim", "hotpluggable": True}}
        for one in status
    ]
    vmi["status"]["volumeStatus"] = [*vmi["status"].get("volumeStatus", ()), *status]
    return items


def test_an_added_disk_that_does_not_arrive_names_its_claim() -> None:
    # kv pkg/virt-controller/watch/vmi/storage.go
    pending = {"name": "cold", "target": "", "phase": "Pending", "reason": "PVCNotReady",
               "message": "PVC is in phase ClaimPending", "hotplugVolume": {}}  # fmt: skip
    items = running(pending)
    space = items[0]["metadata"]["namespace"]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "cold-claim", "namespace": space, "uid": "u-cold", "creationTimestamp": "2026-11-21T01:50:00Z",
        },
        "spec": {"storageClassName": "slow", "accessModes": ["ReadWriteOnce"]},
        "status": {"phase": "Pending"},
    }  # fmt: skip
    found = only(judge([*items, claim]), "vm")
    assert (found.severity, found.trouble) == (Severity.WARN, "lacks volume cold")
    assert found.cause == f"its PVC {space}/cold-claim is Pending"
    assert found.root is not None
    assert found.root.name == "cold-claim"


def test_a_paused_vm_names_the_volume_that_failed_and_its_claim() -> None:
    items = read_machine("imported")
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")
    # kv pkg/virt-handler/vm.go:1118
    words = "VMI was paused, low-level IO error detected"
    vmi["status"]["conditions"].append(
        {"type": "Paused", "status": "True", "reason": "PausedIOError", "message": words}
    )
    disk = next(one["name"] for one in vmi["spec"]["volumes"] if "dataVolume" in one)
    told_by = event(vmi, "IOerror", f"VM Paused due to IO error at the volume: {disk}")
    found = only(judge([*items, told_by, storage_class("rig-rwx"), csi_driver("rig-rwx")]), "vm")
    space = vmi["metadata"]["namespace"]
    assert found.cause == f'IO error at its volume {disk} (PVC {space}/dv-1-root of StorageClass "rig-rwx")'
    assert found.step == f"mend PVC {space}/dv-1-root (driver rig-rwx.csi.example.org), then unpause it"
    assert words in [evidence.value for evidence in found.evidence]


def test_a_paused_vm_whose_disk_has_no_claim_names_the_disk_of_its_node() -> None:
    items = read_machine("running")
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")
    vmi["status"]["conditions"].append({"type": "Paused", "status": "True", "reason": "PausedIOError", "message": ""})
    disk = next(one["name"] for one in vmi["spec"]["volumes"] if "containerDisk" in one)
    found = only(judge([*items, event(vmi, "IOerror", f"VM Paused due to IO error at the volume: {disk}")]), "vm")
    node = vmi["status"]["nodeName"]
    assert found.cause.endswith(f"what it writes to this containerDisk lies on the disk of node {node}")
    assert found.step == f"see whether the disk of node {node} is full or fails, then unpause it"


@pytest.mark.parametrize(
    ("reason", "message", "cause", "step"),
    [
        (  # kv pkg/virt-controller/watch/vm/vm.go:479
            "SourcePVCNotAvailabe",
            "Source PVC golden not available: Target PVC root will remain unpopulated until source is created",
            "its source PVC golden does not exist",
            "bring golden back, or copy from another source",
        ),
        (  # kv pkg/virt-controller/watch/vm/vm.go:484
            "UnauthorizedDataVolumeCreate",
            "Not authorized to create DataVolume root: User system:serviceaccount:a:default has insufficient "
            "permissions in clone source namespace images",
            "Not authorized to create DataVolume root: User system:serviceaccount:a:default has insufficient "
            "permissions in clone source namespace images",
            "give its service account datavolumes/source in the source namespace: role cdi.kubevirt.io:clone-sourcer",
        ),
    ],
)
def test_a_disk_that_is_not_even_made_is_told_by_the_event_of_its_vm(
    reason: str, message: str, cause: str, step: str
) -> None:
    vm = next(item for item in read_machine("stopped") if item["kind"] == "VirtualMachine")
    vm["spec"]["runStrategy"], vm["status"]["printableStatus"] = "Always", "Provisioning"
    found = only(judge([vm, event(vm, reason, message)]), "vm")
    assert (found.severity, found.trouble, found.cause) == (Severity.BAD, "does not start", cause)
    assert found.step == step


def test_vms_that_name_the_same_missing_claim_are_one_problem() -> None:
    others = [json.loads(json.dumps(item).replace('db-2"', 'db-3"')) for item in read_machine("missing_claim")]
    for item in others:
        item["metadata"]["uid"] = f"3-{item['metadata']['uid']}"
    found = judge([*read_machine("missing_claim"), *others])
    assert [(label, name) for label, name, _ in told([one for one in found if one.label == "vm"])] == [
        ("claim", "db-2-missing is at fault")
    ]


def test_a_class_whose_driver_is_not_installed_says_so() -> None:
    found = judge([*read_machine("unbound"), storage_class("rig-rwx")])
    ((_, _, cause),) = told(found)
    assert cause == "stops VM shop/db-1: there is no CSIDriver rig-rwx.csi.example.org"
