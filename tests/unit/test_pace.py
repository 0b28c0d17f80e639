"""What is usual in a fleet, by its own objects: never quicker to complain than the stated default."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from kvtui.records.decode import decode_record
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.store import Put, Store
from kvtui.triage.pace import START, pace_of
from kvtui.triage.telling import evidence_line

NOW = 1_800_000_000.0


def started(name: str, seconds: float) -> Put:
    """An instance that was that long in coming up."""
    steps = [("Pending", NOW), ("Scheduling", NOW + 5), ("Scheduled", NOW + 6), ("Running", NOW + 5 + seconds)]
    transitions = [{"phase": phase, "phaseTransitionTimestamp": _stamp(at)} for phase, at in steps]
    vmi = {
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "status": {"phase": "Running", "phaseTransitionTimestamps": transitions},
    }
    return Put("c", decode_record(json.dumps(vmi).encode(), VirtualMachineInstance))


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def fleet(*durations: float) -> Store:
    store = Store()
    store.apply([started(f"vm-{number}", seconds) for number, seconds in enumerate(durations)])
    return store


def test_what_is_usual_is_the_middle_of_what_is_seen() -> None:
    pace = pace_of(fleet(30, 40, 50, 35, 3000), "c", START, NOW)
    assert (pace.usual, pace.seen) == (40.0, 5)
    assert pace.tell() == "usually 40s here, 5 of them"
    told = evidence_line(pace.evidence("VMI a", "phase Scheduling", NOW - 540), NOW)
    assert told == "VMI a phase Scheduling: usually 40s here, 5 of them (9m)"


def test_slow_is_beyond_the_default_however_quick_the_fleet_is() -> None:
    assert pace_of(fleet(*[10.0] * 9), "c", START, NOW).limit == START.default


def test_slow_is_beyond_several_times_what_a_slow_fleet_takes() -> None:
    assert pace_of(fleet(*[200.0] * 9), "c", START, NOW).limit == 1000.0


def test_of_a_few_nothing_is_usual() -> None:
    pace = pace_of(fleet(900, 900), "c", START, NOW)
    assert (pace.limit, pace.usual, pace.tell()) == (START.default, None, "")
    assert pace.evidence("VMI a", "phase Scheduling", NOW).value == "more than 5m is slow"


def test_each_backend_has_a_pace_of_its_own() -> None:
    assert pace_of(fleet(*[200.0] * 9), "other", START, NOW).usual is None


def test_a_fleet_is_looked_at_again_after_a_minute() -> None:
    store = fleet(*[30.0] * 9)
    assert pace_of(store, "c", START, NOW).usual == 30.0
    store.apply([started(f"late-{number}", 100) for number in range(30)])
    assert pace_of(store, "c", START, NOW + 59).usual == 30.0
    assert pace_of(store, "c", START, NOW + 60).usual == 100.0


def test_of_a_large_fleet_a_sample_is_looked_at() -> None:
    pace = pace_of(fleet(*[30.0] * 2000), "c", START, NOW)
    assert 200 <= pace.seen <= 250
