"""Records of Cluster API and of its provider for KubeVirt: clusters whose nodes are VMs (kubevirt-api.md 8)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kvtui.records.base import Condition, Record, Struct

CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
"""On every object of a cluster, VMs among them: whose it is."""
ROLE_LABEL = "cluster.x-k8s.io/role"
"""On a VM of a cluster: ``control-plane`` or ``worker``."""


class ClusterStatus(Struct):
    """``status`` of the kinds of Cluster API."""

    phase: str = ""
    failure_message: str = ""
    conditions: tuple[Condition, ...] = ()


class Cluster(Record):
    """A cluster."""

    KIND: ClassVar[str] = "Cluster"

    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


class KubevirtCluster(Record):
    """What a cluster has of KubeVirt: the load balancer of its API."""

    KIND: ClassVar[str] = "KubevirtCluster"

    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


class KubevirtMachine(Record):
    """A machine of a cluster; its VM bears its name."""

    KIND: ClassVar[str] = "KubevirtMachine"

    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


class KubeadmConfig(Record):
    """What a machine is to do at its first start."""

    KIND: ClassVar[str] = "KubeadmConfig"

    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)
