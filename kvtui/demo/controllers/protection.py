"""What keeps claims and volumes that are in use from being deleted: kube-controller-manager's protection controllers.

Sources: kubernetes 1.36 ``pkg/controller/volume/pvcprotection`` and ``pvprotection``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.objects import deleting, remove_finalizer
from kvtui.demo.storage import Change, Object

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


class Protection(Controller):
    """Lets deleted claims go when the last pod that was given a node for them is gone, and volumes when no claim has
    them.
    """

    kinds = (kinds.PVC, kinds.PV, kinds.POD)

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Claims, volumes (which have no namespace), and the claims of a pod that is gone."""
        if change.kind is not kinds.POD:
            return ((change.namespace, change.name),)
        if change.type != "DELETED":
            return ()
        return [(change.namespace, claim) for claim in _claims(msgspec.json.decode(change.raw))]

    def reconcile(self, namespace: str, name: str) -> None:
        """Take the finalizer off one that is deleted, if nothing uses it."""
        kind, finalizer = (kinds.PVC, CLAIM_FINALIZER) if namespace else (kinds.PV, VOLUME_FINALIZER)
        found = self.storage.peek(kind, namespace, name)
        if found is None or not deleting(found):
            return
        used = self._is_mounted(namespace, name) if namespace else found.get("status", {}).get("phase") == "Bound"
        if not used:
            self.storage.modify(kind, namespace, name, lambda obj: remove_finalizer(obj, finalizer))

    def _is_mounted(self, namespace: str, claim: str) -> bool:
        # Most pods do not have the name anywhere, and need not be decoded.
        rows = (row for row in self.storage.raw_list(kinds.POD, namespace) if claim.encode() in row.raw)
        pods = (msgspec.json.decode(row.raw) for row in rows)
        return any(pod["spec"].get("nodeName") and claim in _claims(pod) for pod in pods)


def _claims(pod: Object) -> Iterator[str]:
    for volume in pod["spec"].get("volumes", ()):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim:
            yield claim
