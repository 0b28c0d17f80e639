"""The operators of KubeVirt and CDI, as far as what they install goes: the CR alone says what that is, with the patches
in ``spec.customizeComponents``. What somebody else changes in their Deployments and DaemonSets is put back.

Sources: KubeVirt ``pkg/virt-operator/resource/apply/{apps,patches}.go``; CDI ``pkg/operator/controller``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import ClassVar

from kvtui.demo import kinds
from kvtui.demo.catalog.platform import KUBEVIRT_VERSION
from kvtui.demo.catalog.workloads import REGISTRY, WORKLOADS, Workload, template_of
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.daemons import HANDLER
from kvtui.demo.managers import written_by
from kvtui.demo.storage import Change, Kind, Object


class Installer(Controller):
    """Keeps the templates and the numbers of what an operator installs as the CR has them."""

    resource: ClassVar[Kind]
    """The kind of the CR."""
    space: ClassVar[str]
    """The namespace of what is installed."""

    latency = 2.0

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The CR."""
        if change.kind is self.resource:
            yield (change.namespace, change.name)
        elif change.namespace == self.space:
            for row in self.storage.raw_list(self.resource):
                yield (row.namespace, row.name)

    def reconcile(self, namespace: str, name: str) -> None:
        """Write what differs, unless a patch cannot be read: then nothing is applied at all."""
        found = self.storage.find(self.resource, namespace, name)
        if found is None or namespace not in ("", self.space) or broken_patch(found):
            return
        for workload in WORKLOADS:
            if workload.namespace == self.space and workload.name != self.component:
                self._apply(workload, found)

    def _apply(self, workload: Workload, cr: Object) -> None:
        kind = kinds.DEPLOYMENT if workload.replicas else kinds.DAEMON_SET
        present = self.storage.find(kind, workload.namespace, workload.name)
        if present is None:
            return
        wanted = {"template": wanted_template(workload, cr)}
        if workload.replicas:
            wanted["replicas"] = cr.get("spec", {}).get("infra", {}).get("replicas", workload.replicas)
        if any(present["spec"].get(field) != value for field, value in wanted.items()):
            write = written_by(kind, self.component, self.clock.stamp(), lambda found: found["spec"].update(wanted))
            self.storage.modify(kind, workload.namespace, workload.name, write)


class VirtOperator(Installer):
    """KubeVirt's."""

    resource = kinds.KUBEVIRT
    kinds = (kinds.KUBEVIRT, kinds.DEPLOYMENT, kinds.DAEMON_SET)
    component = "virt-operator"
    space = "kubevirt"


class CdiOperator(Installer):
    """CDI's."""

    resource = kinds.CDI
    kinds = (kinds.CDI, kinds.DEPLOYMENT)
    component = "cdi-operator"
    space = "cdi"


def wanted_template(workload: Workload, cr: Object) -> Object:
    """What the pods of a component are to be made of: as its version has it, with the strategic patches of the CR."""
    template = template_of(workload)
    if workload.name == HANDLER:
        version = cr.get("spec", {}).get("imageTag") or KUBEVIRT_VERSION
        template["spec"]["containers"][0]["image"] = f"{REGISTRY}/{HANDLER}:{version}"
    for wanted in _patches_for(workload, cr):
        for change in wanted.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            for container in template["spec"]["containers"]:
                if container["name"] == change.get("name"):
                    _merge(container, change)
    return template


def _patches_for(workload: Workload, cr: Object) -> Iterator[Object]:
    about = ("Deployment" if workload.replicas else "DaemonSet", workload.name, "strategic")
    for patch in _patches(cr):
        if (patch.get("resourceType"), patch.get("resourceName"), patch.get("type")) == about:
            yield json.loads(patch.get("patch", ""))


def _patches(cr: Object) -> Iterable[Object]:
    found: Iterable[Object] = cr.get("spec", {}).get("customizeComponents", {}).get("patches", ())
    return found


def broken_patch(cr: Object) -> str:
    """What is wrong with the first patch of a component that is no JSON; empty when there is none."""
    for patch in _patches(cr):
        try:
            json.loads(patch.get("patch", ""))
        except ValueError as error:
            name = f"{patch.get('resourceType', '')} {patch.get('resourceName', '')}"
            return f"unable to apply patch to {name}: invalid JSON: {error}"
    return ""


def _merge(into: Object, change: Object) -> None:
    """As a merge patch does: what is an object is merged, all else is replaced."""
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
