"""Runs the rules: each change is judged by the rules that it has a part in, and nothing else is looked at."""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kvtui.joins.machine import has_row
from kvtui.model import FeedState, Finding, Ref, Severity
from kvtui.records.base import Record
from kvtui.store import Change, Delta, View
from kvtui.triage.base import WELL, Complaint, Judgement, Related, Rule, backend_ref
from kvtui.triage.complaints import merge_complaints, tell_untold
from kvtui.triage.problems import Problem, group_problems, worst_first

_ALL_THERE: Final = 30.0
"""Seconds after the last list of a backend in which figures come: what is found until then may have begun before."""

_Rules = frozenset[str]
"""Rules by their ids."""


@dataclass(slots=True)
class _Case:
    """What is kept of a rule and a subject where there is more to say than that all is well."""

    told: Finding | None = None
    hidden: Finding | None = None
    """What was told before nobody could tell any more."""
    first: float | None = None
    """Since when there is something to find, told already or not yet."""
    witnessed: bool = False
    """Whether that was seen to begin, and not only seen first."""
    leaving: float | None = None
    """When what is told and no longer so will go."""
    due: float | None = None
    """When the rule is to be asked again."""
    unexplained: float | None = None
    """Since when no reason is found any more."""
    complaints: tuple[Complaint, ...] = ()
    """What is told, one by one, where it may yield to what rules tell."""

    @property
    def closed(self) -> bool:
        """Whether nothing is left to be kept."""
        return self.first is None and self.hidden is None and self.due is None


_NO_RULES: Mapping[Related, _Rules] = {}
_NO_CASES: Mapping[str, _Case] = {}


class Engine:
    """Keeps the findings of all rules up to date."""

    def __init__(self, rules: Sequence[Rule] | None = None) -> None:
        """Without `rules`, all that there are: they are loaded when there is something to judge."""
        self._rules: Mapping[str, Rule] = {}
        self._of_feeds: _Rules = frozenset()
        self._by_type: Mapping[type[Record], Mapping[Related, _Rules]] = {}
        if rules is not None:
            self._learn(rules)
        self._changes: deque[Change[Record]] = deque()
        """What changed, and nobody has asked yet whom it concerns."""
        self._stirred: set[str] = set()
        """Backends of which a feed changed, and nothing was made of it yet."""
        self._told: set[str] = set()
        """Backends that told a list, and it was not noted yet when."""
        self._known_from: dict[str, float] = {}
        """When each backend last told a list; of one that told none, when something of it was known first."""
        self._todo: dict[Ref, _Rules] = {}
        """What is still to be judged: by subject, for its rules look at the same records."""
        self._changed = False
        """Whether anything else is found than was told last."""
        self._telling: Iterator[None] | None = None
        """The rest of what is being told, in parts."""
        self.waits = True
        """Whether what is found must stand for a while before it is told, and what is seen to begin is as old as that:
        who looks but once can neither wait nor see.
        """
        self.holds = False
        """Whether changes are only gathered: who looks but once judges when all is there, and half a view misleads."""
        self._cases: dict[Ref, dict[str, _Case]] = {}
        """By subject and rule."""
        self._queue: list[tuple[float, str, Ref]] = []
        """When to ask which rule of which subject again, the earliest first; obsolete where its case says otherwise."""
        self._sorted: tuple[Finding, ...] = ()
        self._problems: tuple[Problem, ...] = ()
        self._worst: Mapping[tuple[str, ...], Finding] = {}

    @property
    def findings(self) -> Sequence[Finding]:
        """What is wrong now, the worst first and of those the oldest."""
        return self._sorted

    @property
    def problems(self) -> Sequence[Problem]:
        """The same by causes: each cause once, with what it brings about."""
        return self._problems

    @property
    def worst(self) -> Mapping[tuple[str, ...], Finding]:
        """By the names of each subject, the worst that is to alarm; another mapping whenever the findings change."""
        return self._worst

    @property
    def behind(self) -> bool:
        """Whether something is still to be judged or told, for patience was at its end."""
        return not self.holds and bool(self._changes or self._stirred or self._todo or self._telling)

    def update(self, view: View, delta: Delta, now: float, patience: float = math.inf) -> bool:
        """Judge what the delta and the time have changed; whether the findings are others than before.

        `patience` is how many seconds it may take: the rest is judged by the next calls, and told when it is all done.
        """
        end = time.perf_counter() + patience
        self.put_off(delta)
        self._known_from |= dict.fromkeys(self._told, now)
        self._told.clear()
        if self.holds:
            return False
        if not self._rules:
            from kvtui.triage.rules import RULES

            self._learn(RULES)
        while self._stirred:
            self._note(backend_ref(self._stirred.pop()), self._of_feeds)
        self._note_due(now)
        while self._changes or self._todo:
            if self._changes:
                change = self._changes.popleft()
                self._known_from.setdefault(change.ref.backend, now)
                self._note_concerned(view, change)
            else:
                # The newest first: taking the oldest out of a large dict is slow.
                ref, rules = self._todo.popitem()
                self._changed = self._judge(view, ref, rules, now) or self._changed
            if time.perf_counter() >= end:
                break
        if self._changes or self._todo:
            return False
        if self._changed:
            self._changed, self._telling = False, self._tell()
        return self._telling is not None and self._tell_on(end)

    def _tell_on(self, end: float) -> bool:
        """Tell as far as there is time; whether all is told."""
        for _ in self._telling or ():
            if time.perf_counter() >= end:
                return False
        self._telling = None
        return True

    def _tell(self) -> Iterator[None]:
        """Put in order what is found, in parts: thousands of findings take longer than the keyboard should wait."""
        counted = tuple(self._counted())
        yield
        found = tuple(sorted(counted, key=worst_first))
        yield
        problems = group_problems(found)
        yield
        alarming = (one for one in reversed(found) if one.severity > Severity.INFO)
        worst = {one.subject[:4]: one for one in alarming} | _raised(problems)
        self._sorted, self._problems, self._worst = found, problems, worst

    def put_off(self, delta: Delta) -> None:
        """Leave a delta to be judged with the next one."""
        self._changes.extend(delta.changes)
        self._stirred.update(feed.backend for feed in delta.feeds)
        self._told.update(feed.backend for feed in delta.feeds if feed.state is FeedState.LIVE)

    def _learn(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._of_feeds = frozenset(rule.id for rule in rules if rule.feeds)
        self._by_type = _group_rules(rules)

    def _note(self, ref: Ref, rules: _Rules) -> None:
        """Have a subject judged by these rules."""
        known = self._todo.get(ref)
        if known is None:
            self._todo[ref] = rules
        elif not rules <= known:
            self._todo[ref] = known | rules

    def _note_concerned(self, view: View, change: Change[Record]) -> None:
        subject = change.ref
        records = [record for record in (change.old, change.new) if record is not None]
        for related, rules in self._by_type.get(type(change.record), _NO_RULES).items():
            for record in records:
                for ref in related(view, subject, record):
                    self._note(ref, rules)

    def _note_due(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            at, rule, ref = heapq.heappop(self._queue)
            case = self._cases.get(ref, _NO_CASES).get(rule)
            if case is not None and case.due == at:
                self._note(ref, frozenset((rule,)))

    def _counted(self) -> Iterator[Finding]:
        """All that is told, but for complaints that rules tell of."""
        told: list[Finding] = []
        complaints: list[tuple[Complaint, ...]] = []
        for cases in self._cases.values():
            for case in cases.values():
                if case.complaints:
                    complaints.append(case.complaints)
                elif case.told is not None:
                    told.append(case.told)
        yield from told
        yield from tell_untold(complaints, told)

    def _judge(self, view: View, ref: Ref, rules: _Rules, now: float) -> bool:
        """Ask rules about a subject; whether other things are told of it than before."""
        changed = False
        cases = self._cases.get(ref, _NO_CASES)
        if not cases and not has_row(view, ref):
            return False
        for name in rules:
            rule = self._rules[name]
            try:
                judgement = rule.judge(view, ref, now)
            except Exception as error:  # noqa: BLE001 - boundary: a rule that fails must cost no more than its own word
                judgement = Judgement(_own_fault(name, ref, error))
            if judgement is not WELL or name in cases:
                changed = self._follow(view, rule, ref, judgement, now) or changed
        return changed

    def _follow(self, view: View, rule: Rule, ref: Ref, judgement: Judgement, now: float) -> bool:
        """Go on with the case of a rule and its subject; whether something else is told of it than before."""
        case = self._cases.setdefault(ref, {}).setdefault(rule.id, _Case())
        before = case.told
        if self.waits:
            judgement = _hold_back(case, judgement, rule.patience, now)
        if judgement.finding is None:
            linger = rule.linger if view.record(ref) is not None and not judgement.over else 0.0
            due = _miss(case, judgement, linger, now)
        else:
            finding, settle = judgement.finding, rule.settle if self.waits and not judgement.confirmed else 0.0
            if finding.since is None:
                if case.first is None:
                    case.witnessed = self.waits and self._looks_on(view, ref, now)
                finding = _date(case, finding, now)
            due = _find(case, judgement, finding, settle, now)
            if rule.look_again:
                due = _earliest(due, now + rule.look_again)
        if case.due != due:
            case.due = due
            if due is not None:
                heapq.heappush(self._queue, (due, rule.id, ref))
        if case.closed:
            self._close(ref, rule.id)
        return case.told is not before

    def _looks_on(self, view: View, ref: Ref, now: float) -> bool:
        """Whether all of its backend was there before, so that what is found now has begun since."""
        if now < self._known_from.get(ref.backend, now) + _ALL_THERE:
            return False
        unsure = (FeedState.LOADING, FeedState.STALE)
        return not any(feed.state in unsure and (feed.backend, feed.kind) == ref[:2] for feed in view.feeds())

    def _close(self, ref: Ref, rule: str) -> None:
        cases = self._cases[ref]
        del cases[rule]
        if not cases:
            del self._cases[ref]


def _raised(problems: Sequence[Problem]) -> dict[tuple[str, ...], Finding]:
    """Roots that are as grave as the worst that they bring about."""
    return {
        problem.finding.subject[:4]: replace(problem.finding, severity=problem.severity)
        for problem in problems
        if problem.severity > max(problem.finding.severity, Severity.INFO)
    }


def _group_rules(rules: Sequence[Rule]) -> Mapping[type[Record], Mapping[Related, _Rules]]:
    """By type of record: the rules of each way to their subjects, so that each way is gone but once."""
    found: dict[type[Record], dict[Related, _Rules]] = {}
    for rule in rules:
        for type_, related in rule.related.items():
            ways = found.setdefault(type_, {})
            ways[related] = ways.get(related, frozenset()) | {rule.id}
    return found


def _hold_back(case: _Case, judgement: Judgement, patience: float, now: float) -> Judgement:
    """What has no reason is not told for a while, unless it is so when its subject is first seen."""
    if not judgement.unexplained:
        case.unexplained = None
        return judgement
    if case.unexplained is None:
        case.unexplained = now - patience if case.closed else now
    ripe = case.unexplained + patience
    return judgement if ripe <= now else Judgement(again=_earliest(judgement.again, ripe))


def _miss(case: _Case, judgement: Judgement, linger: float, now: float) -> float | None:
    """Nothing is found. What was told is kept for a while, and forgotten then; when to ask again."""
    if judgement.hidden:
        case.hidden = case.told or case.hidden
    else:
        case.hidden = None
        if case.told is not None and linger:
            case.leaving = case.leaving if case.leaving is not None else now + linger
            if now < case.leaving:
                return _earliest(judgement.again, case.leaving)
    case.told = case.first = case.leaving = None
    case.complaints = ()
    return judgement.again


def _find(case: _Case, judgement: Judgement, finding: Finding, settle: float, now: float) -> float | None:
    """Something is found. It is told once it has settled; when to ask again."""
    case.leaving = case.hidden = None
    complaints, due = _ripen(judgement.complaints, finding, settle, now)
    finding = merge_complaints(complaints) if complaints else finding
    if case.first is None:
        # The clock of a server that is ahead of ours makes nothing wait.
        case.first = min(finding.since or now, now)
    if case.told is None and now < case.first + settle:
        return _earliest(judgement.again, case.first + settle)
    if (finding, complaints) != (case.told, case.complaints):
        case.told, case.complaints = finding, complaints
    return _earliest(judgement.again, due)


def _ripen(
    complaints: Iterable[Complaint], finding: Finding, settle: float, now: float
) -> tuple[tuple[Complaint, ...], float | None]:
    """Those that have settled, all where none has, dated as `finding` where they have no time; when the next will."""
    since, seen = finding.since, finding.seen
    dated = [
        one if one.finding.since is not None else replace(one, finding=replace(one.finding, since=since, seen=seen))
        for one in complaints
    ]
    due = [at + settle for one in dated if (at := one.finding.since) is not None and at <= now < at + settle]
    ripe = tuple(one for one in dated if one.finding.since is None or not now - settle < one.finding.since <= now)
    return ripe or tuple(dated), min(due, default=None)


def _date(case: _Case, finding: Finding, now: float) -> Finding:
    """The finding, which does not say itself since when it stands, with when it was seen to begin, or only seen."""
    before = case.told
    if before is None and case.hidden is not None and case.hidden.trouble == finding.trouble:
        before = case.hidden
    if before is not None:
        return replace(finding, since=before.since, seen=before.seen)
    first = case.first if case.first is not None else now
    return replace(finding, since=first) if case.witnessed else replace(finding, seen=first)


def _earliest(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _own_fault(rule: str, ref: Ref, error: Exception) -> Finding:
    words = f"rule {rule} failed: {error!r}"
    return Finding(rule, Severity.WARN, ref, "kvtui", "cannot be judged", words, step="please report it")
