"""Steadiness: what is told of an incident stays told as it is, while controllers and containers try again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from kvtui.demo import kinds
from kvtui.demo.drills.making import create, small_machine
from kvtui.demo.world import World
from kvtui.triage.problems import Problem
from tests.triage.drills import CASES
from tests.triage.test_drills import START, tell
from tests.triage.worlds import Observer

_WATCHED, _EVERY = 330.0, 5.0
"""Seconds: longer than the longest back-off of a container, and shorter than any of its tries."""


_COUNTED = re.compile(r"\d+ times")
"""What grows while one looks on."""


@pytest.mark.parametrize("name", CASES)
def test_the_cause_stays_told_and_nothing_else_comes_and_goes(name: str) -> None:
    """To who looks on, and to whoever comes and looks but once."""
    case, observer = CASES[name], Observer(World(start=START, drill=name))
    observer.pass_time(case.looks)
    on_screen, once = [observer.problems], [observer.look_once()]
    for _ in range(round(_WATCHED / _EVERY)):
        observer.pass_time(_EVERY, _EVERY)
        on_screen.append(observer.problems)
        once.append(observer.look_once())
    for looks in (on_screen, once):
        assert len({problems[0].severity if problems else None for problems in looks}) == 1
        words = [word.lower() for word in case.finds if not _COUNTED.search(word)]
        assert all(word in tell(problems[0]).lower() for problems in looks for word in words)
        assert list(comes_back(looks)) == []
        assert list(grows_younger(looks)) == []


def comes_back(looks: Sequence[Sequence[Problem]]) -> Iterator[tuple[str, str, str]]:
    """What was told, then was not, and then was again: subject, trouble, severity."""
    told = [
        {(one.finding.subject.path, one.finding.trouble, one.severity.name) for one in problems} for problems in looks
    ]
    gone: set[tuple[str, str, str]] = set()
    for before, after in pairwise(told):
        yield from gone & after
        gone |= before - after


def grows_younger(looks: Sequence[Sequence[Problem]]) -> Iterator[tuple[str, str]]:
    """What is told with another age at a later look: subject, trouble. A new try of a controller begins no trouble."""
    known: dict[tuple[str, str], float | None] = {}
    for finding in (problem.finding for problems in looks for problem in problems):
        key = (finding.subject.path, finding.trouble)
        if known.setdefault(key, finding.since) != finding.since:
            yield key


def test_a_restart_of_a_healthy_vm_is_silent_also_to_who_looks_but_once() -> None:
    world = World(start=START, troubles=False)
    observer = Observer(world)
    former = world.storage.get(kinds.VMI, "data", "kafka-1")["metadata"]["uid"]
    world.storage.delete(kinds.VMI, "data", "kafka-1")
    for _ in range(45):
        observer.pass_time(2.0, 2.0)
        assert [tell(problem) for problem in observer.look_once()] == []
    restarted = world.storage.get(kinds.VMI, "data", "kafka-1")
    assert restarted["metadata"]["uid"] != former
    assert restarted["status"]["phase"] == "Running"


def test_a_reboot_of_a_healthy_guest_is_silent_also_to_who_looks_but_once() -> None:
    world = World(start=START, troubles=False)
    observer = Observer(world)
    world.handler.reboot_guest("data", "kafka-1")
    for _ in range(15):
        observer.pass_time(1.0, 1.0)
        assert [tell(problem) for problem in (*observer.problems, *observer.look_once())] == []


def test_a_vm_over_its_quota_is_told_by_the_quota_from_the_first_look_on() -> None:
    observer = Observer(World(start=START, drill="over-quota"))
    create(observer.world, kinds.VM, small_machine("tight", "analytics-2", memory="8Gi"))
    told = []
    for _ in range(20):
        observer.pass_time(1.0, 1.0)
        told.append([(one.finding.label, one.finding.trouble, len(one.effects)) for one in observer.look_once()])
    assert [look for index, look in enumerate(told) if look != told[index - 1]] == [
        [("vm", "does not start", 0)],
        [("quota", "is exceeded", 2)],
    ]
