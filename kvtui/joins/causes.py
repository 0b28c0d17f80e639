"""Why a machine is not as it should be, read from structure: conditions, phases, states of containers.

Where the facts stand: kubevirt-api.md 2.1, 2.2, 2.5, and the catalogue in 9.1 and 9.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from kvtui.joins.machine import Machine, phase_since
from kvtui.model import Evidence
from kvtui.records.base import find_condition
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, ContainerStatus, Pod
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.text import parse_time

# Of a Running condition that is False while all is well, or that only says that it is not its turn yet.
_BENIGN_TRANSFER = frozenset(
    {"", "Completed", "Pending", "ContainerCreating", "PodInitializing", "CreatingScratchSpace"}
)
_BENIGN_WORDS = ("scratch space required",)
"""CDI restarts its importer once with scratch space when it finds that it needs some (kubevirt-api.md 2.5)."""
_BENIGN_WAITS = frozenset({"ContainerCreating", "PodInitializing", ""})


class Theme(Enum):
    """Which part of a machine's start a cause is of."""

    SYNC = "synchronization"
    SCHEDULING = "scheduling"
    INSTANCE = "instance"
    LAUNCHER = "launcher"
    CLAIM = "claim"
    IMPORT = "import"
    FILLING = "filling"
    """A disk that is being filled, or is to be: no complaint."""
    VM = "vm"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stops others just as well and mostly is no object: a taint, a CPU model that no node offers."""

    kind: str
    name: str
    """Without figures that come and go, so that it stays the same."""
    label: str
    trouble: str
    sentence: str
    """The cause without what only one of those asks for that it stops."""
    rule: str = ""
    """The rule that tells of it, where there is one."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What holds something up: the culprit and its value in one sentence, and where that stands."""

    theme: Theme
    sentence: str
    evidence: Evidence
    culprit: tuple[str, str, str] | None = None
    """Kind, namespace and name of the object at fault, where it is another than the one that is held up."""
    step: str = ""
    more: tuple[Evidence, ...] = ()
    """What else tells."""
    over: bool = False
    """Whether it is mended already, and whoever was refused has not tried again."""
    obstacle: Obstacle | None = None
    """What is at fault where no culprit is."""


def find_cause(machine: Machine) -> Cause | None:
    """The first thing that explains why a machine does not run as wanted; None when its records say nothing."""
    return next(_causes(machine), None)


def is_standing(cause: Cause) -> bool:
    """Whether no time mends it: virt-controller tries again, and is refused until somebody changes what it names."""
    return cause.theme is Theme.SYNC and any(words in cause.evidence.value for words in _STANDING)


_STANDING = ("failed to locate network attachment definition", "violates PodSecurity")
"""In refusals of a launcher pod (kubevirt-api.md 9.1 and 9.5, rows 9 and 77); a quota may get room by itself."""


def _causes(machine: Machine) -> Iterator[Cause]:
    yield from _of_instance(machine)
    yield from _of_launcher(machine)
    yield from _of_disks(machine)
    yield from _of_vm(machine)


def _of_instance(machine: Machine) -> Iterator[Cause]:
    vmi = machine.vmi
    if vmi is None:
        return
    subject = f"VMI {vmi.metadata.name}"
    synchronized = find_condition(vmi.status.conditions, "Synchronized")
    if synchronized is not None and synchronized.status == "False":
        words = synchronized.message or synchronized.reason
        since = parse_time(synchronized.last_transition_time)
        evidence = Evidence(subject, f"Synchronized=False {synchronized.reason}", words, since)
        yield Cause(Theme.SYNC, words, evidence)
    yield from _of_scheduling(machine, vmi)
    if vmi.is_final and vmi.status.reason:
        where = f" on {vmi.status.node_name}" if vmi.status.node_name else ""
        yield Cause(
            Theme.INSTANCE,
            f"its instance ended with {vmi.status.reason}{where}",
            Evidence(subject, f"phase {vmi.status.phase}", vmi.status.reason, phase_since(vmi)),
        )


def _of_scheduling(machine: Machine, vmi: VirtualMachineInstance) -> Iterator[Cause]:
    """Why no node takes it, in the words of the launcher pod where there are such.

    The condition of the instance keeps the message that it first got: it names a missing claim long after the claim
    has come.
    """
    own = find_condition(vmi.status.conditions, "PodScheduled")
    if own is None or own.status != "False":
        return
    subject, condition = f"VMI {vmi.metadata.name}", own
    pod = machine.launcher
    of_pod = find_condition(pod.status.conditions, "PodScheduled") if pod is not None else None
    if pod is not None and of_pod is not None and of_pod.status == "False":
        subject, condition = f"Pod {pod.metadata.name}", of_pod
    words = condition.message or condition.reason
    if UNBOUND in words:
        yield from (cause for cause in map(find_claim_cause, machine.claims) if cause is not None)
    since = parse_time(condition.last_transition_time)
    evidence = Evidence(subject, f"PodScheduled=False {condition.reason}", words, since)
    yield Cause(Theme.SCHEDULING, f"no node takes it: {shorten_refusal(words)}", evidence)


UNBOUND = "unbound immediate PersistentVolumeClaims"
"""The scheduler's words for a pod whose claims are not bound yet."""


def list_refusals(words: str) -> list[str]:
    """Why nodes are refused, what refuses most of them first.

    The scheduler writes ``0/9 nodes are available: 1 this, 8 that. preemption: ...`` and counts each node once.
    """
    pieces = words.partition("available: ")[2].partition(". ")[0].rstrip(".").split(", ")
    counted = [found for piece in pieces if (found := _COUNTED.match(piece))]
    return [found[0] for found in sorted(counted, key=lambda found: -int(found[1]))]


def shorten_refusal(words: str) -> str:
    """What the scheduler says of the nodes, or of the pod itself, without what it says of preemption: of a pod that no
    node is looked for that is ``not found``.
    """
    said = words.partition("available: ")[2].partition(". ")[0].rstrip(".")
    return ", ".join(list_refusals(words)) or said or words


_COUNTED = re.compile(r"(\d+) .+")


def _of_launcher(machine: Machine) -> Iterator[Cause]:
    pod = machine.launcher
    if pod is None:
        return
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        yield from _of_container(pod, status)
    if pod.status.phase == "Failed" and pod.status.reason:
        words = pod.status.message or pod.status.reason
        yield Cause(
            Theme.LAUNCHER,
            f"launcher pod {pod.metadata.name} failed: {words}",
            Evidence(f"Pod {pod.metadata.name}", pod.status.reason, words),
        )


def _of_container(pod: Pod, status: ContainerStatus) -> Iterator[Cause]:
    waiting, ended = status.state.waiting, status.state.terminated
    subject = f"Pod {pod.metadata.name}"
    if waiting is not None and waiting.reason not in _BENIGN_WAITS:
        words = waiting.message or waiting.reason
        yield Cause(
            Theme.LAUNCHER,
            f"container {status.name} of the launcher waits: {words}",
            Evidence(subject, f"container {status.name} waiting {waiting.reason}", words),
        )
    if ended is not None and ended.exit_code:
        words = ended.message or ended.reason or f"exit code {ended.exit_code}"
        yield Cause(
            Theme.LAUNCHER,
            f"container {status.name} of the launcher ended: {words}",
            Evidence(subject, f"container {status.name} exit code {ended.exit_code}", ended.reason),
        )


def _of_disks(machine: Machine) -> Iterator[Cause]:
    for volume in machine.volumes:
        cause = find_import_cause(volume)
        if cause is not None:
            yield cause
    for claim in machine.claims:
        cause = find_claim_cause(claim)
        if cause is not None:
            yield cause
    yield from find_fillings(machine)


def find_fillings(machine: Machine) -> Iterator[Cause]:
    """The disks of it that are being filled, or will be: till then their claims are Pending, and nothing is wrong."""
    for volume in machine.volumes:
        if volume.status.phase not in {"Succeeded", "PendingPopulation", "WaitForFirstConsumer"}:
            yield Cause(
                Theme.FILLING,
                f"its disk {volume.metadata.name} {_tell_filling(volume)}",
                Evidence(f"DataVolume {volume.metadata.name}", "phase", volume.status.phase),
            )


def _tell_filling(volume: DataVolume) -> str:
    """How far a disk is."""
    phase, progress = volume.status.phase, volume.status.progress
    if phase in NOT_BEGUN:
        return "has not begun to fill"
    return _STANDING_STILL.get(phase) or f"is being filled: {phase}{f', {progress}' if '%' in progress else ''}"


NOT_BEGUN = frozenset({"", "Pending", "PVCBound", "ImportScheduled", "CloneScheduled", "UploadScheduled"})
"""Phases of a DataVolume that nothing fills yet."""
_STANDING_STILL = {"UploadReady": "waits for an upload", "Paused": "waits for its next checkpoint"}


def find_claim_cause(claim: Claim) -> Cause | None:
    """Why a claim cannot be used: it is lost, or waits for a volume."""
    name, phase = claim.metadata.name, claim.status.phase
    if phase not in {"Pending", "Lost"}:
        return None
    class_ = claim.spec.storage_class_name
    of_class = f' (storage class "{class_}")' if class_ else " (no storage class)" if class_ is None else ""
    return Cause(
        Theme.CLAIM,
        f"PVC {claim.metadata.namespace}/{name} is {phase}{of_class}",
        Evidence(f"PVC {name}", "phase", phase, claim.created),
        (Claim.KIND, claim.metadata.namespace, name),
    )


def find_import_cause(volume: DataVolume) -> Cause | None:
    """Why a DataVolume does not fill, told by its conditions; None while it fares as it should.

    CDI sets phase Failed for almost nothing: an importer that crashes shows in `Running` and the restarts.
    """
    subject = f"DataVolume {volume.metadata.name}"
    culprit = (DataVolume.KIND, volume.metadata.namespace, volume.metadata.name)
    if volume.status.phase == "Succeeded":
        return None
    running = find_condition(volume.status.conditions, "Running")
    if running is not None and running.status == "False" and not _is_benign(running.reason, running.message):
        words = running.message or running.reason
        since = parse_time(running.last_transition_time)
        return Cause(
            Theme.IMPORT,
            f"DataVolume {volume.metadata.namespace}/{volume.metadata.name}: {words}",
            Evidence(subject, f"Running=False {running.reason}", words, since),
            culprit,
        )
    bound = find_condition(volume.status.conditions, "Bound")
    if bound is not None and bound.status == "False" and bound.reason in {"ClaimLost", "ErrExceededQuota"}:
        words = bound.message or bound.reason
        since = parse_time(bound.last_transition_time)
        evidence = Evidence(subject, f"Bound=False {bound.reason}", words, since)
        sentence = f"DataVolume {volume.metadata.namespace}/{volume.metadata.name}: {words}"
        return Cause(Theme.IMPORT, sentence, evidence, culprit)
    if volume.status.phase == "Failed":
        since = parse_time(running.last_transition_time) if running is not None else None
        return Cause(
            Theme.IMPORT,
            f"DataVolume {volume.metadata.namespace}/{volume.metadata.name} is Failed",
            Evidence(subject, "phase", "Failed", since),
            culprit,
        )
    return None


def _is_benign(reason: str, message: str) -> bool:
    return reason in _BENIGN_TRANSFER or any(words in message.lower() for words in _BENIGN_WORDS)


def _of_vm(machine: Machine) -> Iterator[Cause]:
    vm = machine.vm
    if vm is None:
        return
    subject = f"VM {vm.metadata.name}"
    for type_ in ("ManualRecoveryRequired", "Failure"):
        condition = find_condition(vm.status.conditions, type_)
        if condition is not None and condition.status == "True":
            words = condition.message or condition.reason
            since = parse_time(condition.last_transition_time)
            yield Cause(Theme.VM, words, Evidence(subject, f"{type_}=True {condition.reason}", words, since))
    failure = vm.status.start_failure
    if failure is not None and failure.consecutive_fail_count:
        times = "once" if failure.consecutive_fail_count == 1 else f"{failure.consecutive_fail_count} times in a row"
        yield Cause(
            Theme.VM,
            f"its instance ended {times} soon after its start",
            Evidence(subject, "startFailure.consecutiveFailCount", str(failure.consecutive_fail_count)),
        )
