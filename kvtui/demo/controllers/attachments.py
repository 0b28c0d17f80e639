"""Volumes that are attached to running instances: virt-controller's attachment pods, virt-handler's mounts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.events import HANDLER, VM_CONTROLLER
from kvtui.demo.controllers.handler import claim_info, judge_migratable
from kvtui.demo.controllers.launcher import claims_of
from kvtui.demo.hotplug import is_hotpluggable, take_off
from kvtui.demo.objects import copy_of, deleting, is_owned_by, owner_reference
from kvtui.demo.storage import Change, Object

_STEP = 0.7
"""Virtual seconds from one phase of a volume to the next."""
_NEXT = {"Bound": "AttachedToNode", "AttachedToNode": "MountedToPod", "MountedToPod": "Ready"}
_WORDS = {
    "AttachedToNode": ("SuccessfulCreate", "Created hotplug attachment pod {pod}, for volume {volume}"),
    "MountedToPod": ("VolumeMountedToPod", "Volume {volume} has been mounted in virt-launcher pod"),
    "Ready": ("VolumeReady", "Successfully attach hotplugged volume {volume} to VM"),
}


class Attachments(Controller):
    """Brings running instances in step with the volumes of their VMs."""

    component = "virt-controller"
    kinds = (kinds.VM, kinds.VMI, kinds.POD)
    latency = 0.05

    def keys_for(self, change: Change) -> Iterable[Key]:
        """VM and instance have one name; attachment pods tell theirs."""
        if change.kind is kinds.POD:
            name = change.labels.get("demo.kvtui/attached-to", "")
            return ((change.namespace, name),) if name else ()
        return ((change.namespace, change.name),)

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the volumes of one instance a step on."""
        vm, vmi = (self.storage.peek(kind, namespace, name) for kind in (kinds.VM, kinds.VMI))
        if vm is None or vmi is None or deleting(vmi) or not is_owned_by(vmi, vm):
            return
        if vmi.get("status", {}).get("phase") != "Running":
            return
        wanted = {item["name"]: item for item in vm["spec"]["template"].get("spec", {}).get("volumes", ())}
        present = {item["name"]: item for item in vmi["spec"].get("volumes", ())}
        for volume in present.values():
            if is_hotpluggable(volume) and volume["name"] not in wanted:
                self._detach(vmi, volume["name"])
                return
        for volume in wanted.values():
            if is_hotpluggable(volume) and volume["name"] not in present:
                self._plug(vm, vmi, volume)
                return
        self._advance(vmi)

    def _plug(self, vm: Object, vmi: Object, volume: Object) -> None:
        domain = vm["spec"]["template"]["spec"].get("domain", {})
        disks = domain.get("devices", {}).get("disks", ())
        disk = next((item for item in disks if item["name"] == volume["name"]), {"name": volume["name"]})

        def plug(found: Object) -> None:
            found["spec"].setdefault("volumes", []).append(copy_of(volume))
            found["spec"].setdefault("domain", {}).setdefault("devices", {}).setdefault("disks", []).append(
                copy_of(disk)
            )
            status = found["status"].setdefault("volumeStatus", [])
            status.append({"name": volume["name"], "target": "", "phase": "Pending", "hotplugVolume": {}})

        self._edit(vmi, plug)

    def _advance(self, vmi: Object) -> None:
        meta = vmi["metadata"]
        claims = {item["name"]: _claim_of(item) for item in vmi["spec"].get("volumes", ())}
        for status in vmi["status"].get("volumeStatus", ()):
            if "hotplugVolume" not in status or status.get("phase") == "Ready":
                continue
            volume = status["name"]
            claim = self.storage.find(kinds.PVC, meta["namespace"], claims.get(volume, ""))
            if claim is None or claim.get("status", {}).get("phase") != "Bound":
                self._wait(vmi, volume, claims.get(volume, ""), claim)
            elif status.get("phase", "Pending") == "Pending":
                self._bind(vmi, volume, claim)
            elif status["phase"] == "Bound":
                self._attach(vmi, volume, claims[volume])
            elif self._passed(vmi, volume, status["phase"]):
                self._report(vmi, volume, _NEXT[status["phase"]])

    def _bind(self, vmi: Object, volume: str, claim: Object) -> None:
        def bind(found: Object) -> None:
            status = next(item for item in found["status"]["volumeStatus"] if item["name"] == volume)
            status |= {"phase": "Bound", "persistentVolumeClaimInfo": claim_info(claim)}
            self._judge(found)

        self._edit(vmi, bind)

    def _judge(self, vmi: Object) -> None:
        """Say anew whether an instance with other disks than before can be moved."""
        namespace = vmi["metadata"]["namespace"]
        found = {name: self.storage.find(kinds.PVC, namespace, name) for _, name in claims_of(vmi)}
        judge_migratable({name: claim for name, claim in found.items() if claim}, vmi, self.clock.stamp())

    def _wait(self, vmi: Object, volume: str, name: str, claim: Object | None) -> None:
        if claim is None:
            told = {"reason": "FailedPvcNotFound", "message": f"PVC {name} not found"}
        else:
            phase = claim.get("status", {}).get("phase", "Pending")
            told = {"reason": "PVCNotReady", "message": f"PVC is in phase Claim{phase}"}
        self._set(vmi, volume, {"phase": "Pending", **told})
        self.enqueue((vmi["metadata"]["namespace"], vmi["metadata"]["name"]), 2.0)

    def _attach(self, vmi: Object, volume: str, claim: str) -> None:
        """Have a pod on the instance's node mount the claim; go on once it runs."""
        meta = vmi["metadata"]
        pod = self._pod(vmi, volume)
        if pod is None:
            launcher = self._launcher(vmi)
            if launcher is None:
                return
            made = self.storage.create(kinds.POD, _attachment(vmi, launcher, volume, claim))
            told = f"Created attachment pod {made['metadata']['name']}"
            self.world.events.normal(kinds.VMI, vmi, VM_CONTROLLER, "SuccessfulCreate", told)
        elif pod.get("status", {}).get("phase") == "Running" and self._passed(vmi, volume, "Bound"):
            uid = pod["metadata"]["uid"]
            where = {"hotplugVolume": {"attachPodName": pod["metadata"]["name"], "attachPodUID": uid}}
            self._report(vmi, volume, "AttachedToNode", where, pod=pod["metadata"]["name"])
        else:
            self.enqueue((meta["namespace"], meta["name"]), _STEP)

    def _passed(self, vmi: Object, volume: str, phase: str) -> bool:
        meta = vmi["metadata"]
        return self.elapsed((meta["namespace"], meta["name"]), meta["uid"], f"{volume} {phase}", _STEP)

    def _report(self, vmi: Object, volume: str, phase: str, more: Object | None = None, pod: str = "") -> None:
        reason, words = _WORDS[phase]
        message = words.format(volume=volume, pod=pod)
        told: Object = {"phase": phase, "reason": reason, "message": message, **(more or {})}
        if phase == "Ready":
            told["target"] = self._free_target(vmi, volume)
        self._set(vmi, volume, told)
        self.restart_stage(vmi["metadata"]["uid"], f"{volume} {phase}")
        self.world.events.normal(kinds.VMI, vmi, HANDLER, reason, message, host=vmi["status"].get("nodeName", ""))

    def _free_target(self, vmi: Object, volume: str) -> str:
        disks = vmi["spec"].get("domain", {}).get("devices", {}).get("disks", ())
        bus = next((item.get("disk", {}).get("bus") for item in disks if item["name"] == volume), "")
        prefix = "vd" if bus == "virtio" else "sd"
        taken = {item.get("target") for item in vmi["status"].get("volumeStatus", ())}
        return next(
            name for name in (f"{prefix}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") if name not in taken
        )

    def _detach(self, vmi: Object, volume: str) -> None:
        meta = vmi["metadata"]
        status = next((item for item in vmi["status"].get("volumeStatus", ()) if item["name"] == volume), None)
        pod = self._pod(vmi, volume)
        if status is not None and status.get("phase") != "Detaching":
            self._set(vmi, volume, {"phase": "Detaching", "reason": "", "message": ""})
            return
        if not self._passed(vmi, volume, "Detaching"):
            return

        def unplug(found: Object) -> None:
            take_off(found["spec"], volume)
            left = [item for item in found["status"].get("volumeStatus", ()) if item["name"] != volume]
            found["status"]["volumeStatus"] = left
            self._judge(found)

        self._edit(vmi, unplug)
        for phase in ("Detaching", *_NEXT):
            self.restart_stage(meta["uid"], f"{volume} {phase}")
        if pod is not None:
            self.world.delete_pod(meta["namespace"], pod["metadata"]["name"], 0)
            told = f"Deleted attachment pod {pod['metadata']['name']}"
            self.world.events.normal(kinds.VMI, vmi, VM_CONTROLLER, "SuccessfulDelete", told)

    def _pod(self, vmi: Object, volume: str) -> Object | None:
        launcher = self._launcher(vmi)
        owned = self.storage.owned(launcher["metadata"]["uid"]) if launcher else ()
        pods = (self.storage.find(kind, space, name) for kind, space, name in owned if kind is kinds.POD)
        return next(
            (pod for pod in pods if pod and any(item["name"] == volume for item in pod["spec"].get("volumes", ()))),
            None,
        )

    def _launcher(self, vmi: Object) -> Object | None:
        node = vmi["status"].get("nodeName")
        for kind, space, name in self.storage.owned(vmi["metadata"]["uid"]):
            pod = self.storage.find(kind, space, name) if kind is kinds.POD else None
            if pod and pod["spec"].get("nodeName") == node and pod.get("status", {}).get("phase") == "Running":
                return pod
        return None

    def _set(self, vmi: Object, volume: str, told: Object) -> None:
        def write(found: Object) -> None:
            for item in found["status"].get("volumeStatus", ()):
                if item["name"] == volume:
                    item.update(told)

        self._edit(vmi, write)

    def _edit(self, vmi: Object, change: Callable[[Object], None]) -> None:
        self.storage.modify(kinds.VMI, vmi["metadata"]["namespace"], vmi["metadata"]["name"], change)


def _claim_of(volume: Object) -> str:
    found: str = volume.get("persistentVolumeClaim", {}).get("claimName") or volume.get("dataVolume", {}).get(
        "name", ""
    )
    return found


def _attachment(vmi: Object, launcher: Object, volume: str, claim: str) -> Object:
    meta = vmi["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "hp-volume-",
            "namespace": meta["namespace"],
            "labels": {"kubevirt.io": "hotplug-disk", "demo.kvtui/attached-to": meta["name"]},
            "annotations": {"kubevirt.io/owner-vmi-name": meta["name"], "kubevirt.io/owner-vmi-uid": meta["uid"]},
            "ownerReferences": [owner_reference(launcher)],
        },
        "spec": {
            "nodeName": vmi["status"]["nodeName"],
            "containers": [
                {
                    "name": "hotplug-disk",
                    "image": launcher["spec"]["containers"][0]["image"],
                    "command": ["/bin/sh", "-c", "/usr/bin/container-disk --copy-path /path/hp"],
                    "resources": {
                        "limits": {"cpu": "100m", "memory": "80M"},
                        "requests": {"cpu": "10m", "memory": "2M"},
                    },
                }
            ],
            "volumes": [{"name": volume, "persistentVolumeClaim": {"claimName": claim}}],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 0,
            "schedulerName": "default-scheduler",
            "tolerations": [{"operator": "Exists"}],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }
