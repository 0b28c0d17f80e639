"""Clusters within the cluster: their nodes are machines, and do not come, or do not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.catalog.applications import Application
from kvtui.demo.catalog.tenants import TENANT
from kvtui.demo.catalog.virtualmachines import machine
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import create, edit
from kvtui.demo.objects import owner_reference
from kvtui.demo.storage import Kind, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_SPACE = "tenants"
_CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"


def _make(world: World, kind: Kind, name: str, cluster: str, spec: Object, owner: Object | None = None) -> Object:
    meta: Object = {"name": name, "namespace": _SPACE, "labels": {_CLUSTER_NAME: cluster}}
    if owner is not None:
        meta["ownerReferences"] = [owner_reference(owner)]
    return create(world, kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": spec})


def _add_machine(
    world: World, cluster: str, name: str, *, memory: str = "8Gi", files: list[Object] | None = None
) -> None:
    """A Machine with its bootstrap configuration and its KubevirtMachine, as a MachineSet makes them."""
    infrastructure = {"apiGroup": kinds.KUBEVIRT_MACHINE.group, "kind": kinds.KUBEVIRT_MACHINE.kind, "name": name}
    config = {"apiGroup": kinds.KUBEADM_CONFIG.group, "kind": kinds.KUBEADM_CONFIG.kind, "name": name}
    made = _make(
        world, kinds.MACHINE, name, cluster,
        {"clusterName": cluster, "infrastructureRef": infrastructure, "bootstrap": {"configRef": config}},
    )  # fmt: skip
    written = machine(Application(_SPACE, cluster, "ubuntu", 1, 4, memory, storage_class="", eviction="External"), name)
    template = {"metadata": {"namespace": _SPACE}, "spec": written["spec"]}
    _make(world, kinds.KUBEVIRT_MACHINE, name, cluster, {"virtualMachineTemplate": template}, made)
    spec: Object = {"joinConfiguration": {}, **({"files": files} if files else {})}
    _make(world, kinds.KUBEADM_CONFIG, name, cluster, spec, made)


@drill(
    "cluster-without-address",
    "a new cluster has no address for its API",
    briefing="The team of tenant-b has been waiting for its cluster for a quarter of an hour. There is not even a VM.",
    debrief="Service tenants/tenant-b-lb is of type LoadBalancer, and MetalLB has no address left (no available IPs). "
    "So KubevirtCluster tenant-b has no endpoint, and its machines wait for the cluster's infrastructure. "
    "Give MetalLB more addresses, or use ClusterIP in controlPlaneServiceTemplate.",
)
def without_address(world: World) -> None:
    """The load balancer has no address for the control plane."""
    world.outside.free_addresses.clear()
    reference = {"apiGroup": kinds.KUBEVIRT_CLUSTER.group, "kind": kinds.KUBEVIRT_CLUSTER.kind, "name": "tenant-b"}
    cluster = _make(world, kinds.CLUSTER, "tenant-b", "tenant-b", {"infrastructureRef": reference})
    template = {"spec": {"type": "LoadBalancer"}}
    _make(world, kinds.KUBEVIRT_CLUSTER, "tenant-b", "tenant-b", {"controlPlaneServiceTemplate": template}, cluster)
    _add_machine(world, "tenant-b", "tenant-b-cp-1")


@drill(
    "cluster-without-bootstrap",
    "a new node of a cluster is not even made",
    briefing="tenant-a was scaled up by one worker a quarter of an hour ago. The worker does not come.",
    debrief="KubeadmConfig tenants/tenant-a-workers-1 writes a file from Secret registry-ca, which does not exist in "
    "namespace tenants. Without bootstrap data the KubevirtMachine makes no VM (WaitingForBootstrapData). "
    "Create the secret; the rest follows by itself.",
)
def without_bootstrap(world: World) -> None:
    """The bootstrap data need a secret that nobody made."""
    content = {"secret": {"name": "registry-ca", "key": "ca.crt"}}
    files = [{"path": "/usr/local/share/ca-certificates/registry.crt", "contentFrom": content}]
    _add_machine(world, TENANT, "tenant-a-workers-1", files=files)


@drill(
    "cluster-node-unschedulable",
    "a node of a cluster finds no place",
    briefing="tenant-a's new large worker has been Provisioning since it was ordered.",
    debrief="VM tenants/tenant-a-large-1 asks for 1Ti of memory, and no node has that much, so its KubevirtMachine is "
    "not ready (VM is not ready: ErrorUnschedulable). Change the KubevirtMachineTemplate, which means a new "
    "one, or add a larger node.",
)
def node_unschedulable(world: World) -> None:
    """A machine of a tenant's cluster is too large for every node."""
    _add_machine(world, TENANT, "tenant-a-large-1", memory="1Ti")


@drill(
    "cluster-unreachable",
    "a cluster does not answer",
    briefing="kubectl in tenant-a runs into timeouts. Its VMs are all there.",
    debrief="The VMs of its control plane are paused: somebody paused them for a backup and forgot them "
    "(PausedByUser). Unpause them; the probe of Cluster API succeeds again within a minute.",
    develops=1200.0,
)
def unreachable(world: World) -> None:
    """Somebody paused all machines of a control plane."""

    def pause() -> None:
        labels = {_CLUSTER_NAME: TENANT, "cluster.x-k8s.io/role": "control-plane"}
        for vmi in world.storage.list(kinds.VMI, _SPACE, labels):
            world.handler.pause_guest(_SPACE, vmi["metadata"]["name"], "PausedByUser", "VMI was paused by user")

    world.clock.call_later(180.0, pause)


@drill(
    "cluster-machine-without-node",
    "a new node of a cluster runs, and is not one",
    briefing="tenant-a's new worker has been running for half an hour, and kubectl get nodes there does not show it.",
    debrief="The guest of VM tenants/tenant-a-extra-1 calls itself localhost, for its image sets its own hostname: its "
    "node has another name than the machine and gets no providerID, so Machine tenant-a-extra-1 stays "
    "Provisioned. Put the hostname right in the image or in the KubeadmConfigTemplate, and delete the Machine.",
    develops=1800.0,
)
def machine_without_node(world: World) -> None:
    """The node joins under another name than its machine's."""
    world.outside.strange_hostnames.add("tenant-a-extra-1")
    _add_machine(world, TENANT, "tenant-a-extra-1")


@drill(
    "cluster-etcd-member-lost",
    "a cluster works, and is one fault from its end",
    briefing="The monitoring of tenant-a complains of etcd. kubectl works there, as if nothing had happened.",
    debrief="Somebody took the etcd member of node k8s-node-2 out of the cluster (etcdctl member remove) and nobody "
    "put it back: two of three members are left, and the next fault stops tenant-a. Delete Machine k8s-node-2: "
    "KubeadmControlPlane makes another, whose member joins.",
)
def etcd_member_lost(world: World) -> None:
    """One of three members of an etcd is gone."""
    world.clock.call_later(120.0, lambda: world.control_planes.lose_member(_SPACE, f"{TENANT}-cp", "k8s-node-2"))


@drill(
    "cluster-paused",
    "a cluster was scaled up, and nothing comes",
    briefing="tenant-a wants two workers more, and asked for them a quarter of an hour ago. There is no sign of them, "
    "nor an error.",
    debrief="Cluster tenants/tenant-a is paused: somebody set spec.paused for a backup of the management cluster and "
    "forgot it. Cluster API does nothing for it meanwhile, neither scale nor replace. Set spec.paused to false.",
)
def paused(world: World) -> None:
    """Cluster API leaves the cluster alone, and somebody scales it."""

    def pause(cluster: Object) -> None:
        cluster["spec"]["paused"] = True

    def scale(deployment: Object) -> None:
        deployment["spec"]["replicas"] += 2

    edit(world, kinds.CLUSTER, _SPACE, TENANT, pause)

    def ask() -> None:
        edit(world, kinds.MACHINE_DEPLOYMENT, _SPACE, f"{TENANT}-workers", scale)

    world.clock.call_later(120.0, ask)
