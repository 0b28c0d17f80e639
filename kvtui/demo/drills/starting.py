"""Machines that do not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest
from kvtui.demo.catalog.disks import BROKEN
from kvtui.demo.drills.making import add_claim_disk, claim, create, small_machine

if TYPE_CHECKING:
    from kvtui.demo.world import World


def pending_claim(world: World) -> None:
    """The disk's storage class has no provisioner: the claim stays Pending, the pod cannot be scheduled."""
    create(world, kinds.PVC, claim("shop", "orders-db-1-data", BROKEN, "200Gi"))
    vm = small_machine("shop", "orders-db-1", system="rhel", memory="8Gi", cores=4)
    add_claim_disk(vm, "orders-db-1-data")
    create(world, kinds.VM, vm)


def missing_claim(world: World) -> None:
    """The machine names a claim that does not exist."""
    vm = small_machine("shop", "orders-db-2", system="rhel", memory="8Gi", cores=4)
    add_claim_disk(vm, "orders-db2-data")
    create(world, kinds.VM, vm)


def too_much_memory(world: World) -> None:
    """No node is large enough."""
    create(world, kinds.VM, small_machine("data", "warehouse-1", system="rhel", memory="2Ti", cores=32))


def unknown_cpu_model(world: World) -> None:
    """No node offers the CPU model."""
    vm = small_machine("lab", "avx-bench-1", system="debian")
    vm["spec"]["template"]["spec"]["domain"]["cpu"]["model"] = "GraniteRapids"
    create(world, kinds.VM, vm)


def over_quota(world: World) -> None:
    """The namespace's quota refuses the launcher pod."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": "tight"},
        "spec": {"hard": {"requests.memory": "4Gi"}},
        "status": {"hard": {"requests.memory": "4Gi"}, "used": {"requests.memory": "0"}},
    }
    create(world, kinds.RESOURCE_QUOTA, quota)
    create(world, kinds.VM, small_machine("tight", "analytics-1", system="ubuntu", memory="8Gi"))


def missing_image(world: World) -> None:
    """The containerDisk cannot be pulled."""
    image = "registry.example.org/golden/debian-hardened:13.2"
    world.outside.missing_images.add(image)
    vm = small_machine("web", "edge-proxy-1", system="debian")
    vm["spec"]["template"]["spec"]["volumes"][0]["containerDisk"]["image"] = image
    create(world, kinds.VM, vm)


def crash_loop(world: World) -> None:
    """QEMU ends at each start."""
    world.guests["lab", "dpdk-router-1"] = Guest(starts=False)
    create(world, kinds.VM, small_machine("lab", "dpdk-router-1", system="debian", memory="4Gi", cores=4))
