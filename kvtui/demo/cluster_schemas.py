"""The types of the fields that the platform and Cluster API are judged by. Source: their CRDs; core/v1 for volumes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kvtui.demo import kinds
from kvtui.demo.metadata import Kind
from kvtui.demo.schemas import KINDS as OTHERS
from kvtui.demo.shapes import Many, Map, Plain, Shape, Struct

_STRING: Final = Plain(("string",), "string")
_NUMBER: Final = Plain(("integer",), "int64")
_BOOLEAN: Final = Plain(("boolean",), "bool")


def _texts(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, _STRING)


_CONDITIONS: Final = Many(
    Struct("Condition", _texts("type", "status", "reason", "message", "lastTransitionTime"), ("type", "status"))
)


def _extended(kind: Kind, part: str, **fields: Shape) -> Struct:
    """A struct of the other kinds with more of its fields named."""
    found = OTHERS[kind][part]
    assert isinstance(found, Struct)
    return replace(found, fields={**found.fields, **fields})


_PATCH: Final = Struct("CustomizeComponentsPatch", _texts("resourceName", "resourceType", "patch", "type"))
_TERM: Final = Struct(
    "NodeSelectorTerm",
    {
        "matchExpressions": Many(
            Struct("NodeSelectorRequirement", {**_texts("key", "operator"), "values": Many(_STRING)}, ("key",))
        )
    },
)
_SERVICE: Final = Struct(
    "ControlPlaneServiceTemplate", {"spec": Struct("ServiceSpecTemplate", _texts("type", "clusterIP"))}
)
_FILE: Final = Struct(
    "File",
    {
        **_texts("path", "content"),
        "contentFrom": Struct("FileSource", {"secret": Struct("SecretFileSource", _texts("name", "key"))}),
    },
)
_CEPH: Final = Struct(
    "CephStatus",
    {
        **_texts("health", "previousHealth", "lastChecked", "lastChanged", "fsid"),
        "capacity": Struct("Capacity", dict.fromkeys(("bytesTotal", "bytesUsed", "bytesAvailable"), _NUMBER)),
        "details": Map(Struct("CephHealthMessage", _texts("severity", "message"))),
    },
)

KINDS: dict[Kind, dict[str, Shape]] = {
    kinds.MACHINE_DEPLOYMENT: {
        "spec": Struct("MachineDeploymentSpec", {"replicas": _NUMBER}),
        "status": Struct("MachineDeploymentStatus", {"replicas": _NUMBER, "conditions": _CONDITIONS}),
    },
    kinds.KUBEVIRT: {
        "spec": _extended(
            kinds.KUBEVIRT,
            "spec",
            imageTag=_STRING,
            customizeComponents=Struct("CustomizeComponents", {"patches": Many(_PATCH)}),
        ),
        "status": _extended(kinds.KUBEVIRT, "status", observedKubeVirtVersion=_STRING),
    },
    kinds.PV: {
        "spec": _extended(
            kinds.PV,
            "spec",
            nodeAffinity=Struct(
                "VolumeNodeAffinity", {"required": Struct("NodeSelector", {"nodeSelectorTerms": Many(_TERM)})}
            ),
        ),
        "status": OTHERS[kinds.PV]["status"],
    },
    kinds.KUBEVIRT_CLUSTER: {
        "spec": Struct("KubevirtClusterSpec", {"controlPlaneServiceTemplate": _SERVICE}),
        "status": Struct("KubevirtClusterStatus", {"ready": _BOOLEAN, "conditions": _CONDITIONS}),
    },
    kinds.KUBEADM_CONFIG: {
        "spec": Struct("KubeadmConfigSpec", {"files": Many(_FILE)}),
        "status": Struct("KubeadmConfigStatus", {"dataSecretName": _STRING, "conditions": _CONDITIONS}),
    },
    kinds.MACHINE: {
        "spec": Struct("MachineSpec", {"bootstrap": Struct("Bootstrap", _texts("dataSecretName"))}),
        "status": Struct("MachineStatus", {"conditions": _CONDITIONS}),
    },
    kinds.CLUSTER: {
        "spec": Struct("ClusterSpec"),
        "status": Struct(
            "ClusterStatus", {"controlPlane": Struct("ClusterControlPlaneStatus"), "conditions": _CONDITIONS}
        ),
    },
    kinds.CEPH_CLUSTER: {
        "spec": Struct("ClusterSpec"),
        "status": Struct("ClusterStatus", {"ceph": _CEPH, "conditions": _CONDITIONS}),
    },
}
"""The fields of each kind."""
