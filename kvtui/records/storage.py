"""How storage is provisioned: classes, and CDI's profiles of them; kubevirt-api.md 1.6 and 2.7."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kvtui.records.base import Meta, Struct

DEFAULT_FOR_VMS = "storageclass.kubevirt.io/is-default-virt-class"
DEFAULT = "storageclass.kubernetes.io/is-default-class"


class ClassMeta(Struct):
    """Name and marks of a storage class."""

    name: str = ""
    annotations: dict[str, str] = {}


class StorageClass(Struct):
    """A StorageClass."""

    KIND: ClassVar[str] = "StorageClass"

    metadata: ClassMeta = msgspec.field(default_factory=ClassMeta)
    provisioner: str = ""
    volume_binding_mode: str = "Immediate"
    allow_volume_expansion: bool = False

    @property
    def waits(self) -> bool:
        """Whether a claim waits until a pod uses it."""
        return self.volume_binding_mode == "WaitForFirstConsumer"


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
