"""A cluster that is well: an hour of its everyday life gives no finding at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kvtui.demo import kinds
from kvtui.demo.drills import background
from kvtui.demo.drills.making import cordon, uncordon, workers
from kvtui.demo.drills.migrations import drain_node
from kvtui.demo.world import World
from tests.triage.test_drills import tell
from tests.triage.worlds import Observer

_DRAIN, _BACK, _HOUR = 600.0, 2400.0, 3600.0
_EVERY = 15.0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_hour_of_migrations_imports_restarts_and_a_drain_is_silent() -> None:
    world = World(400, start=datetime(2026, 11, 21, 2, 0, tzinfo=UTC), troubles=False)
    observer = Observer(world)
    node = workers(world)[0]
    carried = machines_on(world, node)

    def drain() -> None:
        world.storage.modify(kinds.NODE, "", node, cordon(world))
        drain_node(world, node)

    def give_back() -> None:
        assert machines_on(world, node) == 0
        world.storage.modify(kinds.NODE, "", node, uncordon)

    background.begin(world)
    world.clock.call_later(_DRAIN, drain)
    world.clock.call_later(_BACK, give_back)
    for _ in range(int(_HOUR / _EVERY)):
        observer.pass_time(_EVERY)
        assert [tell(problem) for problem in observer.problems] == []
    assert not world.failures.told
    # All that was to happen has happened.
    assert carried > 10
    moves = world.storage.list(kinds.VMIM)
    assert sum(move["status"]["phase"] == "Succeeded" for move in moves) > 100
    assert any("kubevirt-evacuation-" in move["metadata"]["name"] for move in moves)
    imports = world.storage.list(kinds.DATA_VOLUME, "ci")
    assert any(volume["metadata"]["name"].startswith("golden-") for volume in imports)


def machines_on(world: World, node: str) -> int:
    """How many instances the node carries that a drain moves."""
    found = world.storage.list(kinds.VMI, labels={"kubevirt.io/nodeName": node})
    return sum(vmi["spec"].get("evictionStrategy") in ("LiveMigrate", "LiveMigrateIfPossible") for vmi in found)
