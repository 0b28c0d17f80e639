"""What can be done to a domain: its power, its saved memory, its start. What is rarer is in the files beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kvtui.backends.base import Backend
from kvtui.backends.domains import Power, Saves, Tuning
from kvtui.joins.domain import Guest
from kvtui.joins.domain_holdups import hold_end, hold_job, hold_reboot, hold_start, hold_stop
from kvtui.joins.storage import name_broken
from kvtui.records.libvirt import DomainState
from kvtui.resources import sources
from kvtui.resources.autostart import autostart_form
from kvtui.resources.base import Action, Danger, able, lifecycle
from kvtui.resources.domain_changes import CHANGES, NEEDS, is_there, why_not
from kvtui.resources.domain_copies import COPIES
from kvtui.resources.domain_moves import MOVES
from kvtui.resources.domain_warnings import (
    STILL,
    name_ending_jobs,
    name_full_pool,
    name_lasting_jobs,
    warn_kill,
    warn_lost_save,
    warn_nmi,
    warn_reset,
    warn_restart,
    warn_save,
    warn_start,
    warn_stop,
)
from kvtui.resources.form import Answers, Form
from kvtui.store import View

_CRASHED = "it has crashed and hears nothing: reset boots it anew, force stop ends it"


# When it is possible -----------------------------------------------------------------------------------------------


def _when_active(more: Callable[[Guest], str] = lambda _guest: "") -> Callable[[Guest], str]:
    """Only while there is a process, and no other job on it."""

    def when(guest: Guest) -> str:
        reason = why_not(guest)
        if reason:
            return reason
        return more(guest) if guest.domain.active else "not running"

    return when


def _start_when(guest: Guest) -> str:
    reason = why_not(guest)
    if reason or not guest.domain.active:
        return reason
    if guest.paused and guest.job is None:
        return "it is paused: unpause it"
    return _CRASHED if guest.domain.state is DomainState.CRASHED else "already running"


def _start_afresh_when(guest: Guest) -> str:
    return _start_when(guest) or ("" if guest.domain.saved else "no memory of it is saved: start does the same")


def _stop_when(guest: Guest) -> str:
    if guest.domain.state is DomainState.CRASHED:
        return _CRASHED
    return "already stopping; a forced stop does not wait" if guest.domain.state is DomainState.SHUTDOWN else ""


def _restart_when(guest: Guest) -> str:
    # libvirt takes the wish for a reboot from these too, and nothing comes of it.
    if guest.domain.state is DomainState.CRASHED:
        return _CRASHED
    if guest.domain.state in STILL:
        return "it is paused and cannot reboot by itself: mend what paused it and unpause it, or force stop it"
    return ""


def _kill_when(guest: Guest) -> str:
    # It also ends what a job is stuck in.
    return is_there(guest) or ("" if guest.domain.active else "not running")


def _pause_when(guest: Guest) -> str:
    if guest.domain.state is DomainState.CRASHED:
        return _CRASHED
    return "already paused" if guest.domain.state in STILL else ""


def _is_on(guest: Guest) -> bool:
    idle = guest.paused or guest.domain.state is DomainState.CRASHED
    return guest.domain.active and not idle and not why_not(guest)


def _goes_on(guest: Guest) -> bool:
    return guest.domain.active and guest.domain.state not in (*STILL, DomainState.CRASHED)


def _is_off(guest: Guest) -> bool:
    return not guest.domain.active and not is_there(guest)


def _unpause_when(guest: Guest) -> str:
    # libvirt would take it for running, and its CPUs stand still all the same.
    if guest.domain.state is DomainState.CRASHED:
        return _CRASHED
    return "" if guest.domain.state in STILL else "not paused"


def _reset_when(guest: Guest) -> str:
    return "it sleeps: unpause wakes it" if guest.domain.state is DomainState.SUSPENDED else ""


def _nmi_when(guest: Guest) -> str:
    if guest.domain.state is DomainState.CRASHED:
        return _CRASHED
    return "it is paused: its CPUs take no interrupt before it is unpaused" if guest.domain.state in STILL else ""


def _save_when(guest: Guest) -> str:
    if guest.domain.state is DomainState.CRASHED:
        return _CRASHED
    if not guest.domain.persistent:
        return "it is transient: what is not stored cannot be saved"
    devices = ", ".join(guest.domain.host_devices)
    return f"the state of devices that it has for itself cannot be saved: {devices}" if devices else ""


def _drop_when(guest: Guest) -> str:
    return why_not(guest) or ("" if guest.domain.saved else "no memory of it is saved")


def _autostart_when(guest: Guest) -> str:
    return is_there(guest) or ("" if guest.domain.persistent else "it is transient: nothing of it is stored")


# How it runs, and how one sees that it is done ---------------------------------------------------------------------


async def _start(backend: Backend, guest: Guest) -> None:
    await lifecycle(backend).start(guest.ref)


async def _stop(backend: Backend, guest: Guest) -> None:
    await lifecycle(backend).stop(guest.ref)


async def _kill(backend: Backend, guest: Guest) -> None:
    await lifecycle(backend).stop(guest.ref, grace=0)


async def _restart(backend: Backend, guest: Guest) -> None:
    await lifecycle(backend).restart(guest.ref)


async def _pause(backend: Backend, guest: Guest) -> None:
    await lifecycle(backend).pause(guest.ref)


async def _unpause(backend: Backend, guest: Guest) -> None:
    await lifecycle(backend).unpause(guest.ref)


async def _start_afresh(backend: Backend, guest: Guest) -> None:
    await _power(backend).start_afresh(guest.ref)


async def _reset(backend: Backend, guest: Guest) -> None:
    await _power(backend).reset(guest.ref)


async def _inject_nmi(backend: Backend, guest: Guest) -> None:
    await _power(backend).inject_nmi(guest.ref)


async def _save(backend: Backend, guest: Guest) -> None:
    await _saves(backend).save(guest.ref)


async def _drop_save(backend: Backend, guest: Guest) -> None:
    await _saves(backend).drop_save(guest.ref)


async def _set_autostart(backend: Backend, guest: Guest, answers: Answers) -> None:
    tuning = able(backend, Tuning)  # type: ignore[type-abstract]
    await tuning.set_autostart(guest.ref, answers.flag("autostart"))


def _autostart_form(_view: View, guests: Sequence[Guest]) -> Form:
    now = all(guest.domain.autostart for guest in guests)
    whom = guests[0].domain.metadata.name if len(guests) == 1 else f"{len(guests)} VMs"
    return autostart_form(whom, now)


def _power(backend: Backend) -> Power:
    return able(backend, Power)  # type: ignore[type-abstract]


def _saves(backend: Backend) -> Saves:
    return able(backend, Saves)  # type: ignore[type-abstract]


def _started(before: Guest, now: Guest) -> bool:
    return now.domain.active and now.domain.id != before.domain.id


def _rebooted(before: Guest, now: Guest) -> bool:
    if now.domain.driver not in ("kvm", "qemu"):
        # The other drivers of libvirt have no event of it.
        return True
    return now.domain.rebooted != before.domain.rebooted or now.domain.id != before.domain.id


def _stopped(before: Guest, now: Guest) -> bool:
    return not now.domain.active or now.domain.id != before.domain.id


def _passes(before: Guest) -> bool:
    """Whether it is only there while it runs."""
    return not before.domain.persistent


def _end(_before: Guest, now: Guest) -> str:
    """What ended instead."""
    return "" if now.domain.active else "it does not run any more"


def _paused(_before: Guest, now: Guest) -> bool:
    return not now.domain.active or now.domain.state in STILL


def _unpaused(_before: Guest, now: Guest) -> bool:
    return not now.domain.active or now.domain.state not in STILL


def _saved(_before: Guest, now: Guest) -> bool:
    return now.domain.saved


def _dropped(_before: Guest, now: Guest) -> bool:
    return not now.domain.saved


def _runs(_before: Guest, now: Guest) -> bool:
    return _goes_on(now)


def _at_once(_before: Guest, _now: Guest) -> bool:
    """No row shows it."""
    return True


_POWER: tuple[Action[Guest], ...] = (
    Action(
        id="vm.start",
        command="start",
        key="s",
        label="start",
        help="Start the VM.",
        needs=NEEDS,
        when=_start_when,
        already=_is_on,
        run=_start,
        settled=_started,
        breaks=lambda view, guest: name_broken(view, guest.backend, guest.domain),
        warn=warn_start,
        holds=lambda _view, _before, now, _clock: hold_start(now),
        awaits="starting",
        usual=60.0,
    ),
    Action(
        id="vm.stop",
        command="stop",
        key="S",
        label="stop",
        help="Press the VM's power button: the guest shuts down, or does not.",
        needs=NEEDS,
        when=_when_active(_stop_when),
        already=_is_off,
        run=_stop,
        settled=_stopped,
        vanishes=_passes,
        holds=lambda _view, _before, now, _clock: hold_stop(now),
        reads=(sources.BLOCK_JOBS,),
        breaks=name_ending_jobs,
        awaits="stopping",
        danger=Danger.ASK,
        warn=warn_stop,
        usual=120.0,
    ),
    Action(
        id="vm.kill",
        command="force-stop",
        key="ctrl+k",
        label="force stop",
        help="Cut the VM off at once, as by pulling its plug.",
        needs=NEEDS,
        when=_kill_when,
        already=_is_off,
        run=_kill,
        settled=_stopped,
        vanishes=_passes,
        holds=lambda _view, _before, now, _clock: hold_end(now),
        reads=(sources.BLOCK_JOBS,),
        breaks=name_ending_jobs,
        awaits="being cut off",
        danger=Danger.TYPE,
        warn=warn_kill,
        usual=30.0,
        footer=False,
    ),
    Action(
        id="vm.restart",
        command="restart",
        key="R",
        label="restart",
        help="Have the guest reboot, in the same machine.",
        needs=NEEDS,
        when=_when_active(_restart_when),
        run=_restart,
        settled=_rebooted,
        outcome=_end,
        holds=lambda _view, _before, now, _clock: hold_reboot(now),
        reads=(sources.BLOCK_JOBS,),
        breaks=name_lasting_jobs,
        awaits="reboot asked",
        danger=Danger.ASK,
        warn=warn_restart,
        usual=60.0,
    ),
    Action(
        id="vm.pause",
        command="pause",
        key="p",
        label="pause",
        help="Freeze the guest: it keeps its memory and does nothing.",
        needs=NEEDS,
        when=_when_active(_pause_when),
        already=lambda guest: guest.domain.state in STILL,
        run=_pause,
        settled=_paused,
        outcome=_end,
        holds=lambda _view, _before, now, _clock: hold_job(now),
        awaits="pausing",
        danger=Danger.ASK,
        usual=20.0,
        footer=False,
    ),
    Action(
        id="vm.unpause",
        command="unpause",
        key="u",
        label="unpause",
        help="Let a paused guest go on.",
        needs=NEEDS,
        when=_when_active(_unpause_when),
        already=_goes_on,
        run=_unpause,
        settled=_unpaused,
        outcome=_end,
        holds=lambda _view, _before, now, _clock: hold_job(now),
        reads=(sources.POOLS,),
        measured=True,
        breaks=name_full_pool,
        awaits="unpausing",
        usual=20.0,
        footer=False,
    ),
)
_RARE: tuple[Action[Guest], ...] = (
    Action(
        id="vm.reset",
        command="reset",
        key="",
        label="reset",
        help="Press the VM's reset button: the guest boots anew, with no chance to shut down.",
        needs=NEEDS,
        when=_when_active(_reset_when),
        run=_reset,
        settled=_runs,
        outcome=_end,
        reads=(sources.POOLS,),
        measured=True,
        breaks=name_full_pool,
        awaits="resetting",
        danger=Danger.TYPE,
        warn=warn_reset,
        footer=False,
    ),
    Action(
        id="vm.save",
        command="save",
        key="",
        label="save to disk",
        help="Write the VM's memory to disk and switch it off; the next start goes on from there.",
        needs=NEEDS,
        when=_when_active(_save_when),
        run=_save,
        settled=_saved,
        holds=lambda _view, _before, now, _clock: hold_job(now),
        awaits="saving",
        danger=Danger.ASK,
        warn=warn_save,
        usual=300.0,
        footer=False,
    ),
    Action(
        id="vm.start_afresh",
        command="start-afresh",
        key="",
        label="start afresh",
        help="Start the VM from its disks; the memory that was saved is lost.",
        needs=NEEDS,
        when=_start_afresh_when,
        run=_start_afresh,
        settled=_started,
        holds=lambda _view, _before, now, _clock: hold_start(now),
        awaits="starting",
        danger=Danger.TYPE,
        warn=warn_lost_save,
        footer=False,
    ),
    Action(
        id="vm.drop_save",
        command="drop-saved",
        key="",
        label="drop saved memory",
        help="Throw away the memory that was saved.",
        needs=NEEDS,
        when=_drop_when,
        run=_drop_save,
        settled=_dropped,
        awaits="dropping its memory",
        danger=Danger.TYPE,
        warn=warn_lost_save,
        footer=False,
    ),
    Action(
        id="vm.nmi",
        command="send-nmi",
        key="",
        label="send NMI",
        help="Send the guest a non-maskable interrupt, at which it may write a dump.",
        needs=NEEDS,
        when=_when_active(_nmi_when),
        run=_inject_nmi,
        settled=_at_once,
        awaits="NMI sent",
        danger=Danger.ASK,
        warn=warn_nmi,
        footer=False,
    ),
    Action(
        id="vm.autostart",
        command="autostart",
        key="",
        label="autostart",
        help="Choose whether the VM starts with its host.",
        needs=NEEDS,
        when=_autostart_when,
        form=_autostart_form,
        run=_set_autostart,
        settled=_at_once,
        awaits="changing",
        footer=False,
    ),
)
ACTIONS: tuple[Action[Guest], ...] = (*_POWER, *MOVES, *_RARE, *CHANGES, *COPIES)
