"""What actions make: how far each object is, when nothing more is to be waited for, and why it came to nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kvtui.model import Platform
from kvtui.records.cdi import DataVolume
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubernetes import Claim
from kvtui.resources import products, resources_for
from kvtui.resources.base import Product, Progress

TYPES: dict[str, Any] = {
    "snapshot": VmSnapshot, "restore": VmRestore, "clone": VmClone, "export": VmExport, "DataVolume": DataVolume,
    "claim": Claim,
}  # fmt: skip


def says(type_: str, message: str, status: str = "True", reason: str = "") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def failed(words: str, failure: str) -> Progress:
    return Progress(words, failure=failure)


def over(words: str) -> Progress:
    return Progress(words, over=True)


@pytest.mark.parametrize(
    ("product", "status", "progress"),
    [
        (products.SNAPSHOT, {}, Progress("InProgress")),
        (products.SNAPSHOT, {"phase": "InProgress", "conditions": [says("Progressing", "Source locked")]},
         Progress("InProgress: Source locked")),
        (products.SNAPSHOT, {"phase": "InProgress", "error": {"message": "no class"}},
         Progress("InProgress: no class")),
        (products.SNAPSHOT, {"phase": "Succeeded"}, Progress("Succeeded")),
        (products.SNAPSHOT, {"phase": "Succeeded", "readyToUse": True}, over("ready")),
        (products.SNAPSHOT, {"phase": "Failed", "conditions": [says("Failure", "deadline exceeded")]},
         failed("Failed", "deadline exceeded")),
        (products.SNAPSHOT, {"phase": "Failed"}, failed("Failed", "the server gives no reason")),
        (products.RESTORE, {}, Progress("not complete")),
        (products.RESTORE, {"conditions": [says("Progressing", "Waiting for target to be ready")]},
         Progress("not complete: Waiting for target to be ready")),
        (products.RESTORE, {"complete": True}, over("complete")),
        (products.RESTORE, {"conditions": [says("Failure", "target is running")]},
         failed("given up", "target is running")),
        (products.CLONE, {"phase": "SnapshotInProgress"}, Progress("SnapshotInProgress")),
        (products.CLONE, {"phase": "Succeeded", "targetName": "b"}, over("done: VM b is there")),
        (products.CLONE, {"phase": "Failed", "conditions": [says("Ready", "no source", "False")]},
         failed("Failed", "no source")),
        (products.CLONE, {"phase": "Failed"}, failed("Failed", "its events tell why")),
        (products.EXPORT, {}, Progress("Pending")),
        (products.EXPORT, {"phase": "Pending", "conditions": [says("Ready", "it is in use", "False", "InUse")]},
         Progress("Pending: it is in use")),
        (products.EXPORT, {"phase": "Ready"}, over("ready")),
        (products.EXPORT, {"phase": "Skipped"}, failed("Skipped", "there is nothing to export")),
        (products.EXPORT, {"phase": "Pending", "conditions": [says("Ready", "", "False", "PVCNotFound")]},
         failed("Pending", "PVCNotFound")),
        (products.DISK, {}, Progress("Pending")),
        (products.DISK, {"phase": "ImportInProgress", "progress": "45.17%"}, Progress("ImportInProgress: 45.17%")),
        (products.DISK, {"phase": "ImportInProgress", "progress": "N/A"}, Progress("ImportInProgress")),
        (products.DISK, {"phase": "Succeeded", "progress": "100.0%"}, over("Succeeded")),
        (products.DISK, {"phase": "PendingPopulation"},
         over("PendingPopulation: its storage class waits until a VM uses it")),
        (products.DISK, {"phase": "UploadReady"}, over("UploadReady: ready for an upload")),
        (products.DISK, {"phase": "Failed"}, failed("Failed", "the server gives no reason")),
        (products.CLAIM, {"phase": "Bound"}, over("Bound")),
        (products.CLAIM, {"phase": "Lost"}, failed("Lost", "its volume is gone")),
        (products.CLAIM, {},
         Progress("Pending: its storage class may wait until a VM uses it; its events tell")),
    ],
)  # fmt: skip
def test_how_far_it_is(product: Product, status: dict[str, Any], progress: Progress) -> None:
    record = msgspec.convert({"metadata": {"name": "a"}, "status": status}, TYPES[product.noun], strict=False)
    assert product.judge(record) == progress


def test_an_import_that_is_tried_again_says_why_but_is_not_over() -> None:
    running = says("Running", "connection refused", "False", "Error")
    status = {"phase": "ImportInProgress", "conditions": [running]}
    volume = msgspec.convert({"metadata": {"name": "a"}, "status": status}, DataVolume)
    assert products.DISK.judge(volume) == Progress("ImportInProgress: connection refused")


def test_whatever_makes_an_object_says_what_it_makes() -> None:
    making = {
        one.id
        for resource in resources_for({Platform.KUBERNETES})
        for one in resource.verbs
        if one.needs.verb == "create" and one.makes is None
    }
    assert making == {"datavolume.upload", "vm.expose"}, "an upload is its own end; a Service is there at once"


def test_a_restore_names_the_vm_that_it_is_into() -> None:
    data = {"metadata": {"name": "a"}, "spec": {"target": {"name": "web-1"}}, "status": {"complete": True}}
    judged = products.RESTORE.judge(msgspec.convert(data, TYPES["restore"], strict=False))
    assert judged == over("complete: VM web-1 is as the snapshot has it")
