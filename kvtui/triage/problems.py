"""Problems: findings that have one cause, told once, with what the cause brings about."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from kvtui.model import Finding, Ref, Severity
from kvtui.records.bastion import Bastion
from kvtui.records.libvirt import Host
from kvtui.text import join_clauses
from kvtui.triage.base import BACKEND

_Name = tuple[str, ...]
"""A Ref without its uid: a root need not exist, and whoever names it does not know which one is meant."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause: the finding that stands for it, and the findings that it brings about."""

    finding: Finding
    """At the root; where nothing is found in the root itself and one thing suffers from it, what is found in that."""
    effects: tuple[Finding, ...] = ()
    """The worst first."""
    spoken: bool = False
    """Whether the finding says no more than what the effects say of their root."""

    @property
    def severity(self) -> Severity:
        """Of the worst of it."""
        return max(finding.severity for finding in self.findings)

    @property
    def findings(self) -> Sequence[Finding]:
        """All of it, the root first."""
        return (self.finding, *self.effects)

    @property
    def cause(self) -> str:
        """The cause with what it does to others, which comes first where it is grave: ``stops 14 VMs: kubelet stopped
        posting node status``.
        """
        harm, cause = _harm(self.finding, self.effects), self.finding.cause
        if not harm:
            return cause
        grave = any(finding.severity is Severity.BAD for finding in self.effects)
        return f"{harm}: {cause}" if grave else join_clauses(cause, harm)


def group_problems(findings: Sequence[Finding]) -> tuple[Problem, ...]:
    """Findings by their roots, in the order in which they come: the worst first."""
    by_name: dict[_Name, Finding] = {}
    for finding in findings:
        by_name.setdefault(finding.subject[:4], finding)
        by_name[(*finding.subject[:4], finding.rule)] = finding
    groups: dict[_Name, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_root_name(finding, by_name), []).append(finding)
    problems = [_make_problem(name, members) for name, members in groups.items()]
    return tuple(sorted(problems, key=_worst_problem_first))


def _worst_problem_first(problem: Problem) -> tuple[int, bool, float, str, str]:
    order = worst_first(problem.finding)
    return (-problem.severity, *order[1:]) if problem.effects else order


def _root_name(finding: Finding, by_name: dict[_Name, Finding]) -> _Name:
    """What to group by: the last root on the way down, or the finding itself where there is none."""
    if finding.root is None:
        return (*finding.subject[:4], finding.rule)
    seen = {finding.subject[:4]}
    while finding.root is not None:
        name = finding.root[:4]
        below = by_name.get(name if finding.at_root is None else (*name, finding.at_root.rule))
        if below is None:
            return name
        if name in seen:
            break
        seen.add(name)
        finding = below
    return (*finding.subject[:4], finding.rule)


def _make_problem(name: _Name, members: Sequence[Finding]) -> Problem:
    if len(members) == 1:
        return Problem(members[0])
    first = next((one for one in members if (*one.subject[:4], one.rule) == name), None)
    nearest = [one for one in members if one.root is not None and one.root[:4] == name]
    if first is None and len(nearest) == 1:
        # Nothing is found in the root itself, be it that it does not exist: what alone rests on it speaks for itself.
        first = nearest[0]
    if first is not None:
        return Problem(first, tuple(one for one in members if one is not first))
    root = nearest[0].root
    assert root is not None
    oldest = min((one.since for one in members if one.since is not None), default=None)
    seen = min((one.seen for one in members if one.seen is not None), default=None)
    spoken = next((one.at_root for one in nearest if one.at_root is not None), None)
    if spoken is not None:
        return Problem(replace(spoken, since=oldest, seen=seen), tuple(members), spoken=True)
    trouble = _FAULTS.get(root.kind, "is at fault")
    finding = replace(nearest[0], subject=root, label=label_of(root), trouble=trouble, since=oldest, seen=seen)
    return Problem(finding, tuple(members))


_FAULTS: Final = {"Namespace": "refuses pods", "ResourceQuota": "is exceeded"}
"""What is wrong with an object of that kind when others rest on it."""


def split_problem(problem: Problem, place_of: Callable[[Ref], str]) -> dict[str, Problem]:
    """A problem by the places that it touches: the whole where its root is; elsewhere the root with what it brings
    about there, or the one thing that suffers there.
    """
    places: dict[str, list[Finding]] = {}
    for finding in problem.findings:
        places.setdefault(place_of(finding.subject), []).append(finding)
    return {place: _part_of(problem, members) for place, members in places.items()}


def _part_of(problem: Problem, members: Sequence[Finding]) -> Problem:
    if any(one is problem.finding for one in members):
        return problem
    return Problem(members[0]) if len(members) == 1 else replace(problem, effects=tuple(members))


def label_of(ref: Ref) -> str:
    """What an object is called in a line, by its kind."""
    return _LABELS.get(ref.kind, ref.kind.lower())


_LABELS = {
    "PersistentVolumeClaim": "claim",
    "StorageClass": "class",
    "PersistentVolume": "pv",
    "KubeadmControlPlane": "control plane",
    "ResourceQuota": "quota",
    "CephCluster": "ceph",
    "NetworkAttachmentDefinition": "network",
    "DataSource": "data source",
    "VirtualMachine": "vm",
}

_HARMS = (
    ("node", "takes down", "node"),
    ("vm", "stops", "VM"),
    ("migration", "holds up", "migration"),
    ("import", "holds up", "import"),
    ("kubevirt", "holds up", "rollout"),
)
"""What a cause does to subjects of a label, and what those are called."""
_DONE = frozenset({"layers.disk"})
"""Rules that tell of imports which are over: these hold nothing up."""
_PARTS = frozenset({"API service", "claim", "pod"})
"""Labels of what others are made of: it counts only where nothing else does."""


def _harm(root: Finding, effects: Sequence[Finding]) -> str:
    """What a cause does to others, counted: ``stops 14 VMs, holds up 2 imports``; a single VM is named."""
    effects = [one for one in effects if one.rule not in _DONE]
    between = {one.root[:4] for one in effects if one.root is not None}
    counted = [one for one in effects if one.label not in _PARTS and not _is_link(one, between)]
    if not counted and root.label not in {"class", "deployment", "import", "node", "vm"}:
        counted = list(effects)
    counts = Counter(finding.label for finding in counted)
    words = []
    for label, verb, noun in _HARMS:
        count = counts.pop(label, 0)
        if label == "vm" and all(one.severity is not Severity.BAD for one in counted if one.label == label):
            verb = "troubles"
        if label == "node" and root.label == "pod":
            verb = "cuts off"
        if count == 1 and label == "vm":
            words.append(f"{verb} VM {next(one.subject.path for one in counted if one.label == label)}")
        elif count:
            words.append(f"{verb} {_count(count, noun)}")
    return ", ".join((*words, *(f"touches {_count(number, label)}" for label, number in counts.items())))


def _is_link(finding: Finding, between: Set[_Name]) -> bool:
    """Whether it is an import that only stands between the cause and the VM that waits for it."""
    return finding.label == "import" and finding.subject[:4] in between


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def worst_first(finding: Finding) -> tuple[int, bool, float, str, str]:
    """The worst first, of those a backend or host that nothing is known of before all else, then the oldest."""
    about_objects = finding.subject.kind not in (BACKEND, Host.KIND, Bastion.KIND)
    since = math.inf if finding.since is None else finding.since
    return (-finding.severity, about_objects, since, finding.subject.path, finding.rule)
