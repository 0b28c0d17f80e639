"""What goes on inside a VM, as far as its objects tell: its agent, its end, changes that wait for a restart.

Evidence: kubevirt-api.md 2.1, 2.2, and the catalogue in 9.2 and 9.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from kvtui.joins.holdups import hold_deletion
from kvtui.joins.interfaces import bare_networks, name_interfaces
from kvtui.joins.machine import (
    Machine,
    join_machine,
    machines_named,
    machines_of_instance,
    machines_of_vm,
    phase_since,
    running_since,
)
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import Condition, Record, find_condition
from kvtui.records.kubernetes import Event, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import age, parse_time, quantity
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Related, Rule
from kvtui.triage.generic import describe_with

BOOT_LIMIT: Final = 300.0
"""Seconds that a guest may take until its agent answers and its interfaces have addresses."""
READY_LIMIT: Final = 180.0
"""Seconds that a running guest may be not ready: its readiness probe begins late."""
OBEY_LIMIT: Final = 300.0
"""Seconds after which a guest that was asked to shut down seems not to heed, however long its grace period is."""
FREEZE_LIMIT: Final = 60.0
"""Seconds for which a copy from outside may hold the file systems of a guest."""
PAUSE_LIMIT: Final = 3600.0
"""Seconds after which a pause that somebody asked for may be forgotten."""

_DEFAULT_GRACE: Final = 30
_RESTARTED: Final = frozenset({"Always", "RerunOnFailure"})
"""Run strategies that start a guest again which crashed."""


def _judge_agent(view: View, ref: Ref, now: float) -> Judgement:
    machine = join_machine(view, ref)
    if machine is None or machine.vmi is None or not machine.running or machine.paused:
        return WELL
    if machine.vmi.metadata.deletion_timestamp:
        return WELL
    conditions, name = machine.vmi.status.conditions, f"VMI {machine.vmi.metadata.name}"
    old = find_condition(conditions, "AgentVersionNotSupported")
    if old is not None and old.status == "True":
        cause = f"its guest agent is too old: {old.reason or old.message}"
        evidence = Evidence(name, "AgentVersionNotSupported=True", old.reason, parse_time(old.last_transition_time))
        step = "update qemu-guest-agent in the guest"
        return Judgement(_finding("vm.agent", machine, Severity.INFO, "has an old agent", cause, evidence, step))
    connected = find_condition(conditions, "AgentConnected")
    if connected is not None and connected.status == "True":
        return WELL
    written = machine.vmi.metadata.written
    # When the agent went is told nowhere, for its condition goes with it: at the latest when the instance was written.
    # Where that is not told either, who looks on sees how long it stays away.
    away = max(running_since(machine.vmi) or now, written or 0.0)
    if now < away + BOOT_LIMIT:
        return Judgement(again=away + BOOT_LIMIT)
    absent = Evidence(name, "AgentConnected", connected.status if connected is not None else "not there")
    guest, bare = machine.vmi.status.guest_os_info, bare_networks(machine.vmi)
    address = f"no address of {name_interfaces(bare)}" if bare else "no address but the pod network's"
    without = f"no freeze for backups, no password change, {address}"
    if guest.name:
        cause = f"its guest agent was connected and is gone: {without}"
        step = "look at its console: did the agent end, does the guest hang, or has it not come up?"
        lost = _finding("vm.agent", machine, Severity.WARN, "has lost its agent", cause, absent, step)
        seen = Evidence(name, "guestOSInfo.name", guest.name)
        return Judgement(replace(lost, evidence=(absent, seen)), confirmed=written is not None)
    cause = f"nothing in the guest speaks on the channel for it: {without}"
    step = "install and start qemu-guest-agent in the guest"
    if bare:
        step += f"; see on its console whether interface {bare[0].name} is up and whether DHCP answers there"
    never = replace(absent, since=running_since(machine.vmi))
    return Judgement(_finding("vm.agent", machine, Severity.INFO, "has no agent", cause, never, step))


def _judge_ready(view: View, ref: Ref, now: float) -> Judgement:
    """A guest that runs and whose probe fails."""
    machine = join_machine(view, ref)
    if machine is None or machine.vmi is None or not machine.running or machine.vmi.metadata.deletion_timestamp:
        return WELL
    ready = find_condition(machine.vmi.status.conditions, "Ready")
    since = running_since(machine.vmi) if ready is not None and ready.status == "False" else None
    if ready is None or since is None or machine.paused or machine.moving:
        return WELL
    began = max(since, parse_time(ready.last_transition_time) or since)
    if now < began + READY_LIMIT:
        return Judgement(again=began + READY_LIMIT)
    words = ready.message or ready.reason or "its readiness probe fails"
    evidence = Evidence(f"VMI {machine.vmi.metadata.name}", f"Ready=False {ready.reason}".rstrip(), words, began)
    step = "look at the service in the guest that the probe asks"
    pod = machine.launcher
    if pod is None or pod.deleted is None:
        return Judgement(_finding("vm.ready", machine, Severity.WARN, "is not ready", words, evidence, step))
    meta = pod.metadata
    words = f"its launcher pod {meta.name} is being deleted under the running guest: {hold_deletion(pod)}"
    step = f"find out who deletes it: {describe_with(Pod.KIND, meta.namespace, meta.name)}"
    finding = _finding("vm.ready", machine, Severity.WARN, "is not ready", words, evidence, step)
    return Judgement(replace(finding, root=pod.ref(ref.backend)))


def _judge_crash(view: View, ref: Ref, _now: float) -> Judgement:
    """A guest that crashed and that nothing starts again."""
    machine = join_machine(view, ref)
    vmi = machine.vmi if machine is not None else None
    if machine is None or machine.vm is None or vmi is None or vmi.status.phase != "Failed":
        return WELL
    if machine.run_strategy in _RESTARTED or machine.vm.metadata.deletion_timestamp:
        return WELL
    told = _crash_event(view, ref.backend, vmi)
    words = (told.message if told is not None else "") or vmi.status.reason or "its instance ended with phase Failed"
    strategy = machine.run_strategy
    again = f"; its run strategy, {strategy}, does not start it again" if strategy else ""
    evidence = Evidence(f"VMI {vmi.metadata.name}", "phase", "Failed", phase_since(vmi))
    step = "read the end of its console log, then start it"
    cause = f"{words.rstrip('.')}{again}"
    return Judgement(_finding("vm.crashed", machine, Severity.BAD, "has crashed", cause, evidence, step))


def _crash_event(view: View, backend: str, vmi: VirtualMachineInstance) -> Event | None:
    """What virt-handler said of its end."""
    about = view.linked(Event, backend, "about", vmi.metadata.uid)
    told = [event for _, event in about if event.type == "Warning" and event.reason == "Stopped"]
    return max(told, key=lambda event: event.last_seen or 0.0, default=None)


def _judge_stop(view: View, ref: Ref, now: float) -> Judgement:
    """A guest that does not heed, long before its grace period ends; what is beyond that is vm.state's to tell."""
    machine = join_machine(view, ref)
    live = machine.live if machine is not None else None
    asked = machine.ending if machine is not None else None
    if machine is None or live is None or asked is None:
        return WELL
    stated = live.spec.termination_grace_period_seconds
    grace = stated if stated is not None else _DEFAULT_GRACE
    if grace <= OBEY_LIMIT or now >= asked + grace:
        return WELL
    if now < asked + OBEY_LIMIT:
        return Judgement(again=asked + OBEY_LIMIT)
    words = f"its guest does not heed the shutdown, and its grace period of {grace}s is not over yet"
    evidence = Evidence(f"VMI {live.metadata.name}", "terminationGracePeriodSeconds", str(grace), asked)
    step = "shut it down from inside, or force it to stop"
    return Judgement(_finding("vm.stop", machine, Severity.WARN, "does not stop", words, evidence, step), asked + grace)


def _judge_restart(view: View, ref: Ref, _now: float) -> Judgement:
    machine = join_machine(view, ref)
    vm = machine.vm if machine is not None else None
    condition = find_condition(vm.status.conditions, "RestartRequired") if vm is not None else None
    if machine is None or vm is None or condition is None or condition.status != "True":
        return WELL
    words = condition.message or condition.reason or "a change of its spec cannot be applied while it runs"
    since = parse_time(condition.last_transition_time)
    evidence = Evidence(f"VM {vm.metadata.name}", "RestartRequired=True", words, since)
    step = "restart it when its owner agrees"
    changes = list(_changes(vm, machine.vmi)) if machine.vmi is not None else []
    if changes:
        words = "; ".join(f"{field} is {new} in its spec, and the guest runs with {old}" for field, new, old in changes)
    finding = _finding("vm.restart", machine, Severity.INFO, "waits for a restart", words, evidence, step)
    stand = (Evidence(f"VMI {vm.metadata.name}", f"spec.{field}", old) for field, _, old in changes)
    return Judgement(replace(finding, evidence=(evidence, *stand)))


def _changes(vm: VirtualMachine, vmi: VirtualMachineInstance) -> Iterator[tuple[str, str, str]]:
    """What its spec states and its instance has otherwise: field, new value, old value. What an instance type or a
    default gives is not stated.
    """
    new, old = vm.spec.template.spec.domain, vmi.spec.domain
    pairs = (
        ("domain.cpu.cores", new.cpu.cores, old.cpu.cores),
        ("domain.cpu.sockets", new.cpu.sockets, old.cpu.sockets),
        ("domain.cpu.threads", new.cpu.threads, old.cpu.threads),
        ("domain.cpu.model", new.cpu.model, old.cpu.model),
    )
    for field, wanted, has in pairs:
        if wanted and has and wanted != has:
            yield field, str(wanted), str(has)
    memory, present = new.memory.guest, old.memory.guest
    if memory and present and quantity(memory) != quantity(present):
        yield "domain.memory.guest", memory, present


def _judge_pause(view: View, ref: Ref, now: float) -> Judgement:
    machine = join_machine(view, ref)
    vmi = machine.vmi if machine is not None else None
    condition = find_condition(vmi.status.conditions, "Paused") if vmi is not None and vmi.is_running else None
    if machine is None or vmi is None or not _is_wanted(condition):
        return WELL
    assert condition is not None
    since = parse_time(condition.last_transition_time) or now
    if now < since + PAUSE_LIMIT:
        return Judgement(again=since + PAUSE_LIMIT)
    words = f"somebody paused it {age(now - since)} ago"
    evidence = Evidence(f"VMI {vmi.metadata.name}", f"Paused=True {condition.reason}", condition.message, since)
    return Judgement(_finding("vm.pause", machine, Severity.INFO, "is still paused", words, evidence, "unpause it"))


def _is_wanted(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True" and condition.reason == "PausedByUser"


def _judge_frozen(view: View, ref: Ref, now: float) -> Judgement:
    """File systems that are held still, and not by a snapshot of KubeVirt, which thaws them itself."""
    machine = join_machine(view, ref)
    vmi = machine.vmi if machine is not None and machine.running else None
    if machine is None or vmi is None or not vmi.status.is_frozen:
        return WELL
    if machine.vm is not None and machine.vm.status.snapshot_in_progress:
        return Judgement(again=now + LOOK_AGAIN)
    words = "what the guest writes waits until they thaw: databases and logs stand still"
    evidence = Evidence(f"VMI {vmi.metadata.name}", "status.fsFreezeStatus", vmi.status.fs_freeze_status)
    step = "unfreeze it once whoever copies its disks is done"
    return Judgement(_finding("vm.frozen", machine, Severity.WARN, "has frozen file systems", words, evidence, step))


def _judge_owner(view: View, ref: Ref, _now: float) -> Judgement:
    """An instance that was made by itself."""
    machine = join_machine(view, ref)
    if machine is None or machine.vm is not None or machine.vmi is None or not machine.running:
        return WELL
    vmi = machine.vmi
    if vmi.controller is not None or vmi.metadata.deletion_timestamp:
        return WELL
    words = "it is an instance by itself: nothing starts it again when it ends"
    evidence = Evidence(f"VMI {vmi.metadata.name}", "ownerReferences", "none", vmi.created)
    step = "make a VirtualMachine of its spec if it is to stay"
    return Judgement(_finding("vm.owner", machine, Severity.INFO, "has no VM", words, evidence, step))


def _finding(
    rule: str, machine: Machine, severity: Severity, trouble: str, cause: str, evidence: Evidence, step: str
) -> Finding:
    return Finding(rule, severity, machine.ref, "vm", trouble, cause, evidence.since, (evidence,), step)


def _of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    about = event.involved_object
    if about.kind != VirtualMachineInstance.KIND or event.type != "Warning":
        return ()
    return machines_named(view, ref.backend, about.namespace, about.name)


def _if_frozen(view: View, ref: Ref, vmi: VirtualMachineInstance) -> Iterable[Ref]:
    """The machine of an instance whose file systems are frozen: that they thaw is seen at the next look."""
    return machines_of_instance(view, ref, vmi) if vmi.status.is_frozen else ()


def _with_frozen(view: View, ref: Ref, vm: VirtualMachine) -> Iterable[Ref]:
    """The same for its VM."""
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
    return machines_of_vm(view, ref, vm) if vmi is not None and vmi.status.is_frozen else ()


def _rules() -> Iterator[Rule]:
    judges: tuple[tuple[str, Callable[[View, Ref, float], Judgement], str, str], ...] = (
        ("vm.agent", _judge_agent, "a running VM whose guest agent never came, is gone or too old", "warn, info"),
        ("vm.ready", _judge_ready, "a running VM whose readiness probe fails", "warn"),
        ("vm.stop", _judge_stop, "a guest that does not heed a shutdown while its grace period is long", "warn"),
        ("vm.restart", _judge_restart, "a VM whose changes wait for a restart", "info"),
        ("vm.pause", _judge_pause, "a VM that somebody paused long ago", "info"),
        ("vm.owner", _judge_owner, "an instance without a VM, which nothing would start again", "info"),
    )
    machines: dict[type[Record], Related] = {
        VirtualMachine: machines_of_vm,
        VirtualMachineInstance: machines_of_instance,
    }
    for name, judge, detects, grave in judges:
        settle = BOOT_LIMIT if name == "vm.agent" else 0.0
        # That a launcher is deleted is not followed.
        again = LOOK_AGAIN if name == "vm.ready" else 0.0
        yield Rule(
            name, judge, machines, settle=settle, look_again=again, linger=LINGER, detects=detects, severities=grave
        )
    yield Rule(
        "vm.frozen",
        _judge_frozen,
        {VirtualMachine: _with_frozen, VirtualMachineInstance: _if_frozen},
        settle=FREEZE_LIMIT,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a VM whose file systems stay frozen outside of a snapshot of KubeVirt",
        severities="warn",
    )
    detects = "a guest that crashed and that its run strategy does not start again"
    yield Rule(
        "vm.crashed", _judge_crash, {**machines, Event: _of_event}, linger=LINGER, detects=detects, severities="bad"
    )


RULES: Final = tuple(_rules())
