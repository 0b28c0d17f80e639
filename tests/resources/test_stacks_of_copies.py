"""Stacks of what copies VMs, and of clusters whose nodes are VMs: played by the demo's drills."""

from __future__ import annotations

import pytest

from kvtui.joins.layers import lines_of
from kvtui.joins.stack import stack_of
from kvtui.model import Ref
from kvtui.records.base import Meta
from kvtui.records.clusters import Cluster, ClusterMachine, MachineSpec
from kvtui.records.kubernetes import Node, NodeStatus, NodeSystem
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources import RESOURCES
from kvtui.stack import tell_stack, text_lines
from kvtui.store import Put, Store
from tests.triage.test_drills import play
from tests.triage.worlds import BACKEND

UUID = "11111111-f6a4-8304-79aa-97f2502e193f"


def told(drill: str, kind: str, path: str) -> list[str]:
    """Role and name of each layer, deeper ones indented."""
    store, (namespace, _, name) = play(drill).store, path.partition("/")
    record = store.record(Ref(BACKEND, kind, namespace, name))
    assert record is not None
    stack = stack_of(store, record.ref(BACKEND))
    assert stack is not None
    return [f"{'  ' * depth}{layer.role} {layer.name}".rstrip() for depth, layer in lines_of(stack) if not layer.quiet]


def test_a_snapshot_stands_on_its_vm_and_its_disks() -> None:
    lines = told("snapshot-failed", "VirtualMachineSnapshot", "erp/payroll-1-before-update")
    assert lines[:3] == ["snapshot erp/payroll-1-before-update", "  VM erp/payroll-1", "    VMI erp/payroll-1"]
    assert any(line.strip().startswith("PVC erp/payroll-1") for line in lines)


def test_a_restore_stands_on_its_target_and_on_its_snapshot() -> None:
    lines = told("restore-into-running", "VirtualMachineRestore", "web/forum-1-rollback")
    assert [line for line in lines if not line.startswith("    ")] == [
        "restore web/forum-1-rollback",
        "  VM web/forum-1",
        "  snapshot web/forum-1-before-update",
    ]


def test_what_was_made_of_a_snapshot_stands_on_it() -> None:
    lines = told("restore-into-running", "VirtualMachineSnapshot", "web/forum-1-before-update")
    assert lines[:2] == ["restore web/forum-1-rollback", "  snapshot web/forum-1-before-update"]


def test_a_clone_stands_on_its_source() -> None:
    lines = told("clone-without-snapshots", "VirtualMachineClone", "lab/profiler-for-tests")
    assert lines[:2] == ["clone lab/profiler-for-tests", "  VM lab/profiler-1"]


@pytest.mark.parametrize("kind", ["VirtualMachine", "Machine"])
def test_the_cluster_stands_on_the_machine_and_that_on_its_vm(kind: str) -> None:
    lines = [line.strip() for line in told("cluster-etcd-member-lost", kind, "tenants/k8s-node-1")]
    above = ["cluster tenants/tenant-a", "control plane tenants/tenant-a-cp"]
    assert lines[:4] == [*above, "machine tenants/k8s-node-1", "VM tenants/k8s-node-1"]


def test_a_cluster_stands_on_what_makes_its_machines_and_on_those() -> None:
    lines = told("cluster-etcd-member-lost", "Cluster", "tenants/tenant-a")
    below = [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("    ")]
    assert below[:2] == ["control", "MachineDeployment"]
    assert set(below[2:]) == {"machine"}


def test_a_worker_has_its_machine_deployment_on_top() -> None:
    lines = [line.strip() for line in told("cluster-etcd-member-lost", "Machine", "tenants/k8s-node-4")]
    assert lines[:3] == [
        "cluster tenants/tenant-a",
        "MachineDeployment tenants/tenant-a-workers",
        "machine tenants/k8s-node-4",
    ]


def printed(drill: str, kind: str, name: str) -> list[str]:
    observer = play(drill)
    record = observer.store.record(Ref(BACKEND, kind, "tenants", name))
    assert record is not None
    now = observer.world.clock.now.timestamp()
    lines = tell_stack(observer.store, record.ref(BACKEND), RESOURCES, observer.findings, now)
    assert lines is not None
    return list(text_lines(lines))


def test_what_waits_for_the_end_of_a_pause_says_what_it_lacks() -> None:
    assert printed("cluster-paused", "Cluster", "tenant-a")[1:3] == [
        "    control plane tenants/tenant-a-cp: Paused (Cluster spec.paused is set to true)",
        "    MachineDeployment tenants/tenant-a-workers: In part (wants 4 machines and has 2)",
    ]


def test_a_machine_that_gets_no_vm_has_its_kubevirt_machine_that_says_why() -> None:
    lines = [line.strip() for line in printed("cluster-without-bootstrap", "Machine", "tenant-a-workers-1")]
    assert any(line.startswith("! ") and "KubevirtMachine tenants/tenant-a-workers-1: " in line for line in lines)


def test_the_machine_that_lost_its_member_of_etcd_is_marked_among_the_others() -> None:
    lines = printed("cluster-etcd-member-lost", "Cluster", "tenant-a")
    assert [line for line in lines if line.startswith("!   machine ")] == [
        "!   machine tenants/k8s-node-2: Running (EtcdMemberHealthy: Etcd doesn't have an etcd member for Node "
        "k8s-node-2; control plane tenant-a-cp is not whole)"
    ]


@pytest.mark.parametrize("kind", ["VirtualMachine", "Cluster"])
def test_a_cluster_is_no_better_than_its_control_plane(kind: str) -> None:
    lines = printed("cluster-etcd-member-lost", kind, "tenant-a" if kind == "Cluster" else "k8s-node-1")
    assert lines[0] == "! cluster tenants/tenant-a: Provisioned (control plane tenant-a-cp is not whole)"


def test_a_part_of_kubevirt_stands_on_its_pods_and_their_nodes() -> None:
    lines = told("virt-controller-down", "Deployment", "kubevirt/virt-controller")
    assert lines[0] == "deployment kubevirt/virt-controller"
    assert [line.split()[0] for line in lines[1:]] == ["pod", "node", "pod", "node"]


def test_a_machine_without_a_vm_says_that_there_is_none() -> None:
    store, ref = Store(), Ref("outer", ClusterMachine.KIND, "tenants", "new-1", "m")
    store.post(Put("outer", ClusterMachine(metadata=Meta(name="new-1", namespace="tenants", uid="m"))))
    store.drain()
    stack = stack_of(store, ref)
    assert stack is not None
    assert [(layer.role, layer.ref) for layer in stack.base.below] == [("VM", None)]


def test_a_node_of_a_cluster_of_vms_has_its_machine_and_that_cluster_on_top() -> None:
    store = Store()
    vm = VirtualMachine(metadata=Meta(name="w-1", namespace="tenants", uid="vm"))
    vm.spec.template.spec.domain.firmware.uuid = UUID
    node = Node(metadata=Meta(name="inner-1", uid="n"), status=NodeStatus(node_info=NodeSystem(system_uuid=UUID)))
    machine = ClusterMachine(
        metadata=Meta(name="w-1", namespace="tenants", uid="m"), spec=MachineSpec(cluster_name="tenant-a")
    )
    for backend, record in (
        ("outer", Cluster(metadata=Meta(name="tenant-a", namespace="tenants", uid="c"))),
        ("outer", machine),
        ("outer", vm),
        ("inner", node),
    ):
        store.post(Put(backend, record))
    store.drain()
    stack = stack_of(store, node.ref("inner"))
    assert stack is not None
    assert [layer.role for _, layer in lines_of(stack)][:4] == ["cluster", "machine", "node", "VM"]
