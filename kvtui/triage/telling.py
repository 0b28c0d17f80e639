"""What is told of a problem in words: the trouble, its cause, what stands between, how it is known, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kvtui.model import Evidence, Finding, Ref
from kvtui.text import age
from kvtui.triage.problems import Problem


@dataclass(frozen=True, slots=True)
class Story:
    """A problem as one of its subjects meets it."""

    finding: Finding
    """Of the subject itself."""
    chain: tuple[Finding, ...]
    """What it rests on, one below the other, down to the root; empty when it is the root."""
    effects: tuple[Finding, ...]
    """What else the root brings about."""

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
    def step(self) -> str:
        """What to do: at the root, for the rest follows."""
        return self.root.step or self.finding.step


def tell_stories(problems: Sequence[Problem], subjects: Sequence[Ref]) -> list[Story]:
    """What is wrong with some objects, the worst first; what another of them rests on is told with that."""
    names = {ref[:4] for ref in subjects}
    stories = [
        Story(finding, tuple(_follow(finding, problem)), _others(finding, problem))
        for problem in problems
        for finding in problem.findings
        if finding.subject[:4] in names
    ]
    told = {(below.subject, below.rule) for story in stories for below in story.chain}
    return [story for story in stories if (story.finding.subject, story.finding.rule) not in told]


def _follow(finding: Finding, problem: Problem) -> Iterator[Finding]:
    """The findings that a finding rests on, down to the root."""
    by_subject = {one.subject[:4]: one for one in reversed(problem.findings)}
    seen = {finding.subject[:4]}
    while finding.root is not None and finding.root[:4] not in seen:
        below = by_subject.get(finding.root[:4])
        if below is None:
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
    value = f": {evidence.value}" if evidence.value else ""
    return f"{evidence.subject} {evidence.field}{value}{since}"
