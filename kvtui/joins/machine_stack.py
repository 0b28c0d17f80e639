"""The layers under a VM of KubeVirt: instance, launcher pods, nodes and what those run in; disks and networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from kvtui.joins.causes import list_refusals
from kvtui.joins.conditions import list_troubles
from kvtui.joins.disk_stack import disk_layer
from kvtui.joins.domain_stack import domain_layer, host_layer
from kvtui.joins.footing import machines_under
from kvtui.joins.layers import Layer, Walk, missing, tell_blindness, told_once
from kvtui.joins.machine import current_launcher, newest_migrations
from kvtui.joins.quota import quotas_refusing
from kvtui.joins.targets import is_made_for
from kvtui.model import Health, Ref, Tone
from kvtui.records.base import find_condition, is_true
from kvtui.records.kubernetes import Deployment, Node, Pod
from kvtui.records.kubevirt import InstanceSpec, Interface, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, Host
from kvtui.records.networks import Network, NetworkAttachment
from kvtui.store import View

_ENDED: Final = frozenset({"Succeeded", "Failed"})


def machine_layer(
    walk: Walk, backend: str, vm: VirtualMachine | None, vmi: VirtualMachineInstance | None, *, whole: bool
) -> Layer:
    """A VM with its instance, what that runs in, and how it moves; the `whole` one with disks and networks."""
    instance = [_instance_layer(walk, backend, vmi)] if vmi is not None else []
    if vm is None:
        assert vmi is not None
        moves = _move_layers(walk, vmi.ref(backend), vmi)
        parts = _parts(walk, backend, vmi.metadata.namespace, vmi.spec, vmi) if whole else ()
        return replace(instance[0], below=(*instance[0].below, *moves, *parts))
    ref = vm.ref(backend)
    if not instance:
        instance = [_no_instance(walk, ref)]
    spec = vmi.spec if vmi is not None else vm.spec.template.spec
    parts = _parts(walk, backend, ref.namespace, spec, vmi) if whole else ()
    keepers = _keeper_layers(walk.view, ref, vm, vmi) if whole else ()
    return Layer("VM", ref.path, ref, None, "", (*instance, *_move_layers(walk, ref, vmi), *parts, *keepers))


def _keeper_layers(view: View, ref: Ref, vm: VirtualMachine, vmi: VirtualMachineInstance | None) -> Iterator[Layer]:
    """The quotas that refuse it, and the parts of KubeVirt without which nothing that is asked for happens to it."""
    conditions = (*vm.status.conditions, *(vmi.status.conditions if vmi is not None else ()))
    for at in quotas_refusing(view, ref, conditions):
        yield Layer("quota", at.path, at)
    for at, _ in view.items(Deployment, ref.backend):
        if at.name in ("virt-api", "virt-controller"):
            yield Layer("deployment", at.path, at, quiet=True)


def _move_layers(walk: Walk, ref: Ref, vmi: VirtualMachineInstance | None) -> Iterator[Layer]:
    """The migration under way of a VM, and the last that failed; not the one whose own stack this is."""
    view = walk.view
    under_way, ended = newest_migrations(view, ref.backend, ref.namespace, ref.name)
    if under_way is not None and walk.enter(under_way.ref(ref.backend)):
        at = under_way.ref(ref.backend)
        yield Layer("migration", at.path, at)
    if ended is not None and ended.status.phase == "Failed" and walk.enter(ended.ref(ref.backend)):
        at = ended.ref(ref.backend)
        yield Layer("migration", at.path, at, quiet=True)
    state = vmi.status.migration_state if vmi is not None else None
    blind = tell_blindness(view, ref.backend, Migration)
    if blind is not None and state is not None and state.in_progress and under_way is None:
        yield Layer("migration", "", None, blind, sought=Ref(ref.backend, Migration.KIND, ref.namespace, ""))


def _instance_layer(walk: Walk, backend: str, vmi: VirtualMachineInstance) -> Layer:
    ref = vmi.ref(backend)
    return told_once(walk, Layer("VMI", ref.path, ref, judge_instance(vmi)), _below_instance(walk, backend, vmi))


def _no_instance(walk: Walk, ref: Ref) -> Layer:
    blind = tell_blindness(walk.view, ref.backend, VirtualMachineInstance)
    if blind is not None:
        return missing(walk.view, VirtualMachineInstance, "VMI", ref.backend, ref.namespace, ref.name)
    return Layer("VMI", "", None, Health(Tone.MUTED, "none"), "nothing of it runs")


def _no_launcher(walk: Walk, backend: str, vmi: VirtualMachineInstance) -> Layer:
    blind = tell_blindness(walk.view, backend, Pod)
    if blind is not None:
        return Layer("launcher", "", None, blind, sought=Ref(backend, Pod.KIND, vmi.metadata.namespace, ""))
    if vmi.is_final:
        return Layer("launcher", "", None, Health(Tone.MUTED, "none"), "it is deleted")
    return Layer("launcher", "", None, Health(Tone.WARN if vmi.is_running else Tone.BUSY, "none known"))


def judge_instance(vmi: VirtualMachineInstance) -> Health:
    """How an instance fares by itself: its phase, or that its guest stands still, and what its conditions say."""
    conditions = vmi.status.conditions
    complaint = next((one.message or one.reason for one in list_troubles(vmi.KIND, conditions)), "")
    if vmi.metadata.deletion_timestamp and not vmi.is_final:
        return Health(Tone.BUSY, "Stopping")
    if vmi.is_running:
        if is_true(conditions, "Paused"):
            paused = next(one for one in conditions if one.type == "Paused")
            tone = Tone.BAD if paused.reason == "PausedIOError" else Tone.WARN
            return Health(tone, "Paused", paused.message or paused.reason)
        return Health(Tone.WARN if complaint else Tone.OK, "Running", complaint)
    if vmi.status.phase == "Failed":
        return Health(Tone.BAD, "Failed", complaint or vmi.status.reason)
    if vmi.is_final:
        return Health(Tone.MUTED, vmi.status.phase, complaint)
    return Health(Tone.BUSY, vmi.status.phase or "Pending", complaint)


def _below_instance(walk: Walk, backend: str, vmi: VirtualMachineInstance) -> Iterator[Layer]:
    """Its launcher pods: of an instance that moves both, the one that it leaves first; of those that have ended only
    the one that it ended in.
    """
    view, node = walk.view, vmi.status.node_name
    pods = [
        (ref, pod)
        for ref, pod in view.linked(Pod, backend, "vmi", vmi.metadata.uid)
        if not pod.metadata.annotations.provisioning and pod.status.phase not in _ENDED
    ]
    last = current_launcher(view, backend, vmi) if not pods else None
    if last is not None:
        pods = [(last.ref(backend), last)]
    under_way, _ = newest_migrations(view, backend, vmi.metadata.namespace, vmi.metadata.name)
    targets = {ref.name for ref, pod in pods if _is_target(pod, vmi, under_way)}
    pods.sort(key=lambda found: (found[0].name in targets, found[1].spec.node_name != node))
    for ref, pod in pods:
        role = "launcher, target" if ref.name in targets else "launcher"
        yield told_once(walk, Layer(role, ref.name, ref), below_pod(walk, backend, pod))
    if not pods:
        yield _no_launcher(walk, backend, vmi)
    if node and all(pod.spec.node_name != node for _, pod in pods):
        yield node_layer(walk, backend, node)
    uuid = vmi.spec.domain.firmware.uuid.lower()
    for ref, domain in view.everywhere(Domain, "uuid", uuid) if uuid else ():
        yield domain_layer(walk, ref, domain)


def _is_target(pod: Pod, vmi: VirtualMachineInstance, migration: Migration | None) -> bool:
    """Whether an instance that moves is to go on in a pod; before the copy begins only the pod tells."""
    state = vmi.status.migration_state
    if state is not None and state.in_progress and state.target_pod:
        return pod.metadata.name == state.target_pod
    return migration is not None and is_made_for(pod, migration)


def below_pod(walk: Walk, backend: str, pod: Pod) -> Iterator[Layer]:
    """The node of a pod; where all nodes refuse it, those that may not be seen."""
    scheduled = find_condition(pod.status.conditions, "PodScheduled")
    refused = scheduled is not None and scheduled.status == "False" and list_refusals(scheduled.message)
    if pod.spec.node_name:
        yield node_layer(walk, backend, pod.spec.node_name)
    elif refused and (unseen := unseen_nodes(walk.view, backend, "none takes it")):
        yield unseen
    else:
        yield Layer("node", "", None, Health(Tone.BUSY, "none yet"), "the scheduler has not placed it")


def unseen_nodes(view: View, backend: str, note: str) -> Layer | None:
    """All nodes, where nobody can tell which of them could take a pod; None where they are known."""
    blind = tell_blindness(view, backend, Node)
    return Layer("nodes", "", None, blind, note, sought=Ref(backend, Node.KIND, "", "")) if blind is not None else None


def node_layer(walk: Walk, backend: str, name: str) -> Layer:
    """A node and the machine that it runs in, where that is watched."""
    node = walk.view.get(Node, backend, "", name)
    if node is None:
        return missing(walk.view, Node, "node", backend, "", name)
    return told_once(walk, Layer("node", name, node.ref(backend)), _below_node(walk, backend, node))


def _below_node(walk: Walk, backend: str, node: Node) -> Iterator[Layer]:
    view = walk.view
    for ref, pod in view.linked(Pod, backend, "component on", node.metadata.name):
        if pod.component == "virt-handler" and not walk.knows(ref):
            yield Layer("pod", ref.path, ref, quiet=True)
    for uuid in node.system_uuids:
        for ref, domain in view.everywhere(Domain, "uuid", uuid):
            yield domain_layer(walk, ref, domain)
    for uuid in node.system_uuids:
        for host, record in view.items(Host):
            if record.system_uuid.lower() == uuid:
                # The machine is watched as a host of libvirt as well.
                yield host_layer(walk, host.backend)
    for ref in machines_under(view, backend, node):
        vm = view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
        vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
        layer = machine_layer(walk, ref.backend, vm, vmi, whole=False)
        yield replace(layer, name=f"{layer.name} in {ref.backend}")


def _parts(
    walk: Walk, backend: str, namespace: str, spec: InstanceSpec, vmi: VirtualMachineInstance | None
) -> Iterator[Layer]:
    states = {one.name: one for one in vmi.status.volume_status} if vmi is not None else {}
    for volume in spec.volumes:
        yield disk_layer(walk, backend, namespace, volume, states.get(volume.name))
    found = {one.name: one for one in vmi.status.interfaces if one.name} if vmi is not None else {}
    macs = {nic.name: nic.mac_address for nic in spec.domain.devices.interfaces}
    networks = {network.name: network for network in spec.networks}
    for name in dict.fromkeys((*macs, *found)):
        yield _interface(walk, backend, namespace, name, macs.get(name, ""), found.get(name), networks.get(name))


def _interface(
    walk: Walk,
    backend: str,
    namespace: str,
    name: str,
    mac: str,
    status: Interface | None,
    network: Network | None,
) -> Layer:
    addresses = (status.ip_addresses or ((status.ip_address,) if status.ip_address else ())) if status else ()
    note = ", ".join(filter(None, (*addresses, status.mac if status and status.mac else mac)))
    if network is None or network.multus is None:
        return Layer("interface", name, None, None, note, (Layer("network", "pod network"),))
    return Layer("interface", name, None, None, note, (_attachment(walk, backend, namespace, network),))


def _attachment(walk: Walk, backend: str, namespace: str, network: Network) -> Layer:
    space, _, name = network.attachment(namespace).partition("/")
    record = walk.view.get(NetworkAttachment, backend, space, name)
    if record is None:
        return missing(walk.view, NetworkAttachment, "NAD", backend, space, name)
    return told_once(walk, Layer("NAD", record.ref(backend).path, record.ref(backend)), below_attachment(record))


def below_attachment(record: NetworkAttachment) -> Iterator[Layer]:
    """What a NetworkAttachmentDefinition leads to."""
    plugin = record.plugin
    where = plugin.bridge or plugin.master
    vlan = f"VLAN {plugin.vlan}" if plugin.vlan else ""
    device = record.metadata.annotations.device_resource
    if plugin.type or device:
        yield Layer(plugin.type or "device", where or device, None, None, vlan)
