"""vmRolloutStrategy LiveUpdate: more sockets and memory reach a running guest, by a migration that is made for it.

virt-controller writes the new size into the instance and marks it; the workload updater migrates it, and what must move
for its interfaces; on the target the guest has it (KubeVirt 1.9 ``pkg/virt-controller/watch/vm/vm.go``,
``workload-updater``; reference section 2.1 and 2.2).
"""

from __future__ import annotations

from collections.abc import Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.handler import is_migratable
from kvtui.demo.controllers.instance import cluster_configuration
from kvtui.demo.controllers.interfaces import MIGRATION_REQUIRED
from kvtui.demo.controllers.migration import FINALIZER
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.objects import amount, condition, deleting, has_condition, remove_condition, set_condition
from kvtui.demo.storage import Change, Object

_MARKS = ("HotVCPUChange", "HotMemoryChange")
_DUE = (*_MARKS, MIGRATION_REQUIRED)
"""Conditions of an instance that the workload updater migrates."""
_RETRY = 20.0


def why_restart(vm: Object, vmi: Object, *, live: bool) -> str:
    """Why the template's sockets and memory need a restart, in virt-controller's words; empty when they need none."""
    wanted, running = vm["spec"]["template"]["spec"]["domain"], vmi["spec"]["domain"]
    sockets, has = _sockets(wanted), _sockets(running)
    memory, had = _guest(wanted) or _guest(running), _guest(running)
    if (sockets, memory) == (has, had):
        return ""
    if not live:
        return "a non-live-updatable field was changed in the template spec"
    if sockets < has:
        return "Reduction of CPU socket count requires a restart"
    if sockets > running.get("cpu", {}).get("maxSockets", has):
        return "CPU sockets updated in template spec to a value higher than what's available"
    if memory == had:
        return ""
    if not is_migratable(vmi):
        return "memory updated in template spec. Memory-hotplug is only available for migratable VMs"
    if memory < amount(vmi["status"].get("memory", {}).get("guestAtBoot", had)):
        return "memory updated in template spec to a value lower than what the VM started with"
    if memory > amount(running.get("memory", {}).get("maxGuest", had)):
        return "memory updated in template spec to a value higher than what's available"
    return ""


def _sockets(domain: Object) -> int:
    return int(domain.get("cpu", {}).get("sockets", 1))


def _guest(domain: Object) -> float:
    return amount(domain.get("memory", {}).get("guest") or 0)


class LiveUpdates(Controller):
    """Brings a changed size to running instances."""

    kinds = (kinds.VM, kinds.VMI, kinds.VMIM)
    latency = 0.3

    def keys_for(self, change: Change) -> Iterable[Key]:
        """VM and instance have one name; a migration names its instance."""
        name = change.labels.get("kubevirt.io/vmi-name", "") if change.kind is kinds.VMIM else change.name
        return ((change.namespace, name),) if name else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Mark what is to grow, migrate what is marked, and take the mark off what has moved."""
        vm, vmi = self.storage.peek(kinds.VM, namespace, name), self.storage.peek(kinds.VMI, namespace, name)
        if vm is None or vmi is None or deleting(vmi) or vmi["status"].get("phase") != "Running":
            return
        live = cluster_configuration(self.world).get("vmRolloutStrategy") == "LiveUpdate"
        wanted, running = vm["spec"]["template"]["spec"]["domain"], vmi["spec"]["domain"]
        more = _sockets(wanted) != _sockets(running)
        larger = bool(_guest(wanted)) and _guest(wanted) != _guest(running)
        if (more or larger) and not has_condition(vm, "RestartRequired", "True"):
            if not why_restart(vm, vmi, live=live):
                self.storage.modify(kinds.VMI, namespace, name, lambda found: self._mark(found, wanted, more, larger))
        elif any(has_condition(vmi, mark, "True") for mark in _DUE):
            self._carry_on(vmi)

    def _mark(self, vmi: Object, wanted: Object, more: bool, larger: bool) -> None:
        now, domain = self.clock.stamp(), vmi["spec"]["domain"]
        if more:
            domain.setdefault("cpu", {})["sockets"] = _sockets(wanted)
            set_condition(vmi, "HotVCPUChange", "True", now)
        if larger:
            domain["memory"]["guest"] = wanted["memory"]["guest"]
            vmi["status"].setdefault("memory", {})["guestRequested"] = wanted["memory"]["guest"]
            set_condition(vmi, "HotMemoryChange", "True", now)

    def _carry_on(self, vmi: Object) -> None:
        namespace, name = vmi["metadata"]["namespace"], vmi["metadata"]["name"]
        move = vmi["status"].get("migrationState", {})
        marked = max(found.get("lastTransitionTime", "") for mark in _DUE if (found := condition(vmi, mark)))
        if move.get("completed") and not move.get("failed") and move.get("startTimestamp", "") >= marked:
            self.storage.modify(kinds.VMI, namespace, name, _arrive)
            return
        jobs = self.storage.list(kinds.VMIM, namespace, {"kubevirt.io/vmi-name": name})
        if not is_migratable(vmi) or any(job.get("status", {}).get("phase") not in FINAL for job in jobs):
            return
        failures = sum(job["status"]["phase"] == "Failed" for job in jobs)
        key = (namespace, name)
        if failures and not self.elapsed(key, vmi["metadata"]["uid"], f"update {failures}", _RETRY * 2**failures):
            return
        self.storage.create(kinds.VMIM, _update_of(vmi))


def _arrive(vmi: Object) -> None:
    """On its target the guest has what the instance states."""
    domain, status = vmi["spec"]["domain"], vmi["status"]
    if not any(condition(vmi, mark) for mark in _MARKS):
        return
    cpu = domain.get("cpu", {})
    status["currentCPUTopology"] = {key: cpu[key] for key in ("cores", "sockets", "threads") if key in cpu}
    status.setdefault("memory", {})["guestCurrent"] = domain["memory"]["guest"]
    for mark in _MARKS:
        remove_condition(vmi, mark)


def _update_of(vmi: Object) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {
            "generateName": "kubevirt-workload-update-",
            "namespace": vmi["metadata"]["namespace"],
            "annotations": {"kubevirt.io/workloadUpdateMigration": ""},
            "labels": {"kubevirt.io/vmi-name": vmi["metadata"]["name"]},
            "finalizers": [FINALIZER],
        },
        "spec": {"priority": "system-maintenance", "vmiName": vmi["metadata"]["name"]},
    }
