"""A running guest that is given more: by a migration where KubeVirt can, after a restart where it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.demo import kinds
from kvtui.demo.objects import condition, has_condition
from kvtui.demo.world import World
from tests.demo.worlds import START


@pytest.fixture
def settled() -> World:
    """A world in which all is well."""
    return World(30, 0, START, troubles=False)


def pick(world: World) -> tuple[str, str]:
    """A VM that runs and can migrate."""
    found = next(
        vmi["metadata"]
        for vmi in world.storage.list(kinds.VMI)
        if has_condition(vmi, "LiveMigratable", "True")
        and "ownerReferences" in vmi["metadata"]
        and "ownerReferences"
        not in world.storage.get(kinds.VM, vmi["metadata"]["namespace"], vmi["metadata"]["name"])["metadata"]
    )
    return found["namespace"], found["name"]


def resize(world: World, name: tuple[str, str], **domain: Any) -> None:
    def change(vm: dict[str, Any]) -> None:
        for part, values in domain.items():
            vm["spec"]["template"]["spec"]["domain"].setdefault(part, {}).update(values)

    world.storage.modify(kinds.VM, *name, change)


def updates(world: World, name: tuple[str, str]) -> list[str]:
    jobs = world.storage.list(kinds.VMIM, name[0], {"kubevirt.io/vmi-name": name[1]})
    made = [job["metadata"]["name"] for job in jobs]
    return [job for job in made if job.startswith("kubevirt-workload-update-")]


@pytest.mark.parametrize("part", ["cpu", "memory"])
def test_more_of_it_comes_by_a_migration_that_nobody_asked_for(settled: World, part: str) -> None:
    name = pick(settled)
    guest = settled.storage.get(kinds.VMI, *name)["spec"]["domain"]["memory"]["guest"]
    double = f"{2 * int(guest.removesuffix('Gi'))}Gi"
    resize(settled, name, **{part: {"sockets": 2} if part == "cpu" else {"guest": double}})
    settled.clock.advance(5)
    assert len(updates(settled, name)) == 1
    settled.clock.advance(600)
    vmi = settled.storage.get(kinds.VMI, *name)
    assert condition(vmi, "HotVCPUChange") is None
    assert condition(vmi, "HotMemoryChange") is None
    if part == "cpu":
        assert vmi["status"]["currentCPUTopology"]["sockets"] == 2
    else:
        assert vmi["status"]["memory"]["guestCurrent"] == double
    assert len(updates(settled, name)) == 1
    assert not has_condition(settled.storage.get(kinds.VM, *name), "RestartRequired", "True")


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("cpu", {"sockets": 99}, "CPU sockets updated in template spec to a value higher than what's available"),
        ("cpu", {"cores": 7}, "a non-live-updatable field was changed in the template spec"),
        ("memory", {"guest": "64Mi"}, "memory updated in template spec to a value lower than what the VM started with"),
    ],
)
def test_what_a_running_guest_cannot_get_is_due_at_its_restart(
    settled: World, part: str, values: dict[str, Any], words: str
) -> None:
    name = pick(settled)
    resize(settled, name, **{part: values})
    settled.clock.advance(30)
    due = condition(settled.storage.get(kinds.VM, *name), "RestartRequired")
    assert due is not None
    assert due["message"] == words
    assert updates(settled, name) == []
