"""How storage is provisioned: volumes, classes, CDI's profiles of them, Ceph; kubevirt-api.md 1.6 and 2.7."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern
from typing import ClassVar

import msgspec

from kvtui.records.base import Condition, Meta, Record, Struct, share, share_part
from kvtui.records.placement import Required, Term


class StorageClass(Record):
    """A StorageClass."""

    KIND: ClassVar[str] = "StorageClass"

    provisioner: str = ""
    reclaim_policy: str = "Delete"
    volume_binding_mode: str = "Immediate"
    allow_volume_expansion: bool = False

    @property
    def waits(self) -> bool:
        """Whether a claim waits until a pod uses it."""
        return self.volume_binding_mode == "WaitForFirstConsumer"

    @property
    def is_default(self) -> bool:
        """Whether claims that name no class are of this one."""
        return self.metadata.annotations.default_class == "true"

    @property
    def is_default_for_vms(self) -> bool:
        """The same of disks that CDI makes for VMs, which looks here first."""
        return self.metadata.annotations.default_virt_class == "true"


class CsiDriver(Record):
    """A CSI driver that is installed; it bears the name by which classes call it."""

    KIND: ClassVar[str] = "CSIDriver"


class Registration(Struct):
    """One entry of ``spec.drivers`` of a CSINode."""

    name: str = ""

    def __post_init__(self) -> None:
        self.name = intern(self.name)


class CsiNodeSpec(Struct):
    """``spec`` of a CSINode."""

    drivers: tuple[Registration, ...] = ()

    def __post_init__(self) -> None:
        self.drivers = share_part(self.drivers)


class CsiNode(Record):
    """Which CSI drivers are registered with the kubelet of the node whose name it bears."""

    KIND: ClassVar[str] = "CSINode"

    spec: CsiNodeSpec = msgspec.field(default_factory=CsiNodeSpec)

    def has(self, driver: str) -> bool:
        """Whether a driver is registered."""
        return any(one.name == driver for one in self.spec.drivers)


class ClaimRef(Struct):
    """``spec.claimRef`` of a volume: the claim that has it, or had it."""

    namespace: str = ""
    name: str = ""
    uid: str = ""

    def __post_init__(self) -> None:
        self.namespace = intern(self.namespace)
        self.name = intern(self.name)
        self.uid = intern(self.uid)

    @property
    def path(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


class CsiSource(Struct):
    """``spec.csi``."""

    driver: str = ""

    def __post_init__(self) -> None:
        self.driver = intern(self.driver)


class Place(Struct):
    """A source that is a path: of a server, or of the node itself."""

    server: str = ""
    path: str = ""


class Affinity(Struct):
    """``spec.nodeAffinity``: on which nodes a volume can be used."""

    required: Required = msgspec.field(default_factory=Required)


class VolumeSpec(Struct):
    """``spec`` of a PersistentVolume."""

    capacity: dict[str, str] = {}
    access_modes: tuple[str, ...] = ()
    claim_ref: ClaimRef | None = None
    csi: CsiSource | None = None
    nfs: Place | None = None
    local: Place | None = None
    host_path: Place | None = None
    node_affinity: Affinity | None = None
    persistent_volume_reclaim_policy: str = ""
    storage_class_name: str = ""
    volume_mode: str = ""

    def __post_init__(self) -> None:
        self.capacity = share(self.capacity)
        self.access_modes = share_part(self.access_modes)
        self.persistent_volume_reclaim_policy = intern(self.persistent_volume_reclaim_policy)
        self.storage_class_name = intern(self.storage_class_name)
        self.volume_mode = intern(self.volume_mode)


class VolumeStatus(Struct):
    """``status`` of a PersistentVolume."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    last_phase_transition_time: str | None = None

    def __post_init__(self) -> None:
        self.phase = intern(self.phase)


class PersistentVolume(Record):
    """The storage behind a claim."""

    KIND: ClassVar[str] = "PersistentVolume"

    spec: VolumeSpec = msgspec.field(default_factory=VolumeSpec)
    status: VolumeStatus = msgspec.field(default_factory=VolumeStatus)

    @property
    def origin(self) -> str:
        """Who serves it: the CSI driver, or the path for the kinds of old; empty for any other."""
        spec = self.spec
        if spec.csi is not None:
            return spec.csi.driver
        if spec.nfs is not None:
            return f"nfs {spec.nfs.server}:{spec.nfs.path}"
        if spec.local is not None:
            return f"local {spec.local.path}"
        return f"hostPath {spec.host_path.path}" if spec.host_path is not None else ""

    @property
    def terms(self) -> tuple[Term, ...]:
        """Where it can be used: on nodes of which all expressions of one term are true; empty for everywhere."""
        return self.spec.node_affinity.required.node_selector_terms if self.spec.node_affinity is not None else ()

    @property
    def homes(self) -> tuple[str, ...]:
        """The values of labels, names of nodes mostly, that nodes must have to use it."""
        found = (one for term in self.terms for one in term.match_expressions if one.operator == "In")
        return tuple(dict.fromkeys(value for one in found for value in one.values))


class CephDetail(Struct):
    """One entry of ``status.ceph.details``."""

    severity: str = ""
    message: str = ""


class CephCapacity(Struct):
    """``status.ceph.capacity``, in bytes."""

    bytes_total: int = 0
    bytes_used: int = 0
    bytes_available: int = 0


class CephHealth(Struct):
    """``status.ceph``."""

    health: str = ""
    details: dict[str, CephDetail] = {}
    """By code: ``OSD_NEARFULL``."""
    last_checked: str = ""
    last_changed: str = ""
    capacity: CephCapacity = msgspec.field(default_factory=CephCapacity)


class CephStatus(Struct):
    """``status`` of a CephCluster."""

    phase: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    ceph: CephHealth = msgspec.field(default_factory=CephHealth)


class CephCluster(Record):
    """A Ceph that Rook runs, or that it only knows of."""

    KIND: ClassVar[str] = "CephCluster"

    status: CephStatus = msgspec.field(default_factory=CephStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its namespace."""
        yield "namespace", self.metadata.namespace

    def serves(self, driver: str) -> bool:
        """Whether it may be the one behind a CSI driver: Rook's drivers bear the namespace of their cluster."""
        return driver.endswith((".rbd.csi.ceph.com", ".cephfs.csi.ceph.com")) and (
            driver.partition(".")[0] == self.metadata.namespace
        )

    def complaints(self) -> Iterator[tuple[str, CephDetail]]:
        """What Ceph says of itself, the errors first: code and words."""
        yield from sorted(self.status.ceph.details.items(), key=lambda item: (item[1].severity != "HEALTH_ERR", item))


class PropertySet(Struct):
    """One way in which CDI knows that a claim of the class works, the best first."""

    access_modes: tuple[str, ...] = ()
    volume_mode: str = ""


class ProfileStatus(Struct):
    """``status`` of a StorageProfile."""

    claim_property_sets: tuple[PropertySet, ...] = ()


class StorageProfile(Struct):
    """CDI's StorageProfile of the class of its name."""

    KIND: ClassVar[str] = "StorageProfile"

    metadata: Meta = msgspec.field(default_factory=Meta)
    status: ProfileStatus = msgspec.field(default_factory=ProfileStatus)
