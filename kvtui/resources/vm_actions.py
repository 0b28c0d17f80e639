"""What can be done to a VM. Permissions: kubevirt-api.md 7; what the server refuses and why: 3.1 and 3.2."""

from __future__ import annotations

from kvtui.backends.base import Backend, Permission
from kvtui.errors import BackendError
from kvtui.joins.machine import Machine, migratable
from kvtui.records.base import is_true
from kvtui.resources.base import Action, Danger, lifecycle, migrations

_SUBRESOURCES = "subresources.kubevirt.io"
_OFF_AFTER_STOP = frozenset({"Always", "Once"})
"""Strategies that a stop rewrites to Halted, so that it is accepted without an instance too."""

_GUEST_IS_THERE = frozenset({"Running", "Paused", "Migrating"})
_NOT_YET = frozenset({"Stopped", "Stopping", "Starting", "Provisioning", "WaitingForVolumeBinding", "Succeeded"})
"""What a VM says on its way to running. Anything else than these and the above is trouble that must be seen."""


def _may_vm(subresource: str) -> Permission:
    return Permission("update", _SUBRESOURCES, "virtualmachines", subresource)


def _may_instance(subresource: str) -> Permission:
    return Permission("update", _SUBRESOURCES, "virtualmachineinstances", subresource)


# When it is possible ---------------------------------------------------------------------------------------------


def _why_no_verb(machine: Machine) -> str:
    """What forbids every change of the running state."""
    vm = machine.vm
    if vm is None:
        return "it is an instance without a VM, which can only be deleted"
    if vm.metadata.deletion_timestamp:
        return "the VM is being deleted"
    if vm.status.snapshot_in_progress:
        return f"snapshot {vm.status.snapshot_in_progress} is being taken"
    if vm.status.restore_in_progress:
        return f"restore {vm.status.restore_in_progress} is under way"
    return ""


def _underway(machine: Machine) -> str:
    requests = machine.vm.status.state_change_requests if machine.vm is not None else ()
    return f"a {requests[0].action.lower()} is already underway" if requests else ""


def _start_when(machine: Machine) -> str:
    reason = _why_no_verb(machine) or _underway(machine)
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
    reason = _why_no_verb(machine)
    if reason:
        return reason
    if machine.live is None and machine.run_strategy not in _OFF_AFTER_STOP:
        return "not running"
    if machine.live is not None and machine.live.metadata.deletion_timestamp:
        return "already stopping; a forced stop does not wait for the guest"
    return ""


def _kill_when(machine: Machine) -> str:
    return _why_no_verb(machine) or ("" if machine.live is not None else "not running")


def _restart_when(machine: Machine) -> str:
    reason = _why_no_verb(machine) or _underway(machine)
    if reason:
        return reason
    if machine.live is None:
        return "not running"
    if machine.run_strategy in {"Halted", "Once"}:
        return f"run strategy {machine.run_strategy} allows no restart"
    if is_true(machine.live.status.conditions, "VolumesChange"):
        return "its volumes are being migrated"
    return ""


def _pause_when(machine: Machine) -> str:
    if not machine.running:
        return "the VM is not running"
    return "already paused" if machine.paused else ""


def _unpause_when(machine: Machine) -> str:
    if not machine.running:
        return "the VM is not running"
    if machine.vm is not None and machine.vm.status.snapshot_in_progress:
        return f"snapshot {machine.vm.status.snapshot_in_progress} is being taken"
    return "" if machine.paused else "not paused"


def _migrate_when(machine: Machine) -> str:
    if machine.vm is None:
        return "it is an instance without a VM; only a migration object moves it"
    if not machine.running or machine.vmi is None:
        return "the VM is not running"
    if machine.vmi.metadata.deletion_timestamp:
        return "the VM is stopping"
    if machine.moving is not None or machine.migration is not None:
        return "already migrating"
    can, why = migratable(machine)
    return f"not live-migratable: {why}" if can is False else ""


def _cancel_when(machine: Machine) -> str:
    if machine.migration is None:
        return "not migrating"
    return "already being cancelled" if machine.migration.metadata.deletion_timestamp else ""


# What must be said before it is confirmed --------------------------------------------------------------------------


def _warn_stop(machine: Machine) -> tuple[str, ...]:
    said = []
    live = machine.live
    if live is not None and machine.running and not is_true(live.status.conditions, "AgentConnected"):
        grace = live.spec.termination_grace_period_seconds
        wait = f"its grace period of {grace}s" if grace is not None else "its whole grace period"
        said.append(f"no guest agent is connected: if the guest ignores the power button, stop takes {wait}")
    if machine.paused:
        said.append("it is paused and cannot shut down by itself")
    if machine.run_strategy in _OFF_AFTER_STOP:
        said.append(f"its run strategy changes from {machine.run_strategy} to Halted")
    return (*said, *_warn_end(machine))


def _warn_kill(machine: Machine) -> tuple[str, ...]:
    said = ["the guest gets no chance to write its data"]
    if machine.run_strategy in _OFF_AFTER_STOP:
        said.append(f"its run strategy changes from {machine.run_strategy} to Halted")
    return (*said, *_warn_end(machine))


def _warn_restart(machine: Machine) -> tuple[str, ...]:
    return _warn_end(machine)


def _warn_end(machine: Machine) -> tuple[str, ...]:
    """What ends with the instance."""
    said = []
    lost = [volume.name for volume in machine.spec.volumes if volume.container_disk]
    if lost:
        said.append(f"what the guest wrote to {', '.join(lost)} is lost: a container disk does not last")
    if machine.moving is not None:
        said.append(f"its migration to {machine.moving.target_node or 'another node'} ends too")
    if machine.running:
        said.append("a console or VNC session that is open on it ends")
    return tuple(said)


def _warn_cancel(machine: Machine) -> tuple[str, ...]:
    state = machine.moving
    return ("in post-copy it cannot be taken back",) if state is not None and state.mode == "PostCopy" else ()


# How it runs, and how one sees that it is done ---------------------------------------------------------------------


async def _start(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).start(machine.ref)


async def _stop(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).stop(machine.ref)


async def _kill(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).stop(machine.ref, grace=0)


async def _restart(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).restart(machine.ref)


async def _pause(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).pause(machine.ref)


async def _unpause(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).unpause(machine.ref)


async def _migrate(backend: Backend, machine: Machine) -> None:
    await migrations(backend).migrate(machine.ref)


async def _cancel(backend: Backend, machine: Machine) -> None:
    if machine.migration is None:
        raise BackendError(f"{machine.ref.path} is not migrating any more")
    await migrations(backend).cancel_migration(machine.migration.ref(machine.backend))


def _instance(machine: Machine) -> str:
    return machine.vmi.metadata.uid if machine.vmi is not None else ""


# Instance and migration change before the VM's word for its state does, so all of these look at that word too: the row
# must never go back to what it said before.


def _started(before: Machine, now: Machine) -> bool:
    if now.running and _instance(now) != _instance(before):
        return now.status not in _NOT_YET
    return now.status != before.status and now.status not in _NOT_YET | _GUEST_IS_THERE


def _stopped(before: Machine, now: Machine) -> bool:
    if before.live is None:
        return now.run_strategy == "Halted"
    if now.live is None:
        return now.status not in _GUEST_IS_THERE
    return _instance(now) != _instance(before)


def _paused(_before: Machine, now: Machine) -> bool:
    return not now.running or (now.paused and now.status != "Running")


def _unpaused(_before: Machine, now: Machine) -> bool:
    return not now.running or (not now.paused and now.status != "Paused")


def _migrating(before: Machine, now: Machine) -> bool:
    return now.status == "Migrating" or now.live is None or _has_ended(before, now)


def _has_ended(before: Machine, now: Machine) -> bool:
    """Whether a migration has ended that had not when it was asked for."""
    return now.moved is not None and (before.moved is None or now.moved.metadata.uid != before.moved.metadata.uid)


def _migration_failure(before: Machine, now: Machine) -> str:
    moved = now.moved
    if moved is None or not _has_ended(before, now) or moved.status.phase != "Failed":
        return ""
    state = moved.status.migration_state
    return (state.failure_reason if state is not None else "") or "the migration failed; the server gives no reason"


def _cancelled(before: Machine, now: Machine) -> bool:
    if before.migration is None or now.live is None:
        return True
    if now.migration is None:
        return now.status != "Migrating"
    return now.migration.metadata.uid != before.migration.metadata.uid


ACTIONS: tuple[Action[Machine], ...] = (
    Action(
        id="vm.start",
        key="s",
        label="start",
        help="Start the VM.",
        needs=_may_vm("start"),
        when=_start_when,
        run=_start,
        settled=_started,
        awaits="starting",
        usual=120.0,
    ),
    Action(
        id="vm.stop",
        key="S",
        label="stop",
        help="Shut the guest down; after its grace period it is cut off.",
        needs=_may_vm("stop"),
        when=_stop_when,
        run=_stop,
        settled=_stopped,
        awaits="stopping",
        danger=Danger.ASK,
        warn=_warn_stop,
        usual=240.0,
    ),
    Action(
        id="vm.kill",
        key="ctrl+k",
        label="force stop",
        help="Cut the VM off at once, as by pulling its plug.",
        needs=_may_vm("stop"),
        when=_kill_when,
        run=_kill,
        settled=_stopped,
        awaits="being cut off",
        danger=Danger.TYPE,
        warn=_warn_kill,
        usual=60.0,
        footer=False,
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
        awaits="restarting",
        danger=Danger.ASK,
        warn=_warn_restart,
        usual=300.0,
    ),
    Action(
        id="vm.pause",
        key="p",
        label="pause",
        help="Freeze the guest: it keeps its memory and does nothing.",
        needs=_may_instance("pause"),
        when=_pause_when,
        run=_pause,
        settled=_paused,
        awaits="pausing",
        danger=Danger.ASK,
        usual=20.0,
        footer=False,
    ),
    Action(
        id="vm.unpause",
        key="u",
        label="unpause",
        help="Let a paused guest go on.",
        needs=_may_instance("unpause"),
        when=_unpause_when,
        run=_unpause,
        settled=_unpaused,
        awaits="unpausing",
        usual=20.0,
        footer=False,
    ),
    Action(
        id="vm.migrate",
        key="m",
        label="migrate",
        help="Move the running VM to another node, which the scheduler chooses.",
        needs=_may_vm("migrate"),
        when=_migrate_when,
        run=_migrate,
        settled=_migrating,
        outcome=_migration_failure,
        awaits="migration asked",
        danger=Danger.ASK,
        usual=60.0,
    ),
    Action(
        id="vm.cancel_migration",
        key="M",
        label="cancel migration",
        help="Abort the migration under way; the guest runs on where it is.",
        needs=Permission("delete", "kubevirt.io", "virtualmachineinstancemigrations"),
        when=_cancel_when,
        run=_cancel,
        settled=_cancelled,
        awaits="cancelling migration",
        danger=Danger.ASK,
        warn=_warn_cancel,
        usual=60.0,
        footer=False,
    ),
)
