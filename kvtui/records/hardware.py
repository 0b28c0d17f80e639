"""The hardware that an instance of KubeVirt has: ``spec.domain``, kubevirt-api.md 2.2."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

import msgspec

from kvtui.records.base import Struct, share_part


class Cpu(Struct):
    """vCPUs as sockets x cores x threads."""

    cores: int = 0
    sockets: int = 0
    threads: int = 0
    model: str = ""
    max_sockets: int = 0
    """Up to how many a running guest can be given; 0 when none is stated."""

    @property
    def count(self) -> int:
        """How many vCPUs the guest sees; 0 when none is stated."""
        stated = self.cores or self.sockets or self.threads
        return max(1, self.cores) * max(1, self.sockets) * max(1, self.threads) if stated else 0


class Memory(Struct):
    """``domain.memory``."""

    guest: str | None = None
    max_guest: str | None = None


class DomainRequests(Struct):
    """``domain.resources``; numbers occur beside quantities."""

    requests: dict[str, str | int | float] = {}
    limits: dict[str, str | int | float] = {}


class Nic(Struct):
    """One of ``domain.devices.interfaces``."""

    name: str = ""
    mac_address: str = ""
    state: str = ""
    """``absent`` for one that is detached, ``down`` for one without a link."""

    def __post_init__(self) -> None:
        self.name = intern(self.name)


class Devices(Struct):
    """``domain.devices``, as far as consoles and clones need it."""

    interfaces: tuple[Nic, ...] = ()

    autoattach_serial_console: bool | None = None
    log_serial_console: bool | None = None


class Firmware(Struct):
    """``domain.firmware``."""

    uuid: str = ""

    def __post_init__(self) -> None:
        self.uuid = intern(self.uuid)

    def links(self) -> Iterator[tuple[str, str]]:
        """By which the node that runs in the VM is known."""
        if self.uuid:
            yield "uuid", self.uuid if self.uuid.islower() else self.uuid.lower()


class Domain(Struct):
    """``spec.domain``."""

    cpu: Cpu = msgspec.field(default_factory=Cpu)
    memory: Memory = msgspec.field(default_factory=Memory)
    resources: DomainRequests = msgspec.field(default_factory=DomainRequests)
    devices: Devices = msgspec.field(default_factory=Devices)
    firmware: Firmware = msgspec.field(default_factory=Firmware)

    def __post_init__(self) -> None:
        self.cpu = share_part(self.cpu)
        self.memory = share_part(self.memory)
        self.resources = share_part(self.resources)
        self.devices = share_part(self.devices)
