"""VMs that Argo CD puts back because somebody changed them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.gitops import PutBack, find_put_back, machines_put_back
from kvtui.joins.machine import machines_of_vm
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.gitops import Application
from kvtui.records.kubernetes import Event
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import View
from kvtui.text import age
from kvtui.triage.base import LINGER, WELL, Judgement, Rule

RECENT: Final = 900.0
"""Seconds for which a change that was put back is news."""
OFTEN: Final = 3
"""From how many times on events alone tell it."""
_EACH: Final = 600.0
"""Seconds between two of them at most: what is committed comes less often."""
_SYNCED: Final = "Updated sync status: OutOfSync -> Synced"
"""Argo CD ``controller/state.go``, reason ResourceUpdated, of an Application."""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    vm = view.find(VirtualMachine, ref)
    if vm is None:
        return WELL
    back, series = find_put_back(view, ref), _find_series(view, ref, vm)
    if back is not None:
        return _while_recent(_tell_last(ref, vm, back, series), back.at, now)
    if series is None or series.last_seen is None or _find_application(view, ref, series) is not None:
        return WELL
    # Who may not read applications may read their events.
    return _while_recent(_tell_series(ref, vm, series), series.last_seen, now)


def _while_recent(finding: Finding, at: float, now: float) -> Judgement:
    return Judgement(finding, at + RECENT) if now < at + RECENT else WELL


def _find_application(view: View, ref: Ref, event: Event) -> Application | None:
    about = event.involved_object
    return view.get(Application, ref.backend, about.namespace, about.name)


def _tell_last(ref: Ref, vm: VirtualMachine, back: PutBack, series: Event | None) -> Finding:
    """By the last operation of the application, with the events of those before where there are any."""
    meta = back.application.metadata
    cause = back.tell("" if series is None else _tell_times(series))
    subject = f"Application {meta.name}"
    evidence = (
        Evidence(subject, "status.operationState.phase", "Succeeded", back.at),
        Evidence(subject, "operationState.operation.initiatedBy.automated", "true"),
        Evidence(subject, "operationState.syncResult", back.result),
        Evidence(subject, "spec.syncPolicy.automated.selfHeal", "true"),
        *(() if series is None else _list_series(vm, series)),
    )
    since = back.at if series is None else series.first_seen
    step = _tell_step(meta.namespace, meta.name, back.application.origin)
    return _finding(ref, cause, since, evidence, step)


def _tell_series(ref: Ref, vm: VirtualMachine, series: Event) -> Finding:
    """By events alone: they name no object, but the VM's generation counts with them."""
    about = series.involved_object
    cause = f"Argo CD application {about.namespace}/{about.name} has put it back{_tell_times(series)}"
    step = _tell_step(about.namespace, about.name, "")
    return _finding(ref, cause, series.first_seen, _list_series(vm, series), step)


def _finding(ref: Ref, cause: str, since: float | None, evidence: tuple[Evidence, ...], step: str) -> Finding:
    return Finding("vm.put_back", Severity.INFO, ref, "vm", "does not keep changes", cause, since, evidence, step)


def _tell_step(namespace: str, name: str, origin: str) -> str:
    patch = '{"spec":{"syncPolicy":{"automated":{"selfHeal":false}}}}'
    off = f"kubectl patch applications.argoproj.io -n {namespace} {name} --type merge -p '{patch}'"
    return f"change it in git{f' ({origin})' if origin else ''}, or turn self-heal off while you work: {off}"


# Again and again -------------------------------------------------------------------------------------------------


def _find_series(view: View, ref: Ref, vm: VirtualMachine) -> Event | None:
    """The event of its application that counts how often that was in sync again, where the VM changed with it."""
    name = vm.metadata.annotations.argo_application
    events = view.linked(Event, ref.backend, "application", name) if name else ()
    event = max(
        (one for _, one in events if one.message == _SYNCED), key=lambda one: one.last_seen or 0.0, default=None
    )
    if event is None or event.times < OFTEN or not _counts_with(vm, event):
        return None
    return event if _length_of(event) < event.times * _EACH else None


def _counts_with(vm: VirtualMachine, event: Event) -> bool:
    """Whether it may be what changed: a change and its end are two generations, what git alone changed is one."""
    return vm.metadata.generation >= 2 * event.times


def _length_of(event: Event) -> float:
    return (event.last_seen or 0.0) - (event.first_seen or 0.0)


def _tell_times(event: Event) -> str:
    return f" {event.times} times in {age(_length_of(event))}"


def _list_series(vm: VirtualMachine, event: Event) -> tuple[Evidence, ...]:
    words = f"{event.message} ({event.times} times)"
    return (
        Evidence(f"Event of Application {event.involved_object.name}", event.reason, words, event.first_seen),
        Evidence(f"VM {vm.metadata.name}", "metadata.generation", str(vm.metadata.generation)),
    )


def _machines_of_event(view: View, ref: Ref, event: Event) -> Iterator[Ref]:
    if event.message != _SYNCED or event.times < OFTEN:
        return
    for found, vm in view.linked(VirtualMachine, ref.backend, "application", event.involved_object.name):
        if _counts_with(vm, event):
            yield found


def _machines_of_application(view: View, ref: Ref, application: Application) -> Iterator[Ref]:
    yield from machines_put_back(view, ref, application)
    for _, event in view.linked(Event, ref.backend, "application", ref.name):
        yield from _machines_of_event(view, ref, event)


RULES: Final = (
    Rule(
        "vm.put_back",
        _judge,
        {VirtualMachine: machines_of_vm, Application: _machines_of_application, Event: _machines_of_event},
        linger=LINGER,
        detects="a VM that Argo CD has put back as git has it after somebody changed it",
        severities="info",
    ),
)
