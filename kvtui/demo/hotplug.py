"""virt-api's ``addvolume`` and ``removevolume`` with declarative hot-plug: they change the VM's own spec.

Source: KubeVirt ``pkg/virt-api/rest/volumes.go`` (reference section 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.managers import written_by
from kvtui.demo.objects import copy_of
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_SOURCES = ("persistentVolumeClaim", "dataVolume")
_BUSES = ("scsi", "virtio", "sata", "")


def add(world: World, namespace: str, name: str, options: Object) -> None:
    """Attach a volume to a VM; options `name`, `disk`, `volumeSource`."""
    vm = _vm(world, namespace, name)
    volume = options.get("name", "")
    _require(options, "AddVolumeOptions")
    disk, source = options.get("disk"), options.get("volumeSource")
    if disk is None:
        raise _bad_request("AddVolumeOptions requires disk to not be nil")
    if source is None:
        raise _bad_request("AddVolumeOptions requires VolumeSource to not be nil")
    kind = next((key for key in _SOURCES if source.get(key)), "")
    if not kind:
        raise _bad_request("AddVolumeOptions requires VolumeSource to not be nil")
    spec = vm["spec"]["template"]["spec"]
    present = spec.get("volumes", [])
    if any(item["name"] == volume for item in present):
        raise _conflict(name, f"Unable to add volume [{volume}] because volume with that name already exists")
    claim = source[kind].get("claimName") or source[kind].get("name")
    if claim in (_claim(item) for item in present):
        raise _conflict(name, f"Unable to add volume source [{claim}] because it already exists")
    bus = (disk.get("disk") or {}).get("bus", "")
    if bus not in _BUSES:
        words = f"hotplugged Disk [{volume}] requires bus to be 'scsi', 'virtio' or 'sata'."
        field = f"spec.template.spec.domain.devices.disks[{len(present)}]"
        raise _denied(422, "Invalid", words, {"causes": [{"message": words, "field": field}]})
    _check_still(vm, world)
    if options.get("dryRun"):
        return

    def attach(found: Object) -> None:
        inner = found["spec"]["template"]["spec"]
        inner.setdefault("volumes", []).append({"name": volume, kind: {**source[kind], "hotpluggable": True}})
        devices = inner.setdefault("domain", {}).setdefault("devices", {})
        devices.setdefault("disks", []).append({**copy_of(disk), "name": volume})

    world.storage.modify(kinds.VM, namespace, name, written_by(kinds.VM, "virt-api", world.clock.stamp(), attach))


def remove(world: World, namespace: str, name: str, options: Object) -> None:
    """Take a volume off a VM; option `name`."""
    vm = _vm(world, namespace, name)
    volume = options.get("name", "")
    _require(options, "RemoveVolumeOptions")
    found = next(
        (item for item in vm["spec"]["template"].get("spec", {}).get("volumes", ()) if item["name"] == volume), None
    )
    if found is None:
        raise _conflict(name, f"Unable to remove volume [{volume}] because it does not exist")
    if not is_hotpluggable(found):
        raise _conflict(name, f"Unable to remove volume [{volume}] because it is not hotpluggable")
    _check_still(vm, world)
    if options.get("dryRun"):
        return

    def detach(machine: Object) -> None:
        take_off(machine["spec"]["template"]["spec"], volume)

    world.storage.modify(kinds.VM, namespace, name, written_by(kinds.VM, "virt-api", world.clock.stamp(), detach))


def refuse_instance(world: World, namespace: str, name: str, options: Object) -> None:
    """The same for an instance: with declarative hot-plug that of a VM takes none of its own."""
    _require(options, "AddVolumeOptions")
    vmi = world.storage.find(kinds.VMI, namespace, name)
    if vmi is None:
        raise StorageError(404, "NotFound", f'virtualmachineinstance.kubevirt.io "{name}" not found')
    if vmi["metadata"].get("ownerReferences"):
        raise _bad_request(f"VMI {namespace}/{name} is owned by a VM")
    raise _bad_request("the demo cluster attaches volumes to VMs alone")


def is_hotpluggable(volume: Object) -> bool:
    """Whether it was attached later."""
    return any(volume.get(key, {}).get("hotpluggable") for key in _SOURCES)


def take_off(spec: Object, volume: str) -> None:
    """Take a volume and its disk out of the spec of an instance or a template."""
    spec["volumes"] = [item for item in spec.get("volumes", ()) if item["name"] != volume]
    devices = spec.get("domain", {}).get("devices", {})
    devices["disks"] = [item for item in devices.get("disks", ()) if item["name"] != volume]


def _claim(volume: Object) -> str:
    found: str = volume.get("persistentVolumeClaim", {}).get("claimName") or volume.get("dataVolume", {}).get(
        "name", ""
    )
    return found


def _require(options: Object, what: str) -> None:
    if not options:
        raise _bad_request("Request with no body, a new name is expected as the request body")
    if not options.get("name"):
        raise _bad_request(f"{what} requires name to be set")


def _check_still(vm: Object, world: World) -> None:
    meta = vm["metadata"]
    vmi = world.storage.find(kinds.VMI, meta["namespace"], meta["name"])
    move = (vmi or {}).get("status", {}).get("migrationState")
    if move and not move.get("endTimestamp"):
        raise _denied(422, "Invalid", "Cannot handle volume requests while VMI migration is in progress")


def _vm(world: World, namespace: str, name: str) -> Object:
    found = world.storage.find(kinds.VM, namespace, name)
    if found is None:
        raise StorageError(404, "NotFound", f'virtualmachine.kubevirt.io "{name}" not found')
    return found


def _bad_request(message: str) -> StorageError:
    return StorageError(400, "BadRequest", message)


def _conflict(name: str, why: str) -> StorageError:
    message = f'Operation cannot be fulfilled on virtualmachine.kubevirt.io "{name}": {why}'
    return StorageError(409, "Conflict", message, {"name": name, "group": "kubevirt.io", "kind": "virtualmachine"})


def _denied(code: int, reason: str, words: str, details: Object | None = None) -> StorageError:
    lead = 'admission webhook "virtualmachine-validator.kubevirt.io" denied the request: '
    return StorageError(code, reason, lead + words, details)
