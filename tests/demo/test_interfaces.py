"""Interfaces that a running guest gets and loses: plugged in by a migration, unplugged at once."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.demo import kinds
from kvtui.demo.objects import condition, has_condition
from kvtui.demo.world import World
from tests.demo.test_liveupdate import pick, updates
from tests.demo.worlds import START

Name = tuple[str, str]


@pytest.fixture
def settled() -> World:
    """A world in which all is well."""
    return World(30, 0, START, troubles=False)


def attach(world: World, name: Name, binding: str = "bridge") -> None:
    def change(vm: dict[str, Any]) -> None:
        spec = vm["spec"]["template"]["spec"]
        spec["networks"].append({"name": "net2", "multus": {"networkName": "db-vlan120"}})
        spec["domain"]["devices"]["interfaces"].append({"name": "net2", binding: {}})

    world.storage.modify(kinds.VM, *name, change)


def detach(world: World, name: Name) -> None:
    def change(vm: dict[str, Any]) -> None:
        vm["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"][-1]["state"] = "absent"

    world.storage.modify(kinds.VM, *name, change)


def source(world: World, name: Name) -> str | None:
    """What is told of the interface in the instance's status; None where it is not there."""
    found = world.storage.get(kinds.VMI, *name)["status"]["interfaces"]
    return next((str(item["infoSource"]) for item in found if item["name"] == "net2"), None)


def names(obj: dict[str, Any]) -> set[str]:
    spec = obj["spec"].get("template", obj)["spec"]
    return {item["name"] for item in spec["domain"]["devices"]["interfaces"]}


def test_an_interface_comes_by_a_migration_for_which_kubevirt_waits_a_moment(settled: World) -> None:
    name = pick(settled)
    attach(settled, name)
    settled.clock.advance(5)
    vmi = settled.storage.get(kinds.VMI, *name)
    assert "net2" in names(vmi)
    assert has_condition(vmi, "MigrationRequired", "False", "AutoMigrationPending")
    assert source(settled, name) is None
    assert updates(settled, name) == []
    settled.clock.advance(13)
    due = settled.storage.get(kinds.VMI, *name)
    assert has_condition(due, "MigrationRequired", "True", "AutoMigrationDueToLiveUpdate")
    settled.clock.advance(600)
    there = settled.storage.get(kinds.VMI, *name)
    assert "domain" in (source(settled, name) or "")
    assert condition(there, "MigrationRequired") is None
    assert len(updates(settled, name)) == 1
    assert there["status"]["nodeName"] != vmi["status"]["nodeName"]


def test_a_guest_loses_its_interface_at_once_and_its_pod_with_the_next_migration(settled: World) -> None:
    name = pick(settled)
    attach(settled, name)
    settled.clock.advance(600)
    detach(settled, name)
    settled.clock.advance(5)
    assert source(settled, name) == "multus-status"
    settled.clock.advance(600)
    assert source(settled, name) is None
    assert len(updates(settled, name)) == 2
    assert "net2" not in names(settled.storage.get(kinds.VM, *name))
    assert "net2" not in names(settled.storage.get(kinds.VMI, *name))


def test_what_is_no_bridge_comes_at_the_next_start(settled: World) -> None:
    name = pick(settled)
    attach(settled, name, "masquerade")
    settled.clock.advance(60)
    assert "net2" not in names(settled.storage.get(kinds.VMI, *name))
    assert updates(settled, name) == []


def test_a_network_that_is_another_one_needs_a_restart(settled: World) -> None:
    name = pick(settled)
    attach(settled, name)
    settled.clock.advance(600)

    def swap(vm: dict[str, Any]) -> None:
        vm["spec"]["template"]["spec"]["networks"][-1]["multus"]["networkName"] = "other"

    settled.storage.modify(kinds.VM, *name, swap)
    settled.clock.advance(5)
    assert has_condition(settled.storage.get(kinds.VM, *name), "RestartRequired", "True")


def test_a_vm_that_is_started_anew_leaves_out_what_is_detached(settled: World) -> None:
    name = pick(settled)
    attach(settled, name)
    settled.clock.advance(600)
    settled.storage.modify(kinds.VM, *name, lambda vm: vm["spec"].update(runStrategy="Halted"))
    settled.clock.advance(300)
    detach(settled, name)
    settled.storage.modify(kinds.VM, *name, lambda vm: vm["spec"].update(runStrategy="Always"))
    settled.clock.advance(300)
    vmi = settled.storage.get(kinds.VMI, *name)
    assert vmi["status"]["phase"] == "Running"
    assert "net2" not in names(vmi)
    assert "net2" not in names(settled.storage.get(kinds.VM, *name))
