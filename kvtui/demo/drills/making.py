"""How drills make objects: as a user would, through the webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo.admission import admit
from kvtui.demo.catalog.applications import Application
from kvtui.demo.catalog.virtualmachines import machine
from kvtui.demo.storage import Kind, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World


def create(world: World, kind: Kind, obj: Object) -> Object:
    """Create an object as the API server does."""
    return world.storage.create(kind, admit(world, kind, obj, None, "CREATE"))


def small_machine(namespace: str, name: str, *, system: str = "fedora", memory: str = "2Gi", cores: int = 2) -> Object:
    """A VirtualMachine that runs from a containerDisk, not yet created."""
    application = Application(namespace, name.rpartition("-")[0], system, 1, cores, memory, storage_class="")
    return machine(application, name)


def add_claim_disk(vm: Object, claim: str) -> None:
    """Give a machine a second disk on a claim that somebody else makes."""
    spec = vm["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
    spec["domain"]["devices"]["disks"].append({"disk": {"bus": "virtio"}, "name": "data"})


def claim(namespace: str, name: str, storage_class: str, size: str) -> Object:
    """A PersistentVolumeClaim as a user writes it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": storage_class,
        },
    }


def import_of(
    namespace: str, name: str, url: str, *, size: str = "20Gi", storage_class: str = "", checksum: str = ""
) -> Object:
    """A DataVolume that imports a disk image from the web."""
    source: Object = {"url": url}
    if checksum:
        source["checksum"] = checksum
    storage: Object = {"resources": {"requests": {"storage": size}}}
    if storage_class:
        storage["storageClassName"] = storage_class
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": {"http": source}, "storage": storage},
    }


def migration_of(namespace: str, name: str) -> Object:
    """A migration of the instance of that name, as a user asks for it."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"generateName": "kubevirt-migrate-vm-", "namespace": namespace},
        "spec": {"vmiName": name},
    }
