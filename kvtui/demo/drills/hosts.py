"""Nodes out of service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.drills.making import create, small_machine
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World


def _workers(world: World) -> list[str]:
    nodes = world.storage.list(kinds.NODE, labels={"node-role.kubernetes.io/worker": ""})
    return [node["metadata"]["name"] for node in nodes]


def cordoned(world: World) -> None:
    """Somebody cordoned a node and did not come back."""
    now = world.clock.stamp()

    def cordon(node: Object) -> None:
        node["spec"]["unschedulable"] = True
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": now}
        node["spec"].setdefault("taints", []).append(taint)

    world.storage.modify(kinds.NODE, "", _workers(world)[3], cordon)


def not_ready(world: World) -> None:
    """A node lost its power; the machine that is tied to it cannot run elsewhere."""
    name = _workers(world)[-1]
    taint = {"key": "dedicated", "value": "edge", "effect": "NoSchedule"}
    world.storage.modify(kinds.NODE, "", name, lambda node: node["spec"].setdefault("taints", []).append(taint))
    vm = small_machine("erp", "label-printer-1", system="windows", memory="4Gi")
    vm["spec"]["template"]["spec"] |= {
        "nodeSelector": {"kubernetes.io/hostname": name},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "edge", "effect": "NoSchedule"}],
    }
    create(world, kinds.VM, vm)
    world.clock.call_later(180.0, lambda: world.nodes.silence(name))
