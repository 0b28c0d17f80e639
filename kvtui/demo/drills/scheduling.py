"""Machines for which there is no node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.catalog.disks import LOCAL
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import add_claim_disk, add_taint, claim, cordon, create, edit, small_machine, workers
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World


@drill(
    "too-much-memory",
    "a VM finds no node that is large enough",
    briefing="The data team cannot get its new data/warehouse-1 to start.",
    debrief="The VM asks for 2Ti of memory; the largest node can allocate 753Gi. Give it less memory "
    "(spec.template.spec.domain.memory.guest), or add a node of that size.",
)
def too_much_memory(world: World) -> None:
    """No node is large enough."""
    create(world, kinds.VM, small_machine("data", "warehouse-1", system="rhel", memory="2Ti", cores=32))


@drill(
    "unknown-cpu-model",
    "a VM asks for a processor that nobody has",
    briefing="lab/avx-bench-1 was made from a template of another site and does not come up here.",
    debrief="Its spec.template.spec.domain.cpu.model is GraniteRapids. No node carries the label "
    "cpu-model.node.kubevirt.io/GraniteRapids. Choose a model that the nodes offer, such as SapphireRapids, "
    "or host-model.",
)
def unknown_cpu_model(world: World) -> None:
    """No node offers the CPU model."""
    vm = small_machine("lab", "avx-bench-1", system="debian")
    vm["spec"]["template"]["spec"]["domain"]["cpu"]["model"] = "GraniteRapids"
    create(world, kinds.VM, vm)


@drill(
    "over-quota",
    "a namespace has no room for a VM",
    briefing="tight/analytics-1 hangs in Starting. There is plenty of memory on the nodes.",
    debrief='The ResourceQuota "small" of namespace tight allows 4Gi of requests.memory; the launcher pod needs the '
    "guest's 8Gi and its overhead. Raise the quota or make the VM smaller; virt-controller then tries again "
    "by itself.",
)
def over_quota(world: World) -> None:
    """The namespace's quota refuses the launcher pod."""
    create(world, kinds.RESOURCE_QUOTA, quota("tight", "small", "4Gi"))
    create(world, kinds.VM, small_machine("tight", "analytics-1", system="ubuntu", memory="8Gi"))


def quota(namespace: str, name: str, memory: str) -> Object:
    """A ResourceQuota on the memory that pods request."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hard": {"requests.memory": memory}},
        "status": {"hard": {"requests.memory": memory}, "used": {"requests.memory": "0"}},
    }


@drill(
    "tainted-nodes",
    "all nodes turn a VM away",
    briefing="web/status-page-1 should have come up a quarter of an hour ago. The others run, and no node is full.",
    debrief="Somebody tainted all workers with firmware=pending:NoSchedule. What runs stays, nothing new is "
    "scheduled. Take the taint off when the firmware is done: kubectl taint nodes -l "
    "node-role.kubernetes.io/worker firmware-. A toleration in the VM would do for this one alone.",
)
def tainted_nodes(world: World) -> None:
    """An administrator keeps everything new off the workers."""
    for name in workers(world):
        add_taint(world, name, "firmware", "pending")
    create(world, kinds.VM, small_machine("web", "status-page-1", system="debian"))


@drill(
    "local-disk",
    "a VM cannot go where its disk is not",
    briefing="lab/build-cache-1 was restarted for a change of its cores and has not come back.",
    debrief="Its disk build-cache-1-data lies in a volume of class local-lvm, which exists on one node only. That "
    "node is cordoned, and all others fail on the volume's node affinity. Uncordon the node, or move the disk "
    "to shared storage while the VM is off.",
)
def local_disk(world: World) -> None:
    """The only node that has the disk is cordoned."""
    vm = small_machine("lab", "build-cache-1", system="debian", memory="4Gi")
    create(world, kinds.PVC, claim("lab", "build-cache-1-data", LOCAL, "100Gi"))
    add_claim_disk(vm, "build-cache-1-data")
    create(world, kinds.VM, vm)

    def maintain() -> None:
        vmi = world.storage.get(kinds.VMI, "lab", "build-cache-1")
        world.storage.modify(kinds.NODE, "", vmi["status"]["nodeName"], cordon(world))
        world.storage.delete(kinds.VMI, "lab", "build-cache-1")

    world.clock.call_later(180.0, maintain)


@drill(
    "no-kvm",
    "a VM asks for a device that its node has lost",
    briefing="lab/kernel-test-1 is pinned to one node and does not start since that node's reboot.",
    debrief="The node offers no devices.kubevirt.io/kvm any more: allocatable is 0, for /dev/kvm is missing there. "
    "Look at the BIOS setting for virtualization and at the kvm module (lsmod, dmesg), then restart the "
    "node's virt-handler pod.",
)
def no_kvm(world: World) -> None:
    """A node came back without /dev/kvm."""
    name = workers(world)[-1]

    def lose(node: Object) -> None:
        for part in ("allocatable", "capacity"):
            node["status"][part]["devices.kubevirt.io/kvm"] = "0"

    world.storage.modify(kinds.NODE, "", name, lose)
    vm = small_machine("lab", "kernel-test-1", system="fedora")
    vm["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": name}
    create(world, kinds.VM, vm)


@drill(
    "pod-security",
    "a namespace refuses the pods of VMs",
    briefing="The security team hardened some namespaces today. lab/sensor-1 does not start.",
    debrief="Namespace lab carries pod-security.kubernetes.io/enforce=restricted, and a launcher pod is not that "
    "restricted. Namespaces with VMs need privileged: kubectl label --overwrite namespace lab "
    "pod-security.kubernetes.io/enforce=privileged.",
)
def pod_security(world: World) -> None:
    """Pod security admission refuses the launcher pod."""

    def harden(namespace: Object) -> None:
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"

    edit(world, kinds.NAMESPACE, "", "lab", harden, manager="kubectl-label")
    create(world, kinds.VM, small_machine("lab", "sensor-1", system="debian"))
