"""What bears on an object: its own parts, what belongs to it, what it stands on, and who has to act for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Final

from kvtui.joins.cluster_stack import machines_of
from kvtui.joins.footing import machines_under
from kvtui.joins.layers import lines_of
from kvtui.joins.parts import parts_of
from kvtui.joins.stack import stack_of
from kvtui.model import Ref
from kvtui.records.base import Record, is_true
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.clusters import (
    CLUSTER_LABEL,
    DEPLOYMENT_LABEL,
    Cluster,
    ClusterMachine,
    ControlPlane,
    KubeadmConfig,
    KubevirtCluster,
    KubevirtMachine,
    MachineDeployment,
)
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.daemons import DaemonSet
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.kubernetes import ApiService, Deployment, Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import BlockJob, Domain, DomainJob, Host, StoragePool
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.store import View


class Tie(Enum):
    """How something bears on an object, the nearest first."""

    OWN = "itself"
    PART = "what belongs to it"
    BELOW = "what it stands on"
    KEEPER = "what it depends on"


_OF_KUBEVIRT: Final = frozenset(
    one.KIND for one in (VirtualMachine, VirtualMachineInstance, Migration, VmSnapshot, VmRestore, VmClone, VmExport)
)
_KUBEVIRT: Final = ("virt-controller", "virt-api")
"""Parts of KubeVirt without which nothing that is asked for happens to a VM."""
_CDI: Final = ("cdi-deployment", "cdi-apiserver")
"""The same for a disk that is to be filled."""
_HANDLER: Final = "virt-handler"


def reach_of(view: View, ref: Ref, row: Any) -> dict[Ref, Tie]:
    """All that bears on an object, each by its nearest tie; `row` is what its pane shows of it."""
    found: dict[Ref, Tie] = {}
    names: set[tuple[str, ...]] = set()

    def add(refs: Iterable[Ref], tie: Tie) -> None:
        for one in refs:
            if one[:4] not in names:
                names.add(one[:4])
                found[one] = tie

    add((ref, *parts_of(row, ref.backend)), Tie.OWN)
    add(_belongings(view, ref), Tie.PART)
    add(_layers_under(view, ref), Tie.BELOW)
    add(_own_keepers(view, ref), Tie.KEEPER)
    add(_keepers(view, tuple(found)), Tie.KEEPER)
    return found


def kin_of(view: View, ref: Ref) -> Iterator[Ref]:
    """What belongs to an object, and what keeps it from what it is to make; one may come twice."""
    yield from _belongings(view, ref)
    yield from _own_keepers(view, ref)


def _layers_under(view: View, ref: Ref) -> Iterator[Ref]:
    stack = stack_of(view, ref)
    if stack is not None:
        layers = (layer for _, layer in lines_of(stack) if layer not in stack.above and not layer.quiet)
        # Of a node that may not be seen, the pods of KubeVirt on it may.
        yield from (found for layer in layers if (found := layer.ref or layer.sought) is not None)
    migration = view.find(Migration, ref) if ref.kind == Migration.KIND else None
    state = migration.status.migration_state if migration is not None else None
    target = view.ref_of(Node, ref.backend, "", state.target_node) if state is not None else None
    if target is not None:
        yield target


# What belongs to it ------------------------------------------------------------------------------------------------


def _belongings(view: View, ref: Ref) -> Iterator[Ref]:
    match ref.kind:
        case VirtualMachine.KIND | VirtualMachineInstance.KIND:
            yield from _copies(view, ref)
            yield from _cluster_parts(view, ref)
        case Domain.KIND:
            yield from (at for at, _ in view.everywhere(DomainJob, "domain", ref.uid))
            yield from (at for at, _ in view.linked(BlockJob, ref.backend, "domain", ref.uid))
            yield from (at for at, _ in view.linked(DomainSnapshot, ref.backend, "domain", ref.uid))
        case Host.KIND:
            yield from (at for at, _ in view.items(StoragePool, ref.backend))
            yield from (at for at, _ in view.items(VirtualNetwork, ref.backend))
        case Node.KIND:
            node = view.find(Node, ref)
            for vm in machines_under(view, ref.backend, node) if node is not None else ():
                yield from _cluster_parts(view, vm)
        case Cluster.KIND:
            yield from _of_cluster(view, ref)
        case ClusterMachine.KIND:
            yield from _cluster_parts(view, ref)
        case KubevirtMachine.KIND | KubeadmConfig.KIND:
            own = view.ref_of(VirtualMachine, ref.backend, ref.namespace, ref.name)
            yield from (own,) if own is not None else ()
            yield from _cluster_parts(view, ref)
        case ControlPlane.KIND | MachineDeployment.KIND:
            yield from _made_machines(view, ref)
        case Deployment.KIND:
            yield from _component_pods(view, ref)
        case DaemonSet.KIND:
            yield from (at for at, _ in view.owned(Pod, ref.uid))
        case KubeVirt.KIND:
            yield from _deployments(view, ref.backend, "virt-")
            yield from (at for at, _ in view.linked(Pod, ref.backend, "components", ref.namespace))
        case Cdi.KIND:
            yield from _deployments(view, ref.backend, "cdi-")


def _copies(view: View, ref: Ref) -> Iterator[Ref]:
    """Snapshots, restores, clones and exports of a VM."""
    source = f"{VirtualMachine.KIND} {ref.path}"
    types: tuple[type[Record], ...] = (VmSnapshot, VmRestore, VmClone)
    for type_ in types:
        yield from (at for at, _ in view.linked(type_, ref.backend, "vm", ref.path))
    yield from (at for at, _ in view.linked(VmClone, ref.backend, "source", source))
    yield from (at for at, _ in view.linked(VmExport, ref.backend, "source", source))


def _cluster_parts(view: View, ref: Ref) -> Iterator[Ref]:
    """What Cluster API has of a VM that is a node: it all bears the name of the VM; and its cluster."""
    types: tuple[type[Record], ...] = (ClusterMachine, KubevirtMachine, KubeadmConfig)
    for type_ in types:
        record = view.get(type_, ref.backend, ref.namespace, ref.name)
        if record is None:
            continue
        yield record.ref(ref.backend)
        cluster = view.get(Cluster, ref.backend, ref.namespace, record.metadata.labels.get(CLUSTER_LABEL, ""))
        if cluster is not None:
            yield cluster.ref(ref.backend)
            yield from _infrastructure(view, cluster.ref(ref.backend))


def _of_cluster(view: View, ref: Ref) -> Iterator[Ref]:
    yield from _infrastructure(view, ref)
    yield from machines_of(view, ref)
    types: tuple[type[Record], ...] = (KubevirtMachine, KubeadmConfig)
    yield from _labelled(view, ref, types)


def _made_machines(view: View, ref: Ref) -> Iterator[Ref]:
    """The machines that a control plane or a MachineDeployment has made, with what bears their names."""
    maker = view.record(ref)
    cluster = f"{ref.namespace}/{maker.metadata.labels.get(CLUSTER_LABEL, '')}" if maker is not None else ""
    types: tuple[type[Record], ...] = (KubevirtMachine, KubeadmConfig, VirtualMachine)
    for at, machine in view.linked(ClusterMachine, ref.backend, "cluster", cluster):
        owner = machine.controller
        of_set = machine.metadata.labels.get(DEPLOYMENT_LABEL) == ref.name
        if of_set if ref.kind == MachineDeployment.KIND else owner is not None and owner.uid == ref.uid:
            yield at
            parts = (view.ref_of(type_, ref.backend, ref.namespace, at.name) for type_ in types)
            yield from (part for part in parts if part is not None)


def _infrastructure(view: View, ref: Ref) -> Iterator[Ref]:
    yield from _labelled(view, ref, (KubevirtCluster, ControlPlane, MachineDeployment))
    own = view.ref_of(KubevirtCluster, ref.backend, ref.namespace, ref.name)
    if own is not None:
        yield own


def _labelled(view: View, ref: Ref, types: tuple[type[Record], ...]) -> Iterator[Ref]:
    for type_ in types:
        yield from (at for at, _ in view.linked(type_, ref.backend, "cluster", ref.path))


# Who has to act for it ---------------------------------------------------------------------------------------------


def _keepers(view: View, refs: tuple[Ref, ...]) -> Iterator[Ref]:
    for backend in dict.fromkeys(ref.backend for ref in refs if ref.kind in _OF_KUBEVIRT):
        for component in _KUBEVIRT:
            yield from _deployments(view, backend, component)
        yield from (at for at, _ in view.linked(ApiService, backend, "service", "virt-api"))
    for backend in dict.fromkeys(ref.backend for ref in refs if _is_filling(view, ref)):
        for component in _CDI:
            yield from _deployments(view, backend, component)
    for ref in refs:
        if ref.kind == Node.KIND and ref.name:
            handlers = view.linked(Pod, ref.backend, "component", _HANDLER)
            yield from (at for at, pod in handlers if pod.spec.node_name == ref.name)


def _own_keepers(view: View, ref: Ref) -> Iterator[Ref]:
    """What keeps it from what it is to make."""
    match ref.kind:
        case ControlPlane.KIND | KubevirtCluster.KIND | MachineDeployment.KIND:
            yield from _cluster_above(view, ref)
        case DaemonSet.KIND:
            yield from _lost_nodes(view, ref)


def _cluster_above(view: View, ref: Ref) -> Iterator[Ref]:
    """The cluster that something is of, its address, and the control plane that its other machines join."""
    record = view.record(ref)
    name = record.metadata.labels.get(CLUSTER_LABEL, ref.name) if record is not None else ""
    cluster = view.ref_of(Cluster, ref.backend, ref.namespace, name)
    if cluster is not None:
        yield cluster
        yield from (at for at in _infrastructure(view, cluster) if at.kind != MachineDeployment.KIND)


def _lost_nodes(view: View, ref: Ref) -> Iterator[Ref]:
    """The nodes that are not ready, where a DaemonSet lacks pods: theirs are not either."""
    record = view.find(DaemonSet, ref)
    if record is not None and record.status.number_ready < record.status.desired_number_scheduled:
        nodes = view.items(Node, ref.backend)
        yield from (at for at, node in nodes if not is_true(node.status.conditions, "Ready"))


def _is_filling(view: View, ref: Ref) -> bool:
    volume = view.find(DataVolume, ref) if ref.kind == DataVolume.KIND else None
    return volume is not None and volume.status.phase != "Succeeded"


def _deployments(view: View, backend: str, prefix: str) -> Iterator[Ref]:
    """The Deployments whose names begin so: those that are seen, and those of which only pods are."""
    yield from (at for at, _ in view.items(Deployment, backend) if at.name.startswith(prefix))
    for at, pod in view.linked(Pod, backend, "component", prefix):
        yield Ref(backend, Deployment.KIND, at.namespace, pod.component)


def _component_pods(view: View, ref: Ref) -> Iterator[Ref]:
    pods = view.linked(Pod, ref.backend, "component", ref.name)
    yield from (at for at, _ in pods if at.namespace == ref.namespace)
