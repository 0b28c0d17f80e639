"""``.status.printableStatus`` of a VirtualMachine: the first state that matches, in virt-controller's own order."""

from __future__ import annotations

from dataclasses import dataclass, field

from kvtui.demo.objects import condition, deleting, has_condition
from kvtui.demo.storage import Object

FINAL = ("Succeeded", "Failed")


@dataclass(slots=True)
class Situation:
    """What the printable status is judged from."""

    vm: Object
    vmi: Object | None
    volumes: list[tuple[Object | None, Object | None]] = field(default_factory=list)
    """DataVolume and claim of each disk on a claim; None for what does not exist."""
    starting: bool = False
    """Whether an instance is expected to be created."""
    stopping: bool = False
    """Whether the deletion of the instance is expected."""


def printable_status(situation: Situation) -> str:
    """The word that ``kubectl get vm`` shows. Source: virt-controller's setPrintableStatus."""
    vm, vmi = situation.vm, situation.vmi
    phase = vmi["status"].get("phase", "") if vmi else ""
    if deleting(vm):
        return "Terminating"
    if vmi and phase not in FINAL and (deleting(vmi) or situation.stopping):
        return "Stopping"
    if vmi:
        move = vmi["status"].get("migrationState") or {}
        if move.get("startTimestamp") and not move.get("endTimestamp"):
            return "Migrating"
        if phase == "Running":
            return "Paused" if has_condition(vmi, "Paused", "True") else "Running"
        if has_condition(vmi, "Synchronized", "False", "FailedPvcNotFound"):
            return "ErrorPvcNotFound"
    return _not_yet_running(situation, vmi, phase)


def _not_yet_running(situation: Situation, vmi: Object | None, phase: str) -> str:
    volumes = situation.volumes
    if any(data_volume_failed(volume) for volume, _ in volumes if volume):
        return "DataVolumeError"
    if vmi and has_condition(vmi, "PodScheduled", "False", "Unschedulable"):
        return "ErrorUnschedulable"
    if any(_is_provisioning(volume, claim) for volume, claim in volumes):
        return "Provisioning"
    unbound = any(claim and claim.get("status", {}).get("phase") != "Bound" for _, claim in volumes)
    if unbound and (situation.starting or (vmi and phase not in FINAL)):
        return "WaitingForVolumeBinding"
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        if vmi and has_condition(vmi, "Synchronized", "False", reason):
            return reason
    if (vmi is None and situation.starting) or phase in ("Pending", "Scheduling", "Scheduled") or (vmi and not phase):
        return "Starting"
    failures = situation.vm.get("status", {}).get("startFailure", {}).get("consecutiveFailCount", 0)
    if failures and run_strategy(situation.vm) in ("Always", "RerunOnFailure", "Once"):
        return "CrashLoopBackOff"
    if vmi is None or phase in FINAL:
        return "Stopped"
    return "Unknown"


def run_strategy(vm: Object) -> str:
    """The effective run strategy; the deprecated bool counts too."""
    spec = vm["spec"]
    strategy: str = spec.get("runStrategy", "")
    return strategy or ("Always" if spec.get("running") else "Halted")


def data_volume_failed(volume: Object) -> bool:
    """Whether virt-controller takes the DataVolume for broken."""
    if volume.get("status", {}).get("phase") == "Failed":
        return True
    running = condition(volume, "Running")
    return (
        running is not None and running["status"] == "False" and running.get("reason") in ("Error", "ImagePullFailed")
    )


def _is_provisioning(volume: Object | None, claim: Object | None) -> bool:
    if volume is None:
        return False
    phase = volume.get("status", {}).get("phase", "")
    if phase in ("Succeeded", "PendingPopulation"):
        return False
    bound: bool = claim is not None and claim.get("status", {}).get("phase") == "Bound"
    return bound or phase != "WaitForFirstConsumer"
