"""Following changes one by one comes to the same as looking at everything anew, whatever comes, goes or changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from random import Random

import pytest

from kvtui.demo.drills import DRILLS
from kvtui.demo.world import World
from kvtui.model import Finding, Ref
from kvtui.records.base import Record
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import Change, Delta, Drop, Put, Store, View
from kvtui.triage.base import Judgement, Rule
from kvtui.triage.engine import Engine
from kvtui.triage.rules import RULES
from tests.triage.drills import CASES
from tests.triage.looking import find_unfollowed
from tests.triage.worlds import BACKEND, Observer

_Key = tuple[str, str, str]
_States = Mapping[_Key, Sequence[Record | None]]

_AT_ONCE = [replace(rule, settle=0.0, linger=0.0, patience=0.0) for rule in RULES]
"""What settles or lingers is as it was a while ago."""
_START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
_LATER = 300.0


@cache
def _world() -> tuple[Store, _States, float]:
    """A troubled world, what each of its objects is at two moments (None for one that is not there), and the time."""
    observer = Observer(World(30, start=_START))
    before = _records(observer.store)
    observer.pass_time(_LATER)
    after = _records(observer.store)
    states = {key: (before.get(key), after.get(key)) for key in before | after}
    return observer.store, states, observer.world.clock.now.timestamp()


def _records(store: Store) -> dict[_Key, Record]:
    return {change.ref[1:4]: change.record for change in _everything(store).changes}


def _everything(store: Store) -> Delta:
    """All that a store knows, as if it came just now."""
    types = {type_ for rule in RULES for type_ in rule.related}
    changes = tuple(Change(ref, None, record) for type_ in types for ref, record in store.items(type_))
    return Delta(changes, tuple(store.feeds()))


def _anew(store: Store, now: float) -> Engine:
    """One that looks at all now."""
    engine = Engine(_AT_ONCE)
    engine.update(store, _everything(store), now)
    return engine


def _told(engine: Engine) -> set[Finding]:
    """What is told, but for since when: who looks anew does not know that of all."""
    return {
        replace(found, since=None, evidence=tuple(replace(one, since=None) for one in found.evidence))
        for found in engine.findings
    }


def test_a_troubled_world_is_followed_in_all_that_is_told_of_it() -> None:
    store, _, now = _world()
    assert find_unfollowed(store, RULES, now) == []


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_is_followed_in_all_that_is_told_of_it(name: str) -> None:
    observer = Observer(World(start=_START, drill=name), Engine(_AT_ONCE))
    observer.pass_time(CASES[name].looks)
    now = observer.world.clock.now.timestamp()
    assert find_unfollowed(observer.store, RULES, now) == []
    assert _told(observer.engine) == _told(_anew(observer.store, now))


def test_a_machine_costs_a_few_dozen_judgements_when_it_is_first_seen() -> None:
    asked = 0

    def count(rule: Rule) -> Rule:
        def judge(view: View, ref: Ref, now: float) -> Judgement:
            nonlocal asked
            asked += 1
            return rule.judge(view, ref, now)

        return replace(rule, judge=judge)

    store, states, now = _world()
    machines = sum(kind == VirtualMachine.KIND for kind, _, _ in states)
    Engine([count(rule) for rule in RULES]).update(store, _everything(store), now)
    assert 10 < asked / machines < 100


@pytest.mark.parametrize("seed", range(12))
def test_what_is_told_after_changes_is_what_is_told_of_the_outcome(seed: int) -> None:
    chance = Random(seed)
    origin, states, now = _world()
    store = Store()
    store.apply([*origin.feeds(), *(Put(BACKEND, change.record) for change in _everything(origin).changes)])
    engine = Engine(_AT_ONCE)
    engine.update(store, _everything(store), now)
    kinds = [sorted(keys) for _, keys in groupby(sorted(states), key=lambda key: key[0])]
    for moment in range(8):
        keys = [chance.choice(chance.choice(kinds)) for _ in range(30)]
        delta = store.apply(_change(key, chance.choice([*states[key], None]), states) for key in keys)
        for _ in range(chance.randint(0, 30)):
            # The next changes find some still to be judged.
            engine.update(store, delta, now + 60 * moment, 0.0)
            delta = Delta()
        if moment % 2:
            engine.update(store, delta, now + 60 * moment)
            assert _told(engine) == _told(_anew(store, now + 60 * moment))
        else:
            engine.update(store, delta, now + 60 * moment, 0.0)


def _change(key: _Key, record: Record | None, states: _States) -> Put | Drop:
    if record is not None:
        return Put(BACKEND, record)
    known = next(state for state in states[key] if state is not None)
    return Drop(BACKEND, type(known), key[1], key[2])
