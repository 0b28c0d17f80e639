"""Machines that do not start, though there is a node for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest
from kvtui.demo.catalog.applications import Application
from kvtui.demo.catalog.disks import BROKEN
from kvtui.demo.catalog.virtualmachines import machine
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import add_claim_disk, add_taint, claim, create, small_machine, workers

if TYPE_CHECKING:
    from kvtui.demo.world import World


@drill(
    "unbound-claim",
    "a disk never gets its volume",
    briefing="shop/orders-db-1 was moved to the archive storage in tonight's change window. It does not start.",
    debrief='Claim orders-db-1-data asks for storage class "nfs-archive". Its provisioner nfs.csi.k8s.io does not run '
    "in this cluster, so no volume is made, the claim stays Pending and the pod cannot be scheduled. Install "
    "the CSI driver, or use a class that has one, such as ceph-rbd.",
)
def pending_claim(world: World) -> None:
    """The disk's storage class has no provisioner: the claim stays Pending, the pod cannot be scheduled."""
    create(world, kinds.PVC, claim("shop", "orders-db-1-data", BROKEN, "200Gi"))
    vm = small_machine("shop", "orders-db-1", system="rhel", memory="8Gi", cores=4)
    add_claim_disk(vm, "orders-db-1-data")
    create(world, kinds.VM, vm)


@drill(
    "misspelt-class",
    "a new VM never gets its disk",
    briefing="lab/mesh-1 was rolled out with a manifest that somebody typed. It is still being provisioned.",
    debrief="The dataVolumeTemplate mesh-1-root of the VM asks for storage class ceph-rdb, and there is none of that "
    "name: ceph-rbd was meant. CDI finds no class for the disk and makes no claim. Correct storageClassName in "
    "the VM and delete DataVolume mesh-1-root: it is made anew.",
)
def misspelt_class(world: World) -> None:
    """The class in the dataVolumeTemplate does not exist: CDI makes no claim."""
    create(
        world, kinds.VM, machine(Application("lab", "mesh", "debian", 1, 2, "2Gi", storage_class="ceph-rdb"), "mesh-1")
    )


@drill(
    "importer-without-node",
    "new VMs stay without disks",
    briefing="erp/ledger-1 and erp/ledger-2 are new and still being provisioned. What runs already runs well.",
    debrief="Somebody tainted all workers with storage-upgrade=running:NoSchedule. No node takes CDI's importer pods, "
    "so the disks of the new VMs never begin to fill. Take the taint off when the upgrade is done: kubectl taint "
    "nodes -l node-role.kubernetes.io/worker storage-upgrade-. A toleration in the VMs would not help: CDI's "
    "workers have theirs from spec.workload of the CDI object.",
)
def importer_without_node(world: World) -> None:
    """No node takes the pods that import the disks of new machines."""
    for name in workers(world):
        add_taint(world, name, "storage-upgrade", "running")
    for number in (1, 2):
        application = Application("erp", "ledger", "debian", 1, 2, "2Gi", storage_class="ceph-rbd")
        create(world, kinds.VM, machine(application, f"ledger-{number}"))


@drill(
    "class-without-driver",
    "new VMs stay away, all of them",
    briefing="Six VMs of the new picking station were rolled out tonight, and none of them has come up.",
    debrief="Their disks ask for storage class nfs-archive, and its CSI driver nfs.csi.k8s.io is not installed: no "
    "volume is made, and CDI cannot begin to import. Install the driver, or make the VMs anew with a class that "
    "has one, such as ceph-rbd.",
)
def class_without_driver(world: World) -> None:
    """The class in the dataVolumeTemplates of several machines has no driver: no import begins."""
    for number in range(1, 7):
        namespace = "shop" if number < 5 else "web"
        application = Application(namespace, "picking", "debian", 1, 2, "2Gi", storage_class=BROKEN)
        create(world, kinds.VM, machine(application, f"picking-{number}"))


@drill(
    "missing-claim",
    "a VM names a disk that is not there",
    briefing="shop/orders-db-2 was set up by hand and has not run once.",
    debrief="The VM's volume names claim orders-db2-data, and there is none of that name in namespace shop: a typing "
    "error for orders-db-2-data. Correct claimName in the VM, or create the claim.",
)
def missing_claim(world: World) -> None:
    """The machine names a claim that does not exist."""
    vm = small_machine("shop", "orders-db-2", system="rhel", memory="8Gi", cores=4)
    add_claim_disk(vm, "orders-db2-data")
    create(world, kinds.VM, vm)


@drill(
    "missing-image",
    "a disk image cannot be pulled",
    briefing="web/edge-proxy-1 was rolled out with the new golden image and does not come up.",
    debrief="Its containerDisk registry.example.org/golden/debian-hardened:13.2 is not in the registry. Push the "
    "image or correct the tag; the kubelet tries again by itself, at most every five minutes.",
)
def missing_image(world: World) -> None:
    """The containerDisk cannot be pulled."""
    image = "registry.example.org/golden/debian-hardened:13.2"
    world.outside.missing_images.add(image)
    vm = small_machine("web", "edge-proxy-1", system="debian")
    vm["spec"]["template"]["spec"]["volumes"][0]["containerDisk"]["image"] = image
    create(world, kinds.VM, vm)


@drill(
    "crash-loop",
    "a VM ends as soon as it begins",
    briefing="lab/dpdk-router-1 goes up and down. Its owner says that it worked on his old hypervisor.",
    debrief="QEMU ends at each start: it cannot allocate the guest's memory on the node. virt-controller waits longer "
    "after each failure (status.startFailure). Read the launcher's log and the SyncFailed event, and give the "
    "node memory or the VM less of it.",
)
def crash_loop(world: World) -> None:
    """QEMU ends at each start."""
    world.guests["lab", "dpdk-router-1"] = Guest(starts=False)
    create(world, kinds.VM, small_machine("lab", "dpdk-router-1", system="debian", memory="4Gi", cores=4))
