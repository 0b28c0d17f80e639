"""Why no node takes a VM, taken apart by node: kubevirt-api.md 9.1, rows 1 to 6.

It is judged as kube-scheduler does, from the nodes' own labels, taints and allocatable resources and from what the
launcher pod asks for. What these do not tell (host ports, affinity between pods) is told in the scheduler's words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kvtui.joins.causes import UNBOUND, Cause, Obstacle, Theme, list_refusals, shorten_refusal
from kvtui.joins.landing import SCHEDULABLE
from kvtui.joins.machine import Machine
from kvtui.joins.room import requests_of, used_on
from kvtui.model import Evidence
from kvtui.records.base import find_condition, is_true
from kvtui.records.kubernetes import Node, Pod
from kvtui.store import View
from kvtui.text import parse_time, quantity, size
from kvtui.triage.base import BACKEND
from kvtui.triage.capacity import takes_vms
from kvtui.triage.demands import Demand, bear, lessen, list_demands, list_selections
from kvtui.triage.messages import step_for
from kvtui.triage.unseen_nodes import NO_NODE, explain_unseen, find_obstacle

_NAMED: Final = 3
"""Nodes that a sentence names before it counts them."""
_DRAIN: Final = "kubevirt.io/drain"
_KEEPS_OUT: Final = frozenset({"NoSchedule", "NoExecute"})
_OF_CONDITIONS: Final = frozenset(
    {
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }
)
"""Taints that only repeat what the node says of itself."""
_CORDON: Final = Obstacle("Cordon", "", "cordon", "keeps VMs off", "")
_AMOUNTS: Final = ("memory", "cpu")


@dataclass(frozen=True, slots=True)
class _Block:
    """What keeps the VM off a node that has all that it demands."""

    one: str
    """What is said of one node: ``is cordoned``."""
    many: str
    step: str
    """With ``{}`` for the names of the nodes."""
    evidence: Evidence
    at_fault: bool = False
    """Whether the node itself is in trouble, and not merely full or kept free."""
    amount: str = ""
    """The resource that does not suffice."""
    empties: bool = False
    """Whether what runs on it now goes before it can take anything."""
    full: bool = False
    """Whether there would be no room either."""
    obstacle: Obstacle | None = None
    """What others meet there just as well; without a name where it is called by the nodes that it is on."""


def explain_scheduling(view: View, machine: Machine, told: Cause, leaving: str = "") -> Cause:
    """The cause as the nodes tell it; `told`, in the scheduler's words, with a step where they do not.

    `leaving` is the node on which it runs: for the target of a migration that one is out of the question.
    """
    nodes = {ref.name: node for ref, node in view.items(Node, machine.backend)}
    pod = machine.launcher
    if pod is None:
        return replace(told, step=step_for(told.evidence.value))
    if not nodes:
        return explain_unseen(machine, pod, told)
    fallback = replace(told, step=_step_of(told.evidence.value), obstacle=find_obstacle(machine, pod, told))
    demands = list(list_demands(view, machine, pod, nodes))
    return _explain(view, machine.backend, pod, nodes, demands, told, fallback, leaving)


def explain_worker(view: View, backend: str, pod: Pod) -> Cause | None:
    """Why no node takes a pod that fills a disk; None where one has, or where it is the disk that keeps it off."""
    scheduled = find_condition(pod.status.conditions, "PodScheduled")
    if scheduled is None or scheduled.status != "False" or UNBOUND in scheduled.message:
        return None
    words = scheduled.message or scheduled.reason
    since = parse_time(scheduled.last_transition_time)
    evidence = Evidence(f"Pod {pod.metadata.name}", f"PodScheduled=False {scheduled.reason}", words, since)
    told = Cause(Theme.IMPORT, shorten_refusal(words), evidence)
    nodes = {ref.name: node for ref, node in view.items(Node, backend)}
    if not nodes:
        cause = explain_unseen(None, pod, told)
        return replace(cause, sentence=cause.sentence.removeprefix(NO_NODE))
    fallback = replace(told, step=_step_of(words), obstacle=find_obstacle(None, pod, told))
    return _explain(view, backend, pod, nodes, list(list_selections(None, pod, nodes)), told, fallback, "")


def _explain(
    view: View,
    backend: str,
    pod: Pod,
    nodes: Mapping[str, Node],
    demands: Sequence[Demand],
    told: Cause,
    fallback: Cause,
    leaving: str,
) -> Cause:
    for demand in demands:
        cause = replace(told, step=demand.step, more=(demand.evidence,))
        if not demand.nodes:
            return replace(cause, sentence=demand.nobody, obstacle=demand.obstacle)
        if demand.nodes == {leaving}:
            sentence = f"only {leaving}, where it runs, {_verb(demand.has, 1)}"
            return replace(cause, sentence=sentence, obstacle=_on_one_node(demand, leaving))
    for_vms = frozenset(name for name, node in nodes.items() if SCHEDULABLE in node.metadata.labels) - {leaving}
    if not pod.is_launcher and not all(demand.nodes >= for_vms for demand in demands):
        # CDI's workers may be placed on nodes that take no VMs.
        for_vms = frozenset(nodes)
    narrow = [demand for demand in demands if not demand.nodes >= for_vms]
    left = for_vms.intersection(*(demand.nodes for demand in narrow))
    if not left:
        return _nowhere(told, narrow, leaving) if narrow else fallback
    asked = _devices_first(requests_of(pod.spec.containers))
    blocks = {name: _block(view, backend, pod, asked, nodes[name]) for name in sorted(left)}
    found = {name: block for name, block in blocks.items() if block is not None}
    if len(found) < len(blocks):
        # What volumes keep a worker off is known of launchers alone.
        return fallback if not pod.is_launcher else _open(told, sorted(blocks.keys() - found.keys()), fallback)
    blocked = {name: (nodes[name], block) for name, block in found.items()}
    return _blocked(view, backend, pod, told, narrow, blocked, leaving)


def _step_of(words: str) -> str:
    return step_for(next(iter(list_refusals(words)), words))


def _open(told: Cause, nodes: Sequence[str], fallback: Cause) -> Cause:
    """Nodes that nothing known refuses. Where all of the scheduler's words are such as the nodes themselves tell, they
    are of before; room is not among them, for of other pods nothing is known here.
    """
    refusals = list_refusals(told.evidence.value)
    if not refusals or not all(any(words in refusal for words in _TOLD_BY_NODES) for refusal in refusals):
        return fallback
    keeps = f"nothing known keeps it off {_enumerate(nodes)} any more"
    step = "wait: the scheduler tries again by itself, within 5m at the latest"
    return replace(told, sentence=f"{keeps}, and the scheduler has not tried again yet", step=step, over=True)


_TOLD_BY_NODES: Final = ("untolerated taint", "node affinity", "node selector", "were unschedulable")
"""Of the scheduler's refusals those that follow from labels, taints and cordons; of volumes' node affinity too."""


def _nowhere(told: Cause, narrow: Sequence[Demand], leaving: str) -> Cause:
    """Each demand has its nodes, and none has them all."""
    said = "; ".join(f"{_enumerate(sorted(demand.nodes))} {_verb(demand.has, len(demand.nodes))}" for demand in narrow)
    more = tuple(demand.evidence for demand in narrow)
    nobody = "no other node" if leaving else "no node"
    return replace(
        told,
        sentence=f"{nobody} has all that it needs: {said}",
        step=narrow[0].step,
        more=more,
        obstacle=_on_no_node_together(narrow, f"{nobody} has all that is asked for: {said}"),
    )


def _on_no_node_together(narrow: Sequence[Demand], sentence: str) -> Obstacle | None:
    first, *others = narrow
    if first.obstacle is None or not all(other.words for other in others):
        return None
    name = " with ".join((first.obstacle.name, *(other.words for other in others)))
    return Obstacle(first.obstacle.kind, name, first.obstacle.label, "is on no node", sentence)


def _on_one_node(demand: Demand, node: str) -> Obstacle | None:
    if demand.obstacle is None or demand.obstacle.kind == Node.KIND:
        return None
    return replace(demand.obstacle, trouble="is on one node", sentence=f"only {node} {_verb(demand.has, 1)}")


# What keeps it off -------------------------------------------------------------------------------------------------


def _block(view: View, backend: str, pod: Pod, asked: Mapping[str, float], node: Node) -> _Block | None:
    """The first filter that refuses a node, in the scheduler's order; None when nothing is known against it. A node
    that would be too small if it were open and empty is told as that, for no step opens it for this VM.
    """
    if resource := _lacks(asked, node, {}):
        return _of_amount(resource, node)
    shut = _shut(pod, node)
    if shut is None:
        return _of_room(view, backend, asked, node)
    resource = "" if shut.empties else _lacks(asked, node, used_on(view, backend, node.metadata.name))
    return _also_full(shut, resource) if resource else shut


def _lacks(asked: Mapping[str, float], node: Node, used: Mapping[str, float]) -> str:
    """The amount that does not suffice on a node of which so much is used; empty where all do."""
    for resource in _AMOUNTS:
        has = quantity(node.status.allocatable.get(resource))
        if has is not None and asked.get(resource, 0.0) > has - used.get(resource, 0.0):
            return resource
    return ""


def _also_full(shut: _Block, resource: str) -> _Block:
    """To open such a node would not suffice."""
    noun = _NAMES[resource]
    one, many = f"{shut.one} and has too little {noun} left", f"{shut.many} and have too little {noun} left"
    return replace(shut, one=one, many=many, step=f"free {noun} on {{}} and {shut.step}", at_fault=False, full=True)


def _shut(pod: Pod, node: Node) -> _Block | None:
    """What keeps it off a node, however much room there is."""
    subject = f"Node {node.metadata.name}"
    if not is_true(node.status.conditions, "Ready"):
        evidence = unready(node)
        return _Block("is not ready", "are not ready", "bring {} back", evidence, True, empties=True)
    if node.spec.unschedulable:
        evidence = Evidence(subject, "spec.unschedulable", "true")
        return _Block("is cordoned", "are cordoned", "uncordon {}", evidence, obstacle=_CORDON)
    if pod.is_launcher and node.metadata.labels.get(SCHEDULABLE) != "true":
        said = f"{SCHEDULABLE}={node.metadata.labels.get(SCHEDULABLE, '')}"
        evidence = Evidence(subject, "metadata.labels", said)
        words = f"no VMs ({said})"
        step = "see the virt-handler pod of {}"
        obstacle = Obstacle("Label", said, "label", "keeps VMs off", "")
        return _Block(f"takes {words}", f"take {words}", step, evidence, True, obstacle=obstacle)
    for taint in node.spec.taints:
        kept = taint.effect in _KEEPS_OUT and taint.key not in _OF_CONDITIONS
        if kept and not any(toleration.bears(taint) for toleration in pod.spec.tolerations):
            evidence = Evidence(subject, "spec.taints", taint.words)
            if taint.key == _DRAIN:
                step = "uncordon {} when it is done"
                obstacle = Obstacle("Drain", "", "drain", "keeps VMs off", "")
                return _Block("is being drained", "are being drained", step, evidence, empties=True, obstacle=obstacle)
            step = f"take the taint away (kubectl taint node {{}} {taint.key}-), or {bear(pod)}"
            obstacle = Obstacle("Taint", taint.words, "taint", "keeps VMs off", "")
            return _Block(f"has taint {taint.words}", f"have taint {taint.words}", step, evidence, obstacle=obstacle)
    return None


def unready(node: Node) -> Evidence:
    """That a node is not ready, as the rule of nodes has it among its evidence too."""
    ready = find_condition(node.status.conditions, "Ready")
    words = (ready.message or ready.reason) if ready is not None else "the node has not reported yet"
    since = parse_time(ready.last_transition_time) if ready is not None else node.created
    status = ready.status if ready is not None else "missing"
    return Evidence(f"Node {node.metadata.name}", f"Ready={status}", words, since)


def _devices_first(asked: Mapping[str, float]) -> Mapping[str, float]:
    """A node that lacks a device is told as that, be it full as well."""
    return dict(sorted(asked.items(), key=lambda item: item[0] in _AMOUNTS))


def _of_room(view: View, backend: str, asked: Mapping[str, float], node: Node) -> _Block | None:
    used = used_on(view, backend, node.metadata.name)
    allocatable = node.status.allocatable
    for resource, amount in asked.items():
        if resource not in allocatable and resource == "ephemeral-storage":
            continue
        has = quantity(allocatable.get(resource)) or 0.0
        if amount <= has - used.get(resource, 0.0):
            continue
        subject = f"Node {node.metadata.name}"
        evidence = Evidence(subject, f"allocatable {resource}", allocatable.get(resource, "none"))
        if resource in _AMOUNTS:
            return _of_amount(resource, node)
        obstacle = Obstacle("Device", resource, "device", "is used up" if has else "is not offered", "")
        if has:
            step = "free one, or add a node"
            return _Block(f"has no {resource} left", f"have no {resource} left", step, evidence, obstacle=obstacle)
        step = "check KVM on {}: BIOS, kvm module, virt-handler" if resource.endswith("/kvm") else (
            f"see the device plugin of {resource} on {{}}"
        )  # fmt: skip
        return _Block(f"offers no {resource}", f"offer no {resource}", step, evidence, True, obstacle=obstacle)
    return None


def _of_amount(resource: str, node: Node) -> _Block:
    words = f"too little {_NAMES[resource]}"
    evidence = Evidence(f"Node {node.metadata.name}", f"allocatable {resource}", node.status.allocatable[resource])
    obstacle = Obstacle(_KINDS[resource], "", _NAMES[resource], "is used up", "")
    return _Block(f"has {words}", f"have {words}", "", evidence, amount=resource, obstacle=obstacle)


_NAMES: Final = {"memory": "memory", "cpu": "CPU"}
_KINDS: Final = {"memory": "Memory", "cpu": "CPU"}


def _blocked(
    view: View,
    backend: str,
    pod: Pod,
    told: Cause,
    narrow: Sequence[Demand],
    blocks: Mapping[str, tuple[Node, _Block]],
    leaving: str,
) -> Cause:
    """The nodes by what keeps the VM off them, those first that have room for it, and of these most of them."""
    groups: dict[str, list[str]] = {}
    for name, (_, block) in blocks.items():
        groups.setdefault(block.many, []).append(name)
    ordered = sorted(groups.values(), key=lambda names: (blocks[names[0]][1].full, -len(names), names))
    pieces, shared, steps, more = [], [], [], [demand.evidence for demand in narrow]
    shortages = {
        names[0]: _tell_amount(view, backend, pod, block.amount, [blocks[one][0] for one in names])
        for names in ordered
        if (block := blocks[names[0]][1]).amount
    }
    for names in ordered:
        block = blocks[names[0]][1]
        words = f"{_count(names, len(blocks), leaving)} {_say(block, names)}"
        short = shortages.get(names[0])
        if short is not None:
            alone = len(ordered) == 1
            pieces.append(short.sentence if alone else f"{words} ({short.sentence})")
            shared.append(short.room if alone else f"{words} ({short.room})")
            more += short.evidence
        else:
            pieces.append(words)
            shared.append(words)
            more.append(block.evidence)
        steps.append(_for_nodes(block, names) if short is None else short.step)
    if leaving:
        pieces.append(f"{leaving} is where it runs")
    sentence = _join(narrow, list(blocks), pieces)
    # A node that is too small for one VM stops no other: what stops others just as well comes before that.
    leads = (names[0] for names in ordered if names[0] not in shortages or not shortages[names[0]].wanted)
    lead = next(leads, ordered[0][0])
    block = blocks[lead][1]
    step = ", or ".join(dict.fromkeys(one for one in steps[:2] if one))
    cause = replace(told, sentence=sentence, step=step, more=tuple(more))
    if block.at_fault and (len(blocks) == 1 or block.empties):
        return replace(cause, culprit=(Node.KIND, "", lead))
    said = "; ".join(shared)
    if (
        not narrow
        and not leaving
        and block.obstacle is _CORDON
        and not any(takes_vms(node) for node, _ in blocks.values())
    ):
        return replace(cause, obstacle=_shut_cluster(backend, said))
    return replace(cause, obstacle=_place(block.obstacle, shortages.get(lead), narrow, list(blocks), said))


def _shut_cluster(backend: str, said: str) -> Obstacle:
    """As the rule of clusters tells it."""
    return Obstacle(BACKEND, backend, "cluster", "takes no VMs", said, "cluster.capacity")


def _place(
    met: Obstacle | None, short: _Shortage | None, narrow: Sequence[Demand], left: Sequence[str], said: str
) -> Obstacle | None:
    """What keeps it off, with the nodes on which others meet it just as well."""
    if met is None:
        return None
    common = [demand for demand in narrow if demand.words]
    where = ""
    if narrow and len(left) == 1:
        where = left[0]
    elif common:
        where = f"nodes with {' and '.join(demand.words for demand in common)}"
        said = f"only {_count(left, 0)} {' and '.join(demand.has for demand in common)}: {said}"
    if short is not None and short.wanted:
        name = f"{short.wanted} on {where}" if where else short.wanted
        return replace(met, name=name, trouble="fits on no node", sentence=said)
    return replace(met, name=met.name or f"of {where or 'the nodes'}", sentence=said)


def _for_nodes(block: _Block, names: Sequence[str]) -> str:
    """The step with the names of the nodes, as far as they are few."""
    return block.step.replace("{}", " ".join(names) if len(names) <= _NAMED else "NAME")


def _join(narrow: Sequence[Demand], left: Sequence[str], pieces: Sequence[str]) -> str:
    """``its PVC db can be used on worker-3 only, which is cordoned``."""
    said = "; ".join(pieces)
    if not narrow:
        return said
    demand = narrow[0]
    if len(left) == 1:
        (name,) = left
        only = demand.only.format(name) if demand.only else f"only {name} {_verb(demand.has, 1)}"
        return f"{only}, and {_after(said, name)}"
    only = " and ".join(one.has for one in narrow)
    return f"only {_count(left, 0)} {only}: {said}"


def _after(said: str, name: str) -> str:
    return f"it {said.removeprefix(f'{name} ')}" if said.startswith(f"{name} ") else said


@dataclass(frozen=True, slots=True)
class _Shortage:
    """What would have to fit, and where it comes nearest to that."""

    sentence: str
    room: str
    """The same without what it needs."""
    step: str
    evidence: tuple[Evidence, ...]
    wanted: str = ""
    """What it needs, where that is more than the largest node has."""


def _tell_amount(view: View, backend: str, pod: Pod, resource: str, nodes: Sequence[Node]) -> _Shortage:
    asked = requests_of(pod.spec.containers)[resource]
    wanted, noun = _amount(resource, asked), _NAMES[resource]
    rooms = []
    for node in nodes:
        name, has = node.metadata.name, quantity(node.status.allocatable.get(resource)) or 0.0
        rooms.append((has, max(0.0, has - used_on(view, backend, name).get(resource, 0.0)), name))
    largest, _, name = max(rooms, key=lambda room: room[:2])
    needs = Evidence(f"Pod {pod.metadata.name}", f"requests.{resource}", wanted)
    if asked > largest:
        has_most = _amount(resource, largest)
        room = f"the largest node, {name}, has {has_most}"
        words = f"it needs {wanted} of {noun}, and {room}"
        evidence = Evidence(f"Node {name}", f"allocatable {resource}", has_most)
        return _Shortage(words, room, f"{lessen(pod, noun)}add a node that has {wanted}", (needs, evidence), wanted)
    large_enough = [room for room in rooms if room[0] >= asked]
    has, free, name = max(large_enough, key=lambda room: (room[1], room[0]))
    left = f"{_amount(resource, free)} of {_amount(resource, has)}"
    where = f"the largest free node, {name}," if len(nodes) > 1 else name
    room = f"{where} has at most {left} left"
    words = f"it needs {wanted} of {noun}, and {room}"
    evidence = Evidence(f"Node {name}", f"allocatable {resource} left", f"{left} beside the pods of KubeVirt and CDI")
    return _Shortage(
        words,
        room,
        f"free {noun} on a node, {'give the VM less, ' if pod.is_launcher else ''}or add a node",
        (needs, evidence),
    )


def _amount(resource: str, value: float) -> str:
    return size(value) if resource == "memory" else f"{value:.3g}"


def _say(block: _Block, names: Sequence[str]) -> str:
    return block.one if len(names) == 1 else block.many


def _count(names: Sequence[str], of: int, leaving: str = "") -> str:
    """The nodes by name, or how many of them."""
    if len(names) <= _NAMED:
        return _enumerate(names)
    every = f"all {of}{' other' if leaving else ''} nodes that take VMs"
    return every if len(names) == of else f"{len(names)} nodes"


def _enumerate(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{len(names)} nodes"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _verb(has: str, count: int) -> str:
    """Of one node: ``has``, ``offers``, ``is``."""
    if count != 1:
        return has
    verb, _, rest = has.partition(" ")
    singular = {"have": "has", "are": "is", "can": "can"}.get(verb, f"{verb}s")
    return f"{singular} {rest}"
