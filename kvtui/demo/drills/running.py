"""Machines that run, but not as they should."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import create, edit, small_machine
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_SOON = 300.0


@drill(
    "io-error",
    "a VM stands still after its storage failed",
    briefing="data/ingest-1 takes no data. Its console shows the last line and does not move.",
    debrief="QEMU paused the guest when a write to its root disk failed (Paused, PausedIOError). Mend what the disk "
    "lies on first: full node disk, Ceph, the CSI driver. Then unpause the VM: it goes on where it stood.",
)
def io_error(world: World) -> None:
    """The storage under a disk fails: QEMU pauses the guest."""
    create(world, kinds.VM, small_machine("data", "ingest-1", system="ubuntu", memory="8Gi", cores=4))
    world.clock.call_later(_SOON, lambda: world.handler.fail_disk("data", "ingest-1", "rootdisk"))


@drill(
    "no-agent",
    "a VM tells nothing of its inside",
    briefing="The backup of erp/edi-gateway-1 warns that its file systems cannot be frozen.",
    debrief="No guest agent answers (no condition AgentConnected): the image has none. Install and start "
    "qemu-guest-agent in the guest. The VM itself is well.",
)
def no_agent(world: World) -> None:
    """The image has no guest agent."""
    world.guests["erp", "edi-gateway-1"] = Guest(agent=False)
    create(world, kinds.VM, small_machine("erp", "edi-gateway-1", system="centos", memory="4Gi"))


@drill(
    "restart-required",
    "a change does not reach the guest",
    briefing="shop/search-1 got four cores ten minutes ago. Its owner still sees two.",
    debrief="The number of cores in the VM's template cannot be changed while the guest runs: the VM has the "
    "condition RestartRequired. Restart it when its owner agrees.",
)
def restart_required(world: World) -> None:
    """Somebody changed a running machine in a way that only a restart brings to bear."""
    create(world, kinds.VM, small_machine("shop", "search-1", system="ubuntu", memory="4Gi"))

    def change() -> None:
        def more_cores(vm: Object) -> None:
            vm["spec"]["template"]["spec"]["domain"]["cpu"]["cores"] = 4

        edit(world, kinds.VM, "shop", "search-1", more_cores)

    world.clock.call_later(_SOON, change)


@drill(
    "instance-without-vm",
    "an instance that nobody would start again",
    briefing="Somebody asks who owns lab/scratch-1 and why it has no switch to turn it off.",
    debrief="It is a VirtualMachineInstance without a VirtualMachine, made directly. It runs, but nothing starts it "
    "again when it ends. Make a VirtualMachine of its spec if it is to stay.",
)
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


@drill(
    "kernel-panic",
    "a VM is down and nobody stopped it",
    briefing="erp/fax-relay-1 is off. Its owner swears that nobody touched it.",
    debrief='The guest crashed: its instance ended with phase Failed and the event "The VirtualMachineInstance '
    'crashed." Its run strategy is Manual, so nothing starts it again. Read the end of its console log for '
    "the panic, then start it; RerunOnFailure would have done so.",
)
def kernel_panic(world: World) -> None:
    """The guest's kernel panics, and the run strategy leaves it at that."""
    vm = small_machine("erp", "fax-relay-1", system="centos")
    vm["spec"]["runStrategy"] = "Manual"
    create(world, kinds.VM, vm)

    def start(found: Object) -> None:
        found.setdefault("status", {})["stateChangeRequests"] = [{"action": "Start"}]

    world.storage.modify(kinds.VM, "erp", "fax-relay-1", start)
    world.clock.call_later(_SOON, lambda: world.handler.end_guest("erp", "fax-relay-1", crashed=True))


@drill(
    "ignores-shutdown",
    "a VM does not stop",
    briefing="shop/till-sync-1 should have been off ten minutes ago, for the maintenance waits for it.",
    debrief="Its guest ignores the power button (ACPI), and its grace period is an hour: until then the instance "
    "stays in Stopping. Shut it down from inside, or force it to stop (grace period 0), which is like pulling "
    "the plug.",
)
def ignores_shutdown(world: World) -> None:
    """The guest does not obey, and its grace period is long."""
    world.guests["shop", "till-sync-1"] = Guest(shutdown=math.inf)
    vm = small_machine("shop", "till-sync-1", system="windows", memory="4Gi")
    vm["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 3600
    create(world, kinds.VM, vm)

    def halt(found: Object) -> None:
        found["spec"]["runStrategy"] = "Halted"

    def ask() -> None:
        edit(world, kinds.VM, "shop", "till-sync-1", halt)

    world.clock.call_later(_SOON, ask)
