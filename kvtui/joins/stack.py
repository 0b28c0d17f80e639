"""The stack of an object: what stands on it, and the layers it stands on, as far down as anybody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from kvtui.joins.claims import filled_by, volumes_of_claim
from kvtui.joins.cluster_stack import above_node, above_vm, of_cluster, of_cluster_machine
from kvtui.joins.copy_stack import of_clone, of_export, of_restore, of_snapshot
from kvtui.joins.disk import find_users
from kvtui.joins.disk_stack import claim_layer, class_layer, data_volume_layer, volume_layer
from kvtui.joins.domain_stack import chain_images, domain_layer, host_layer, image_layer
from kvtui.joins.footing import nodes_in, nodes_on
from kvtui.joins.layers import Layer, Stack, Walk, counted, missing, told_once
from kvtui.joins.machine_stack import (
    below_attachment,
    below_pod,
    judge_instance,
    machine_layer,
    node_layer,
    unseen_nodes,
)
from kvtui.joins.platform_stack import (
    of_api_service,
    of_cdi,
    of_daemon_set,
    of_deployment,
    of_kubevirt,
    of_namespace,
    of_quota,
)
from kvtui.joins.quota import quotas_refusing
from kvtui.joins.storage import users_of
from kvtui.joins.targets import ended_without_node
from kvtui.model import Ref
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.clusters import Cluster, ClusterMachine
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.daemons import DaemonSet
from kvtui.records.kubernetes import ApiService, Claim, Deployment, Namespace, Node, Pod, ResourceQuota
from kvtui.records.kubevirt import (
    InstanceSpec,
    KubeVirt,
    Migration,
    VirtualMachine,
    VirtualMachineInstance,
)
from kvtui.records.libvirt import BlockJob, Domain, DomainJob, Host, StoragePool, StorageVolume
from kvtui.records.networks import NetworkAttachment
from kvtui.records.storage import CephCluster, PersistentVolume, StorageClass
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.store import View

_SINGLE_MOST: Final = 5
"""Users of a disk that have a line each; more are counted."""


def stack_of(view: View, ref: Ref) -> Stack | None:
    """The stack of an object; None for a kind that has none, and for what is gone."""
    make = _MAKERS.get(ref.kind)
    return make(view, ref) if make is not None else None


def has_stack(kind: str) -> bool:
    """Whether objects of a kind stand on anything that is watched."""
    return kind in _MAKERS


# VMs of KubeVirt ---------------------------------------------------------------------------------------------------


def _of_machine(view: View, ref: Ref, top: Ref | None = None) -> Stack | None:
    """A VM; `top` is what stands on it alone and is told by itself."""
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
    if vm is None and vmi is None:
        return None
    spec = vmi.spec if vmi is not None else vm.spec.template.spec if vm is not None else InstanceSpec()
    inner = view.everywhere(Node, "uuid", spec.domain.firmware.uuid.lower()) if spec.domain.firmware.uuid else []
    walk = Walk(view, vmi.status.node_name if vmi is not None and not vmi.is_final else "")
    if top is not None:
        walk.enter(top)
    return Stack(
        (*above_vm(view, ref), *(_inner_node(view, at) for at, _ in inner)),
        machine_layer(walk, ref.backend, vm, vmi, whole=True),
    )


# What stands on what -----------------------------------------------------------------------------------------------


def _inner_node(view: View, ref: Ref) -> Layer:
    """A node of another cluster that runs in a machine, with what it carries there."""
    on_it = [vmi for vmi, _ in view.linked(VirtualMachineInstance, ref.backend, "node", ref.name)]
    carries = f"carries {len(on_it)} VM{'s' * (len(on_it) != 1)} there" if on_it else ""
    return Layer("node inside", f"{ref.name} in {ref.backend}", ref, None, carries)


def _of_node(view: View, ref: Ref) -> Stack | None:
    node = view.find(Node, ref)
    if node is None:
        return None
    names = [
        vmi.path
        for vmi, record in view.linked(VirtualMachineInstance, ref.backend, "node", ref.name)
        if record.status.node_name == ref.name and not record.is_final
    ]
    carried = (counted("VMs", sorted(names)),) if names else ()
    return Stack((*above_node(view, ref, node), *carried), node_layer(Walk(view), ref.backend, ref.name))


def _of_pod(view: View, ref: Ref) -> Stack | None:
    pod = view.find(Pod, ref)
    if pod is None:
        return None
    walk = Walk(view)
    above = tuple(_above_pod(view, ref, pod))
    return Stack(above, told_once(walk, Layer("pod", ref.path, ref), below_pod(walk, ref.backend, pod)))


def _above_pod(view: View, ref: Ref, pod: Pod) -> Iterator[Layer]:
    """The instance that it carries, the claim that it fills, or the part of KubeVirt or CDI that it is of."""
    owner = pod.controller
    name = owner.name if owner is not None else ""
    claim = view.get(Claim, ref.backend, ref.namespace, name) if owner and owner.kind == Claim.KIND else None
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, name) if pod.is_launcher else None
    part = view.ref_of(Deployment, ref.backend, ref.namespace, pod.component) if pod.component else None
    if vmi is not None:
        at = vmi.ref(ref.backend)
        yield Layer("VMI", at.path, at, judge_instance(vmi))
    elif claim is not None:
        at = claim.ref(ref.backend)
        yield from _above_claim(view, at, claim)
        yield Layer("PVC", at.path, at)
    elif part is not None:
        yield Layer("deployment", part.path, part)


def _of_migration(view: View, ref: Ref) -> Stack | None:
    """A migration stands on the VM that it moves; the VM bears what it bears at all times."""
    migration = view.find(Migration, ref)
    if migration is None:
        return None
    name = migration.spec.vmi_name
    moved = _of_machine(view, Ref(ref.backend, VirtualMachineInstance.KIND, ref.namespace, name), ref)
    below = (
        moved.base
        if moved is not None
        else missing(view, VirtualMachineInstance, "VMI", ref.backend, ref.namespace, name)
    )
    unseen = unseen_nodes(view, ref.backend, "none took its target pod") if ended_without_node(migration) else None
    refusing = (Layer("quota", at.path, at) for at in quotas_refusing(view, ref, migration.status.conditions))
    layers = (below, *((unseen,) if unseen is not None else ()), *refusing)
    return Stack(moved.above if moved is not None else (), Layer("migration", ref.path, ref, below=layers))


def _users(view: View, backend: str, namespace: str, name: str) -> tuple[Layer, ...]:
    """The VMs that have a disk: a line each while they are few."""
    users = find_users(view, backend, f"{namespace}/{name}")
    if len(users) > _SINGLE_MOST:
        return (counted("VMs", [user.name for user in users]),)
    found = []
    for user in users:
        vm = view.get(VirtualMachine, backend, namespace, user.name) or view.get(
            VirtualMachineInstance, backend, namespace, user.name
        )
        if vm is not None:
            found.append(Layer("VM", f"{namespace}/{user.name}", vm.ref(backend)))
    return tuple(found)


def _of_data_volume(view: View, ref: Ref) -> Stack | None:
    record = view.find(DataVolume, ref)
    if record is None:
        return None
    above = _users(view, ref.backend, ref.namespace, ref.name)
    return Stack(above, data_volume_layer(Walk(view), ref.backend, record))


def _of_claim(view: View, ref: Ref) -> Stack | None:
    claim = view.find(Claim, ref)
    if claim is None:
        return None
    above = tuple(_above_claim(view, ref, claim))
    return Stack(above, claim_layer(Walk(view), ref.backend, ref.namespace, ref.name))


def _above_claim(view: View, ref: Ref, claim: Claim) -> Iterator[Layer]:
    """VMs, and the DataVolume that a claim is of; over one that CDI fills on the way to another also that."""
    whole = filled_by(ref, claim)
    yield from _users(view, ref.backend, ref.namespace, whole.name)
    for made in volumes_of_claim(view, ref, claim):
        yield Layer("DataVolume", made.path, made)
    if whole.name != ref.name:
        yield Layer("PVC", whole.path, view.ref_of(Claim, ref.backend, ref.namespace, whole.name))


def _of_volume(view: View, ref: Ref) -> Stack | None:
    record = view.find(PersistentVolume, ref)
    if record is None:
        return None
    above: tuple[Layer, ...] = ()
    bound = record.spec.claim_ref
    if bound is not None:
        claim = view.get(Claim, ref.backend, bound.namespace, bound.name)
        if claim is not None:
            at = claim.ref(ref.backend)
            above = (*_above_claim(view, at, claim), Layer("PVC", bound.path, at))
        else:
            lost = missing(view, Claim, "PVC", ref.backend, bound.namespace, bound.name)
            above = (*_users(view, ref.backend, bound.namespace, bound.name), lost)
    return Stack(above, volume_layer(Walk(view), ref.backend, ref.name))


def _of_class(view: View, ref: Ref) -> Stack | None:
    if view.find(StorageClass, ref) is None:
        return None
    claims = sorted(claim.path for claim, _ in view.linked(Claim, ref.backend, "class", ref.name))
    above = (counted("PVCs", claims),) if claims else ()
    return Stack(above, class_layer(Walk(view), ref.backend, ref.name))


def _of_ceph(view: View, ref: Ref) -> Stack | None:
    record = view.find(CephCluster, ref)
    if record is None:
        return None
    classes = sorted(
        found.name for found, one in view.items(StorageClass, ref.backend) if record.serves(one.provisioner)
    )
    claims = [len(view.linked(Claim, ref.backend, "class", name)) for name in classes]
    above = [counted("classes", classes)] if classes else []
    if sum(claims):
        above.insert(0, Layer("PVCs", str(sum(claims)), None, None, "of these classes"))
    return Stack(tuple(above), Layer("Ceph", ref.path, ref))


def _of_attachment(view: View, ref: Ref) -> Stack | None:
    record = view.find(NetworkAttachment, ref)
    if record is None:
        return None
    users = {
        user.path
        for type_ in (VirtualMachine, VirtualMachineInstance)
        for user, _ in view.linked(type_, ref.backend, "attachment", ref.path)
    }
    above = (counted("VMs", sorted(users)),) if users else ()
    return Stack(above, Layer("NAD", ref.path, ref, None, "", tuple(below_attachment(record))))


# Libvirt -----------------------------------------------------------------------------------------------------------


def _of_domain(view: View, ref: Ref, top: Ref | None = None) -> Stack | None:
    """A domain; `top` is the job that stands on it and is told by itself."""
    domain = view.find(Domain, ref)
    if domain is None:
        return None
    above = tuple(_inner_node(view, node) for node, _ in nodes_in(view, domain))
    walk = Walk(view)
    if top is not None:
        walk.enter(top)
    return Stack(above, domain_layer(walk, ref, domain, whole=True))


def _of_job(view: View, ref: Ref) -> Stack | None:
    job = view.record(ref)
    if not isinstance(job, (DomainJob, BlockJob)):
        return None
    found = (at for at, _ in view.linked(Domain, ref.backend, "uuid", job.domain_uid) if job.domain_uid)
    domain = next(found, None)
    stack = _of_domain(view, domain, ref) if domain is not None else None
    return Stack(stack.above, Layer(job.operation or "job", ref.path, ref, below=(stack.base,))) if stack else None


def _of_host(view: View, ref: Ref) -> Stack | None:
    if view.find(Host, ref) is None:
        return None
    domains = sorted(name.name for name, domain in view.items(Domain, ref.backend) if domain.active)
    above = [counted("VMs", domains)] if domains else []
    return Stack(
        (*(_inner_node(view, node) for node, _ in nodes_on(view, ref.backend)), *above),
        host_layer(Walk(view), ref.backend, whole=True),
    )


def _of_pool(view: View, ref: Ref) -> Stack | None:
    pool = view.find(StoragePool, ref)
    if pool is None:
        return None
    volumes = sorted(volume.name for volume, _ in view.linked(StorageVolume, ref.backend, "pool", ref.name))
    counts = (("VMs", users_of(view, ref.backend, pool)), ("volumes", volumes))
    above = tuple(counted(role, names) for role, names in counts if names)
    where = pool.source or pool.path
    below = (Layer(pool.type or "storage", where),) if where else ()
    return Stack(above, Layer("pool", ref.name, ref, None, "", (*below, host_layer(Walk(view), ref.backend))))


def _of_storage_volume(view: View, ref: Ref) -> Stack | None:
    volume = view.find(StorageVolume, ref)
    if volume is None:
        return None
    users = {
        user.name
        for name in volume.names
        for link in ("source", "backing")
        for user, _ in view.linked(Domain, ref.backend, link, name)
    }
    above = (counted("VMs", sorted(users)),) if users else ()
    walk = Walk(view)
    images = [image_layer(walk, ref.backend, ref.name, "volume")]
    seen = {*volume.names}
    while volume.backing and volume.backing not in seen:
        seen.add(volume.backing)
        images.append(image_layer(walk, ref.backend, volume.backing, "file"))
        below = view.linked(StorageVolume, ref.backend, "name", volume.backing)
        if not below:
            break
        volume = below[0][1]
    return Stack(above, chain_images(images))


def _of_network(view: View, ref: Ref) -> Stack | None:
    network = view.find(VirtualNetwork, ref)
    if network is None:
        return None
    users = sorted(user.name for user, _ in view.linked(Domain, ref.backend, "network", ref.name))
    above = (counted("VMs", users),) if users else ()
    below = (Layer("bridge", network.bridge),) if network.bridge else ()
    return Stack(above, Layer("network", ref.name, ref, None, "", (*below, host_layer(Walk(view), ref.backend))))


_Maker = Callable[[View, Ref], Stack | None]
_MAKERS: Final[dict[str, _Maker]] = {
    VirtualMachine.KIND: _of_machine,
    VirtualMachineInstance.KIND: _of_machine,
    Migration.KIND: _of_migration,
    Pod.KIND: _of_pod,
    DaemonSet.KIND: of_daemon_set,
    Deployment.KIND: of_deployment,
    KubeVirt.KIND: of_kubevirt,
    Cdi.KIND: of_cdi,
    ApiService.KIND: of_api_service,
    ResourceQuota.KIND: of_quota,
    Namespace.KIND: of_namespace,
    Node.KIND: _of_node,
    DataVolume.KIND: _of_data_volume,
    Claim.KIND: _of_claim,
    PersistentVolume.KIND: _of_volume,
    StorageClass.KIND: _of_class,
    CephCluster.KIND: _of_ceph,
    NetworkAttachment.KIND: _of_attachment,
    VmSnapshot.KIND: of_snapshot,
    VmRestore.KIND: of_restore,
    VmClone.KIND: of_clone,
    VmExport.KIND: of_export,
    Cluster.KIND: of_cluster,
    ClusterMachine.KIND: of_cluster_machine,
    Domain.KIND: _of_domain,
    DomainJob.KIND: _of_job,
    BlockJob.KIND: _of_job,
    Host.KIND: _of_host,
    StoragePool.KIND: _of_pool,
    StorageVolume.KIND: _of_storage_volume,
    VirtualNetwork.KIND: _of_network,
}
