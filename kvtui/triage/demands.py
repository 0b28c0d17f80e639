"""What a launcher pod demands of its node and only some nodes have: labels, CPUs, a node affinity, its disks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kvtui.joins.causes import Obstacle
from kvtui.joins.landing import HOSTNAME, SCHEDULABLE
from kvtui.joins.machine import Machine
from kvtui.model import Evidence
from kvtui.records.kubernetes import Node, Pod
from kvtui.records.placement import fits
from kvtui.records.storage import PersistentVolume
from kvtui.store import View

_NAMED: Final = 3
"""CPU models that a sentence names."""

Nodes = Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that only some nodes have, and that the VM cannot do without."""

    has: str
    """What is said of nodes that have it: ``have the label disk=ssd``."""
    nobody: str
    """The sentence for the case that no node has it."""
    step: str
    evidence: Evidence
    nodes: frozenset[str]
    obstacle: Obstacle | None
    """That no node has it; None where no other VM can demand the same."""
    only: str = ""
    """The sentence for the case that one node has it, with ``{}`` for its name."""

    @property
    def words(self) -> str:
        """The demand itself: ``label disk=ssd``; empty where no other VM can demand the same."""
        return f"{self.obstacle.label} {self.obstacle.name}" if self.obstacle is not None else ""


def list_demands(view: View, machine: Machine, pod: Pod, nodes: Nodes) -> Iterator[Demand]:
    """One for each label that it selects by, its node affinity, and each volume that is not everywhere."""
    named = [name for name, node in nodes.items() if SCHEDULABLE in node.metadata.labels]
    if pod.spec.node_selector.get(SCHEDULABLE) and not named:
        words = f"no node has the label {SCHEDULABLE}, which virt-handler sets where VMs can run"
        evidence = Evidence(f"Pod {pod.metadata.name}", "spec.nodeSelector", f"{SCHEDULABLE}=true")
        obstacle = Obstacle("Label", SCHEDULABLE, "label", "is on no node", words)
        yield Demand("", words, "see whether the virt-handler pods run", evidence, frozenset(), obstacle)
    yield from list_selections(machine, pod, nodes)
    yield from _of_volumes(view, machine, nodes)


def list_selections(machine: Machine | None, pod: Pod, nodes: Nodes) -> Iterator[Demand]:
    """One for each label that a pod selects by, but for that of all VMs, and its node affinity; a launcher has a
    machine.
    """
    subject = f"Pod {pod.metadata.name}"
    for key, value in pod.spec.node_selector.items():
        if key != SCHEDULABLE:
            having = frozenset(name for name, node in nodes.items() if node.metadata.labels.get(key) == value)
            yield _of_label(machine, subject, key, value, having, nodes)
    if terms := pod.spec.terms:
        words = " or ".join(term.words for term in terms)
        yield Demand(
            f"meet its node affinity ({words})",
            f"no node meets its node affinity: {words}",
            "correct the VM's affinity, or label a node",
            Evidence(subject, "spec.affinity.nodeAffinity", words),
            frozenset(name for name, node in nodes.items() if fits(terms, node.metadata.labels)),
            Obstacle(
                "NodeAffinity", words, "affinity", "is met by no node", f"no node meets the node affinity {words}"
            ),
        )


def _of_volumes(view: View, machine: Machine, nodes: Nodes) -> Iterator[Demand]:
    for claim in machine.claims:
        volume = view.get(PersistentVolume, machine.backend, "", claim.spec.volume_name)
        if volume is not None and volume.terms:
            name, homes = claim.metadata.name, ", ".join(volume.homes) or "no node"
            gone = "the cluster has no such node, and disks can be used there only"
            yield Demand(
                f"can use its PVC {name}",
                f"its PVC {name} can be used on {homes} only, and the cluster has no such node",
                "bring that node back, or restore the disk to another",
                Evidence(f"PV {volume.metadata.name}", "spec.nodeAffinity", f"{homes} (PVC {name})"),
                frozenset(one for one, node in nodes.items() if fits(volume.terms, node.metadata.labels)),
                _of_no_node(homes, gone) if len(volume.homes) == 1 else None,
                f"its PVC {name} can be used on {{}} only",
            )


def _of_no_node(name: str, sentence: str) -> Obstacle:
    return Obstacle(Node.KIND, name, "node", "does not exist", sentence)


def _of_label(
    machine: Machine | None, subject: str, key: str, value: str, having: frozenset[str], nodes: Nodes
) -> Demand:
    """A label in plain words: those of CPUs, machine types and clocks are kubevirt-api.md 2.9."""
    evidence = Evidence(subject, "spec.nodeSelector", f"{key}={value}")
    prefix, _, name = key.partition("/")
    if prefix.startswith("cpu-model."):
        words = f"CPU model {name}"
        if machine is not None and machine.spec.domain.cpu.model == name:
            evidence = Evidence(f"VM {machine.record.metadata.name}", "domain.cpu.model", name)
        offered = _offered(nodes, prefix)
        step = f"choose a CPU model that the nodes offer ({', '.join(offered)}), or host-model" if offered else ""
        nobody = f"no node offers {words}"
        obstacle = Obstacle("CPUModel", name, "CPU model", "is not offered", nobody)
        return Demand(f"offer {words}", nobody, step, evidence, having, obstacle)
    if prefix.startswith("cpu-model-migration."):
        step = "set a domain.cpu.model that all nodes offer instead of host-model, or add a node with that CPU"
        words = f"no node can take a guest of CPU {name}"
        obstacle = Obstacle("HostCPU", name, "host CPU", "is on no node", f"{words}, that of a host (host-model)")
        nobody = f"{words}, that of its host (host-model)"
        return Demand(f"can take a guest of CPU {name}", nobody, step, evidence, having, obstacle)
    if prefix.startswith("cpu-feature."):
        step = "leave the feature out of domain.cpu.features, or choose a model that the nodes offer"
        nobody = f"no node's CPU has feature {name}"
        obstacle = Obstacle("CPUFeature", name, "CPU feature", "is not offered", nobody)
        return Demand(f"have CPU feature {name}", nobody, step, evidence, having, obstacle)
    if prefix.startswith("machine-type."):
        step = "choose a domain.machine.type that the nodes offer, such as q35"
        nobody = f"no node offers machine type {name}"
        obstacle = Obstacle("MachineType", name, "machine type", "is not offered", nobody)
        return Demand(f"offer machine type {name}", nobody, step, evidence, having, obstacle)
    if key == HOSTNAME:
        step = "correct the nodeSelector, or bring that node back"
        words = f"its nodeSelector allows node {value} only, and there is none of that name"
        only, gone = (
            "its nodeSelector allows {} only",
            "there is no node of that name, and a nodeSelector allows it only",
        )
        return Demand("are what its nodeSelector allows", words, step, evidence, having, _of_no_node(value, gone), only)
    label = f"{key}{f'={value}' if value else ''}"
    nobody = f"no node has the label {label}"
    step = f"correct the nodeSelector, or label a node: kubectl label node NAME {key}={value}"
    obstacle = Obstacle("Label", label, "label", "is on no node", nobody)
    return Demand(f"have the label {label}", nobody, step, evidence, having, obstacle)


def _offered(nodes: Nodes, prefix: str) -> list[str]:
    """The CPU models that most nodes offer."""
    counts = Counter(
        key.partition("/")[2] for node in nodes.values() for key in node.metadata.labels if key.startswith(f"{prefix}/")
    )
    return sorted(counts, key=lambda name: (-counts[name], name))[:_NAMED]


def bear(pod: Pod, taint: str = "") -> str:
    """How a pod comes to bear a taint: CDI gives its workers what its own object says (``spec.workload``)."""
    it = f" for {taint}" if taint else ""
    if pod.is_launcher:
        return f"give the VM a toleration{it}"
    return f"give CDI's workers a toleration{it} (spec.workload.tolerations of the CDI object)"


def lessen(pod: Pod, noun: str) -> str:
    """That a VM may do with less, before what else there is to do; what CDI's workers ask for is little."""
    return f"give the VM less {noun}, or " if pod.is_launcher else ""
