"""Records of the Containerized Data Importer: kubevirt-api.md 2.5 to 2.7."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern
from typing import ClassVar

import msgspec

from kvtui.records.base import Condition, Record, Struct, share_part
from kvtui.records.kubernetes import ClaimSpec


class SourceAddress(Struct):
    """A source that has an address or a name."""

    url: str = ""
    namespace: str = ""
    name: str = ""
    image_stream: str = ""
    secret_ref: str = ""
    cert_config_map: str = ""


class DataSources(Struct):
    """``spec.source``: exactly one of these is set."""

    http: SourceAddress | None = None
    s3: SourceAddress | None = None
    gcs: SourceAddress | None = None
    registry: SourceAddress | None = None
    pvc: SourceAddress | None = None
    snapshot: SourceAddress | None = None
    imageio: SourceAddress | None = None
    vddk: SourceAddress | None = None
    upload: SourceAddress | None = None
    blank: SourceAddress | None = None


class SourceRef(Struct):
    """``spec.sourceRef``."""

    kind: str = ""
    namespace: str | None = None
    name: str = ""


class DataVolumeSpec(Struct):
    """``spec`` of a DataVolume."""

    source: DataSources | None = None
    source_ref: SourceRef | None = None
    pvc: ClaimSpec | None = None
    storage: ClaimSpec | None = None
    content_type: str = ""

    def __post_init__(self) -> None:
        self.content_type = intern(self.content_type)


class DataVolumeStatus(Struct):
    """``status`` of a DataVolume. `progress` is ``N/A`` or a percentage such as ``45.17%``."""

    phase: str = ""
    progress: str = ""
    restart_count: int = 0
    claim_name: str = ""
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        self.phase = intern(self.phase)
        self.progress = intern(self.progress)
        self.claim_name = intern(self.claim_name)


class DataVolume(Record):
    """A disk that is imported, cloned, uploaded or made blank."""

    KIND: ClassVar[str] = "DataVolume"

    spec: DataVolumeSpec = msgspec.field(default_factory=DataVolumeSpec)
    status: DataVolumeStatus = msgspec.field(default_factory=DataVolumeStatus)

    def __post_init__(self) -> None:
        self.spec = share_part(self.spec)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its claim, as ``namespace/name``; one that is not filled yet to CDI's controller, which works on it."""
        name = self.status.claim_name or self.metadata.name
        yield "claim", f"{self.metadata.namespace}/{name}"
        if self.status.phase != "Succeeded":
            yield "worker", "cdi-deployment"
            if self.source_path:
                yield "source", self.source_path

    @property
    def source_path(self) -> str:
        """The DataSource that it is copied from, as ``namespace/name``; empty for any other source."""
        named = self.spec.source_ref
        if named is None or named.kind != "DataSource":
            return ""
        return f"{named.namespace or self.metadata.namespace}/{named.name}"


class DataSourceSpec(Struct):
    """``spec`` of a DataSource."""

    source: DataSources = msgspec.field(default_factory=DataSources)


class DataSourceStatus(Struct):
    """``status`` of a DataSource."""

    conditions: tuple[Condition, ...] = ()


class DataSource(Record):
    """A name for a claim or snapshot that disks of VMs are copied from."""

    KIND: ClassVar[str] = "DataSource"

    spec: DataSourceSpec = msgspec.field(default_factory=DataSourceSpec)
    status: DataSourceStatus = msgspec.field(default_factory=DataSourceStatus)

    @property
    def origin(self) -> str:
        """What it stands for: ``PVC images/fedora``; empty where it names nothing."""
        for word, named in (("PVC", self.spec.source.pvc), ("VolumeSnapshot", self.spec.source.snapshot)):
            if named is not None:
                return f"{word} {named.namespace or self.metadata.namespace}/{named.name}"
        return ""


class CdiStatus(Struct):
    """``status`` of the CDI installation."""

    phase: str = ""
    observed_version: str = ""
    target_version: str = ""
    conditions: tuple[Condition, ...] = ()


class Cdi(Record):
    """The installation of CDI."""

    KIND: ClassVar[str] = "CDI"

    status: CdiStatus = msgspec.field(default_factory=CdiStatus)


class Upload(Record):
    """An image of this machine on its way into a DataVolume of the same name; only kvtui knows of it."""

    KIND: ClassVar[str] = "Upload"

    total: int = 0
    """Bytes of the file."""
    sent: int = 0
    rate: float | None = None
    """Bytes a second, lately."""
    phase: str = "Waiting"
    """``Waiting`` for CDI, ``Sending``, ``Processing`` of what was sent."""
    words: str = ""
    """What goes on besides: ``attempt 2``."""
    volume: str = ""
    """The uid of the DataVolume, once that is there."""
