"""Machines that run, but not as they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest
from kvtui.demo.catalog.disks import SHARED
from kvtui.demo.controllers.events import HANDLER
from kvtui.demo.drills.making import add_claim_disk, claim, create, small_machine
from kvtui.demo.objects import deleting
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_SOON = 300.0


def io_error(world: World) -> None:
    """The storage under a disk fails: QEMU pauses the guest."""
    create(world, kinds.VM, small_machine("data", "ingest-1", system="ubuntu", memory="8Gi", cores=4))

    def fail() -> None:
        vmi = world.storage.find(kinds.VMI, "data", "ingest-1")
        if vmi is None or deleting(vmi):
            return
        told = "VMI was paused, low-level IO error detected"
        world.handler.pause_guest("data", "ingest-1", "PausedIOError", told)
        node = vmi["status"].get("nodeName", "")
        world.events.warning(
            kinds.VMI, vmi, HANDLER, "IOerror", "VM Paused due to IO error at the volume: rootdisk", host=node
        )

    world.clock.call_later(_SOON, fail)


def no_agent(world: World) -> None:
    """The image has no guest agent."""
    world.guests["erp", "edi-gateway-1"] = Guest(agent=False)
    create(world, kinds.VM, small_machine("erp", "edi-gateway-1", system="centos", memory="4Gi"))


def private_disk(world: World) -> None:
    """The disk can be mounted on one node only: the machine cannot be migrated, though its node may be drained."""
    create(world, kinds.PVC, claim("web", "legacy-cms-1-data", SHARED, "50Gi"))
    vm = small_machine("web", "legacy-cms-1", system="opensuse", memory="4Gi")
    add_claim_disk(vm, "legacy-cms-1-data")
    create(world, kinds.VM, vm)


def restart_required(world: World) -> None:
    """Somebody changed a running machine in a way that only a restart brings to bear."""
    create(world, kinds.VM, small_machine("shop", "search-1", system="ubuntu", memory="4Gi"))

    def change() -> None:
        def more_cores(vm: Object) -> None:
            vm["spec"]["template"]["spec"]["domain"]["cpu"]["cores"] = 4

        world.storage.modify(kinds.VM, "shop", "search-1", more_cores)

    world.clock.call_later(_SOON, change)


def without_machine(world: World) -> None:
    """An instance that no VirtualMachine owns: nobody starts it again when it ends."""
    template = small_machine("lab", "scratch-1")["spec"]["template"]
    create(
        world,
        kinds.VMI,
        {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": {**template["metadata"], "name": "scratch-1", "namespace": "lab"},
            "spec": template["spec"],
        },
    )
