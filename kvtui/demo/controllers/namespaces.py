"""The namespace controller: a namespace that is deleted goes when all that is in it has gone."""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller
from kvtui.demo.objects import deleting
from kvtui.demo.storage import Object

_LOOK = 1.0
"""Virtual seconds between two looks at what is left."""


class Namespaces(Controller):
    """Empties namespaces that are to go, then takes their finalizer ``kubernetes`` off."""

    kinds = (kinds.NAMESPACE,)

    def reconcile(self, namespace: str, name: str) -> None:
        """Delete what is not deleted yet; finalizers and grace periods hold some of it back for a while."""
        found = self.storage.find(kinds.NAMESPACE, namespace, name)
        if found is None or not deleting(found):
            return
        for row in self.storage.contents(name):
            if not row.deleting and self.storage.find(row.kind, name, row.name) is not None:
                self.storage.delete(row.kind, name, row.name)
        if self.storage.contents(name):
            self.enqueue((namespace, name), _LOOK)
        else:
            self.storage.modify(kinds.NAMESPACE, namespace, name, _finalize)


def _finalize(namespace: Object) -> None:
    spec = namespace.setdefault("spec", {})
    spec["finalizers"] = [item for item in spec.get("finalizers", ()) if item != "kubernetes"]
