"""What no rule knows still shows: a condition, a phase, a container or a warning that says that something is wrong.

What a rule tells of these is left out, and nothing else: a note on an object silences none of its complaints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kvtui.joins.conditions import complains, is_silent, list_troubles
from kvtui.joins.machine import (
    join_machine,
    machines_named,
    machines_of_instance,
    machines_of_migration,
    machines_of_pod,
    machines_of_vm,
    running_since,
)
from kvtui.joins.readiness import tell_unready
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import Condition, Record, find_condition, is_true
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubernetes import Claim, ContainerStatus, Deployment, Event, Node, Pod, Waiting
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.storage import PersistentVolume, StorageClass
from kvtui.store import View
from kvtui.text import parse_time
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Complaint, Judgement, Related, Rule, itself
from kvtui.triage.complaints import KEEPERS, OF_STATE, OF_WHOLE, RULES_OF_CONDITION, merge_complaints
from kvtui.triage.warnings import (
    EVENT_RECENT,
    REPEATED,
    REPLICA_SET,
    count_times,
    is_warned_of,
    list_news,
    list_warnings,
    name_kind,
    read_warning,
    read_words,
)

SETTLE: Final = 60.0
"""Seconds that a complaint must stand: controllers try again."""
UNREADY_LIMIT: Final = 180.0
"""Seconds that a pod may run without being ready."""
CRASHES: Final = 3
"""From how many restarts on a container that runs again is worth a word, while the last is of the last hour."""
CRASH_RECENT: Final = 3600.0

_FAILED: Final = frozenset({"Failed", "Lost", "Error", "Unknown"})
_PHASED: Final = (Migration, DataVolume, KubeVirt, Cdi)
"""Kinds of whose phases other rules tell: what they leave out is no trouble."""
_BENIGN_WAITS: Final = frozenset({"", "ContainerCreating", "PodInitializing"})


@dataclass(frozen=True, slots=True)
class _Sign:
    """Something in an object that says that something is wrong."""

    severity: Severity
    trouble: str
    cause: str
    evidence: Evidence
    step: str = ""
    until: float | None = None
    """When it is no news any more."""
    settle: float = 0.0
    """Seconds that it must stand before it counts, beyond those of the rule."""
    hearsay: bool = False
    """Whether an event says it, and not the object itself."""
    told_by: frozenset[str] = frozenset()
    """Rules that tell of it wherever they tell anything of the object."""


def _judge(
    view: View, ref: Ref, now: float, label: str, records: Sequence[Record], keepers: frozenset[str] = frozenset()
) -> Judgement:
    """The gravest of what the records of a subject complain of; the others are evidence. What does not come up or is
    lost is told of by the `keepers`, which are rules.
    """
    if all(_is_quiet(view, ref.backend, record) for record in records):
        return WELL
    found: list[_Sign] = []
    again: list[float] = []
    for sign in _signs(view, ref.backend, records, keepers, now):
        ripe = (sign.evidence.since if sign.evidence.since is not None else now) + sign.settle
        if sign.evidence.since is not None and now < ripe:
            again.append(ripe)
            continue
        found.append(sign)
        if sign.until is not None:
            again.append(sign.until)
    when = min(again, default=None)
    if not found:
        return Judgement(again=when) if when is not None else WELL
    found.sort(key=lambda sign: (sign.hearsay, -sign.severity))
    roots = (_root(view, ref.backend, record) for record in records)
    root = next((one for one in roots if one is not None), None)
    complaints = tuple(Complaint(_tell(sign, ref, label, root), sign.told_by, sign.hearsay) for sign in found)
    return Judgement(merge_complaints(complaints), when, complaints=complaints)


def _tell(sign: _Sign, subject: Ref, label: str, root: Ref | None) -> Finding:
    cause = sign.cause.removesuffix(_UNSAID) if root is not None else sign.cause
    return Finding(
        f"unknown.{label}",
        sign.severity,
        subject,
        label,
        sign.trouble,
        cause,
        sign.evidence.since,
        (sign.evidence,),
        sign.step,
        root,
    )


_UNSAID: Final = ", and nothing says why"
"""Said where there is no root either."""


def _root(view: View, backend: str, record: Record) -> Ref | None:
    """What a pod or claim stands on or works for, where that explains its trouble: a node that is not ready, or the
    disk that it fills.
    """
    if isinstance(record, Pod) and record.spec.node_name:
        node = view.get(Node, backend, "", record.spec.node_name)
        if node is not None and not is_true(node.status.conditions, "Ready"):
            return node.ref(backend)
    top: Record | None = record if isinstance(record, (Pod, Claim)) else None
    for _ in range(_OWNERS):
        owner = top.controller if top is not None else None
        type_ = _FILLED.get(owner.kind) if owner is not None else None
        above = view.get(type_, backend, record.metadata.namespace, owner.name) if owner and type_ else None
        if above is None:
            break
        top = above
    return top.ref(backend) if top is not None and top is not record else None


_FILLED: Final[Mapping[str, type[Record]]] = {Claim.KIND: Claim, DataVolume.KIND: DataVolume}
_OWNERS: Final = 4
"""From an importer pod by its own claim and the claim it is for to the DataVolume; a hostile chain may be a ring."""


def _signs(view: View, backend: str, records: Sequence[Record], keepers: frozenset[str], now: float) -> Iterator[_Sign]:
    for record in records:
        if record.metadata.deletion_timestamp:
            continue
        yield from _of_conditions(record, keepers)
        if not isinstance(record, _PHASED):
            yield from (replace(sign, told_by=keepers) for sign in _of_phase(record))
        if isinstance(record, Pod):
            yield from _of_pod(record, keepers, now)
    heard = [(record, about) for record in records if (about := list_warnings(view, backend, record))]
    if heard:
        well = max((at for record in records if (at := _well_since(record)) is not None), default=0.0)
        for record, about in heard:
            yield from _of_events(record, about, keepers, well, now)


def _is_quiet(view: View, backend: str, record: Record) -> bool:
    """Whether nothing in a record can be a sign: so it is with most, and with a glance."""
    status = getattr(record, "status", None)
    for condition in getattr(status, "conditions", ()):
        if not is_silent(record.KIND, condition.type, condition.status):
            return False
    if getattr(status, "phase", "") in _FAILED or (isinstance(record, Pod) and not _is_settled(record)):
        return False
    return not is_warned_of(view, backend, record)


def _is_settled(pod: Pod) -> bool:
    """Whether it is ready or was never to be, and its containers run and never ran before."""
    ready = find_condition(pod.status.conditions, "Ready")
    if ready is not None and ready.status != "True":
        return False
    for statuses in (pod.status.init_container_statuses, pod.status.container_statuses):
        for status in statuses:
            if status.state.waiting is not None or status.state.terminated or status.last_state.terminated:
                return False
    return True


def _of_conditions(record: Record, keepers: frozenset[str]) -> Iterator[_Sign]:
    conditions: tuple[Condition, ...] = getattr(getattr(record, "status", None), "conditions", ())
    for condition in list_troubles(record.KIND, conditions):
        yield _of_condition(record, condition, keepers, Severity.WARN)
    for condition in conditions:
        if complains(record.KIND, condition):
            yield _of_condition(record, condition, keepers, Severity.INFO)


def _of_condition(record: Record, condition: Condition, keepers: frozenset[str], severity: Severity) -> _Sign:
    said = f"{condition.type}={condition.status}"
    words = condition.message or condition.reason or f"its condition {condition.type} is {condition.status}"
    since = parse_time(condition.last_transition_time)
    evidence = Evidence(_name(record), f"{said} {condition.reason}".rstrip(), words, since)
    sentence, step = read_words(words)
    # By its own time, so that a rule which knows the cause speaks first to who looks but once, too.
    settle = SETTLE
    told_by = keepers if condition.type in OF_WHOLE else RULES_OF_CONDITION.get(condition.type, frozenset())
    return _Sign(severity, f"says {said}", sentence, evidence, step or _look_at(record), settle=settle, told_by=told_by)


def _of_phase(record: Record) -> Iterator[_Sign]:
    status = getattr(record, "status", None)
    phase: str = getattr(status, "phase", "")
    if phase not in _FAILED:
        return
    reason, message = getattr(status, "reason", ""), getattr(status, "message", "")
    words = message or reason or f"its phase is {phase}{_UNSAID}"
    evidence = Evidence(_name(record), "phase", phase)
    yield _Sign(Severity.WARN, f"is {phase}", words, evidence, _look_at(record))


def _of_pod(pod: Pod, keepers: frozenset[str], now: float) -> Iterator[_Sign]:
    name = _name(pod)
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        for sign in _of_container(name, status, now):
            yield replace(sign, told_by=keepers) if pod.is_launcher else sign
    ready = find_condition(pod.status.conditions, "Ready")
    paused = ready is not None and _UNPAUSED in ready.message
    waits = any(_is_complaint(status.state.waiting) for status in pod.status.container_statuses)
    if pod.status.phase == "Running" and ready is not None and ready.status == "False" and not (paused or waits):
        words, step = tell_unready(pod, ready)
        since = parse_time(ready.last_transition_time)
        evidence = Evidence(name, f"Ready=False {ready.reason}".rstrip(), ready.message, since)
        told_by = keepers | _READY_RULES
        yield _Sign(Severity.WARN, "is not ready", words, evidence, step, settle=UNREADY_LIMIT, told_by=told_by)


_UNPAUSED: Final = "kubevirt.io/virtual-machine-unpaused"
"""The readiness gate of a launcher whose guest is paused: that is as it should be."""
_READY_RULES: Final = frozenset({"vm.ready"})


def _is_complaint(waiting: Waiting | None) -> bool:
    return waiting is not None and waiting.reason not in _BENIGN_WAITS


def _of_container(pod: str, status: ContainerStatus, now: float) -> Iterator[_Sign]:
    waiting, last = status.state.waiting, status.last_state.terminated or status.state.terminated
    ended = parse_time(last.finished_at) if last is not None else None
    how = f"{last.reason or 'ended'}, exit code {last.exit_code}" if last is not None else ""
    if waiting is not None and _is_complaint(waiting):
        words = f"container {status.name} waits: {waiting.message or waiting.reason}" + (f" ({how})" if how else "")
        evidence = Evidence(pod, f"container {status.name} waiting {waiting.reason}", waiting.message, ended)
        yield _Sign(Severity.WARN, "does not run", words, evidence, f"read the log of container {status.name}")
    elif last is not None and ended is not None and now < ended + CRASH_RECENT:
        crashed = last.exit_code and status.restart_count >= CRASHES
        if last.reason == "OOMKilled" or crashed:
            words = f"container {status.name} was restarted {count_times(status.restart_count)}; last: {how}"
            evidence = Evidence(pod, f"container {status.name} lastState.terminated", how, ended)
            step = "give it more memory" if last.reason == "OOMKilled" else f"read the last log of {status.name}"
            yield _Sign(Severity.WARN, "crashed", words, evidence, step, ended + CRASH_RECENT)


def _of_events(
    record: Record, about: Sequence[Event], keepers: frozenset[str], well: float, now: float
) -> Iterator[_Sign]:
    """The newest warning of each reason about an object, while it is news and nothing has answered it: neither has the
    object become `well` since, nor has who warned said later that it goes on.
    """
    for event in list_news(about, now):
        seen = event.last_seen or 0.0
        if seen < well:
            continue
        severity, words, evidence, step = read_warning(event)
        told_by = keepers if event.reason in OF_STATE else frozenset()
        yield _Sign(
            severity,
            f"warns {event.reason}".rstrip(),
            words,
            evidence,
            step or _look_at(record),
            until=seen + EVENT_RECENT,
            # One that repeats itself has stood for a while.
            settle=0.0 if event.times >= REPEATED else SETTLE,
            hearsay=True,
            told_by=told_by,
        )


def _look_at(record: Record) -> str:
    """Where to look for what no rule knows."""
    meta = record.metadata
    return f"{describe_with(record.KIND, meta.namespace, meta.name)}{_LOOKS.get(type(record), '')}"


def describe_with(kind: str, namespace: str, name: str) -> str:
    """The command that shows all of an object."""
    where = f" -n {namespace}" if namespace else ""
    return f"kubectl describe {_PLAIN_KINDS.get(kind, kind.lower())}{where} {name}"


_PLAIN_KINDS: Final = {
    "VirtualMachine": "vm",
    "VirtualMachineInstance": "vmi",
    "VirtualMachineInstanceMigration": "vmim",
    "PersistentVolumeClaim": "pvc",
    "PersistentVolume": "pv",
}
"""What kubectl calls them."""
_LOOKS: Final[Mapping[type[Record], str]] = {
    Node: "; and its kernel's log: journalctl -k on the node",
    Claim: "; and the log of its storage driver",
    PersistentVolume: "; and the log of its storage driver",
}


def _well_since(record: Record) -> float | None:
    """When an object came to where it is to be: what was warned of before is over."""
    if isinstance(record, VirtualMachineInstance):
        return running_since(record)
    if isinstance(record, DataVolume) and record.status.phase != "Succeeded":
        return None
    if isinstance(record, (DataVolume, Pod)):
        ready = find_condition(record.status.conditions, "Ready")
        return parse_time(ready.last_transition_time) if ready is not None and ready.status == "True" else None
    return None


def _name(record: Record) -> str:
    return f"{name_kind(record.KIND)} {record.metadata.name}"


def _judge_machine(view: View, ref: Ref, now: float) -> Judgement:
    machine = join_machine(view, ref)
    if machine is None or machine.record.metadata.deletion_timestamp:
        return WELL
    records = [record for record in (machine.vm, machine.vmi, machine.launcher) if record is not None]
    return _judge(view, ref, now, "vm", records, frozenset() if machine.running else KEEPERS[VirtualMachine])


def _counts(view: View, ref: Ref, event: Event) -> bool:
    """Whether an event is a warning, or may answer one."""
    if event.type == "Warning":
        return True
    about = event.involved_object
    return bool(view.linked(Event, ref.backend, "warns", f"{about.kind} {about.namespace}/{about.name}"))


def _of_machine_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    about = event.involved_object
    if not _counts(view, ref, event):
        return ()
    if about.kind in (VirtualMachine.KIND, VirtualMachineInstance.KIND):
        return machines_named(view, ref.backend, about.namespace, about.name)
    pod = view.get(Pod, ref.backend, about.namespace, about.name) if about.kind == Pod.KIND else None
    return machines_of_pod(view, pod.ref(ref.backend), pod) if pod is not None else ()


def _rule(type_: type[Record], label: str, leave: Callable[[Record], bool] = lambda _record: False) -> Rule:
    """The rule for a kind whose objects stand for themselves, but for those to `leave` to others."""

    def judge(view: View, ref: Ref, now: float) -> Judgement:
        record = view.find(type_, ref)
        if record is None or record.metadata.deletion_timestamp or leave(record):
            return WELL
        return _judge(view, ref, now, label, [record], KEEPERS.get(type_, frozenset()))

    def of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
        about = event.involved_object
        made = type_ is Deployment and about.kind == REPLICA_SET
        if (about.kind != type_.KIND and not made) or not _counts(view, ref, event):
            return ()
        record = view.get(type_, ref.backend, about.namespace, event.maker if made else about.name)
        return (record.ref(ref.backend),) if record is not None else ()

    related: Mapping[type[Record], Related] = {type_: itself, Event: of_event}
    one = f"an {label}" if label[0] in "aeiou" else f"a {label}"
    detects = f"{one} whose conditions, phase or events say that something is wrong, in ways that no rule knows"
    return Rule(
        f"unknown.{label}",
        judge,
        related,
        settle=SETTLE,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects=detects,
        severities="warn, info",
    )


def _of_launcher(record: Record) -> bool:
    return isinstance(record, Pod) and record.is_launcher


RULES: Final = (
    Rule(
        "unknown.vm",
        _judge_machine,
        {
            VirtualMachine: machines_of_vm,
            VirtualMachineInstance: machines_of_instance,
            Pod: machines_of_pod,
            Migration: machines_of_migration,
            Event: _of_machine_event,
        },
        settle=SETTLE,
        look_again=LOOK_AGAIN,
        linger=LINGER,
        detects="a vm whose conditions, launcher or events say that something is wrong, in ways that no rule knows",
        severities="warn, info",
    ),
    _rule(Node, "node"),
    _rule(Migration, "migration"),
    _rule(DataVolume, "import"),
    _rule(Claim, "claim"),
    _rule(PersistentVolume, "volume"),
    _rule(StorageClass, "class"),
    _rule(Pod, "pod", _of_launcher),
    _rule(Deployment, "deployment"),
    _rule(KubeVirt, "kubevirt"),
    _rule(Cdi, "cdi"),
    _rule(VmSnapshot, "snapshot"),
    _rule(VmRestore, "restore"),
    _rule(VmClone, "clone"),
    _rule(VmExport, "export"),
)
