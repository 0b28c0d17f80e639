"""Snapshots, restores, clones and exports that come to nothing: kubevirt-api.md 9.2, rows 29 to 33, and row 129.

What failed is an alarm until a later one of its kind has succeeded, or for a day; then it is worth knowing still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from kvtui.model import Evidence, FeedState, Finding, Ref, Severity
from kvtui.records.base import Condition, Record, find_condition
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import View
from kvtui.text import join_clauses, parse_time
from kvtui.triage.base import LINGER, LOOK_AGAIN, WELL, Judgement, Related, Rule, itself
from kvtui.triage.messages import read_message

NEWS: Final = 86400.0
"""Seconds for which it is an alarm that one failed."""
DEADLINE: Final = 360.0
"""Seconds that a snapshot may take: KubeVirt's own deadline of five minutes and one more."""
SOURCE_LIMIT: Final = 60.0
"""Seconds that the VM of a snapshot may come later than that."""
WAIT_LIMIT: Final = 300.0
"""Seconds that a restore or an export may wait: KubeVirt's own patience with a VM that is to be stopped."""

_FOR_EVER: Final = frozenset({"VMNotFound", "PVCNotFound", "VMSnapshotNotFound"})
_BY_INDICATION: Final = {
    "NoGuestAgent": ("no guest agent answered", "install or start qemu-guest-agent in the guest"),
    "QuiesceTimeout": ("the guest agent did not freeze its file systems in time", "restart qemu-guest-agent"),
}

T = TypeVar("T", VmSnapshot, VmRestore, VmClone)


def _said(conditions: Iterable[Condition], type_: str) -> tuple[str, float | None]:
    """What a condition says, whose reason holds free text (kubevirt-api.md 2.8), and since when."""
    found = find_condition(conditions, type_)
    if found is None:
        return "", None
    return found.message or found.reason, parse_time(found.last_transition_time)


def _later(view: View, record: T, backend: str, well: Callable[[T], bool]) -> bool:
    """Whether one of its kind for the same VM was made later and has come to something."""
    vm = next((value for link, value in record.links() if link == "vm"), "")
    made = record.created or 0.0
    return any(
        (other.created or 0.0) > made and well(other) for _, other in view.linked(type(record), backend, "vm", vm)
    )


def _weigh(since: float | None, now: float, later: bool) -> tuple[Severity, float | None]:
    """How much it matters that one failed, and when that will be less."""
    if later or (since is not None and now >= since + NEWS):
        return Severity.INFO, None
    return Severity.WARN, since + NEWS if since is not None else None


def _judge_snapshot(view: View, ref: Ref, now: float) -> Judgement:
    snapshot = view.find(VmSnapshot, ref)
    if snapshot is None or snapshot.metadata.deletion_timestamp:
        return WELL
    status, name = snapshot.status, f"VirtualMachineSnapshot {ref.name}"
    vm = f"VM {ref.namespace}/{snapshot.spec.source.name}"
    if status.phase == "Failed":
        words, since = _said(status.conditions, "Failure")
        error = status.error.message if status.error is not None else ""
        reading = read_message(error)
        told = "; ".join(filter(None, (words, reading.sentence if reading is not None else error)))
        evidence = [Evidence(name, "status.phase", "Failed", since)]
        if error:
            evidence.append(Evidence(name, "status.error.message", error))
        step = "see the CSI driver and its snapshotter, then take it again"
        later = _later(view, snapshot, ref.backend, lambda other: other.status.ready_to_use)
        severity = Severity.INFO if later else Severity.WARN
        cause = f"{vm}: {told or 'the server gives no reason'}"
        if _has_no_source(snapshot) or (not error and _found_no_source(view, ref, snapshot)):
            cause, step = f"there is no {vm}", _OF_ANOTHER
        if later:
            cause, step = join_clauses(cause, "a later one is ready"), "delete it"
        return Judgement(_finding(ref, "snapshot", severity, "has failed", cause, since, evidence, step))
    if status.phase in ("", "InProgress"):
        limit = (snapshot.created or now) + (SOURCE_LIMIT if _has_no_source(snapshot) else DEADLINE)
        if now < limit:
            return Judgement(again=limit)
        if _has_no_source(snapshot):
            evidence = [Evidence(name, "Progressing=False", _NO_SOURCE, snapshot.created)]
            cause, since = f"there is no {vm}", snapshot.created
            return Judgement(
                _finding(ref, "snapshot", Severity.WARN, "does not begin", cause, since, evidence, _OF_ANOTHER)
            )
        words, _ = _said(status.conditions, "Progressing")
        meanwhile = f"meanwhile {vm} cannot be started, stopped or changed"
        cause = join_clauses(words or "its phase is InProgress", meanwhile)
        evidence = [Evidence(name, "status.phase", status.phase, snapshot.created)]
        step = "see why its VolumeSnapshots are not ready, or delete it"
        return Judgement(
            _finding(ref, "snapshot", Severity.WARN, "does not end", cause, snapshot.created, evidence, step)
        )
    return Judgement(_of_indications(view, ref, snapshot, vm))


def _has_no_source(snapshot: VmSnapshot) -> bool:
    """Whether KubeVirt says that it is of a VM that does not exist (kubevirt-api.md 2.8)."""
    words, _ = _said(snapshot.status.conditions, "Progressing")
    return words == _NO_SOURCE


def _found_no_source(view: View, ref: Ref, snapshot: VmSnapshot) -> bool:
    """Whether the VM of one that has failed never existed: its uid is kept once it was seen."""
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, snapshot.spec.source.name)
    listed = view.feed(ref.backend, VirtualMachine.KIND).state is FeedState.LIVE
    return vm is None and listed and not snapshot.status.source_uid


_NO_SOURCE: Final = "Source does not exist"
_OF_ANOTHER: Final = "delete it, or take one of a VM that exists"


def _of_indications(view: View, ref: Ref, snapshot: VmSnapshot, vm: str) -> Finding | None:
    """What a snapshot that succeeded does not hold."""
    status, name = snapshot.status, f"VirtualMachineSnapshot {ref.name}"
    since = parse_time(status.creation_time)
    source = view.get(VirtualMachine, ref.backend, ref.namespace, snapshot.spec.source.name)
    disks = (
        {volume.name for volume in source.spec.template.spec.volumes if volume.claim} if source is not None else set()
    )
    left = [name for name in status.snapshot_volumes.excluded_volumes if name in disks]
    if left:
        cause = f"it holds no copy of {', '.join(left)} of {vm}: no VolumeSnapshotClass is for their storage"
        evidence = [Evidence(name, "status.snapshotVolumes.excludedVolumes", ", ".join(left))]
        step = "create a VolumeSnapshotClass for their driver, or back them up in another way"
        return _finding(ref, "snapshot", Severity.INFO, "is not whole", cause, since, evidence, step)
    for indication, (words, step) in _BY_INDICATION.items():
        if indication in status.indications:
            evidence = [Evidence(name, "status.indications", ", ".join(status.indications))]
            cause = f"{words} in {vm}, so the snapshot is as after a power cut"
            return _finding(ref, "snapshot", Severity.INFO, "is crash-consistent only", cause, since, evidence, step)
    return None


def _judge_restore(view: View, ref: Ref, now: float) -> Judgement:
    restore = view.find(VmRestore, ref)
    if restore is None or restore.metadata.deletion_timestamp or restore.status.complete:
        return WELL
    name, vm = f"VirtualMachineRestore {ref.name}", f"{ref.namespace}/{restore.spec.target.name}"
    target = view.get(VirtualMachine, ref.backend, ref.namespace, restore.spec.target.name)
    status = target.status.printable_status if target is not None else ""
    state = [Evidence(f"VM {restore.spec.target.name}", "status.printableStatus", status)] if status else []
    words, since = _said(restore.status.conditions, "Failure")
    if words:
        later = _later(view, restore, ref.backend, lambda other: other.status.complete)
        severity, again = _weigh(since, now, later)
        on = f"; VM {vm} is {status} and has to be off" if status and status != "Stopped" else ""
        evidence = [Evidence(name, "Failure=True", words, since), *state]
        reading = read_message(words)
        step = reading.step if reading is not None else "make it anew"
        return Judgement(_finding(ref, "restore", severity, "has failed", f"{words}{on}", since, evidence, step), again)
    words, since = _said(restore.status.conditions, "Progressing")
    began = since or restore.created or now
    if now < began + WAIT_LIMIT:
        return Judgement(again=began + WAIT_LIMIT)
    evidence = [Evidence(name, "Progressing", words, since), *state]
    if status and status != "Stopped":
        cause, step = f"it goes on when VM {vm}, which is {status}, has been stopped", f"stop VM {vm}"
    else:
        cause, step = words or "no condition says what for", "read its events"
    return Judgement(_finding(ref, "restore", Severity.WARN, "waits", cause, began, evidence, step))


def _judge_clone(view: View, ref: Ref, now: float) -> Judgement:
    clone = view.find(VmClone, ref)
    if clone is None or clone.metadata.deletion_timestamp or clone.status.phase != "Failed":
        return WELL
    words, since = _said(clone.status.conditions, "Ready")
    later = _later(view, clone, ref.backend, lambda other: other.status.phase == "Succeeded")
    severity, again = _weigh(since, now, later)
    name, source = f"VirtualMachineClone {ref.name}", clone.spec.source.name
    evidence = [Evidence(name, "Ready=False", words, since)]
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, source)
    step = "read its events"
    for volume in vm.status.volume_snapshot_statuses if vm is not None else ():
        if not volume.enabled and f"volume {volume.name} " in f"{words} ":
            # A disk of a container image is copied with the spec and needs no snapshot.
            evidence.append(Evidence(f"VM {source}", f"status.volumeSnapshotStatuses {volume.name}", volume.reason))
            words = f"volume {volume.name} of VM {ref.namespace}/{source} cannot be snapshotted: {volume.reason}"
            step = "create a VolumeSnapshotClass for its driver, or copy the disk with a DataVolume while the VM is off"
    cause = words or "the server gives no reason"
    return Judgement(_finding(ref, "clone", severity, "has failed", cause, since, evidence, step), again)


def _judge_export(view: View, ref: Ref, now: float) -> Judgement:
    export = view.find(VmExport, ref)
    if export is None or export.metadata.deletion_timestamp or export.status.phase not in ("", "Pending", "Skipped"):
        return WELL
    source = f"{_SHORT.get(export.spec.source.kind, export.spec.source.kind)} {ref.namespace}/{export.spec.source.name}"
    ready = find_condition(export.status.conditions, "Ready")
    reason, words = (ready.reason, ready.message) if ready is not None else ("", "")
    since = parse_time(ready.last_transition_time) if ready is not None else None
    evidence = [Evidence(f"VirtualMachineExport {ref.name}", f"Ready=False {reason}".rstrip(), words, since)]
    if reason in _FOR_EVER:
        cause = f"{source} does not exist"
        return Judgement(
            _finding(
                ref, "export", Severity.WARN, "offers nothing", cause, since, evidence, "name a source that exists"
            )
        )
    limit = (since or export.created or now) + WAIT_LIMIT
    if now < limit:
        return Judgement(again=limit)
    if reason == "InUse":
        cause = f"{source} is in use" + (f": {words}" if words else "")
        step = "stop the VM that uses it, or export a snapshot"
        return Judgement(_finding(ref, "export", Severity.WARN, "waits", cause, since, evidence, step))
    cause = words or reason or "its phase is Pending, and no condition says why"
    step = (
        f"kubectl describe pod -n {ref.namespace} -l kubevirt.io.virt-export-service" if reason == "PodPending" else ""
    )
    return Judgement(_finding(ref, "export", Severity.WARN, "does not begin", cause, since, evidence, step))


_SHORT: Final = {"VirtualMachine": "VM", "PersistentVolumeClaim": "PVC", "VirtualMachineSnapshot": "snapshot"}


def _finding(
    ref: Ref,
    label: str,
    severity: Severity,
    trouble: str,
    cause: str,
    since: float | None,
    evidence: Sequence[Evidence],
    step: str,
) -> Finding:
    return Finding(f"{label}.state", severity, ref, label, trouble, cause, since, tuple(evidence), step)


def _same_vm(type_: type[T]) -> Related:
    """For `related`: all of a kind that are for the same VM, for the latest counts."""

    def find(view: View, ref: Ref, record: T) -> Iterator[Ref]:
        yield ref
        for link, vm in record.links():
            if link == "vm":
                yield from (other for other, _ in view.linked(type_, ref.backend, "vm", vm))

    return find


def _of_vm(type_: type[T]) -> Related:
    """For `related`: all of a kind that are for a VM."""

    def find(view: View, ref: Ref, _vm: VirtualMachine) -> Iterator[Ref]:
        yield from (copy for copy, _ in view.linked(type_, ref.backend, "vm", ref.path))

    return find


def _clones_of_vm(view: View, ref: Ref, _vm: VirtualMachine) -> Iterator[Ref]:
    """Those that are made of it."""
    yield from (clone for clone, _ in view.linked(VmClone, ref.backend, "source", f"{ref.kind} {ref.path}"))


def _rule(
    id_: str,
    judge: Callable[[View, Ref, float], Judgement],
    related: Mapping[type[Record], Related],
    detects: str,
    severities: str = "warn",
) -> Rule:
    return Rule(id_, judge, related, look_again=LOOK_AGAIN, linger=LINGER, detects=detects, severities=severities)


RULES: Final = (
    _rule(
        "snapshot.state",
        _judge_snapshot,
        {VmSnapshot: _same_vm(VmSnapshot), VirtualMachine: _of_vm(VmSnapshot)},
        "a snapshot that failed or does not end, leaves disks out, or was taken without the guest's agent",
        "warn, info",
    ),
    _rule(
        "restore.state",
        _judge_restore,
        {VmRestore: _same_vm(VmRestore), VirtualMachine: _of_vm(VmRestore)},
        "a restore that failed, or waits for its VM to be stopped",
    ),
    _rule(
        "clone.state",
        _judge_clone,
        {VmClone: _same_vm(VmClone), VirtualMachine: _clones_of_vm},
        "a clone that failed",
    ),
    _rule("export.state", _judge_export, {VmExport: itself}, "an export whose source is gone or in use"),
)
