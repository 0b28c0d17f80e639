"""Stacks of what problems are of: the problem stands in them, and what it rests on."""

from __future__ import annotations

import pytest

from kvtui.model import Ref
from kvtui.resources import RESOURCES
from kvtui.stack import ToldLayer, find_row, tell_stack
from kvtui.store import Store
from tests.triage.drills import CASES
from tests.triage.test_drills import play
from tests.triage.worlds import Observer

_ELSEWHERE = frozenset({"Namespace", "Node", "VirtualMachineInstanceMigration"})
"""Kinds of roots that need not be under what they stop: a node that takes no VM, and who is before it in a queue."""


def told(observer: Observer, ref: Ref) -> list[ToldLayer]:
    """The stack of an object, or of the row which tells of it."""
    store, now = observer.store, observer.world.clock.now.timestamp()
    findings = (*observer.engine.worst.values(), *observer.findings)
    row = find_row(store, ref, RESOURCES)
    stacks = (tell_stack(store, one, RESOURCES, findings, now) for one in (ref, row[1] if row is not None else ref))
    return next((stack for stack in stacks if stack), [])


def is_object(store: Store, ref: Ref) -> bool:
    return store.record(ref) is not None


@pytest.mark.parametrize("drill", CASES)
def test_a_problem_stands_in_the_stack_of_what_it_is_of_together_with_its_root(drill: str) -> None:
    observer = play(drill)
    for problem in observer.problems:
        for finding in problem.findings:
            layers = told(observer, finding.subject)
            found = {(one.layer.ref or one.layer.sought or finding.subject)[:4] for one in layers}
            if is_object(observer.store, finding.subject):
                told_of = [one.finding.subject for one in layers if one.finding is not None]
                assert finding.subject in told_of, finding
            root = finding.root
            if root is not None and is_object(observer.store, root) and root.kind not in _ELSEWHERE:
                assert root[:4] in found, finding
