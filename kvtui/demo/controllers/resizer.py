"""Claims that grow: the external resizer, and the kubelet that lets the file system follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.objects import amount, deleting, remove_condition, set_condition
from kvtui.demo.storage import Change, Object

_PENDING, _RESIZING = "FileSystemResizePending", "Resizing"
_WAITS = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."


class Resizer(Controller):
    """Makes volumes as large as their claims ask for."""

    kinds = (kinds.PVC, kinds.POD)

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Claims, and those of a pod that has begun to run: the file system of its volumes may have to grow."""
        if change.kind is kinds.PVC:
            return ((change.namespace, change.name),)
        pod = self.storage.peek(kinds.POD, change.namespace, change.name) if change.type == "MODIFIED" else None
        if pod is None or pod.get("status", {}).get("phase") != "Running":
            return ()
        return [(change.namespace, name) for name in claims_of_pod(pod)]

    def reconcile(self, namespace: str, name: str) -> None:
        """Let one claim grow a step."""
        claim = self.storage.peek(kinds.PVC, namespace, name)
        if claim is None or deleting(claim) or claim.get("status", {}).get("phase") != "Bound":
            return
        wanted = claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0")
        uid, volume = claim["metadata"]["uid"], claim["spec"].get("volumeName", "")
        if not volume or amount(wanted) <= amount(claim["status"].get("capacity", {}).get("storage", wanted)):
            return
        self._begin(claim, volume)
        if not self.elapsed((namespace, name), uid, f"grow {wanted}", self.random.uniform(1.0, 3.0)):
            return
        self.storage.modify(
            kinds.PV, "", volume, lambda found: found["spec"].__setitem__("capacity", {"storage": wanted})
        )
        if claim["spec"].get("volumeMode") == "Block" or self._is_used(namespace, name):
            self._finish(claim, wanted)
        else:
            self._await_pod(claim)

    def _begin(self, claim: Object, volume: str) -> None:
        conditions = {item["type"] for item in claim["status"].get("conditions", ())}
        if conditions & {_PENDING, _RESIZING}:
            return
        now = self.clock.stamp()
        self._edit(claim, lambda found: set_condition(found, _RESIZING, "True", now, probe=None))
        self.world.events.normal(
            kinds.PVC, claim, "external-resizer", "Resizing", f"External resizer is resizing volume {volume}"
        )

    def _finish(self, claim: Object, wanted: str) -> None:
        def grown(found: Object) -> None:
            found["status"]["capacity"] = {"storage": wanted}
            for kind in (_PENDING, _RESIZING):
                remove_condition(found, kind)

        self._edit(claim, grown)
        told = f"MountVolume.NodeExpandVolume succeeded for volume {claim['spec']['volumeName']}"
        self.world.events.normal(kinds.PVC, claim, "kubelet", "FileSystemResizeSuccessful", told)

    def _await_pod(self, claim: Object) -> None:
        now = self.clock.stamp()

        def wait(found: Object) -> None:
            remove_condition(found, _RESIZING)
            set_condition(found, _PENDING, "True", now, "", _WAITS, probe=None)

        if not any(item["type"] == _PENDING for item in claim["status"].get("conditions", ())):
            self._edit(claim, wait)
            told = "Require file system resize of volume on node"
            self.world.events.normal(kinds.PVC, claim, "external-resizer", "FileSystemResizeRequired", told)

    def _is_used(self, namespace: str, name: str) -> bool:
        return any(
            pod.get("status", {}).get("phase") == "Running" and name in claims_of_pod(pod)
            for pod in self.storage.list(kinds.POD, namespace)
        )

    def _edit(self, claim: Object, change: Callable[[Object], None]) -> None:
        self.storage.modify(kinds.PVC, claim["metadata"]["namespace"], claim["metadata"]["name"], change)


def claims_of_pod(pod: Object) -> list[str]:
    """The claims that a pod mounts."""
    volumes = pod.get("spec", {}).get("volumes", ())
    return [item["persistentVolumeClaim"]["claimName"] for item in volumes if "persistentVolumeClaim" in item]
