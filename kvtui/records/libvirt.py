"""Hosts, domains and what belongs to them, as libvirt tells of them. Facts: libvirt.md; libvirt's formatdomain.html.

libvirt serves XML and typed parameters, not objects: the backend makes these records of them, cleaned of control
characters. Amounts are bytes, rates are bytes a second, moments are seconds since the epoch; None is "not told".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from kvtui.records.base import Record, Struct


class DomainState(StrEnum):
    """``virDomainState``, in virsh's words."""

    NONE = "no state"
    RUNNING = "running"
    BLOCKED = "idle"
    PAUSED = "paused"
    SHUTDOWN = "in shutdown"
    SHUTOFF = "shut off"
    CRASHED = "crashed"
    SUSPENDED = "pmsuspended"


ACTIVE_STATES = frozenset(
    {DomainState.RUNNING, DomainState.BLOCKED, DomainState.PAUSED, DomainState.SHUTDOWN, DomainState.SUSPENDED}
)
"""States in which there is a process: also a domain that crashed and was kept is active, which its id tells."""


class Host(Record):
    """One connection to libvirt: a hypervisor and the machine that it runs on."""

    KIND: ClassVar[str] = "Host"

    uri: str = ""
    uuid: str = ""
    """As libvirt has it. The record has no uid: the row of a host is one before it is reached for the first time."""
    link: str = "connecting"
    """``connecting``, ``connected``, ``silent`` (nothing is answered just now), ``lost`` (it was connected),
    ``unreachable`` (it never was).
    """
    link_since: float | None = None
    """When that began; of a host that is silent or lost, when it answered last."""
    trouble: str = ""
    """Why it is not connected."""
    hop: str = ""
    """The ssh server on the way that keeps us from it, of which alone that is; empty where it is the host itself."""
    hostname: str = ""
    """As the machine calls itself."""
    driver: str = ""
    """``QEMU``, ``Test``, ``LXC`` ... (``virConnectGetType``)."""
    system_uuid: str = ""
    """Of the machine's firmware: a host that is itself a VM bears that of its domain or node."""
    libvirt_version: str = ""
    hypervisor_version: str = ""
    arch: str = ""
    cpu_model: str = ""
    cpus: int = 0
    memory: int = 0
    huge_pages: int = 0
    """Bytes of it that are set aside for huge pages: only domains that ask for those get any."""
    read_only: bool = False
    """Whether the connection itself allows only to look."""
    measured: bool = False
    """Whether it was asked twice what it uses: what is not known then is not to be had."""

    @property
    def awaited(self) -> bool:
        """Whether what it uses is told within moments."""
        return self.connected and not self.measured

    @property
    def connected(self) -> bool:
        """Whether what is known of its domains is of now."""
        return self.link == "connected"

    @property
    def absence(self) -> str:
        """What it does instead of being connected: ``does not answer``."""
        if self.hop:
            return f"is not reachable (through {self.hop})"
        words = {"silent": "does not answer", "unreachable": "cannot be reached", "connecting": "is being connected"}
        return words.get(self.link, f"is {self.link}")

    def silence(self, now: float) -> float | None:
        """For how many seconds it has not answered; None while it is connected, or never was."""
        return now - self.link_since if self.link in ("silent", "lost") and self.link_since is not None else None


class Disk(Struct):
    """One disk of a domain."""

    target: str = ""
    """``vda``."""
    device: str = "disk"
    """``disk``, ``cdrom``, ``floppy`` or ``lun``."""
    bus: str = ""
    kind: str = ""
    """Of the source: ``file``, ``block``, ``network``, ``volume`` ..."""
    source: str = ""
    """Path, name, or ``pool/volume``; empty for a drive without medium."""
    format: str = ""
    read_only: bool = False
    shared: bool = False
    cache: str = ""
    backing: str = ""
    """What a copy-on-write image stands on."""
    below: tuple[str, ...] = ()
    """What that stands on in turn, the nearest first; known while the domain runs."""
    capacity: int | None = None
    allocation: int | None = None
    mirror: str = ""
    """What is made of it at present while the guest goes on: ``copy``, ``active-commit``."""
    mirror_ready: bool = False
    """Whether all of it is there, and only kept alike until somebody ends the job."""
    open: bool = False
    """Whether the tray of a drive is, as after the guest itself has ejected what is in it."""
    error: str = ""
    """``no space`` or ``unspecified``, from ``virDomainGetDiskErrors``."""

    @property
    def layers(self) -> tuple[str, ...]:
        """All that it stands on, the nearest first."""
        return (self.backing, *self.below) if self.backing else ()


class Nic(Struct):
    """One network interface of a domain."""

    mac: str = ""
    kind: str = ""
    """``network``, ``bridge``, ``direct``, ``user`` ..."""
    source: str = ""
    """The network, bridge or device that it is plugged into."""
    model: str = ""
    target: str = ""
    """The device on the host: ``vnet3``."""
    up: bool = True
    """Whether its link is not unplugged in the configuration."""


class Address(Struct):
    """An address of a guest, and who says so."""

    mac: str = ""
    address: str = ""
    source: str = ""
    """``agent``, ``lease`` or ``arp``."""


class Use(Struct):
    """What a domain used between two looks."""

    cpu: float | None = None
    """Cores."""
    read: float | None = None
    written: float | None = None
    received: float | None = None
    sent: float | None = None


class Filesystem(Struct):
    """A file system that a guest has mounted."""

    mount: str = ""
    type: str = ""
    device: str = ""
    total: int | None = None
    used: int | None = None


class Guest(Struct):
    """What the guest agent told (``virDomainGetGuestInfo``)."""

    os: str = ""
    kernel: str = ""
    hostname: str = ""
    timezone: str = ""
    users: tuple[str, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    addresses: tuple[Address, ...] = ()
    clock: float | None = None
    """By how many seconds its clock is before ours."""
    silent: tuple[str, ...] = ()
    """What the agent does not tell, and why."""


class Domain(Record):
    """A virtual machine of libvirt; the uid of its metadata is its UUID."""

    KIND: ClassVar[str] = "Domain"

    state: DomainState = DomainState.NONE
    reason: str = ""
    """Why it is in that state, in virsh's words: ``booted``, ``I/O error``, ``crashed`` ..."""
    since: float | None = None
    """When that state was seen to begin; None when it began before we looked."""
    started: float | None = None
    """When it was seen to start."""
    rebooted: float | None = None
    """When it was last seen to be reset, by its guest or from outside, in the same process."""
    id: int | None = None
    """Of the running process; None while it is inactive."""
    autostart: bool = False
    persistent: bool = True
    saved: bool = False
    """Whether its memory lies on disk (managed save) and the next start goes on from there."""
    title: str = ""
    driver: str = ""
    """``kvm``, ``qemu`` ..."""
    arch: str = ""
    machine: str = ""
    cpu_mode: str = ""
    cpu_model: str = ""
    firmware: str = ""
    features: tuple[str, ...] = ()
    """Of the hypervisor, that are on: ``acpi``, ``hyperv`` ..."""
    kernel: str = ""
    """The file of its host that it boots from, with the initial disk; empty where its own disk has one."""
    command_line: str = ""
    """Of that kernel."""
    video: tuple[str, ...] = ()
    """Models of its video cards."""
    boot: tuple[str, ...] = ()
    """What it boots from, in turn: ``hd``, or the disks and interfaces themselves."""
    vcpus: int = 0
    vcpus_most: int = 0
    memory: int = 0
    """That the balloon leaves the guest now."""
    memory_most: int = 0
    huge_pages: bool = False
    """Whether its memory is of the huge pages of the host."""
    resident: int | None = None
    """That the process holds on the host."""
    used: int | None = None
    """That the guest says it uses."""
    os: str = ""
    """libosinfo's name, from the metadata that virt-install leaves."""
    guest: Guest | None = None
    agent: bool | None = None
    """Whether the guest agent is connected; None without a channel for it."""
    agent_lost: float | None = None
    """When it was seen to go while the guest ran on."""
    agent_mute: float | None = None
    """Since when it is connected and does not answer."""
    clock: float | None = None
    """By how many seconds its clock was ahead of ours when its agent was asked last; to the second."""
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    addresses: tuple[Address, ...] = ()
    serials: tuple[str, ...] = ()
    """Aliases of the serial lines and consoles that can be opened; they have none while it is inactive."""
    serial_log: str = ""
    """The file of the host into which its first serial line is written."""
    screen: bool = False
    """Whether it has a video card."""
    host_devices: tuple[str, ...] = ()
    """Devices of the host that it has for itself: they pin it there."""
    on_crash: str = ""
    snapshots: int = 0
    differs: tuple[str, ...] = ()
    """In what the running machine differs from what is stored and will be after the next start."""
    use: Use | None = None
    hung: bool = False
    """Its QEMU does not answer: figures are missing, and actions wait up to 30 s."""
    measured: bool = False
    """Whether it was asked for its figures and addresses: what it lacks then is not to be had."""

    @property
    def awaited(self) -> bool:
        """Whether its figures are told within moments."""
        return self.active and not self.measured

    @property
    def active(self) -> bool:
        """Whether there is a process."""
        return self.id is not None or self.state in ACTIVE_STATES

    @property
    def running(self) -> bool:
        """Whether the guest runs or stands paused."""
        return self.active and self.state not in (DomainState.SHUTDOWN, DomainState.CRASHED)

    def links(self) -> Iterable[tuple[str, str]]:
        """Its UUID, by which the node that runs in it is known, its pools' volumes and files, and its networks."""
        yield "uuid", self.metadata.uid
        for disk in self.disks:
            if disk.source:
                yield "source", disk.source
            for layer in disk.layers:
                yield "backing", layer
        for nic in self.nics:
            if nic.kind == "network":
                yield "network", nic.source


class DomainJob(Record):
    """What goes on with a whole domain, or ended lately: a migration, a save, a dump (``virDomainGetJobStats``).

    Named as its domain; the uid is the domain's with the moment at which the job was first seen.
    """

    KIND: ClassVar[str] = "DomainJob"

    domain: str = ""
    domain_uid: str = ""
    operation: str = ""
    """``outgoing migration``, ``incoming migration``, ``save``, ``dump``, ``snapshot``, ``backup`` ..."""
    phase: str = "Running"
    """``Running``, ``PostCopy``, ``Aborting``, ``Completed``, ``Failed``, ``Cancelled``."""
    source: str = ""
    target: str = ""
    began: float | None = None
    ended: float | None = None
    elapsed: float = 0.0
    step: str = ""
    """Of a migration that copies disks: ``disks``, and ``memory`` behind it; empty of what has one step."""
    total: int = 0
    done: int = 0
    left: int = 0
    rate: float | None = None
    dirty_rate: float | None = None
    """What the guest writes into its memory a second, which has to be sent once more."""
    iteration: int = 0
    downtime: float | None = None
    """Seconds that the guest stood still, or is expected to."""
    throttle: float | None = None
    """Share of its CPUs that auto-converge takes from the guest."""
    reason: str = ""
    advanced: float | None = None
    """When more was seen to be done."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.phase in ("Completed", "Failed", "Cancelled")

    @property
    def is_migration(self) -> bool:
        """Whether it moves the domain to or from another host."""
        return self.operation.endswith("migration")

    @property
    def is_stuck(self) -> bool:
        """Whether it is a migration whose guest writes faster than is copied: the first round is the whole memory, and
        the second what was written meanwhile.
        """
        known = self.phase == "Running" and self.operation == "outgoing migration" and self.dirty_rate is not None
        return known and self.iteration >= 3 and bool(self.rate) and (self.dirty_rate or 0.0) >= (self.rate or 0.0)

    @property
    def progress(self) -> float | None:
        """Part that is over, 0 to 1: what is left can grow again while the guest writes. None while it is not known."""
        return max(0.0, 1 - self.left / self.total) if self.total else None

    def links(self) -> Iterable[tuple[str, str]]:
        """Its domain."""
        yield "domain", self.domain_uid


class BlockJob(Record):
    """What goes on with one disk or volume, as a copy or a build. Named ``DOMAIN/TARGET`` or ``POOL/VOLUME``."""

    KIND: ClassVar[str] = "BlockJob"

    domain: str = ""
    domain_uid: str = ""
    target: str = ""
    operation: str = ""
    """``copy``, ``commit``, ``active commit``, ``pull``, ``backup``; of volumes ``build``, ``upload``, ``download``,
    and ``filling`` where somebody else does one of these.
    """
    phase: str = "Running"
    """``Running``, ``Ready`` (all is copied and kept alike until somebody ends it), ``Completed``, ``Failed``,
    ``Cancelled``.
    """
    done: int = 0
    total: int = 0
    rate: float | None = None
    began: float | None = None
    ended: float | None = None
    source: str = ""
    """What it reads, or what it makes: a path."""
    reason: str = ""

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.phase in ("Completed", "Failed", "Cancelled")

    def links(self) -> Iterable[tuple[str, str]]:
        """Its domain."""
        if self.domain_uid:
            yield "domain", self.domain_uid


POOL_NEARLY_FULL = 0.90
"""Share of a pool in use from which it is worth a word."""
POOL_FULL = 0.97
"""From which the next write may pause a VM."""
_OVERDRAWN = 0.01
"""Share of a pool that files may take beyond what was free, for file systems round up and keep some for themselves."""
_HANDED_OUT = frozenset({"logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath"})
"""Types of pools whose volumes have all of their space from the start: when it is all given away, nobody starves."""


class StoragePool(Record):
    """A pool of volumes."""

    KIND: ClassVar[str] = "StoragePool"

    type: str = ""
    """``dir``, ``logical``, ``rbd``, ``netfs`` ..."""
    state: str = ""
    """``inactive``, ``building``, ``running``, ``degraded``, ``inaccessible``."""
    autostart: bool = False
    persistent: bool = True
    path: str = ""
    source: str = ""
    """Where its storage comes from: ``server:/export``, a device, a group of volumes."""
    capacity: int = 0
    """All sizes are those of libvirt's last look into the pool, which only its user asks it to take."""
    allocation: int = 0
    free: int = 0
    volumes: int | None = None
    """How many; None while it is not active."""
    grown: int = 0
    """Bytes by which its volumes were seen to grow since then."""
    looked: float | None = None
    """When libvirt was seen to look into it."""
    watched: float | None = None
    """Since when it would have been seen."""

    @property
    def used(self) -> float | None:
        """Share that is in use, 0 to 1; None where its size is not known."""
        return 1 - self.left / self.capacity if self.capacity and not self.outgrown else None

    @property
    def strain(self) -> float:
        """The same where volumes take their space as they are written to; 0 where that harms nobody."""
        return 0.0 if self.type in _HANDED_OUT else self.used or 0.0

    @property
    def outgrown(self) -> bool:
        """Whether its volumes took clearly more than libvirt saw free: it is larger now, or others made room, and no
        size that is known holds any more.
        """
        return self.capacity > 0 and self.grown > self.free + _OVERDRAWN * self.capacity

    @property
    def left(self) -> int:
        """Bytes that are free, at most: what libvirt saw, without what its volumes took since; 0 if it was outgrown."""
        return max(0, self.free - self.grown)


class StorageVolume(Record):
    """A volume; its name is ``POOL/VOLUME``, its uid its key."""

    KIND: ClassVar[str] = "StorageVolume"

    pool: str = ""
    path: str = ""
    type: str = ""
    """``file``, ``block``, ``dir``, ``network`` ..."""
    format: str = ""
    capacity: int | None = None
    """None until it was described: there may be thousands."""
    allocation: int | None = None
    backing: str = ""
    """The path of what it stands on."""

    @property
    def names(self) -> tuple[str, ...]:
        """By which domains and other volumes may call it."""
        return (self.path, self.metadata.name) if self.path else (self.metadata.name,)

    def links(self) -> Iterable[tuple[str, str]]:
        """Its pool, by which names it is used, and what it stands on."""
        yield "pool", self.pool
        for name in self.names:
            yield "name", name
        if self.backing:
            yield "backing", self.backing
