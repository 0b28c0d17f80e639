"""Clusters whose nodes are VMs (Cluster API): the cluster stands on its machines, a machine on its VM."""

from __future__ import annotations

from collections.abc import Iterator

from kvtui.joins.footing import machines_under
from kvtui.joins.layers import Layer, Stack, Walk, missing
from kvtui.joins.machine_stack import machine_layer
from kvtui.model import Ref
from kvtui.records.clusters import (
    CLUSTER_LABEL,
    DEPLOYMENT_LABEL,
    Cluster,
    ClusterMachine,
    ControlPlane,
    KubevirtCluster,
    KubevirtMachine,
    MachineDeployment,
)
from kvtui.records.kubernetes import Node
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import View


def of_cluster(view: View, ref: Ref) -> Stack | None:
    """A cluster: its address, what makes its machines, and those with their VMs."""
    if view.find(Cluster, ref) is None:
        return None
    walk = Walk(view)
    machines = (_machine_layer(walk, at) for at in machines_of(view, ref))
    return Stack((), Layer("cluster", ref.path, ref, below=(*_infrastructure(view, ref), *machines)))


def of_cluster_machine(view: View, ref: Ref) -> Stack | None:
    """A machine between its cluster and its VM."""
    machine = view.find(ClusterMachine, ref)
    if machine is None:
        return None
    above = (*_cluster_above(view, ref, machine.spec.cluster_name), *_maker_above(view, ref, machine))
    return Stack(above, _machine_layer(Walk(view), ref))


def above_vm(view: View, ref: Ref) -> Iterator[Layer]:
    """What of Cluster API stands on a VM: its cluster, and the machine that bears its name."""
    machine = view.get(ClusterMachine, ref.backend, ref.namespace, ref.name)
    if machine is not None:
        yield from _cluster_above(view, ref, machine.spec.cluster_name)
        yield from _maker_above(view, ref, machine)
        yield Layer("machine", ref.path, machine.ref(ref.backend))
        return
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    name = vm.metadata.labels.get(CLUSTER_LABEL, "") if vm is not None else ""
    yield from _cluster_above(view, ref, name)


def above_node(view: View, ref: Ref, node: Node) -> Iterator[Layer]:
    """The same of a node that runs in a VM of another cluster."""
    for vm in machines_under(view, ref.backend, node):
        yield from above_vm(view, vm)


def machines_of(view: View, ref: Ref) -> list[Ref]:
    """The machines of a cluster, by their names."""
    found = view.items(ClusterMachine, ref.backend)
    return sorted(at for at, one in found if at.namespace == ref.namespace and one.spec.cluster_name == ref.name)


def _infrastructure(view: View, ref: Ref) -> Iterator[Layer]:
    for at, one in view.items(KubevirtCluster, ref.backend):
        if at.namespace == ref.namespace and one.metadata.labels.get(CLUSTER_LABEL, at.name) == ref.name:
            yield Layer("KubevirtCluster", at.path, at)
    for at, _ in view.linked(ControlPlane, ref.backend, "cluster", ref.path):
        yield Layer("control plane", at.path, at)
    for at in sorted(at for at, _ in view.linked(MachineDeployment, ref.backend, "cluster", ref.path)):
        yield Layer("MachineDeployment", at.path, at)


def _machine_layer(walk: Walk, ref: Ref) -> Layer:
    """A machine and the VM of its name; before that is made there is none, and its KubevirtMachine says why."""
    view = walk.view
    made = view.ref_of(KubevirtMachine, ref.backend, ref.namespace, ref.name)
    between = (Layer("KubevirtMachine", made.path, made, quiet=True),) if made is not None else ()
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
    below = (
        machine_layer(walk, ref.backend, vm, vmi, whole=False)
        if vm is not None or vmi is not None
        else missing(view, VirtualMachine, "VM", ref.backend, ref.namespace, ref.name)
    )
    return Layer("machine", ref.path, ref, below=(*between, below))


def _cluster_above(view: View, ref: Ref, name: str) -> Iterator[Layer]:
    cluster = view.get(Cluster, ref.backend, ref.namespace, name) if name else None
    if cluster is not None:
        yield Layer("cluster", f"{ref.namespace}/{name}", cluster.ref(ref.backend))


def _maker_above(view: View, ref: Ref, machine: ClusterMachine) -> Iterator[Layer]:
    """What made a machine: the control plane, where stands whether its etcd is whole, or a MachineDeployment."""
    owner = machine.controller
    plane = view.get(ControlPlane, ref.backend, ref.namespace, owner.name) if owner is not None else None
    if plane is not None and owner is not None and plane.metadata.uid == owner.uid:
        yield Layer("control plane", f"{ref.namespace}/{owner.name}", plane.ref(ref.backend))
    name = machine.metadata.labels.get(DEPLOYMENT_LABEL, "")
    deployment = view.ref_of(MachineDeployment, ref.backend, ref.namespace, name) if name else None
    if deployment is not None:
        yield Layer("MachineDeployment", deployment.path, deployment)
