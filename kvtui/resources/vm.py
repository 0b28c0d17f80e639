"""VMs: one row a machine, joined from VM, instance, launcher pod, node, migration and disks.

Traps (kubevirt-api.md, 2.1 and 2.2): conditions that a VM copied from its instance stay when the instance is gone, so
only the instance's own are read; AgentConnected and Paused exist only when True, Synchronized only when False.
"""

from __future__ import annotations

from collections.abc import Mapping

from kvtui.joins.causes import find_cause
from kvtui.joins.holdups import grace_left
from kvtui.joins.machine import (
    Machine,
    all_machines,
    join_machine,
    machines_of_instance,
    machines_of_migration,
    machines_of_node,
    machines_of_pod,
    machines_of_vm,
    machines_of_volume,
    migratable,
)
from kvtui.model import Cell, Health, Tone
from kvtui.records.base import find_condition, is_true
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Node, Pod
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource
from kvtui.resources.cells import (
    NOTHING,
    age_cell,
    age_column,
    health_cell,
    number_cell,
    reason_column,
    text_cell,
    yes_no,
)
from kvtui.resources.vm_actions import ACTIONS
from kvtui.resources.vm_copies import ACTIONS as COPIES
from kvtui.text import age, parse_time, percent, quantity, size

# What `status.printableStatus` may say (kubevirt-api.md 2.1), and how it reads. The rest is bad.
_TONES = {
    "Running": Tone.OK,
    "Starting": Tone.BUSY,
    "Stopping": Tone.BUSY,
    "Terminating": Tone.BUSY,
    "Migrating": Tone.BUSY,
    "Provisioning": Tone.BUSY,
    "WaitingForVolumeBinding": Tone.BUSY,
    "WaitingForReceiver": Tone.BUSY,
    "Paused": Tone.WARN,
    "Stopped": Tone.MUTED,
    "Succeeded": Tone.MUTED,
}
_WANTS_TO_RUN = frozenset({"Always"})


def _health(machine: Machine, _now: float) -> Health:
    word = machine.status
    tone = _TONES.get(word, Tone.BAD)
    reason = ""
    if word == "Stopped" and machine.run_strategy in _WANTS_TO_RUN:
        tone = Tone.WARN
        reason = f"run strategy {machine.run_strategy} wants it running"
    if tone in (Tone.BAD, Tone.BUSY) and word not in {"Migrating", "Stopping", "Terminating"}:
        cause = find_cause(machine)
        if cause is not None:
            reason = cause.sentence
            # The status goes on saying Starting while every attempt to make the pod is refused.
            tone = Tone.WARN if tone is Tone.BUSY and cause.evidence.field.startswith("Synchronized=False") else tone
    if machine.record.fault:
        return Health(Tone.BAD, word or "Unreadable", f"cannot be read in full: {machine.record.fault}")
    if machine.running:
        return _running_health(machine, word, tone)
    return Health(tone, word, reason)


def _running_health(machine: Machine, word: str, tone: Tone) -> Health:
    """What may be wrong with a guest that runs."""
    node = machine.node
    if node is not None and not is_true(node.status.conditions, "Ready"):
        return Health(Tone.BAD, "NodeNotReady", f"node {node.metadata.name} is not ready; last known state: {word}")
    assert machine.vmi is not None
    paused = find_condition(machine.vmi.status.conditions, "Paused")
    if paused is not None and paused.status == "True":
        io_error = paused.reason == "PausedIOError"
        return Health(Tone.BAD if io_error else Tone.WARN, word, paused.message or paused.reason)
    synchronized = find_condition(machine.vmi.status.conditions, "Synchronized")
    if synchronized is not None and synchronized.status == "False":
        return Health(Tone.WARN, word, synchronized.message or synchronized.reason)
    restart = find_condition(machine.vm.status.conditions, "RestartRequired") if machine.vm is not None else None
    if restart is not None and restart.status == "True" and word == "Running":
        return Health(Tone.WARN, "Running,restart due", restart.message)
    if machine.vmi.status.is_frozen and word == "Running":
        return Health(Tone.BUSY, "Running,frozen", "its file systems are frozen: what the guest writes waits")
    return Health(tone, word)


def _status(machine: Machine, now: float) -> Cell:
    """The word; of a guest that is shutting down, also how long it still may."""
    cell = health_cell(_health(machine, now))
    left = grace_left(machine, now) if machine.status in ("Stopping", "Terminating") else None
    return cell if left is None else cell._replace(text=f"{cell.text} {age(left)}")


def _node_name(machine: Machine) -> str:
    return machine.live.status.node_name if machine.live is not None else ""


def _node(machine: Machine, _now: float) -> Cell:
    here = _node_name(machine)
    move = machine.moving
    if move is not None and here:
        return Cell(f"{move.source_node or here} > {move.target_node or '?'}", Tone.BUSY)
    return text_cell(here)


def _ip(machine: Machine, _now: float) -> Cell:
    if machine.live is None:
        return NOTHING
    return text_cell(next((item.ip_address for item in machine.live.status.interfaces if item.ip_address), ""))


def _cpus(machine: Machine) -> int:
    topology = machine.live.status.current_cpu_topology if machine.live is not None else None
    stated = (topology.count if topology is not None else 0) or machine.spec.domain.cpu.count
    if stated:
        return stated
    resources = machine.spec.domain.resources
    asked = quantity(resources.limits.get("cpu") or resources.requests.get("cpu"))
    return -int(-asked // 1) if asked else 0


def _memory(machine: Machine) -> float | None:
    now = machine.live.status.memory if machine.live is not None else None
    domain = machine.spec.domain
    stated = (now.guest_current if now is not None else None) or domain.memory.guest
    return quantity(stated or domain.resources.requests.get("memory") or domain.resources.limits.get("memory"))


def _cpu(machine: Machine, _now: float) -> Cell:
    count = _cpus(machine)
    return number_cell(count or None, str(count))


def _mem(machine: Machine, _now: float) -> Cell:
    amount = _memory(machine)
    return number_cell(amount, size(amount))


def _agent(machine: Machine, _now: float) -> Cell:
    if not machine.running or machine.vmi is None:
        return NOTHING
    return yes_no(is_true(machine.vmi.status.conditions, "AgentConnected"))


def _migratable(machine: Machine, _now: float) -> Cell:
    if not machine.running:
        return NOTHING
    return yes_no(migratable(machine)[0], no_tone=Tone.WARN)


def _os(machine: Machine) -> str:
    told = machine.live.status.guest_os_info if machine.live is not None else None
    return (told.pretty_name or told.name) if told is not None else ""


def _uptime(machine: Machine, now: float) -> Cell:
    if machine.vmi is None or not machine.running:
        return NOTHING
    moments = (
        parse_time(step.phase_transition_timestamp)
        for step in machine.vmi.status.phase_transition_timestamps
        if step.phase == "Running"
    )
    return age_cell(next(moments, None), now)


def _cpu_use(machine: Machine, _now: float) -> Cell:
    if machine.usage is None:
        return NOTHING
    return number_cell(machine.usage.cpu, percent(machine.usage.cpu, _cpus(machine) or 1))


def _mem_use(machine: Machine, _now: float) -> Cell:
    return NOTHING if machine.usage is None else number_cell(machine.usage.memory, size(machine.usage.memory))


def _launcher(machine: Machine, _now: float) -> Cell:
    return text_cell(machine.launcher.metadata.name if machine.launcher is not None else "")


def _fields(machine: Machine) -> Mapping[str, str]:
    volumes = machine.spec.volumes
    instancetype = machine.vm.spec.instancetype if machine.vm is not None else None
    return {
        "node": _node_name(machine),
        "os": _os(machine),
        "image": " ".join(volume.container_disk.image for volume in volumes if volume.container_disk),
        "volume": " ".join(volume.claim for volume in volumes if volume.claim),
        "strategy": machine.run_strategy,
        "instancetype": instancetype.name if instancetype is not None else "",
        "mac": " ".join(item.mac for item in machine.live.status.interfaces) if machine.live is not None else "",
        "launcher": machine.launcher.metadata.name if machine.launcher is not None else "",
        "phase": machine.vmi.status.phase if machine.vmi is not None else "",
        "zone": machine.node.metadata.labels.get("topology.kubernetes.io/zone", "") if machine.node else "",
    }


def _labels(machine: Machine) -> Mapping[str, str]:
    """Of the instance and of the VM: the instance has but those of the VM's template."""
    of_instance = machine.vmi.metadata.labels if machine.vmi is not None else {}
    of_vm = machine.vm.metadata.labels if machine.vm is not None else {}
    return {**of_instance, **of_vm} if of_instance and of_vm else of_vm or of_instance


RESOURCE: Resource[Machine] = Resource(
    name="vms",
    aliases=("vm", "virtualmachines", "virtualmachine", "vmi", "vmis"),
    title="VMs",
    label="vm",
    row_type=Machine,
    sources=(
        sources.MACHINES,
        sources.INSTANCES,
        sources.PODS,
        sources.MIGRATIONS,
        sources.NODES,
        sources.DATA_VOLUMES,
        sources.CLAIMS,
    ),
    refs=all_machines,
    row=join_machine,
    related={
        VirtualMachine: machines_of_vm,
        VirtualMachineInstance: machines_of_instance,
        Pod: machines_of_pod,
        Migration: machines_of_migration,
        Node: machines_of_node,
        DataVolume: machines_of_volume,
        Claim: machines_of_volume,
    },
    ref=lambda machine: machine.ref,
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 10, rank=2, grow=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 14, rank=0, grow=2),
        Column("STATUS", _status, 12, rank=0, grow=1, ticks=True),
        Column("NODE", _node, 10, rank=1, grow=2),
        Column("IP", _ip, 15, rank=3),
        Column("CPU", _cpu, 3, rank=4, right=True),
        Column("MEM", _mem, 5, rank=4, right=True),
        Column("AGENT", _agent, 5, rank=5),
        Column("MIGRATABLE", _migratable, 10, rank=6),
        age_column(lambda row: row.record.created),
        Column("RUN STRATEGY", lambda row, _now: text_cell(row.run_strategy), 14, rank=7, wide=True),
        Column("OS", lambda row, _now: text_cell(_os(row)), 16, rank=7, wide=True),
        Column("UPTIME", _uptime, 6, rank=6, wide=True, right=True, ticks=True),
        Column("CPU USE", _cpu_use, 7, rank=6, wide=True, right=True, measured=True),
        Column("MEM USE", _mem_use, 7, rank=6, wide=True, right=True, measured=True),
        Column("LAUNCHER", _launcher, 26, rank=8, wide=True),
        reason_column(_health, wide=True, rank=5),
    ),
    fields=_fields,
    labels=_labels,
    actions=(*ACTIONS, *COPIES),
)
