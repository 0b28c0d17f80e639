"""Storage classes and CDI's profiles of them."""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.catalog.making import long_made
from kvtui.demo.storage import Object

SHARED = "ceph-rbd"
"""Block storage that all nodes reach: RWX for virtual machines, the default of virtualization."""
FILES = "cephfs"
LOCAL = "local-lvm"
"""A disk of one node; bound when its first consumer is scheduled."""
BROKEN = "nfs-archive"
"""A class whose provisioner is not installed."""

_CLASSES: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    (SHARED, "rook-ceph.rbd.csi.ceph.com", "Immediate", {"storageclass.kubevirt.io/is-default-virt-class": "true",
                                                          "storageclass.kubernetes.io/is-default-class": "true"}),
    (FILES, "rook-ceph.cephfs.csi.ceph.com", "Immediate", {}),
    (LOCAL, "topolvm.io", "WaitForFirstConsumer", {}),
    (BROKEN, "nfs.csi.k8s.io", "Immediate", {}),
)  # fmt: skip
_DRIVERS = tuple(provisioner for name, provisioner, _, _ in _CLASSES if name != BROKEN)
_PROPERTIES: dict[str, list[Object]] = {
    SHARED: [
        {"accessModes": ["ReadWriteMany"], "volumeMode": "Block"},
        {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block"},
        {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
    ],
    FILES: [{"accessModes": ["ReadWriteMany"], "volumeMode": "Filesystem"}],
    LOCAL: [{"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"}],
    BROKEN: [{"accessModes": ["ReadWriteMany"], "volumeMode": "Filesystem"}],
}


def storage_classes(created: str) -> list[Object]:
    """The StorageClasses."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name, "creationTimestamp": created, "annotations": annotations},
            "provisioner": provisioner,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": mode,
            "allowVolumeExpansion": True,
        }
        for name, provisioner, mode, annotations in _CLASSES
    ]


def csi_drivers(created: str) -> list[Object]:
    """The CSIDrivers, as the installation of each driver makes them: that of one class is missing."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": {"name": driver, "creationTimestamp": created},
            "spec": {"attachRequired": True, "podInfoOnMount": False},
        }
        for driver in _DRIVERS
    ]


def csi_nodes(nodes: list[Object], created: str) -> list[Object]:
    """The CSINodes, as the kubelet of each worker makes them when the node plugins register with it."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {
                "name": node["metadata"]["name"],
                "creationTimestamp": created,
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": node["metadata"]["name"],
                        "uid": node["metadata"]["uid"],
                    }
                ],
            },
            "spec": {
                "drivers": [
                    {"name": driver, "nodeID": node["metadata"]["name"], "topologyKeys": None} for driver in _DRIVERS
                ]
            },
        }
        for node in nodes
    ]


SNAPSHOT_CLASSES = {
    "rook-ceph.rbd.csi.ceph.com": "ceph-rbd-snapshots",
    "rook-ceph.cephfs.csi.ceph.com": "cephfs-snapshots",
}
"""By driver: those that can take snapshots."""


def snapshot_classes(created: str) -> list[Object]:
    """The VolumeSnapshotClasses."""
    return [
        {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshotClass",
            "metadata": {"name": name, "creationTimestamp": created, "generation": 1},
            "driver": driver,
            "deletionPolicy": "Delete",
        }
        for driver, name in SNAPSHOT_CLASSES.items()
    ]


def storage_profiles(created: str) -> list[Object]:
    """CDI's StorageProfiles, one for each class."""
    return [
        {
            "apiVersion": "cdi.kubevirt.io/v1beta1",
            "kind": "StorageProfile",
            "metadata": {
                "name": name,
                "creationTimestamp": created,
                "generation": 2,
                "labels": {"app": "containerized-data-importer", "cdi.kubevirt.io": ""},
            },
            "spec": {},
            "status": {
                "claimPropertySets": _PROPERTIES[name],
                "cloneStrategy": "csi-clone" if "ceph" in provisioner else "copy",
                "conditions": [
                    {
                        "lastHeartbeatTime": created,
                        "lastTransitionTime": created,
                        "message": "Provisioner is recognized",
                        "reason": "",
                        "status": "True",
                        "type": "Recognized",
                    }
                ],
                "dataImportCronSourceFormat": "snapshot" if "ceph" in provisioner else "pvc",
                "provisioner": provisioner,
                "storageClass": name,
            },
        }
        for name, provisioner, _, _ in _CLASSES
    ]


_TIB = 2**40


def ceph_clusters(created: str) -> list[Object]:
    """Rook's CephCluster, as its operator writes it while Ceph is well."""
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "ClusterCreated",
        "message": "Cluster created successfully",
        "lastHeartbeatTime": created,
        "lastTransitionTime": created,
    }
    version = "19.2.3-0"
    status = {
        "state": "Created",
        "phase": "Ready",
        "message": "Cluster created successfully",
        "conditions": [ready],
        "ceph": {
            "health": "HEALTH_OK",
            "lastChecked": created,
            "lastChanged": created,
            "capacity": {
                "bytesTotal": 120 * _TIB,
                "bytesUsed": 53 * _TIB,
                "bytesAvailable": 67 * _TIB,
                "lastUpdated": created,
            },
            "fsid": "4f9d3a8e-5d1b-4c55-9a07-0a3a5b2f7c11",
            "versions": {"overall": {f"ceph version {version} squid (stable)": 21}},
        },
        "storage": {"deviceClasses": [{"name": "ssd"}], "osd": {"storeType": {"bluestore": 15}}},
        "version": {"image": "quay.io/ceph/ceph:v19.2.3", "version": version},
    }
    spec = {
        "cephVersion": {"image": "quay.io/ceph/ceph:v19.2.3"},
        "dataDirHostPath": "/var/lib/rook",
        "mon": {"count": 3, "allowMultiplePerNode": False},
        "mgr": {"count": 2},
        "storage": {"useAllNodes": True, "useAllDevices": True},
    }
    return [long_made(kinds.CEPH_CLUSTER, "rook-ceph", "rook-ceph", created, spec=spec, status=status)]
