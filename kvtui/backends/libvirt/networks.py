"""Virtual networks and the addresses that their DHCP gave. Elements: libvirt's formatnetwork.html."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kvtui.backends.libvirt.asking import Asker, flagged
from kvtui.backends.libvirt.collector import Found
from kvtui.backends.libvirt.describe import attribute_at, parse, text_at
from kvtui.backends.libvirt.events import Events
from kvtui.backends.libvirt.link import Lane, load
from kvtui.records.base import Meta, Record
from kvtui.records.virtual_networks import Lease, VirtualNetwork
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_PERIOD: Final = 15.0


def describe_network(xml: str) -> VirtualNetwork:
    """What the XML of a network tells; state and leases are asked apart."""
    root = parse(xml)
    addresses = (_address(element.attrib) for element in root.iterfind("ip"))
    return VirtualNetwork(
        metadata=Meta(name=text_at(root, "name"), uid=text_at(root, "uuid")),
        bridge=attribute_at(root, "bridge", "name") or attribute_at(root, "forward", "dev"),
        # A forward element without a mode is NAT.
        forward=(attribute_at(root, "forward", "mode") or "nat") if root.find("forward") is not None else "",
        addresses=tuple(address for address in addresses if address),
        dhcp=root.find("ip/dhcp") is not None,
    )


def _address(attributes: Mapping[str, str]) -> str:
    """``192.168.122.1/24``, from a netmask or a prefix."""
    address = clean_line(attributes.get("address", ""))
    mask = attributes.get("prefix") or attributes.get("netmask")
    try:
        return str(ip_interface(f"{address}/{mask}" if mask else address)) if address else ""
    except ValueError:
        return address


def describe_leases(told: Iterable[Mapping[str, Any]]) -> tuple[Lease, ...]:
    """What ``virNetworkGetDHCPLeases`` tells, in the order of addresses."""
    leases = (
        Lease(
            mac=clean_line(str(lease.get("mac") or "")),
            address=clean_line(str(lease.get("ipaddr") or "")),
            hostname=clean_line(str(lease.get("hostname") or "")),
            # Zero is one that never ends.
            expires=float(lease["expirytime"]) if lease.get("expirytime") else None,
        )
        for lease in told
    )
    return tuple(sorted(leases, key=lambda lease: (":" in lease.address, len(lease.address), lease.address)))


class NetworkCollector:
    """Networks with their leases."""

    types: tuple[type[Record], ...] = (VirtualNetwork,)
    serves = types
    period = _PERIOD
    lane = Lane.STATES

    def __init__(self) -> None:
        self._shapes: dict[str, VirtualNetwork] = {}
        self._asker = Asker()

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """Look after whatever happens to a network."""

        def hear(uuid: str, *_: object) -> None:
            self._shapes.pop(uuid, None)
            wake()

        events.listen(("network.LIFECYCLE",), hear)

    def collect(self, connection: libvirt.virConnect) -> Found:
        """All networks."""
        module = load()
        if not self._asker.can("networks"):
            return Found({VirtualNetwork: []})
        handles = self._asker.ask("networks", lambda: connection.listAllNetworks(0))
        if handles is None:
            return Found({VirtualNetwork: []})
        active = flagged(connection.listAllNetworks, module.VIR_CONNECT_LIST_NETWORKS_ACTIVE)
        autostart = flagged(connection.listAllNetworks, module.VIR_CONNECT_LIST_NETWORKS_AUTOSTART)
        transient = flagged(connection.listAllNetworks, module.VIR_CONNECT_LIST_NETWORKS_TRANSIENT)
        networks = []
        for handle in handles:
            uuid = handle.UUIDString()
            try:
                shape = self._shapes.get(uuid) or describe_network(handle.XMLDesc(0))
            except module.libvirtError as error:
                if error.get_error_code() == module.VIR_ERR_NO_NETWORK:
                    continue
                raise
            self._shapes[uuid] = shape
            networks.append(
                msgspec.structs.replace(
                    shape,
                    active=uuid in active,
                    autostart=uuid in autostart,
                    persistent=uuid not in transient,
                    leases=self._leases(handle) if uuid in active and shape.dhcp else (),
                )
            )
        return Found({VirtualNetwork: networks})

    def _leases(self, handle: libvirt.virNetwork) -> tuple[Lease, ...]:
        return describe_leases(self._asker.ask("leases", handle.DHCPLeases) or ())
