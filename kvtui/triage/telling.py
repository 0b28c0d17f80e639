"""What is told of a problem in words: the trouble, its cause, what stands between, how it is known, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kvtui.joins.reach import Tie, reach_of
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.bastion import Bastion
from kvtui.records.kubernetes import Namespace
from kvtui.store import View
from kvtui.text import age
from kvtui.triage.base import backend_ref
from kvtui.triage.problems import Problem
from kvtui.triage.runbooks import runbook_of

_Name = tuple[str, str, str, str]
"""A Ref without its uid."""


@dataclass(frozen=True, slots=True)
class Story:
    """A problem as one of its subjects meets it."""

    finding: Finding
    """Of the subject itself."""
    chain: tuple[Finding, ...]
    """What it rests on, one below the other, down to the root; empty when it is the root."""
    effects: tuple[Finding, ...]
    """What else the root brings about."""
    tie: Tie = Tie.OWN
    """How its subject bears on the object that is asked about."""

    @property
    def severity(self) -> Severity:
        """Of the worst on the way to the root."""
        return max(one.severity for one in (self.finding, *self.chain))

    @property
    def root(self) -> Finding:
        """Where it comes from."""
        return self.chain[-1] if self.chain else self.finding

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All of it, each once: its own first, then that of what it rests on."""
        found = (evidence for finding in (self.finding, *self.chain) for evidence in finding.evidence)
        return tuple(dict.fromkeys(found))

    @property
    def told_chain(self) -> tuple[Finding, ...]:
        """The chain for whoever reads it under the finding: a root in which nothing is found has the cause and evidence
        of what rests on it, and those are not told twice.
        """
        above = (self.finding, *self.chain)
        return tuple(
            replace(below, cause="", evidence=()) if below.cause == one.cause else below
            for one, below in zip(above, self.chain, strict=False)
        )

    @property
    def step(self) -> str:
        """What to do: at the root, for the rest follows."""
        return self.root.step or self.finding.step

    @property
    def runbook(self) -> str:
        """Of the root, or of itself: its name; empty where there is none."""
        return runbook_of(self.root) or runbook_of(self.finding)


def tell_stories(view: View, ref: Ref, row: Any, problems: Sequence[Problem]) -> list[Story]:
    """What is wrong with an object and with all that bears on it, the worst first.

    Of the object and its parts everything is told, and what names it as its cause; of what else bears on it each
    problem once, as the nearest meets it, where it is to alarm. What a story tells on its way to the root is not told
    again. What is only worth knowing of another that names it is told where nothing is wrong.
    """
    ties = {one[:4]: tie for one, tie in full_reach(view, ref, row).items()}
    if ref.kind == Namespace.KIND:
        subjects = (finding.subject for problem in problems for finding in problem.findings)
        ties |= {one[:4]: Tie.PART for one in subjects if (one.backend, one.namespace) == (ref.backend, ref.name)}
    order = {name: at for at, name in enumerate(ties)}
    stories = [
        Story(finding, tuple(_follow(finding, problem)), _others(finding, problem), _tie(ref, finding, ties))
        for problem in problems
        for finding in _of_object(ref, problem, ties) or _nearest(problem, order)
    ]
    told = {(below.subject, below.rule) for story in stories for below in story.chain}
    left = [story for story in stories if (story.finding.subject, story.finding.rule) not in told]
    if any(story.severity > Severity.INFO for story in left):
        left = [story for story in left if not is_note(story, ref)]
    return sorted(left, key=lambda story: (-story.severity, list(Tie).index(story.tie)))


def is_note(story: Story, ref: Ref) -> bool:
    """Whether it is no trouble of an object, but worth knowing of another that names it."""
    return story.severity is Severity.INFO and story.finding.subject[:4] != ref[:4] and ref in story.finding.about


def _tie(ref: Ref, finding: Finding, ties: Mapping[_Name, Tie]) -> Tie:
    """How what is found bears on an object; of what names it as its cause, as its own."""
    return Tie.OWN if ref in finding.about else ties.get(finding.subject[:4], Tie.OWN)


def _of_object(ref: Ref, problem: Problem, ties: Mapping[_Name, Tie]) -> list[Finding]:
    """What is found in the object and its parts; nothing of that: what names it as its cause."""
    own = [one for one in problem.findings if one.subject[:4] in ties and _tie(ref, one, ties) is Tie.OWN]
    return own or [one for one in problem.findings if one.root is not None and one.root[:4] == ref[:4]]


def _nearest(problem: Problem, order: Mapping[_Name, int]) -> list[Finding]:
    """What is found in the nearest of all that bears on an object, where that is to alarm."""
    near = [one for one in problem.findings if one.severity > Severity.INFO and one.subject[:4] in order]
    return [min(near, key=lambda one: order[one.subject[:4]])] if near else []


def full_reach(view: View, ref: Ref, row: Any) -> dict[Ref, Tie]:
    """What bears on an object, with the backends that it is seen by and the bastions before those."""
    reach = reach_of(view, ref, row)
    backends = dict.fromkeys(one.backend for one in reach)
    reach |= {backend_ref(name): Tie.KEEPER for name in backends}
    for at, bastion in view.items(Bastion):
        if not backends.keys().isdisjoint((*bastion.contexts, *bastion.hosts)):
            reach[at] = Tie.KEEPER
    return reach


def _follow(finding: Finding, problem: Problem) -> Iterator[Finding]:
    """The findings that a finding rests on, down to the root."""
    by_subject = {one.subject[:4]: one for one in reversed(problem.findings)}
    seen = {finding.subject[:4]}
    while finding.root is not None and finding.root[:4] not in seen:
        below = by_subject.get(finding.root[:4])
        if below is None or (problem.spoken and below is problem.finding):
            return
        seen.add(finding.root[:4])
        yield below
        finding = below


def _others(finding: Finding, problem: Problem) -> tuple[Finding, ...]:
    chain = {finding.subject[:4], *(below.subject[:4] for below in _follow(finding, problem))}
    return tuple(one for one in problem.effects if one.subject[:4] not in chain)


def headline(finding: Finding, name: str, now: float) -> str:
    """Who, what, and for how long: ``vm shop/db-2 does not start, for 4m``."""
    since = f", for {age(now - finding.since)}" if finding.since is not None else ""
    return f"{finding.label} {name} {finding.trouble}{since}"


def evidence_line(evidence: Evidence, now: float) -> str:
    """Where it stands and what it says: ``PVC db-2-data phase: Pending (4m)``."""
    since = f" ({age(now - evidence.since)})" if evidence.since is not None else ""
    # A condition may have its reason for a message.
    value = f": {evidence.value}" if evidence.value and not evidence.field.endswith(f" {evidence.value}") else ""
    return f"{evidence.subject} {evidence.field}{value}{since}"
