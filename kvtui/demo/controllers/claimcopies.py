"""CDI's copies of claims, made by the storage itself."""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.controllers.populator import PREFIX, Populator
from kvtui.demo.objects import GI, amount, deleting
from kvtui.demo.storage import Object

CLONE_REQUEST = "k8s.io/CloneRequest"
CLONE_PHASE = "cdi.kubevirt.io/clonePhase"
_SOURCE = "clone-controller"
_FIRST, _SECONDS_A_GIB = 2.0, 0.2
_REMINDER = 30.0


class ClaimCopies(Populator):
    """Fills claims that ask for a copy of another."""

    def reconcile(self, namespace: str, name: str) -> None:
        """Take one copy a step on."""
        claim = self.storage.peek(kinds.PVC, namespace, name)
        notes = claim["metadata"].get("annotations", {}) if claim else {}
        if claim is None or deleting(claim) or CLONE_REQUEST not in notes or notes.get(CLONE_PHASE) == "Succeeded":
            return
        space, _, source = notes[CLONE_REQUEST].partition("/")
        found = self.storage.peek(kinds.PVC, space, source)
        if found is None or found.get("status", {}).get("phase") != "Bound":
            self._mark(claim, "")
            told = f"The source pvc {source} doesn't exist"
            self.world.events.warning(kinds.PVC, claim, _SOURCE, "CloneWithoutSource", told)
            self.enqueue((namespace, name), _REMINDER)
            return
        user = "" if self._is_csi(found) else self._user_of(space, source)
        if user:
            self._mark(claim, "")
            told = f"pod {space}/{user} using PersistentVolumeClaim {source}"
            used = {"running": "false", "running.reason": "CloneSourceInUse", "running.message": told}
            self.note(claim, {f"condition.{name}": value for name, value in used.items()})
            self.world.events.warning(kinds.PVC, claim, _SOURCE, "CloneSourceInUse", told)
            self.enqueue((namespace, name), _REMINDER)
            return
        worker = self.worker_claim(claim)
        if worker is None or worker.get("status", {}).get("phase") != "Bound":
            return
        self._mark(claim, "CSIClone" if self._is_csi(found) else "HostClone")
        size = amount(found["spec"]["resources"]["requests"]["storage"]) / GI
        if self.elapsed((namespace, name), claim["metadata"]["uid"], "copy", _FIRST + size * _SECONDS_A_GIB):
            self._finish(claim, worker)

    def _is_csi(self, claim: Object) -> bool:
        """Whether the storage copies by itself; else a pod does, which needs the source alone."""
        found = self.storage.find(kinds.STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
        return found is not None and "csi" in found["provisioner"]

    def _user_of(self, namespace: str, claim: str) -> str:
        """A pod that uses the claim, and has not ended."""
        mark = f'"claimName":"{claim}"'.encode()
        for row in self.storage.raw_list(kinds.POD, namespace):
            pod = self.storage.find(kinds.POD, namespace, row.name) if mark in row.raw else None
            if pod and pod["status"].get("phase") in ("Pending", "Running"):
                return row.name
        return ""

    def _finish(self, claim: Object, worker: Object) -> None:
        self._mark(claim, "Succeeded")
        done = {"running": "false", "running.reason": "Completed", "running.message": "Clone Complete"}
        self.note(claim, {"pod.phase": "Succeeded", **{f"condition.{name}": value for name, value in done.items()}})
        name = claim["metadata"]["name"]
        told = f"Clone Successful into PVC {name}"
        self.world.events.normal(kinds.PVC, claim, _SOURCE, "CloneSucceeded", told)
        if worker["metadata"]["name"] != name:
            self.rebind(claim, worker)

    def _mark(self, claim: Object, phase: str) -> None:
        meta = claim["metadata"]
        if meta["annotations"].get(CLONE_PHASE) == phase:
            return
        note = {CLONE_PHASE: phase, PREFIX + "contentType": "kubevirt"}
        self.storage.modify(
            kinds.PVC, meta["namespace"], meta["name"], lambda found: found["metadata"]["annotations"].update(note)
        )
