"""Runs the rules: each change is judged by the rules that it has a part in, and nothing else is looked at."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kvtui.model import Finding, Ref, Severity
from kvtui.store import Delta, View
from kvtui.triage.base import WELL, Judgement, Related, Rule, backend_ref
from kvtui.triage.problems import Problem, group_problems, worst_first
from kvtui.triage.rules import RULES

_NO_RULES: dict[Related, list[str]] = {}

_Key = tuple[str, Ref]
"""Rule and subject."""


class Engine:
    """Keeps the findings of all rules up to date."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._of_feeds = [rule.id for rule in rules if rule.feeds]
        self._by_type: dict[type, dict[Related, list[str]]] = {}
        """By type of record, the rules of each way to their subjects."""
        for rule in rules:
            for type_, related in rule.related.items():
                self._by_type.setdefault(type_, {}).setdefault(related, []).append(rule.id)
        self._todo: dict[_Key, None] = {}
        """What is still to be judged."""
        self._changed = False
        self.waits = True
        """Whether what is found must stand for a while before it is told; who looks but once cannot wait."""
        self._found: dict[_Key, Finding] = {}
        self._hidden: dict[_Key, Finding] = {}
        """What was found before nobody could tell any more."""
        self._first: dict[_Key, float] = {}
        """Since when there is something to find, told already or not yet."""
        self._leaving: dict[_Key, float] = {}
        """When what is told and no longer so will go."""
        self._due: dict[_Key, float] = {}
        self._queue: list[tuple[float, _Key]] = []
        self._sorted: tuple[Finding, ...] = ()
        self._problems: tuple[Problem, ...] = ()

    @property
    def findings(self) -> Sequence[Finding]:
        """What is wrong now, the worst first and of those the oldest."""
        return self._sorted

    @property
    def problems(self) -> Sequence[Problem]:
        """The same by causes: each cause once, with what it brings about."""
        return self._problems

    @property
    def behind(self) -> bool:
        """Whether something is still to be judged, for patience was at its end."""
        return bool(self._todo)

    def update(self, view: View, delta: Delta, now: float, patience: float = math.inf) -> bool:
        """Judge what the delta and the time have changed; whether the findings are others than before.

        `patience` is how many seconds it may take: the rest is judged by the next calls, and told when it is all done.
        """
        end = time.perf_counter() + patience
        self._touch(view, delta)
        self._todo.update(dict.fromkeys(self._overdue(now)))
        while self._todo:
            # The newest first: taking the oldest out of a large dict is slow.
            key, _ = self._todo.popitem()
            self._changed = self._judge(view, key, now) or self._changed
            if time.perf_counter() >= end:
                break
        if self._todo or not self._changed:
            return False
        self._changed = False
        self._sorted = tuple(sorted(self._counted(), key=worst_first))
        self._problems = group_problems(self._sorted)
        return True

    def _touch(self, view: View, delta: Delta) -> None:
        todo = self._todo
        for feed in delta.feeds:
            ref = backend_ref(feed.backend)
            todo.update(((rule, ref), None) for rule in self._of_feeds)
        for change in delta.changes:
            for related, rules in self._by_type.get(type(change.record), _NO_RULES).items():
                for record in (change.old, change.new):
                    if record is not None:
                        for ref in related(view, change.ref, record):
                            for rule in rules:
                                todo[rule, ref] = None

    def _overdue(self, now: float) -> list[_Key]:
        found: list[_Key] = []
        while self._queue and self._queue[0][0] <= now:
            at, key = heapq.heappop(self._queue)
            if self._due.get(key) == at:
                found.append(key)
        return found

    def _counted(self) -> Iterator[Finding]:
        """All but what other rules tell better."""
        told = {ref for (rule, ref) in self._found if not self._rules[rule].fallback}
        for (rule, ref), finding in self._found.items():
            if ref not in told or not self._rules[rule].fallback:
                yield finding

    def _judge(self, view: View, key: _Key, now: float) -> bool:
        rule, ref = self._rules[key[0]], key[1]
        try:
            judgement = rule.judge(view, ref, now)
        except Exception as error:  # noqa: BLE001 - boundary: a rule that fails must cost no more than its own word
            judgement = Judgement(_own_fault(rule.id, ref, error))
        if judgement is WELL and key not in self._first and key not in self._due and key not in self._hidden:
            return False
        before = self._found.get(key)
        finding = judgement.finding
        if judgement.hidden and before is not None:
            self._hidden[key] = before
        hidden = self._hidden.get(key) if judgement.hidden else self._hidden.pop(key, None)
        if finding is None:
            stays = before is not None and not judgement.hidden and view.record(ref) is not None
            until = self._leaving.setdefault(key, now + rule.linger) if stays else now
            self._remember(key, _earliest(judgement.again, until if now < until else None))
            return now >= until and self._forget(key)
        self._leaving.pop(key, None)
        if finding.since is None:
            same = before or (hidden if hidden is not None and hidden.trouble == finding.trouble else None)
            first = self._first.get(key, now)
            finding = replace(finding, since=same.since if same is not None else first)
        ripe = self._first.setdefault(key, finding.since or now) + rule.settle
        if before is None and self.waits and now < ripe:
            self._remember(key, _earliest(judgement.again, ripe))
            return False
        self._remember(key, judgement.again)
        if finding == before:
            return False
        self._found[key] = finding
        return True

    def _forget(self, key: _Key) -> bool:
        """Let a finding go; whether it was told."""
        self._leaving.pop(key, None)
        self._first.pop(key, None)
        return self._found.pop(key, None) is not None

    def _remember(self, key: _Key, again: float | None) -> None:
        if again is None:
            self._due.pop(key, None)
        elif self._due.get(key) != again:
            self._due[key] = again
            heapq.heappush(self._queue, (again, key))


def _earliest(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _own_fault(rule: str, ref: Ref, error: Exception) -> Finding:
    words = f"rule {rule} failed: {error!r}"
    return Finding(rule, Severity.WARN, ref, "kvtui", "cannot be judged", words, step="please report it")
