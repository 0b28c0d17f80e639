"""The default world: its size, its troubles, and the life in it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kvtui.demo import kinds
from kvtui.demo.objects import has_condition
from kvtui.demo.storage import Change
from kvtui.demo.world import World
from tests.demo.worlds import START


@pytest.fixture(scope="module")
def world() -> World:
    return World(start=START)


@pytest.mark.parametrize(
    ("namespace", "name", "states"),
    [
        ("shop", "orders-db-1", ("ErrorUnschedulable",)),
        ("shop", "orders-db-2", ("ErrorPvcNotFound",)),
        ("data", "warehouse-1", ("ErrorUnschedulable",)),
        ("lab", "avx-bench-1", ("ErrorUnschedulable",)),
        ("tight", "analytics-1", ("Starting",)),
        ("web", "edge-proxy-1", ("ErrImagePull", "ImagePullBackOff")),
        ("lab", "dpdk-router-1", ("CrashLoopBackOff", "Starting")),
        ("data", "ingest-1", ("Paused",)),
    ],
)
def test_machines_in_trouble(world: World, namespace: str, name: str, states: tuple[str, ...]) -> None:
    assert world.storage.get(kinds.VM, namespace, name)["status"]["printableStatus"] in states


def test_conditions_of_machines_in_trouble(world: World) -> None:
    assert has_condition(world.storage.get(kinds.VM, "shop", "search-1"), "RestartRequired", "True")
    fixed = world.storage.get(kinds.VM, "web", "legacy-cms-1")
    assert has_condition(fixed, "LiveMigratable", "False", "DisksNotLiveMigratable")
    assert not has_condition(world.storage.get(kinds.VM, "erp", "edi-gateway-1"), "AgentConnected", "True")
    assert world.storage.find(kinds.VM, "lab", "scratch-1") is None
    assert world.storage.get(kinds.VMI, "lab", "scratch-1")["status"]["phase"] == "Running"


def test_imports_in_trouble(world: World) -> None:
    broken = world.storage.get(kinds.DATA_VOLUME, "ci", "rocky-10-golden")["status"]
    assert broken["restartCount"] >= 3
    assert broken["phase"] == "ImportInProgress"
    assert world.storage.get(kinds.DATA_VOLUME, "erp", "appliance-7-2")["status"]["phase"] == "Failed"
    assert world.storage.get(kinds.DATA_VOLUME, "lab", "scratch-disk-1")["status"]["phase"] == "WaitForFirstConsumer"


def test_nodes_in_trouble(world: World) -> None:
    nodes = world.storage.list(kinds.NODE)
    assert len(nodes) == 13
    assert sum(bool(node["spec"].get("unschedulable")) for node in nodes) == 1
    assert sum(has_condition(node, "Ready", "Unknown") for node in nodes) == 1


def test_something_happens_every_few_seconds(world: World) -> None:
    changes: list[Change] = []
    end = world.storage.subscribe(changes.append)
    for _ in range(60):
        before = len(changes)
        world.advance(10)
        assert len(changes) > before
    end()
    assert {kinds.VMIM, kinds.DATA_VOLUME, kinds.VM, kinds.POD, kinds.NODE} <= {change.kind for change in changes}
    assert len(changes) < 600 * 20


@pytest.fixture(scope="module")
def seventh() -> World:
    """The cluster of another seed."""
    return World(20, 7, START)


def test_same_seed_same_world(seventh: World) -> None:
    again = World(20, 7, START)
    assert seventh.storage.revision == again.storage.revision
    assert seventh.storage.list(kinds.VMI) == again.storage.list(kinds.VMI)


def test_two_clusters_of_one_seed_have_the_same_names_and_no_uid_in_common(seventh: World) -> None:
    worlds = (seventh, World(20, 7, START + timedelta(minutes=10)))
    metas = [[vm["metadata"] for vm in world.storage.list(kinds.VM)] for world in worlds]
    first, second = ({meta["name"] for meta in part} for part in metas)
    assert first == second
    first, second = ({meta["uid"] for meta in part} for part in metas)
    assert first.isdisjoint(second)


@pytest.mark.slow
def test_ten_thousand_machines_on_five_hundred_nodes() -> None:
    world = World(10_000, start=START, troubles=False)
    assert world.storage.count(kinds.VM) == 10_000
    assert world.storage.count(kinds.NODE) == 500
    before = world.storage.revision
    world.advance(60)
    assert world.storage.revision - before < 200


def test_a_guest_that_is_unpaused_while_its_ceph_is_full_is_paused_again_until_there_is_room() -> None:
    world = World(start=START, drill="ceph-full")
    for full, paused in ((0.96, True), (0.80, False)):
        world.outside.ceph_taken = full
        world.handler.unpause_guest("erp", "ledger-db-1")
        world.advance(30.0)
        vmi = world.storage.get(kinds.VMI, "erp", "ledger-db-1")
        assert has_condition(vmi, "Paused", "True", "PausedIOError") is paused


def test_a_guest_whose_disks_lie_elsewhere_writes_on_while_ceph_is_full() -> None:
    world = World(start=START, drill="io-error")
    world.outside.ceph_taken = 0.96
    world.handler.unpause_guest("data", "ingest-1")
    world.advance(30.0)
    assert not has_condition(world.storage.get(kinds.VMI, "data", "ingest-1"), "Paused", "True")
