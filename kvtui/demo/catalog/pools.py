"""Pools of machines, and the machines as a pool makes them.

Source: KubeVirt ``pkg/virt-controller/watch/pool/pool.go``.
"""

from __future__ import annotations

import uuid
from typing import Final

from kvtui.demo import kinds
from kvtui.demo.catalog.applications import Application
from kvtui.demo.catalog.making import long_made
from kvtui.demo.catalog.virtualmachines import machine
from kvtui.demo.metadata import Object
from kvtui.demo.objects import copy_of, owner_reference

REVISION: Final = "kubevirt.io/vm-pool-revision-name"


def pool_of(application: Application, count: int, created: str) -> Object:
    """The pool that keeps so many machines of the application."""
    template = machine(application, application.name)
    # Machines of a pool are alike: none of them is told its name.
    for volume in template["spec"]["template"]["spec"]["volumes"]:
        if "cloudInitNoCloud" in volume:
            volume["cloudInitNoCloud"]["userData"] = "#cloud-config\nssh_pwauth: true\n"
    labels = template["metadata"]["labels"]
    return long_made(
        kinds.POOL,
        application.namespace,
        application.name,
        created,
        spec={
            "replicas": count,
            "selector": {"matchLabels": {"app": application.name}},
            "virtualMachineTemplate": {"metadata": {"labels": labels}, "spec": template["spec"]},
        },
        status={"labelSelector": f"app={application.name}", "replicas": count, "readyReplicas": 0},
    )


def revision_name(pool: Object) -> str:
    """The name of the revision that its template is now."""
    return f"{pool['metadata']['name']}-{pool['metadata']['generation']}"


def pool_revision(pool: Object) -> Object:
    """The ControllerRevision by which the pool knows whether its template has changed."""
    meta = pool["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision_name(pool),
            "namespace": meta["namespace"],
            "ownerReferences": [owner_reference(pool)],
            "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{meta['uid']}/{meta['generation']}")),
        },
        "data": copy_of(pool["spec"]),
        "revision": meta["generation"],
    }


def pool_machine(pool: Object, number: int) -> Object:
    """The machine with that number as the pool makes it."""
    meta, template = pool["metadata"], copy_of(pool["spec"]["virtualMachineTemplate"])
    found = template.get("metadata", {})
    revision = {REVISION: revision_name(pool)}
    inner = template["spec"]["template"].setdefault("metadata", {})
    inner["labels"] = {**inner.get("labels", {}), **revision}
    # A template may be without it; an empty one is then written.
    template["spec"]["template"].setdefault("spec", {})
    vm: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": f"{meta['name']}-{number}",
            "namespace": meta["namespace"],
            "labels": {**found.get("labels", {}), **revision},
            "ownerReferences": [owner_reference(pool)],
        },
        "spec": template["spec"],
    }
    if found.get("annotations"):
        vm["metadata"]["annotations"] = dict(found["annotations"])
    _number_volumes(vm["spec"], number)
    return vm


def _number_volumes(spec: Object, number: int) -> None:
    """Each machine has DataVolumes of its own."""
    renamed = {}
    for template in spec.get("dataVolumeTemplates", ()):
        name = template["metadata"]["name"]
        template["metadata"]["name"] = renamed[name] = f"{name}-{number}"
    for volume in spec["template"]["spec"].get("volumes", ()):
        for source, key in (("dataVolume", "name"), ("persistentVolumeClaim", "claimName")):
            if source in volume:
                volume[source][key] = renamed.get(volume[source][key], volume[source][key])
