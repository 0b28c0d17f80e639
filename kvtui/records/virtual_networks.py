"""Virtual networks of hosts, and the addresses that they give. Facts: libvirt's formatnetwork.html."""

from __future__ import annotations

from typing import ClassVar

from kvtui.records.base import Record, Struct


class Lease(Struct):
    """An address that a network's DHCP gave."""

    mac: str = ""
    address: str = ""
    hostname: str = ""
    expires: float | None = None


class VirtualNetwork(Record):
    """A virtual network of a host."""

    KIND: ClassVar[str] = "VirtualNetwork"

    active: bool = False
    autostart: bool = False
    persistent: bool = True
    bridge: str = ""
    forward: str = ""
    """``nat``, ``route``, ``bridge`` ...; empty for an isolated one."""
    addresses: tuple[str, ...] = ()
    """Of the host in it, each with its prefix: ``192.168.122.1/24``."""
    dhcp: bool = False
    """Whether libvirt gives addresses in it."""
    leases: tuple[Lease, ...] = ()
