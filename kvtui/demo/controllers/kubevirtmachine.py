"""CAPK's loop for KubevirtMachines: a machine whose VirtualMachine is gone gets another.

It makes and deletes VirtualMachines and never corrects one: what somebody changes stays. Source: CAPK
``controllers/kubevirtmachine_controller.go``, ``pkg/kubevirt/machine.go`` (IsTerminal, Create).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.catalog.tenants import tenant_machine
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.printable import FINAL, run_strategy
from kvtui.demo.objects import deleting, has_condition, set_condition
from kvtui.demo.storage import Change, Object

_NAME: Final = "capk.cluster.x-k8s.io/kubevirt-machine-name"
_NAMESPACE: Final = "capk.cluster.x-k8s.io/kubevirt-machine-namespace"


class KubevirtMachines(Controller):
    """Makes VirtualMachines and keeps the status of their KubevirtMachines."""

    kinds = (kinds.KUBEVIRT_MACHINE, kinds.VM, kinds.VMI)
    latency = 0.5

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The object itself, or that of a machine or an instance."""
        if change.kind is kinds.KUBEVIRT_MACHINE:
            return ((change.namespace, change.name),)
        name = change.labels.get(_NAME)
        return ((change.labels.get(_NAMESPACE, change.namespace), name),) if name else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Make the machine when there is none, and tell how it is."""
        owner = self.storage.find(kinds.KUBEVIRT_MACHINE, namespace, name)
        if owner is None or deleting(owner):
            return
        wanted = tenant_machine(owner)
        space = wanted["metadata"]["namespace"]
        vm = self.storage.find(kinds.VM, space, name)
        if vm is None:
            self.storage.create(kinds.VM, admit(self.world, kinds.VM, wanted, None, "CREATE"))
        vmi = self.storage.find(kinds.VMI, space, name)
        ready = vmi is not None and has_condition(vmi, "Ready", "True")
        now = self.clock.stamp()

        def write(found: Object) -> None:
            status = found.setdefault("status", {})
            status["ready"] = ready
            if ready:
                set_condition(found, "VMProvisioned", "True", now, "VMProvisioned", probe=None)
            else:
                printed = (vm or {}).get("status", {}).get("printableStatus", "")
                words = f"VM is not ready: {printed}" if printed else "VM is not ready"
                set_condition(found, "VMProvisioned", "False", now, "VMNotReady", words, probe=None)
            if vm is not None and vmi is not None and _is_terminal(vm, vmi):
                status["failureReason"] = "UpdateError"
                status["failureMessage"] = "VMI has reached a permanent finalized state"

        self.storage.modify(kinds.KUBEVIRT_MACHINE, namespace, name, write)


def _is_terminal(vm: Object, vmi: Object) -> bool:
    """Whether the instance has ended and none will follow it."""
    phase, strategy = vmi["status"].get("phase"), run_strategy(vm)
    if strategy in ("Halted", "Once"):
        return phase in FINAL
    return strategy == "RerunOnFailure" and phase == "Succeeded"
