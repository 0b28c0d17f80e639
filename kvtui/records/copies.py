"""Records of what copies VMs: snapshots, restores, clones, exports; the meaning of each field: kubevirt-api.md 2.8."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern
from typing import ClassVar

import msgspec

from kvtui.records.base import Condition, Record, Struct


class Reference(Struct):
    """What is copied, or into what."""

    kind: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        self.kind = intern(self.kind)


class Error(Struct):
    """What went wrong, in the storage's words."""

    message: str = ""


class SnapshotVolumes(Struct):
    """Which volumes of the VM are in a snapshot."""

    included_volumes: tuple[str, ...] = ()
    excluded_volumes: tuple[str, ...] = ()


class SnapshotSpec(Struct):
    """``spec`` of a snapshot."""

    source: Reference = msgspec.field(default_factory=Reference)
    deletion_policy: str = ""


class SnapshotStatus(Struct):
    """``status`` of a snapshot."""

    phase: str = ""
    ready_to_use: bool = False
    creation_time: str | None = None
    source_uid: str = msgspec.field(default="", name="sourceUID")
    error: Error | None = None
    indications: tuple[str, ...] = ()
    snapshot_volumes: SnapshotVolumes = msgspec.field(default_factory=SnapshotVolumes)
    conditions: tuple[Condition, ...] = ()


class VmSnapshot(Record):
    """A VirtualMachineSnapshot: the VM's spec and copies of the disks that can be copied."""

    KIND: ClassVar[str] = "VirtualMachineSnapshot"
    FINAL: ClassVar[frozenset[str]] = frozenset({"Succeeded", "Failed"})

    spec: SnapshotSpec = msgspec.field(default_factory=SnapshotSpec)
    status: SnapshotStatus = msgspec.field(default_factory=SnapshotStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its VM, as ``namespace/name``."""
        yield "vm", f"{self.metadata.namespace}/{self.spec.source.name}"


class RestoreSpec(Struct):
    """``spec`` of a restore."""

    target: Reference = msgspec.field(default_factory=Reference)
    virtual_machine_snapshot_name: str = ""
    target_readiness_policy: str = ""


class VolumeRestore(Struct):
    """A volume that a restore brings back."""

    volume_name: str = ""
    persistent_volume_claim: str = ""


class RestoreStatus(Struct):
    """``status`` of a restore."""

    complete: bool = False
    restore_time: str | None = None
    restores: tuple[VolumeRestore, ...] = ()
    conditions: tuple[Condition, ...] = ()


class VmRestore(Record):
    """A VirtualMachineRestore: a VM that is taken back to a snapshot, or made of one."""

    KIND: ClassVar[str] = "VirtualMachineRestore"

    spec: RestoreSpec = msgspec.field(default_factory=RestoreSpec)
    status: RestoreStatus = msgspec.field(default_factory=RestoreStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its VM and its snapshot, as ``namespace/name``."""
        yield "vm", f"{self.metadata.namespace}/{self.spec.target.name}"
        yield "snapshot", f"{self.metadata.namespace}/{self.spec.virtual_machine_snapshot_name}"


class CloneSpec(Struct):
    """``spec`` of a clone."""

    source: Reference = msgspec.field(default_factory=Reference)
    target: Reference | None = None


class CloneStatus(Struct):
    """``status`` of a clone."""

    phase: str = ""
    snapshot_name: str = ""
    restore_name: str = ""
    target_name: str = ""
    creation_time: str | None = None
    conditions: tuple[Condition, ...] = ()


class VmClone(Record):
    """A VirtualMachineClone: a VM that is made of another, or of a snapshot."""

    KIND: ClassVar[str] = "VirtualMachineClone"
    FINAL: ClassVar[frozenset[str]] = frozenset({"Succeeded", "Failed"})

    spec: CloneSpec = msgspec.field(default_factory=CloneSpec)
    status: CloneStatus = msgspec.field(default_factory=CloneStatus)

    @property
    def target(self) -> str:
        """The VM that it makes."""
        return self.status.target_name or (self.spec.target.name if self.spec.target is not None else "")

    def links(self) -> Iterator[tuple[str, str]]:
        """To its source and its target, as ``namespace/name``."""
        yield "source", f"{self.spec.source.kind} {self.metadata.namespace}/{self.spec.source.name}"
        yield "vm", f"{self.metadata.namespace}/{self.target}"


class ExportSpec(Struct):
    """``spec`` of an export."""

    source: Reference = msgspec.field(default_factory=Reference)
    ttl_duration: str = ""


class ExportFormat(Struct):
    """One of the forms in which a volume is offered: ``raw``, ``gzip``, ``dir``, ``tar.gz``."""

    format: str = ""
    url: str = ""


class ExportVolume(Struct):
    """A volume that is offered."""

    name: str = ""
    formats: tuple[ExportFormat, ...] = ()


class ExportLink(Struct):
    """Where volumes are offered: within the cluster, or from outside."""

    cert: str = ""
    """The certificates that its server is to be trusted by, as PEM."""
    volumes: tuple[ExportVolume, ...] = ()


class ExportLinks(Struct):
    """``status.links``."""

    internal: ExportLink | None = None
    external: ExportLink | None = None


class ExportStatus(Struct):
    """``status`` of an export."""

    phase: str = ""
    links: ExportLinks = msgspec.field(default_factory=ExportLinks)
    service_name: str = ""
    token_secret_ref: str = ""
    ttl_expiration_time: str | None = None
    conditions: tuple[Condition, ...] = ()


class VmExport(Record):
    """A VirtualMachineExport: the volumes of a VM, a snapshot or a claim, offered for download for a while."""

    KIND: ClassVar[str] = "VirtualMachineExport"

    spec: ExportSpec = msgspec.field(default_factory=ExportSpec)
    status: ExportStatus = msgspec.field(default_factory=ExportStatus)

    @property
    def volumes(self) -> tuple[ExportVolume, ...]:
        """What is offered, be it within the cluster or outside."""
        links = self.status.links
        found = links.external or links.internal
        return found.volumes if found is not None else ()

    def links(self) -> Iterator[tuple[str, str]]:
        """To what it exports: kind and ``namespace/name``."""
        yield "source", f"{self.spec.source.kind} {self.metadata.namespace}/{self.spec.source.name}"
