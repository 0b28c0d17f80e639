"""The operators of KubeVirt and CDI, as far as ``spec.customizeComponents`` goes: patches of what they are made of.

Sources: KubeVirt ``pkg/virt-operator/resource/apply/patches.go``; CDI ``pkg/operator/controller``.
"""

from __future__ import annotations

import json

from kvtui.demo import kinds
from kvtui.demo.controllers.base import Controller
from kvtui.demo.objects import copy_of
from kvtui.demo.storage import Object

_NAMESPACES = {"": "cdi"}
"""Where the workloads of a CR are that is in none itself."""


class Customizing(Controller):
    """Applies strategic patches of containers to Deployments, and has their pods made anew."""

    kinds = (kinds.KUBEVIRT, kinds.CDI)
    latency = 2.0

    def reconcile(self, namespace: str, name: str) -> None:
        """Apply all patches that can be read."""
        kind = kinds.KUBEVIRT if namespace else kinds.CDI
        found = self.storage.find(kind, namespace, name)
        patches = (found or {}).get("spec", {}).get("customizeComponents", {}).get("patches", ())
        for patch in patches:
            if patch.get("resourceType") == "Deployment" and patch.get("type") == "strategic":
                self._apply(_NAMESPACES.get(namespace, namespace), patch)

    def _apply(self, namespace: str, patch: Object) -> None:
        name = patch.get("resourceName", "")
        deployment = self.storage.find(kinds.DEPLOYMENT, namespace, name)
        try:
            wanted = json.loads(patch.get("patch", ""))
        except ValueError:
            return
        if deployment is None:
            return
        template = copy_of(deployment["spec"]["template"])
        for change in wanted.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            for container in template["spec"]["containers"]:
                if container["name"] == change.get("name"):
                    _merge(container, change)
        if template == deployment["spec"]["template"]:
            return
        self.storage.modify(kinds.DEPLOYMENT, namespace, name, lambda found: found["spec"].update(template=template))
        labels = deployment["spec"]["selector"]["matchLabels"]
        for pod in self.storage.list(kinds.POD, namespace, labels):
            self.world.delete_pod(namespace, pod["metadata"]["name"], 0)


def _merge(into: Object, change: Object) -> None:
    """As a merge patch does: what is an object is merged, all else is replaced."""
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
