"""Disks that were added to a running VM and do not arrive in its guest: kubevirt-api.md 9.2, rows 20 and 21."""

from __future__ import annotations

from typing import Final

from kvtui.joins.claims import machines_of_claim
from kvtui.joins.machine import (
    Machine,
    join_machine,
    machines_of_instance,
    machines_of_vm,
)
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance, VolumeStatus
from kvtui.store import View
from kvtui.triage.base import LINGER, WELL, Judgement, Rule

PLUG_LIMIT: Final = 120.0
"""Seconds that a volume may take to arrive in the guest."""
_ON_THEIR_WAY: Final = frozenset({"Pending", "Bound", "AttachedToNode", "MountedToPod"})


def _judge_volumes(view: View, ref: Ref, now: float) -> Judgement:
    """Volumes that were added while it runs; those that it began with are judged at its start."""
    machine = join_machine(view, ref)
    if machine is None or not machine.running or machine.vmi is None or machine.vmi.metadata.deletion_timestamp:
        return WELL
    late = {volume.name: volume.claim for volume in machine.vmi.spec.volumes if volume.hotpluggable}
    for status in machine.vmi.status.volume_status:
        if status.name in late and status.phase in _ON_THEIR_WAY:
            return Judgement(_not_attached(view, ref, machine, status, late[status.name], now))
    return WELL


def _not_attached(view: View, ref: Ref, machine: Machine, status: VolumeStatus, name: str, now: float) -> Finding:
    """It has no time of its own: the rule waits before it tells."""
    namespace = machine.record.metadata.namespace
    claim = view.get(Claim, machine.backend, namespace, name) if name else None
    evidence = [Evidence(f"VMI {ref.name}", f"status.volumeStatus {status.name}",
                         " ".join(filter(None, (status.phase, status.reason, status.message))))]  # fmt: skip
    root = None
    since = None
    if claim is not None and claim.status.phase != "Bound":
        cause = f"its PVC {namespace}/{name} is {claim.status.phase or 'Pending'}"
        evidence.append(Evidence(f"PVC {name}", "status.phase", claim.status.phase or "Pending", claim.created))
        root, step = claim.ref(machine.backend), "mend the claim: the volume is attached by itself then"
        since = claim.created if claim.created is not None and claim.created < now else None
    elif name and claim is None:
        cause, step = f"there is no PVC {namespace}/{name}", f"create PVC {name}, or take volume {status.name} off"
        root = Ref(machine.backend, Claim.KIND, namespace, name)
    else:
        said = status.message or status.reason
        cause = f"it stays {status.phase}{f': {said}' if said else ''}"
        step = "see the events of its hp-volume pod: the volume may be attached to another node"
    trouble = f"lacks volume {status.name}"
    return Finding("vm.volumes", Severity.WARN, ref, "vm", trouble, cause, since, tuple(evidence), step, root)


RULES: Final = (
    Rule(
        "vm.volumes",
        _judge_volumes,
        {
            VirtualMachine: machines_of_vm,
            VirtualMachineInstance: machines_of_instance,
            Claim: machines_of_claim,
        },
        settle=PLUG_LIMIT,
        linger=LINGER,
        detects="a running VM to which a disk was added that does not arrive in the guest",
        severities="warn",
    ),
)
