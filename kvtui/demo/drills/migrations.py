"""Migrations that do not end well, and machines that cannot be moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest
from kvtui.demo.catalog.disks import SHARED
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import (
    add_claim_disk,
    claim,
    cordon,
    create,
    edit,
    migration_of,
    small_machine,
    try_to_evict,
)
from kvtui.demo.drills.scheduling import quota
from kvtui.demo.objects import MI
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_EVERY = 540.0
"""Seconds between two attempts that never converge: the next one begins soon after the last was aborted."""
_BUSY = Guest(dirty_rate=412.0 * MI, transfer_rate=380.0 * MI)
"""A guest that changes its memory quicker than it can be sent."""


@drill(
    "never-converges",
    "a migration does not end",
    briefing="The node of data/hot-cache-1 is to be serviced, but its migration has failed twice already.",
    debrief="The guest dirties 412 MiB/s and 380 MiB/s can be sent: memory copy never catches up and is aborted when "
    "its time is up (completionTimeoutPerGiB). Migrate when the guest is quieter, or allow auto-converge or "
    "post-copy in a MigrationPolicy.",
)
def never_converges(world: World) -> None:
    """The guest changes its memory quicker than it can be sent, until the time is up; then somebody tries again."""
    world.guests["data", "hot-cache-1"] = Guest(dirty_rate=412.0 * MI, transfer_rate=380.0 * MI)
    create(world, kinds.VM, small_machine("data", "hot-cache-1", system="debian", memory="2Gi", cores=8))

    def attempt() -> None:
        world.clock.call_later(_EVERY, attempt)
        try_to_migrate(world, "data", "hot-cache-1")

    world.clock.call_later(240.0, attempt)


@drill(
    "no-target",
    "a migration finds no node to go to",
    briefing="shop/payment-hsm-1 should move to the other rack. The migration ended after five minutes.",
    debrief="The migration asked for a node with label example.org/hsm=true (addedNodeSelector), and no node has it: "
    "its target pod was unschedulable for five minutes, then the migration failed. Label the node, or migrate "
    "without that selector.",
)
def no_target(world: World) -> None:
    """The migration asks for a node that does not exist: after five minutes it fails."""
    create(world, kinds.VM, small_machine("shop", "payment-hsm-1", system="rhel", memory="4Gi"))

    def attempt() -> None:
        try_to_migrate(world, "shop", "payment-hsm-1", {"example.org/hsm": "true"})

    world.clock.call_later(120.0, attempt)


def try_to_migrate(world: World, namespace: str, name: str, selector: dict[str, str] | None = None) -> None:
    """Ask for a migration; a refusal is no matter."""
    job = migration_of(namespace, name)
    if selector:
        job["spec"]["addedNodeSelector"] = selector
    try:
        create(world, kinds.VMIM, job)
    except StorageError as error:
        if error.code not in (400, 409, 422):
            raise


def with_private_disk(world: World, namespace: str, name: str) -> None:
    """A machine with a disk that one node at a time may use."""
    create(world, kinds.PVC, claim(namespace, f"{name}-data", SHARED, "50Gi"))
    vm = small_machine(namespace, name, system="opensuse", memory="4Gi")
    add_claim_disk(vm, f"{name}-data")
    create(world, kinds.VM, vm)


@drill(
    "private-disk",
    "a VM cannot be moved",
    briefing="The rehearsal of the node service refuses to migrate web/legacy-cms-1.",
    debrief="Claim legacy-cms-1-data is ReadWriteOnce, so it cannot be mounted on two nodes: LiveMigratable is False, "
    "DisksNotLiveMigratable. A drain of its node will hang. Move the disk to a ReadWriteMany claim, or set "
    "the VM's evictionStrategy to LiveMigrateIfPossible and accept its stop.",
)
def private_disk(world: World) -> None:
    """The disk can be mounted on one node only: the machine cannot be migrated, though its node may be drained."""
    with_private_disk(world, "web", "legacy-cms-1")


@drill(
    "bridge-on-pod-network",
    "a VM is bound to its node by its network",
    briefing="Nobody can migrate web/sip-proxy-1, and it has no disk that could be in the way.",
    debrief="Its interface binds the pod network as a bridge, and the address of a pod cannot go to another node: "
    "InterfaceNotLiveMigratable. Use masquerade, or a bridge on a network of its own.",
)
def bridge_on_pod_network(world: World) -> None:
    """A guest that has the pod's own address."""
    vm = small_machine("web", "sip-proxy-1", system="debian")
    vm["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"] = [{"bridge": {}, "name": "default"}]
    create(world, kinds.VM, vm)


@drill(
    "migration-over-quota",
    "a migration does not get its second pod",
    briefing="tight/ledger-1 is to leave its node. Its migration has been Pending for ten minutes, all others went "
    "through.",
    debrief='A migration needs a second launcher pod, and the ResourceQuota "pair" of namespace tight has no room for '
    "it beside the first: condition migrationRejectedByResourceQuota. Raise the quota for the time of the "
    "move; it goes on by itself.",
)
def migration_over_quota(world: World) -> None:
    """The namespace's quota is enough for the machine, and not for its move."""
    create(world, kinds.RESOURCE_QUOTA, quota("tight", "pair", "6Gi"))
    create(world, kinds.VM, small_machine("tight", "ledger-1", system="rhel", memory="4Gi"))
    world.clock.call_later(180.0, lambda: try_to_migrate(world, "tight", "ledger-1"))


@drill(
    "target-dies",
    "a migration breaks off",
    briefing="The move of data/matching-1 was nearly through, then it was back where it came from.",
    debrief='The launcher pod on the target node ended during the copy: failureReason "Target pod is down". The guest '
    "runs on at its source, nothing is lost. See why the pod ended (its state and its node's events), then "
    "migrate again.",
    develops=420.0,
)
def target_dies(world: World) -> None:
    """The target pod ends while memory is copied."""
    world.guests["data", "matching-1"] = _BUSY
    create(world, kinds.VM, small_machine("data", "matching-1", system="rhel", memory="4Gi"))
    world.clock.call_later(120.0, lambda: try_to_migrate(world, "data", "matching-1"))

    def kill() -> None:
        move = world.storage.get(kinds.VMI, "data", "matching-1")["status"]["migrationState"]
        world.kubelet.complete("data", move["targetPod"], failed=True)

    world.clock.call_later(240.0, kill)


@drill(
    "migration-queue",
    "migrations wait for each other",
    briefing="The night's moves are late: three migrations have been Pending for ten minutes and nothing moves.",
    debrief="The cluster moves one VM at a time (KubeVirt: spec.configuration.migrations.parallelMigrationsPerCluster "
    "is 1), and data/hot-cache-1 in front of them does not converge. Cancel that migration, or raise the "
    "limit.",
    develops=720.0,
)
def migration_queue(world: World) -> None:
    """One that does not converge holds up all others, for the limit is one."""

    def limit(found: Object) -> None:
        found["spec"]["configuration"]["migrations"] |= {
            "parallelMigrationsPerCluster": 1,
            "completionTimeoutPerGiB": 800,
        }

    edit(world, kinds.KUBEVIRT, "kubevirt", "kubevirt", limit)
    world.guests["data", "hot-cache-1"] = Guest(dirty_rate=412.0 * MI, transfer_rate=380.0 * MI)
    create(world, kinds.VM, small_machine("data", "hot-cache-1", system="debian", memory="4Gi", cores=8))
    for number in range(1, 4):
        create(world, kinds.VM, small_machine("web", f"landing-{number}", system="debian"))
    world.clock.call_later(90.0, lambda: try_to_migrate(world, "data", "hot-cache-1"))

    def others() -> None:
        for number in range(1, 4):
            try_to_migrate(world, "web", f"landing-{number}")

    world.clock.call_later(120.0, others)


@drill(
    "blocked-drain",
    "a node does not get empty",
    briefing="kubectl drain has been running on one worker for twelve minutes and says the same sentence every five "
    "seconds.",
    debrief="web/legacy-cms-1 must be moved rather than stopped (evictionStrategy LiveMigrate) and cannot be: its "
    "claim is ReadWriteOnce. The eviction is refused for ever. Stop the VM in agreement with its owner, or "
    "change its evictionStrategy.",
)
def blocked_drain(world: World) -> None:
    """A node is drained, and one machine on it can neither be moved nor may be stopped."""
    with_private_disk(world, "web", "legacy-cms-1")

    def drain() -> None:
        vmi = world.storage.get(kinds.VMI, "web", "legacy-cms-1")
        node = vmi["status"]["nodeName"]
        world.storage.modify(kinds.NODE, "", node, cordon(world))
        drain_node(world, node)

    world.clock.call_later(180.0, drain)


def drain_node(world: World, node: str) -> None:
    """What ``kubectl drain`` does to VMs after its cordon: it evicts their pods, each five seconds what is left."""
    left = 0
    for row in world.storage.raw_list(kinds.POD):
        if f'"nodeName":"{node}"'.encode() not in row.raw:
            continue
        pod = world.storage.get(kinds.POD, row.namespace, row.name)
        if pod["metadata"].get("labels", {}).get("kubevirt.io") == "virt-launcher":
            left += try_to_evict(world, pod)
    if left:
        world.clock.call_later(5.0, lambda: drain_node(world, node))
