"""Records of Cluster API and of its provider for KubeVirt: clusters whose nodes are VMs (kubevirt-api.md 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from kvtui.records.base import Condition, Meta, Record, Struct, find_condition
from kvtui.records.past import Write

CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
"""On every object of a cluster, VMs among them: whose it is."""
DEPLOYMENT_LABEL = "cluster.x-k8s.io/deployment-name"
"""On a Machine: the MachineDeployment whose set made it."""
ROLE_LABEL = "cluster.x-k8s.io/role"
"""On a VM of a cluster: ``control-plane`` or ``worker``."""


def cluster_links(metadata: Meta) -> Iterator[tuple[str, str]]:
    """To the cluster that an object is of, as ``namespace/name``."""
    if name := metadata.labels.get(CLUSTER_LABEL):
        yield "cluster", f"{metadata.namespace}/{name}"


class Part(Record):
    """An object of a cluster."""

    def links(self) -> Iterator[tuple[str, str]]:
        """To its cluster."""
        return cluster_links(self.metadata)


class NewStatus(Struct):
    """``status.v1beta2``: where an object of v1beta1 has the conditions of the version after it."""

    conditions: tuple[Condition, ...] = ()


class ClusterStatus(Struct):
    """``status`` of the kinds of Cluster API."""

    phase: str = ""
    failure_message: str = ""
    replicas: int = 0
    conditions: tuple[Condition, ...] = ()
    v1beta2: NewStatus = msgspec.field(default_factory=NewStatus)

    def find(self, type_: str) -> Condition | None:
        """The condition of that type, in the words of v1beta2 where the object has them."""
        return find_condition(self.v1beta2.conditions, type_) or find_condition(self.conditions, type_)


class ClusterSpec(Struct):
    """``spec`` of a cluster."""

    paused: bool = False


class Cluster(Record):
    """A cluster."""

    KIND: ClassVar[str] = "Cluster"

    spec: ClusterSpec = msgspec.field(default_factory=ClusterSpec)
    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


class ScaledSpec(Struct):
    """``spec`` of what makes machines."""

    replicas: int = 1


class ScaledMeta(Meta):
    """``metadata`` of what makes machines: a cluster has but a few of them."""

    managed_fields: tuple[Write, ...] = ()


class Scaled(Part):
    """What makes machines."""

    metadata: ScaledMeta = msgspec.field(default_factory=ScaledMeta)
    spec: ScaledSpec = msgspec.field(default_factory=ScaledSpec)
    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)

    @property
    def scaled_by(self) -> Write | None:
        """Who set how many there are to be."""
        writes = (one for one in self.metadata.managed_fields if not one.subresource or one.subresource == "scale")
        return next((one for one in writes if _has_replicas(one)), None)


def _has_replicas(write: Write) -> bool:
    spec = (write.fields_v1 or {}).get("f:spec")
    return isinstance(spec, dict) and "f:replicas" in spec


class ControlPlane(Scaled):
    """A KubeadmControlPlane: makes the machines of a cluster's control plane."""

    KIND: ClassVar[str] = "KubeadmControlPlane"


class MachineDeployment(Scaled):
    """Makes the other machines of a cluster."""

    KIND: ClassVar[str] = "MachineDeployment"


class NodeRef(Struct):
    """``status.nodeRef`` of a machine."""

    name: str = ""


class MachineSpec(Struct):
    """``spec`` of a machine."""

    cluster_name: str = ""
    provider_id: str = msgspec.field(default="", name="providerID")
    version: str = ""


class MachineStatus(ClusterStatus):
    """``status`` of a machine."""

    node_ref: NodeRef | None = None
    """Its node in the cluster that it belongs to; None before it has joined."""


class ClusterMachine(Part):
    """A Machine: one node of a cluster, as Cluster API keeps it; its KubevirtMachine and VM bear its name."""

    KIND: ClassVar[str] = "Machine"

    spec: MachineSpec = msgspec.field(default_factory=MachineSpec)
    status: MachineStatus = msgspec.field(default_factory=MachineStatus)

    @property
    def ailing(self) -> list[Condition]:
        """Which parts of a control plane do not run on it as they should."""
        found = (self.status.find(type_) for type_ in _PARTS)
        return [one for one in found if one is not None and one.status == "False"]

    @property
    def node(self) -> str:
        """The name of its node in its own cluster; empty before it has joined."""
        return self.status.node_ref.name if self.status.node_ref is not None else ""


_PARTS = ("EtcdMemberHealthy", "EtcdPodHealthy", "APIServerPodHealthy", "ControllerManagerPodHealthy",
          "SchedulerPodHealthy")  # fmt: skip
"""Conditions of the machines of a control plane (kubevirt-api.md 8.4), the gravest first."""


class KubevirtCluster(Part):
    """What a cluster has of KubeVirt: the load balancer of its API."""

    KIND: ClassVar[str] = "KubevirtCluster"

    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


class KubevirtMachine(Part):
    """A machine of a cluster; its VM bears its name."""

    KIND: ClassVar[str] = "KubevirtMachine"

    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


class KubeadmConfig(Part):
    """What a machine is to do at its first start."""

    KIND: ClassVar[str] = "KubeadmConfig"

    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


PARTS: Final[tuple[type[Record], ...]] = (
    KubevirtCluster,
    KubevirtMachine,
    KubeadmConfig,
    ControlPlane,
    MachineDeployment,
)
"""What a cluster is made of and has no list of its own."""
