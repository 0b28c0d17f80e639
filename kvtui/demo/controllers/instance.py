"""The instance that virt-controller makes from a VirtualMachine, with the defaults of the VMI webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.objects import amount, binary, copy_of, owner_reference
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

FINALIZERS = ["kubevirt.io/virtualMachineControllerFinalize", "kubevirt.io/foregroundDeleteVirtualMachine"]
_LARGEST_GUEST_FACTOR = 4
_MOST_SOCKETS_FACTOR = 4
"""Memory hot-plug allows four times the guest's memory unless the machine says otherwise."""


def cluster_configuration(world: World) -> Object:
    """``spec.configuration`` of the KubeVirt CR."""
    for kubevirt in world.storage.list(kinds.KUBEVIRT):
        found: Object = kubevirt["spec"].get("configuration", {})
        return found
    return {}


def new_instance(world: World, vm: Object) -> Object:
    """The instance for a VirtualMachine that is to run now, in phase Pending."""
    meta = vm["metadata"]
    template = copy_of(vm["spec"]["template"])
    drop_interfaces(template["spec"], absent_interfaces(template["spec"]))
    from_template = template.get("metadata", {})
    generation = meta.get("generation", 1)
    vmi: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": from_template.get("labels", {}),
            "annotations": {
                **from_template.get("annotations", {}),
                "kubevirt.io/pci-topology-version": "v3",
                "kubevirt.io/vm-generation": str(generation),
            },
            "ownerReferences": [owner_reference(vm)],
        },
        "spec": template["spec"],
    }
    return complete_instance(world, vmi, f"revision-start-vm-{meta['uid']}-{generation}")


def complete_instance(world: World, vmi: Object, revision: str = "") -> Object:
    """Fill in what the webhook does: CPU model, memory limits, eviction strategy, image pull policies, first status."""
    spec = vmi["spec"]
    domain = spec.setdefault("domain", {})
    domain.setdefault("cpu", {}).setdefault("cores", 1)
    domain["cpu"].setdefault("model", "host-model")
    domain["cpu"].setdefault("maxSockets", domain["cpu"].get("sockets", 1) * _MOST_SOCKETS_FACTOR)
    domain.setdefault("devices", {})
    domain.setdefault("features", {}).setdefault("acpi", {"enabled": True})
    domain.setdefault("machine", {"type": "q35"})
    domain.setdefault("resources", {})
    guest = domain.get("memory", {}).get("guest") or domain["resources"].get("requests", {}).get("memory") or "1Gi"
    memory = domain.setdefault("memory", {})
    memory.setdefault("guest", guest)
    memory.setdefault("maxGuest", binary(amount(guest) * _LARGEST_GUEST_FACTOR))
    spec.setdefault("architecture", "amd64")
    if "evictionStrategy" not in spec:
        spec["evictionStrategy"] = cluster_configuration(world).get("evictionStrategy", "None")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    for volume in spec.get("volumes", ()):
        if "containerDisk" in volume:
            tagged = volume["containerDisk"]["image"].rpartition("/")[2]
            latest = ":" not in tagged or tagged.endswith(":latest")
            volume["containerDisk"].setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    meta = vmi["metadata"]
    meta["finalizers"] = [*dict.fromkeys([*meta.get("finalizers", ()), *FINALIZERS])]
    now = world.clock.stamp()
    cores = {key: domain["cpu"][key] for key in ("cores", "sockets", "threads") if key in domain["cpu"]}
    vmi["status"] = {
        "currentCPUTopology": cores,
        "guestOSInfo": {},
        "memory": {"guestAtBoot": guest, "guestCurrent": guest, "guestRequested": guest},
        "phase": "Pending",
        "phaseTransitionTimestamps": [{"phase": "Pending", "phaseTransitionTimestamp": now}],
        "runtimeUser": 107,
    }
    if revision:
        vmi["status"]["virtualMachineRevisionName"] = revision
    return vmi


def interfaces_of(spec: Object) -> list[Object]:
    """The interfaces of an instance's spec or of a template's."""
    found: list[Object] = spec.get("domain", {}).get("devices", {}).get("interfaces", [])
    return found


def absent_interfaces(spec: Object) -> set[str]:
    """The names of those that are detached: they keep their place by the state ``absent``."""
    return {item["name"] for item in interfaces_of(spec) if item.get("state") == "absent"}


def drop_interfaces(spec: Object, names: set[str]) -> None:
    """Take interfaces and their networks out of a spec."""
    if names:
        left = [item for item in interfaces_of(spec) if item["name"] not in names]
        spec["domain"]["devices"]["interfaces"] = left
        spec["networks"] = [item for item in spec.get("networks", ()) if item["name"] not in names]


def enter_phase(obj: Object, phase: str, now: str) -> None:
    """Set ``.status.phase`` of an instance or a migration and note the time, once for each phase."""
    status = obj.setdefault("status", {})
    status["phase"] = phase
    times = status.setdefault("phaseTransitionTimestamps", [])
    if all(item["phase"] != phase for item in times):
        times.append({"phase": phase, "phaseTransitionTimestamp": now})
