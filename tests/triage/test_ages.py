"""Ages: who comes and looks but once is told for how long a trouble goes on, by the objects themselves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kvtui.demo import kinds
from kvtui.demo.world import World
from kvtui.model import Finding
from tests.triage.drills import CASES
from tests.triage.worlds import Observer

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
AGELESS = ("no-kvm",)
"""Drills of whose cause no object tells since when it is so: an amount of a node."""


def first(drill: str) -> tuple[Observer, Finding]:
    observer = Observer(World(start=START, drill=drill))
    observer.pass_time(CASES[drill].looks)
    return observer, observer.look_once()[0].finding


@pytest.mark.parametrize("drill", [name for name, case in CASES.items() if case.finds and name not in AGELESS])
def test_the_cause_of_a_drill_has_an_age(drill: str) -> None:
    assert first(drill)[1].since is not None


def test_a_deployment_that_crashes_is_as_old_as_its_condition_says() -> None:
    observer, found = first("virt-controller-down")
    status = observer.world.storage.get(kinds.DEPLOYMENT, "kubevirt", "virt-controller")["status"]
    (told,) = [one for one in status["conditions"] if one["type"] == "Available"]
    assert found.since == datetime.fromisoformat(told["lastTransitionTime"]).timestamp()


def test_a_vm_that_crashes_at_each_start_is_as_old_as_its_first_crash_in_a_row() -> None:
    observer, found = first("crash-loop")
    events = [
        event
        for event in observer.world.storage.list(kinds.EVENT, "lab")
        if event["reason"] == "SyncFailed" and event["involvedObject"]["name"] == "dpdk-router-1"
    ]
    oldest = min(events, key=lambda event: str(event["firstTimestamp"]))
    assert found.since == datetime.fromisoformat(oldest["firstTimestamp"]).timestamp()
    observer.world.storage.delete(kinds.EVENT, "lab", oldest["metadata"]["name"])
    observer.pass_time(1.0)
    assert observer.look_once()[0].finding.since is None
