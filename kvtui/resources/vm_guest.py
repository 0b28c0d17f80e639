"""What makes a guest reboot, stand still or go on, while its instance stays. Permissions: kubevirt-api.md 7; what the
server refuses and why: 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.joins.machine import Machine
from kvtui.records.base import is_true
from kvtui.resources.base import Action, Danger, lifecycle, objects
from kvtui.resources.form import Answers, Form, Number
from kvtui.resources.vm_lifecycle import warn_still
from kvtui.store import View

_SUBRESOURCES = "subresources.kubevirt.io"
_THAW: Final = 300
"""Seconds after which frozen file systems thaw by themselves: virtctl's default."""


def _may_instance(subresource: str) -> Permission:
    return Permission("update", _SUBRESOURCES, "virtualmachineinstances", subresource)


# When it is possible ---------------------------------------------------------------------------------------------


def _reboot_when(machine: Machine) -> str:
    if not machine.running or machine.live is None:
        return "the VM is not running"
    return "it is paused: unpause it first" if machine.paused else ""


def _reset_when(machine: Machine) -> str:
    return "" if machine.running else "the VM is not running"


def _freeze_when(machine: Machine) -> str:
    if not machine.running or machine.live is None:
        return "the VM is not running"
    if not is_true(machine.live.status.conditions, "AgentConnected"):
        return "no guest agent is connected, and only that can do it"
    if machine.paused:
        return _MUTE
    return "its file systems are frozen already" if machine.live.status.is_frozen else ""


def _thaw_when(machine: Machine) -> str:
    if not machine.running:
        return "the VM is not running"
    return _MUTE if machine.paused else ""


_MUTE: Final = "it is paused, and its agent with it: unpause it first"


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


# What must be said before it is confirmed --------------------------------------------------------------------------


def _warn_reset(_machine: Machine) -> tuple[str, ...]:
    return ("the guest gets no chance to write its data",)


def _warn_freeze(_machine: Machine) -> tuple[str, ...]:
    return ("what the guest writes waits until it is thawed: databases and logs stand still",)


# How it runs, and how one sees that it is done ---------------------------------------------------------------------


async def _pause(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).pause(machine.ref)


async def _unpause(backend: Backend, machine: Machine) -> None:
    await lifecycle(backend).unpause(machine.ref)


async def _soft_reboot(backend: Backend, machine: Machine) -> None:
    await objects(backend).call(machine.ref, "softreboot", verb="soft reboot", instance=True)


async def _reset(backend: Backend, machine: Machine) -> None:
    await objects(backend).call(machine.ref, "reset", instance=True)


def _freeze_form(_view: View, machines: Sequence[Machine]) -> Form:
    whom = machines[0].record.metadata.name if len(machines) == 1 else f"{len(machines)} VMs"
    seconds = Number("seconds", "thaw after", unit="s", default=str(_THAW), least=0, most=86_400,
                     hint="0 leaves them frozen until you thaw them")  # fmt: skip
    return Form(f"freeze the file systems of {whom}", (seconds,))


async def _freeze(backend: Backend, machine: Machine, answers: Answers) -> None:
    seconds = answers.number("seconds") or 0
    options = {"unfreezeTimeout": f"{seconds}s"} if seconds else {}
    await objects(backend).call(machine.ref, "freeze", options, instance=True)


async def _thaw(backend: Backend, machine: Machine) -> None:
    await objects(backend).call(machine.ref, "unfreeze", instance=True)


def _frozen(_before: Machine, now: Machine) -> bool:
    return now.live is None or now.live.status.is_frozen


def _thawed(_before: Machine, now: Machine) -> bool:
    return now.live is None or not now.live.status.is_frozen


def _paused(_before: Machine, now: Machine) -> bool:
    return not now.running or (now.paused and now.status != "Running")


def _unpaused(_before: Machine, now: Machine) -> bool:
    return not now.running or (not now.paused and now.status != "Paused")


def _end(_before: Machine, now: Machine) -> str:
    """What ended instead."""
    return "" if now.running else "it does not run any more"


GUEST: tuple[Action[Machine], ...] = (
    Action(
        id="vm.soft_reboot",
        key="",
        label="soft reboot",
        help="Have the guest reboot itself, by its agent or the power button; instance and node stay.",
        needs=_may_instance("softreboot"),
        when=_reboot_when,
        warn=warn_still,
        run=_soft_reboot,
        settled=lambda _before, _now: True,
        awaits="rebooting",
        danger=Danger.ASK,
        footer=False,
        command="soft-reboot",
    ),
    Action(
        id="vm.reset",
        key="",
        label="reset",
        help="Reset the guest at once, as by its reset button; instance and node stay.",
        needs=_may_instance("reset"),
        when=_reset_when,
        run=_reset,
        settled=lambda _before, _now: True,
        awaits="resetting",
        danger=Danger.TYPE,
        warn=_warn_reset,
        footer=False,
        command="reset",
    ),
    Action(
        id="vm.pause",
        key="p",
        label="pause",
        help="Freeze the guest: it keeps its memory and does nothing.",
        needs=_may_instance("pause"),
        when=_pause_when,
        already=lambda machine: machine.paused,
        run=_pause,
        settled=_paused,
        outcome=_end,
        awaits="pausing",
        danger=Danger.ASK,
        usual=20.0,
        footer=False,
        command="pause",
    ),
    Action(
        id="vm.unpause",
        key="u",
        label="unpause",
        help="Let a paused guest go on.",
        needs=_may_instance("unpause"),
        when=_unpause_when,
        already=lambda machine: machine.running and not machine.paused,
        run=_unpause,
        settled=_unpaused,
        outcome=_end,
        awaits="unpausing",
        usual=20.0,
        footer=False,
        command="unpause",
    ),
    Action(
        id="vm.freeze",
        key="",
        label="freeze",
        help="Have the guest's agent write out and freeze its file systems, for a copy from outside.",
        needs=_may_instance("freeze"),
        when=_freeze_when,
        form=_freeze_form,
        run=_freeze,
        settled=_frozen,
        remark=lambda _before, _now: "its file systems are frozen",
        outcome=_end,
        awaits="freezing",
        danger=Danger.ASK,
        warn=_warn_freeze,
        usual=30.0,
        footer=False,
        command="freeze",
    ),
    Action(
        id="vm.thaw",
        key="",
        label="unfreeze",
        help="Let the guest write to its file systems again.",
        needs=_may_instance("unfreeze"),
        when=_thaw_when,
        run=_thaw,
        settled=_thawed,
        remark=lambda _before, _now: "its file systems are not frozen any more",
        outcome=_end,
        awaits="thawing",
        usual=30.0,
        footer=False,
        command="unfreeze",
    ),
)
