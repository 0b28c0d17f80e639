"""Records of KubeVirt; the meaning of each field: kubevirt-api.md 2.1 to 2.4 and 2.7."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern
from typing import ClassVar

import msgspec

from kvtui.records.base import Condition, Record, StampedMeta, Struct, share, share_map, share_part
from kvtui.records.clusters import cluster_links
from kvtui.records.credentials import AccessCredential, secret_links
from kvtui.records.hardware import Cpu, Domain
from kvtui.records.networks import Network, network_links, share_networks
from kvtui.records.placement import Toleration, share_tolerations


class VolumeName(Struct):
    """A volume source that names something."""

    name: str = ""
    claim_name: str = ""
    hotpluggable: bool = False

    def __post_init__(self) -> None:
        self.name = intern(self.name)
        self.claim_name = intern(self.claim_name)


class ContainerDisk(Struct):
    """A disk out of a container image."""

    image: str = ""


class Volume(Struct):
    """One volume of a VM: the sources that point at other objects."""

    name: str = ""
    data_volume: VolumeName | None = None
    persistent_volume_claim: VolumeName | None = None
    container_disk: ContainerDisk | None = None
    empty_disk: Struct | None = None

    def __post_init__(self) -> None:
        self.name = intern(self.name)
        self.container_disk = share_part(self.container_disk)

    @property
    def hotpluggable(self) -> bool:
        """Whether it was attached later, and can be taken off."""
        return any(source.hotpluggable for source in (self.data_volume, self.persistent_volume_claim) if source)

    @property
    def claim(self) -> str:
        """The claim behind it, which bears the name of its DataVolume; empty for any other volume."""
        if self.data_volume is not None:
            return self.data_volume.name
        return self.persistent_volume_claim.claim_name if self.persistent_volume_claim is not None else ""


def _disk_links(namespace: str, volumes: tuple[Volume, ...]) -> Iterator[tuple[str, str]]:
    for volume in volumes:
        if name := volume.claim:
            yield "disk", f"{namespace}/{name}"


class InstanceSpec(Struct):
    """``spec`` of a VMI, and of a VM's template."""

    domain: Domain = msgspec.field(default_factory=Domain)
    volumes: tuple[Volume, ...] = ()
    networks: tuple[Network, ...] = ()
    eviction_strategy: str = ""
    termination_grace_period_seconds: int | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    access_credentials: tuple[AccessCredential, ...] = ()

    def __post_init__(self) -> None:
        self.networks = share_networks(self.networks)
        self.access_credentials = share_part(self.access_credentials)
        self.eviction_strategy = intern(self.eviction_strategy)
        self.node_selector = share(self.node_selector)
        self.tolerations = share_tolerations(self.tolerations)

    def identity(self, namespace: str) -> Iterator[tuple[str, str]]:
        """What only one of those that run should have: the UUID of its firmware, and each MAC address that is declared
        for a network of an attachment. On the pod network a guest's MAC address is behind its own pod; a serial is
        given to many on purpose.
        """
        yield from self.domain.firmware.links()
        for nic in self.domain.devices.interfaces:
            if nic.mac_address:
                for network in self.networks:
                    if network.name == nic.name and (attachment := network.attachment(namespace)):
                        yield "mac", f"{attachment} {nic.mac_address.lower()}"


class Template(Struct):
    """``spec.template`` of a VM."""

    spec: InstanceSpec = msgspec.field(default_factory=InstanceSpec)


class Named(Struct):
    """A reference by name."""

    name: str = ""
    kind: str = ""


class TemplateMeta(Struct):
    """Metadata of a DataVolume template."""

    name: str = ""

    def __post_init__(self) -> None:
        self.name = intern(self.name)


class DataVolumeTemplate(Struct):
    """One of ``spec.dataVolumeTemplates``."""

    metadata: TemplateMeta = msgspec.field(default_factory=TemplateMeta)


class MachineSpec(Struct):
    """``spec`` of a VM."""

    run_strategy: str = ""
    running: bool | None = None
    template: Template = msgspec.field(default_factory=Template)
    instancetype: Named | None = None
    data_volume_templates: tuple[DataVolumeTemplate, ...] = ()

    def __post_init__(self) -> None:
        self.run_strategy = intern(self.run_strategy)


class StartFailure(Struct):
    """Why a VM is held back from starting again."""

    consecutive_fail_count: int = 0
    last_failed_vmi_uid: str = msgspec.field(name="lastFailedVMIUID", default="")
    retry_after_timestamp: str | None = None


class StateChange(Struct):
    """A start or stop that was asked for and is not done."""

    action: str = ""
    uid: str = ""


class VolumeSnapshotStatus(Struct):
    """Whether a volume of a VM can be snapshotted, and why not."""

    name: str = ""
    enabled: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        self.name = intern(self.name)
        self.reason = intern(self.reason)


class MemoryDump(Struct):
    """``status.memoryDumpRequest`` of a VM."""

    claim_name: str = ""
    phase: str = ""
    remove: bool = False
    file_name: str = ""
    message: str = ""
    end_timestamp: str | None = None


class MachineStatus(Struct):
    """``status`` of a VM."""

    created: bool = False
    ready: bool = False
    printable_status: str = ""
    run_strategy: str = ""
    conditions: tuple[Condition, ...] = ()
    start_failure: StartFailure | None = None
    state_change_requests: tuple[StateChange, ...] = ()
    snapshot_in_progress: str | None = None
    restore_in_progress: str | None = None
    volume_snapshot_statuses: tuple[VolumeSnapshotStatus, ...] = ()
    memory_dump_request: MemoryDump | None = None

    def __post_init__(self) -> None:
        self.printable_status = intern(self.printable_status)
        self.run_strategy = intern(self.run_strategy)
        self.volume_snapshot_statuses = share_part(self.volume_snapshot_statuses)


class VirtualMachine(Record):
    """A VM: what shall run, and how its start fares."""

    KIND: ClassVar[str] = "VirtualMachine"

    spec: MachineSpec = msgspec.field(default_factory=MachineSpec)
    status: MachineStatus = msgspec.field(default_factory=MachineStatus)

    @property
    def run_strategy(self) -> str:
        """The strategy in force, also where the deprecated ``running`` states it."""
        if self.spec.run_strategy:
            return self.spec.run_strategy
        if self.spec.running is None:
            return self.status.run_strategy
        return "Always" if self.spec.running else "Halted"

    def links(self) -> Iterator[tuple[str, str]]:
        """To its disks, networks, Secrets, cluster, and the claim that its memory is dumped to, as ``namespace/name``;
        its application, and the UUID of its firmware.
        """
        spec, dump = self.spec.template.spec, self.status.memory_dump_request
        if dump is not None and dump.claim_name:
            yield "dump", f"{self.metadata.namespace}/{dump.claim_name}"
        yield from _disk_links(self.metadata.namespace, spec.volumes)
        yield from network_links(self.metadata.namespace, spec.networks)
        yield from secret_links(self.metadata.namespace, spec.access_credentials)
        yield from spec.domain.firmware.links()
        yield from cluster_links(self.metadata)
        yield from self.metadata.annotations.links()


class Interface(Struct):
    """One of ``status.interfaces``."""

    name: str = ""
    mac: str = ""
    ip_address: str = ""
    ip_addresses: tuple[str, ...] = ()
    interface_name: str = ""
    info_source: str = ""
    """Who tells of it: parts of ``domain, guest-agent, multus-status``."""

    def __post_init__(self) -> None:
        self.name = intern(self.name)
        self.interface_name = intern(self.interface_name)
        self.info_source = intern(self.info_source)
        self.ip_address = intern(self.ip_address)
        self.ip_addresses = tuple(map(intern, self.ip_addresses))


class GuestOS(Struct):
    """``status.guestOSInfo``: told by the guest's agent, so trust it as far as the guest."""

    name: str = ""
    pretty_name: str = ""
    version: str = ""
    kernel_release: str = ""

    def __post_init__(self) -> None:
        self.name = intern(self.name)
        self.pretty_name = intern(self.pretty_name)
        self.version = intern(self.version)
        self.kernel_release = intern(self.kernel_release)


class MigrationConfiguration(Struct):
    """The limits in force for one migration, or those that the installation states (kubevirt-api.md 5.2)."""

    parallel_migrations_per_cluster: int | None = None
    parallel_outbound_migrations_per_node: int | None = None
    bandwidth_per_migration: str | int | None = None
    """Bytes a second as a quantity; 0 for no limit."""
    completion_timeout_per_gi_b: int | None = None
    progress_timeout: int | None = None
    allow_post_copy: bool | None = None
    allow_auto_converge: bool | None = None
    allow_workload_disruption: bool | None = None


class MigrationState(Struct):
    """``status.migrationState``: the last migration of a VMI (kubevirt-api.md 2.4)."""

    start_timestamp: str | None = None
    end_timestamp: str | None = None
    completed: bool = False
    failed: bool = False
    failure_reason: str = ""
    mode: str = ""
    abort_requested: bool = False
    abort_status: str = ""
    migration_uid: str = ""
    source_node: str = ""
    source_pod: str = ""
    target_node: str = ""
    target_pod: str = ""
    migration_policy_name: str = ""
    migration_configuration: MigrationConfiguration | None = None

    @property
    def in_progress(self) -> bool:
        """Begun and not ended."""
        return bool(self.start_timestamp) and not self.end_timestamp


class VolumeStatus(Struct):
    """One of ``status.volumeStatus``."""

    name: str = ""
    target: str = ""
    phase: str = ""
    reason: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        self.name = intern(self.name)
        self.target = intern(self.target)
        self.phase = intern(self.phase)
        self.reason = intern(self.reason)


class PhaseTransition(Struct):
    """When a phase began."""

    phase: str = ""
    phase_transition_timestamp: str | None = None

    def __post_init__(self) -> None:
        self.phase = intern(self.phase)
        if self.phase_transition_timestamp:
            self.phase_transition_timestamp = intern(self.phase_transition_timestamp)


class InstanceMemory(Struct):
    """``status.memory``."""

    guest_current: str | None = None
    guest_at_boot: str | None = None


class InstanceStatus(Struct):
    """``status`` of a VMI."""

    phase: str = ""
    reason: str = ""
    node_name: str = ""
    conditions: tuple[Condition, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    guest_os_info: GuestOS = msgspec.field(default_factory=GuestOS, name="guestOSInfo")
    migration_state: MigrationState | None = None
    active_pods: dict[str, str] = {}
    evacuation_node_name: str = ""
    fs_freeze_status: str = ""
    """``frozen`` while the agent holds the file systems still."""
    phase_transition_timestamps: tuple[PhaseTransition, ...] = ()
    volume_status: tuple[VolumeStatus, ...] = ()
    current_cpu_topology: Cpu | None = msgspec.field(default=None, name="currentCPUTopology")
    memory: InstanceMemory | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether the agent holds the file systems of the guest still."""
        return self.fs_freeze_status == "frozen"

    def __post_init__(self) -> None:
        self.phase = intern(self.phase)
        self.node_name = intern(self.node_name)
        self.active_pods = share_map(self.active_pods)
        self.current_cpu_topology = share_part(self.current_cpu_topology)
        self.guest_os_info = share_part(self.guest_os_info)
        self.volume_status = share_part(self.volume_status)
        self.memory = share_part(self.memory)


class VirtualMachineInstance(Record):
    """A running (or starting, or just ended) VM."""

    KIND: ClassVar[str] = "VirtualMachineInstance"
    FINAL: ClassVar[frozenset[str]] = frozenset({"Succeeded", "Failed"})

    metadata: StampedMeta = msgspec.field(default_factory=StampedMeta)
    spec: InstanceSpec = msgspec.field(default_factory=InstanceSpec)
    status: InstanceStatus = msgspec.field(default_factory=InstanceStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its disks, networks and Secrets, what makes it the only one of its kind, the node that it runs on and the
        one that it moves to. Its VM may be gone or unknown, and may declare other disks by now.
        """
        yield from _disk_links(self.metadata.namespace, self.spec.volumes)
        yield from network_links(self.metadata.namespace, self.spec.networks)
        yield from secret_links(self.metadata.namespace, self.spec.access_credentials)
        yield from self.spec.identity(self.metadata.namespace)
        if self.status.node_name:
            yield "node", self.status.node_name
        moving = self.status.migration_state
        if moving and moving.in_progress and moving.target_node and moving.target_node != self.status.node_name:
            yield "node", moving.target_node

    @property
    def is_final(self) -> bool:
        """Whether it has ended for good."""
        return self.status.phase in self.FINAL

    @property
    def is_running(self) -> bool:
        """Whether the guest runs (or stands paused)."""
        return self.status.phase == "Running"


class MigrationSpec(Struct):
    """``spec`` of a migration."""

    vmi_name: str = ""
    added_node_selector: dict[str, str] = {}
    priority: str = ""
    """``system-critical``, ``user-triggered``, ``system-maintenance``; empty where nobody set it."""


class MigrationStatus(Struct):
    """``status`` of a migration."""

    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    phase_transition_timestamps: tuple[PhaseTransition, ...] = ()
    migration_state: MigrationState | None = None


class Migration(Record):
    """A VirtualMachineInstanceMigration."""

    KIND: ClassVar[str] = "VirtualMachineInstanceMigration"
    FINAL: ClassVar[frozenset[str]] = frozenset({"Succeeded", "Failed"})

    spec: MigrationSpec = msgspec.field(default_factory=MigrationSpec)
    status: MigrationStatus = msgspec.field(default_factory=MigrationStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To the VMI that it moves, as ``namespace/name``; and ``unfinished`` while it has not ended."""
        if self.spec.vmi_name:
            yield "vmi", f"{self.metadata.namespace}/{self.spec.vmi_name}"
        if not self.is_final:
            yield "unfinished", "true"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status.phase in self.FINAL


class KubeVirtConfiguration(Struct):
    """``spec.configuration`` of the KubeVirt installation."""

    vm_rollout_strategy: str = ""
    """``LiveUpdate``, ``Stage``; empty for what that version does by itself."""
    migrations: MigrationConfiguration = msgspec.field(default_factory=MigrationConfiguration)


class ComponentPatch(Struct):
    """One of ``customizeComponents.patches``: how somebody changes what virt-operator installs."""

    resource_type: str = ""
    resource_name: str = ""
    patch: str = ""


class Customization(Struct):
    """``customizeComponents``."""

    patches: tuple[ComponentPatch, ...] = ()


class KubeVirtSpec(Struct):
    """``spec`` of the KubeVirt installation."""

    customize_components: Customization = msgspec.field(default_factory=Customization)
    configuration: KubeVirtConfiguration = msgspec.field(default_factory=KubeVirtConfiguration)


class KubeVirtStatus(Struct):
    """``status`` of the KubeVirt installation."""

    phase: str = ""
    observed_kube_virt_version: str = ""
    target_kube_virt_version: str = ""
    conditions: tuple[Condition, ...] = ()
    outdated_virtual_machine_instance_workloads: int | None = None


class KubeVirt(Record):
    """The installation of KubeVirt. Ordinary users may list, not watch it."""

    KIND: ClassVar[str] = "KubeVirt"

    spec: KubeVirtSpec = msgspec.field(default_factory=KubeVirtSpec)
    status: KubeVirtStatus = msgspec.field(default_factory=KubeVirtStatus)
