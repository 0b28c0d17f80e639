"""Nodes: the machines of the cluster and what runs on them. Fields: kubevirt-api.md 2.9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kvtui.joins.conditions import list_troubles
from kvtui.joins.footing import nodes_of_domain, nodes_of_host
from kvtui.joins.landing import SCHEDULABLE
from kvtui.joins.node import NodeRow, join_node
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.libvirt import Domain, Host
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import NOTHING, age_column, health_cell, number_cell, reason_column, text_cell
from kvtui.resources.node_actions import ACTIONS
from kvtui.store import View
from kvtui.text import age, parse_time, percent, quantity, size

HEARTBEAT_LIMIT = 300.0
"""Seconds after which KubeVirt itself takes a node without heartbeat for lost."""

_ROLE = "node-role.kubernetes.io/"
_ZONE = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")


def _requested(row: NodeRow, what: str) -> float | None:
    if row.launchers is None:
        return None
    return sum(
        quantity(container.resources.requests.get(what)) or 0.0
        for pod in row.launchers
        if pod.status.phase not in {"Succeeded", "Failed"}
        for container in pod.spec.containers
    )


def _health(row: NodeRow, now: float) -> Health:
    node = row.node
    if node.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {node.fault}")
    ready = find_condition(node.status.conditions, "Ready")
    words: list[str] = []
    reasons: list[str] = []
    tone = Tone.OK
    if row.footing is not None and row.footing.trouble:
        reasons.append(row.footing.trouble)
        tone = Tone.WARN
    if ready is None or ready.status != "True":
        words.append("NotReady")
        reasons.append(ready.message or ready.reason if ready is not None else "the node has not reported yet")
        tone = Tone.BAD
    else:
        words.append("Ready" if tone is Tone.OK else "Ready,host trouble")
    for condition in list_troubles(node.KIND, node.status.conditions):
        words.append(condition.type if condition.status == "True" else f"{condition.type}={condition.status}")
        reasons.append(condition.message or condition.reason or f"{condition.type} is {condition.status}")
        tone = _worse(tone, Tone.WARN)
    wanted = node.spec.unschedulable and tone is Tone.OK
    if node.spec.unschedulable:
        words.append("cordoned")
        tone = _worse(tone, Tone.WARN)
    virt, virt_reason = _virt(node, now)
    if virt:
        words.append(virt)
        reasons.append(virt_reason)
        tone = _worse(tone, Tone.WARN)
    return Health(tone, ",".join(words), "; ".join(reason for reason in reasons if reason), wanted and not virt)


def _virt(node: Node, now: float) -> tuple[str, str]:
    """What keeps VMs off the node as far as KubeVirt is concerned."""
    if node.metadata.labels.get(SCHEDULABLE) == "false":
        return "virt off", "KubeVirt takes no new VMs here (label kubevirt.io/schedulable=false)"
    beat = parse_time(node.metadata.annotations.heartbeat)
    if beat is not None and now - beat > HEARTBEAT_LIMIT:
        return "virt stale", f"no heartbeat of virt-handler for {age(now - beat)}"
    return "", ""


def _worse(one: Tone, other: Tone) -> Tone:
    return one if one is Tone.BAD else other


def _roles(row: NodeRow, _now: float) -> Cell:
    roles = sorted(key.removeprefix(_ROLE) for key in row.node.metadata.labels if key.startswith(_ROLE))
    return text_cell(",".join(roles))


def _zone(row: NodeRow) -> str:
    return next((row.node.metadata.labels[key] for key in _ZONE if key in row.node.metadata.labels), "")


def _share(used: float | None, requested: float | None, whole: float | None) -> Cell:
    if not whole:
        return NOTHING
    if used is not None:
        tone = Tone.BAD if used > 0.95 * whole else Tone.WARN if used > 0.85 * whole else None
        return Cell(percent(used, whole), tone, used / whole)
    if requested is not None:
        return Cell(f"{percent(requested, whole)} req", Tone.MUTED, requested / whole)
    return NOTHING


def _cpu(row: NodeRow, _now: float) -> Cell:
    return _share(
        row.usage.cpu if row.usage else None,
        _requested(row, "cpu"),
        quantity(row.node.status.allocatable.get("cpu")),
    )


def _memory(row: NodeRow, _now: float) -> Cell:
    return _share(
        row.usage.memory if row.usage else None,
        _requested(row, "memory"),
        quantity(row.node.status.allocatable.get("memory")),
    )


def _kvm(row: NodeRow, _now: float) -> Cell:
    amount = row.node.status.allocatable.get("devices.kubevirt.io/kvm")
    if amount is None:
        return NOTHING
    return Cell("yes") if quantity(amount) else Cell("none", Tone.WARN)


def _capacity(row: NodeRow, _now: float) -> Cell:
    cpu, memory = row.node.status.allocatable.get("cpu"), quantity(row.node.status.allocatable.get("memory"))
    return NOTHING if not cpu else Cell(f"{cpu} CPU, {size(memory)}", None, memory)


def _address(row: NodeRow, _now: float) -> Cell:
    found = {address.type: address.address for address in row.node.status.addresses}
    return text_cell(found.get("InternalIP") or found.get("ExternalIP") or "")


def _runs_in(row: NodeRow, _now: float) -> Cell:
    if row.footing is None:
        return NOTHING
    return Cell(row.footing.place, Tone.WARN if row.footing.trouble else None)


def _fields(row: NodeRow) -> Mapping[str, str]:
    system = row.node.status.node_info
    taints = " ".join(f"{taint.key}={taint.value}:{taint.effect}" for taint in row.node.spec.taints)
    return {
        "os": system.os_image,
        "kernel": system.kernel_version,
        "arch": system.architecture,
        "taint": taints,
        "zone": _zone(row),
        "uuid": system.system_uuid,
        "host": row.footing.place if row.footing is not None else "",
    }


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Node))


def _of_instance(view: View, ref: Ref, vmi: VirtualMachineInstance) -> Iterator[Ref]:
    for link, value in vmi.links():
        if link == "node":
            yield from _named(view, ref.backend, value)


def _of_pod(view: View, ref: Ref, pod: Pod) -> Iterator[Ref]:
    if pod.spec.node_name and view.usage(ref.backend, Node.KIND, "", pod.spec.node_name) is None:
        yield from _named(view, ref.backend, pod.spec.node_name)


def _named(view: View, backend: str, name: str) -> Iterator[Ref]:
    node = view.get(Node, backend, "", name)
    if node is not None:
        yield node.ref(backend)


RESOURCE: Resource[NodeRow] = Resource(
    name="nodes",
    aliases=("node", "no"),
    title="Nodes",
    label="node",
    row_type=NodeRow,
    sources=(sources.NODES, sources.INSTANCES, sources.PODS),
    refs=_refs,
    row=join_node,
    related={
        Node: itself,
        VirtualMachineInstance: _of_instance,
        Pod: _of_pod,
        Domain: nodes_of_domain,
        Host: nodes_of_host,
    },
    ref=lambda row: row.node.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.node.metadata.name), 12, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 10, rank=0, grow=1),
        Column("ROLES", _roles, 10, rank=6),
        Column("VMS", lambda row, _now: number_cell(row.vms, str(row.vms)), 4, rank=1, right=True),
        Column("CPU", _cpu, 7, rank=2, right=True, measured=True),
        Column("MEMORY", _memory, 7, rank=2, right=True, measured=True),
        Column("ZONE", lambda row, _now: text_cell(_zone(row)), 10, rank=4),
        Column("VERSION", lambda row, _now: text_cell(row.node.status.node_info.kubelet_version), 9, rank=5),
        Column("KVM", _kvm, 4, rank=4),
        age_column(lambda row: row.node.created),
        Column("ADDRESS", _address, 15, rank=5, wide=True),
        Column("ALLOCATABLE", _capacity, 16, rank=5, wide=True),
        Column("RUNS IN", _runs_in, 16, rank=5, wide=True),
        Column("KERNEL", lambda row, _now: text_cell(row.node.status.node_info.kernel_version), 18, rank=6, wide=True),
        reason_column(_health, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.node.metadata.labels,
    actions=ACTIONS,
)
