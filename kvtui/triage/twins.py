"""Two VMs that run with one identity: a copy beside its original. Evidence: kubevirt-api.md 2.10."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.joins.machine import Machine, join_machine, machines_of_instance, machines_of_vm, running_since
from kvtui.joins.twins import Twin, find_twins
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.triage.base import LINGER, WELL, Judgement, Rule

_SETTLE: Final = 30.0
"""Seconds for which both may run: as long as a move into another namespace hands over."""


def _judge(view: View, ref: Ref, _now: float) -> Judgement:
    machine = join_machine(view, ref)
    if machine is None or machine.vmi is None or not machine.running:
        return WELL
    # Of two the later one is the copy, or what was started too much.
    earlier = [twin for twin in _twins(view, machine.backend, machine.vmi) if _comes_before(twin, machine)]
    if not earlier:
        return WELL
    first = earlier[0]
    link, value = first.shared[0]
    since = running_since(machine.vmi)
    evidence = Evidence(
        f"VMI {first.ref.path}", "interfaces.macAddress" if link == "mac" else "spec.domain.firmware.uuid", value, since
    )
    cause = first.tell(machine.ref.namespace)
    step = "stop the one that is the copy; one that is to run beside the original is made by a clone, not by a restore"
    return Judgement(
        Finding("vm.twin", Severity.WARN, machine.ref, "vm", "has a twin", cause, since, (evidence,), step)
    )


def _twins(view: View, backend: str, vmi: VirtualMachineInstance) -> Iterator[Twin]:
    meta = vmi.metadata
    if view.get(VirtualMachineInstance, backend, meta.namespace, meta.name) is vmi:
        # It is counted itself, and hardly ever another.
        others = (
            view.count_linked(VirtualMachineInstance, backend, *own) > 1 for own in vmi.spec.identity(meta.namespace)
        )
        if not any(others):
            return iter(())
    return find_twins(view, backend, meta.namespace, meta.name, vmi.spec)


def _comes_before(twin: Twin, machine: Machine) -> bool:
    assert machine.vmi is not None
    mine, other = machine.vmi.metadata, twin.vmi.metadata
    return twin.vmi.is_running and (other.creation_timestamp or "", other.uid) < (
        mine.creation_timestamp or "",
        mine.uid,
    )


def _with_twins(view: View, ref: Ref, vmi: VirtualMachineInstance) -> Iterator[Ref]:
    """The machine of an instance, and those that are judged by it."""
    yield from machines_of_instance(view, ref, vmi)
    for twin in _twins(view, ref.backend, vmi):
        yield from machines_of_instance(view, twin.ref, twin.vmi)


RULES: Final = (
    Rule(
        "vm.twin",
        _judge,
        {VirtualMachine: machines_of_vm, VirtualMachineInstance: _with_twins},
        settle=_SETTLE,
        linger=LINGER,
        detects="two VMs of one cluster that run with the same UUID, or MAC address in one network",
        severities="warn",
    ),
)
