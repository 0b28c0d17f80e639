"""What an object shows of what was asked of it while that is not done: the sentence that a row's overdue verb needs.

Each is empty where the object shows nothing. Facts: kubevirt-api.md 2.1 to 2.4, 2.10, 3.1, and 5.
"""

from __future__ import annotations

from typing import Final

from kvtui.joins.causes import find_cause, shorten_refusal
from kvtui.joins.machine import Machine
from kvtui.joins.move import join_move
from kvtui.joins.queue import find_limit
from kvtui.joins.targets import find_target_pod
from kvtui.records.base import Record, find_condition, is_true
from kvtui.records.kubernetes import Claim, Pod
from kvtui.store import View
from kvtui.text import age

DEFAULT_GRACE = 30
"""Seconds that a guest has to shut down where its instance states none (KubeVirt, pkg/virt-handler)."""
_GUESTLESS: Final = frozenset({"", "Pending", "Scheduling"})
"""Phases of an instance whose launcher pod does not run yet (kubevirt-api.md 2.2): no guest can have come up."""


def grace_of(machine: Machine) -> int:
    """Seconds that its guest has to shut down before it is cut off: those of the instance, which a stop may shorten."""
    spec = machine.live.spec if machine.live is not None else machine.spec
    stated = spec.termination_grace_period_seconds
    return DEFAULT_GRACE if stated is None else stated


def grace_left(machine: Machine, now: float) -> float | None:
    """Seconds until a guest that is shutting down is cut off, whoever asked for it; None while nobody did, and where
    no guest has come up yet.
    """
    asked, grace = machine.ending, grace_of(machine)
    if machine.live is not None and machine.live.status.phase in _GUESTLESS:
        return None
    # Never more than the whole: what is known of the cluster's clock may be old.
    return None if asked is None else min(max(0.0, asked + grace - now), grace)


def hold_stop(machine: Machine, now: float) -> str:
    """What keeps an instance from having ended."""
    live = machine.live
    if live is None:
        return f"its instance has ended; the VM still says {machine.status}" if machine.vmi is not None else ""
    left, grace = grace_left(machine, now), grace_of(machine)
    if machine.ending is None:
        requests = machine.vm.status.state_change_requests if machine.vm is not None else ()
        asked = f"the request to {requests[0].action.lower()} it waits" if requests else "nothing ends its instance yet"
        return f"{asked}: virt-controller has not taken it up"
    if lost := _lost_node(machine):
        return f"{lost}: it cannot say that the guest has ended"
    if left is None:
        pod = machine.launcher
        waits = f"launcher pod {pod.metadata.name} is still {_tell_pod(pod)}" if pod is not None else "no pod is left"
        return f"its guest never ran; {waits}{_tell_finalizers(live)}"
    if left:
        still = " as it is paused" if machine.paused else ""
        return f"the guest has not shut down{still}; {age(left)} of {grace}s grace left, then it is killed"
    pod = machine.launcher
    more = f"; launcher pod {pod.metadata.name} is still {_tell_pod(pod)}" if pod is not None else ""
    over = age(now - (machine.ending or now) - grace)
    return f"its grace of {grace}s is over since {over}{more}{_tell_finalizers(live)}"


def hold_start(before: Machine, machine: Machine, now: float) -> str:
    """What keeps a machine from running anew: the instance that was there, then what the new one waits for."""
    live, was = machine.live, before.live
    if live is not None and (live.deleted is not None or (was is not None and live.metadata.uid == was.metadata.uid)):
        return hold_stop(machine, now)
    if (cause := find_cause(machine)) is not None:
        return cause.sentence
    if live is None:
        requests = machine.vm.status.state_change_requests if machine.vm is not None else ()
        asked = f"; the request to {requests[0].action.lower()} it waits" if requests else ""
        return f"the VM says {machine.status}, and virt-controller has made no instance of it yet{asked}"
    if lost := _lost_node(machine):
        return lost
    pod = machine.launcher
    if pod is None:
        return f"its instance is {live.status.phase or 'new'}: it has no launcher pod yet"
    where = f" on {pod.spec.node_name}" if pod.spec.node_name else ""
    return f"its instance is {live.status.phase or 'new'}: launcher pod {pod.metadata.name} is {_tell_pod(pod)}{where}"


def hold_migration(view: View, machine: Machine, now: float) -> str:
    """What keeps a migration from being over."""
    migration = machine.migration
    if migration is None:
        return "virt-controller has made no migration of it yet"
    ref = migration.ref(machine.backend)
    move, name, phase = join_move(view, ref), migration.metadata.name, migration.status.phase or "Pending"
    if move is None:
        return ""
    since = f" for {age(now - migration.created)}" if migration.created else ""
    head = f"migration {name} is {phase}{since}"
    if move.aborting:
        return f"{head}: somebody asked to end it"
    if move.reason:
        return f"{head}: {move.reason}"
    if phase == "Pending" and (limit := find_limit(view, move)) is not None:
        where = f"from {limit.node}" if limit.node else "in the cluster"
        first = limit.holders[0].migration
        who = f"{first.metadata.namespace}/{first.spec.vmi_name}"
        return f"{head}: only {limit.value} may move at a time {where} ({limit.field}); first comes {who}"
    pod = find_target_pod(view, move)
    if pod is None or phase == "Running":
        return f"{head}{f', to {move.target}' if move.target else ''}"
    scheduled = find_condition(pod.status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        words = shorten_refusal(scheduled.message) or scheduled.reason
        return f"{head}: no node takes its target pod {pod.metadata.name}: {words}"
    return f"{head}: its target pod {pod.metadata.name} is {_tell_pod(pod)}"


def hold_deletion(record: Record) -> str:
    """What keeps an object from being gone."""
    if record.metadata.deletion_timestamp is None:
        return "the server does not show that it is being deleted"
    names = record.metadata.finalizers
    if not names:
        return "nothing holds it any more"
    return f"finalizers {', '.join(names)} hold it" if len(names) > 1 else f"finalizer {names[0]} holds it"


def hold_machine_deletion(machine: Machine, now: float) -> str:
    """The same of a VM: its guest first, which must have ended."""
    held = hold_deletion(machine.record)
    ends = hold_stop(machine, now) if machine.live is not None and machine.live.deleted is not None else ""
    return f"{ends}; {held}" if ends else held


def hold_growth(claim: Claim) -> str:
    """What keeps a claim from having grown."""
    for condition in claim.status.conditions:
        if condition.status == "True" and condition.type in _GROWING:
            words = condition.message or condition.reason
            return f"{_GROWING[condition.type]}{f': {words}' if words else ''}"
    has = claim.status.capacity.get("storage", "?")
    asked = claim.spec.resources.requests.get("storage", "?")
    return f"it has {has} of the {asked} that are asked for: its storage driver has not begun"


_GROWING = {
    "ControllerResizeError": "its storage driver failed to grow it",
    "NodeResizeError": "its node failed to grow the file system",
    "FileSystemResizePending": "the volume has grown, the file system on it has not: that waits for a pod that uses it",
    "Resizing": "its storage driver grows it",
}
"""Conditions of a claim, what tells most first (kubernetes, core/v1 types.go)."""


def _lost_node(machine: Machine) -> str:
    node = machine.node
    if node is None or is_true(node.status.conditions, "Ready"):
        return ""
    return f"node {node.metadata.name} is not ready"


def _tell_pod(pod: Pod) -> str:
    """Its phase, and what its containers wait for."""
    phase = "Terminating" if pod.metadata.deletion_timestamp else pod.status.phase or "Pending"
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason:
            words = f": {waiting.message}" if waiting.message else ""
            return f"{phase}, container {status.name} waits: {waiting.reason}{words}"
    return phase


def _tell_finalizers(record: Record) -> str:
    names = record.metadata.finalizers
    return f"; finalizers {', '.join(names)}" if names else ""
