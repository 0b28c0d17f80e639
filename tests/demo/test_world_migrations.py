"""Migrations of the simulated cluster against recorded ones."""

from __future__ import annotations

from collections import Counter

import pytest

from kvtui.demo import kinds, lifecycle
from kvtui.demo.behaviour import Guest
from kvtui.demo.drills.making import migration_of
from kvtui.demo.objects import MI
from kvtui.demo.storage import Object, StorageError
from kvtui.demo.world import World
from tests.demo.worlds import RECORDED, START, Watch, create, quiet_world, running_machine

ACTIVE = ("Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running")


def test_migration_goes_through_the_recorded_states() -> None:
    world = quiet_world()
    running_machine(world)
    before = world.storage.get(kinds.VMI, "lab", "box-1")["status"]["nodeName"]
    job = Watch(world, kinds.VMIM)
    machine, instance = Watch(world, kinds.VM, "box-1"), Watch(world, kinds.VMI, "box-1")
    lifecycle.migrate(world, "lab", "box-1", {})
    world.advance(90)
    assert job.seen == RECORDED["vmim migrate"]
    assert machine.seen == RECORDED["vm migrate"][1:]
    assert instance.seen == RECORDED["vmi migrate"]
    vmi = world.storage.get(kinds.VMI, "lab", "box-1")
    assert vmi["status"]["nodeName"] != before
    move = vmi["status"]["migrationState"]
    assert (move["sourceNode"], move["targetNode"]) == (before, vmi["status"]["nodeName"])
    assert move["completed"] is True


def test_cancelled_migration_goes_through_the_recorded_states() -> None:
    world = quiet_world()
    running_machine(world)
    job = Watch(world, kinds.VMIM)
    lifecycle.migrate(world, "lab", "box-1", {})
    while not job.seen or job.seen[-1][0] != "Running":
        world.advance(0.5)
    world.advance(1)
    (found,) = world.storage.list(kinds.VMIM, "lab")
    world.storage.delete(kinds.VMIM, "lab", found["metadata"]["name"])
    world.advance(10)
    assert job.seen == RECORDED["vmim cancel"]
    assert world.storage.list(kinds.VMIM, "lab") == []
    move = world.storage.get(kinds.VMI, "lab", "box-1")["status"]["migrationState"]
    assert (move["abortRequested"], move["abortStatus"], move["failed"]) == (True, "Succeeded", True)


def test_second_migration_is_refused_while_one_runs() -> None:
    world = quiet_world()
    running_machine(world)
    lifecycle.migrate(world, "lab", "box-1", {})
    with pytest.raises(StorageError) as refusal:
        create(world, kinds.VMIM, migration_of("lab", "box-1"))
    assert refusal.value.code == 400
    assert "in-flight migration detected. Active migration job (" in refusal.value.message
    with pytest.raises(StorageError) as refusal:
        lifecycle.migrate(world, "lab", "box-1", {})
    assert refusal.value.code == 500
    assert refusal.value.message.startswith("Internal error occurred: admission webhook")


def test_a_guest_that_dirties_its_memory_too_fast_never_arrives() -> None:
    world = quiet_world()
    world.guests["lab", "box-1"] = Guest(dirty_rate=412 * MI, transfer_rate=380 * MI)
    running_machine(world)
    lifecycle.migrate(world, "lab", "box-1", {})
    world.advance(60)
    copy = world.transfers.running["lab", "box-1"]
    assert copy.dirty_rate > copy.transfer_rate
    world.advance(600)
    move = world.storage.get(kinds.VMI, "lab", "box-1")["status"]["migrationState"]
    assert move["failureReason"] == "Live migration has been aborted"
    assert world.storage.get(kinds.VM, "lab", "box-1")["status"]["printableStatus"] == "Running"


def test_limits_of_the_cluster_and_of_each_node_hold() -> None:
    world = World(60, 0, START, troubles=False)
    names = [vmi["metadata"]["name"] for vmi in world.storage.list(kinds.VMI, "web")][:8]
    for name in names:
        lifecycle.migrate(world, "web", name, {})
    most = 0
    for _ in range(200):
        world.advance(1)
        jobs = [job for job in world.storage.list(kinds.VMIM) if job["status"].get("phase") in ACTIVE]
        most = max(most, len(jobs))
        sources = Counter(
            world.storage.get(kinds.VMI, "web", job["spec"]["vmiName"])["status"]["nodeName"] for job in jobs
        )
        assert max(sources.values(), default=0) <= 2
    assert most == 5
    assert [job["status"]["phase"] for job in world.storage.list(kinds.VMIM)] == ["Succeeded"] * 8


def test_a_marked_machine_leaves_its_node() -> None:
    world = quiet_world()
    running_machine(world)
    node = world.storage.get(kinds.VMI, "lab", "box-1")["status"]["nodeName"]

    def mark(vmi: Object) -> None:
        vmi["status"]["evacuationNodeName"] = node

    world.storage.modify(kinds.VMI, "lab", "box-1", mark)
    world.advance(90)
    (job,) = world.storage.list(kinds.VMIM, "lab")
    assert job["metadata"]["name"].startswith("kubevirt-evacuation-")
    assert job["spec"]["priority"] == "system-critical"
    assert world.storage.get(kinds.VMI, "lab", "box-1")["status"]["nodeName"] != node


def test_five_newest_migrations_are_kept() -> None:
    world = quiet_world()
    running_machine(world)
    for _ in range(7):
        lifecycle.migrate(world, "lab", "box-1", {})
        world.advance(60)
    assert len(world.storage.list(kinds.VMIM, "lab")) == 5
