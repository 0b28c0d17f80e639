"""virt-controller's evacuation loop: instances that are marked for leaving their node are migrated."""

from __future__ import annotations

from collections.abc import Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.handler import is_migratable
from kvtui.demo.controllers.migration import FINALIZER
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.objects import deleting
from kvtui.demo.storage import Change, Object

_SOURCE = "evacuation-controller"
_RETRY = 20.0


class Evacuation(Controller):
    """Creates ``kubevirt-evacuation-*`` migrations."""

    component = "virt-controller"
    kinds = (kinds.VMI, kinds.VMIM)
    latency = 0.3

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The instance itself, or that of a migration."""
        name = change.name if change.kind is kinds.VMI else change.labels.get("kubevirt.io/vmi-name", "")
        return ((change.namespace, name),) if name else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Make a migration for a marked instance that has none."""
        vmi = self.storage.peek(kinds.VMI, namespace, name)
        if vmi is None or deleting(vmi) or vmi["status"].get("phase") != "Running":
            return
        marked = vmi["status"].get("evacuationNodeName")
        if not marked or marked != vmi["status"].get("nodeName") or not is_migratable(vmi):
            return
        if vmi["spec"].get("evictionStrategy") == "External":
            return
        jobs = self.storage.list(kinds.VMIM, namespace, {"kubevirt.io/vmi-name": name})
        if any(job.get("status", {}).get("phase") not in FINAL for job in jobs):
            return
        failures = sum(job.get("status", {}).get("phase") == "Failed" for job in jobs)
        if failures and not self.elapsed(
            (namespace, name), vmi["metadata"]["uid"], f"retry {failures}", _RETRY * 2**failures
        ):
            return
        job = self.storage.create(kinds.VMIM, evacuation_of(vmi, marked))
        told = f"Created Migration {job['metadata']['name']}"
        self.world.events.normal(kinds.VMI, vmi, _SOURCE, "SuccessfulCreate", told)


def evacuation_of(vmi: Object, node: str) -> Object:
    """The migration that takes an instance off a node which is drained."""
    descheduled = vmi["metadata"].get("annotations", {}).get("kubevirt.io/eviction-source") == "descheduler"
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {
            "generateName": "kubevirt-evacuation-",
            "namespace": vmi["metadata"]["namespace"],
            "annotations": {"kubevirt.io/evacuationMigration": node},
            "labels": {"kubevirt.io/vmi-name": vmi["metadata"]["name"]},
            "finalizers": [FINALIZER],
        },
        "spec": {
            "priority": "system-maintenance" if descheduled else "system-critical",
            "vmiName": vmi["metadata"]["name"],
        },
    }
