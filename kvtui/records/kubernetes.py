"""Records of Kubernetes itself: nodes, pods, events, claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import intern
from typing import ClassVar

import msgspec

from kvtui.records.base import Condition, Record, Struct, share, share_part
from kvtui.records.placement import Required, Taint, Term, Toleration, share_tolerations
from kvtui.text import parse_time


class NodeSpec(Struct):
    """``spec`` of a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeAddress(Struct):
    """One address of a node."""

    type: str = ""
    address: str = ""


class NodeSystem(Struct):
    """``status.nodeInfo``."""

    kernel_version: str = ""
    os_image: str = ""
    kubelet_version: str = ""
    container_runtime_version: str = ""
    architecture: str = ""
    system_uuid: str = msgspec.field(default="", name="systemUUID")


class NodeStatus(Struct):
    """``status`` of a node; quantities as the API writes them."""

    allocatable: dict[str, str] = {}
    capacity: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeSystem = msgspec.field(default_factory=NodeSystem)


class Node(Record):
    """A machine of the cluster."""

    KIND: ClassVar[str] = "Node"

    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)

    @property
    def system_uuids(self) -> tuple[str, ...]:
        """The UUID of the machine that it runs in, lower-case, as the firmware has it and as old firmware spells it:
        before SMBIOS 2.6 the first three parts had their bytes reversed.
        """
        uuid = self.status.node_info.system_uuid.lower()
        parts = uuid.split("-")
        if len(parts) != 5:
            return (uuid,) if uuid else ()
        swapped = ["".join(reversed([part[at : at + 2] for at in range(0, len(part), 2)])) for part in parts[:3]]
        return uuid, "-".join([*swapped, *parts[3:]])

    def links(self) -> Iterable[tuple[str, str]]:
        """The machine that it runs in."""
        return (("uuid", uuid) for uuid in self.system_uuids)


class Terminated(Struct):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None


class Waiting(Struct):
    """What a container waits for."""

    reason: str = ""
    message: str = ""


class ContainerState(Struct):
    """One of the two states of interest, or neither while it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct):
    """How one container of a pod fares."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    last_state: ContainerState = msgspec.field(default_factory=ContainerState)


class Requests(Struct):
    """What a container asks for; quantities as the API writes them."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}

    def __post_init__(self) -> None:
        self.requests = share(self.requests)
        self.limits = share(self.limits)


class Container(Struct):
    """One container of a pod."""

    name: str = ""
    restart_policy: str = ""
    """Of an init container: ``Always`` where it goes on beside the others."""
    resources: Requests = msgspec.field(default_factory=Requests)


class NodeAffinity(Struct):
    """``affinity.nodeAffinity``."""

    required: Required = msgspec.field(default_factory=Required, name="requiredDuringSchedulingIgnoredDuringExecution")


class Affinity(Struct):
    """``spec.affinity``, of which only that to nodes is read."""

    node_affinity: NodeAffinity | None = None


class PodSpec(Struct):
    """``spec`` of a pod."""

    node_name: str = ""
    runtime_class_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    affinity: Affinity | None = None

    def __post_init__(self) -> None:
        self.node_name = intern(self.node_name)
        self.node_selector = share(self.node_selector)
        self.tolerations = share_tolerations(self.tolerations)
        self.containers = share_part(self.containers)
        self.init_containers = share_part(self.init_containers)

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it requires of the labels of its node, beside its selector."""
        required = self.affinity.node_affinity if self.affinity is not None else None
        return required.required.node_selector_terms if required is not None else ()


class PodStatus(Struct):
    """``status`` of a pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    start_time: str | None = None
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()

    def __post_init__(self) -> None:
        self.phase = intern(self.phase)
        if self.start_time:
            self.start_time = intern(self.start_time)
        self.container_statuses = share_part(self.container_statuses)
        self.init_container_statuses = share_part(self.init_container_statuses)


class Pod(Record):
    """A pod, be it a launcher of a VM, an importer or anybody's.

    Labels of launchers: kubevirt-api.md 2.10.
    """

    KIND: ClassVar[str] = "Pod"
    COUNTED: ClassVar[frozenset[str]] = frozenset({"node"})

    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its node; a launcher to the uid of its VMI; a pod of KubeVirt's or CDI's own to its component, and once
        more to its node, among the few such there.
        """
        if self.spec.node_name:
            yield "node", self.spec.node_name
        if self.is_launcher:
            if vmi := self.metadata.labels.get("kubevirt.io/created-by"):
                yield "vmi", vmi
        elif component := self.component:
            yield "component", component
            if self.spec.node_name:
                yield "component on", self.spec.node_name
            if component in _COMPONENTS:
                yield "components", self.metadata.namespace

    @property
    def is_launcher(self) -> bool:
        """Whether a VM runs, ran or will run in it."""
        return self.metadata.labels.get("kubevirt.io") == "virt-launcher"

    @property
    def component(self) -> str:
        """Which part of KubeVirt or CDI itself runs in it (kubevirt-api.md 9.7); empty for pods of VMs and others.

        CDI's labels: its ``pkg/operator/resources/namespaced``; that of its controller has no value.
        """
        labels = self.metadata.labels
        name = labels.get("kubevirt.io", "")
        if name in _COMPONENTS:
            return name
        part = labels.get("cdi.kubevirt.io")
        if part == "" and labels.get("app") == "containerized-data-importer":
            return "cdi-deployment"
        return part if part in _CDI_COMPONENTS else ""


_COMPONENTS = frozenset({"virt-api", "virt-controller", "virt-exportproxy", "virt-handler", "virt-operator"})
_CDI_COMPONENTS = frozenset({"cdi-apiserver", "cdi-uploadproxy"})


class DeploymentSpec(Struct):
    """``spec`` of a Deployment."""

    replicas: int = 1


class DeploymentStatus(Struct):
    """``status`` of a Deployment."""

    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Record):
    """A Deployment of KubeVirt's own or CDI's."""

    KIND: ClassVar[str] = "Deployment"

    spec: DeploymentSpec = msgspec.field(default_factory=DeploymentSpec)
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its namespace."""
        yield "namespace", self.metadata.namespace


class EventSource(Struct):
    """Who reported an event."""

    component: str = ""
    host: str = ""


class Involved(Struct):
    """What an event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class EventSeries(Struct):
    """How often an event of the new API repeated itself."""

    count: int = 0
    last_observed_time: str | None = None


class Event(Record):
    """A core/v1 event; old and new style of times both occur."""

    KIND: ClassVar[str] = "Event"

    type: str = ""
    reason: str = ""
    message: str = ""
    count: int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: EventSeries | None = None
    source: EventSource = msgspec.field(default_factory=EventSource)
    reporting_component: str = ""
    involved_object: Involved = msgspec.field(default_factory=Involved)

    def links(self) -> Iterator[tuple[str, str]]:
        """To the object that it is about, by uid, or by name where it has none; a warning by name in any case, for the
        next object of that name, by its namespace, and by what made the object; one of an application of Argo CD by the
        name that what it keeps bears.
        """
        about = self.involved_object
        yield "about", about.uid or f"{about.kind} {about.namespace}/{about.name}"
        if about.kind == "Application":
            yield "application", about.name
        if self.type == "Warning":
            yield "warns", f"{about.kind} {about.namespace}/{about.name}"
            yield "warns in", about.namespace
            if self.maker:
                yield "warns of", f"{about.kind} {about.namespace}/{self.maker}"

    @property
    def maker(self) -> str:
        """The name of the DaemonSet or Deployment that made the pod or ReplicaSet that it is about, if one did."""
        about = self.involved_object
        return about.name.rpartition("-")[0] if about.kind in ("Pod", "ReplicaSet") else ""

    @property
    def reporter(self) -> str:
        """Which component tells it."""
        return self.reporting_component or self.source.component

    @property
    def times(self) -> int:
        """How often it happened."""
        return max(1, self.series.count if self.series is not None else self.count or 1)

    @property
    def last_seen(self) -> float | None:
        """When it happened last, in seconds since the epoch."""
        series = self.series.last_observed_time if self.series is not None else None
        newest = series or self.last_timestamp or self.event_time or self.first_timestamp
        return parse_time(newest) or self.created

    @property
    def first_seen(self) -> float | None:
        """When it happened first, in seconds since the epoch."""
        return parse_time(self.first_timestamp or self.event_time) or self.created


class QuotaSpec(Struct):
    """``spec`` of a ResourceQuota: what it allows, by resource."""

    hard: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    scope_selector: dict[str, object] | None = None

    @property
    def is_scoped(self) -> bool:
        """Whether it counts some of the pods alone."""
        return bool(self.scopes or self.scope_selector)


class QuotaStatus(Struct):
    """``status`` of a ResourceQuota: what of it is used."""

    used: dict[str, str] = {}


class ResourceQuota(Record):
    """What the pods of a namespace may ask for together."""

    KIND: ClassVar[str] = "ResourceQuota"

    spec: QuotaSpec = msgspec.field(default_factory=QuotaSpec)
    status: QuotaStatus = msgspec.field(default_factory=QuotaStatus)


class ClaimSpec(Struct):
    """``spec`` of a PersistentVolumeClaim."""

    access_modes: tuple[str, ...] = ()
    storage_class_name: str | None = None
    volume_name: str = ""
    volume_mode: str = ""
    resources: Requests = msgspec.field(default_factory=Requests)

    def __post_init__(self) -> None:
        self.access_modes = share_part(self.access_modes)
        if self.storage_class_name:
            self.storage_class_name = intern(self.storage_class_name)
        self.volume_name = intern(self.volume_name)
        self.volume_mode = intern(self.volume_mode)
        self.resources = share_part(self.resources)


class ClaimStatus(Struct):
    """``status`` of a PersistentVolumeClaim."""

    phase: str = ""
    capacity: dict[str, str] = {}
    access_modes: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Claim(Record):
    """A PersistentVolumeClaim."""

    KIND: ClassVar[str] = "PersistentVolumeClaim"

    spec: ClaimSpec = msgspec.field(default_factory=ClaimSpec)
    status: ClaimStatus = msgspec.field(default_factory=ClaimStatus)

    def __post_init__(self) -> None:
        self.status = share_part(self.status)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its storage class, and while it waits for a volume of that once more, and as one that waits."""
        if self.spec.storage_class_name:
            yield "class", self.spec.storage_class_name
            if self.status.phase == "Pending":
                yield "waits", self.spec.storage_class_name
        if self.status.phase == "Pending":
            yield "pending", "true"


class NamespaceStatus(Struct):
    """``status`` of a namespace."""

    conditions: tuple[Condition, ...] = ()
    """While it is deleted: what keeps it."""


class Namespace(Record):
    """A namespace."""

    KIND: ClassVar[str] = "Namespace"

    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)


class ServedBy(Struct):
    """``spec.service`` of an APIService."""

    namespace: str = ""
    name: str = ""


class ApiServiceSpec(Struct):
    """``spec`` of an APIService."""

    group: str = ""
    version: str = ""
    service: ServedBy | None = None
    """None for what the API server serves itself."""


class ApiServiceStatus(Struct):
    """``status`` of an APIService."""

    conditions: tuple[Condition, ...] = ()


class ApiService(Record):
    """A group and version of the API, and who answers for it."""

    KIND: ClassVar[str] = "APIService"

    spec: ApiServiceSpec = msgspec.field(default_factory=ApiServiceSpec)
    status: ApiServiceStatus = msgspec.field(default_factory=ApiServiceStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To the service that answers for it."""
        if self.spec.service is not None:
            yield "service", self.spec.service.name
