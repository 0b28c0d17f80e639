"""Machines of the simulated cluster go through the states that were recorded from a real one."""

from __future__ import annotations

import pytest

from kvtui.demo import kinds, lifecycle
from kvtui.demo.behaviour import Guest
from kvtui.demo.drills.making import small_machine
from kvtui.demo.storage import StorageError
from tests.demo.worlds import RECORDED, Watch, create, quiet_world, running_machine


def test_start_goes_through_the_recorded_states() -> None:
    world = quiet_world()
    vm = small_machine("lab", "box-1")
    vm["spec"]["runStrategy"] = "Halted"
    create(world, kinds.VM, vm)
    world.advance(5)
    machine, instance = Watch(world, kinds.VM, "box-1"), Watch(world, kinds.VMI, "box-1")
    lifecycle.start(world, "lab", "box-1", {})
    world.advance(60)
    assert machine.seen == RECORDED["vm start"]
    assert instance.seen == RECORDED["vmi start"]


def test_stop_goes_through_the_recorded_states() -> None:
    world = quiet_world()
    running_machine(world)
    machine = Watch(world, kinds.VM, "box-1")
    lifecycle.stop(world, "lab", "box-1", {})
    world.advance(60)
    assert machine.seen == RECORDED["vm stop"]
    assert world.storage.find(kinds.VMI, "lab", "box-1") is None
    assert not [pod for pod in world.storage.list(kinds.POD, "lab") if "box-1" in pod["metadata"]["name"]]


def test_restart_makes_a_new_instance() -> None:
    world = quiet_world()
    running_machine(world)
    old = world.storage.get(kinds.VMI, "lab", "box-1")["metadata"]["uid"]
    machine = Watch(world, kinds.VM, "box-1")
    lifecycle.restart(world, "lab", "box-1", {})
    world.advance(90)
    begun = len(RECORDED["vm restart"])
    assert machine.seen[:begun] == RECORDED["vm restart"]
    assert machine.words == ["Running", "Stopping", "Stopped", "Starting", "Running"]
    assert world.storage.get(kinds.VMI, "lab", "box-1")["metadata"]["uid"] != old
    assert "stateChangeRequests" not in world.storage.get(kinds.VM, "lab", "box-1")["status"]


def test_start_takes_seconds_and_the_agent_some_more() -> None:
    world = quiet_world()
    create(world, kinds.VM, small_machine("lab", "box-1"))
    waited = 0
    while world.storage.get(kinds.VM, "lab", "box-1").get("status", {}).get("printableStatus") != "Running":
        world.advance(1)
        waited += 1
        assert waited < 30
    assert waited >= 4


def test_pause_makes_machine_paused_and_pod_not_ready() -> None:
    world = quiet_world()
    running_machine(world)
    lifecycle.pause(world, "lab", "box-1", {})
    world.advance(2)
    assert world.storage.get(kinds.VM, "lab", "box-1")["status"]["printableStatus"] == "Paused"
    with pytest.raises(StorageError, match="VMI is already paused"):
        lifecycle.pause(world, "lab", "box-1", {})
    lifecycle.unpause(world, "lab", "box-1", {})
    world.advance(2)
    status = world.storage.get(kinds.VM, "lab", "box-1")["status"]
    assert status["printableStatus"] == "Running"
    assert status["ready"] is True


def test_deleting_a_machine_leaves_nothing_behind() -> None:
    world = quiet_world()
    running_machine(world)
    machine = Watch(world, kinds.VM, "box-1")
    world.storage.delete(kinds.VM, "lab", "box-1")
    world.advance(60)
    assert machine.words[-1] == "Terminating"
    assert world.storage.find(kinds.VM, "lab", "box-1") is None
    assert world.storage.find(kinds.VMI, "lab", "box-1") is None


def test_a_pod_that_is_killed_brings_the_machine_back() -> None:
    world = quiet_world()
    running_machine(world)
    (pod,) = (item for item in world.storage.list(kinds.POD, "lab") if "box-1" in item["metadata"]["name"])
    world.delete_pod("lab", pod["metadata"]["name"], 0)
    world.advance(90)
    assert world.storage.get(kinds.VM, "lab", "box-1")["status"]["printableStatus"] == "Running"


def test_failing_starts_back_off() -> None:
    world = quiet_world()
    world.guests["lab", "box-1"] = Guest(starts=False)
    create(world, kinds.VM, small_machine("lab", "box-1"))
    world.advance(400)
    status = world.storage.get(kinds.VM, "lab", "box-1")["status"]
    assert 3 <= status["startFailure"]["consecutiveFailCount"] <= 6
    assert status["printableStatus"] in ("CrashLoopBackOff", "Starting")


@pytest.mark.parametrize(
    ("verb", "code", "words"),
    [
        (lifecycle.start, 409, "VM is already running"),
        (lifecycle.unpause, 409, "VMI is not paused"),
    ],
)
def test_refusals_on_a_running_machine(verb: object, code: int, words: str) -> None:
    world = quiet_world()
    running_machine(world)
    with pytest.raises(StorageError) as refusal:
        verb(world, "lab", "box-1", {})  # type: ignore[operator]
    assert refusal.value.code == code
    assert words in refusal.value.message


def test_refusals_on_a_stopped_machine() -> None:
    world = quiet_world()
    vm = small_machine("lab", "box-1")
    vm["spec"]["runStrategy"] = "Halted"
    create(world, kinds.VM, vm)
    expected = {
        lifecycle.stop: (409, 'Operation cannot be fulfilled on virtualmachine.kubevirt.io "box-1": VM is not running'),
        lifecycle.restart: (
            409,
            'Operation cannot be fulfilled on virtualmachine.kubevirt.io "box-1": '
            "RunStategy Halted does not support manual restart requests",
        ),
        lifecycle.migrate: (404, 'virtualmachineinstance.kubevirt.io "box-1" not found'),
    }
    for verb, (code, message) in expected.items():
        with pytest.raises(StorageError) as refusal:
            verb(world, "lab", "box-1", {})
        assert (refusal.value.code, refusal.value.message) == (code, message)


def test_dry_run_changes_nothing() -> None:
    world = quiet_world()
    running_machine(world)
    before = world.storage.revision
    lifecycle.stop(world, "lab", "box-1", {"dryRun": ["All"]})
    lifecycle.migrate(world, "lab", "box-1", {"dryRun": ["All"]})
    assert world.storage.revision == before
