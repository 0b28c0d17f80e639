"""Objects that are deleted and stay, and disks that go, with their data, when the VM that runs on them stops."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.model import Finding
from tests.machines import Object, read_machine
from tests.triage.judging import judge, only

LONG_AGO, JUST_NOW = "2026-11-21T01:40:00Z", "2026-11-21T01:55:30Z"
PVC, PV = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def parts(**changes: dict[str, Any]) -> list[Object]:
    """A recorded VM that runs on an imported disk, with metadata of some kinds changed."""
    items = read_machine("imported")
    claim = next(item for item in items if item["kind"] == "PersistentVolumeClaim")
    items.append(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": claim["spec"]["volumeName"], "uid": "uid-pv", "finalizers": [PV]},
            "spec": {
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": {"namespace": claim["metadata"]["namespace"], "name": claim["metadata"]["name"]},
            },
            "status": {"phase": "Bound"},
        }
    )
    for item in items:
        item["metadata"] |= changes.get(item["kind"], {})
    return items


def deleted(when: str, *finalizers: str) -> dict[str, Any]:
    return {"deletionTimestamp": when, "finalizers": list(finalizers)}


def of_deletions(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.label, one.trouble, one.cause) for one in findings if one.rule.endswith(".deletion")]


def test_a_claim_that_goes_with_its_data_once_its_vm_stops_is_told_while_that_runs() -> None:
    found = judge(parts(PersistentVolumeClaim=deleted(JUST_NOW, PVC)))
    assert of_deletions(found) == [
        ("claim", "is being deleted", "VM shop/dv-1 runs on it; the claim goes once it stops, with its data")
    ]
    assert only(found, "claim").step.startswith("copy the disk before the VM stops")


def test_of_a_claim_whose_volume_is_retained_the_data_is_not_called_lost() -> None:
    items = parts(PersistentVolumeClaim=deleted(JUST_NOW, PVC))
    volume = items[-1]
    name = volume["metadata"]["name"]
    volume["spec"]["persistentVolumeReclaimPolicy"] = "Retain"
    ((_, _, cause),) = of_deletions(judge(items))
    assert cause == f"VM shop/dv-1 runs on it; the claim goes once it stops, and PV {name} is kept"


@pytest.mark.parametrize("going", ["VirtualMachine", "VirtualMachineInstance"])
def test_a_claim_that_goes_together_with_its_vm_is_as_it_should_be(going: str) -> None:
    changes = {going: deleted(JUST_NOW, "kubevirt.io/virtualMachineControllerFinalize")}
    assert of_deletions(judge(parts(PersistentVolumeClaim=deleted(JUST_NOW, PVC), **changes))) == []


def test_a_volume_is_told_while_its_claim_stays_and_of_both_the_claim_alone() -> None:
    found = judge(parts(PersistentVolume=deleted(JUST_NOW, PV)))
    assert of_deletions(found) == [
        ("volume", "is being deleted", "PVC shop/dv-1-root is bound to it; it goes once that is deleted")
    ]
    both = judge(parts(PersistentVolume=deleted(JUST_NOW, PV), PersistentVolumeClaim=deleted(JUST_NOW, PVC)))
    assert [label for label, _, _ in of_deletions(both)] == ["claim"]


@pytest.mark.parametrize(("kind", "label"), [("DataVolume", "import"), ("PersistentVolume", "volume")])
def test_what_a_finalizer_holds_is_told_after_a_while(kind: str, label: str) -> None:
    held = ("example.com/backup",)
    assert of_deletions(judge(parts(**{kind: deleted(JUST_NOW, *held)}))) == []
    found = judge(parts(**{kind: deleted(LONG_AGO, *held)}))
    assert of_deletions(found) == [(label, "does not go away", "finalizer example.com/backup holds it")]
    assert "kubectl describe" in only(found, label).step


def test_a_vm_whose_guest_has_ended_and_that_stays_tells_what_holds_it() -> None:
    stopped = read_machine("stopped")
    vm = next(item for item in stopped if item["kind"] == "VirtualMachine")
    vm["metadata"] |= deleted(LONG_AGO, "example.com/backup")
    assert of_deletions(judge(stopped)) == [("vm", "does not go away", "finalizer example.com/backup holds it")]


def test_a_namespace_that_stays_says_what_is_left_in_it() -> None:
    message = "Some content in the namespace has finalizers remaining: example.com/backup in 1 resource instances"
    told = [
        {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining"},
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": message},
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources successfully"},
    ]
    namespace: Object = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "uid": "uid-shop", "deletionTimestamp": LONG_AGO},
        "status": {"phase": "Terminating", "conditions": told},
    }
    assert of_deletions(judge([namespace])) == [("namespace", "does not go away", message)]
    namespace["metadata"]["deletionTimestamp"] = JUST_NOW
    assert of_deletions(judge([namespace])) == []


@pytest.mark.parametrize(("kind", "label"), [("KubeVirt", "kubevirt"), ("CDI", "cdi")])
def test_what_is_being_uninstalled_is_told_at_once(kind: str, label: str) -> None:
    item: Object = {
        "apiVersion": "x/v1",
        "kind": kind,
        "metadata": {"name": label, "namespace": label, "uid": label, **deleted(JUST_NOW, "foregroundDelete")},
        "status": {"phase": "Deployed"},
    }
    ((found, trouble, _),) = of_deletions(judge([item]))
    assert (found, trouble) == (label, "is being deleted")


def test_a_launcher_that_is_deleted_under_its_running_guest_is_named_as_the_cause() -> None:
    items = parts(Pod=deleted(LONG_AGO, "example.com/backup"))
    vmi = next(item for item in items if item["kind"] == "VirtualMachineInstance")
    told = {"type": "Ready", "status": "False", "reason": "PodTerminating", "lastTransitionTime": LONG_AGO}
    vmi["status"]["conditions"] = [
        one for one in vmi["status"]["conditions"] if one["type"] != "Ready"
    ] + [told | {"message": "virt-launcher pod is terminating"}]  # fmt: skip
    found = judge(items)
    vm, pod = only(found, "vm"), only(found, "pod")
    assert vm.cause.startswith(
        f"its launcher pod {pod.subject.name} is being deleted under the running guest: finalizer"
    )
    assert vm.root is not None
    assert vm.root[:4] == pod.subject[:4]
    assert (pod.trouble, pod.cause) == ("does not go away", "finalizer example.com/backup holds it")


def test_the_launcher_of_a_guest_that_is_to_end_is_no_trouble_of_its_own() -> None:
    items = parts(Pod=deleted(LONG_AGO), VirtualMachineInstance=deleted(LONG_AGO, "x"))
    assert [label for label, _, _ in of_deletions(judge(items))] == []
