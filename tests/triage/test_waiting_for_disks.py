"""VMs that wait for disks of their own: what keeps a disk from filling stops them, and a disk that fills does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kvtui.model import Finding, Severity
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources import vm
from kvtui.triage.problems import Problem, group_problems
from tests.machines import RECORDED, Object, read_machine, store_of
from tests.triage.judging import event, judge, storage_class

CLASS = "slow"


def provisioning(number: int = 1, *, phase: str = "Pending", **spec: Any) -> list[Object]:
    """The recorded VM as it is before its disk is there: it has no instance, and CDI's claims have no volume."""
    kinds = {item["kind"]: item for item in read_machine("imported")}
    machine, volume, claim = (kinds[kind] for kind in ("VirtualMachine", "DataVolume", "PersistentVolumeClaim"))
    machine["spec"] |= spec
    machine["status"] = {"printableStatus": "Provisioning"}
    volume["status"] = {"phase": phase, "claimName": volume["metadata"]["name"]}
    claim["status"], claim["spec"] = {"phase": "Pending"}, {"storageClassName": CLASS}
    uid = claim["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "dv-1-root", "uid": uid, "controller": True}
    meta = {**claim["metadata"], "name": f"prime-{uid}", "uid": f"prime-{uid}", "ownerReferences": [owner]}
    helper = {**claim, "metadata": meta}
    words = (
        f"Waiting for a volume to be created either by the external provisioner '{CLASS}.csi.example.org' or manually"
    )
    items = [machine, volume, claim, helper, event(helper, "ExternalProvisioning", words, "Normal")]
    return [_numbered(item, number) for item in items]


def _numbered(item: Object, number: int) -> Object:
    found: Object = eval(repr(item).replace("dv-1", f"dv-{number}").replace("ce99285c-717b", f"ce99285c-{number:04}"))
    if found["kind"] != "PersistentVolumeClaim":
        found["metadata"]["uid"] = f"{found['metadata']['uid']}-{number}"
    return found


def told(items: Sequence[Object]) -> list[Problem]:
    """The problems, without what is only worth knowing."""
    found = [one for one in judge([*items, storage_class(CLASS)]) if one.severity > Severity.INFO]
    return list(group_problems(found))


def of_vms(findings: Sequence[Finding]) -> list[tuple[Severity, str]]:
    return [(one.severity, f"{one.subject.name} {one.trouble}: {one.cause}") for one in findings if one.label == "vm"]


def test_vms_whose_disks_have_no_class_that_works_are_stopped_by_it_and_counted() -> None:
    (problem,) = told([item for number in range(1, 4) for item in provisioning(number)])
    assert (problem.finding.label, problem.finding.subject.name, problem.severity) == ("class", CLASS, Severity.BAD)
    assert problem.cause == f"stops 3 VMs: there is no CSIDriver {CLASS}.csi.example.org"
    assert of_vms(problem.effects) == [
        (Severity.BAD, f"dv-{number} does not start: its disk dv-{number}-root has not begun to fill")
        for number in range(1, 4)
    ]


def test_claims_that_are_inside_of_cdi_are_neither_effects_nor_named() -> None:
    (problem,) = told(provisioning())
    assert {one.label for one in problem.findings} == {"class", "vm", "import"}
    assert "prime-" not in " ".join(one.cause + one.subject.path for one in problem.findings)


@pytest.mark.parametrize(
    ("spec", "requests", "stopped"),
    [
        ({"runStrategy": "Halted"}, [], False),
        ({"runStrategy": "Manual"}, [], False),
        ({"runStrategy": "Manual"}, [{"action": "Start"}], True),
        ({"runStrategy": "Once"}, [], True),
    ],
)
def test_a_vm_that_is_not_to_run_is_not_stopped(spec: Object, requests: list[Object], *, stopped: bool) -> None:
    items = provisioning(**spec)
    items[0]["status"]["stateChangeRequests"] = requests
    (problem,) = told(items)
    assert bool(of_vms(problem.effects)) is stopped
    assert ("holds up 1 import" in problem.cause) is not stopped


def test_a_vm_whose_disk_fills_is_well() -> None:
    machine, volume, claim, helper, _ = provisioning(phase="ImportInProgress")
    volume["status"]["progress"] = "40.00%"
    helper["status"] = {"phase": "Bound"}
    assert told([machine, volume, claim, helper]) == []


@pytest.mark.parametrize("phase", ["PendingPopulation", "WaitForFirstConsumer"])
def test_a_disk_that_waits_for_a_first_consumer_is_no_trouble_of_its_vm(phase: str) -> None:
    machine, volume, *_ = provisioning(phase=phase, runStrategy="Halted")
    machine["status"]["printableStatus"] = "Stopped"
    assert told([machine, volume]) == []


def test_a_consumer_whose_volume_the_driver_does_not_make_is_stopped_by_the_class() -> None:
    items = provisioning(phase="PendingPopulation")
    items[0]["status"]["printableStatus"] = "WaitingForVolumeBinding"
    (problem,) = told(items)
    assert problem.cause.startswith("stops VM shop/dv-1: there is no CSIDriver")
    (words,) = (words for _, words in of_vms(problem.effects))
    assert words == f'dv-1 does not start: its PVC shop/dv-1-root is Pending: it waits for StorageClass "{CLASS}"'


def test_an_import_may_take_its_time_to_begin() -> None:
    soon = [*provisioning(), storage_class(CLASS)]
    made = RECORDED - 30.0
    for item in soon:
        item["metadata"]["creationTimestamp"] = "2026-11-21T01:55:30Z"
    assert [one for one in judge(soon, made) if one.severity > Severity.INFO] == []


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("", "its disk dv-1-root has not begun to fill"),
        ("ImportScheduled", "its disk dv-1-root has not begun to fill"),
        ("ImportInProgress", "its disk dv-1-root is being filled: ImportInProgress"),
        ("UploadReady", "its disk dv-1-root waits for an upload"),
    ],
)
def test_a_disk_is_called_filled_only_while_something_fills_it(phase: str, words: str) -> None:
    store = store_of(provisioning(phase=phase)[:2])
    store.drain()
    ((ref, _),) = store.items(VirtualMachine)
    row = vm.RESOURCE.row(store, ref)
    assert row is not None
    assert vm.RESOURCE.health(row, RECORDED).reason == words
