"""What runs inside the machines and lies behind image addresses: the part of the world that no object tells."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kvtui.demo.objects import GI, MI
from kvtui.demo.storage import Object


@dataclass(slots=True)
class Guest:
    """How one machine behaves. Rates in bytes a second, times in seconds."""

    agent: bool = True
    """Whether a guest agent answers."""
    lease: bool = True
    """Whether it has an address on the networks beside the pod's."""
    starts: bool = True
    """False: QEMU ends before the guest runs, at every start."""
    shutdown: float = 5.0
    """How long it takes to obey a graceful shutdown; infinite when it ignores ACPI."""
    dirty_rate: float = 24.0 * MI
    """How fast it changes its memory while it is migrated."""
    transfer_rate: float = 380.0 * MI
    """How fast its memory can be sent at best."""


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """One guest operating system, as its agent reports it."""

    key: str
    name: str
    version: str
    version_id: str
    pretty_name: str
    kernel: str
    image: str
    """The containerDisk that carries it."""
    url: str
    """Where its cloud image is downloaded."""
    kernel_version: str = "#1 SMP PREEMPT_DYNAMIC"
    agent_id: str = ""

    @property
    def users(self) -> frozenset[str]:
        """Who has an account in it."""
        if self.key == "windows":
            return frozenset({"Administrator"})
        return frozenset({"root", CLOUD_USERS.get(self.key, "root")})

    @property
    def info(self) -> Object:
        """``guestOSInfo`` of an instance that runs it."""
        return {
            "id": self.agent_id or self.key,
            "kernelRelease": self.kernel,
            "kernelVersion": self.kernel_version,
            "machine": "x86_64",
            "name": self.name,
            "prettyName": self.pretty_name,
            "version": self.version,
            "versionId": self.version_id,
        }


CLOUD_USERS = {"ubuntu": "ubuntu", "debian": "debian", "fedora": "fedora", "rhel": "cloud-user", "centos": "cloud-user"}
"""By operating system, the user that its cloud image makes."""
_DISKS = "quay.io/containerdisks"
_MIRROR = "https://images.example.org"
SYSTEMS: dict[str, OperatingSystem] = {
    system.key: system
    for system in (
        OperatingSystem("fedora", "Fedora Linux", "44 (Cloud Edition)", "44", "Fedora Linux 44 (Cloud Edition)",
                        "6.18.3-200.fc44.x86_64", f"{_DISKS}/fedora:44", f"{_MIRROR}/fedora-44.qcow2"),
        OperatingSystem("rhel", "Red Hat Enterprise Linux", "10.1 (Coughlan)", "10.1",
                        "Red Hat Enterprise Linux 10.1 (Coughlan)", "6.12.0-124.8.1.el10_1.x86_64",
                        "registry.example.org/rhel/guest:10.1", f"{_MIRROR}/rhel-10.1.qcow2"),
        OperatingSystem("ubuntu", "Ubuntu", "24.04.3 LTS (Noble Numbat)", "24.04", "Ubuntu 24.04.3 LTS",
                        "6.8.0-88-generic", f"{_DISKS}/ubuntu:24.04", f"{_MIRROR}/noble-server.img",
                        "#89-Ubuntu SMP PREEMPT_DYNAMIC"),
        OperatingSystem("debian", "Debian GNU/Linux", "13 (trixie)", "13", "Debian GNU/Linux 13 (trixie)",
                        "6.12.57+deb13-amd64", f"{_DISKS}/debian:13", f"{_MIRROR}/debian-13.qcow2",
                        "#1 SMP PREEMPT_DYNAMIC Debian 6.12.57-1"),
        OperatingSystem("opensuse", "openSUSE Leap", "16.0", "16.0", "openSUSE Leap 16.0", "6.12.0-160000.5-default",
                        f"{_DISKS}/opensuse-leap:16.0", f"{_MIRROR}/leap-16.0.qcow2", agent_id="opensuse-leap"),
        OperatingSystem("centos", "CentOS Stream", "10 (Coughlan)", "10", "CentOS Stream 10 (Coughlan)",
                        "6.12.0-150.el10.x86_64", f"{_DISKS}/centos-stream:10", f"{_MIRROR}/centos-stream-10.qcow2"),
        OperatingSystem("windows", "Microsoft Windows", "Microsoft Windows Server 2025", "2025",
                        "Windows Server 2025 Standard", "26100", "registry.example.org/windows/server:2025",
                        f"{_MIRROR}/windows-server-2025.vhdx", "10.0", "mswindows"),
    )
}  # fmt: skip
OS_ANNOTATION = "vm.kubevirt.io/os"


def system_of(vmi: Object) -> OperatingSystem:
    """The operating system of an instance: by its annotation, else by a word of its first disk's image."""
    named = vmi["metadata"].get("annotations", {}).get(OS_ANNOTATION, "")
    if named in SYSTEMS:
        return SYSTEMS[named]
    for volume in vmi["spec"].get("volumes", ()):
        image = volume.get("containerDisk", {}).get("image", "") + volume.get("dataVolume", {}).get("name", "")
        for key, system in SYSTEMS.items():
            if key in image:
                return system
    return SYSTEMS["fedora"]


@dataclass(frozen=True, slots=True)
class Download:
    """What an image address answers."""

    size: float = 4.0 * GI
    rate: float = 32.0 * MI
    status: int = 200
    checksum_matches: bool = True
    refusal: str = ""
    """What the importer says when it gets no answer at all."""
    virtual_size: int = 0
    """Bytes of the disk that the image describes; nobody looks when 0."""
    killed_after: float = math.inf
    """Seconds after which the importer has used up its memory."""


@dataclass(slots=True)
class Outside:
    """Image servers and registries beyond the cluster. What is not named here works."""

    downloads: dict[str, Download] = field(default_factory=dict)
    """By address."""
    missing_images: set[str] = field(default_factory=set)
    """Container images that cannot be pulled."""
    failing_snapshots: dict[tuple[str, str], str] = field(default_factory=dict)
    """By namespace and claim: what the storage's driver answers when that claim is to be snapshotted."""

    free_addresses: list[str] = field(default_factory=lambda: [f"203.0.113.{number}" for number in range(10, 30)])
    """What the load balancer has left."""
    strange_hostnames: set[str] = field(default_factory=set)
    """Machines of clusters whose guests call themselves otherwise, so that their nodes bear another name."""
    ceph_taken: float = 0.61
    """The share of Ceph's room that is taken."""

    def download(self, url: str) -> Download:
        """What lies at an address: unknown ones hold an image, but for a path that says that there is none."""
        known = self.downloads.get(url)
        if known:
            return known
        return Download(status=404) if "/missing/" in urlsplit(url).path else Download()
