"""Whether a running machine could land on a node, as the scheduler would judge it, and why not.

What is known is the launcher's own pod: the pod at the target is made with the same selector, tolerations and requests
(kubevirt-api.md 2.10). Rooms are judged by the pods that are watched, so a node may have less than is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from kvtui.joins.room import used_on
from kvtui.model import Ref
from kvtui.records.base import Struct, is_true
from kvtui.records.kubernetes import Node, Requests
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.placement import Toleration
from kvtui.store import View
from kvtui.text import name_few, quantity, size

HOSTNAME = "kubernetes.io/hostname"
SCHEDULABLE = "kubevirt.io/schedulable"
"""A label that virt-handler gives to each node that it is on, whatever its value."""
_NAMED = 3
"""Nodes that are named, and reasons that are told, before they are counted."""
_KEEPS_OUT = frozenset({"NoSchedule", "NoExecute"})
_AMOUNTS = ("cpu", "memory")


class _Container(Struct):
    resources: Requests = msgspec.field(default_factory=Requests)


class Wants(Struct):
    """What a launcher asks of a node: the part of a pod's ``spec`` that the scheduler reads."""

    node_selector: dict[str, str] = msgspec.field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    containers: tuple[_Container, ...] = ()

    @property
    def amounts(self) -> Mapping[str, float]:
        """Of each resource, what all containers ask for together."""
        found: dict[str, float] = {}
        for container in self.containers:
            for name, amount in container.resources.requests.items():
                found[name] = found.get(name, 0.0) + (quantity(amount) or 0.0)
        return found


@dataclass(frozen=True, slots=True)
class Landing:
    """One node, and why the machine cannot be there; empty when nothing is known against it."""

    node: Node
    reason: str

    @property
    def selector(self) -> Mapping[str, str]:
        """The labels that mean this node alone (``addedNodeSelector``)."""
        return {HOSTNAME: self.node.metadata.labels.get(HOSTNAME, self.node.metadata.name)}


def read_wants(pod: Mapping[str, object]) -> Wants:
    """What the pod asks for, of the whole object. Fields that make no sense are left out."""
    spec = pod.get("spec")
    try:
        return msgspec.convert(spec, Wants, strict=False)
    except msgspec.ValidationError:
        return Wants()


def travel_selector(vmi: VirtualMachineInstance, source: Node | None) -> dict[str, str]:
    """What a guest with the CPU of its host asks of any other node, beside what its launcher does: labels that
    virt-controller reads off the node that it leaves (kubevirt-api.md 2.9, and ``migration.go`` as in 9.4, row 61).
    """
    if source is None or vmi.spec.domain.cpu.model != "host-model":
        return {}
    models = (key.partition(_HOST_MODEL)[2] for key in source.metadata.labels if key.startswith(_HOST_MODEL))
    return {f"cpu-model-migration.node.kubevirt.io/{model}": "true" for model in models}


_HOST_MODEL = "host-model-cpu.node.kubevirt.io/"


def judge_nodes(view: View, backend: str, here: str, wants: Sequence[Wants]) -> list[Landing]:
    """Every node of the backend but `here`, for machines that ask for all of this; those that can take them first."""
    found = [
        Landing(node, _why_not(view, ref, node, wants)) for ref, node in view.items(Node, backend) if ref.name != here
    ]
    return sorted(found, key=lambda landing: (bool(landing.reason), landing.node.metadata.name))


def tell_refusals(landings: Sequence[Landing]) -> str:
    """Why none of these nodes takes it, each reason with its nodes and that of most nodes first. Nodes on which no VM
    ever runs, as those of the control plane, are no reason to wait.
    """
    groups: dict[str, list[str]] = {}
    for landing in landings:
        if SCHEDULABLE in landing.node.metadata.labels:
            groups.setdefault(landing.reason, []).append(landing.node.metadata.name)
    if not groups:
        return "there is none for VMs"
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    told = [f"{name_few(names, _NAMED)}: {reason}" for reason, names in ordered[:_NAMED]]
    rest = sum(len(names) for _, names in ordered[_NAMED:])
    return "; ".join((*told, f"and {rest} more") if rest else told)


def _why_not(view: View, ref: Ref, node: Node, wants: Sequence[Wants]) -> str:
    if not is_true(node.status.conditions, "Ready"):
        return "not ready"
    if node.spec.unschedulable:
        return "cordoned"
    if node.metadata.labels.get(SCHEDULABLE) == "false":
        return "virt-handler is not ready there"
    for one in wants:
        reason = _why_labels(node, one) or _why_taints(node, one)
        if reason:
            return reason
    return _why_full(view, ref, node, wants)


def _why_labels(node: Node, wants: Wants) -> str:
    """The first label that it lacks; those of CPUs and hypervisors in plain words (kubevirt-api.md 2.9)."""
    labels = node.metadata.labels
    for key, value in wants.node_selector.items():
        if labels.get(key) == value or key == HOSTNAME:
            continue
        if key == SCHEDULABLE:
            return f"no VMs are scheduled there ({SCHEDULABLE})"
        prefix, _, name = key.partition("/")
        if prefix.startswith("cpu-model"):
            return f"has no CPU model {name}"
        if prefix.startswith("cpu-feature"):
            return f"its CPU lacks {name}"
        has = labels.get(key)
        return f"label {key} is {has}, not {value}" if has is not None else f"lacks the label {key}={value}"
    return ""


def _why_taints(node: Node, wants: Wants) -> str:
    for taint in node.spec.taints:
        if taint.effect in _KEEPS_OUT and not any(toleration.bears(taint) for toleration in wants.tolerations):
            return f"taint {taint.words}"
    return ""


def _why_full(view: View, ref: Ref, node: Node, wants: Sequence[Wants]) -> str:
    asked = _sum(one.amounts for one in wants)
    used = used_on(view, ref.backend, ref.name)
    for name, amount in asked.items():
        # What is not allocatable at all is a device that the node does not have.
        has = quantity(node.status.allocatable.get(name)) or 0.0
        free = max(0.0, has - used.get(name, 0.0))
        if amount > free and (has or name not in _AMOUNTS):
            return _tell_lack(name, amount, free, has)
    return ""


def _tell_lack(name: str, amount: float, free: float, has: float) -> str:
    if name == "cpu":
        return f"needs {amount:g} CPU, {free:.3g} of {has:g} are free"
    if name == "memory":
        return f"needs {size(amount)} of memory, {size(free)} of {size(has)} are free"
    return f"needs {amount:g} {name}, {free:g} of {has:g} are free" if has else f"has no {name}"


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0.0) + amount
    return total
