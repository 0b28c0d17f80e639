"""What a console is told of its machine, wherever that runs."""

from __future__ import annotations

from kvtui.console.sight import Place, Sight, Stage
from kvtui.fleet import Fleet
from kvtui.joins.machine import Machine
from kvtui.model import FeedState, Ref
from kvtui.records.base import is_true
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, Host
from kvtui.text import parse_time
from kvtui.ui.consoles.domains import is_domain_paused, look_at_domain


def instance_of(fleet: Fleet, ref: Ref) -> VirtualMachineInstance | None:
    """The instance of a VM or VMI, as far as it is known."""
    return fleet.view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)


def is_paused(fleet: Fleet, ref: Ref) -> bool:
    """Whether the guest stands still, so that what is typed has to wait."""
    if ref.kind == Domain.KIND:
        return is_domain_paused(fleet.view, ref)
    vmi = instance_of(fleet, ref)
    return vmi is not None and is_true(vmi.status.conditions, "Paused")


def look_at(fleet: Fleet, ref: Ref) -> Sight:
    """What the store knows of a machine."""
    if ref.kind == Host.KIND:
        # Its libvirt may be lost while its shell is not: that alone knows, and needs no other reason to break.
        return Sight(Stage.RUNNING, Place(ref.name, ref.name))
    return look_at_domain(fleet.view, ref) if ref.kind == Domain.KIND else _look_at_instance(fleet, ref)


def _look_at_instance(fleet: Fleet, ref: Ref) -> Sight:
    """Phases: kubevirt-api.md 2.2."""
    state = fleet.view.feed(ref.backend, VirtualMachineInstance.KIND).state
    if state is FeedState.STALE:
        return Sight(Stage.UNREACHABLE, words=f"{ref.backend} does not answer")
    if state is not FeedState.LIVE:
        return Sight(Stage.UNKNOWN)
    vmi = instance_of(fleet, ref)
    if vmi is None:
        return Sight(Stage.OFF, words=_name_rest(fleet, ref))
    phase = vmi.status.phase
    place = Place(vmi.metadata.uid, vmi.status.node_name)
    if vmi.is_final:
        words = _name_end(fleet, ref, vmi)
        return Sight(Stage.ENDED, place, words, created_at=vmi.created, ended_at=_entered(vmi, phase))
    if vmi.is_running:
        moving = vmi.status.migration_state
        going = vmi.deleted is not None or (moving is not None and moving.in_progress)
        moved_at = parse_time(moving.end_timestamp) if moving is not None else None
        stage = Stage.GOING if going else Stage.RUNNING
        return Sight(stage, place, phase, _entered(vmi, "Running"), moved_at, vmi.created)
    stage = Stage.PLACED if phase == "Scheduled" else Stage.STARTING
    return Sight(stage, place, phase or "Pending", created_at=vmi.created)


def _entered(vmi: VirtualMachineInstance, phase: str) -> float | None:
    """When it came into a phase."""
    for transition in vmi.status.phase_transition_timestamps:
        if transition.phase == phase:
            return parse_time(transition.phase_transition_timestamp)
    return None


def _name_end(fleet: Fleet, ref: Ref, vmi: VirtualMachineInstance) -> str:
    """What a machine is whose guest has ended: of one that failed what the instance says, else the word of the list."""
    phase, reason = vmi.status.phase, vmi.status.reason
    if phase == "Failed":
        return f"{phase} ({reason})" if reason else phase
    vm = fleet.view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    status = Machine(ref.backend, vm, vmi).status
    # The VM may learn of it a moment later.
    return phase if status == "Running" else status


def _name_rest(fleet: Fleet, ref: Ref) -> str:
    """What a machine without an instance is."""
    if fleet.view.feed(ref.backend, VirtualMachine.KIND).state is not FeedState.LIVE:
        return "not running"
    vm = fleet.view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    return (vm.status.printable_status or "Stopped") if vm is not None else "not there"
