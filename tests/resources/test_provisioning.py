"""Volumes, storage classes, Ceph and network attachments."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from kvtui.demo import kinds
from kvtui.demo.world import World
from kvtui.model import Tone
from kvtui.records.networks import NetworkAttachment
from kvtui.records.storage import PersistentVolume
from kvtui.resources import ceph, nad, pv, storageclass
from kvtui.resources.base import AnyResource
from kvtui.store import Store
from tests.demo.worlds import START
from tests.machines import Object, record_of, store_of

NOW = START.timestamp()
KINDS = (kinds.PV, kinds.PVC, kinds.STORAGE_CLASS, kinds.CEPH_CLUSTER, kinds.NAD, kinds.VM, kinds.VMI, kinds.POD,
         kinds.NODE, kinds.DATA_VOLUME, kinds.CSI_DRIVER, kinds.CSI_NODE, kinds.DAEMON_SET)  # fmt: skip


@cache
def served() -> str:
    """The demo cluster's own, as they are served."""
    world = World(40, 0, START)
    return json.dumps([obj for kind in KINDS for obj in world.storage.list(kind)])


def cluster(edit: Callable[[list[Object]], None] = lambda _items: None) -> Store:
    items: list[Object] = json.loads(served())
    edit(items)
    store = store_of(items)
    store.drain()
    return store


def each(kind: str, change: Callable[[Object], None]) -> Callable[[list[Object]], None]:
    """Change all objects of a kind."""

    def edit(items: list[Object]) -> None:
        for item in items:
            if item["kind"] == kind:
                change(item)

    return edit


def row_of(resource: AnyResource, name: str, store: Store) -> Any:
    ref = next(ref for ref in resource.refs(store) if name in (ref.name, ref.path))
    return resource.row(store, ref)


def texts(resource: AnyResource, row: Any) -> dict[str, str]:
    return {column.title: column.cell(row, NOW).text for column in resource.columns}


def any_volume(store: Store, class_: str) -> Any:
    rows = (pv.RESOURCE.row(store, ref) for ref in pv.RESOURCE.refs(store))
    return next(row for row in rows if row is not None and row.volume.spec.storage_class_name == class_)


def test_a_volume_names_its_claim_its_vm_and_who_serves_it() -> None:
    row = any_volume(cluster(), "ceph-rbd")
    said = texts(pv.RESOURCE, row)
    assert (said["STATUS"], said["CLASS"], said["RECLAIM"]) == ("Bound", "ceph-rbd", "Delete")
    assert said["DRIVER"] == "rook-ceph.rbd.csi.ceph.com"
    claim = row.volume.spec.claim_ref
    assert said["CLAIM"] == f"{claim.namespace}/{claim.name}"
    assert said["VM"] in claim.name


def test_a_volume_of_one_node_says_where_it_can_be_used() -> None:
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["worker-3"]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}}
    store = cluster(each("PersistentVolume", lambda item: item["spec"].update(nodeAffinity=affinity)))
    assert texts(pv.RESOURCE, any_volume(store, "ceph-rbd"))["USABLE ON"] == "worker-3"


@pytest.mark.parametrize(
    ("phase", "message", "tone", "reason"),
    [
        ("Failed", "error deleting image", Tone.BAD, "error deleting image"),
        ("Released", "", Tone.MUTED, " is gone; reclaim policy Delete"),
        ("Bound", "", Tone.OK, ""),
    ],
)
def test_a_volume_fares_as_its_phase_says(phase: str, message: str, tone: Tone, reason: str) -> None:
    status = {"phase": phase, "message": message}
    row = any_volume(cluster(each("PersistentVolume", lambda item: item.update(status=status))), "ceph-rbd")
    health = pv.RESOURCE.health(row, NOW)
    assert (health.tone, health.word) == (tone, phase)
    assert health.reason.endswith(reason)
    assert bool(health.reason) is bool(reason)


@pytest.mark.parametrize(
    ("spec", "origin"),
    [
        ({"csi": {"driver": "topolvm.io"}}, "topolvm.io"),
        ({"nfs": {"server": "nas", "path": "/vm"}}, "nfs nas:/vm"),
        ({"local": {"path": "/mnt/a"}}, "local /mnt/a"),
        ({"hostPath": {"path": "/srv"}}, "hostPath /srv"),
        ({"fc": {}}, ""),
    ],
)
def test_the_origin_of_a_volume(spec: Object, origin: str) -> None:
    volume = record_of({"kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec})
    assert isinstance(volume, PersistentVolume)
    assert volume.origin == origin


def test_a_class_counts_its_claims_and_those_that_wait() -> None:
    def one_waits(items: list[Object]) -> None:
        claims = [item for item in items if item["spec"].get("storageClassName") == "ceph-rbd"]
        for claim in claims:
            claim["status"]["phase"] = "Bound" if claim is not claims[0] else "Pending"

    store = cluster(lambda items: one_waits([item for item in items if item["kind"] == "PersistentVolumeClaim"]))
    said = texts(storageclass.RESOURCE, row_of(storageclass.RESOURCE, "ceph-rbd", store))
    assert (said["DEFAULT"], said["PENDING"], said["GROWS"]) == ("yes", "1", "yes")
    assert int(said["CLAIMS"]) > 1
    said = texts(storageclass.RESOURCE, row_of(storageclass.RESOURCE, "local-lvm", store))
    assert (said["DEFAULT"], said["BINDING"]) == ("no", "WaitForFirstConsumer")


def test_a_class_that_is_the_default_of_vms_only_says_so() -> None:
    mark = {"storageclass.kubevirt.io/is-default-virt-class": "true"}
    store = cluster(each("StorageClass", lambda item: item["metadata"].update(annotations=mark)))
    assert texts(storageclass.RESOURCE, row_of(storageclass.RESOURCE, "cephfs", store))["DEFAULT"] == "for VMs"


def complains(item: Object) -> None:
    item["status"]["ceph"] |= {
        "health": "HEALTH_ERR",
        "details": {
            "MON_DOWN": {"severity": "HEALTH_WARN", "message": "1/3 mons down, quorum a,b"},
            "OSD_FULL": {"severity": "HEALTH_ERR", "message": "1 full osd(s)"},
        },
        "capacity": {"bytesTotal": 100, "bytesUsed": 96, "bytesAvailable": 4},
    }


def test_ceph_speaks_for_itself_the_errors_first() -> None:
    row = row_of(ceph.RESOURCE, "rook-ceph", cluster(each("CephCluster", complains)))
    health = ceph.RESOURCE.health(row, NOW)
    assert (health.tone, health.word) == (Tone.BAD, "HEALTH_ERR")
    assert health.reason == "OSD_FULL: 1 full osd(s); MON_DOWN: 1/3 mons down, quorum a,b"
    assert texts(ceph.RESOURCE, row)["USED"] == "96%"


def test_a_ceph_that_is_well() -> None:
    row = row_of(ceph.RESOURCE, "rook-ceph", cluster())
    assert ceph.RESOURCE.health(row, NOW).tone is Tone.OK
    assert texts(ceph.RESOURCE, row)["REASON"] == ""


def test_a_rook_that_fails_is_not_hidden_by_what_ceph_said_last() -> None:
    def fails(item: Object) -> None:
        item["status"] |= {"phase": "Failure", "message": "failed to start the mons"}

    health = ceph.RESOURCE.health(row_of(ceph.RESOURCE, "rook-ceph", cluster(each("CephCluster", fails))), NOW)
    assert (health.tone, health.reason) == (Tone.BAD, "failed to start the mons")


def test_an_attachment_tells_its_bridge_and_who_is_on_it() -> None:
    def join(item: Object) -> None:
        item["spec"]["template"]["spec"]["networks"] = [{"name": "n", "multus": {"networkName": "db-vlan120"}}]

    store = cluster(each("VirtualMachine", join))
    row = row_of(nad.RESOURCE, "shop/db-vlan120", store)
    said = texts(nad.RESOURCE, row)
    assert (said["TYPE"], said["BRIDGE"], said["VLAN"]) == ("bridge", "br-ex", "120")
    assert int(said["VMS"]) == len(row.users) > 0
    assert "postgres-1" in row.users


@pytest.mark.parametrize("config", ["{", "7", '{"type": 7}', "[" * 100_000])
def test_a_configuration_that_cannot_be_read_is_said(config: str) -> None:
    def spoil(item: Object) -> None:
        item["spec"]["config"] = config

    row = row_of(nad.RESOURCE, "shop/db-vlan120", cluster(each("NetworkAttachmentDefinition", spoil)))
    health = nad.RESOURCE.health(row, NOW)
    assert (health.tone, health.word) == (Tone.BAD, "Invalid")
    assert health.reason.startswith("spec.config cannot be read: ")


def test_an_attachment_may_be_a_chain_of_plugins_or_have_its_text_on_the_nodes() -> None:
    def plugin(config: str) -> str:
        record = record_of({"kind": NetworkAttachment.KIND, "metadata": {"name": "n"}, "spec": {"config": config}})
        assert isinstance(record, NetworkAttachment)
        assert record.fault_of_config == ""
        return record.plugin.type

    assert plugin('{"plugins": [{"type": "ovs", "bridge": "br1"}, {"type": "tuning"}]}') == "ovs"
    assert plugin("") == ""
