"""Why no node takes a VM where the nodes cannot be seen: the scheduler's words, and what the launcher pod asks for.

How many nodes are refused and why stands in the words (kubevirt-api.md 9.1, rows 1 to 6); what they lack is in the pod.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kvtui.joins.causes import Cause, Obstacle
from kvtui.joins.machine import Machine
from kvtui.joins.room import requests_of
from kvtui.model import Evidence
from kvtui.records.kubernetes import Node, Pod
from kvtui.text import size
from kvtui.triage.demands import Demand, bear, lessen, list_selections
from kvtui.triage.messages import step_for

NO_NODE: Final = "no node takes it: "
_COUNTED: Final = re.compile(r"(\d+) (?:node\(s\) )?(.+)")
_TAINT: Final = re.compile(r"untolerated taint \{(?P<key>[^:}]+): ?(?P<value>[^}]*)\}")
_SHORT: Final = re.compile(r"Insufficient (\S+)")
_OF_ROLES: Final = "node-role.kubernetes.io/"
"""Taints of nodes that are not for VMs: control planes."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why so many nodes are refused."""

    words: str
    """What is said of them: ``10 nodes are cordoned``."""
    step: str
    evidence: tuple[Evidence, ...] = ()
    obstacle: Obstacle | None = None
    """What refuses other VMs just as well."""
    shared: str = ""
    """The words without what only this VM asks for, where that is said in them."""


def explain_unseen(machine: Machine | None, pod: Pod, told: Cause) -> Cause:
    """The cause as far as it can be told without the nodes; `told`, with a step, where nothing more is known."""
    words = told.evidence.value
    refusals = [_read(machine, pod, count, refusal) for count, refusal in _list_refusals(words)]
    if not refusals:
        return replace(told, step=step_for(words))
    first = refusals[0]
    obstacle = first.obstacle
    if obstacle is not None:
        sentence = "; ".join(one.shared or one.words for one in refusals)
        obstacle = replace(obstacle, sentence=sentence)
    return replace(
        told,
        sentence=f"{NO_NODE}{'; '.join(one.words for one in refusals)}",
        step=_step_of_volume(words) or first.step,
        more=tuple(evidence for one in refusals for evidence in one.evidence),
        obstacle=obstacle,
    )


def find_obstacle(machine: Machine | None, pod: Pod, told: Cause) -> Obstacle | None:
    """What others meet just as well, by the scheduler's words alone."""
    return explain_unseen(machine, pod, told).obstacle


def _list_refusals(words: str) -> list[tuple[int, str]]:
    """How many nodes are refused why, most first; nodes of the control plane come last, for they are not for VMs."""
    listed = words.partition("available: ")[2] or words
    pieces = (_COUNTED.fullmatch(piece) for piece in listed.partition(". ")[0].rstrip(".").split(", "))
    counted = [(int(found[1]), found[2]) for found in pieces if found is not None]
    return sorted(counted, key=lambda one: (f"{{{_OF_ROLES}" in one[1], -one[0]))


def _step_of_volume(words: str) -> str:
    """A volume that keeps a VM on a node which is cordoned is told by two refusals of different nodes."""
    if all(one in words for one in ("volume node affinity", "were unschedulable")):
        return "the node of its volume is most likely the one that is cordoned: whoever may, uncordon that"
    return ""


def _read(machine: Machine | None, pod: Pod, count: int, words: str) -> _Refusal:
    who, verb = ("1 node", _SINGULAR) if count == 1 else (f"{count} nodes", _PLURAL)
    for pattern, read in _READERS.items():
        if pattern in words:
            found = read(machine, pod, f"{who} ", verb, words)
            if found is not None:
                return found
    return _Refusal(f"{who} {words}" if "Insufficient" not in words else f"{who}: {words}", step_for(words))


_Verbs = Mapping[str, str]
_PLURAL: Final[_Verbs] = {"have": "have", "lack": "lack", "are": "are"}
_SINGULAR: Final[_Verbs] = {"have": "has", "lack": "lacks", "are": "is"}


def _of_selection(machine: Machine | None, pod: Pod, who: str, verb: _Verbs, _words: str) -> _Refusal | None:
    """Labels and node affinity that they do not have. Which of them is not told: what all VMs ask for comes last."""
    demands = list(list_selections(machine, pod, {}))
    own = [demand for demand in demands if not _is_usual(demand)] or demands
    if not own:
        return None
    usual = _enumerate([demand for demand in demands if demand not in own]).replace(_ARCH, "arch ")
    things = f"{'one of ' if len(own) > 1 else ''}{_enumerate(own)}{f' (or {usual})' if usual else ''}"
    lacks = f"{who}{verb['lack']} {things}"
    evidence = tuple(demand.evidence for demand in own)
    return _Refusal(f"{lacks}, which it asks for", _step_of_demand(own[0]), evidence, _lacking(own), lacks)


_ARCH: Final = "label kubernetes.io/arch="


def _is_usual(demand: Demand) -> bool:
    return demand.words.startswith(_ARCH) or demand.evidence.value.startswith("machine-type.")


def _enumerate(demands: Sequence[Demand]) -> str:
    return " or ".join(demand.words for demand in demands)


def _lacking(demands: Sequence[Demand]) -> Obstacle | None:
    first, *others = demands
    if first.obstacle is None:
        return None
    name = " with ".join((first.obstacle.name, *(other.words for other in others)))
    return replace(first.obstacle, name=name, trouble="is lacking")


def _step_of_demand(demand: Demand) -> str:
    """What its owner can do, and what takes somebody who may change nodes."""
    kind, name = (demand.obstacle.kind, demand.obstacle.name) if demand.obstacle is not None else ("", "")
    if _is_usual(demand):
        return "have somebody who may see the nodes compare their labels with what it asks for"
    if kind == "CPUModel":
        return f"choose another domain.cpu.model than {name}, such as host-model"
    if kind == "Label":
        return f"correct the nodeSelector, or have a node with {demand.words} added"
    if kind == Node.KIND:
        return f"correct the nodeSelector, or have {demand.words} brought back"
    return demand.step


def _of_shortage(_machine: Machine | None, pod: Pod, who: str, verb: _Verbs, words: str) -> _Refusal | None:
    found = _SHORT.search(words)
    resource = found[1] if found is not None else ""
    asked = requests_of(pod.spec.containers).get(resource)
    if asked is None:
        return None
    if resource not in _NOUNS:
        obstacle = Obstacle("Device", resource, "device", "does not suffice", "")
        step = "leave the device out of the VM, or have a node with a free one added"
        return _Refusal(f"{who}{verb['have']} no free {resource}", step, (), obstacle)
    noun, kind = _NOUNS[resource]
    wanted = size(asked) if resource == "memory" else f"{asked:.3g}"
    short = f"{who}{verb['have']} too little {noun}"
    return _Refusal(
        f"{short}: it needs {wanted}",
        f"{lessen(pod, noun)}have {wanted} of {noun} made free on a node",
        (Evidence(f"Pod {pod.metadata.name}", f"requests.{resource}", wanted),),
        Obstacle(kind, "of the nodes", noun, "does not suffice", ""),
        short,
    )


_NOUNS: Final = {"memory": ("memory", "Memory"), "cpu": ("CPU", "CPU")}


def _of_taint(_machine: Machine | None, pod: Pod, who: str, verb: _Verbs, words: str) -> _Refusal | None:
    found = _TAINT.search(words)
    if found is None:
        return None
    taint = "=".join(filter(None, (found["key"], found["value"])))
    step = f"{bear(pod, taint)}, or have the taint taken away"
    obstacle = Obstacle("Taint", taint, "taint", "keeps VMs off", "")
    return _Refusal(f"{who}{verb['have']} taint {taint}", step, (), obstacle)


def _of_cordon(_machine: Machine | None, _pod: Pod, who: str, verb: _Verbs, _words: str) -> _Refusal:
    obstacle = Obstacle("Cordon", "of the nodes", "cordon", "keeps VMs off", "")
    return _Refusal(f"{who}{verb['are']} cordoned", "have one that is cordoned uncordoned", (), obstacle)


_READERS: Final[Mapping[str, Callable[[Machine | None, Pod, str, _Verbs, str], _Refusal | None]]] = {
    "Pod's node affinity": _of_selection,
    "node selector": _of_selection,
    "Insufficient": _of_shortage,
    "untolerated taint": _of_taint,
    "were unschedulable": _of_cordon,
}
"""By what the scheduler writes (plugins nodeaffinity, noderesources, tainttoleration, nodeunschedulable)."""
