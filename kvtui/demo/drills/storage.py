"""The storage below all disks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.catalog.disks import SHARED
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import add_claim_disk, claim, create, small_machine

if TYPE_CHECKING:
    from kvtui.demo.world import World


@drill(
    "ceph-nearly-full",
    "the storage fills up",
    briefing="The storage team is not reachable, and its dashboard has turned yellow.",
    debrief="Ceph is 87 % full (HEALTH_WARN, OSD_NEARFULL). At 95 % it takes no more writes, and every VM on ceph-rbd "
    "is paused by I/O errors. Remove snapshots and disks that nobody needs, or add OSDs, before that.",
)
def ceph_nearly_full(world: World) -> None:
    """Ceph passes its first mark."""
    world.clock.call_later(240.0, lambda: world.ceph.fill(0.87))


@drill(
    "ceph-full",
    "databases stand still, one after the other",
    briefing="Three databases of different teams have stopped answering within five minutes.",
    debrief="Ceph is full (HEALTH_ERR, OSD_FULL) and takes no writes: the guests that wrote were paused by I/O "
    "errors. Make room in Ceph first (delete what is not needed, add OSDs, raise the full ratio for the "
    "moment), then unpause the VMs; nothing is lost.",
)
def ceph_full(world: World) -> None:
    """Ceph takes no more writes; guests that write are paused."""
    names = (("shop", "billing-db-1"), ("erp", "ledger-db-1"), ("data", "metrics-db-1"))
    for namespace, name in names:
        create(world, kinds.PVC, claim(namespace, f"{name}-data", SHARED, "200Gi", shared=True))
        vm = small_machine(namespace, name, system="rhel", memory="8Gi", cores=4)
        add_claim_disk(vm, f"{name}-data")
        create(world, kinds.VM, vm)

    def fill() -> None:
        world.ceph.fill(0.96)
        for number, (namespace, name) in enumerate(names):
            world.clock.call_later(20.0 + 90.0 * number, partial(world.handler.fail_disk, namespace, name, "data"))

    world.clock.call_later(300.0, fill)
