"""KubeVirt, CDI and what else the platform registers with the API server."""

from __future__ import annotations

import json

from kvtui.demo.kinds import KINDS
from kvtui.demo.storage import Kind, Object

KUBEVIRT_VERSION = "v1.9.0"
CDI_VERSION = "v1.66.0"
_CEPH_TAKEN = 0.61
_REGISTRY = "quay.io/kubevirt"
_AGGREGATED = (
    ("subresources.kubevirt.io", "v1", "kubevirt", "virt-api"),
    ("subresources.kubevirt.io", "v1alpha3", "kubevirt", "virt-api"),
    ("upload.cdi.kubevirt.io", "v1beta1", "cdi", "cdi-api"),
    ("metrics.k8s.io", "v1beta1", "kube-system", "metrics-server"),
)


def kubevirt(created: str) -> Object:
    """The KubeVirt CR, all components ready."""
    ready = ("AllComponentsReady", "All components are ready.")
    conditions = [
        ("Available", "True", *ready),
        ("Progressing", "False", *ready),
        ("Degraded", "False", *ready),
        ("Created", "True", "AllResourcesCreated", "All resources were created."),
    ]
    deployment = {"id": "6f2c1d0b", "namespace": "kubevirt", "registry": _REGISTRY, "kubeVirtVersion": KUBEVIRT_VERSION}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {
            "name": "kubevirt",
            "namespace": "kubevirt",
            "creationTimestamp": created,
            "finalizers": ["foregroundDeleteKubeVirt"],
            "generation": 3,
        },
        "spec": {
            "certificateRotateStrategy": {},
            "configuration": {
                "developerConfiguration": {"featureGates": ["Snapshot", "VMExport", "ExpandDisks", "HostDevices"]},
                "evictionStrategy": "LiveMigrate",
                "migrations": {"parallelMigrationsPerCluster": 5, "parallelOutboundMigrationsPerNode": 2},
                "vmRolloutStrategy": "LiveUpdate",
            },
            "customizeComponents": {},
            "imagePullPolicy": "IfNotPresent",
            "infra": {"replicas": 2},
            "workloadUpdateStrategy": {"workloadUpdateMethods": ["LiveMigrate"]},
        },
        "status": {
            "conditions": [
                {
                    "lastProbeTime": created,
                    "lastTransitionTime": created,
                    "message": message,
                    "reason": reason,
                    "status": status,
                    "type": kind,
                }
                for kind, status, reason, message in conditions
            ],
            "defaultArchitecture": "amd64",
            "observedDeploymentConfig": json.dumps(deployment),
            "observedGeneration": 3,
            "observedKubeVirtRegistry": _REGISTRY,
            "observedKubeVirtVersion": KUBEVIRT_VERSION,
            "operatorVersion": KUBEVIRT_VERSION,
            "outdatedVirtualMachineInstanceWorkloads": 0,
            "phase": "Deployed",
            "targetKubeVirtRegistry": _REGISTRY,
            "targetKubeVirtVersion": KUBEVIRT_VERSION,
        },
    }


def cdi(created: str) -> Object:
    """The CDI CR."""
    conditions = (("Available", "True", "DeployCompleted", "Deployment Completed"),
                  ("Progressing", "False", "", ""), ("Degraded", "False", "", ""))  # fmt: skip
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "CDI",
        "metadata": {
            "name": "cdi",
            "creationTimestamp": created,
            "finalizers": ["operator.cdi.kubevirt.io"],
            "generation": 2,
        },
        "spec": {
            "config": {"featureGates": ["HonorWaitForFirstConsumer"]},
            "imagePullPolicy": "IfNotPresent",
            "infra": {"nodeSelector": {"kubernetes.io/os": "linux"}},
            "workload": {"nodeSelector": {"kubernetes.io/os": "linux"}},
        },
        "status": {
            "conditions": [
                {
                    "lastHeartbeatTime": created,
                    "lastTransitionTime": created,
                    "message": message,
                    "reason": reason,
                    "status": status,
                    "type": kind,
                }
                for kind, status, reason, message in conditions
            ],
            "observedVersion": CDI_VERSION,
            "operatorVersion": CDI_VERSION,
            "phase": "Deployed",
            "targetVersion": CDI_VERSION,
        },
    }


def ceph_cluster(created: str) -> Object:
    """The CephCluster of Rook, well."""
    total = 84 * 1024**4
    ready = {"type": "Ready", "status": "True", "reason": "ClusterCreated", "message": "Cluster created successfully"}
    return {
        "apiVersion": "ceph.rook.io/v1",
        "kind": "CephCluster",
        "metadata": {
            "name": "rook-ceph",
            "namespace": "rook-ceph",
            "creationTimestamp": created,
            "finalizers": ["cephcluster.ceph.rook.io"],
            "generation": 2,
        },
        "spec": {
            "cephVersion": {"image": "quay.io/ceph/ceph:v19.2.3"},
            "dataDirHostPath": "/var/lib/rook",
            "mon": {"count": 3},
        },
        "status": {
            "ceph": {
                "capacity": {
                    "bytesAvailable": total - int(total * _CEPH_TAKEN),
                    "bytesTotal": total,
                    "bytesUsed": int(total * _CEPH_TAKEN),
                    "lastUpdated": created,
                },
                "fsid": "0f8a4c1e-7d52-4f0b-9a35-6c1d2e3f4a5b",
                "health": "HEALTH_OK",
                "lastChanged": created,
                "lastChecked": created,
                "previousHealth": "HEALTH_WARN",
            },
            "conditions": [{**ready, "lastHeartbeatTime": created, "lastTransitionTime": created}],
            "message": "Cluster created successfully",
            "phase": "Ready",
            "state": "Created",
            "version": {"image": "quay.io/ceph/ceph:v19.2.3", "version": "19.2.3-0"},
        },
    }


def cdi_config(created: str) -> Object:
    """CDI's configuration as it resolved it."""
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "CDIConfig",
        "metadata": {"name": "config", "creationTimestamp": created, "generation": 4},
        "spec": {"featureGates": ["HonorWaitForFirstConsumer"]},
        "status": {
            "filesystemOverhead": {"global": "0.06", "storageClass": {}},
            "importProxy": {},
            "preallocation": False,
            "scratchSpaceStorageClass": "ceph-rbd",
            "uploadProxyURL": "",
        },
    }


def api_services(created: str) -> list[Object]:
    """An APIService for each group and version, and the aggregated ones."""
    groups = sorted({(kind.group, kind.version) for kind in KINDS})
    local = [
        _api_service(group, version, None, created, "Local", "Local APIServices are always available")
        for group, version in groups
    ]
    return local + [
        _api_service(
            group, version, {"namespace": space, "name": name, "port": 443}, created, "Passed", "all checks passed"
        )
        for group, version, space, name in _AGGREGATED
    ]


def _api_service(group: str, version: str, service: Object | None, created: str, reason: str, message: str) -> Object:
    spec: Object = {"version": version, "groupPriorityMinimum": 1000 if group else 18000, "versionPriority": 15}
    if group:
        spec["group"] = group
    if service:
        spec["service"] = service
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}", "creationTimestamp": created},
        "spec": spec,
        "status": {
            "conditions": [
                {
                    "type": "Available",
                    "status": "True",
                    "lastTransitionTime": created,
                    "reason": reason,
                    "message": message,
                }
            ]
        },
    }


def custom_resource_definitions(created: str) -> list[Object]:
    """A CRD for each custom kind that is stored here."""
    return [_definition(kind, created) for kind in KINDS if kind.custom]


def _definition(kind: Kind, created: str) -> Object:
    names: Object = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
    }
    if kind.short:
        names["shortNames"] = list(kind.short)
    if kind.categories:
        names["categories"] = list(kind.categories)
    version: Object = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    if kind.status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}", "creationTimestamp": created, "generation": 1},
        "spec": {
            "conversion": {"strategy": "None"},
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
        "status": {
            "acceptedNames": names,
            "conditions": [
                _definition_condition("NamesAccepted", "NoConflicts", "no conflicts found", created),
                _definition_condition(
                    "Established", "InitialNamesAccepted", "the initial names have been accepted", created
                ),
            ],
            "storedVersions": [kind.version],
        },
    }


def _definition_condition(kind: str, reason: str, message: str, created: str) -> Object:
    return {"lastTransitionTime": created, "message": message, "reason": reason, "status": "True", "type": kind}
