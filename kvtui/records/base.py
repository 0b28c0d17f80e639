"""What all Kubernetes records share: metadata, owners, conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import intern
from typing import ClassVar, TypeVar

import msgspec

from kvtui.model import Ref
from kvtui.text import parse_time


class Struct(msgspec.Struct, rename="camel", gc=False):
    """A part of a record. Fields not declared cost nothing; every declared one has a default.

    Records hold no cycles, so the garbage collector need not look at them.
    """


_SHARED_MOST = 4096
_shared: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}


def share(values: dict[str, str]) -> dict[str, str]:
    """One dict for all equal ones that came lately, its texts interned: records are read and never written to.

    Labels and resource requests repeat themselves over a fleet; each dict of its own would be the larger part of a pod.
    """
    key = tuple(values.items())
    found = _shared.get(key)
    if found is None:
        if len(_shared) >= _SHARED_MOST:
            _shared.clear()
        found = _shared[key] = {intern(name): intern(value) for name, value in key}
    return found


P = TypeVar("P")

_parts: dict[tuple[type, bytes], object] = {}
_encode = msgspec.json.Encoder().encode


def share_map(values: dict[str, str]) -> dict[str, str]:
    """The same dict, its texts interned: for one that is nobody else's, though its names and values are."""
    return {intern(name): intern(value) for name, value in values.items()}


def share_part(part: P) -> P:
    """One part for all equal ones that came lately. What a fleet's objects say of themselves is mostly the same.

    Of two tuples the fields of their elements tell whether they are of one kind.
    """
    if not part:
        return part
    key = (type(part), _encode(part))
    found = _parts.get(key)
    if isinstance(found, type(part)):
        return found
    if len(_parts) >= _SHARED_MOST:
        _parts.clear()
    _parts[key] = part
    return part


class Owner(Struct):
    """One entry of ``metadata.ownerReferences``."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False

    def __post_init__(self) -> None:
        self.kind = intern(self.kind)
        self.name = intern(self.name)
        self.uid = intern(self.uid)


class Annotations(Struct):
    """The annotations that something reads; the rest (a last-applied copy of the object among them) is not kept."""

    heartbeat: str = msgspec.field(default="", name="kubevirt.io/heartbeat")
    """Of virt-handler, on its node: RFC 3339."""
    evacuation: str = msgspec.field(default="", name="kubevirt.io/evacuationMigration")
    """On a migration: the node that is being emptied."""
    provisioning: str = msgspec.field(default="", name="kubevirt.io/ephemeral-provisioning")
    """On a launcher that only binds a volume to a node and runs no guest."""
    default_container: str = msgspec.field(default="", name="kubectl.kubernetes.io/default-container")
    """On a pod: the container that is meant when none is named."""
    argo_tracking: str = msgspec.field(default="", name="argocd.argoproj.io/tracking-id")
    """Of Argo CD: ``APPLICATION:GROUP/KIND:NAMESPACE/NAME``."""
    helm_release: str = msgspec.field(default="", name="meta.helm.sh/release-name")
    """Of Helm, on what it installed itself."""
    last_restore: str = msgspec.field(default="", name="restore.kubevirt.io/lastRestoreUID")
    """On a VM that a restore made or took back: the restore's ``NAME-UID``."""
    clone_fallback: str = msgspec.field(default="", name="cdi.kubevirt.io/cloneFallbackReason")
    """Of CDI, on a claim that it fills: why it copies the source in full."""
    paused: str | None = msgspec.field(default=None, name="cluster.x-k8s.io/paused")
    """On an object of Cluster API that its controllers leave alone, with whatever value."""
    default_class: str = msgspec.field(default="", name="storageclass.kubernetes.io/is-default-class")
    """``true`` on the storage class of claims that name none."""
    default_virt_class: str = msgspec.field(default="", name="storageclass.kubevirt.io/is-default-virt-class")
    """The same for disks of VMs; CDI prefers it."""
    device_resource: str = msgspec.field(default="", name="k8s.v1.cni.cncf.io/resourceName")
    """On a network attachment: the device of a node that a pod on it takes."""

    @property
    def argo_application(self) -> str:
        """The application of Argo CD that the object, or what it was made of, belongs to."""
        return self.argo_tracking.partition(":")[0]

    def links(self) -> Iterator[tuple[str, str]]:
        """To that application, by its name."""
        if self.argo_application:
            yield "application", self.argo_application

    def __post_init__(self) -> None:
        self.default_container = intern(self.default_container)
        self.clone_fallback = intern(self.clone_fallback)
        self.helm_release = intern(self.helm_release)


class Meta(Struct):
    """``metadata``, without managedFields."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: Annotations = msgspec.field(default_factory=Annotations)
    owner_references: tuple[Owner, ...] = ()
    finalizers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # A VM, its instance and its disks bear one name, and owners are named by all that they own.
        self.name = intern(self.name)
        self.namespace = intern(self.namespace)
        self.uid = intern(self.uid)
        if self.creation_timestamp:
            self.creation_timestamp = intern(self.creation_timestamp)
        self.labels = share(self.labels)
        self.annotations = share_part(self.annotations)
        self.finalizers = share_part(self.finalizers)


class Stamp(Struct):
    """An entry of ``metadata.managedFields``, as far as it tells when somebody wrote the object last."""

    time: str = ""


class StampedMeta(Meta):
    """``metadata`` of what tells also when it was written last."""

    managed_fields: tuple[Stamp, ...] = ()
    """The newest alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        newest = max((stamp.time for stamp in self.managed_fields), default="")
        self.managed_fields = share_part((Stamp(intern(newest)),)) if newest else ()

    @property
    def written(self) -> float | None:
        """When it was written last, in seconds since the epoch."""
        return parse_time(self.managed_fields[0].time) if self.managed_fields else None


class Condition(Struct):
    """A condition as every API of this field has it (some lack the one or other time)."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None

    def __post_init__(self) -> None:
        # A fleet says "True" and "Ready" a hundred thousand times: shared texts take a fifth off its memory.
        self.type = intern(self.type)
        self.status = intern(self.status)
        self.reason = intern(self.reason)
        self.message = intern(self.message)
        if self.last_transition_time:
            self.last_transition_time = intern(self.last_transition_time)


class Record(Struct):
    """One object as the API serves it."""

    KIND: ClassVar[str] = ""
    COUNTED: ClassVar[frozenset[str]] = frozenset()
    """The links of which the store counts the changes, for what is made of all objects that bear one."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    fault: str = msgspec.field(default="", name="kvtui.dev/fault")
    """Why the object could not be read beyond its metadata; empty for all that could."""

    def ref(self, backend: str) -> Ref:
        """The identity of this object in `backend`."""
        meta = self.metadata
        return Ref(backend, self.KIND, meta.namespace, meta.name, meta.uid)

    def links(self) -> Iterable[tuple[str, str]]:
        """What this object points at, as (link, value): the store finds it again by that pair."""
        return ()

    @property
    def controller(self) -> Owner | None:
        """The owner that manages this object."""
        for owner in self.metadata.owner_references:
            if owner.controller:
                return owner
        return None

    @property
    def awaited(self) -> bool:
        """Whether more of it is told within moments: figures that take two looks."""
        return False

    @property
    def created(self) -> float | None:
        """When it was created, in seconds since the epoch."""
        return parse_time(self.metadata.creation_timestamp)

    @property
    def deleted(self) -> float | None:
        """When its deletion was asked for, in seconds since the epoch; None while nobody did."""
        return parse_time(self.metadata.deletion_timestamp)


def find_condition(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of that type."""
    for condition in conditions:
        if condition.type == type_:
            return condition
    return None


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Whether the condition of that type exists and is True."""
    condition = find_condition(conditions, type_)
    return condition is not None and condition.status == "True"
