"""Disks that are copied from data sources and other disks: kubevirt-api.md 9.3, rows 48 and 55."""

from __future__ import annotations

from tests.machines import Object
from tests.triage.judging import judge, only

_LONG_AGO = "2026-11-21T00:30:00Z"


def data_source(reason: str, message: str, **source: Object) -> Object:
    """As CDI's datasource-controller.go leaves it."""
    told = {
        "type": "Ready",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": _LONG_AGO,
        "lastTransitionTime": _LONG_AGO,
    }
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataSource",
        "metadata": {"name": "fedora", "namespace": "images", "uid": "uid-fedora", "creationTimestamp": _LONG_AGO},
        "spec": {"source": source},
        "status": {"conditions": [told]},
    }


def volume(phase: str, spec: Object, *conditions: Object) -> Object:
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": "db-root", "namespace": "shop", "uid": "uid-dv", "creationTimestamp": _LONG_AGO},
        "spec": {**spec, "storage": {"resources": {"requests": {"storage": "20Gi"}}}},
        "status": {"phase": phase, "progress": "N/A", "claimName": "db-root", "conditions": list(conditions)},
    }


GONE = data_source("NotFound", "PVC not found", pvc={"namespace": "images", "name": "fedora-42"})
COPIES = volume("Pending", {"sourceRef": {"kind": "DataSource", "namespace": "images", "name": "fedora"}})


def test_a_data_source_whose_image_is_gone_names_it_and_alarms_nobody_while_no_disk_waits() -> None:
    found = only(judge([GONE]), "data source")
    assert found.cause == "its PVC images/fedora-42 does not exist"
    assert found.severity.name == "INFO"


def test_a_disk_that_waits_for_a_gone_image_is_an_effect_of_its_data_source() -> None:
    found = judge([GONE, COPIES])
    source, disk = only(found, "data source"), only(found, "import")
    assert source.severity.name == "WARN"
    assert disk.cause == "its DataSource images/fedora has no image: its PVC images/fedora-42 does not exist"
    assert disk.root is not None
    assert disk.root[:4] == source.subject[:4]


def test_one_that_names_nothing_says_so() -> None:
    assert only(judge([data_source("NoSource", "No source PVC set")]), "data source").cause == "it names no source"


def test_an_image_that_is_being_imported_is_no_trouble() -> None:
    busy = data_source("ImportInProgress", "Import DataVolume phase ImportInProgress", pvc={"name": "fedora-43"})
    assert judge([busy]) == []


def test_a_copy_that_the_storage_does_not_make_tells_why_it_is_slow() -> None:
    runs = {"type": "Running", "status": "True", "reason": "Pod is running", "lastTransitionTime": _LONG_AGO}
    reason = "No compatible volumesnapshotclass found"
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "db-root",
            "namespace": "shop",
            "uid": "uid-pvc",
            "annotations": {"cdi.kubevirt.io/cloneType": "copy", "cdi.kubevirt.io/cloneFallbackReason": reason},
        },
        "spec": {"storageClassName": "ceph-rbd"},
        "status": {"phase": "Bound"},
    }
    copied = volume("CloneInProgress", {"source": {"pvc": {"namespace": "images", "name": "fedora-42"}}}, runs)
    found = only(judge([copied, claim]), "import")
    assert (found.severity.name, found.trouble) == ("INFO", "fills slowly")
    assert found.cause == f"it is copied byte by byte, for the storage does not do it: {reason}"
    assert found.step == "create a VolumeSnapshotClass of the same driver for the next one"
