"""What judgements rest on: a rule is asked once more without what it looked at, and must follow what it missed then."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from kvtui.model import Feed, FeedState, Ref
from kvtui.records.base import Record
from kvtui.store import Store, View
from kvtui.triage.base import Judgement, Related, Rule

R = TypeVar("R", bound=Record)

_SOON: Final = 60.0
"""Seconds within which it is made good what a rule does not follow: it is asked again in any case."""
_LATER: Final = (61.0, 130.0, 310.0, 650.0, 1000.0, 3700.0, 8000.0, 90000.0, 1e6)
"""Seconds after which the same records may tell something else."""


def find_unfollowed(store: Store, rules: Iterable[Rule], now: float) -> list[str]:
    """Where judgements rest on what would change without that they are made anew: rule, subject, and what changes."""
    sight = _Sight(store, now)
    return [f"{rule.id} of {subject.path}: {what}" for rule in rules for subject, what in sight.look(rule)]


class _Looking(View):
    """A store as it is, but for what is hidden; it notes what is looked at."""

    def __init__(self, store: Store) -> None:
        self.__dict__.update(store.__dict__)
        self.memo = {}
        self.seen: set[Ref] = set()
        self.asked_feeds = False
        self._hidden: frozenset[Ref] = frozenset()
        self._loading = False

    def hide(self, refs: Iterable[Ref] = (), *, loading: bool = False) -> None:
        """Be without these from now on, and as if all kinds were still `loading`."""
        self._hidden, self._loading = frozenset(refs), loading
        self.memo.clear()

    def feed(self, backend: str, kind: str) -> Feed:
        self.asked_feeds = True
        return Feed(backend, kind, FeedState.LOADING) if self._loading else super().feed(backend, kind)

    def get(self, type_: type[R], backend: str, namespace: str, name: str) -> R | None:
        found = super().get(type_, backend, namespace, name)
        return found if found is not None and self._shows(found.ref(backend)) else None

    def ref_of(self, type_: type[Record], backend: str, namespace: str, name: str) -> Ref | None:
        found = super().ref_of(type_, backend, namespace, name)
        return found if found is not None and self._shows(found) else None

    def find(self, type_: type[R], ref: Ref) -> R | None:
        found = super().find(type_, ref)
        return found if found is not None and self._shows(found.ref(ref.backend)) else None

    def record(self, ref: Ref) -> Record | None:
        found = super().record(ref)
        return found if found is not None and self._shows(found.ref(ref.backend)) else None

    def items(self, type_: type[R], backend: str | None = None) -> Iterator[tuple[Ref, R]]:
        return ((ref, one) for ref, one in super().items(type_, backend) if self._shows(ref))

    def count(self, type_: type[Record], backend: str | None = None) -> int:
        return sum(1 for _ in self.items(type_, backend))

    def linked(self, type_: type[R], backend: str, link: str, value: str) -> list[tuple[Ref, R]]:
        return [(ref, one) for ref, one in super().linked(type_, backend, link, value) if self._shows(ref)]

    def edition(self, type_: type[Record], backend: str, link: str, value: str) -> int:
        """Another one for whatever is hidden: what is kept of an edition is looked at anew."""
        return hash((super().edition(type_, backend, link, value), self._hidden))

    def owned(self, type_: type[R], uid: str) -> list[tuple[Ref, R]]:
        return [(ref, one) for ref, one in super().owned(type_, uid) if self._shows(ref)]

    def _shows(self, ref: Ref) -> bool:
        self.seen.add(ref)
        return ref not in self._hidden


class _Sight:
    """Rules over a store at a moment."""

    def __init__(self, store: Store, now: float) -> None:
        self._store = store
        self._now = now
        self._concerned: dict[tuple[Related, Ref, bool], frozenset[Ref]] = {}

    def look(self, rule: Rule) -> Iterator[tuple[Ref, str]]:
        """Each subject that would be told what is not so any more, and why."""
        for subject in self._subjects(rule):
            view = _Looking(self._store)
            judgement = rule.judge(view, subject, self._now)
            seen, asked_feeds = frozenset(view.seen), view.asked_feeds
            for kind, refs in self._unfollowed(rule, subject, seen).items():
                view.hide(refs)
                if self._goes_stale(rule, subject, judgement, view):
                    yield subject, f"{kind} {', '.join(sorted(ref.path for ref in refs))}"
            if asked_feeds and not rule.feeds:
                view.hide(loading=True)
                before = rule.judge(view, subject, self._now)
                if before != judgement and self._now + _SOON < _next_look(rule, before):
                    yield subject, "that all is listed"
            view.hide()
            if (later := self._tells_late(rule, subject, judgement, view)) is not None:
                yield subject, f"{later:g} seconds"

    def _goes_stale(self, rule: Rule, subject: Ref, judgement: Judgement, view: _Looking) -> bool:
        """Whether a rule says something else of what `view` shows, and is not asked again soon, now or then."""
        other = rule.judge(view, subject, self._now)
        return other != judgement and self._now + _SOON < max(_next_look(rule, one) for one in (judgement, other))

    def _tells_late(self, rule: Rule, subject: Ref, judgement: Judgement, view: _Looking) -> float | None:
        """After how many seconds a rule says something else before it is asked again; None when it never does."""
        until = _next_look(rule, judgement)
        for later in _LATER:
            if until <= self._now + later:
                return None
            view.hide()
            if rule.judge(view, subject, self._now + later).finding != judgement.finding:
                return later
        return None

    def _subjects(self, rule: Rule) -> set[Ref]:
        return {
            subject
            for type_, related in rule.related.items()
            for ref, _ in self._store.items(type_)
            for gone in (False, True)
            for subject in self._concerns(related, ref, gone=gone)
        }

    def _unfollowed(self, rule: Rule, subject: Ref, seen: Iterable[Ref]) -> dict[str, set[Ref]]:
        """By kind, the objects whose changes do not have a subject judged anew."""
        found: dict[str, set[Ref]] = {}
        for ref in seen:
            record = self._store.record(ref)
            related = rule.related.get(type(record)) if record is not None else None
            if related is None or not all(subject in self._concerns(related, ref, gone=one) for one in (False, True)):
                found.setdefault(ref.kind, set()).add(ref)
        return found

    def _concerns(self, related: Related, ref: Ref, *, gone: bool) -> frozenset[Ref]:
        """Whom it concerns that an object changes, or has `gone`."""
        known = self._concerned.get((related, ref, gone))
        if known is None:
            view = _Looking(self._store)
            view.hide((ref,) if gone else ())
            record = self._store.record(ref)
            known = self._concerned[related, ref, gone] = frozenset(related(view, ref, record))
        return known


def _next_look(rule: Rule, judgement: Judgement) -> float:
    """When a rule is asked again though nothing changes, in seconds since the epoch."""
    if judgement.finding is not None and rule.look_again:
        return 0.0
    return math.inf if judgement.again is None else judgement.again
