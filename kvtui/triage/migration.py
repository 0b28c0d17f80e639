"""Migrations that failed, are held up, or run for long. Evidence: kubevirt-api.md 5 and 9.4."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from kvtui.joins.move import Move, join_move, last_step_of_queue, moves_of_instance
from kvtui.joins.queue import Limit, find_limit, installation_of, last_step, list_waiting, waiting_behind
from kvtui.joins.targets import find_target_pod
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.kubernetes import Event, Pod, ResourceQuota
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.progress import MigrationProgress
from kvtui.store import View
from kvtui.text import age, parse_time
from kvtui.triage.base import LOOK_AGAIN, WELL, Judgement, Rule
from kvtui.triage.convergence import copy_of
from kvtui.triage.messages import read_message, step_for
from kvtui.triage.pace import PREPARATION, pace_of
from kvtui.triage.roots import rest_on
from kvtui.triage.targets import (
    UNSCHEDULABLE_LIMIT,
    explain_found_no_node,
    explain_lost_target,
    explain_no_node,
    found_no_node,
    newest_warning,
)

RECENT = 3600.0
"""Seconds for which a failure is news."""
PENDING_LIMIT = 120.0
"""Seconds that a migration may wait without a reason."""
QUEUE_LIMIT = 600.0
"""Seconds that none of those before a waiting migration may take to get on."""
_QUEUE = 60.0
"""Seconds between two looks at a queue that gets on."""
_LINGER = 20.0
"""Seconds for which a copy must get on before it is well again: rates are told every five and go up and down."""
_NAMED = 3
"""Migrations that hold a queue up and are named among the evidence."""


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
        return Judgement(_held_up(move, ref))
    if move.migration.status.phase in {"", "Pending"}:
        return _judge_pending(view, move, ref, now)
    if move.migration.status.phase == "Running":
        return _judge_running(view, move, ref, now)
    return _judge_preparing(view, move, ref, now)


def _judge_failed(view: View, move: Move, ref: Ref, now: float) -> Judgement:
    ended = _end_of(move, now)
    if not _is_news(move, now) or _superseded(view, move, ref):
        return WELL
    if move.state is not None and move.state.mode == "PostCopy":
        return Judgement(_lost_in_post_copy(move, ref, ended), ended + RECENT)
    if move.vmi is None:
        return WELL
    if found_no_node(view, move):
        return _unless_tried_again(view, move, ref, now, _without_target(view, move, ref, ended))
    words = _failure_of(view, move, ref) or "the server gives no reason; see the events of the VM"
    evidence: tuple[Evidence, ...] = (Evidence(f"migration {ref.name}", "failureReason", words, ended),)
    step, root = step_for(words) or "migrate it again, and follow the log of both launcher pods", None
    if _ABORTED in words and (copy := copy_of(view, move, now)) is not None:
        words = f"{copy.tell_failure(ended)}: {words}"
        evidence, step = (*evidence, *copy.evidence_of_failure(ended)), copy.step
    elif _TARGET_DOWN in words:
        lost = explain_lost_target(view, move)
        words, root = f"{words}{lost.sentence}", lost.root
        evidence, step = (*evidence, *lost.evidence), lost.step
    route = f"from {move.source} to {move.target or '?'}" if move.source else ""
    cause = f"{words} ({route})" if route else words
    finding = _finding(move, ref, Severity.BAD, "failed", cause, ended, evidence, step)
    return _unless_tried_again(view, move, ref, now, replace(finding, root=root))


def _end_of(move: Move, now: float) -> float:
    return move.ended or move.migration.created or now


def _is_news(move: Move, now: float) -> bool:
    """Whether a failure is of the last hour, and nobody wanted it."""
    aborted = move.state is not None and move.state.abort_requested
    cancelled = aborted or move.migration.metadata.deletion_timestamp is not None
    return not cancelled and now < _end_of(move, now) + RECENT


def _unless_tried_again(view: View, move: Move, ref: Ref, now: float, finding: Finding) -> Judgement:
    """What is found in a try that failed, unless a later one is under way and in the same trouble: that tells both."""
    again = _end_of(move, now) + RECENT
    troubles = _SAME.get(_theme_of(view, move, ref), ())
    for other, later in _tries(view, ref, move.migration):
        if later.is_final or not _is_later(later, move.migration):
            continue
        judgement = _judge(view, other, now)
        if judgement.finding is not None and judgement.finding.trouble in troubles:
            return Judgement(over=True)
        again = min(again, judgement.again or again)
    return Judgement(finding, again)


def _with_failed_try(view: View, move: Move, ref: Ref, now: float, finding: Finding) -> Finding:
    """What is found in a try under way; with the last that failed where that did so for the same reason, and as bad."""
    for other, earlier in _tries(view, ref, move.migration):
        failed = join_move(view, other) if earlier.status.phase == "Failed" else None
        if failed is None or not _is_later(move.migration, earlier) or not _is_news(failed, now):
            continue
        if finding.trouble not in _SAME.get(_theme_of(view, failed, other), ()) or _superseded(view, failed, other):
            continue
        words = f"Failed: {_failure_of(view, failed, other)}"
        evidence = Evidence(f"migration {other.name}", "phase", words, _end_of(failed, now))
        cause = f"{finding.cause}; the try before failed for the same reason"
        severity = Severity.BAD if finding.severity is Severity.WARN else finding.severity
        return replace(finding, severity=severity, cause=cause, evidence=(*finding.evidence, evidence))
    return finding


_COPY, _TARGET = "copy", "target"
_SAME: Mapping[str, Collection[str]] = {_COPY: ("does not converge", "runs for long"), _TARGET: ("finds no target",)}
"""For what a try may fail, and the troubles of a later one that are the same."""


def _theme_of(view: View, move: Move, ref: Ref) -> str:
    """For which of these a migration failed; empty for all others."""
    if found_no_node(view, move):
        return _TARGET
    return _COPY if _ABORTED in _failure_of(view, move, ref) else ""


def _failure_of(view: View, move: Move, ref: Ref) -> str:
    return move.reason or _told_by_events(view, ref)


def _lost_in_post_copy(move: Move, ref: Ref, ended: float) -> Finding:
    """The guest ran at the target already, and part of its memory was at the source still: row 68."""
    words = f"its guest is lost: in post-copy the copy from {move.source or '?'} to {move.target or '?'} broke off"
    told = move.reason or "the server gives no reason"
    evidence = (
        Evidence(f"migration {ref.name}", "migrationState.mode", "PostCopy"),
        Evidence(f"migration {ref.name}", "failureReason", told, ended),
    )
    step = "start the VM again if nobody has; look at the network between the two nodes before the next move"
    return _finding(move, ref, Severity.BAD, "failed", words, ended, evidence, step)


_ABORTED = "Live migration has been aborted"
"""What virt-launcher says when the time of a copy is up (row 67)."""
_TARGET_DOWN = "Target pod is down"
"""What virt-controller says when the pod at the target has ended (row 66)."""


def _held_up(move: Move, ref: Ref) -> Finding:
    """A condition of it says why it does not go on (2.3, rows 64 and 70)."""
    reading = read_message(move.reason)
    words, step = (reading.sentence, reading.step) if reading is not None else (move.reason, "")
    condition = move.hold_up
    evidence: tuple[Evidence, ...] = ()
    if condition is not None:
        since = parse_time(condition.last_transition_time)
        told = f"{condition.type}=True {condition.reason}".rstrip()
        evidence = (Evidence(f"migration {ref.name}", told, condition.message, since),)
        step = _HOLD_UP_STEPS.get(condition.type, step)
    finding = _finding(move, ref, Severity.WARN, "is held up", words, move.migration.created, evidence, step)
    quota = reading.parts.get("quota") if reading is not None else ""
    return replace(finding, root=Ref(ref.backend, ResourceQuota.KIND, ref.namespace, quota)) if quota else finding


_HOLD_UP_STEPS = {
    "migrationRejectedByResourceQuota": "enlarge the quota, for a move needs a second pod; it goes on by itself",
    "migrationBlockedByUtilityVolumes": "wait for the backup to end, or detach the utility volume",
    "migrationBlockedByBackup": "wait for the backup to end, or cancel it",
}


def _without_target(view: View, move: Move, ref: Ref, ended: float) -> Finding:
    """It was given up because no node took its target pod."""
    why = explain_found_no_node(view, move)
    sentence = why.sentence if why.sentence.startswith("no ") else f"no node took its target pod: {why.sentence}"
    step = why.step or "free capacity on another node, then migrate it again"
    evidence = (why.evidence, *why.more)
    return rest_on(_finding(move, ref, Severity.BAD, "found no target", sentence, ended, evidence, step), why)


def _told_by_events(view: View, ref: Ref) -> str:
    """The newest warning about the migration: one that ends before it moves memory has no other reason."""
    warnings = [event for _, event in view.linked(Event, ref.backend, "about", ref.uid) if event.type == "Warning"]
    newest = max(warnings, key=lambda event: event.last_seen or 0.0, default=None)
    return newest.message if newest is not None else ""


def _superseded(view: View, move: Move, ref: Ref) -> bool:
    """Whether a later migration of the same instance has ended, well or not: that one tells more."""
    return any(other.is_final and _is_later(other, move.migration) for _, other in _tries(view, ref, move.migration))


def _tries(view: View, ref: Ref, migration: Migration) -> Iterator[tuple[Ref, Migration]]:
    """All migrations of the same instance."""
    yield from view.linked(Migration, ref.backend, "vmi", f"{ref.namespace}/{migration.spec.vmi_name}")


def _is_later(one: Migration, other: Migration) -> bool:
    return (one.metadata.creation_timestamp or "") > (other.metadata.creation_timestamp or "")


def _judge_pending(view: View, move: Move, ref: Ref, now: float) -> Judgement:
    created = move.migration.created or now
    if move.vmi is not None and not move.vmi.is_running:
        return _behind_its_vm(move, ref, now, created)
    limit = find_limit(view, move)
    if limit is None:
        # Between two of the queue there is a moment, too.
        late = max(created, last_step(view, ref.backend)) + PENDING_LIMIT
        if now < late:
            return Judgement(again=late, over=True)
        words = "no condition says why it does not begin, and no limit on migrations is reached"
        step = f"read the log of virt-controller for {ref.name}"
        finding = _finding(move, ref, Severity.WARN, "waits", words, created, (), step)
        return Judgement(finding, unexplained=True)
    # Its turn comes, as long as those before it get on.
    stands = max(created, last_step_of_queue(view, ref.backend) or created) + QUEUE_LIMIT
    if now < stands:
        return Judgement(again=min(stands, now + _QUEUE), over=True)
    return Judgement(_queued(view, move, ref, limit, now))


def _behind_its_vm(move: Move, ref: Ref, now: float, created: float) -> Judgement:
    """virt-controller begins no migration of an instance that does not run."""
    vmi = move.vmi
    if vmi is None or now < created + PENDING_LIMIT:
        return Judgement(again=created + PENDING_LIMIT)
    phase = vmi.status.phase or "not set"
    evidence = (Evidence(f"VMI {vmi.metadata.name}", "phase", phase),)
    finding = _finding(move, ref, Severity.WARN, "waits", f"its VM is not running: phase {phase}", created, evidence)
    return Judgement(replace(finding, root=Ref(ref.backend, VirtualMachine.KIND, ref.namespace, vmi.metadata.name)))


def _queued(view: View, move: Move, ref: Ref, limit: Limit, now: float) -> Finding:
    """It waits for its turn, and none of those that are under way gets on: the oldest of them is at fault."""
    oldest = limit.holders[0]
    who = oldest.migration.metadata.namespace + "/" + oldest.migration.spec.vmi_name
    others = len(limit.holders) - 1
    more = f", beside {others} more" if others else ""
    running = age(now - oldest.began) if oldest.began is not None else "some time"
    where = f"from {limit.node}" if limit.node else "in the cluster"
    words = f"only {limit.value} may move at a time {where}; {who} has been moving for {running}{more}"
    installation = installation_of(view, ref.backend)
    name = f"KubeVirt {installation.name}" if installation is not None and limit.stated else "KubeVirt's default"
    evidence = (
        Evidence(name, f"spec.configuration.migrations.{limit.field}", str(limit.value)),
        *(
            Evidence(f"migration {one.migration.metadata.name}", f"phase of {one.migration.spec.vmi_name}",
                     one.migration.status.phase, one.began)
            for one in limit.holders[:_NAMED]
        ),
    )  # fmt: skip
    step = f"cancel the migration of {who}, or raise {limit.field}"
    finding = _finding(move, ref, Severity.INFO, "waits", words, move.migration.created, evidence, step)
    return replace(finding, root=oldest.migration.ref(ref.backend))


def _judge_preparing(view: View, move: Move, ref: Ref, now: float) -> Judgement:
    since = _phase_since(move) or move.migration.created or now
    refused = explain_no_node(view, move)
    if refused is not None:
        gives_up = since + UNSCHEDULABLE_LIMIT
        left = f"it gives up in {age(gives_up - now)}" if now < gives_up else "it is about to be given up"
        step = f"{refused.step or 'free capacity on another node'}; {left}"
        evidence = (refused.evidence, *refused.more)
        finding = _finding(move, ref, Severity.WARN, "finds no target", refused.sentence, since, evidence, step)
        return Judgement(_with_failed_try(view, move, ref, now, rest_on(finding, refused)))
    pace = pace_of(view, ref.backend, PREPARATION, now)
    if now < since + pace.limit:
        return Judgement(again=since + pace.limit, over=True)
    usual = pace.evidence(f"migration {ref.name}", f"phase {move.migration.status.phase}", since)
    pod = find_target_pod(view, move)
    if pod is None:
        words = f"its target {move.target or 'pod'} is not ready: phase {move.migration.status.phase}"
        return Judgement(_finding(move, ref, Severity.WARN, "prepares for long", words, since, (usual,)))
    words, told, step = _of_target_pod(view, ref, pod)
    evidence = (Evidence(f"Pod {pod.metadata.name}", "phase", pod.status.phase), *told, usual)
    return Judgement(_finding(move, ref, Severity.WARN, "prepares for long", words, since, evidence, step))


def _of_target_pod(view: View, ref: Ref, pod: Pod) -> tuple[str, tuple[Evidence, ...], str]:
    """What keeps it from running, in words, where that stands, and the step: an event tells more than a container."""
    event = newest_warning(view, ref.backend, ref.namespace, pod.metadata.name)
    look = f"kubectl describe pod -n {ref.namespace} {pod.metadata.name}"
    if event is not None:
        told = Evidence(f"Event of Pod {pod.metadata.name}", event.reason, event.message, event.first_seen)
        return f"its target pod does not get on: {event.message}", (told,), step_for(event.message) or look
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if status.state.waiting is not None and (words := status.state.waiting.message):
            return f"container {status.name} of its target pod waits: {words}", (), step_for(words) or look
    return f"its target pod {pod.metadata.name} is not ready: {pod.status.phase}", (), look


def _judge_running(view: View, move: Move, ref: Ref, now: float) -> Judgement:
    copy = copy_of(view, move, now)
    if copy is None or (move.state is not None and move.state.mode == "PostCopy"):
        return WELL
    if now < copy.told_at:
        return Judgement(again=copy.told_at)
    evidence, step = tuple(copy.evidence()), copy.step
    if _holds_up(view, move):
        step = f"cancel it to let the others go on; {step}"
    trouble = "does not converge" if copy.stuck else "runs for long"
    severity = Severity.INFO if copy.ends_well else Severity.WARN
    finding = _finding(move, ref, severity, trouble, copy.tell(now), copy.began, evidence, step)
    return Judgement(_with_failed_try(view, move, ref, now, finding))


def _holds_up(view: View, move: Move) -> bool:
    """Whether others wait for its end."""
    waiting = (join_move(view, ref) for ref in list_waiting(view, move.backend)[:_NAMED])
    limits = (find_limit(view, one) for one in waiting if one is not None)
    return any(limit is not None and move in limit.holders for limit in limits)


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
    """A migration, those of the same instance, which may tell of one another, and those that wait for its end."""
    yield ref
    yield from waiting_behind(view, ref, migration)
    yield from (other for other, _ in _tries(view, ref, migration) if other != ref)


def _of_event(view: View, ref: Ref, event: Event) -> Iterable[Ref]:
    """The migration that a warning is about, and the others of its instance."""
    about = event.involved_object
    if about.kind != Migration.KIND or event.type != "Warning":
        return
    migration = view.get(Migration, ref.backend, about.namespace, about.name)
    if migration is not None:
        yield from (other for other, _ in _tries(view, ref, migration))


def _of_pod(view: View, ref: Ref, pod: Pod) -> Iterable[Ref]:
    """The migration that a target pod belongs to, and the others of its instance."""
    job, owner = pod.metadata.labels.get("kubevirt.io/migrationJobUID"), pod.controller
    if not job or owner is None:
        return
    for migration, _ in view.linked(Migration, ref.backend, "vmi", f"{ref.namespace}/{owner.name}"):
        yield migration


RULES = (
    Rule(
        "migration.state",
        _judge,
        {
            Migration: _of_migration,
            MigrationProgress: moves_of_instance,
            VirtualMachineInstance: moves_of_instance,
            Pod: _of_pod,
            Event: _of_event,
        },
        look_again=LOOK_AGAIN,
        linger=_LINGER,
        patience=PENDING_LIMIT,
        detects="a migration that failed, is held up, waits in the queue, finds no target, or does not converge",
        severities="bad, warn, info",
    ),
)
