"""Nodes that do not carry VMs as they should. Evidence: kubevirt-api.md 2.9 and 9.7."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kvtui.joins.footing import (
    footing_of,
    machine_evidence,
    machine_step,
    machine_trouble,
    machines_under,
    nodes_of_domain,
    nodes_of_host,
    nodes_of_machine,
)
from kvtui.joins.landing import SCHEDULABLE
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, Host
from kvtui.store import View
from kvtui.text import join_clauses, parse_time, quantity, size
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Rule, itself
from kvtui.triage.components import HANDLER, find_handler_trouble, handlers_of_node

HEARTBEAT_LIMIT = 300.0
"""Seconds after which KubeVirt itself takes a node without heartbeat for lost."""

_EVICTS = ": the kubelet evicts pods until there is enough"
_PRESSURE = {
    "MemoryPressure": ("is short of memory", f"migrate VMs away from it{_EVICTS}"),
    "DiskPressure": ("is short of disk", f"make room on its disk{_EVICTS}"),
    "PIDPressure": ("is short of processes", "see what makes so many processes on it"),
    "NetworkUnavailable": ("has no network", "see the pod of its network plugin"),
}
"""Conditions, what is wrong then, and what to do: the gravest first."""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    node = view.find(Node, ref)
    if node is None:
        return WELL
    pressed = _pressed(view, node, ref)
    ready = find_condition(node.status.conditions, "Ready")
    if ready is None or ready.status != "True":
        return Judgement(_join(_not_ready(view, node, ref), pressed))
    beat = parse_time(node.metadata.annotations.heartbeat)
    if beat is not None and now - beat > HEARTBEAT_LIMIT:
        return Judgement(_join(_by_handler(view, _silent(node, ref, beat), now), pressed))
    again = beat + HEARTBEAT_LIMIT + 1 if beat is not None else None
    closed = _not_schedulable(view, node, ref)
    if closed is not None:
        return Judgement(_join(_by_handler(view, closed, now), pressed), again)
    without = _without_kvm(node, ref)
    return Judgement(_join(pressed, without) if pressed is not None else without, again)


def _join(finding: Finding, other: Finding | None) -> Finding:
    """What is found of a node with what else is found of it."""
    if other is None:
        return finding
    cause = join_clauses(finding.cause, f"it also {other.trouble}")
    step = "; ".join(dict.fromkeys((finding.step, other.step)))
    return replace(finding, cause=cause, evidence=(*finding.evidence, *other.evidence), step=step)


def _not_ready(view: View, node: Node, ref: Ref) -> Finding:
    ready = find_condition(node.status.conditions, "Ready")
    said = (ready.message or ready.reason) if ready is not None else "the node has not reported yet"
    since = parse_time(ready.last_transition_time) if ready is not None else node.created
    words, step = said, _LOOK
    footing = footing_of(view, node)
    below: tuple[Evidence, ...] = ()
    if footing is not None and footing.trouble:
        words, step = f"{footing.trouble}; {words}", footing.step
        below = (footing.evidence,)
    root = footing.culprit if footing is not None and below else None
    for machine in machines_under(view, ref.backend, node):
        trouble = machine_trouble(view, machine)
        if trouble:
            words = f"{trouble}; {words}"
            step = step if below else machine_step(view, machine)
            below = (*below, machine_evidence(view, machine))
            root = root or machine
    on_it = view.linked(VirtualMachineInstance, ref.backend, "node", ref.name)
    count = sum(1 for _, vmi in on_it if vmi.status.node_name == ref.name and not vmi.is_final)
    vms = f"it carries {count} VM{'s' if count != 1 else ''}" if count else ""
    return Finding(
        rule="node.state",
        severity=Severity.BAD,
        subject=ref,
        label="node",
        trouble="is not ready",
        cause=join_clauses(words, vms),
        since=since,
        evidence=(
            *below,
            Evidence(f"Node {ref.name}", f"Ready={ready.status if ready is not None else 'missing'}", said, since),
        ),
        step=step,
        root=root,
    )


_LOOK = "look at the machine; make sure that it is off before you force its VMs away"


def _silent(node: Node, ref: Ref, beat: float) -> Finding:
    return Finding(
        rule="node.state",
        severity=Severity.BAD,
        subject=ref,
        label="node",
        trouble="has no heartbeat",
        cause="virt-handler has not renewed its heartbeat for more than five minutes; KubeVirt starts no VM here",
        since=beat,
        evidence=(Evidence(f"Node {ref.name}", "kubevirt.io/heartbeat", node.metadata.annotations.heartbeat, beat),),
        step="see the virt-handler pod of the node and its log",
    )


def _by_handler(view: View, finding: Finding, now: float) -> Finding:
    """What is said of a node without virt-handler, with the pod that does not run, or that there is none."""
    ref = finding.subject
    found = find_handler_trouble(view, ref.backend, ref.name, now)
    if found is not None:
        pod, trouble = found
        # What else it may be than its pod is no question then.
        cause = finding.cause.partition(": ")[0]
        evidence, since = (trouble.evidence, *finding.evidence), finding.since or trouble.since
        root = pod.ref(ref.backend)
        return replace(finding, cause=cause, since=since, evidence=evidence, step=trouble.step, root=root)
    elsewhere = next(iter(view.linked(Pod, ref.backend, "component", HANDLER)), None)
    if elsewhere is not None and not handlers_of_node(view, ref.backend, ref.name):
        cause = f"no virt-handler pod runs on it; {finding.cause}"
        return replace(finding, cause=cause, step="see the tolerations and node selector of DaemonSet virt-handler")
    return finding


def _nodes_of_handler(view: View, ref: Ref, pod: Pod) -> Iterator[Ref]:
    node = view.get(Node, ref.backend, "", pod.spec.node_name) if pod.component == HANDLER else None
    if node is not None:
        yield node.ref(ref.backend)


def _not_schedulable(view: View, node: Node, ref: Ref) -> Finding | None:
    label = node.metadata.labels.get(SCHEDULABLE)
    # A node where no virt-handler is to run has none.
    if label == "true" or (label is None and not handlers_of_node(view, ref.backend, ref.name)):
        return None
    cause = f"label {SCHEDULABLE} is {label}: virt-handler is not ready or its device plugins are down"
    if label is None:
        cause = f"it has no label {SCHEDULABLE}, which virt-handler sets with each heartbeat"
    return Finding(
        rule="node.state",
        severity=Severity.WARN,
        subject=ref,
        label="node",
        trouble="takes no VMs",
        cause=cause,
        evidence=(Evidence(f"Node {ref.name}", SCHEDULABLE, label if label is not None else "missing"),),
        step="see the virt-handler pod of the node and its log",
    )


def _pressed(view: View, node: Node, ref: Ref) -> Finding | None:
    """All that it lacks in one."""
    found = [
        condition
        for type_ in _PRESSURE
        if (condition := find_condition(node.status.conditions, type_)) is not None and condition.status == "True"
    ]
    if not found:
        return None
    evidence: list[Evidence] = []
    for one in found:
        since = parse_time(one.last_transition_time)
        said = f"{one.type}=True {one.reason}".rstrip()
        evidence.append(Evidence(f"Node {ref.name}", said, one.message, since))
        evidence += _memory_used(view, node, ref) if one.type == "MemoryPressure" else ()
    words = dict.fromkeys(one.message or one.reason for one in found)
    return Finding(
        rule="node.state",
        severity=Severity.WARN,
        subject=ref,
        label="node",
        trouble=" and ".join(_PRESSURE[one.type][0] for one in found).replace(" and is short of", " and"),
        cause="; ".join(word for word in words if word),
        since=min((one.since for one in evidence if one.since is not None), default=None),
        evidence=tuple(evidence),
        step="; ".join(_PRESSURE[one.type][1] for one in found).replace(f"{_EVICTS}; make room", " and make room"),
    )


def _memory_used(view: View, node: Node, ref: Ref) -> Iterator[Evidence]:
    """How much of it is in use, where somebody measures that."""
    used, has = view.usage(ref.backend, Node.KIND, "", ref.name), quantity(node.status.capacity.get("memory"))
    if used is not None and has:
        yield Evidence(f"Node {ref.name}", "memory in use", f"{size(used.memory)} of {size(has)}")


def _without_kvm(node: Node, ref: Ref) -> Finding | None:
    """A node that KubeVirt uses offers /dev/kvm; one that never did has no such resource."""
    amount = node.status.allocatable.get("devices.kubevirt.io/kvm")
    if amount is None or quantity(amount):
        return None
    return Finding(
        rule="node.state",
        severity=Severity.WARN,
        subject=ref,
        label="node",
        trouble="offers no KVM",
        cause="devices.kubevirt.io/kvm is 0 in its allocatable resources",
        evidence=(Evidence(f"Node {ref.name}", "allocatable devices.kubevirt.io/kvm", amount),),
        step="check virtualization in the BIOS, the kvm module and virt-handler",
    )


RULES = (
    Rule(
        "node.state",
        _judge,
        {
            Node: itself,
            Domain: nodes_of_domain,
            Host: nodes_of_host,
            Pod: _nodes_of_handler,
            VirtualMachine: nodes_of_machine,
            VirtualMachineInstance: nodes_of_machine,
        },
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a node that is not ready, under pressure, takes no VMs, or lacks KVM or virt-handler's heartbeat",
        severities="bad, warn",
    ),
)
