"""virt-api's ``memorydump`` and ``removememorydump``: its checks, codes and words.

Source: KubeVirt ``pkg/virt-api/rest/memorydump.go`` (reference section 3.1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.controllers.launcher import OVERHEAD, memory_request
from kvtui.demo.objects import MI, amount
from kvtui.demo.storage import Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_DUMP_OVERHEAD = 100 * MI
"""What a dump takes beside the guest's memory (``CalcExpectedMemoryDumpSize``)."""


def dump(world: World, namespace: str, name: str, options: Object) -> None:
    """Write the memory of a running guest to a claim; option `claimName`."""
    vm = _vm(world, namespace, name)
    present = vm.get("status", {}).get("memoryDumpRequest")
    claim = options.get("claimName", "")
    if not claim and not present:
        raise StorageError(400, "BadRequest", "Memory dump requires claim name to be set")
    if present and claim and present["claimName"] != claim:
        words = (
            f"can't request memory dump for pvc [{claim}] while pvc [{present['claimName']}] is still associated as "
            "the memory dump pvc"
        )
        raise _conflict("virtualmachine", name, words)
    claim = claim or present["claimName"]
    vmi = world.storage.find(kinds.VMI, namespace, name)
    if vmi is None:
        raise _missing("virtualmachineinstance", name)
    if vmi["status"].get("phase") != "Running":
        raise _conflict("virtualmachineinstance", name, "VMI is not running")
    _check_claim(world, vmi, namespace, claim)
    if present and present["phase"] == "Dissociating":
        words = f"can't dump memory for pvc [{claim}] a remove memory dump request is in progress"
        raise _conflict("virtualmachine", name, words)
    if present and present["phase"] not in ("Completed", "Failed"):
        raise _conflict("virtualmachine", name, f"memory dump request for pvc [{claim}] already in progress")
    _ask(world, namespace, name, {"claimName": claim, "phase": "Associating"})


def remove(world: World, namespace: str, name: str, _options: Object) -> None:
    """Take the claim of the last dump off a machine; the claim itself stays."""
    vm = _vm(world, namespace, name)
    present = vm.get("status", {}).get("memoryDumpRequest")
    if not present:
        words = f"can't remove memory dump association for vm {name}, no association found"
        raise _conflict("virtualmachine", name, words)
    claim = present["claimName"]
    if present.get("remove"):
        raise _conflict("virtualmachine", name, f"memory dump remove request for pvc [{claim}] already exists")
    _ask(world, namespace, name, {"claimName": claim, "phase": "Dissociating", "remove": True})


def _check_claim(world: World, vmi: Object, namespace: str, name: str) -> None:
    claim = world.storage.find(kinds.PVC, namespace, name)
    if claim is None:
        raise _missing("persistentvolumeclaim", name)
    spec = claim["spec"]
    if spec.get("volumeMode") == "Block":
        raise _conflict("persistentvolumeclaim", name, "pvc should be filesystem pvc")
    if spec.get("accessModes") == ["ReadOnlyMany"]:
        raise _conflict("persistentvolumeclaim", name, "pvc access mode can't be read only")
    config = world.storage.find(kinds.CDI_CONFIG, "", "config") or {}
    overheads = config.get("status", {}).get("filesystemOverhead", {})
    share = float(
        overheads.get("storageClass", {}).get(spec.get("storageClassName", "")) or overheads.get("global", "0.06")
    )
    size = amount(spec["resources"]["requests"]["storage"])
    wanted = (memory_request(vmi) - OVERHEAD + _DUMP_OVERHEAD) * (1 + share)
    if size < wanted:
        told = f"pvc size [{math.ceil(size / 1000)}k] should be bigger then [{math.ceil(wanted)}]"
        raise _conflict("persistentvolumeclaim", name, told)


def _ask(world: World, namespace: str, name: str, request: Object) -> None:
    def ask(vm: Object) -> None:
        vm.setdefault("status", {})["memoryDumpRequest"] = request

    world.storage.modify(kinds.VM, namespace, name, ask)


def _vm(world: World, namespace: str, name: str) -> Object:
    found = world.storage.find(kinds.VM, namespace, name)
    if found is None:
        raise _missing("virtualmachine", name)
    return found


def _missing(resource: str, name: str) -> StorageError:
    about = {"name": name, "group": "kubevirt.io", "kind": resource}
    return StorageError(404, "NotFound", f'{resource}.kubevirt.io "{name}" not found', about)


def _conflict(resource: str, name: str, why: str) -> StorageError:
    about = {"name": name, "group": "kubevirt.io", "kind": resource}
    words = f'Operation cannot be fulfilled on {resource}.kubevirt.io "{name}": {why}'
    return StorageError(409, "Conflict", words, about)
