"""Nodes out of service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import add_taint, cordon, create, small_machine, workers

if TYPE_CHECKING:
    from kvtui.demo.world import World


@drill(
    "cordoned-node",
    "a node takes nothing new",
    briefing="The capacity report says that one worker has been getting emptier for days.",
    debrief="Somebody cordoned worker-04 (spec.unschedulable) and did not come back. What runs there runs on. "
    "Uncordon it when the work is done.",
)
def cordoned(world: World) -> None:
    """Somebody cordoned a node and did not come back."""
    world.storage.modify(kinds.NODE, "", workers(world)[3], cordon(world, 2 * 86400.0))


@drill(
    "node-not-ready",
    "a node is gone and a VM with it",
    briefing="The label printers of the warehouse print nothing since a few minutes.",
    debrief="worker-10 lost its power: Ready is Unknown, for its kubelet stopped posting node status. "
    "erp/label-printer-1 is tied to that node (nodeSelector) and cannot start elsewhere. Power the machine "
    "on; make sure that it is off before you force anything away from it.",
)
def not_ready(world: World) -> None:
    """A node lost its power; the machine that is tied to it cannot run elsewhere."""
    name = workers(world)[-1]
    add_taint(world, name, "dedicated", "edge")
    vm = small_machine("erp", "label-printer-1", system="windows", memory="4Gi")
    vm["spec"]["template"]["spec"] |= {
        "nodeSelector": {"kubernetes.io/hostname": name},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "edge", "effect": "NoSchedule"}],
    }
    create(world, kinds.VM, vm)
    world.clock.call_later(180.0, lambda: world.nodes.silence(name))
