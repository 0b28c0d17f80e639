"""Where objects are: on which node, or on which host of libvirt."""

from __future__ import annotations

from kvtui.model import Ref
from kvtui.records import libvirt
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import View

_OF_HOSTS = frozenset(
    {libvirt.Host.KIND, libvirt.Domain.KIND, libvirt.DomainJob.KIND, libvirt.BlockJob.KIND, libvirt.StoragePool.KIND}
)


def node_of(view: View, ref: Ref) -> str:
    """The node, or host, that an object is or is on; empty for one that is on none. A migration is where it leaves."""
    if ref.kind in _OF_HOSTS:
        return ref.backend
    if ref.kind == Node.KIND:
        return ref.name
    if ref.kind == Pod.KIND:
        pod = view.find(Pod, ref)
        return pod.spec.node_name if pod is not None else ""
    name = ref.name
    if ref.kind == Migration.KIND:
        migration = view.find(Migration, ref)
        name = migration.spec.vmi_name if migration is not None else ""
    elif ref.kind not in (VirtualMachine.KIND, VirtualMachineInstance.KIND):
        return ""
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, name)
    return vmi.status.node_name if vmi is not None else ""
