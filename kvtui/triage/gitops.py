"""VMs that Argo CD puts back as often as somebody changes them.

No object tells which field was put back, once it is: the events of the application and the VM's generation tell that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.machine import machines_of_vm
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.kubernetes import Event
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import View
from kvtui.text import age
from kvtui.triage.base import LINGER, WELL, Judgement, Rule

OFTEN: Final = 3
"""From how many times on it is no single change."""
_EACH: Final = 600.0
"""Seconds between two of them at most: what is committed comes less often."""
_RECENT: Final = 3600.0
_PUT_BACK: Final = "Updated sync status: OutOfSync -> Synced"
"""Argo CD ``controller/state.go``, reason ResourceUpdated, of an Application."""


def _application_of(vm: VirtualMachine) -> str:
    return vm.metadata.annotations.argo_tracking.partition(":")[0]


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    vm = view.find(VirtualMachine, ref)
    name = _application_of(vm) if vm is not None else ""
    if vm is None or not name or vm.metadata.generation < 2 * OFTEN:
        return WELL
    told = (one for _, one in view.linked(Event, ref.backend, "application", name) if one.message == _PUT_BACK)
    event = max(told, key=lambda one: one.last_seen or 0.0, default=None)
    if event is None or not _is_often(event, now):
        return WELL
    # A change and its end are two generations; what Git alone changed is one.
    if vm.metadata.generation < 2 * event.times:
        return WELL
    first, last = event.first_seen or now, event.last_seen or now
    about = event.involved_object
    cause = (
        f"Argo CD application {about.namespace}/{about.name} has put it back {event.times} times in {age(last - first)}"
    )
    evidence = (
        Evidence(f"Event of Application {about.name}", event.reason, f"{event.message} ({event.times} times)", first),
        Evidence(f"VM {ref.name}", "metadata.generation", str(vm.metadata.generation)),
    )
    step = "change it in the repository of the application, or switch its selfHeal off for the time being"
    finding = Finding("vm.contested", Severity.INFO, ref, "vm", "does not keep changes", cause, first, evidence, step)
    return Judgement(finding, last + _RECENT)


def _is_often(event: Event, now: float) -> bool:
    first, last = event.first_seen or now, event.last_seen or now
    return event.times >= OFTEN and now < last + _RECENT and last - first < event.times * _EACH


def _machines_of_event(view: View, ref: Ref, event: Event) -> Iterator[Ref]:
    if event.message != _PUT_BACK or event.times < OFTEN:
        return
    for found, vm in view.items(VirtualMachine, ref.backend):
        if _application_of(vm) == event.involved_object.name:
            yield found


RULES: Final = (
    Rule(
        "vm.contested",
        _judge,
        {VirtualMachine: machines_of_vm, Event: _machines_of_event},
        linger=LINGER,
        detects="a VM that Argo CD puts back as often as somebody changes it",
        severities="info",
    ),
)
