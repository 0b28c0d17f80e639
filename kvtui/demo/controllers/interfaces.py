"""Interfaces that running instances get and lose: bridge and SR-IOV ones, by a live migration.

virt-controller writes what the template has into the instance, and what is detached there by its state ``absent``;
after a while in which the node's network controller might do it, the instance is marked, and migrated. On the target
the pod has the network, and virt-handler gives it to the guest. A guest loses its interface at once, its pod with the
next migration (KubeVirt 1.9 ``pkg/network/controllers/vm.go`` and ``hotplug.go``, ``pkg/network/migration``;
reference section 2.2).
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller
from kvtui.demo.controllers.handler import report_plugged, report_unplugged
from kvtui.demo.controllers.instance import absent_interfaces, drop_interfaces, interfaces_of
from kvtui.demo.objects import (
    condition,
    copy_of,
    deleting,
    has_condition,
    is_owned_by,
    remove_condition,
    set_condition,
)
from kvtui.demo.storage import Object

MIGRATION_REQUIRED = "MigrationRequired"
_PENDING, _DUE = "AutoMigrationPending", "AutoMigrationDueToLiveUpdate"
_GRACE = 15.0
"""Virtual seconds in which the network controller of a node might bring the change without a migration."""
_PLUG = 0.7
"""Virtual seconds until virt-handler has changed the guest."""
_PLUGGABLE = ("bridge", "sriov")


class Interfaces(Controller):
    """Brings running instances in step with the interfaces of their VMs."""

    component = "virt-controller"
    kinds = (kinds.VM, kinds.VMI)
    latency = 0.3

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the interfaces of one instance a step on."""
        vm, vmi = (self.storage.peek(kind, namespace, name) for kind in (kinds.VM, kinds.VMI))
        if vm is None or vmi is None or deleting(vmi) or not is_owned_by(vmi, vm):
            return
        if vmi["status"].get("phase") != "Running":
            return
        template = vm["spec"]["template"]["spec"]
        if _gone(template, vmi):
            statuses = vmi
            self.storage.modify(kinds.VM, namespace, name, lambda found: _forget(found, statuses))
        wanted = copy_of(vmi)
        _take_over(template, wanted)
        if wanted != vmi:
            self.storage.modify(kinds.VMI, namespace, name, lambda found: _take_over(template, found))
        self._plug(wanted)
        self._ask_for_migration(namespace, name)

    def _plug(self, vmi: Object) -> None:
        """virt-handler's part: the guest gets what its pod has, and loses what is absent."""
        meta = vmi["metadata"]
        absent = absent_interfaces(vmi["spec"])
        for status in vmi["status"].get("interfaces", ()):
            name, plugged = status["name"], _is_plugged(status)
            stage = f"{'unplug' if plugged else 'plug'} {name}"
            if plugged is (name in absent) and self.elapsed(
                (meta["namespace"], meta["name"]), meta["uid"], stage, _PLUG
            ):
                self.restart_stage(meta["uid"], stage)
                self._change_guest(vmi, name, plugged=plugged)

    def _change_guest(self, vmi: Object, name: str, *, plugged: bool) -> None:
        namespace, instance = vmi["metadata"]["namespace"], vmi["metadata"]["name"]
        lease = self.world.guest(namespace, instance).lease

        def change(found: Object) -> None:
            if plugged:
                report_unplugged(found, name)
            else:
                report_plugged(found, name, lease=lease)

        self.storage.modify(kinds.VMI, namespace, instance, change)

    def _ask_for_migration(self, namespace: str, name: str) -> None:
        vmi = self.storage.get(kinds.VMI, namespace, name)
        now, uid = self.clock.stamp(), vmi["metadata"]["uid"]
        stage = "migration of interfaces"
        if not _needs_migration(vmi):
            self.restart_stage(uid, stage)
            if condition(vmi, MIGRATION_REQUIRED):
                self.storage.modify(
                    kinds.VMI, namespace, name, lambda found: remove_condition(found, MIGRATION_REQUIRED)
                )
            return
        due = self.elapsed((namespace, name), uid, stage, _GRACE)
        status, reason = ("True", _DUE) if due else ("False", _PENDING)
        if not has_condition(vmi, MIGRATION_REQUIRED, status):
            self.storage.modify(
                kinds.VMI, namespace, name, lambda found: set_condition(found, MIGRATION_REQUIRED, status, now, reason)
            )


def need_restart(vm: Object, vmi: Object) -> bool:
    """Whether interfaces or networks were changed, or taken away by more than a state, so that only a restart helps."""
    wanted, running = vm["spec"]["template"]["spec"], vmi["spec"]
    pairs = ((interfaces_of(wanted), interfaces_of(running)), (wanted.get("networks", ()), running.get("networks", ())))
    return any(
        {item["name"]: _stateless(item) for item in there}.get(item["name"]) != _stateless(item)
        for there, here in pairs
        for item in here
    )


def _take_over(template: Object, vmi: Object) -> None:
    """What the template has that can be plugged, and the states of what the instance has."""
    spec, networks = vmi["spec"], {item["name"]: item for item in template.get("networks", ())}
    drop_interfaces(spec, _gone(spec, vmi))
    present = {item["name"]: item for item in interfaces_of(spec)}
    for wanted in interfaces_of(template):
        name, state = wanted["name"], wanted.get("state", "")
        has = present.get(name)
        if has is not None and has.get("state", "") not in (state, "absent"):
            has["state"] = state
        elif has is None and state != "absent" and name in networks and any(key in wanted for key in _PLUGGABLE):
            spec.setdefault("networks", []).append(copy_of(networks[name]))
            spec["domain"].setdefault("devices", {}).setdefault("interfaces", []).append(copy_of(wanted))


def _needs_migration(vmi: Object) -> bool:
    """Whether the pod lacks what the instance has, or has what the guest has lost."""
    statuses = {item["name"]: item for item in vmi["status"].get("interfaces", ())}
    absent = absent_interfaces(vmi["spec"])
    for network in vmi["spec"].get("networks", ()):
        status = statuses.get(network["name"])
        if "multus" not in network:
            continue
        if status is None and network["name"] not in absent:
            return True
        if status is not None and network["name"] in absent and not _is_plugged(status):
            return True
    return False


def _gone(spec: Object, vmi: Object) -> set[str]:
    """What is detached, and neither guest nor pod has any more."""
    return absent_interfaces(spec) - {item["name"] for item in vmi["status"].get("interfaces", ())}


def _forget(vm: Object, vmi: Object) -> None:
    template = vm["spec"]["template"]["spec"]
    drop_interfaces(template, _gone(template, vmi))


def _is_plugged(status: Object) -> bool:
    """Whether the guest has it, not only its pod."""
    return "domain" in status.get("infoSource", "")


def _stateless(item: Object) -> Object:
    return {key: value for key, value in item.items() if key != "state"}
