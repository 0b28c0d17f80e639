"""On and off, and all between. Permissions: kubevirt-api.md 7; what the server refuses and why: 3.1 and 3.2."""

from __future__ import annotations

from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.joins.causes import find_cause, is_standing
from kvtui.joins.disk import tell_lost
from kvtui.joins.holdups import grace_left, grace_of, hold_start, hold_stop
from kvtui.joins.machine import Machine
from kvtui.joins.twins import tell_twins
from kvtui.records.base import is_true
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources.base import Action, Danger, lifecycle, objects
from kvtui.store import View

_SUBRESOURCES = "subresources.kubevirt.io"
_OFF_AFTER_STOP = frozenset({"Always", "Once"})
"""Strategies that a stop rewrites to Halted, so that it is accepted without an instance too."""

_GUEST_IS_THERE = frozenset({"Running", "Paused", "Migrating"})
_NOT_RUNNING: Final = "not running"
_CUT: Final = 60.0
"""Seconds beyond its grace period until an instance is gone ..."""
_BOOT: Final = 120.0
"""... and until the next one runs."""
_NOT_YET = frozenset({"Stopped", "Stopping", "Starting", "Provisioning", "WaitingForVolumeBinding", "Succeeded"})
"""What a VM says on its way to running. Anything else than these and the above is trouble that must be seen."""


def _may_vm(subresource: str) -> Permission:
    return Permission("update", _SUBRESOURCES, "virtualmachines", subresource)


# When it is possible ---------------------------------------------------------------------------------------------


def why_no_verb(machine: Machine) -> str:
    """What forbids every change of the running state."""
    vm = machine.vm
    if vm is None:
        return "it is an instance without a VM, which can only be deleted"
    if vm.metadata.deletion_timestamp:
        return "the VM is being deleted"
    return _copied(vm)


def _copied(vm: VirtualMachine) -> str:
    if vm.status.snapshot_in_progress:
        return f"snapshot {vm.status.snapshot_in_progress} is being taken"
    if vm.status.restore_in_progress:
        return f"restore {vm.status.restore_in_progress} is under way"
    return ""


def _is_deleted(machine: Machine) -> bool:
    return machine.record.metadata.deletion_timestamp is not None


def _underway(machine: Machine) -> str:
    requests = machine.vm.status.state_change_requests if machine.vm is not None else ()
    return f"a {requests[0].action.lower()} is already underway" if requests else ""


def _start_when(machine: Machine) -> str:
    reason = why_no_verb(machine) or _underway(machine)
    if reason:
        return reason
    if machine.live is not None:
        return "already running" if machine.running else "already starting"
    assert machine.vm is not None
    if machine.run_strategy in {"Always", "Once"}:
        return f"run strategy {machine.run_strategy} starts it by itself; it takes no start by hand"
    if machine.run_strategy == "WaitAsReceiver":
        return "it waits to receive a migration"
    if is_true(machine.vm.status.conditions, "ManualRecoveryRequired"):
        return "a migration of its volumes failed and must be mended by hand first"
    return ""


def _stop_when(machine: Machine) -> str:
    reason = why_no_verb(machine)
    if reason:
        return reason
    if machine.live is None and machine.run_strategy not in _OFF_AFTER_STOP:
        return _NOT_RUNNING
    if machine.live is not None and machine.live.metadata.deletion_timestamp:
        return "already stopping; a forced stop does not wait for the guest"
    return ""


def _kill_when(machine: Machine) -> str:
    vm = machine.vm
    if vm is not None and machine.live is not None:
        # Of one that is being deleted too: nothing else cuts short the grace period for which it waits.
        return _copied(vm)
    reason = why_no_verb(machine)
    if reason:
        return reason
    if machine.run_strategy in _OFF_AFTER_STOP:
        return f"not running; stop keeps run strategy {machine.run_strategy} from starting it again"
    return _NOT_RUNNING


def _restart_when(machine: Machine) -> str:
    reason = why_no_verb(machine) or _underway(machine)
    if reason:
        return reason
    if machine.live is None:
        return "not running"
    if machine.run_strategy in {"Halted", "Once"}:
        return f"run strategy {machine.run_strategy} allows no restart"
    if is_true(machine.live.status.conditions, "VolumesChange"):
        return "its volumes are being migrated"
    return ""


def _is_on(machine: Machine) -> bool:
    return machine.running and not why_no_verb(machine) and not _underway(machine)


def _is_off(machine: Machine) -> bool:
    return _stop_when(machine) == _NOT_RUNNING and not _underway(machine)


# What must be said before it is confirmed --------------------------------------------------------------------------


def _warn_stop(machine: Machine) -> tuple[str, ...]:
    said = []
    live = machine.live
    if live is not None and machine.running and not is_true(live.status.conditions, "AgentConnected"):
        wait = f"its grace period of {grace_of(machine)}s"
        said.append(f"no guest agent is connected: if the guest ignores the power button, stop takes {wait}")
    said += warn_still(machine)
    if machine.run_strategy in _OFF_AFTER_STOP:
        said.append(f"its run strategy changes from {machine.run_strategy} to Halted")
    return (*said, *_warn_end(machine))


def warn_still(machine: Machine) -> tuple[str, ...]:
    """What keeps a guest from shutting down by itself."""
    if machine.paused:
        return ("it is paused and cannot shut down by itself",)
    if machine.live is not None and machine.live.status.is_frozen:
        return ("its file systems are frozen: before they thaw it may not shut down by itself",)
    return ()


def _warn_kill(machine: Machine) -> tuple[str, ...]:
    said = ["the guest gets no chance to write its data"]
    if machine.run_strategy in _OFF_AFTER_STOP and not _is_deleted(machine):
        said.append(f"its run strategy changes from {machine.run_strategy} to Halted")
    return (*said, *_warn_end(machine))


def _warn_restart(machine: Machine) -> tuple[str, ...]:
    return (*warn_still(machine), *_warn_end(machine))


def _warn_force_restart(machine: Machine) -> tuple[str, ...]:
    return ("the guest gets no chance to write its data", *_warn_end(machine))


def _warn_end(machine: Machine) -> tuple[str, ...]:
    """What ends with the instance."""
    said = [*tell_lost(machine.spec.volumes)]
    if _is_deleted(machine) and machine.vm is not None:
        said.insert(0, "somebody is deleting it: once it has ended, the VM is gone")
    if machine.moving is not None:
        said.append(f"its migration to {machine.moving.target_node or 'another node'} ends too")
    if machine.running:
        said.append("a console or VNC session that is open on it ends")
    return tuple(said)


# How it runs, and how one sees that it is done ---------------------------------------------------------------------


async def _start(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).start(machine.ref)


async def _stop(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).stop(machine.ref)


async def _kill(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).stop(machine.ref, grace=0)


async def _restart(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).restart(machine.ref)


async def _start_paused(backend: Backend, machine: Machine) -> None:
    await objects(backend).call(machine.ref, "start", {"paused": True}, verb="start paused")


async def _force_restart(backend: Backend, machine: Machine) -> None:
    await objects(backend).call(machine.ref, "restart", {"gracePeriodSeconds": 0}, verb="force restart")


def _instance(machine: Machine) -> str:
    return machine.vmi.metadata.uid if machine.vmi is not None else ""


# Instance and migration change before the VM's word for its state does, so all of these look at that word too: the row
# must never go back to what it said before.


def _started(before: Machine, now: Machine) -> bool:
    if _is_refused(now) and _instance(now) != _instance(before):
        return True
    if now.running and _instance(now) != _instance(before):
        return now.status not in _NOT_YET
    if _backs_off(before, now):
        return False
    return now.status != before.status and now.status not in _NOT_YET | _GUEST_IS_THERE


def _backs_off(before: Machine, now: Machine) -> bool:
    """Whether the new instance waits because the old one, which was to end, counts as a start that failed: so it does
    where it had not run yet (kv vm.go syncStartFailureStatus).
    """
    failure = now.vm.status.start_failure if now.vm is not None else None
    ended = failure.last_failed_vmi_uid if failure is not None else ""
    return now.status == "CrashLoopBackOff" and bool(ended) and ended == _instance(before)


def _is_refused(machine: Machine) -> bool:
    """Whether its instance gets no launcher pod until somebody mends what is in the way."""
    cause = find_cause(machine) if machine.live is not None and not machine.running else None
    return cause is not None and is_standing(cause)


def _start_failure(_before: Machine, now: Machine) -> str:
    """Why it does not run, once that is told."""
    if now.running:
        return ""
    cause = find_cause(now)
    return f"it is {now.status}{f': {cause.sentence}' if cause is not None else ''}"


def _stopped(before: Machine, now: Machine) -> bool:
    if before.live is None:
        return now.run_strategy == "Halted"
    if now.live is None:
        return now.status not in _GUEST_IS_THERE | {"Stopping"}
    return _instance(now) != _instance(before)


def _started_paused(before: Machine, now: Machine) -> bool:
    return _started(before, now) or (now.paused and _instance(now) != _instance(before))


def _stop_patience(before: Machine) -> float:
    return grace_of(before) + _CUT


def _restart_patience(before: Machine) -> float:
    return grace_of(before) + _BOOT


def _hold_stop(_view: View, _before: Machine, now: Machine, clock: float) -> str:
    return hold_stop(now, clock)


def _hold_start(_view: View, before: Machine, now: Machine, clock: float) -> str:
    return hold_start(before, now, clock)


LIFECYCLE: tuple[Action[Machine], ...] = (
    Action(
        id="vm.start",
        key="s",
        label="start",
        help="Start the VM.",
        needs=_may_vm("start"),
        when=_start_when,
        already=_is_on,
        run=_start,
        settled=_started,
        outcome=_start_failure,
        awaits="starting",
        breaks=tell_twins,
        usual=120.0,
        holds=_hold_start,
        command="start",
    ),
    Action(
        id="vm.stop",
        key="S",
        label="stop",
        help="Shut the guest down; after its grace period it is cut off.",
        needs=_may_vm("stop"),
        when=_stop_when,
        already=_is_off,
        run=_stop,
        settled=_stopped,
        awaits="stopping",
        danger=Danger.ASK,
        warn=_warn_stop,
        patience=_stop_patience,
        left=grace_left,
        holds=_hold_stop,
        command="stop",
    ),
    Action(
        id="vm.kill",
        key="ctrl+k",
        label="force stop",
        help="Cut the VM off at once, as by pulling its plug.",
        needs=_may_vm("stop"),
        when=_kill_when,
        already=_is_off,
        run=_kill,
        settled=_stopped,
        vanishes=_is_deleted,
        awaits="being cut off",
        danger=Danger.TYPE,
        warn=_warn_kill,
        usual=60.0,
        left=grace_left,
        holds=_hold_stop,
        footer=False,
        command="force-stop",
    ),
    Action(
        id="vm.restart",
        key="R",
        label="restart",
        help="Shut the guest down and start it anew, with a new instance.",
        needs=_may_vm("restart"),
        when=_restart_when,
        run=_restart,
        settled=_started,
        outcome=_start_failure,
        awaits="restarting",
        danger=Danger.ASK,
        breaks=tell_twins,
        warn=_warn_restart,
        patience=_restart_patience,
        left=grace_left,
        holds=_hold_start,
        command="restart",
    ),
    Action(
        id="vm.start_paused",
        key="",
        label="start paused",
        help="Start the VM with its guest frozen before its first instruction; unpause lets it boot.",
        needs=_may_vm("start"),
        when=_start_when,
        run=_start_paused,
        settled=_started_paused,
        outcome=_start_failure,
        awaits="starting paused",
        breaks=tell_twins,
        usual=120.0,
        holds=_hold_start,
        footer=False,
        command="start-paused",
    ),
    Action(
        id="vm.force_restart",
        key="",
        label="force restart",
        help="Cut the VM off at once and start it anew.",
        needs=_may_vm("restart"),
        when=_restart_when,
        run=_force_restart,
        settled=_started,
        outcome=_start_failure,
        awaits="restarting by force",
        danger=Danger.TYPE,
        breaks=tell_twins,
        warn=_warn_force_restart,
        usual=180.0,
        left=grace_left,
        holds=_hold_start,
        footer=False,
        command="force-restart",
    ),
)
