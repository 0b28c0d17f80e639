"""virt-controller's loop for VirtualMachines: instances come and go as the run strategy wants."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.clock import stamp
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.datavolume import POPULATED_FOR
from kvtui.demo.controllers.events import VM_CONTROLLER
from kvtui.demo.controllers.instance import cluster_configuration, new_instance
from kvtui.demo.controllers.interfaces import need_restart
from kvtui.demo.controllers.launcher import claims_of
from kvtui.demo.controllers.liveupdate import why_restart
from kvtui.demo.controllers.printable import FINAL, Situation, data_volume_failed, printable_status, run_strategy
from kvtui.demo.managers import written_by
from kvtui.demo.objects import (
    add_finalizer,
    condition,
    deleting,
    is_owned_by,
    owner_reference,
    remove_condition,
    remove_finalizer,
    set_condition,
)
from kvtui.demo.storage import Change, Object, StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

FINALIZER = "kubevirt.io/virtualMachineControllerFinalize"
_OWN_CONDITIONS = ("Failure", "RestartRequired", "ManualRecoveryRequired")
_NEVER_MIRRORED = ("Ready", *_OWN_CONDITIONS)
_LONGEST_BACKOFF = 300.0
"""Seconds; start back-off is 10 s times the square of the failures, up to this."""


class VirtualMachines(Controller):
    """Creates and deletes instances and keeps ``vm.status``."""

    component = "virt-controller"
    kinds = (kinds.VM, kinds.VMI, kinds.DATA_VOLUME, kinds.PVC)
    latency = 0.03

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._claims: dict[Key, set[Key]] = {}

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Machine and instance have one name; claims and DataVolumes concern the machines that waited for them."""
        key = (change.namespace, change.name)
        if change.kind in (kinds.VM, kinds.VMI):
            return (key,)
        return sorted(self._claims.get(key, ()))

    def reconcile(self, namespace: str, name: str) -> None:
        """Compare machine and instance, act, and write the status."""
        vm = self.storage.find(kinds.VM, namespace, name)
        if vm is None:
            return
        vmi = self.storage.peek(kinds.VMI, namespace, name)
        if vmi and not is_owned_by(vmi, vm):
            vmi = None
        if deleting(vm):
            self._delete(vm, vmi)
            return
        if FINALIZER not in vm["metadata"].get("finalizers", ()):
            self.storage.modify(kinds.VM, namespace, name, _adopt)
            return
        self._count_failure(vm, vmi)
        self._make_data_volumes(vm)
        volumes = self._volumes(vm)
        situation = Situation(vm, vmi, volumes)
        self._act(situation)
        self._write_status(situation)

    def _delete(self, vm: Object, vmi: Object | None) -> None:
        meta = vm["metadata"]
        if vmi and not deleting(vmi):
            self._stop(vm, vmi)
        self._write_status(Situation(vm, vmi, []))
        if vmi is None:
            self.storage.modify(
                kinds.VM, meta["namespace"], meta["name"], lambda found: remove_finalizer(found, FINALIZER)
            )

    # Volumes

    def _make_data_volumes(self, vm: Object) -> None:
        meta = vm["metadata"]
        for template in vm["spec"].get("dataVolumeTemplates", ()):
            name = template["metadata"]["name"]
            if self.storage.peek(kinds.DATA_VOLUME, meta["namespace"], name):
                continue
            claim = self.storage.find(kinds.PVC, meta["namespace"], name)
            if claim and POPULATED_FOR not in claim["metadata"].get("annotations", {}):
                continue
            labels = {**template["metadata"].get("labels", {}), "kubevirt.io/created-by": meta["uid"]}
            annotations = {**template["metadata"].get("annotations", {}), "cdi.kubevirt.io/allowClaimAdoption": "true"}
            made = {
                "apiVersion": "cdi.kubevirt.io/v1beta1",
                "kind": "DataVolume",
                "metadata": {
                    "name": name,
                    "namespace": meta["namespace"],
                    "annotations": annotations,
                    "labels": labels,
                    "ownerReferences": [owner_reference(vm)],
                },
                "spec": template["spec"],
            }
            self.storage.create(kinds.DATA_VOLUME, made)
            self.world.events.normal(
                kinds.VM, vm, VM_CONTROLLER, "SuccessfulDataVolumeCreate", f"Created DataVolume {name}"
            )

    def _volumes(self, vm: Object) -> list[tuple[Object | None, Object | None]]:
        namespace, name = vm["metadata"]["namespace"], vm["metadata"]["name"]
        found = []
        for _, claim in claims_of(vm["spec"]["template"]):
            self._claims.setdefault((namespace, claim), set()).add((namespace, name))
            found.append(
                (
                    self.storage.peek(kinds.DATA_VOLUME, namespace, claim),
                    self.storage.peek(kinds.PVC, namespace, claim),
                )
            )
        for volume, _ in found:
            if volume and data_volume_failed(volume):
                self._tell_failed_import(vm, volume["metadata"]["name"])
        return found

    def _tell_failed_import(self, vm: Object, name: str) -> None:
        uid = vm["metadata"]["uid"]
        if not self.storage.owned(uid) or name in self._stages.get(uid, {}):
            return
        self._stages.setdefault(uid, {})[name] = self.clock.elapsed
        self.world.events.warning(
            kinds.VM, vm, VM_CONTROLLER, "FailedDataVolumeImport", f"DataVolume {name} failed to import disk image"
        )

    # Start and stop

    def _act(self, situation: Situation) -> None:
        """What the run strategy demands now; `starting` and `stopping` are left in the situation."""
        vm, vmi = situation.vm, situation.vmi
        request = _request(vm, vmi)
        strategy = run_strategy(vm)
        phase = vmi["status"].get("phase", "") if vmi else ""
        if vmi:
            asked = request.get("action") == "Stop" and request.get("uid") == vmi["metadata"]["uid"]
            renew = phase in FINAL and (strategy == "Always" or (strategy == "RerunOnFailure" and phase == "Failed"))
            begin = phase in FINAL and request.get("action") == "Start"
            if asked or renew or begin or strategy == "Halted":
                situation.stopping = True
                if not deleting(vmi):
                    self._stop(vm, vmi)
                    situation.vmi = self.storage.find(kinds.VMI, vm["metadata"]["namespace"], vm["metadata"]["name"])
            return
        if strategy == "Halted" and request.get("action") == "Start":
            # A start that is paused only asks; virt-controller sets the strategy (vm.go, syncRunStrategy).
            self._set_always(vm)
            situation.starting = True
            return
        situation.starting = self._wants_start(vm, strategy, request) and self._backoff_over(vm)
        if situation.starting and all(_is_usable(volume) for volume, _ in situation.volumes):
            self._start(vm)

    def _set_always(self, vm: Object) -> None:
        def switch(found: Object) -> None:
            if "running" in found["spec"] and "runStrategy" not in found["spec"]:
                found["spec"]["running"] = True
            else:
                found["spec"]["runStrategy"] = "Always"

        write = written_by(kinds.VM, "virt-controller", self.clock.stamp(), switch)
        self.storage.modify(kinds.VM, vm["metadata"]["namespace"], vm["metadata"]["name"], write)

    def _wants_start(self, vm: Object, strategy: str, request: Object) -> bool:
        if strategy == "Always" or request.get("action") == "Start":
            return strategy != "WaitAsReceiver" or bool(request)
        if strategy in ("Once", "RerunOnFailure"):
            # Started when the strategy is new, and a failed one again.
            status = vm.get("status", {})
            return status.get("runStrategy") != strategy or bool(status.get("startFailure"))
        return False

    def _backoff_over(self, vm: Object) -> bool:
        retry = vm.get("status", {}).get("startFailure", {}).get("retryAfterTimestamp")
        if not retry:
            return True
        left = (datetime.fromisoformat(retry) - self.clock.now).total_seconds()
        if left <= 0:
            return True
        meta = vm["metadata"]
        self.enqueue((meta["namespace"], meta["name"]), left + 0.05)
        return False

    def _start(self, vm: Object) -> None:
        instance = new_instance(self.world, vm)
        if _request(vm, None).get("data", {}).get("paused") == "true":
            instance["spec"]["startStrategy"] = "Paused"
        made = self.storage.create(kinds.VMI, instance)
        self.world.events.normal(
            kinds.VM, vm, VM_CONTROLLER, "SuccessfulCreate",
            f"Started the virtual machine by creating the new virtual machine instance {made['metadata']['name']}",
        )  # fmt: skip

    def _stop(self, vm: Object, vmi: Object) -> None:
        meta = vmi["metadata"]
        try:
            self.storage.delete(kinds.VMI, meta["namespace"], meta["name"])
        except StorageError as error:
            if error.code != 404:
                raise
        self.world.events.normal(
            kinds.VM, vm, VM_CONTROLLER, "SuccessfulDelete",
            f"Stopped the virtual machine by deleting the virtual machine instance {meta['uid']}",
        )  # fmt: skip

    # Status

    def _count_failure(self, vm: Object, vmi: Object | None) -> None:
        """Count instances that ended before they ran; forget the count when one runs."""
        if vmi is None:
            return
        phases = {item["phase"] for item in vmi["status"].get("phaseTransitionTimestamps", ())}
        failure = vm.setdefault("status", {}).get("startFailure", {})
        uid = vmi["metadata"]["uid"]
        if "Running" in phases:
            vm["status"].pop("startFailure", None)
        elif vmi["status"].get("phase") in FINAL and failure.get("lastFailedVMIUID") != uid:
            count = failure.get("consecutiveFailCount", 0) + 1
            delay = min(_LONGEST_BACKOFF, 10.0 * count * count) * self.random.uniform(1.0, 1.5)
            vm["status"]["startFailure"] = {
                "consecutiveFailCount": count,
                "lastFailedVMIUID": uid,
                "retryAfterTimestamp": stamp(self.clock.now + timedelta(seconds=min(delay, _LONGEST_BACKOFF))),
            }

    def _write_status(self, situation: Situation) -> None:
        vm = situation.vm
        meta = vm["metadata"]
        now = self.clock.stamp()
        failure = vm.get("status", {}).get("startFailure")
        live = cluster_configuration(self.world).get("vmRolloutStrategy") == "LiveUpdate"

        def write(found: Object) -> None:
            status = found.setdefault("status", {})
            if failure:
                status["startFailure"] = failure
            else:
                status.pop("startFailure", None)
            situation.vm = found
            report_status(situation, now, live=live)

        self.storage.modify(kinds.VM, meta["namespace"], meta["name"], write)


def report_status(situation: Situation, now: str, *, live: bool = True) -> None:
    """Write ``vm.status`` as the situation demands; `live` where the cluster rolls changes out live."""
    vm, vmi = situation.vm, situation.vmi
    status = vm.setdefault("status", {})
    _mirror_conditions(vm, vmi, now)
    _flag(status, "created", on=vmi is not None)
    _flag(status, "ready", on=vmi is not None and _is_ready(vmi))
    _finish_requests(status, vmi)
    _require_restart(vm, vmi, now, live=live)
    status["desiredGeneration"] = status["observedGeneration"] = vm["metadata"].get("generation", 1)
    status["printableStatus"] = printable_status(situation)
    status["runStrategy"] = run_strategy(vm)
    snapshots = _snapshot_statuses(vm, situation.volumes)
    if snapshots:
        status["volumeSnapshotStatuses"] = snapshots


def _adopt(vm: Object) -> None:
    add_finalizer(vm, FINALIZER)
    vm["metadata"].setdefault("annotations", {}).update(
        {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/storage-observed-api-version": "v1"}
    )


def _request(vm: Object, vmi: Object | None) -> Object:
    """The state change that is asked for next; a Stop of an instance that is gone is done."""
    uid = vmi["metadata"]["uid"] if vmi else ""
    for request in vm.get("status", {}).get("stateChangeRequests", ()):
        if request["action"] == "Start" or request.get("uid") == uid:
            found: Object = request
            return found
    return {}


def _finish_requests(status: Object, vmi: Object | None) -> None:
    """Drop a Stop whose instance is gone, and a Start once there is the new instance."""
    uid = vmi["metadata"]["uid"] if vmi else ""
    left = [
        item for item in status.get("stateChangeRequests", ()) if item["action"] != "Stop" or item.get("uid") == uid
    ]
    if vmi and vmi["status"].get("phase") not in FINAL and not any(item["action"] == "Stop" for item in left):
        left = []
    if left:
        status["stateChangeRequests"] = left
    else:
        status.pop("stateChangeRequests", None)


def _is_usable(volume: Object | None) -> bool:
    """Whether an instance may be made although (or because) the DataVolume is in this phase."""
    return volume is None or volume.get("status", {}).get("phase") in (
        "Succeeded",
        "WaitForFirstConsumer",
        "PendingPopulation",
    )


def _is_ready(vmi: Object) -> bool:
    found = condition(vmi, "Ready")
    return found is not None and found["status"] == "True"


def _flag(status: Object, name: str, *, on: bool) -> None:
    if on:
        status[name] = True
    else:
        status.pop(name, None)


def _mirror_conditions(vm: Object, vmi: Object | None, now: str) -> None:
    """Copy the instance's conditions. Without an instance the last ones stay, stale, as on a real cluster."""
    if vmi is None:
        set_condition(vm, "Ready", "False", now, "VMINotExists", "VMI does not exist")
        return
    mirrored = [dict(item) for item in vmi["status"].get("conditions", ())]
    own = [item for item in vm["status"].get("conditions", ()) if item["type"] in _OWN_CONDITIONS]
    if any(item["type"] == "Ready" for item in mirrored):
        vm["status"]["conditions"] = mirrored + own
        return
    remove_condition(vm, "Ready")
    vm["status"]["conditions"] = mirrored + own
    set_condition(vm, "Ready", "False", now, "VMIConditionMissing", "VMI is missing the Ready condition")


def _require_restart(vm: Object, vmi: Object | None, now: str, *, live: bool) -> None:
    """Tell of template changes that a running guest cannot take."""
    if vmi is None or vmi["status"].get("phase") != "Running":
        remove_condition(vm, "RestartRequired")
        return
    domain, running = vm["spec"]["template"]["spec"]["domain"], vmi["spec"]["domain"]
    keys = ("firmware", "machine")
    fixed = any(domain.get(key, running.get(key)) != running.get(key) for key in keys)
    cores = domain.get("cpu", {}).get("cores", 1) != running.get("cpu", {}).get("cores", 1)
    changed = fixed or cores or need_restart(vm, vmi)
    words = "a non-live-updatable field was changed in the template spec" if changed else ""
    if words := words or why_restart(vm, vmi, live=live):
        set_condition(vm, "RestartRequired", "True", now, "", words)
    else:
        remove_condition(vm, "RestartRequired")


def _snapshot_statuses(vm: Object, volumes: list[tuple[Object | None, Object | None]]) -> list[Object]:
    classes = {claim["metadata"]["name"]: claim["spec"].get("storageClassName", "") for _, claim in volumes if claim}
    found = []
    for volume in vm["spec"]["template"]["spec"].get("volumes", ()):
        name = volume["name"]
        claim = volume.get("persistentVolumeClaim", {}).get("claimName") or volume.get("dataVolume", {}).get("name")
        if not claim:
            reason = f"Snapshot is not supported for this volumeSource type [{name}]"
            found.append({"enabled": False, "name": name, "reason": reason})
        elif classes.get(claim, "").startswith("ceph"):
            found.append({"enabled": True, "name": name})
        else:
            reason = (
                "No VolumeSnapshotClass: Volume snapshots are not configured for this StorageClass "
                f"[{classes.get(claim, '')}] [{name}]"
            )
            found.append({"enabled": False, "name": name, "reason": reason})
    return found
