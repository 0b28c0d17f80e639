"""A tenant's Kubernetes cluster that Cluster API keeps in virtual machines.

Sources: CAPK ``pkg/kubevirt/utils.go`` and ``machine.go``, CAPI ``api/core/v1beta2`` (kubevirt-api.md 8.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvtui.demo import kinds
from kvtui.demo.catalog.applications import Application
from kvtui.demo.catalog.making import long_made
from kvtui.demo.catalog.virtualmachines import machine
from kvtui.demo.metadata import Kind, Object
from kvtui.demo.objects import copy_of, owner_reference

TENANT: Final = "tenant-a"
_CLUSTER_NAME: Final = "cluster.x-k8s.io/cluster-name"
_CONTROL_PLANE: Final = "cluster.x-k8s.io/control-plane"
_VERSION: Final = "v1.36.2"
_QUORUM: Final = 3
"""Control-plane machines of the cluster, where it has so many machines."""


def tenant_machine(kubevirt_machine: Object) -> Object:
    """The VirtualMachine that CAPK makes of a KubevirtMachine."""
    meta, template = kubevirt_machine["metadata"], copy_of(kubevirt_machine["spec"]["virtualMachineTemplate"])
    spec, name = template["spec"], meta["name"]
    own = {
        "capk.cluster.x-k8s.io/kubevirt-machine-name": name,
        "capk.cluster.x-k8s.io/kubevirt-machine-namespace": meta["namespace"],
    }
    labels, found = meta.get("labels", {}), template.get("metadata", {})
    role = "control-plane" if _CONTROL_PLANE in labels else "worker"
    shared = {
        "kubevirt.io/vm": name,
        "name": name,
        "cluster.x-k8s.io/role": role,
        _CLUSTER_NAME: labels.get(_CLUSTER_NAME, ""),
    }
    renamed = {}
    for volume in spec.get("dataVolumeTemplates", ()):
        old = volume["metadata"].get("name", "")
        volume["metadata"]["name"] = renamed[old] = f"{name}-{old}"
    # A template may be without it; CAPK then writes an empty one.
    for volume in spec["template"].setdefault("spec", {}).get("volumes", ()):
        if "dataVolume" in volume:
            volume["dataVolume"]["name"] = renamed.get(volume["dataVolume"]["name"], volume["dataVolume"]["name"])
    inner = spec["template"].setdefault("metadata", {})
    inner["labels"] = {**inner.get("labels", {}), **shared, **own}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": name,
            "namespace": found.get("namespace", meta["namespace"]),
            "labels": {**found.get("labels", {}), **shared, **own},
        },
        "spec": spec,
    }


def _control_planes(count: int) -> int:
    return _QUORUM if count >= _QUORUM else 1


def kubevirt_machine_of(application: Application, number: int, count: int, created: str) -> Object:
    """The KubevirtMachine with that number of `count`."""
    name = f"{application.name}-{number}"
    written = machine(application, name)
    spec = written["spec"]
    for volume in spec.get("dataVolumeTemplates", ()):
        volume["metadata"]["name"] = volume["metadata"]["name"].removeprefix(f"{name}-")
    for volume in spec["template"]["spec"]["volumes"]:
        if "dataVolume" in volume:
            volume["dataVolume"]["name"] = volume["dataVolume"]["name"].removeprefix(f"{name}-")
    template = {
        "metadata": {"namespace": application.namespace, "labels": written["metadata"]["labels"]},
        "spec": spec,
    }
    made = long_made(
        kinds.KUBEVIRT_MACHINE,
        application.namespace,
        name,
        created,
        spec={"providerID": f"kubevirt://{name}", "virtualMachineTemplate": template},
        status={"ready": True, "loadBalancerConfigured": True, "nodeupdated": True},
    )
    made["metadata"]["labels"] = _cluster_labels(number, count)
    return made


def _cluster_labels(number: int, count: int) -> dict[str, str]:
    if number <= _control_planes(count):
        return {_CLUSTER_NAME: TENANT, _CONTROL_PLANE: "", "cluster.x-k8s.io/control-plane-name": f"{TENANT}-cp"}
    return {
        _CLUSTER_NAME: TENANT,
        "cluster.x-k8s.io/deployment-name": f"{TENANT}-workers",
        "cluster.x-k8s.io/set-name": f"{TENANT}-workers-x7k2p",
    }


def cluster_of(application: Application, count: int, created: str) -> Iterator[tuple[Kind, Object]]:
    """The cluster whose nodes the machines of the application are, its control plane first, and its machines."""
    space, planes = application.namespace, _control_planes(count)
    workers = count - planes
    plane = {"apiGroup": kinds.CONTROL_PLANE.group, "kind": kinds.CONTROL_PLANE.kind, "name": f"{TENANT}-cp"}
    cluster = long_made(
        kinds.CLUSTER,
        space,
        TENANT,
        created,
        spec={"controlPlaneRef": plane},
        status={"phase": "Provisioned", "controlPlane": _replicas(planes), "workers": _replicas(workers)},
    )
    yield kinds.CLUSTER, cluster
    control = long_made(
        kinds.CONTROL_PLANE,
        space,
        f"{TENANT}-cp",
        created,
        spec={"replicas": planes, "version": _VERSION},
        status={"initialization": {"controlPlaneInitialized": True}, **_replicas(planes)},
    )
    yield kinds.CONTROL_PLANE, _owned(control, cluster)
    wanted: Object = {"clusterName": TENANT, "replicas": workers, "template": {"spec": {"version": _VERSION}}}
    deployment = long_made(kinds.MACHINE_DEPLOYMENT, space, f"{TENANT}-workers", created, spec=wanted,
                         status={"phase": "Running", **_replicas(workers)})  # fmt: skip
    yield kinds.MACHINE_DEPLOYMENT, _owned(deployment, cluster)
    machine_set = long_made(kinds.MACHINE_SET, space, f"{TENANT}-workers-x7k2p", created, spec=copy_of(wanted),
                          status=_replicas(workers))  # fmt: skip
    yield kinds.MACHINE_SET, _owned(machine_set, deployment)
    for number in range(1, count + 1):
        made = kubevirt_machine_of(application, number, count, created)
        name = made["metadata"]["name"]
        reference = {"apiGroup": kinds.KUBEVIRT_MACHINE.group, "kind": kinds.KUBEVIRT_MACHINE.kind, "name": name}
        node = long_made(
            kinds.MACHINE,
            space,
            name,
            created,
            spec={
                "clusterName": TENANT,
                "infrastructureRef": reference,
                "providerID": f"kubevirt://{name}",
                "version": _VERSION,
            },
            status={"phase": "Running", "nodeRef": {"name": name}},
        )
        node["metadata"]["labels"] = _cluster_labels(number, count)
        yield kinds.MACHINE, _owned(node, control if number <= planes else machine_set)
        yield kinds.KUBEVIRT_MACHINE, _owned(made, node)


def _replicas(count: int) -> Object:
    names = ("replicas", "readyReplicas", "availableReplicas", "upToDateReplicas")
    return dict.fromkeys(names, count)


def _owned(obj: Object, owner: Object) -> Object:
    obj["metadata"]["ownerReferences"] = [owner_reference(owner)]
    obj["metadata"].setdefault("labels", {})[_CLUSTER_NAME] = TENANT
    return obj
