"""What is known to have happened to an object and when: out of records, events, pasts, the audit log and findings.

Fields: kubevirt-api.md 2; ``metadata.managedFields``: kubernetes.io, Server-Side Apply, Field management.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from kvtui.audit import Entry, Subject
from kvtui.backends.base import Happening
from kvtui.joins.ceph import judge_ceph, name_complaints
from kvtui.joins.conditions import is_trouble, tone_of
from kvtui.joins.involved import Layer
from kvtui.model import Finding, Ref, Tone
from kvtui.records.base import Condition, Record
from kvtui.records.copies import VmRestore, VmSnapshot
from kvtui.records.kubernetes import Event, Node, Pod
from kvtui.records.kubevirt import Migration, MigrationState, PhaseTransition, VirtualMachineInstance
from kvtui.records.libvirt import BlockJob, Domain, DomainJob, DomainState, Host
from kvtui.records.past import ContainerPast, Past, Run, Write
from kvtui.records.storage import CephCluster
from kvtui.text import clean_line, parse_time

OUR_CLOCK: Final = "kvtui"
CLUSTER_CLOCK: Final = "the cluster"
_FIELDS: Final = 3
"""Fields of one writer that are named before the rest is counted."""
_AT_ONCE: Final = 1.5
"""Seconds within which a write is the creation itself: its time has no fractions."""
_SAME: Final = 20.0
"""Seconds within which a state that was seen to begin is that of a happening."""
_CLOCKS: Final = 60.0
"""Seconds by which our clock may be behind that of a cluster."""
_NEW: Final = 300.0
"""Seconds for which a node is new."""
_CONTROLLERS: Final = frozenset(
    {"virt-controller", "virt-handler", "virt-operator", "kubelet", "kube-controller-manager", "kube-scheduler",
     "cdi-controller", "cdi-operator", "cdi-deployment", "multus", "csi-provisioner"}
)  # fmt: skip
"""Writers whose labels and annotations tell nothing: whatever else they write is shown."""
_NOISE: Final = frozenset(
    {"f:finalizers", "f:ownerReferences", "f:generateName", "f:managedFields", "f:creationTimestamp", "."}
)
_COPIES: Final = frozenset({"f:kubectl.kubernetes.io/last-applied-configuration"})


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: float
    """In seconds since the epoch, by the clock of whoever tells it; of what repeated itself, the last time."""
    layer: Layer
    subject: Ref
    source: str
    """``event``, ``condition``, ``phase``, ``container``, ``write``, ``object``, ``migration``, ``audit``,
    ``finding``, ``happening``, ``state``, ``job``.
    """
    what: str
    detail: str = ""
    tone: Tone | None = None
    key: str = ""
    """Tells it from all others of its subject and source."""
    clock: str = CLUSTER_CLOCK
    """Whose clock it is by."""
    first: float | None = None
    """Of what repeated itself, when it first happened."""
    count: int = 1
    opens: bool = False
    """Whether it is the beginning of what repeated itself; the end of it stands where it was last seen."""

    @property
    def identity(self) -> tuple[Ref, str, str]:
        """The same for the same moment, however often it is read."""
        return self.subject, self.source, self.key or f"{self.what} {self.at}"

    @property
    def begin(self) -> float:
        """When it first happened."""
        return self.at if self.first is None else self.first


def moments_of(record: Record, ref: Ref, layer: Layer) -> Iterator[Moment]:
    """What a record tells: creation, deletion, conditions, phases, jobs, migrations."""
    if isinstance(record, (Domain, Host, DomainJob, BlockJob)):
        yield from _of_libvirt(record, ref, layer)
        return
    if record.created is not None:
        yield Moment(record.created, layer, ref, "object", "created", _why_made(record), key="created")
    if record.deleted is not None:
        grace = "its grace period ends; then it is killed" if isinstance(record, Pod) else ""
        yield Moment(record.deleted, layer, ref, "object", "deletion was asked for" if not grace else "deleted", grace,
                     Tone.WARN, key="deleted")  # fmt: skip
    status = getattr(record, "status", None)
    phases: tuple[PhaseTransition, ...] = getattr(status, "phase_transition_timestamps", ())
    for phase in phases:
        at = parse_time(phase.phase_transition_timestamp)
        if at is not None:
            tone = Tone.BAD if phase.phase == "Failed" else None
            yield Moment(at, layer, ref, "phase", f"phase {phase.phase}", tone=tone, key=f"{phase.phase} {at}")
    conditions: tuple[Condition, ...] = getattr(status, "conditions", ())
    for condition in conditions:
        at = parse_time(condition.last_transition_time)
        if at is not None and not _is_original(record, condition, at):
            where = record.spec.node_name if isinstance(record, Pod) and condition.type == "PodScheduled" else ""
            yield _of_condition(condition, at, ref, layer, f"on node {where}" if where else "")
    if isinstance(record, (VirtualMachineInstance, Migration)) and record.status.migration_state is not None:
        yield from _of_migration(record.status.migration_state, ref)
    elif isinstance(record, CephCluster):
        yield from _of_ceph(record, ref, layer)
    elif isinstance(record, VmSnapshot):
        taken = parse_time(record.status.creation_time)
        if taken is not None:
            yield Moment(taken, layer, ref, "object", "snapshot taken", record.status.phase, key="taken")
    elif isinstance(record, VmRestore):
        back = parse_time(record.status.restore_time)
        if back is not None:
            yield Moment(back, layer, ref, "object", "restored", record.spec.virtual_machine_snapshot_name, key="back")


def _of_ceph(record: CephCluster, ref: Ref, layer: Layer) -> Iterator[Moment]:
    """When Ceph last came to say of itself what it says now."""
    said, changed = record.status.ceph.health, parse_time(record.status.ceph.last_changed)
    if said and changed is not None:
        health = judge_ceph(record)
        tone = health.tone if health.tone in (Tone.WARN, Tone.BAD) else None
        yield Moment(changed, layer, ref, "state", said, name_complaints(record), tone, key=f"{said} {changed}")


def _why_made(record: Record) -> str:
    if isinstance(record, Migration):
        emptied = record.metadata.annotations.evacuation
        return f"asked for: move {record.spec.vmi_name}{f', to empty node {emptied}' if emptied else ''}"
    return ""


def _is_original(record: Record, condition: Condition, at: float) -> bool:
    """Whether a node is as well in this as when it came."""
    is_new = record.created is not None and at - record.created < _NEW
    return isinstance(record, Node) and is_new and tone_of(Node.KIND, condition) is not Tone.WARN


def _of_condition(condition: Condition, at: float, ref: Ref, layer: Layer, where: str) -> Moment:
    is_node = ref.kind == Node.KIND
    bad = tone_of(ref.kind, condition) is Tone.WARN if is_node else is_trouble(ref.kind, condition)
    told = ": ".join(filter(None, (condition.reason, condition.message)))
    return Moment(
        at,
        layer,
        ref,
        "condition",
        f"{condition.type} {condition.status}",
        ", ".join(filter(None, (told, where))),
        Tone.WARN if bad else None,
        key=f"{condition.type} {condition.status} {at}",
    )


def _of_migration(state: MigrationState, ref: Ref) -> Iterator[Moment]:
    """Begin and end, told alike by the instance and by the migration itself, whose name the instance does not know."""
    subject = Ref(ref.backend, Migration.KIND, ref.namespace, "", state.migration_uid or ref.uid)
    way = f"node {state.source_node or '?'} > {state.target_node or '?'}"
    began, ended = parse_time(state.start_timestamp), parse_time(state.end_timestamp)
    if began is not None:
        mode = f", {state.mode}" if state.mode else ""
        yield Moment(began, Layer.MIGRATION, subject, "migration", "migration began", f"{way}{mode}", key="began")
    if ended is not None:
        what = "migration failed" if state.failed else "migration succeeded" if state.completed else "migration ended"
        if state.abort_requested and state.failed:
            what = "migration aborted"
        told = ", ".join(filter(None, (way, state.failure_reason)))
        tone = Tone.BAD if state.failed else None
        yield Moment(ended, Layer.MIGRATION, subject, "migration", what, told, tone, key="ended")


def _of_libvirt(record: Domain | Host | DomainJob | BlockJob, ref: Ref, layer: Layer) -> Iterator[Moment]:
    if isinstance(record, Domain):
        if record.since is not None:
            bad = record.state is DomainState.CRASHED or record.reason in ("I/O error", "crashed", "watchdog", "failed")
            yield Moment(record.since, layer, ref, "state", record.state.value, record.reason,
                         Tone.BAD if bad else None, clock=OUR_CLOCK)  # fmt: skip
    elif isinstance(record, Host):
        if record.link_since is not None:
            what = "connected" if record.connected else f"{record.absence}; it answered last"
            yield Moment(record.link_since, layer, ref, "state", what, record.trouble,
                         None if record.connected else Tone.BAD, clock=OUR_CLOCK)  # fmt: skip
    else:
        yield from _of_job(record, ref, layer)


def _of_job(job: DomainJob | BlockJob, ref: Ref, layer: Layer) -> Iterator[Moment]:
    if isinstance(job, DomainJob):
        told = f"{job.source or '?'} > {job.target or '?'}" if job.is_migration else ""
        what = job.operation
    else:
        told, what = job.source, f"{job.operation} of {job.target}"
    if job.began is not None:
        yield Moment(job.began, layer, ref, "job", f"{what} began", told, key="began", clock=OUR_CLOCK)
    if job.ended is not None:
        tone = {"Failed": Tone.BAD, "Cancelled": Tone.WARN}.get(job.phase)
        told = ", ".join(filter(None, (told, job.reason)))
        yield Moment(job.ended, layer, ref, "job", f"{what} {job.phase.lower()}", told, tone, "ended", OUR_CLOCK)


def moments_of_event(event: Event, ref: Ref, layer: Layer) -> Iterator[Moment]:
    """An event, however often it repeated itself."""
    at = event.last_seen
    if at is None:
        return
    first = event.first_seen
    teller = event.source.host
    yield Moment(
        at,
        layer,
        ref,
        "event",
        event.reason,
        event.message,
        Tone.WARN if event.type == "Warning" else None,
        key=event.metadata.uid or f"{event.metadata.name} {event.reason}",
        clock=f"node {teller}" if teller else CLUSTER_CLOCK,
        first=first if first is not None and event.times > 1 and first < at else None,
        count=event.times,
    )


def moments_of_past(past: Past, record: Record | None, ref: Ref, layer: Layer) -> Iterator[Moment]:
    """Who wrote an object, the begin and end of its containers, and when its deletion was asked for."""
    meta = past.metadata
    created = parse_time(meta.creation_timestamp)
    makers = []
    for write in meta.managed_fields or ():
        at = parse_time(write.time)
        if at is None or write.subresource == "status":
            continue
        if created is not None and abs(at - created) < _AT_ONCE and write.subresource == "":
            makers.append(write.manager)
        else:
            yield from _of_write(write, at, ref, layer)
    if created is not None:
        why = _why_made(record) if record is not None else ""
        by = f" by {clean_line(makers[0])}" if makers and makers[0] else ""
        yield Moment(created, layer, ref, "object", f"created{by}", why, key="created")
    deleted = parse_time(meta.deletion_timestamp)
    if deleted is not None:
        # The API server writes down when the grace period will be over.
        grace = meta.deletion_grace_period_seconds or 0
        told = f"with {grace} s of grace" if grace else ""
        yield Moment(deleted - grace, layer, ref, "object", "deletion was asked for", told, Tone.WARN, key="deleted")
    clock = f"node {record.spec.node_name}" if isinstance(record, Pod) and record.spec.node_name else CLUSTER_CLOCK
    for container in (*(past.status.init_container_statuses or ()), *(past.status.container_statuses or ())):
        yield from _of_container(container, ref, layer, clock)


def _of_container(container: ContainerPast, ref: Ref, layer: Layer, clock: str) -> Iterator[Moment]:
    count = f"restart {container.restart_count}" if container.restart_count else ""
    before, ended_run, running = container.last_state.terminated, container.state.terminated, container.state.running
    latest = running or ended_run or before
    for run in (before, ended_run, running):
        if run is None:
            continue
        began, ended = parse_time(run.started_at), parse_time(run.finished_at)
        again = count if run is latest else ""
        if began is not None:
            yield Moment(began, layer, ref, "container", f"container {container.name} started", again,
                         key=f"{container.name} started {began}", clock=clock)  # fmt: skip
        if ended is not None:
            bad = run.exit_code != 0 or run.reason == "OOMKilled"
            yield Moment(ended, layer, ref, "container", f"container {container.name} ended", _tell_end(run),
                         Tone.BAD if bad else None, key=f"{container.name} ended {ended}", clock=clock)  # fmt: skip


def _tell_end(run: Run) -> str:
    code = f"signal {run.signal}" if run.signal else f"exit code {run.exit_code}"
    return ", ".join(filter(None, (run.reason, code, clean_line(run.message))))


def _of_write(write: Write, at: float, ref: Ref, layer: Layer) -> Iterator[Moment]:
    fields = write.fields_v1 or {}
    name = write.manager.partition("/")[0]
    ours = name in _CONTROLLERS or name.rstrip("0123456789.-") in _CONTROLLERS
    paths = list_fields(fields, skip_metadata=ours)
    if not paths:
        return
    parts = dict.fromkeys(path.partition(".")[0] for path in paths)
    what = f"{' and '.join(list(parts)[:2])} written by {clean_line(write.manager) or 'a nameless client'}"
    through = f" through {write.subresource}" if write.subresource else ""
    # An entry has all fields of its writer and the time of the last write alone, whichever of them that changed.
    which = "one or more of " if len(paths) > 1 else ""
    yield Moment(at, layer, ref, "write", f"{what}{through}", which + clean_line(", ".join(paths)),
                 Tone.MUTED if ours else None, key=f"{write.manager} {write.operation} {at}")  # fmt: skip


def list_fields(tree: Mapping[str, object], *, skip_metadata: bool = False, most: int = _FIELDS) -> list[str]:
    """The fields of a ``fieldsV1`` in short: ``spec.template.spec.domain.cpu``; those with many parts by their parent.
    Status and what every object has are left out; values of sets are never told.
    """
    whole: dict[str, object] = {key: value for key, value in tree.items() if key != "f:status"}
    metadata = whole.get("f:metadata")
    if isinstance(metadata, Mapping):
        kept = {key: value for key, value in metadata.items() if key not in _NOISE}
        marks = kept.get("f:annotations")
        if isinstance(marks, Mapping):
            kept["f:annotations"] = {key: value for key, value in marks.items() if key not in _COPIES}
        kept = {key: value for key, value in kept.items() if not isinstance(value, Mapping) or _parts(value)}
        whole["f:metadata"] = kept
        if skip_metadata or not kept:
            del whole["f:metadata"]
    nodes = [(_name_field("", key), value) for key, value in whole.items() if key != "."]
    at = 0
    while at < len(nodes):
        path, value = nodes[at]
        parts = _parts(value)
        if parts and len(nodes) + len(parts) - 1 <= max(most, len(nodes)):
            nodes[at : at + 1] = [(_name_field(path, key), part) for key, part in parts.items()]
        else:
            at += 1
    named = [path for path, _ in nodes]
    return named if len(named) <= most else [*named[:most], f"and {len(named) - most} more"]


def _parts(value: object) -> dict[str, object]:
    return {key: part for key, part in value.items() if key[:2] in ("f:", "k:")} if isinstance(value, Mapping) else {}


def _name_field(path: str, key: str) -> str:
    if key.startswith("k:"):
        try:
            names = json.loads(key[2:])
        except ValueError:
            names = {}
        return f"{path}[{','.join(map(str, names.values())) if isinstance(names, dict) else ''}]"
    name = key.removeprefix("f:")
    # Labels and annotations have dots of their own.
    name = f"[{name}]" if "." in name or "/" in name else f".{name}"
    return f"{path}{name}".removeprefix(".")


def moments_of_happenings(happenings: Iterable[Happening], ref: Ref, layer: Layer) -> Iterator[Moment]:
    """What libvirt told while kvtui watched; the moments are ours."""
    for one in happenings:
        yield Moment(one.moment, layer, ref, "happening", one.what, one.detail, one.tone, clock=OUR_CLOCK,
                     count=one.count)  # fmt: skip


def drop_seen_states(moments: Iterable[Moment]) -> list[Moment]:
    """Without the states that a happening tells better."""
    found = list(moments)
    told = [moment for moment in found if moment.source == "happening"]

    def is_told(state: Moment) -> bool:
        return any(one.subject == state.subject and abs(one.at - state.at) < _SAME for one in told)

    return [moment for moment in found if moment.source != "state" or not is_told(moment)]


def drop_mirrored(moments: Iterable[Moment]) -> list[Moment]:
    """Without the conditions of a VM that only repeat those of its instance."""
    found = list(moments)
    told = {(one.what, one.detail): one.at for one in found if one.source == "condition" and one.layer is Layer.VMI}

    def repeats(moment: Moment) -> bool:
        if moment.source != "condition" or moment.layer is not Layer.VM:
            return False
        return abs(told.get((moment.what, moment.detail), -_SAME) - moment.at) < _AT_ONCE

    return [moment for moment in found if not repeats(moment)]


def name_migrations(moments: Iterable[Moment], known: Iterable[Ref]) -> Iterator[Moment]:
    """The same, with the names of those migrations of which the instance told the uid only."""
    named = {ref.uid: ref for ref in known if ref.kind == Migration.KIND}
    for moment in moments:
        unnamed = moment.subject.kind == Migration.KIND and not moment.subject.name
        ref = named.get(moment.subject.uid) if unnamed else None
        yield moment if ref is None else replace(moment, subject=ref)


def is_act_on(entry: Entry, one: Subject, ref: Ref, created: float | None) -> bool:
    """Whether `one` of the subjects is this very object: contexts of several clusters may have one name, and so may
    what is in them. One that was to be made, of no uid yet, is told from others by when the object was `created`.
    """
    if one.uid and ref.uid:
        return one.uid == ref.uid
    at = parse_time(entry.time)
    return created is None or at is None or at >= created - _CLOCKS


def moments_of_audit(entry: Entry, ref: Ref) -> Iterator[Moment]:
    """What was done through kvtui on this machine; `entry` is that of a whole act."""
    at = parse_time(entry.time)
    if at is None:
        return
    who = entry.user if entry.account in ("", entry.user) else f"{entry.user} as {entry.account}"
    came = "" if entry.result == "accepted" else entry.result
    tried = "tried only" if entry.dry_run else ""
    told = ", ".join(filter(None, (f"by {who}", tried, came, entry.words)))
    tone = Tone.WARN if entry.result in ("refused", "unknown", "unsent") else None
    yield Moment(at, Layer.OURS, ref, "audit", clean_line(entry.verb), clean_line(told), tone,
                 key=entry.act or f"{entry.verb} {entry.time}", clock=OUR_CLOCK)  # fmt: skip


def moments_of_finding(finding: Finding) -> Iterator[Moment]:
    """Since when a rule finds something wrong; where nobody knows, when it was seen first."""
    at = finding.since if finding.since is not None else finding.seen
    if at is not None:
        what = f"{finding.label} {finding.subject.name} {finding.trouble}"
        clock = CLUSTER_CLOCK
        if finding.since is None:
            what, clock = f"{what} (seen then; when it began is not known)", OUR_CLOCK
        yield Moment(at, Layer.OURS, finding.subject, "finding", what, finding.cause, finding.severity.tone,
                     key=finding.rule, clock=clock)  # fmt: skip
