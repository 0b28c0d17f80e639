"""The platform's Deployments and DaemonSets: what they say of themselves, their rollouts, and who puts them back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from kvtui.demo import kinds
from kvtui.demo.objects import condition, has_condition
from kvtui.demo.storage import Kind, Object
from kvtui.demo.world import World
from tests.demo.worlds import START


@pytest.fixture
def world() -> World:
    return World(start=START, troubles=False)


def told(world: World, namespace: str, name: str) -> dict[str, tuple[str, str]]:
    """Status and reason of its conditions."""
    found = world.storage.get(kinds.DEPLOYMENT, namespace, name)
    return {one["type"]: (one["status"], one["reason"]) for one in found["status"]["conditions"]}


def edit(world: World, kind: Kind, namespace: str, name: str, change: Callable[[Object], object]) -> None:
    def write(found: Object) -> None:
        change(found)

    world.storage.modify(kind, namespace, name, write)


def give_memory(workload: Object) -> None:
    workload["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = {"memory": "2Gi"}


def memory_limits(world: World, namespace: str, labels: dict[str, str]) -> list[str]:
    pods = world.storage.list(kinds.POD, namespace, labels)
    return [pod["spec"]["containers"][0]["resources"].get("limits", {}).get("memory", "") for pod in pods]


def test_a_deployment_that_is_well_has_the_conditions_of_a_real_one(world: World) -> None:
    assert told(world, "cdi", "cdi-deployment") == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_crashing_pods_make_it_unavailable_once_and_its_rollout_stays_through() -> None:
    world = World(start=START, drill="cdi-crash-loop")
    before = condition(world.storage.get(kinds.DEPLOYMENT, "cdi", "cdi-deployment"), "Available")
    world.advance(600.0)
    after = condition(world.storage.get(kinds.DEPLOYMENT, "cdi", "cdi-deployment"), "Available")
    assert before == after
    assert told(world, "cdi", "cdi-deployment") == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_conditions_that_somebody_wrote_without_reason_and_message_are_written_anew(world: World) -> None:
    def forget(workload: Object) -> None:
        workload["status"]["conditions"] = [
            {"type": "Available", "status": "True"},
            {"type": "Progressing", "status": "True"},
        ]

    edit(world, kinds.DEPLOYMENT, "shop", "cart-api", forget)
    world.advance(5.0)
    assert told(world, "shop", "cart-api") == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert world.failures.told == set()


def test_a_new_template_is_rolled_out_while_enough_pods_stay_ready(world: World) -> None:
    edit(world, kinds.DEPLOYMENT, "shop", "cart-api", give_memory)
    for _ in range(60):
        world.advance(1.0)
        assert world.storage.get(kinds.DEPLOYMENT, "shop", "cart-api")["status"]["readyReplicas"] >= 3
    assert memory_limits(world, "shop", {"app": "cart-api"}) == ["2Gi"] * 4
    assert told(world, "shop", "cart-api")["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_a_rollout_whose_image_is_not_to_be_had_times_out_and_leaves_the_old_pods(world: World) -> None:
    world.outside.missing_images.add("registry.example.org/shop/cart-api:2.15.0")

    def update(workload: Object) -> None:
        workload["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.org/shop/cart-api:2.15.0"

    edit(world, kinds.DEPLOYMENT, "shop", "cart-api", update)
    world.advance(900.0)
    assert told(world, "shop", "cart-api") == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("False", "ProgressDeadlineExceeded"),
    }


def test_fewer_replicas_leave_fewer_pods(world: World) -> None:
    edit(world, kinds.DEPLOYMENT, "shop", "cart-api", lambda found: found["spec"].update(replicas=1))
    world.advance(60.0)
    assert len(world.storage.list(kinds.POD, "shop", {"app": "cart-api"})) == 1


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "operator"),
    [
        (kinds.DEPLOYMENT, "kubevirt", "virt-controller", "virt-operator"),
        (kinds.DAEMON_SET, "kubevirt", "virt-handler", "virt-operator"),
        (kinds.DEPLOYMENT, "cdi", "cdi-deployment", "cdi-operator"),
    ],
)
def test_an_operator_puts_back_what_is_changed_in_what_it_installs(
    world: World, kind: Kind, namespace: str, name: str, operator: str
) -> None:
    before = world.storage.get(kind, namespace, name)["spec"]
    edit(world, kind, namespace, name, give_memory)
    world.advance(10.0)
    after = world.storage.get(kind, namespace, name)
    assert after["spec"] == before
    # What it took away again is nobody's; an entry is only for fields that somebody has.
    assert {entry["manager"] for entry in after["metadata"].get("managedFields", ())} <= {operator}


def test_a_number_of_replicas_that_somebody_sets_is_put_back_too(world: World) -> None:
    edit(world, kinds.DEPLOYMENT, "kubevirt", "virt-controller", lambda found: found["spec"].update(replicas=0))
    world.advance(60.0)
    assert world.storage.get(kinds.DEPLOYMENT, "kubevirt", "virt-controller")["status"]["readyReplicas"] == 2


def test_without_its_operator_nothing_is_put_back(world: World) -> None:
    edit(world, kinds.DEPLOYMENT, "kubevirt", "virt-operator", lambda found: found["spec"].update(replicas=0))
    world.advance(60.0)
    edit(world, kinds.DEPLOYMENT, "kubevirt", "virt-controller", give_memory)
    world.advance(120.0)
    assert memory_limits(world, "kubevirt", {"kubevirt.io": "virt-controller"}) == ["2Gi", "2Gi"]


def test_a_patch_of_the_cr_reaches_every_pod_of_a_daemon_set_one_after_the_other(world: World) -> None:
    container = {"name": "virt-handler", "resources": {"limits": {"memory": "1Gi"}}}
    patch = {"resourceType": "DaemonSet", "resourceName": "virt-handler", "type": "strategic"}
    patch["patch"] = json.dumps({"spec": {"template": {"spec": {"containers": [container]}}}})
    components = {"patches": [patch]}
    edit(world, kinds.KUBEVIRT, "kubevirt", "kubevirt", lambda kv: kv["spec"].update(customizeComponents=components))
    wanted = world.storage.get(kinds.DAEMON_SET, "kubevirt", "virt-handler")["status"]["desiredNumberScheduled"]
    for _ in range(300):
        world.advance(1.0)
        status = world.storage.get(kinds.DAEMON_SET, "kubevirt", "virt-handler")["status"]
        assert status["numberReady"] >= wanted - 1
    assert memory_limits(world, "kubevirt", {"kubevirt.io": "virt-handler"}) == ["1Gi"] * wanted
    edit(world, kinds.KUBEVIRT, "kubevirt", "kubevirt", lambda kv: kv["spec"].pop("customizeComponents"))
    world.advance(300.0)
    assert memory_limits(world, "kubevirt", {"kubevirt.io": "virt-handler"}) == [""] * wanted


def test_a_daemon_set_makes_a_pod_anew_that_somebody_deletes(world: World) -> None:
    pod = world.storage.list(kinds.POD, "rook-ceph", {"app": "csi-rbdplugin"})[0]
    world.delete_pod("rook-ceph", pod["metadata"]["name"])
    world.advance(60.0)
    pods = world.storage.list(kinds.POD, "rook-ceph", {"app": "csi-rbdplugin"})
    assert sum(one["spec"]["nodeName"] == pod["spec"]["nodeName"] for one in pods) == 1
    status = world.storage.get(kinds.DAEMON_SET, "rook-ceph", "csi-rbdplugin")["status"]
    assert status["numberReady"] == status["desiredNumberScheduled"] == len(pods)
    assert "numberUnavailable" not in status
    assert all(has_condition(one, "Ready", "True") for one in pods)
