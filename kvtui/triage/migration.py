"""Migrations that failed, are held up, or run for long. Evidence: kubevirt-api.md 5 and 9.4."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kvtui.joins.move import Move, join_move, last_step_of_queue, moves_of_instance
from kvtui.joins.targets import find_target_pod
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.base import find_condition
from kvtui.records.kubernetes import Event, Pod
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import View
from kvtui.text import parse_time, quantity
from kvtui.triage.base import LINGER, WELL, Judgement, Rule

RECENT = 3600.0
"""Seconds for which a failure is news."""
PENDING_LIMIT = 120.0
"""Seconds that a migration may wait without a reason."""
QUEUE_LIMIT = 600.0
"""Seconds that none of those before a waiting migration may take to get on."""
PREPARE_LIMIT = 60.0
"""Seconds that the target may take to get ready."""
PER_GIB = 150
"""Seconds per GiB of memory that a migration may take, unless the cluster or a policy says otherwise (5.2)."""
_GIB = 2.0**30


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    move = join_move(view, ref)
    if move is None:
        return WELL
    if move.migration.status.phase == "Succeeded":
        return WELL
    if move.migration.status.phase == "Failed":
        return _judge_failed(view, move, ref, now)
    if move.aborting:
        return WELL
    if move.reason:
        return Judgement(_finding(move, ref, Severity.WARN, "is held up", move.reason, move.migration.created))
    if move.migration.status.phase in {"", "Pending"}:
        return _judge_pending(view, move, ref, now)
    if move.migration.status.phase == "Running":
        return _judge_running(move, ref, now)
    return _judge_preparing(view, move, ref, now)


def _judge_failed(view: View, move: Move, ref: Ref, now: float) -> Judgement:
    ended = move.ended or move.migration.created or now
    aborted = move.state is not None and move.state.abort_requested
    if aborted or now >= ended + RECENT or move.vmi is None or _superseded(view, move, ref):
        return WELL
    words = move.reason or _told_by_events(view, ref) or "the server gives no reason; see the events of the VM"
    evidence = (Evidence(f"migration {ref.name}", "failureReason", words, ended),)
    route = f"from {move.source} to {move.target or '?'}" if move.source else ""
    cause = f"{words} ({route})" if route else words
    finding = _finding(move, ref, Severity.BAD, "failed", cause, ended, evidence, _step(words))
    return Judgement(finding, ended + RECENT)


def _told_by_events(view: View, ref: Ref) -> str:
    """The newest warning about the migration: one that ends before it moves memory has no other reason."""
    warnings = [event for _, event in view.linked(Event, ref.backend, "about", ref.uid) if event.type == "Warning"]
    newest = max(warnings, key=lambda event: event.last_seen or 0.0, default=None)
    return newest.message if newest is not None else ""


def _step(words: str) -> str:
    if "unschedulable" in words:
        return "see what keeps other nodes from taking it: capacity, CPU model, affinity, taints"
    if "Target pod is down" in words:
        return "see why the target pod ended: its node and its events"
    if "aborted" in words:
        return "it did not converge: allow post-copy or auto-converge, or try when the guest is quieter"
    return "migrate it again, and follow the log of both launcher pods"


def _superseded(view: View, move: Move, ref: Ref) -> bool:
    """Whether a later migration of the same instance has ended, well or not: that one tells more."""
    mine = move.migration.metadata.creation_timestamp or ""
    others = view.linked(Migration, ref.backend, "vmi", f"{ref.namespace}/{move.migration.spec.vmi_name}")
    return any(other.is_final and (other.metadata.creation_timestamp or "") > mine for _, other in others)


def _judge_pending(view: View, move: Move, ref: Ref, now: float) -> Judgement:
    created = move.migration.created or now
    limit = created + PENDING_LIMIT
    if move.ahead:
        # Its turn comes, as long as those before it get on.
        limit = max(created, last_step_of_queue(view, ref.backend) or created) + QUEUE_LIMIT
    if now < limit:
        return Judgement(again=limit)
    if move.vmi is not None and not move.vmi.is_running:
        words = f"its VM is not running: phase {move.vmi.status.phase or 'not set'}"
    elif move.ahead:
        words = f"{move.ahead} migrations are ahead of it; the cluster moves few at a time"
    else:
        words = "no condition says why it does not begin; see virt-controller"
    severity = Severity.INFO if move.ahead else Severity.WARN
    finding = _finding(move, ref, severity, "waits", words, created)
    if move.vmi is not None and not move.vmi.is_running:
        return Judgement(
            replace(finding, root=Ref(ref.backend, VirtualMachine.KIND, ref.namespace, move.vmi.metadata.name))
        )
    return Judgement(finding)


def _judge_preparing(view: View, move: Move, ref: Ref, now: float) -> Judgement:
    since = _phase_since(move) or move.migration.created or now
    pod = find_target_pod(view, move)
    scheduled = find_condition(pod.status.conditions, "PodScheduled") if pod is not None else None
    if pod is not None and scheduled is not None and scheduled.status == "False":
        words = scheduled.message or scheduled.reason
        told = Evidence(f"Pod {pod.metadata.name}", f"PodScheduled=False {scheduled.reason}", words)
        cause = f"no node takes its target pod: {words}"
        step = "free capacity on another node; it fails by itself after five minutes"
        return Judgement(_finding(move, ref, Severity.WARN, "finds no target", cause, since, (told,), step))
    limit = since + PREPARE_LIMIT
    if now < limit:
        return Judgement(again=limit)
    words = f"its target {move.target or 'pod'} is not ready: phase {move.migration.status.phase}"
    evidence: tuple[Evidence, ...] = ()
    if pod is not None:
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
            if status.state.waiting is not None and status.state.waiting.message:
                words = f"container {status.name} of its target pod waits: {status.state.waiting.message}"
        evidence = (Evidence(f"Pod {pod.metadata.name}", "phase", pod.status.phase),)
    return Judgement(_finding(move, ref, Severity.WARN, "prepares for long", words, since, evidence))


def _judge_running(move: Move, ref: Ref, now: float) -> Judgement:
    began, limit = move.began, _time_limit(move)
    if began is None or limit is None:
        return WELL
    half = began + limit / 2
    if now < half:
        return Judgement(again=half)
    words = f"more than half of its limit of {limit:.0f}s has passed; at the limit it is aborted"
    if _may_post_copy(move):
        words = f"more than half of its limit of {limit:.0f}s has passed; at the limit it goes on in post-copy"
    return Judgement(_finding(move, ref, Severity.WARN, "runs for long", words, began))


def _time_limit(move: Move) -> float | None:
    """Seconds that it may take: a number for each GiB of the guest's memory."""
    if move.vmi is None:
        return None
    told = move.vmi.status.memory.guest_current if move.vmi.status.memory is not None else None
    domain = move.vmi.spec.domain
    memory = quantity(told or domain.memory.guest or domain.resources.requests.get("memory"))
    configuration = move.state.migration_configuration if move.state is not None else None
    per_gib = configuration.completion_timeout_per_gi_b if configuration is not None else None
    return (per_gib or PER_GIB) * max(1.0, memory / _GIB) if memory else None


def _may_post_copy(move: Move) -> bool:
    configuration = move.state.migration_configuration if move.state is not None else None
    return configuration is not None and bool(configuration.allow_post_copy)


def _phase_since(move: Move) -> float | None:
    for step in move.migration.status.phase_transition_timestamps:
        if step.phase == move.migration.status.phase:
            return parse_time(step.phase_transition_timestamp)
    return None


def _finding(
    move: Move,
    ref: Ref,
    severity: Severity,
    trouble: str,
    cause: str,
    since: float | None,
    evidence: tuple[Evidence, ...] = (),
    step: str = "",
) -> Finding:
    sentence = f"{move.migration.spec.vmi_name}: {cause}"
    return Finding("migration.state", severity, ref, "migration", trouble, sentence, since, evidence, step)


def _of_migration(view: View, ref: Ref, migration: Migration) -> Iterable[Ref]:
    """A migration, and those of the same instance that it may supersede."""
    yield ref
    for other, _ in view.linked(Migration, ref.backend, "vmi", f"{ref.namespace}/{migration.spec.vmi_name}"):
        if other != ref:
            yield other


def _of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    """The migration that a warning is about."""
    about = event.involved_object
    if about.kind != Migration.KIND or event.type != "Warning":
        return
    migration = view.get(Migration, ref.backend, about.namespace, about.name)
    if migration is not None:
        yield migration.ref(ref.backend)


def _of_pod(view: View, ref: Ref, pod: Pod) -> Iterable[Ref]:
    """The migration that a target pod belongs to."""
    job, owner = pod.metadata.labels.get("kubevirt.io/migrationJobUID"), pod.controller
    if not job or owner is None:
        return
    for migration, _ in view.linked(Migration, ref.backend, "vmi", f"{ref.namespace}/{owner.name}"):
        if migration.uid == job:
            yield migration


RULES = (
    Rule(
        "migration.state",
        _judge,
        {Migration: _of_migration, VirtualMachineInstance: moves_of_instance, Pod: _of_pod, Event: _of_event},
        linger=LINGER,
        detects="a migration that failed, is held up, finds no target, or runs for long",
        severities="bad, warn, info",
    ),
)
