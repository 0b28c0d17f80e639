"""Runs the rules: each change is judged by the rules that it has a part in, and nothing else is looked at."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace

from kvtui.model import Feed, Finding, Ref
from kvtui.store import Delta, View
from kvtui.triage.base import Judgement, Related, Rule
from kvtui.triage.control_plane import judge_feed
from kvtui.triage.rules import RULES

_Key = tuple[str, Ref]
"""Rule and subject."""


class Engine:
    """Keeps the findings of all rules up to date."""

    def __init__(
        self,
        rules: Sequence[Rule] = RULES,
        feeds: Callable[[View, Feed, float], Judgement] | None = judge_feed,
    ) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._judge_feed = feeds
        self._by_type: dict[type, list[tuple[str, Related]]] = {}
        for rule in rules:
            for type_, related in rule.related.items():
                self._by_type.setdefault(type_, []).append((rule.id, related))
        self._found: dict[_Key, Finding] = {}
        self._feeds: dict[Ref, Feed] = {}
        self._due: dict[_Key, float] = {}
        self._queue: list[tuple[float, _Key]] = []
        self._sorted: tuple[Finding, ...] = ()

    @property
    def findings(self) -> Sequence[Finding]:
        """What is wrong now, the worst first and of those the oldest."""
        return self._sorted

    def update(self, view: View, delta: Delta, now: float) -> bool:
        """Judge what the delta and the time have changed; whether the findings are others than before."""
        todo = self._touched(view, delta)
        todo.update(dict.fromkeys(self._overdue(now)))
        changed = False
        for key in todo:
            changed = self._judge(view, key, now) or changed
        if changed:
            self._sorted = tuple(sorted(self._found.values(), key=_worst_first))
        return changed

    def _touched(self, view: View, delta: Delta) -> dict[_Key, None]:
        todo: dict[_Key, None] = {}
        for feed in delta.feeds:
            ref = Ref(feed.backend, "Feed", "", feed.kind)
            self._feeds[ref] = feed
            todo["feed", ref] = None
        for change in delta.changes:
            for rule, related in self._by_type.get(type(change.record), ()):
                for record in (change.old, change.new):
                    if record is not None:
                        todo.update(((rule, ref), None) for ref in related(view, change.ref, record))
        return todo

    def _overdue(self, now: float) -> list[_Key]:
        found: list[_Key] = []
        while self._queue and self._queue[0][0] <= now:
            at, key = heapq.heappop(self._queue)
            if self._due.get(key) == at:
                found.append(key)
        return found

    def _judge(self, view: View, key: _Key, now: float) -> bool:
        rule, ref = key
        feed = self._feeds.get(ref)
        if feed is not None:
            judgement = self._judge_feed(view, feed, now) if self._judge_feed is not None else Judgement()
        else:
            judgement = self._rules[rule].judge(view, ref, now)
        self._remember(key, judgement.again)
        before = self._found.get(key)
        finding = judgement.finding
        if finding is None:
            return self._found.pop(key, None) is not None
        if finding.since is None:
            finding = replace(finding, since=before.since if before is not None else now)
        if finding == before:
            return False
        self._found[key] = finding
        return True

    def _remember(self, key: _Key, again: float | None) -> None:
        if again is None:
            self._due.pop(key, None)
        elif self._due.get(key) != again:
            self._due[key] = again
            heapq.heappush(self._queue, (again, key))


def _worst_first(finding: Finding) -> tuple[int, float, str, str]:
    return (-finding.severity, finding.since or 0.0, finding.subject.path, finding.rule)
