"""Machines without the network that they should have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import add_network, create, small_machine

if TYPE_CHECKING:
    from kvtui.demo.world import World


@drill(
    "missing-network",
    "a VM names a network that is not there",
    briefing="shop/pos-gateway-1 was moved into the new VLAN and does not start any more.",
    debrief="The VM wants network db-vlan125, and there is no NetworkAttachmentDefinition shop/db-vlan125. The team "
    "made it as db-vlan120. Correct networkName in the VM, or create the definition.",
)
def missing_network(world: World) -> None:
    """The machine names a NetworkAttachmentDefinition that does not exist."""
    vm = small_machine("shop", "pos-gateway-1", system="debian")
    add_network(vm, "db-vlan125")
    create(world, kinds.VM, vm)


@drill(
    "no-address",
    "a VM has no address on its second network",
    briefing="Nobody reaches data/collector-1 in VLAN 140. Its console works.",
    debrief="The VM's interface vlan shows no address, and no guest agent answers that could tell one. The guest got "
    "none: see on its console whether the interface is up and whether DHCP answers in that VLAN, and install "
    "the agent.",
)
def no_address(world: World) -> None:
    """No agent tells the address on a bridge, if the guest has one."""
    world.guests["data", "collector-1"] = Guest(agent=False, lease=False)
    vm = small_machine("data", "collector-1", system="centos")
    add_network(vm, "data-vlan140")
    create(world, kinds.VM, vm)
