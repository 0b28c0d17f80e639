"""Which objects belong on the timeline of an object: itself, and all the layers under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from kvtui.joins.ceph import ceph_behind
from kvtui.joins.domain import host_of
from kvtui.joins.footing import footing_of, nodes_in
from kvtui.joins.layers import lines_of
from kvtui.joins.machine import join_machine
from kvtui.joins.reach import kin_of
from kvtui.joins.stack import has_stack, stack_of
from kvtui.model import Ref
from kvtui.records.cdi import DataVolume
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.daemons import DaemonSet
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.kubernetes import Claim, Event, Node, Pod
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import BlockJob, Domain, DomainJob, Host
from kvtui.records.storage import CephCluster, PersistentVolume
from kvtui.store import View

_MIGRATIONS: Final = 10
"""Migrations of one machine, the latest ones."""
_SUFFIX: Final = 5
"""Characters that the API server adds to a generateName."""


class Layer(StrEnum):
    """What a moment is of, from the workload down to the metal; a filter shows one."""

    VM = "vm"
    VMI = "vmi"
    POD = "pod"
    MIGRATION = "migration"
    DISK = "disk"
    COPY = "copy"
    NODE = "node"
    HOST = "host"
    OURS = "kvtui"
    """What was done through kvtui, and what it found."""
    OTHER = "object"


_LAYERS: Final[dict[str, Layer]] = {
    VirtualMachine.KIND: Layer.VM,
    VirtualMachineInstance.KIND: Layer.VMI,
    Pod.KIND: Layer.POD,
    Migration.KIND: Layer.MIGRATION,
    DataVolume.KIND: Layer.DISK,
    Claim.KIND: Layer.DISK,
    PersistentVolume.KIND: Layer.DISK,
    CephCluster.KIND: Layer.DISK,
    VmSnapshot.KIND: Layer.COPY,
    VmRestore.KIND: Layer.COPY,
    VmClone.KIND: Layer.COPY,
    VmExport.KIND: Layer.COPY,
    Node.KIND: Layer.NODE,
    Domain.KIND: Layer.VM,
    DomainJob.KIND: Layer.MIGRATION,
    BlockJob.KIND: Layer.DISK,
    DomainSnapshot.KIND: Layer.COPY,
    Host.KIND: Layer.HOST,
}


def layer_of(kind: str) -> Layer:
    """The layer of a kind where it stands for itself."""
    return _LAYERS.get(kind, Layer.OTHER)


def involve(view: View, ref: Ref) -> dict[Ref, Layer]:
    """The objects, each with its layer, `ref` first. An instance belongs to its VM also while it has none: its events
    outlive it.
    """
    found: dict[Ref, Layer] = {ref: layer_of(ref.kind)}
    names = {ref[:4]}
    for other, layer in _below(view, ref):
        if other[:4] not in names:
            names.add(other[:4])
            found[other] = layer
    return found


class Owners:
    """Finds out, of any number of events, which are about some objects."""

    def __init__(self, involved: Mapping[Ref, Layer], since: float | None = None) -> None:
        """`since` is when the machine among them was created: what went before was of an earlier one of its name."""
        self._since = since
        self._machines = {(ref.namespace, ref.name) for ref in involved if ref.kind == VirtualMachine.KIND}
        self._refs = {(ref.kind, ref.namespace, ref.name): (ref, layer) for ref, layer in involved.items()}
        self._launchers = {
            (ref.namespace, f"virt-launcher-{ref.name}") for ref in involved if ref.kind == VirtualMachineInstance.KIND
        }
        claims = [ref for ref in involved if ref.kind == Claim.KIND]
        self._importers = {
            (ref.namespace, name) for ref in claims for name in (f"importer-{ref.name}", f"importer-prime-{ref.uid}")
        }

    def find(self, event: Event, backend: str) -> tuple[Ref, Layer] | None:
        """What it is about. A pod that is gone bears the name of what it was for (kubevirt-api.md 2.10), an instance
        that is gone the name of its VM.
        """
        about = event.involved_object
        if about.kind == Node.KIND:
            # The kubelet gives the name of its node as the uid.
            return self._refs.get((about.kind, "", about.name))
        found = self._refs.get((about.kind, about.namespace, about.name))
        if found is not None and found[0].uid and about.uid in ("", found[0].uid):
            return found
        # By the clock of the API server, as the creation of the machine.
        if self._since is not None and event.created is not None and event.created < self._since:
            return None
        former = Ref(backend, about.kind, about.namespace, about.name, about.uid)
        if found is not None and not found[0].uid:
            return former, found[1]
        if about.kind == VirtualMachineInstance.KIND and (about.namespace, about.name) in self._machines:
            return former, Layer.VMI
        if about.kind == Pod.KIND and self._is_former(about.namespace, about.name):
            return former, Layer.POD
        return None

    def _is_former(self, namespace: str, name: str) -> bool:
        head, _, tail = name.rpartition("-")
        launcher = len(tail) == _SUFFIX and (namespace, head) in self._launchers
        return launcher or (namespace, name) in self._importers


def _below(view: View, ref: Ref) -> Iterator[tuple[Ref, Layer]]:
    match ref.kind:
        case VirtualMachine.KIND | VirtualMachineInstance.KIND:
            yield from _machine(view, ref.backend, ref.namespace, ref.name)
        case Migration.KIND:
            migration = view.find(Migration, ref)
            if migration is not None:
                yield from _machine(view, ref.backend, ref.namespace, migration.spec.vmi_name, ref)
        case Pod.KIND:
            yield from _pod(view, ref)
        case PersistentVolume.KIND:
            yield from _volume(view, ref)
        case DataVolume.KIND | Claim.KIND:
            yield from _disk(view, ref.backend, ref.namespace, ref.name)
        case Node.KIND:
            yield from _node(view, ref.backend, ref.name)
        case Domain.KIND:
            yield from _domain(view, ref)
        case Host.KIND:
            for job, _ in view.items(DomainJob, ref.backend):
                yield job, Layer.MIGRATION
        case DomainJob.KIND:
            one = view.find(DomainJob, ref)
            for domain, _ in view.everywhere(Domain, "uuid", one.domain_uid) if one is not None else ():
                yield domain, Layer.VM
                yield from _domain(view, domain)
        case _ if has_stack(ref.kind) and ref.kind != DaemonSet.KIND:
            yield from _stack(view, ref)
        case _:
            # What makes pods or machines: those, the cluster that they are for, and the nodes that are away.
            yield from ((one, layer_of(one.kind)) for one in kin_of(view, ref))


def _stack(view: View, ref: Ref) -> Iterator[tuple[Ref, Layer]]:
    """Whatever any other object stands on: a snapshot on its VM, a cluster on its machines, KubeVirt on its pods."""
    stack = stack_of(view, ref)
    if stack is not None:
        below = (layer.ref for _, layer in lines_of(stack) if layer not in stack.above and not layer.quiet)
        yield from ((one, layer_of(one.kind)) for one in below if one is not None)


def _machine(
    view: View, backend: str, namespace: str, name: str, only: Ref | None = None
) -> Iterator[tuple[Ref, Layer]]:
    """A VM and all under it; with `only`, that migration alone of all."""
    vm = view.get(VirtualMachine, backend, namespace, name)
    vmi = view.get(VirtualMachineInstance, backend, namespace, name)
    if vm is not None:
        yield vm.ref(backend), Layer.VM
    yield vmi.ref(backend) if vmi is not None else Ref(backend, VirtualMachineInstance.KIND, namespace, name), Layer.VMI
    nodes = dict.fromkeys([vmi.status.node_name] if vmi is not None else [])
    if vmi is not None:
        for pod, record in view.linked(Pod, backend, "vmi", vmi.metadata.uid):
            yield pod, Layer.POD
            nodes[record.spec.node_name] = None
            # Those that hold what is attached later.
            for helper, _ in view.owned(Pod, pod.uid):
                yield helper, Layer.POD
    path = f"{namespace}/{name}"
    moves = sorted(view.linked(Migration, backend, "vmi", path), key=lambda item: item[1].created or 0.0)
    for ref, migration in moves[-_MIGRATIONS:]:
        if only is None or only[:4] == ref[:4]:
            yield ref, Layer.MIGRATION
            state = migration.status.migration_state
            nodes |= dict.fromkeys([state.source_node, state.target_node] if state is not None else [])
    own = vm or vmi
    machine = join_machine(view, own.ref(backend)) if own is not None else None
    for disk in (*machine.volumes, *machine.claims) if machine is not None else ():
        yield from _disk(view, backend, namespace, disk.metadata.name)
    for type_ in (VmSnapshot, VmRestore, VmClone):
        for ref, _ in view.linked(type_, backend, "vm", path):
            yield ref, Layer.COPY
    for node in filter(None, nodes):
        yield from _node(view, backend, node)


def _disk(view: View, backend: str, namespace: str, name: str) -> Iterator[tuple[Ref, Layer]]:
    """A DataVolume, its claim, which bears its name, the volume behind it, and the claim that is filled instead."""
    volume = view.get(DataVolume, backend, namespace, name)
    if volume is not None:
        yield volume.ref(backend), Layer.DISK
    claim = view.get(Claim, backend, namespace, name)
    if claim is not None:
        yield claim.ref(backend), Layer.DISK
        bound = claim.spec.volume_name
        record = view.get(PersistentVolume, backend, "", bound) if bound else None
        if record is not None:
            yield record.ref(backend), Layer.DISK
            yield from _ceph(view, backend, record)
        for prime, _ in view.owned(Claim, claim.metadata.uid):
            yield prime, Layer.DISK


def _volume(view: View, ref: Ref) -> Iterator[tuple[Ref, Layer]]:
    """The disk that has a volume, and the Ceph behind it."""
    volume = view.find(PersistentVolume, ref)
    if volume is None:
        return
    if volume.spec.claim_ref is not None:
        yield from _disk(view, ref.backend, volume.spec.claim_ref.namespace, volume.spec.claim_ref.name)
    yield from _ceph(view, ref.backend, volume)


def _ceph(view: View, backend: str, volume: PersistentVolume) -> Iterator[tuple[Ref, Layer]]:
    ceph = ceph_behind(view, backend, volume.spec.csi.driver) if volume.spec.csi is not None else None
    if ceph is not None:
        yield ceph.ref(backend), Layer.DISK


def _pod(view: View, ref: Ref) -> Iterator[tuple[Ref, Layer]]:
    pod = view.find(Pod, ref)
    if pod is None:
        return
    owner = pod.controller
    if owner is not None and owner.kind == VirtualMachineInstance.KIND:
        vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, owner.name)
        if vmi is not None:
            yield vmi.ref(ref.backend), Layer.VMI
    if pod.spec.node_name:
        yield from _node(view, ref.backend, pod.spec.node_name)


def _node(view: View, backend: str, name: str) -> Iterator[tuple[Ref, Layer]]:
    """A node, and the domain and host that it runs on where those are watched."""
    node = view.get(Node, backend, "", name)
    if node is None:
        return
    yield node.ref(backend), Layer.NODE
    footing = footing_of(view, node)
    if footing is not None:
        yield footing.ref, Layer.HOST
        yield from ((ref, Layer.HOST) for ref, _ in _jobs(view, footing.ref))
        if footing.host is not None:
            yield footing.host.ref(footing.ref.backend), Layer.HOST


def _domain(view: View, ref: Ref) -> Iterator[tuple[Ref, Layer]]:
    """What goes on with a domain on both hosts of a move, its copies, its host, and the node that runs in it."""
    yield from _jobs(view, ref)
    for snapshot, _ in view.linked(DomainSnapshot, ref.backend, "domain", ref.uid):
        yield snapshot, Layer.COPY
    host = host_of(view, ref.backend)
    if host is not None:
        yield host.ref(ref.backend), Layer.HOST
    domain = view.find(Domain, ref)
    for node, _ in nodes_in(view, domain) if domain is not None else ():
        yield node, Layer.NODE


def _jobs(view: View, ref: Ref) -> Iterator[tuple[Ref, Layer]]:
    for job, _ in view.everywhere(DomainJob, "domain", ref.uid):
        yield job, Layer.MIGRATION
    for block_job, _ in view.linked(BlockJob, ref.backend, "domain", ref.uid):
        yield block_job, Layer.DISK
