"""VMs that have to be moved and cannot be, and drains that they hold up. Evidence: kubevirt-api.md 5.5 and 9.4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.claims import machines_of_claim
from kvtui.joins.conditions import list_troubles
from kvtui.joins.machine import (
    Machine,
    join_machine,
    machines_of_instance,
    machines_of_migration,
    machines_of_node,
    machines_of_vm,
)
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition
from kvtui.records.kubernetes import Claim, Node
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import age, parse_time
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Rule, itself
from kvtui.triage.messages import Reading, read_message

CORDON_LIMIT: Final = 3600.0
"""Seconds after which a cordon may be forgotten: maintenance takes less."""
EVACUATION_LIMIT: Final = 300.0
"""Seconds that an evacuation may wait for its migration while no other goes on."""
_QUEUE: Final = 60.0
"""Seconds between two looks at whether it is its turn."""
_CORDON: Final = "node.kubernetes.io/unschedulable"
_LIMIT: Final = 120.0
"""Seconds after its start in which a VM may still become migratable: virt-handler looks at it by and by."""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    machine = join_machine(view, ref)
    if machine is None or machine.vmi is None or not machine.running or machine.vmi.metadata.deletion_timestamp:
        return WELL
    vmi = machine.vmi
    condition = find_condition(vmi.status.conditions, "LiveMigratable")
    if vmi.spec.eviction_strategy != "LiveMigrate" or condition is None or condition.status != "False":
        return WELL
    since = parse_time(condition.last_transition_time) or vmi.created or now
    if now < since + _LIMIT:
        return Judgement(again=since + _LIMIT)
    words = condition.message or condition.reason
    reading = read_message(words)
    why = _name_interface(vmi, reading.sentence) if reading is not None else words.removeprefix("cannot migrate VMI: ")
    name = f"VMI {vmi.metadata.name}"
    evidence = (
        Evidence(name, f"LiveMigratable=False {condition.reason}", words, since),
        *_tell_modes(machine, reading),
        Evidence(name, "spec.evictionStrategy", "LiveMigrate"),
    )
    node = machine.node
    if node is not None and node.spec.unschedulable:
        cause = f"{node.metadata.name} is cordoned, and it cannot be moved away: {why}"
        step = "stop it in agreement with its owner, or change its evictionStrategy"
        began = _cordoned_since(node)
        evidence = (*evidence, Evidence(f"Node {node.metadata.name}", "spec.unschedulable", "true", began))
        finding = Finding(
            "vm.eviction", Severity.WARN, machine.ref, "vm", "blocks the drain", cause, began or since, evidence, step
        )
        return Judgement(finding)
    cause = f"its evictionStrategy is LiveMigrate, and {why}"
    right = f"{reading.step}, or " if reading is not None and reading.step else ""
    step = f"{right}set evictionStrategy LiveMigrateIfPossible: a drain of its node does not end until then"
    return Judgement(
        Finding("vm.eviction", Severity.INFO, machine.ref, "vm", "cannot be moved", cause, since, evidence, step)
    )


def _name_interface(vmi: VirtualMachineInstance, sentence: str) -> str:
    """The sentence with the name of the interface on the pod network, where it is of that."""
    name = next((network.name for network in vmi.spec.networks if network.pod is not None), "")
    return sentence.replace("its interface on", f"its interface {name} on") if name else sentence


def _tell_modes(machine: Machine, reading: Reading | None) -> Iterator[Evidence]:
    """How the claim may be used that is in the way."""
    name = reading.parts.get("claim", "").rpartition("/")[2] if reading is not None else ""
    for claim in machine.claims:
        if claim.metadata.name == name and claim.spec.access_modes:
            yield Evidence(f"PVC {name}", "spec.accessModes", ", ".join(claim.spec.access_modes))


def _judge_evacuation(view: View, ref: Ref, now: float) -> Judgement:
    """A VM that is to leave its node and for which no migration is made (row 74). It has no time of its own."""
    machine = join_machine(view, ref)
    if machine is None or machine.vmi is None or not machine.running or machine.migration is not None:
        return WELL
    vmi = machine.vmi
    if vmi.metadata.deletion_timestamp:
        return WELL
    name = vmi.status.evacuation_node_name
    # Of strategy External somebody else takes care.
    if not name or name != vmi.status.node_name or vmi.spec.eviction_strategy == "External":
        return WELL
    if view.linked(Migration, ref.backend, "unfinished", "true"):
        # Only a few are made at a time: it may wait for its turn.
        return Judgement(again=now + _QUEUE)
    evidence = Evidence(f"VMI {vmi.metadata.name}", "status.evacuationNodeName", name)
    cause = f"it is to leave {name}, and virt-controller makes no migration for it{_pause(machine, now)}"
    step = "see the log of virt-controller and the migrations of that node; or cancel the evacuation"
    return Judgement(
        Finding("vm.evacuation", Severity.WARN, machine.ref, "vm", "is not evacuated", cause, None, (evidence,), step)
    )


def _pause(machine: Machine, now: float) -> str:
    """After each evacuation that failed it waits longer before the next (kubevirt-api.md 5.4)."""
    last = machine.moved
    if last is None or last.status.phase != "Failed" or last.created is None:
        return ""
    return f": the last failed {age(now - last.created)} ago, and after each that fails it waits longer"


def _judge_cordon(view: View, ref: Ref, now: float) -> Judgement:
    node = view.find(Node, ref)
    if node is None or not node.spec.unschedulable:
        return WELL
    since = _cordoned_since(node)
    if since is None:
        return WELL
    if now < since + CORDON_LIMIT:
        return Judgement(again=since + CORDON_LIMIT)
    left = sum(1 for _, vmi in view.linked(VirtualMachineInstance, ref.backend, "node", ref.name) if not vmi.is_final)
    cause = "somebody cordoned it and has not uncordoned it yet" + (f"; {left} VMs run there still" if left else "")
    evidence = Evidence(f"Node {ref.name}", "spec.unschedulable", "true", since)
    said = [f"{one.type}={one.status}" for one in list_troubles(node.KIND, node.status.conditions)]
    step = f"uncordon it only once it no longer says {', '.join(said)}" if said else "uncordon it when the work is done"
    return Judgement(
        Finding("node.cordon", Severity.INFO, ref, "node", "takes nothing new", cause, since, (evidence,), step)
    )


def _cordoned_node(view: View, ref: Ref, vmi: VirtualMachineInstance) -> Iterator[Ref]:
    node = view.get(Node, ref.backend, "", vmi.status.node_name) if vmi.status.node_name else None
    if node is not None and node.spec.unschedulable:
        yield node.ref(ref.backend)


def _cordoned_since(node: Node) -> float | None:
    """When it was cordoned: the controller dates the taint."""
    dated = (taint.time_added for taint in node.spec.taints if taint.key == _CORDON)
    return next((parse_time(moment) for moment in dated if moment), None)


RULES: Final = (
    Rule(
        "vm.eviction",
        _judge,
        {
            VirtualMachine: machines_of_vm,
            VirtualMachineInstance: machines_of_instance,
            Node: machines_of_node,
            Claim: machines_of_claim,
        },
        linger=LINGER,
        detects="a VM that evictionStrategy LiveMigrate wants moved and that cannot be, and the drain that it blocks",
        severities="warn, info",
    ),
    Rule(
        "vm.evacuation",
        _judge_evacuation,
        {
            VirtualMachine: machines_of_vm,
            VirtualMachineInstance: machines_of_instance,
            Migration: machines_of_migration,
        },
        settle=EVACUATION_LIMIT,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a VM that is to leave its node and for which no migration is made",
        severities="warn",
    ),
    Rule(
        "node.cordon",
        _judge_cordon,
        {Node: itself, VirtualMachineInstance: _cordoned_node},
        linger=LINGER,
        detects="a node that was cordoned and forgotten",
        severities="info",
    ),
)
