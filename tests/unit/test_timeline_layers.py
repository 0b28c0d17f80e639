"""Whose past belongs on a timeline: former instances of a VM, and whatever the other kinds stand on."""

from __future__ import annotations

import msgspec
import pytest

from kvtui.joins.involved import Layer, Owners, involve
from kvtui.joins.moments import moments_of
from kvtui.model import Ref, Tone
from kvtui.records.kubernetes import Event
from kvtui.records.storage import CephCluster
from kvtui.text import parse_time
from tests.resources.test_provisioning import cluster
from tests.resources.test_stack import POSTGRES, find
from tests.triage.test_drills import play
from tests.triage.worlds import BACKEND

MADE = "2026-03-01T10:00:00Z"
VM = Ref("c", "VirtualMachine", "shop", "web-1", "vm")
INSTANCE = Ref("c", "VirtualMachineInstance", "shop", "web-1", "now")
NO_INSTANCE = INSTANCE._replace(uid="")


def event_of(kind: str, uid: str, at: str, name: str = "web-1") -> Event:
    about = {"kind": kind, "namespace": "shop", "name": name, "uid": uid}
    return msgspec.convert({"metadata": {"creationTimestamp": at}, "involvedObject": about, "reason": "Stopped"}, Event)


@pytest.mark.parametrize("instance", [INSTANCE, NO_INSTANCE])
@pytest.mark.parametrize(
    ("event", "whose"),
    [
        (event_of("VirtualMachineInstance", "now", "2026-03-02T10:00:00Z"), "now"),
        (event_of("VirtualMachineInstance", "before", MADE), "before"),
        (event_of("VirtualMachineInstance", "before", "2026-03-01T09:59:59Z"), None),
        (event_of("VirtualMachine", "vm", "2026-03-02T10:00:00Z"), "vm"),
        (event_of("VirtualMachine", "another", "2026-03-02T10:00:00Z"), None),
        (event_of("Pod", "pod", "2026-03-02T10:00:00Z", "virt-launcher-web-1-x7k2p"), "pod"),
        (event_of("Pod", "pod", "2026-03-01T09:59:59Z", "virt-launcher-web-1-x7k2p"), None),
    ],
)
def test_former_instances_are_of_their_vm_and_what_was_before_it_is_of_an_earlier_vm_of_its_name(
    instance: Ref, event: Event, whose: str | None
) -> None:
    owners = Owners({VM: Layer.VM, instance: Layer.VMI}, parse_time(MADE))
    found = owners.find(event, "c")
    assert (found[0].uid if found is not None else None) == whose


def layers(drill: str, kind: str, path: str) -> dict[str, Layer]:
    """By kind, the layers of the objects on the timeline of one."""
    store, (namespace, _, name) = play(drill).store, path.rpartition("/")
    record = store.record(Ref(BACKEND, kind, namespace, name))
    assert record is not None
    return {ref.kind: layer for ref, layer in involve(store, record.ref(BACKEND)).items()}


@pytest.mark.parametrize(
    ("kind", "path", "kinds"),
    [
        ("Deployment", "kubevirt/virt-controller", {"Deployment", "Pod", "Node"}),
        ("KubeVirt", "kubevirt/kubevirt", {"KubeVirt", "Deployment", "DaemonSet", "Pod", "Node"}),
        ("APIService", "v1.subresources.kubevirt.io", {"APIService", "Deployment", "Pod", "Node"}),
        ("Cluster", "tenants/tenant-a", {"Cluster", "KubeadmControlPlane", "MachineDeployment", "Machine",
                                         "VirtualMachine", "VirtualMachineInstance", "Pod", "Node"}),
        ("DaemonSet", "kubevirt/virt-handler", {"DaemonSet", "Pod"}),
        ("KubevirtMachine", "tenants/k8s-node-1", {"KubevirtMachine", "Machine", "VirtualMachine", "Cluster",
                                                   "KubeadmControlPlane", "MachineDeployment"}),
        ("StorageClass", "ceph-rbd", {"StorageClass", "CSIDriver", "DaemonSet", "CephCluster"}),
    ],
)  # fmt: skip
def test_what_an_object_stands_on_is_on_its_timeline(kind: str, path: str, kinds: set[str]) -> None:
    assert set(layers("cluster-etcd-member-lost", kind, path)) == kinds


def test_a_volume_has_its_disk_and_a_disk_the_ceph_behind_it_on_its_timeline() -> None:
    store = cluster()
    store.drain()
    found = involve(store, find(store, POSTGRES))
    assert {layer for ref, layer in found.items() if ref.kind == "CephCluster"} == {Layer.DISK}
    volume = next(ref for ref in found if ref.kind == "PersistentVolume")
    kinds = {ref.kind for ref in involve(store, volume)}
    assert kinds == {"PersistentVolume", "PersistentVolumeClaim", "DataVolume", "CephCluster"}


def test_when_ceph_came_to_be_unwell_is_a_moment_with_its_complaints() -> None:
    status = {
        "phase": "Ready",
        "ceph": {
            "health": "HEALTH_WARN",
            "lastChanged": MADE,
            "details": {"OSD_NEARFULL": {"severity": "HEALTH_WARN", "message": "1 nearfull osd(s)"}},
        },
    }
    record = msgspec.convert({"metadata": {"name": "rook"}, "status": status}, CephCluster)
    (one,) = moments_of(record, Ref("c", "CephCluster", "rook-ceph", "rook"), Layer.DISK)
    assert (one.at, one.what, one.detail, one.tone) == (
        parse_time(MADE), "HEALTH_WARN", "OSD_NEARFULL: 1 nearfull osd(s)", Tone.WARN,
    )  # fmt: skip
