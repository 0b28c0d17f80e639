"""Why a migration finds no node to go to, taken apart by node: kubevirt-api.md 5.4 and 9.4, row 63.

While its target pod waits, that pod tells what it asks for. Afterwards it is gone: then what the present launcher asks
for and what the migration added is held against the nodes as they are now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from kvtui.joins.causes import Cause, Theme, shorten_refusal
from kvtui.joins.landing import Wants, judge_nodes, travel_selector
from kvtui.joins.machine import Machine, join_machine, machines_named
from kvtui.joins.move import Move
from kvtui.joins.targets import ended_without_node, find_target_pod
from kvtui.model import Evidence, Ref
from kvtui.records.base import find_condition, is_true
from kvtui.records.kubernetes import Event, Node, Pod
from kvtui.store import View
from kvtui.text import join_clauses, parse_time
from kvtui.triage.messages import step_for
from kvtui.triage.scheduling import explain_scheduling, unready

UNSCHEDULABLE: Final = "migrationTargetPodUnschedulable"
"""Reason of the event by which virt-controller says that no node takes the target pod."""
UNSCHEDULABLE_LIMIT: Final = 300.0
"""Seconds after which virt-controller gives a target pod up that no node takes (5.4)."""
_CREATED: Final = "SuccessfulCreate"


def explain_no_node(view: View, move: Move) -> Cause | None:
    """Why no node takes the target pod that waits now; None where it does not wait for a node."""
    pod = find_target_pod(view, move)
    scheduled = find_condition(pod.status.conditions, "PodScheduled") if pod is not None else None
    if pod is None or scheduled is None or scheduled.status != "False":
        return None
    words = shorten_refusal(scheduled.message) or scheduled.reason
    evidence = Evidence(
        f"Pod {pod.metadata.name}",
        f"PodScheduled=False {scheduled.reason}",
        words,
        parse_time(scheduled.last_transition_time),
    )
    told = Cause(Theme.SCHEDULING, words, evidence)
    machine = _machine(view, move)
    return told if machine is None else _of_nodes(view, move, replace(machine, launcher=pod), told)


def found_no_node(view: View, move: Move) -> bool:
    """Whether a migration failed for want of a node: its target pod never came to one and waited until it was given up.

    Other target pods that end this early do so at once, or after the fifteen minutes of ``Pending``.
    """
    asked = (event.reason == UNSCHEDULABLE for event in _events(view, move))
    return ended_without_node(move.migration) and any(asked)


def explain_found_no_node(view: View, move: Move) -> Cause:
    """What kept all nodes from taking the target pod of a migration that failed so, as far as it can still be told."""
    words, evidence = _last_words(view, move)
    told = Cause(Theme.SCHEDULING, words, evidence)
    machine = _machine(view, move)
    if machine is None or machine.launcher is None:
        return told
    pod = _at_target(machine, machine.launcher, move)
    cause = _of_nodes(view, move, replace(machine, launcher=pod), told)
    if cause.sentence != told.sentence or words.startswith(_OF_CLAIMS):
        return cause
    wants = (_wants_of(pod),)
    able = [one.node.metadata.name for one in judge_nodes(view, move.backend, _here(machine), wants) if not one.reason]
    if not able:
        return cause
    more = f" and {len(able) - 1} more" if len(able) > 1 else ""
    sentence = join_clauses(cause.sentence, f"now {able[0]}{more} could take it")
    return replace(cause, sentence=sentence, step="migrate it again", obstacle=None)


@dataclass(frozen=True, slots=True)
class LostTarget:
    """Why the pod at the target ended, as far as anything still tells."""

    sentence: str = ""
    """What follows on the server's words, with what joins them."""
    evidence: tuple[Evidence, ...] = ()
    step: str = ""
    root: Ref | None = None


def explain_lost_target(view: View, move: Move) -> LostTarget:
    """The node that it went to first, then how its containers ended, then what was last warned of."""
    node = view.get(Node, move.backend, "", move.target) if move.target else None
    if node is not None and not is_true(node.status.conditions, "Ready"):
        words = f", for node {move.target} was lost"
        return LostTarget(words, (unready(node),), "migrate it to another node", node.ref(move.backend))
    name = move.state.target_pod if move.state is not None else ""
    namespace = move.migration.metadata.namespace
    pod = view.get(Pod, move.backend, namespace, name) if name else None
    for status in pod.status.container_statuses if pod is not None else ():
        ended = status.state.terminated
        if ended is not None and ended.exit_code:
            how = f"{ended.reason or 'Error'}, exit code {ended.exit_code}"
            evidence = Evidence(
                f"Pod {name}", f"container {status.name} terminated", how, parse_time(ended.finished_at)
            )
            return LostTarget(f": container {status.name} ended with {how}", (evidence,), f"read the log of pod {name}")
    event = newest_warning(view, move.backend, namespace, name) if name else None
    if event is None:
        return LostTarget(step=_again(move))
    evidence = Evidence(f"Event of Pod {name}", event.reason, event.message, event.first_seen)
    return LostTarget(f": {event.message}", (evidence,), step_for(event.message) or _again(move))


def _again(move: Move) -> str:
    target = move.state.target_node if move.state is not None else ""
    node = f"node {target}" if target else "the node that it went to"
    return f"the guest runs on where it was: see the events of {node}, then migrate it again"


def newest_warning(view: View, backend: str, namespace: str, pod: str) -> Event | None:
    """What last went wrong with a pod, be it gone: an image, a mount, a network."""
    warnings = (event for _, event in view.linked(Event, backend, "warns", f"{Pod.KIND} {namespace}/{pod}"))
    return max(warnings, key=lambda event: event.last_seen or 0.0, default=None)


def _of_nodes(view: View, move: Move, machine: Machine, told: Cause) -> Cause:
    """The cause as the nodes tell it; of what the migration itself asks for, it is the migration that is named."""
    cause = explain_scheduling(view, machine, told, _here(machine))
    added = move.migration.spec.added_node_selector
    asked = [f"{key}={value}" for key, value in added.items()]
    if not any(one.field == "spec.nodeSelector" and one.value in asked for one in cause.more):
        return cause
    subject = f"migration {move.migration.metadata.name}"
    more = tuple(
        replace(one, subject=subject, field="spec.addedNodeSelector") if one.value in asked else one
        for one in cause.more
    )
    sentence = cause.sentence.replace("its nodeSelector", "its addedNodeSelector")
    sentence = sentence.replace(", which it asks for", ", which its addedNodeSelector asks for")
    if "addedNodeSelector" not in sentence:
        sentence = f"{sentence}, which its addedNodeSelector asks for"
    step = cause.step.replace("correct the nodeSelector", "migrate it without that selector")
    return replace(cause, sentence=sentence, step=step, more=more)


def _last_words(view: View, move: Move) -> tuple[str, Evidence]:
    """What is told of the wait of a pod that is gone: the scheduler's last warning, else virt-controller's event."""
    events = _events(view, move)
    for event in events:
        pod = event.message.rpartition(" ")[2] if event.reason == _CREATED else ""
        about = f"{Pod.KIND} {move.migration.metadata.namespace}/{pod}"
        refused = [one for _, one in view.linked(Event, move.backend, "warns", about) if one.reason == _REFUSED]
        if pod and refused:
            last = max(refused, key=lambda one: one.last_seen or 0.0)
            words = shorten_refusal(last.message)
            return words, Evidence(f"Event of Pod {pod}", last.reason, words, last.first_seen)
    last = max(events, key=lambda one: (one.reason == UNSCHEDULABLE, one.last_seen or 0.0))
    subject = f"Event of migration {move.migration.metadata.name}"
    return "no node took its target pod", Evidence(subject, last.reason, last.message, last.first_seen)


_REFUSED: Final = "FailedScheduling"
_OF_CLAIMS: Final = ("persistentvolumeclaim ", "pod has unbound ")
"""How the scheduler begins of a pod for which it looks at no node."""


def _here(machine: Machine) -> str:
    """The node on which it runs."""
    return machine.vmi.status.node_name if machine.vmi is not None else ""


def _events(view: View, move: Move) -> list[Event]:
    return [event for _, event in view.linked(Event, move.backend, "about", move.migration.metadata.uid)]


def _machine(view: View, move: Move) -> Machine | None:
    meta = move.migration.metadata
    named = machines_named(view, move.backend, meta.namespace, move.migration.spec.vmi_name)
    return join_machine(view, named[0]) if named else None


def _at_target(machine: Machine, launcher: Pod, move: Move) -> Pod:
    """The launcher as virt-controller makes it for the target, with all that it selects by there."""
    travel = travel_selector(machine.vmi, machine.node) if machine.vmi is not None else {}
    selector = launcher.spec.node_selector | travel | move.migration.spec.added_node_selector
    return msgspec.structs.replace(launcher, spec=msgspec.structs.replace(launcher.spec, node_selector=selector))


def _wants_of(pod: Pod) -> Wants:
    return msgspec.convert(msgspec.to_builtins(pod.spec), Wants)
