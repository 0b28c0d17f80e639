"""Nodes that were created by hand: no kubelet has ever reported for them."""

from __future__ import annotations

import aiohttp

from kvtui.demo import kinds
from kvtui.demo.objects import has_condition
from kvtui.demo.world import World
from tests.cluster import RunningCluster
from tests.demo.wire import fetch


async def test_a_bare_node_lives_as_unknown(cluster: RunningCluster, admin: aiohttp.ClientSession) -> None:
    bare = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"}}
    await fetch(admin, "/api/v1/nodes", method="POST", status=201, json=bare)
    cluster.advance(600)
    node = cluster.world.storage.get(kinds.NODE, "", "bare")
    assert has_condition(node, "Ready", "Unknown", "NodeStatusNeverUpdated")
    assert "kubevirt.io/heartbeat" not in node["metadata"].get("annotations", {})
    assert not cluster.world.failures.told
    assert not [pod for pod in cluster.world.storage.list(kinds.POD) if pod["spec"].get("nodeName") == "bare"]


def test_addresses_of_many_machines_are_unique() -> None:
    world = World(2000, troubles=False)
    found = [
        interface["ipAddress"]
        for vmi in world.storage.list(kinds.VMI)
        for interface in vmi["status"].get("interfaces", ())
        if "ipAddress" in interface
    ]
    assert len(found) > 2000
    assert len(found) == len(set(found))


def test_a_node_has_the_taint_of_a_cordon_as_long_as_it_is_cordoned() -> None:
    world = World(troubles=False)

    def taints() -> list[str]:
        spec = world.storage.get(kinds.NODE, "", "worker-01")["spec"]
        return [taint["key"] for taint in spec.get("taints", ())]

    world.storage.modify(kinds.NODE, "", "worker-01", lambda node: node["spec"].update(unschedulable=True))
    world.advance(1)
    assert taints() == ["node.kubernetes.io/unschedulable"]
    world.storage.modify(kinds.NODE, "", "worker-01", lambda node: node["spec"].pop("unschedulable") and None)
    world.advance(1)
    assert taints() == []
