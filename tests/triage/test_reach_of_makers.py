"""What bears on that which makes pods and machines: what it made, and whose part it is."""

from __future__ import annotations

from kvtui.joins.reach import Tie, reach_of
from kvtui.records.base import Record
from kvtui.records.clusters import ControlPlane, KubeadmConfig, MachineDeployment
from kvtui.records.daemons import DaemonSet
from tests.machines import Object, store_of
from tests.triage.judging import node
from tests.triage.test_tenants import made

WORKERS = {"cluster.x-k8s.io/cluster-name": "tenant-a", "cluster.x-k8s.io/deployment-name": "workers"}
OF_PLANE = [{"kind": "KubeadmControlPlane", "name": "cp", "uid": "uid-KubeadmControlPlane-cp", "controller": True}]
CLUSTER: list[Object] = [
    made("Cluster", "tenant-a", {}, labels={}),
    made("KubevirtCluster", "tenant-a", {}),
    made("KubeadmControlPlane", "cp", {"replicas": 1}, {"replicas": 1}),
    made("MachineDeployment", "workers", {"replicas": 1}, {"replicas": 2}),
    made("Machine", "cp-1", {}, {"clusterName": "tenant-a"}, ownerReferences=OF_PLANE),
    made("Machine", "w-1", {}, {"clusterName": "tenant-a"}, labels=WORKERS),
    made("KubevirtMachine", "w-1", {}),
    made("KubeadmConfig", "w-1", {}),
]


def reach(items: list[Object], type_: type[Record], name: str) -> dict[tuple[str, str], Tie]:
    """Kind and name of all that bears on an object, with the tie."""
    store = store_of(items)
    store.drain()
    ref, record = next(item for item in store.items(type_) if item[0].name == name)
    return {(one.kind, one.name): tie for one, tie in reach_of(store, ref, record).items()}


def daemons(ready: int) -> Object:
    status = {"desiredNumberScheduled": 2, "numberReady": ready}
    meta = {"namespace": "kubevirt", "name": "virt-handler", "uid": "uid-handlers"}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "status": status}


def pod(name: str, owner: str) -> Object:
    owners = [{"kind": "DaemonSet", "name": "virt-handler", "uid": owner, "controller": True}]
    meta = {"namespace": "kubevirt", "name": name, "uid": f"uid-{name}", "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


def test_pods_of_a_daemon_set_belong_to_it_and_those_of_one_before_do_not() -> None:
    found = reach([daemons(2), pod("virt-handler-a", "uid-handlers"), pod("virt-handler-b", "old")],
                  DaemonSet, "virt-handler")  # fmt: skip
    assert found == {("DaemonSet", "virt-handler"): Tie.OWN, ("Pod", "virt-handler-a"): Tie.PART}


def test_one_that_lacks_pods_depends_on_the_nodes_that_are_not_ready() -> None:
    lost = node("w-2", lost=True)
    assert ("Node", "w-2") in reach([daemons(1), node("w-1"), lost], DaemonSet, "virt-handler")
    assert ("Node", "w-1") not in reach([daemons(1), node("w-1"), lost], DaemonSet, "virt-handler")
    assert ("Node", "w-2") not in reach([daemons(2), node("w-1"), lost], DaemonSet, "virt-handler")


def test_machines_belong_to_what_made_them_and_depend_on_the_cluster() -> None:
    assert reach(CLUSTER, MachineDeployment, "workers") == {
        ("MachineDeployment", "workers"): Tie.OWN,
        ("Machine", "w-1"): Tie.PART,
        ("KubevirtMachine", "w-1"): Tie.PART,
        ("KubeadmConfig", "w-1"): Tie.PART,
        ("Cluster", "tenant-a"): Tie.KEEPER,
        ("KubevirtCluster", "tenant-a"): Tie.KEEPER,
        ("KubeadmControlPlane", "cp"): Tie.KEEPER,
    }


def test_a_control_plane_is_told_with_its_own_machines() -> None:
    found = reach(CLUSTER, ControlPlane, "cp")
    assert [name for name, tie in found.items() if tie is Tie.PART] == [("Machine", "cp-1")]
    assert found["Cluster", "tenant-a"] is Tie.KEEPER


def test_what_a_machine_is_made_by_belongs_to_it() -> None:
    found = reach(CLUSTER, KubeadmConfig, "w-1")
    assert ("KubevirtMachine", "w-1") in found
    assert ("Cluster", "tenant-a") in found
