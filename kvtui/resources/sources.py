"""Where each kind is listed and watched; versions: kubevirt-api.md 1.

Pods are limited to those that carry the label ``kubevirt.io`` (launchers of VMs, hot-plug pods and KubeVirt's own
components) or ``cdi.kubevirt.io`` (CDI's own, and those that fill disks). A fleet may have ten times as many other
pods, and no VM row or rule needs them.
"""

from __future__ import annotations

from typing import Final

from kvtui.backends.base import Source
from kvtui.model import Platform
from kvtui.records.base import Record
from kvtui.records.cdi import Cdi, DataSource, DataVolume
from kvtui.records.clusters import (
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
from kvtui.records.gitops import Application
from kvtui.records.kubernetes import ApiService, Claim, Deployment, Event, Namespace, Node, Pod, ResourceQuota
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import BlockJob, Domain, DomainJob, Host, StoragePool, StorageVolume
from kvtui.records.networks import NetworkAttachment
from kvtui.records.storage import CephCluster, CsiDriver, CsiNode, PersistentVolume, StorageClass
from kvtui.records.virtual_networks import VirtualNetwork

_KUBEVIRT: Final = ("v1", "v1alpha3")

NODES: Final = Source(Node, "", ("v1",), "nodes", namespaced=False)
QUOTAS: Final = Source(ResourceQuota, "", ("v1",), "resourcequotas", polled=True)
NAMESPACES: Final = Source(Namespace, "", ("v1",), "namespaces", namespaced=False)
PODS: Final = Source(Pod, "", ("v1",), "pods", label_selector="kubevirt.io")
CDI_PODS: Final = Source(Pod, "", ("v1",), "pods", label_selector="cdi.kubevirt.io", part="of CDI")
# In a namespace of their own, whichever namespace the user looks at.
DEPLOYMENTS: Final = Source(
    Deployment, "apps", ("v1",), "deployments", namespaced=False, polled=True, label_selector="kubevirt.io"
)
CDI_DEPLOYMENTS: Final = Source(
    Deployment, "apps", ("v1",), "deployments", namespaced=False, polled=True, label_selector="cdi.kubevirt.io",
    part="of CDI",
)  # fmt: skip
CLAIMS: Final = Source(Claim, "", ("v1",), "persistentvolumeclaims")
VOLUMES: Final = Source(PersistentVolume, "", ("v1",), "persistentvolumes", namespaced=False)
CLASSES: Final = Source(StorageClass, "storage.k8s.io", ("v1",), "storageclasses", namespaced=False, polled=True)
CSI_DRIVERS: Final = Source(CsiDriver, "storage.k8s.io", ("v1",), "csidrivers", namespaced=False, polled=True)
CSI_NODES: Final = Source(CsiNode, "storage.k8s.io", ("v1",), "csinodes", namespaced=False, polled=True)
# In namespaces of their own, whichever namespace the user looks at; no label tells which are of CSI drivers.
DAEMON_SETS: Final = Source(DaemonSet, "apps", ("v1",), "daemonsets", namespaced=False, polled=True)
# In a namespace of its own, whichever namespace the user looks at.
CEPHS: Final = Source(CephCluster, "ceph.rook.io", ("v1",), "cephclusters", namespaced=False, polled=True)
ATTACHMENTS: Final = Source(
    NetworkAttachment, "k8s.cni.cncf.io", ("v1",), "network-attachment-definitions", polled=True
)
API_SERVICES: Final = Source(
    ApiService, "apiregistration.k8s.io", ("v1",), "apiservices", namespaced=False, polled=True
)
CLUSTERS: Final = Source(Cluster, "cluster.x-k8s.io", ("v1beta2", "v1beta1"), "clusters", polled=True)
CLUSTER_ADDRESSES: Final = Source(
    KubevirtCluster, "infrastructure.cluster.x-k8s.io", ("v1alpha1",), "kubevirtclusters", polled=True
)
CLUSTER_MACHINES: Final = Source(
    KubevirtMachine, "infrastructure.cluster.x-k8s.io", ("v1alpha1",), "kubevirtmachines", polled=True
)
CAPI_MACHINES: Final = Source(ClusterMachine, "cluster.x-k8s.io", ("v1beta2", "v1beta1"), "machines", polled=True)
CONTROL_PLANES: Final = Source(
    ControlPlane, "controlplane.cluster.x-k8s.io", ("v1beta2", "v1beta1"), "kubeadmcontrolplanes", polled=True
)
MACHINE_DEPLOYMENTS: Final = Source(
    MachineDeployment, "cluster.x-k8s.io", ("v1beta2", "v1beta1"), "machinedeployments", polled=True
)
KUBEADM_CONFIGS: Final = Source(
    KubeadmConfig, "bootstrap.cluster.x-k8s.io", ("v1beta2", "v1beta1"), "kubeadmconfigs", polled=True
)
# In a namespace of its own, whichever namespace the user looks at.
APPLICATIONS: Final = Source(Application, "argoproj.io", ("v1alpha1",), "applications", namespaced=False)
EVENTS: Final = Source(Event, "", ("v1",), "events")
MACHINES: Final = Source(VirtualMachine, "kubevirt.io", _KUBEVIRT, "virtualmachines")
INSTANCES: Final = Source(VirtualMachineInstance, "kubevirt.io", _KUBEVIRT, "virtualmachineinstances")
MIGRATIONS: Final = Source(Migration, "kubevirt.io", _KUBEVIRT, "virtualmachineinstancemigrations")
# In a namespace of its own, whichever namespace the user looks at.
KUBEVIRTS: Final = Source(KubeVirt, "kubevirt.io", _KUBEVIRT, "kubevirts", namespaced=False, polled=True)
DATA_VOLUMES: Final = Source(DataVolume, "cdi.kubevirt.io", ("v1beta1",), "datavolumes")
DATA_SOURCES: Final = Source(DataSource, "cdi.kubevirt.io", ("v1beta1",), "datasources", polled=True)
CDIS: Final = Source(Cdi, "cdi.kubevirt.io", ("v1beta1",), "cdis", namespaced=False, polled=True)
VM_SNAPSHOTS: Final = Source(VmSnapshot, "snapshot.kubevirt.io", ("v1beta1", "v1alpha1"), "virtualmachinesnapshots")
VM_RESTORES: Final = Source(VmRestore, "snapshot.kubevirt.io", ("v1beta1", "v1alpha1"), "virtualmachinerestores")
VM_CLONES: Final = Source(VmClone, "clone.kubevirt.io", ("v1beta1", "v1alpha1"), "virtualmachineclones")
VM_EXPORTS: Final = Source(VmExport, "export.kubevirt.io", ("v1", "v1beta1", "v1alpha1"), "virtualmachineexports")


def _libvirt(type_: type[Record], plural: str) -> Source:
    return Source(type_, "", (), plural, namespaced=False, platform=Platform.LIBVIRT)


HOSTS: Final = _libvirt(Host, "hosts")
DOMAINS: Final = _libvirt(Domain, "domains")
JOBS: Final = _libvirt(DomainJob, "jobs")
BLOCK_JOBS: Final = _libvirt(BlockJob, "block jobs")
POOLS: Final = _libvirt(StoragePool, "pools")
STORAGE_VOLUMES: Final = _libvirt(StorageVolume, "volumes")
NETWORKS: Final = _libvirt(VirtualNetwork, "networks")
SNAPSHOTS: Final = _libvirt(DomainSnapshot, "snapshots")
_WORDS: Final = {
    source.kind: source.plural
    for source in (HOSTS, DOMAINS, JOBS, BLOCK_JOBS, POOLS, STORAGE_VOLUMES, NETWORKS, SNAPSHOTS)
}


def name_kind(kind: str) -> str:
    """A kind in a sentence: libvirt's have names of ours, in the field's words; those of Kubernetes are its words."""
    return _WORDS.get(kind, kind)
