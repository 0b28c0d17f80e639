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
from kvtui.demo.controllers.clusters import CLUSTER_NAME
from kvtui.demo.controllers.printable import FINAL, run_strategy
from kvtui.demo.objects import deleting, has_condition, set_plain_condition
from kvtui.demo.storage import Change, Object

_NAME: Final = "capk.cluster.x-k8s.io/kubevirt-machine-name"
_NAMESPACE: Final = "capk.cluster.x-k8s.io/kubevirt-machine-namespace"


class KubevirtMachines(Controller):
    """Makes VirtualMachines and keeps the status of their KubevirtMachines."""

    kinds = (kinds.KUBEVIRT_MACHINE, kinds.VM, kinds.VMI, kinds.MACHINE, kinds.KUBEVIRT_CLUSTER)
    latency = 0.5

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The object itself, or that of a machine or an instance."""
        if change.kind in (kinds.KUBEVIRT_MACHINE, kinds.MACHINE):
            return ((change.namespace, change.name),)
        if change.kind is kinds.KUBEVIRT_CLUSTER:
            machines = self.storage.list(kinds.KUBEVIRT_MACHINE, change.namespace, {CLUSTER_NAME: change.name})
            return [(change.namespace, machine["metadata"]["name"]) for machine in machines]
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
            obstacle = self._obstacle(owner)
            if obstacle:
                self._wait(owner, obstacle)
                return
            self.storage.create(kinds.VM, admit(self.world, kinds.VM, wanted, None, "CREATE"))
        vmi = self.storage.find(kinds.VMI, space, name)
        ready = vmi is not None and has_condition(vmi, "Ready", "True")
        now = self.clock.stamp()

        def write(found: Object) -> None:
            status = found.setdefault("status", {})
            status["ready"] = ready
            if ready:
                set_plain_condition(found, "VMProvisioned", "True", now, "VMProvisioned")
            else:
                printed = (vm or {}).get("status", {}).get("printableStatus", "")
                words = f"VM is not ready: {printed}" if printed else "VM is not ready"
                set_plain_condition(found, "VMProvisioned", "False", now, "VMNotReady", words)
            if vm is not None and vmi is not None and _is_terminal(vm, vmi):
                status["failureReason"] = "UpdateError"
                status["failureMessage"] = "VMI has reached a permanent finalized state"

        self.storage.modify(kinds.KUBEVIRT_MACHINE, namespace, name, write)

    def _obstacle(self, owner: Object) -> str:
        """What a machine waits for that has no VirtualMachine yet; empty when it may have one."""
        meta = owner["metadata"]
        name = meta.get("labels", {}).get(CLUSTER_NAME, "")
        cluster = self.storage.find(kinds.KUBEVIRT_CLUSTER, meta["namespace"], name) if name else None
        if cluster is not None and not cluster.get("status", {}).get("ready"):
            return "WaitingForClusterInfrastructure"
        machine = self.storage.find(kinds.MACHINE, meta["namespace"], meta["name"])
        bootstrap = machine.get("spec", {}).get("bootstrap") if machine is not None else None
        if bootstrap is not None and not bootstrap.get("dataSecretName"):
            return "WaitingForBootstrapData"
        return ""

    def _wait(self, owner: Object, reason: str) -> None:
        meta, now = owner["metadata"], self.clock.stamp()

        def write(found: Object) -> None:
            found.setdefault("status", {})["ready"] = False
            set_plain_condition(found, "VMProvisioned", "False", now, reason)

        self.storage.modify(kinds.KUBEVIRT_MACHINE, meta["namespace"], meta["name"], write)


def _is_terminal(vm: Object, vmi: Object) -> bool:
    """Whether the instance has ended and none will follow it."""
    phase, strategy = vmi["status"].get("phase"), run_strategy(vm)
    if strategy in ("Halted", "Once"):
        return phase in FINAL
    return strategy == "RerunOnFailure" and phase == "Succeeded"
