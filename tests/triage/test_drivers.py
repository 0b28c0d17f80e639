"""CSI drivers that the kubelet of a node does not know, though VMs there have disks of them."""

from __future__ import annotations

from tests.machines import Object, read_machine
from tests.triage.judging import csi_driver, judge

DRIVER = "fast.csi.example.org"


def world(*registered: str) -> list[Object]:
    """A recorded VM on an imported disk of a driver, and the drivers of its node."""
    items = read_machine("imported")
    claim = next(item for item in items if item["kind"] == "PersistentVolumeClaim")
    node = next(item for item in items if item["kind"] == "Node")
    volume: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": claim["spec"]["volumeName"], "uid": "uid-pv"},
        "spec": {
            "csi": {"driver": DRIVER},
            "claimRef": {"namespace": claim["metadata"]["namespace"], "name": claim["metadata"]["name"]},
        },
        "status": {"phase": "Bound"},
    }
    known: Object = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": node["metadata"]["name"], "uid": "uid-csi"},
        "spec": {"drivers": [{"name": name, "nodeID": "x"} for name in registered]},
    }
    return [*items, volume, known, csi_driver("fast"), csi_driver("slow")]


def told(items: list[Object]) -> list[tuple[str, str]]:
    return [(one.subject.name, one.cause) for one in judge(items, waits=False) if one.rule == "node.driver"]


def test_a_node_whose_vms_have_disks_of_a_driver_that_is_not_registered_there_is_named() -> None:
    cause = f"{DRIVER} is not registered there, and VM shop/dv-1 has disks of it: none can be mounted"
    assert told(world("slow.csi.example.org")) == [("node02", cause)]


def test_a_node_without_a_driver_that_no_vm_there_needs_is_well() -> None:
    assert told(world(DRIVER)) == []


def test_a_driver_may_register_anew_for_a_while() -> None:
    assert [one for one in judge(world()) if one.rule == "node.driver"] == []
