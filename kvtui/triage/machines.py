"""VMs that are not as their run strategy wants them. Evidence: kubevirt-api.md 9.1 and 9.2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kvtui.joins.causes import Cause, Theme, find_cause, find_fillings, is_standing
from kvtui.joins.ceph import judge_ceph
from kvtui.joins.claims import machines_of_claim
from kvtui.joins.holdups import grace_of
from kvtui.joins.layers import tell_blindness
from kvtui.joins.machine import (
    Machine,
    join_machine,
    machines_named,
    machines_of_instance,
    machines_of_pod,
    machines_of_vm,
    machines_of_volume,
    phase_since,
)
from kvtui.model import Evidence, FeedState, Finding, Ref, Severity, Tone
from kvtui.records.base import find_condition, is_true
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Event, Node, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.storage import CephCluster, StorageClass
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, LOADING, LOOK_AGAIN, PATIENCE, WELL, Judgement, Rule
from kvtui.triage.components import find_down
from kvtui.triage.crashes import FAILURES, SYNC_FAILED, explain_crash, first_retry
from kvtui.triage.imports import explain_import, refuses, tell_wait, unbegun
from kvtui.triage.messages import read_message, step_for
from kvtui.triage.outdated import tell_outdated
from kvtui.triage.pace import START, STOP_GRACE, pace_of
from kvtui.triage.refusals import explain_refusal
from kvtui.triage.roots import rest_on
from kvtui.triage.scheduling import explain_scheduling, unready
from kvtui.triage.storage import (
    BIND_LIMIT,
    IO_ERROR,
    claim_of_event,
    explain_claim,
    explain_helper,
    explain_io_error,
    name_claim,
)
from kvtui.triage.targets import newest_warning

SETTLE = 15.0
"""Seconds that a complaint must stand before it counts: controllers retry."""
STOPPED_LIMIT = 60.0
"""Seconds that a VM may be off which its run strategy wants on: the controller needs a moment."""

_ERRORS = frozenset(
    {
        "ErrorPvcNotFound",
        "DataVolumeError",
        "DataVolumeNotFound",
        "ErrorDataVolumeNotFound",
        "ErrorUnschedulable",
        "ErrImagePull",
        "ImagePullBackOff",
        "CrashLoopBackOff",
        "Unknown",
    }
)


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    machine = join_machine(view, ref)
    if machine is None:
        return WELL
    if machine.vm is None and _is_ahead_of_its_vm(view, machine):
        return Judgement(again=now + LOADING)
    if machine.live is not None and machine.live.metadata.deletion_timestamp:
        return _judge_stopping(machine, now)
    if machine.running:
        return _judge_running(view, machine)
    if machine.vmi is not None and machine.vmi.status.phase == _UNKNOWN:
        return Judgement(_unseen(machine, machine.vmi))
    if machine.vm is None:
        return _judge_instance(view, machine, now)
    if machine.vm.metadata.deletion_timestamp:
        return WELL
    status = machine.vm.status.printable_status
    if not status:
        return _judge_untouched(view, machine, now)
    if status in _OF_DISKS and not machine.starts:
        # The import is judged elsewhere, and nobody waits for it.
        return WELL
    if status == "CrashLoopBackOff" and (retry := first_retry(view, machine)) is not None and now < retry + SETTLE:
        return Judgement(again=retry + SETTLE)
    if status in _ERRORS or _crashes_again(machine):
        return Judgement(_not_starting(view, machine, Severity.BAD, now))
    if machine.live is not None or status in {"Starting", "Provisioning", "WaitingForVolumeBinding"}:
        return _judge_starting(view, machine, now)
    if status == "Stopped" and machine.run_strategy == "Always":
        return _judge_stopped(view, machine, now)
    return WELL


_OF_DISKS = frozenset({"Provisioning", "DataVolumeError"})
"""What a VM says of its disks whether it is to run or not."""


def _unseen(machine: Machine, vmi: VirtualMachineInstance) -> Finding:
    """An instance of which its node tells nothing any more: it may run as before."""
    name, node = vmi.status.node_name, machine.node
    where = f" on node {name}" if name else ""
    told = Evidence(f"VMI {vmi.metadata.name}", "status.phase", _UNKNOWN, _phase_since(machine))
    lost = node is not None and not is_true(node.status.conditions, "Ready")
    cause = Cause(
        Theme.INSTANCE,
        f"its instance{where} is in phase Unknown: nobody tells whether its guest runs",
        told,
        (Node.KIND, "", name) if lost else None,
        f"see the virt-handler pod{where}",
        (unready(node),) if node is not None and lost else (),
    )
    return _caused(machine, Severity.BAD, "is out of sight", cause, told.since)


_UNKNOWN = "Unknown"


def _crashes_again(machine: Machine) -> bool:
    """Whether it has crashed at each start so far, be it that it is started once more just now."""
    failure = machine.vm.status.start_failure if machine.vm is not None else None
    return failure is not None and failure.consecutive_fail_count > 1


def _is_ahead_of_its_vm(view: View, machine: Machine) -> bool:
    """Whether an instance was listed before the VM that it is of: what is to be said will be said of that."""
    owner = machine.vmi.controller if machine.vmi is not None else None
    of_vm = owner is not None and owner.kind == VirtualMachine.KIND
    return of_vm and view.feed(machine.backend, VirtualMachine.KIND).state is FeedState.LOADING


def _judge_running(view: View, machine: Machine) -> Judgement:
    """What may be wrong with a guest that runs or stands paused."""
    vmi = machine.vmi
    assert vmi is not None
    for condition in vmi.status.conditions:
        stands = condition.type == "Paused" and condition.status == "True" and condition.reason == "PausedIOError"
        differs = condition.type == "Synchronized" and condition.status == "False" and not machine.moving
        if not (stands or differs):
            continue
        since = parse_time(condition.last_transition_time)
        said = f"{condition.type}={condition.status} {condition.reason}"
        words = condition.message or condition.reason
        evidence = Evidence(f"VMI {vmi.metadata.name}", said, condition.message)
        if stands:
            cause = explain_io_error(view, machine, Cause(Theme.INSTANCE, words, replace(evidence, since=since)))
            return Judgement(_caused(machine, Severity.BAD, "is paused", cause, since))
        return Judgement(_finding(machine, Severity.WARN, "is out of sync", words, since, (evidence,)))
    return _judge_recovery(machine)


def _judge_recovery(machine: Machine) -> Judgement:
    conditions = machine.vm.status.conditions if machine.vm is not None else ()
    condition = find_condition(conditions, "ManualRecoveryRequired")
    if condition is None or condition.status != "True":
        return WELL
    words = condition.message or condition.reason or "a migration of its volumes was interrupted"
    since = parse_time(condition.last_transition_time)
    step = "let its volumes point at the source claims again"
    said = f"ManualRecoveryRequired=True {condition.reason}".rstrip()
    evidence = Evidence(f"VM {machine.record.metadata.name}", said, words, since)
    return Judgement(_finding(machine, Severity.BAD, "needs recovery", words, since, (evidence,), step))


def _judge_stopping(machine: Machine, now: float) -> Judgement:
    live, asked = machine.live, machine.ending
    if live is None or asked is None:
        return WELL
    grace = grace_of(machine)
    limit = asked + grace + STOP_GRACE
    evidence = Evidence(f"VMI {live.metadata.name}", "deletionTimestamp", live.metadata.deletion_timestamp or "", asked)
    if now < limit:
        return Judgement(again=limit)
    held = f"; finalizers {', '.join(live.metadata.finalizers)}" if live.metadata.finalizers else ""
    finding = _finding(
        machine,
        Severity.WARN,
        "does not stop",
        f"its guest has not ended in its grace period of {grace}s{held}",
        asked,
        (evidence,),
        "force it to stop",
    )
    return Judgement(finding)


def _judge_instance(view: View, machine: Machine, now: float) -> Judgement:
    """An instance without a VM: nobody starts it again."""
    vmi = machine.vmi
    if vmi is not None and vmi.status.phase == "Failed":
        cause = _explain(view, machine, now)
        if cause is not None:
            return Judgement(_caused(machine, Severity.WARN, "has failed", cause, _phase_since(machine)))
        words = "its instance ended with phase Failed"
        return Judgement(_finding(machine, Severity.WARN, "has failed", words, _phase_since(machine)))
    return _judge_starting(view, machine, now) if machine.live is not None else WELL


def _judge_starting(view: View, machine: Machine, now: float) -> Judgement:
    """Complaints count after a moment, silence after a while."""
    began = _start_since(machine)
    cause = _explain(view, machine, now)
    limit = (_tried_since(machine) or now) + pace_of(view, machine.backend, START, now).limit
    if cause is not None and cause.theme is not Theme.FILLING:
        since = cause.evidence.since if cause.evidence.since is not None else began
        limit = (since or now) + _patience(cause)
    elif cause is not None:
        # A disk is being filled, or is about to be.
        limits = (tell_wait(view, machine.backend, volume, now)[1] for volume in machine.volumes)
        return Judgement(again=min((one for one in limits if one is not None), default=None))
    if now < limit:
        return Judgement(again=limit)
    if cause is None:
        return Judgement(_slow(view, machine, now), unexplained=True)
    return Judgement(_not_starting(view, machine, Severity.BAD, now))


def _patience(cause: Cause) -> float:
    """For how many seconds what keeps it from starting may pass by itself."""
    if cause.theme is Theme.CLAIM:
        return BIND_LIMIT
    return 0.0 if is_standing(cause) and not cause.over else SETTLE


def _slow(view: View, machine: Machine, now: float) -> Finding:
    """It starts for far longer than others did, and nothing complains."""
    began, pace = _tried_since(machine), pace_of(view, machine.backend, START, now)
    finding = _not_starting(view, machine, Severity.WARN, now)
    subject = f"{'VMI' if machine.vmi is not None else 'VM'} {machine.record.metadata.name}"
    usual = pace.evidence(subject, "metadata.creationTimestamp", began)
    return replace(finding, evidence=(*finding.evidence, usual))


def _judge_stopped(view: View, machine: Machine, now: float) -> Judgement:
    vm = machine.vm
    assert vm is not None
    ready = find_condition(vm.status.conditions, "Ready")
    off = (parse_time(ready.last_transition_time) if ready is not None else None) or vm.created or now
    if now < off + STOPPED_LIMIT:
        return Judgement(again=off + STOPPED_LIMIT)
    cause = _explain(view, machine, now)
    if cause is not None:
        return Judgement(_caused(machine, Severity.BAD, "does not run", cause, off))
    words = _tell_unseen(view, machine) or "no instance is made for it; see virt-controller"
    return Judgement(_finding(machine, Severity.BAD, "does not run", words, off))


def _judge_untouched(view: View, machine: Machine, now: float) -> Judgement:
    """A VM that nobody has looked at yet: virt-controller writes a status within moments."""
    made = machine.record.created
    if made is None or now < made + STOPPED_LIMIT:
        return Judgement(again=made + STOPPED_LIMIT if made is not None else None)
    down = find_down(view, machine.backend, _CONTROLLER, now)
    why = "has no ready pod" if down is not None else "has not taken it up"
    words = f"nobody works on it: Deployment {_CONTROLLER} {why}"
    told = Evidence(f"VM {machine.record.metadata.name}", "status.printableStatus", "not set", made)
    step = "" if down is not None else f"read the log of {_CONTROLLER}"
    finding = _finding(machine, Severity.BAD, "has no status", words, made, (told,), step)
    return Judgement(replace(finding, root=down))


_CONTROLLER = "virt-controller"


def _not_starting(view: View, machine: Machine, severity: Severity, now: float) -> Finding:
    cause = _explain(view, machine, now)
    status = machine.vm.status.printable_status if machine.vm is not None else ""
    trouble = "crashes at start" if status == "CrashLoopBackOff" or _crashes_again(machine) else "does not start"
    if cause is None:
        phase = machine.vmi.status.phase if machine.vmi is not None else "missing"
        words = f"its status is {status or 'unset'} and its instance {phase}; no condition says why"
        words = _tell_unseen(view, machine) or words
        return _finding(machine, severity, trouble, words, _start_since(machine))
    since = _held_since(machine, cause)
    if cause.over:
        return _caused(machine, min(severity, Severity.WARN), "waits for a new try", cause, since)
    return _caused(machine, severity, trouble, cause, since)


def _tell_unseen(view: View, machine: Machine) -> str:
    """What is known where its instance cannot be seen; empty where it can, or where there is none."""
    if machine.vmi is not None or machine.vm is None:
        return ""
    if tell_blindness(view, machine.backend, VirtualMachineInstance) is None:
        return ""
    return f"its status is {machine.vm.status.printable_status}; its instance, which says why, cannot be seen"


def _caused(machine: Machine, severity: Severity, trouble: str, cause: Cause, since: float | None) -> Finding:
    evidence = (cause.evidence, *cause.more)
    return rest_on(_finding(machine, severity, trouble, cause.sentence, since, evidence, cause.step), cause)


def _explain(view: View, machine: Machine, now: float) -> Cause | None:
    """What explains that a machine does not run, down to the object at fault; None when nothing says why."""
    told = find_cause(machine) or _of_disk_event(view, machine)
    if told is None:
        return _of_pod_event(view, machine)
    match told.theme:
        case Theme.SCHEDULING:
            return tell_outdated(machine, explain_scheduling(view, machine, told))
        case Theme.SYNC:
            return explain_refusal(view, machine, told)
        case Theme.CLAIM | Theme.IMPORT | Theme.FILLING:
            return _of_import(view, machine, now) or _of_claim(view, machine) or next(find_fillings(machine), told)
        case Theme.INSTANCE:
            return _of_lost_node(machine, told)
        case Theme.VM:
            return explain_crash(view, machine, told)
    return replace(told, step=step_for(told.sentence))


def _of_disk_event(view: View, machine: Machine) -> Cause | None:
    """Why a disk of it is not even made, which only an event of the VM tells: rows 17 and 18."""
    vm = machine.vm
    about = view.linked(Event, machine.backend, "about", vm.metadata.uid) if vm is not None else ()
    told = [event for _, event in about if event.reason in _DISK_EVENTS]
    newest = max(told, key=lambda event: event.last_seen or 0.0, default=None)
    if vm is None or newest is None or (newest.last_seen or 0.0) < (_start_since(machine) or 0.0):
        return None
    evidence = Evidence(f"Event of VM {vm.metadata.name}", newest.reason, newest.message, newest.first_seen)
    reading = read_message(newest.message)
    return Cause(Theme.VM, reading.sentence if reading is not None else newest.message, evidence)


_DISK_EVENTS = frozenset({"SourcePVCNotAvailabe", "SourcePVCNotAvailable", "UnauthorizedDataVolumeCreate"})
"""The first is spelt as KubeVirt spells it."""


def _of_pod_event(view: View, machine: Machine) -> Cause | None:
    """Why its launcher, which has a node, is not begun there: networks, volumes, runtimes; rows 78, 79 and 105."""
    pod = machine.launcher
    if pod is None or pod.status.phase != "Pending" or not pod.spec.node_name:
        return None
    meta = pod.metadata
    event = newest_warning(view, machine.backend, meta.namespace, meta.name)
    if event is None or event.reason not in _POD_EVENTS:
        return None
    evidence = Evidence(f"Event of Pod {meta.name}", event.reason, event.message, event.first_seen)
    reading = read_message(event.message)
    if reading is None:
        return Cause(Theme.VM, event.message, evidence, step=f"kubectl describe pod -n {meta.namespace} {meta.name}")
    sentence = f"on {pod.spec.node_name}: {reading.sentence}"
    return Cause(Theme.VM, sentence, evidence, step=reading.step)


_POD_EVENTS = frozenset({"FailedCreatePodSandBox", "FailedMount", "FailedMapVolume", "FailedAttachVolume"})
"""Of kubelet and of the attach-detach controller."""


def _of_import(view: View, machine: Machine, now: float) -> Cause | None:
    """The first of its disks that does not fill, be it that its worker tries again just now, or does not begin to."""
    for volume in machine.volumes:
        cause = explain_import(view, machine.backend, volume, now) or tell_wait(view, machine.backend, volume, now)[0]
        if cause is not None:
            return cause
    return None


def _of_claim(view: View, machine: Machine) -> Cause | None:
    """The first claim that has no volume. Whatever that is the fault of, the machine rests on the claim, but where CDI
    fills another in its stead.
    """
    for claim in machine.claims:
        words = f"its {name_claim(claim)}"
        cause = explain_claim(view, machine.backend, claim)
        if cause is not None:
            culprit = (Claim.KIND, claim.metadata.namespace, claim.metadata.name)
            return replace(cause, sentence=words, culprit=culprit, more=())
        helped = explain_helper(view, machine.backend, claim)
        if helped is not None:
            return replace(helped, sentence=f"{words}: {helped.sentence}")
    return None


def _of_lost_node(machine: Machine, told: Cause) -> Cause:
    """An instance that ended because its node fell silent: the node is at fault."""
    node = machine.node
    if node is None and told.evidence.value == "NodeUnresponsive" and machine.vmi is not None:
        where = machine.vmi.status.node_name
        return replace(told, step=f"see node {where}; make sure that it is off before you force the VM away from it")
    if node is None or is_true(node.status.conditions, "Ready"):
        return told
    name = node.metadata.name
    sentence = f"its instance ended when node {name} was lost"
    return replace(told, sentence=sentence, culprit=(Node.KIND, "", name), more=(unready(node),))


def _start_since(machine: Machine) -> float | None:
    if machine.vmi is not None:
        return machine.vmi.created
    vm = machine.vm
    ready = find_condition(vm.status.conditions, "Ready") if vm is not None else None
    return (parse_time(ready.last_transition_time) if ready is not None else None) or machine.record.created


def _held_since(machine: Machine, cause: Cause) -> float | None:
    """Since when a cause keeps it from starting; None where that cannot be known. What begins anew with each try tells
    when it was tried last: the start that was asked for is as old as its instance, unless instances follow each other.
    """
    failure = machine.vm.status.start_failure if machine.vm is not None else None
    if failure is not None and failure.consecutive_fail_count:
        return cause.evidence.since if cause.evidence.field == FAILURES else None
    began = _start_since(machine)
    return began if cause.theme is Theme.SYNC or cause.evidence.since is None else cause.evidence.since


def _tried_since(machine: Machine) -> float | None:
    """Since when it is on its way with a launcher pod that has a node: it may have waited for either for long."""
    pod = machine.launcher
    made = pod.created if pod is not None else None
    if pod is None or made is None:
        return _start_since(machine)
    scheduled = find_condition(pod.status.conditions, "PodScheduled")
    if scheduled is None or scheduled.status != "True":
        return made
    return max(made, parse_time(scheduled.last_transition_time) or made)


def _phase_since(machine: Machine) -> float | None:
    if machine.vmi is None:
        return None
    return phase_since(machine.vmi) or (machine.vmi.created if machine.vmi.is_final else None)


def _finding(
    machine: Machine,
    severity: Severity,
    trouble: str,
    cause: str,
    since: float | None,
    evidence: tuple[Evidence, ...] = (),
    step: str = "",
) -> Finding:
    return Finding("vm.state", severity, machine.ref, "vm", trouble, cause, since, evidence, step)


def _paused(view: View, ref: Ref, ceph: CephCluster) -> Iterable[Ref]:
    """What stands still and may do so because of a Ceph: those that were told of before it was looked at."""
    if judge_ceph(ceph).tone is not Tone.BAD:
        return ()
    return [vm for vm, found in view.items(VirtualMachine, ref.backend) if found.status.printable_status == "Paused"]


def _of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    about = event.involved_object
    if event.reason in _DISK_EVENTS or (
        about.kind == VirtualMachineInstance.KIND and event.reason in (SYNC_FAILED, IO_ERROR)
    ):
        return machines_named(view, ref.backend, about.namespace, about.name)
    if event.reason in _POD_EVENTS:
        pod = view.get(Pod, ref.backend, about.namespace, about.name)
        return machines_of_pod(view, pod.ref(ref.backend), pod) if pod is not None else ()
    if refuses(event):
        return machines_of_volume(view, Ref(ref.backend, DataVolume.KIND, about.namespace, about.name), event)
    claim = claim_of_event(view, ref, event)
    return machines_of_claim(view, claim.ref(ref.backend), claim) if claim is not None else ()


def _of_class(view: View, ref: Ref, record: StorageClass) -> Iterator[Ref]:
    """What waits for a disk that has not begun to fill."""
    for volume in unbegun(view, ref, record):
        yield from machines_of_volume(view, volume, record)


RULES = (
    Rule(
        "vm.state",
        _judge,
        {
            VirtualMachine: machines_of_vm,
            VirtualMachineInstance: machines_of_instance,
            Pod: machines_of_pod,
            DataVolume: machines_of_volume,
            Claim: machines_of_claim,
            Event: _of_event,
            StorageClass: _of_class,
            CephCluster: _paused,
        },
        look_again=LOOK_AGAIN,
        linger=LINGER,
        patience=PATIENCE,
        detects="a VM that does not start, run, stop or keep in step as it should, or that its storage paused",
        severities="bad, warn",
    ),
)
