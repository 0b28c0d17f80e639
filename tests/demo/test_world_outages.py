"""Nodes whose machines are switched off below them: silence, what the control plane makes of it, and the way back."""

from __future__ import annotations

import pytest

from kvtui.demo import kinds
from kvtui.demo.catalog.hosts import system_uuid
from kvtui.demo.controllers.nodes import HEARTBEAT
from kvtui.demo.machinery import heed
from kvtui.demo.metrics import respond
from kvtui.demo.objects import deleting, has_condition
from kvtui.demo.paths import parse
from kvtui.demo.storage import Object
from kvtui.demo.world import World
from tests.demo.worlds import quiet_world

UUID = system_uuid(1)


def node(world: World) -> Object:
    return world.storage.get(kinds.NODE, "", "cp-2")


def pods(world: World, name: str = "") -> list[Object]:
    found = [pod for pod in world.storage.list(kinds.POD) if pod["spec"].get("nodeName") == "cp-2"]
    return [pod for pod in found if pod["metadata"]["name"].startswith(name)]


def reasons(world: World) -> set[str]:
    return {event["reason"] for event in world.storage.list(kinds.EVENT)}


def test_a_node_whose_machine_is_off_is_not_ready_after_the_grace_period() -> None:
    world = quiet_world()
    heed(world, f"{UUID} off\n")
    world.advance(45)
    assert has_condition(node(world), "Ready", "True")
    world.advance(10)
    assert has_condition(node(world), "Ready", "Unknown", "NodeStatusUnknown")
    assert {taint["effect"] for taint in node(world)["spec"]["taints"] if "unreachable" in taint["key"]} == {
        "NoSchedule", "NoExecute",
    }  # fmt: skip
    assert all(has_condition(pod, "Ready", "False") for pod in pods(world))
    assert "NodeNotReady" in reasons(world)
    # The control plane carries no VMs: KubeVirt has no word on it.
    world.advance(400)
    assert "kubevirt.io/schedulable" not in node(world)["metadata"]["labels"]
    assert not world.failures.told


def test_nothing_is_measured_on_a_silent_node() -> None:
    world = quiet_world()
    heed(world, f"{UUID} off")

    def measured(resource: str) -> set[str]:
        target = parse("GET", f"/apis/metrics.k8s.io/v1beta1/{resource}", {})
        return {item["metadata"]["name"] for item in respond(world, target, {})["items"]}

    assert measured("nodes") == {found["metadata"]["name"] for found in world.storage.list(kinds.NODE)} - {"cp-2"}
    assert "etcd-cp-1" in measured("pods")
    assert "etcd-cp-2" not in measured("pods")


def test_pods_of_a_silent_node_are_evicted_and_begun_elsewhere() -> None:
    world = quiet_world()
    (old,) = pods(world, "virt-api-")
    heed(world, f"{UUID} off")
    world.advance(400)
    (left,) = pods(world, "virt-api-")
    assert deleting(left)
    assert not deleting(pods(world, "etcd-")[0])
    others = [
        pod for pod in world.storage.list(kinds.POD)
        if pod["metadata"]["labels"].get("kubevirt.io") == "virt-api" and not deleting(pod)
    ]  # fmt: skip
    assert [pod["status"]["phase"] for pod in others] == ["Running", "Running"]
    heed(world, f"{UUID} running")
    world.advance(60)
    assert old["metadata"]["name"] not in [pod["metadata"]["name"] for pod in pods(world)]


def test_a_machine_that_is_switched_on_boots_and_its_containers_begin_anew() -> None:
    world = quiet_world()
    boot = node(world)["status"]["nodeInfo"]["bootID"]
    heed(world, f"{UUID} off")
    world.advance(90)
    heed(world, f"{UUID} running")
    world.advance(10)
    assert has_condition(node(world), "Ready", "Unknown")
    world.advance(15)
    assert has_condition(node(world), "Ready", "True")
    assert node(world)["status"]["nodeInfo"]["bootID"] != boot
    assert not [taint for taint in node(world)["spec"]["taints"] if "unreachable" in taint["key"]]
    (etcd,) = pods(world, "etcd-")
    (container,) = etcd["status"]["containerStatuses"]
    assert (container["restartCount"], container["lastState"]["terminated"]["exitCode"]) == (1, 255)
    assert has_condition(etcd, "Ready", "True")
    assert {"Rebooted", "NodeReady"} <= reasons(world)
    beat = node(world)["metadata"]["annotations"][HEARTBEAT]
    world.advance(300)
    assert node(world)["metadata"]["annotations"][HEARTBEAT] > beat


def test_a_machine_that_was_paused_goes_on_where_it_was() -> None:
    world = quiet_world()
    boot = node(world)["status"]["nodeInfo"]["bootID"]
    heed(world, f"{UUID} paused")
    world.advance(60)
    assert has_condition(node(world), "Ready", "Unknown")
    heed(world, f"{UUID} running")
    world.advance(1)
    assert has_condition(node(world), "Ready", "True")
    assert node(world)["status"]["nodeInfo"]["bootID"] == boot
    assert {status["restartCount"] for pod in pods(world) for status in pod["status"]["containerStatuses"]} == {0}


def test_a_short_pause_is_not_noticed_and_does_not_count_later() -> None:
    world = quiet_world()
    for _ in range(3):
        heed(world, f"{UUID} paused")
        world.advance(40)
        heed(world, f"{UUID} running")
        world.advance(1)
    assert has_condition(node(world), "Ready", "True")
    assert "NodeNotReady" not in reasons(world)


def test_a_machine_that_goes_off_while_it_boots_stays_silent() -> None:
    world = quiet_world()
    heed(world, f"{UUID} off")
    world.advance(60)
    heed(world, f"{UUID} running")
    world.advance(10)
    heed(world, f"{UUID} off")
    world.advance(60)
    assert has_condition(node(world), "Ready", "Unknown")
    heed(world, f"{UUID} running")
    world.advance(25)
    assert has_condition(node(world), "Ready", "True")


@pytest.mark.parametrize("line", ["", "nonsense", "6695eb01-f6a4-8304-79aa-97f2502e193f off", f"{UUID} melted", UUID])
def test_what_is_said_of_other_machines_is_nothing_to_the_cluster(line: str) -> None:
    world = quiet_world()
    heed(world, line)
    world.advance(100)
    assert all(has_condition(found, "Ready", "True") for found in world.storage.list(kinds.NODE))
