"""The memory dump of a machine: its claim is plugged in, QEMU writes the guest's memory there, it is unplugged.

Source: KubeVirt ``pkg/storage/memorydump`` and virt-handler. The phases are those of ``vm.status.memoryDumpRequest``.
"""

from __future__ import annotations

from collections.abc import Callable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller
from kvtui.demo.controllers.launcher import OVERHEAD, memory_request
from kvtui.demo.objects import deleting
from kvtui.demo.storage import Object

ANNOTATION = "kubevirt.io/memory-dump"
_ATTACHES, _DETACHES = 4.0, 3.0
_RATE = 512 * 1024**2
"""Bytes of memory that are written in a virtual second."""


class MemoryDumps(Controller):
    """Carries out what ``memorydump`` and ``removememorydump`` asked for."""

    component = "virt-controller"
    kinds = (kinds.VM,)
    latency = 0.15

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the dump of one machine a step on."""
        vm = self.storage.peek(kinds.VM, namespace, name)
        request = vm.get("status", {}).get("memoryDumpRequest") if vm is not None else None
        if vm is None or not request or deleting(vm):
            return
        key, uid, phase, claim = (namespace, name), vm["metadata"]["uid"], request["phase"], request["claimName"]
        if request.get("remove") and phase != "Dissociating":
            self._request(vm, lambda found: found.__setitem__("phase", "Dissociating"))
            return
        vmi = self.storage.find(kinds.VMI, namespace, name)
        running = vmi is not None and not deleting(vmi) and vmi["status"].get("phase") == "Running"
        match phase:
            case "Associating" if running:
                self._plug(vm, claim)
                self.restart_stage(uid, "dump")
                self._request(vm, lambda found: found.__setitem__("phase", "InProgress"))
            case "InProgress" if not running:
                self._request(vm, lambda found: found.update(phase="Failed", message="VMI is not running"))
            case "InProgress" if self.elapsed(key, uid, "dump", _ATTACHES + _memory(vmi) / _RATE):
                self._complete(vm, claim)
            case "Unmounting" if self.elapsed(key, uid, "unmount", _DETACHES):
                self._unplug(vm, claim, stored=False)
                self.restart_stage(uid, "unmount")
                self._request(vm, lambda found: found.__setitem__("phase", "Completed"))
            case "Dissociating" if self.elapsed(key, uid, "dissociate", _DETACHES):
                self._unplug(vm, claim, stored=True)
                self.restart_stage(uid, "dissociate")
                self.storage.modify(
                    kinds.VM, namespace, name, lambda found: found["status"].pop("memoryDumpRequest", None)
                )

    def _complete(self, vm: Object, claim: str) -> None:
        meta = vm["metadata"]
        file = f"{meta['name']}-{claim}-{self.clock.now:%Y%m%d-%H%M%S}.memory.dump"
        now = self.clock.stamp()
        self._request(vm, lambda found: found.update(phase="Unmounting", endTimestamp=now, fileName=file))

        def note(found: Object) -> None:
            found["metadata"].setdefault("annotations", {})[ANNOTATION] = file

        self.storage.modify(kinds.PVC, meta["namespace"], claim, note)

    def _plug(self, vm: Object, claim: str) -> None:
        volume = {"name": claim, "memoryDump": {"claimName": claim, "hotpluggable": True}}
        meta, now = vm["metadata"], self.clock.stamp()

        def plug(spec: Object) -> None:
            if all(item["name"] != claim for item in spec["volumes"]):
                spec["volumes"].append(volume)

        self._edit_volumes(meta["namespace"], meta["name"], plug, stored=True)
        self._request(vm, lambda found: found.setdefault("startTimestamp", now))

    def _unplug(self, vm: Object, claim: str, *, stored: bool) -> None:
        def unplug(spec: Object) -> None:
            spec["volumes"] = [item for item in spec["volumes"] if item["name"] != claim]

        self._edit_volumes(vm["metadata"]["namespace"], vm["metadata"]["name"], unplug, stored=stored)

    def _edit_volumes(self, namespace: str, name: str, edit: Callable[[Object], None], *, stored: bool) -> None:
        """Of the instance, and of what is `stored` of the machine."""
        self.storage.modify(kinds.VMI, namespace, name, lambda vmi: edit(vmi["spec"]))
        if stored:
            self.storage.modify(kinds.VM, namespace, name, lambda vm: edit(vm["spec"]["template"]["spec"]))

    def _request(self, vm: Object, change: Callable[[Object], object]) -> None:
        meta = vm["metadata"]

        def write(found: Object) -> None:
            request = found.get("status", {}).get("memoryDumpRequest")
            if request:
                change(request)

        self.storage.modify(kinds.VM, meta["namespace"], meta["name"], write)


def _memory(vmi: Object | None) -> float:
    return memory_request(vmi) - OVERHEAD if vmi is not None else 0.0
