"""Interfaces of running VMs on other networks than the pods', and which of them show no address. Source:
kubevirt-api.md 2.2.
"""

from __future__ import annotations

from kvtui.records.base import find_condition
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.records.networks import Network


def bare_networks(vmi: VirtualMachineInstance) -> list[Network]:
    """Those on which its guest has an interface that shows no address."""
    if all(network.multus is None for network in vmi.spec.networks):
        return []
    told = {interface.name: interface for interface in vmi.status.interfaces}
    elsewhere = _not_plugged(vmi)
    return [
        network
        for network in vmi.spec.networks
        if network.multus is not None
        and network.name not in elsewhere
        and (network.name not in told or not (told[network.name].ip_address or told[network.name].ip_addresses))
    ]


def name_interfaces(networks: list[Network]) -> str:
    """The first of them and its network, and how many more there are: ``interface vlan in network shop/vlan140``."""
    first = networks[0]
    named = first.multus.network_name if first.multus is not None else ""
    more = f" (and {len(networks) - 1} more)" if len(networks) > 1 else ""
    return f"interface {first.name}{more} in network {named}"


def _not_plugged(vmi: VirtualMachineInstance) -> set[str]:
    """Interfaces that the guest is not to have: those that were detached, and that a migration has yet to plug in."""
    nics = vmi.spec.domain.devices.interfaces
    gone = {nic.name for nic in nics if nic.state == "absent"}
    if find_condition(vmi.status.conditions, "MigrationRequired") is None:
        return gone
    has = {interface.name for interface in vmi.status.interfaces if "domain" in interface.info_source}
    return gone | {nic.name for nic in nics if nic.name not in has}
