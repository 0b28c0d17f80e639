"""The types of the fields of snapshots, restores, clones and exports. Source: the CRDs of KubeVirt 1.9."""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.metadata import Kind
from kvtui.demo.shapes import Many, Map, Plain, Shape, Struct

_STRING = Plain(("string",), "string")
_BOOLEAN = Plain(("boolean",), "bool")
_STRINGS = Many(_STRING)
_TEXTS = Map(_STRING)


def _texts(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, _STRING)


_CONDITION = Struct(
    "Condition",
    _texts("type", "status", "reason", "message", "lastProbeTime", "lastTransitionTime"),
    ("type", "status"),
)
_CONDITIONS = Many(_CONDITION)
_REFERENCE = Struct("TypedLocalObjectReference", _texts("apiGroup", "kind", "name"), ("kind", "name"))
_ERROR = Struct("Error", _texts("time", "message"))
_FILTERS = {"annotationFilters": _STRINGS, "labelFilters": _STRINGS}
_LINK = Struct(
    "VirtualMachineExportLink",
    {
        "cert": _STRING,
        "volumes": Many(
            Struct(
                "VirtualMachineExportVolume",
                {"name": _STRING, "formats": Many(Struct("VirtualMachineExportVolumeFormat", _texts("format", "url")))},
                ("name",),
            )
        ),
        "manifests": Many(Struct("VirtualMachineExportManifest", _texts("type", "url"))),
    },
)

KINDS: dict[Kind, dict[str, Shape]] = {
    kinds.SNAPSHOT: {
        "spec": Struct(
            "VirtualMachineSnapshotSpec",
            _texts("deletionPolicy", "failureDeadline") | {"source": _REFERENCE},
            ("source",),
        ),
        "status": Struct(
            "VirtualMachineSnapshotStatus",
            _texts("phase", "sourceUID", "creationTime", "virtualMachineSnapshotContentName")
            | {
                "conditions": _CONDITIONS,
                "error": _ERROR,
                "indications": _STRINGS,
                "readyToUse": _BOOLEAN,
                "snapshotVolumes": Struct(
                    "SnapshotVolumesLists", {"includedVolumes": _STRINGS, "excludedVolumes": _STRINGS}
                ),
            },
        ),
    },
    kinds.RESTORE: {
        "spec": Struct(
            "VirtualMachineRestoreSpec",
            _texts(
                "virtualMachineSnapshotName", "targetReadinessPolicy", "volumeRestorePolicy", "volumeOwnershipPolicy"
            )
            | {
                "target": _REFERENCE,
                "patches": _STRINGS,
                "volumeRestoreOverrides": Many(
                    Struct(
                        "VolumeRestoreOverride",
                        _texts("volumeName", "restoreName") | {"labels": _TEXTS, "annotations": _TEXTS},
                    )
                ),
            },
            ("target", "virtualMachineSnapshotName"),
        ),
        "status": Struct(
            "VirtualMachineRestoreStatus",
            {
                "complete": _BOOLEAN,
                "restoreTime": _STRING,
                "conditions": _CONDITIONS,
                "deletedDataVolumes": _STRINGS,
                "restores": Many(
                    Struct(
                        "VolumeRestore",
                        _texts("volumeName", "persistentVolumeClaim", "volumeSnapshotName", "dataVolumeName"),
                        ("volumeName", "persistentVolumeClaim", "volumeSnapshotName"),
                    )
                ),
            },
        ),
    },
    kinds.CLONE: {
        "spec": Struct(
            "VirtualMachineCloneSpec",
            _texts("newSMBiosSerial", "volumeNamePolicy")
            | _FILTERS
            | {
                "source": _REFERENCE,
                "target": _REFERENCE,
                "newMacAddresses": _TEXTS,
                "patches": _STRINGS,
                "template": Struct("VirtualMachineCloneTemplateFilters", dict(_FILTERS)),
            },
            ("source",),
        ),
        "status": Struct(
            "VirtualMachineCloneStatus",
            _texts("phase", "snapshotName", "restoreName", "targetName", "creationTime") | {"conditions": _CONDITIONS},
        ),
    },
    kinds.EXPORT: {
        "spec": Struct(
            "VirtualMachineExportSpec", _texts("tokenSecretRef", "ttlDuration") | {"source": _REFERENCE}, ("source",)
        ),
        "status": Struct(
            "VirtualMachineExportStatus",
            _texts("phase", "serviceName", "tokenSecretRef", "ttlExpirationTime", "virtualMachineName")
            | {
                "conditions": _CONDITIONS,
                "links": Struct("VirtualMachineExportLinks", {"internal": _LINK, "external": _LINK}),
            },
        ),
    },
}
