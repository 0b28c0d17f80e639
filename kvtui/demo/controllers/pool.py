"""virt-controller's loop for VirtualMachinePools: as many machines as wanted, made of the present template.

What somebody changes on one machine stays until the template changes: the pool compares revisions, not machines.
Source: KubeVirt ``pkg/virt-controller/watch/pool/pool.go``; scale-in takes the machines of the highest numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import msgspec

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.catalog.pools import REVISION, pool_machine, pool_revision, revision_name
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.managers import written_by
from kvtui.demo.objects import controller_of, deleting, has_condition, is_owned_by
from kvtui.demo.storage import Change, Object

_SOURCE = "virtualmachinepool-controller"


class Pools(Controller):
    """Makes and deletes machines, rewrites outdated ones, and keeps ``pool.status``."""

    component = "virt-controller"
    kinds = (kinds.POOL, kinds.VM)
    latency = 0.1

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The pool itself, or that of a machine."""
        if change.kind is kinds.POOL:
            return ((change.namespace, change.name),)
        if REVISION not in change.labels:
            return ()
        owner = controller_of(msgspec.json.decode(change.raw))
        return ((change.namespace, owner["name"]),) if owner and owner["kind"] == kinds.POOL.kind else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Scale, then update, then tell how many there are."""
        pool = self.storage.find(kinds.POOL, namespace, name)
        if pool is None or deleting(pool):
            return
        machines = [
            vm
            for kind, space, machine in self.storage.owned(pool["metadata"]["uid"])
            if kind is kinds.VM
            for vm in [self.storage.find(kinds.VM, space, machine)]
            if vm is not None and is_owned_by(vm, pool)
        ]
        present = [vm for vm in machines if not deleting(vm)]
        if not pool["spec"].get("paused"):
            missing = pool["spec"].get("replicas", 1) - len(present)
            if missing > 0:
                self._scale_out(pool, missing)
            elif missing < 0:
                self._scale_in(pool, present, -missing)
            else:
                self._update(pool, present)
        self._report(pool, present)

    def _scale_out(self, pool: Object, count: int) -> None:
        space, name = pool["metadata"]["namespace"], pool["metadata"]["name"]
        self._keep_revision(pool)
        number = 0
        while count:
            if self.storage.find(kinds.VM, space, f"{name}-{number}") is None:
                vm = admit(self.world, kinds.VM, pool_machine(pool, number), None, "CREATE")
                self.storage.create(kinds.VM, vm)
                self._tell(pool, "SuccessfulCreate", f"Created VM {space}/{name}-{number}")
                count -= 1
            number += 1

    def _scale_in(self, pool: Object, machines: list[Object], count: int) -> None:
        for vm in sorted(machines, key=_number, reverse=True)[:count]:
            meta = vm["metadata"]
            self.storage.delete(kinds.VM, meta["namespace"], meta["name"])
            told = f"Deleted VM {meta['namespace']}/{meta['name']} with uid {meta['uid']} from pool"
            self._tell(pool, "SuccessfulDelete", told)

    def _update(self, pool: Object, machines: list[Object]) -> None:
        """Rewrite what is of an older template, then end the instances that run by one."""
        space = pool["metadata"]["namespace"]
        for vm in machines:
            name, revision = vm["metadata"]["name"], vm["metadata"].get("labels", {}).get(REVISION, "")
            if self._is_outdated(pool, revision):
                self._keep_revision(pool)
                wanted = admit(self.world, kinds.VM, pool_machine(pool, _number(vm)), None, "CREATE")
                rewrite = written_by(kinds.VM, self.component, self.clock.stamp(), partial(_rewrite, wanted))
                self.storage.modify(kinds.VM, space, name, rewrite)
                self._tell(pool, "SuccessfulUpdate", f"Updated VM {space}/{name}")
                continue
            vmi = self.storage.find(kinds.VMI, space, name)
            if vmi is None or deleting(vmi) or vmi["metadata"].get("labels", {}).get(REVISION, "") == revision:
                continue
            self.storage.delete(kinds.VMI, space, name)
            self._tell(pool, "SuccessfulDelete", f"Successfully updated resource {space}/{name}")

    def _is_outdated(self, pool: Object, revision: str) -> bool:
        kept = self.storage.find(kinds.CONTROLLER_REVISION, pool["metadata"]["namespace"], revision) or {}
        # Anything may be written there.
        data, template = kept.get("data"), "virtualMachineTemplate"
        return not isinstance(data, dict) or data.get(template) != pool["spec"].get(template)

    def _keep_revision(self, pool: Object) -> None:
        space = pool["metadata"]["namespace"]
        if self.storage.find(kinds.CONTROLLER_REVISION, space, revision_name(pool)) is None:
            self.storage.create(kinds.CONTROLLER_REVISION, pool_revision(pool))

    def _report(self, pool: Object, machines: list[Object]) -> None:
        ready = sum(has_condition(vm, "Ready", "True") for vm in machines)

        def write(found: Object) -> None:
            found.setdefault("status", {}).update({"replicas": len(machines), "readyReplicas": ready})

        self.storage.modify(kinds.POOL, pool["metadata"]["namespace"], pool["metadata"]["name"], write)

    def _tell(self, pool: Object, reason: str, words: str) -> None:
        self.world.events.normal(kinds.POOL, pool, _SOURCE, reason, words)


def _number(vm: Object) -> int:
    digits = vm["metadata"]["name"].rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _rewrite(wanted: Object, vm: Object) -> None:
    """Put the template's labels and spec in; what tells this machine from all others stays."""
    firmware = vm["spec"]["template"]["spec"].get("domain", {}).get("firmware")
    vm["metadata"]["labels"] = wanted["metadata"]["labels"]
    vm["spec"] = wanted["spec"]
    if firmware:
        vm["spec"]["template"]["spec"].setdefault("domain", {})["firmware"] = firmware
