"""Instances that end before they run: what QEMU said, since when, and when that is no crash: row 23."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from kvtui.joins.causes import Cause
from kvtui.joins.machine import Machine
from kvtui.model import Evidence
from kvtui.records.kubernetes import Event
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.messages import read_message, step_for

SYNC_FAILED: Final = "SyncFailed"
FAILURES: Final = "startFailure.consecutiveFailCount"


def explain_crash(view: View, machine: Machine, told: Cause) -> Cause:
    """What QEMU said before its instance ended: an event of the instance, which is gone by then."""
    meta = machine.record.metadata
    about = f"{VirtualMachineInstance.KIND} {meta.namespace}/{meta.name}"
    warned = [event for _, event in view.linked(Event, machine.backend, "warns", about) if event.reason == SYNC_FAILED]
    newest = max(warned, key=lambda event: event.last_seen or 0.0, default=None)
    step = step_for(told.evidence.value) or step_for(told.sentence)
    if newest is None or told.evidence.field != FAILURES:
        return replace(told, step=step or "read the log of its last launcher pod and its console")
    reading = read_message(newest.message)
    words, step = (reading.sentence, reading.step) if reading is not None else (newest.message, "")
    evidence = Evidence(f"Event of VMI {meta.name}", newest.reason, newest.message, newest.first_seen)
    if newest.source.host:
        step = step.replace("on the node", f"on node {newest.source.host}")
    sentence = f"{told.sentence}: {words}"
    counted = replace(told.evidence, since=_first_crash(machine, warned))
    step = step or "read the log of its last launcher pod"
    return replace(told, sentence=sentence, evidence=counted, step=step, more=(evidence,))


def first_retry(view: View, machine: Machine) -> float | None:
    """When the first new try is due after an instance ended before it ran, and no node tells that it crashed: one that
    somebody ended while it waited counts too. None where that is not so.
    """
    failure = machine.vm.status.start_failure if machine.vm is not None else None
    ended_itself = machine.vmi is not None and not machine.vmi.metadata.deletion_timestamp
    if failure is None or failure.consecutive_fail_count != 1 or ended_itself:
        return None
    about = view.linked(Event, machine.backend, "about", failure.last_failed_vmi_uid)
    crashed = any(event.reason == SYNC_FAILED for _, event in about)
    return None if crashed else parse_time(failure.retry_after_timestamp)


def _first_crash(machine: Machine, warned: Iterable[Event]) -> float | None:
    """When the first of the instances that ended in a row did so; None where events of some are gone already."""
    failure = machine.vm.status.start_failure if machine.vm is not None else None
    ended: dict[str, float] = {}
    for event in sorted(warned, key=lambda event: event.first_seen or 0.0, reverse=True):
        ended[event.involved_object.uid] = event.first_seen or 0.0
    uids = list(ended)
    if failure is None or failure.last_failed_vmi_uid not in uids:
        return None
    # One that has ended since is not counted yet.
    last = uids.index(failure.last_failed_vmi_uid)
    counted = uids[last : last + failure.consecutive_fail_count]
    return ended[counted[-1]] if len(counted) == failure.consecutive_fail_count else None
