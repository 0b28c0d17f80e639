"""Where each kind is served that kvtui reads or changes; versions: kubevirt-api.md 1."""

from __future__ import annotations

from typing import Final, NamedTuple

from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.errors import UnservedError
from kvtui.model import Ref

_SUBRESOURCES: Final = "subresources.kubevirt.io"
_KUBEVIRT: Final = ("v1", "v1alpha3")


class Place(NamedTuple):
    """A kind's group, the versions that we can write, the best first, and its plural."""

    group: str
    versions: tuple[str, ...]
    plural: str


PLACES: Final = {
    "Node": Place("", ("v1",), "nodes"),
    "Pod": Place("", ("v1",), "pods"),
    "Event": Place("", ("v1",), "events"),
    "Namespace": Place("", ("v1",), "namespaces"),
    "PersistentVolumeClaim": Place("", ("v1",), "persistentvolumeclaims"),
    "PersistentVolume": Place("", ("v1",), "persistentvolumes"),
    "Secret": Place("", ("v1",), "secrets"),
    "Service": Place("", ("v1",), "services"),
    "VirtualMachine": Place("kubevirt.io", _KUBEVIRT, "virtualmachines"),
    "VirtualMachineInstance": Place("kubevirt.io", _KUBEVIRT, "virtualmachineinstances"),
    "VirtualMachineInstanceMigration": Place("kubevirt.io", _KUBEVIRT, "virtualmachineinstancemigrations"),
    "VirtualMachineSnapshot": Place("snapshot.kubevirt.io", ("v1beta1", "v1alpha1"), "virtualmachinesnapshots"),
    "VirtualMachineRestore": Place("snapshot.kubevirt.io", ("v1beta1", "v1alpha1"), "virtualmachinerestores"),
    "VirtualMachineClone": Place("clone.kubevirt.io", ("v1beta1", "v1alpha1"), "virtualmachineclones"),
    "VirtualMachineExport": Place("export.kubevirt.io", ("v1", "v1beta1", "v1alpha1"), "virtualmachineexports"),
    "DataVolume": Place("cdi.kubevirt.io", ("v1beta1",), "datavolumes"),
    "CDIConfig": Place("cdi.kubevirt.io", ("v1beta1",), "cdiconfigs"),
    "StorageProfile": Place("cdi.kubevirt.io", ("v1beta1",), "storageprofiles"),
    "StorageClass": Place("storage.k8s.io", ("v1",), "storageclasses"),
    "Cluster": Place("cluster.x-k8s.io", ("v1beta2", "v1beta1"), "clusters"),
    "KubevirtCluster": Place("infrastructure.cluster.x-k8s.io", ("v1alpha1",), "kubevirtclusters"),
    "KubevirtMachine": Place("infrastructure.cluster.x-k8s.io", ("v1alpha1",), "kubevirtmachines"),
    "KubeadmConfig": Place("bootstrap.cluster.x-k8s.io", ("v1beta2", "v1beta1"), "kubeadmconfigs"),
    "APIService": Place("apiregistration.k8s.io", ("v1",), "apiservices"),
    "CephCluster": Place("ceph.rook.io", ("v1",), "cephclusters"),
    "NetworkAttachmentDefinition": Place("k8s.cni.cncf.io", ("v1",), "network-attachment-definitions"),
    "UploadTokenRequest": Place("upload.cdi.kubevirt.io", ("v1beta1",), "uploadtokenrequests"),
}


def find_place(kind: str) -> Place:
    """Where a kind is served. Raises UnservedError for one that kvtui does not know."""
    try:
        return PLACES[kind]
    except KeyError:
        raise UnservedError(f"kvtui does not know where {kind} objects are served") from None


async def find_path(discovery: Discovery, ref: Ref) -> tuple[str, str]:
    """The apiVersion of an object, as the server has it now, and its path; that of its list where it has no name."""
    place = find_place(ref.kind)
    version = (await discovery.versions(place.group, place.versions))[0]
    path = object_path(place.group, version, place.plural, ref.namespace, ref.name)
    return (f"{place.group}/{version}" if place.group else version), path


async def find_subresource(discovery: Discovery, ref: Ref, subresource: str) -> str:
    """The path of a subresource of a VM or VMI; kubevirt-api.md 3."""
    version = (await discovery.versions(_SUBRESOURCES, _KUBEVIRT))[0]
    return object_path(_SUBRESOURCES, version, find_place(ref.kind).plural, ref.namespace, ref.name, subresource)
