"""Addresses that the DHCP of virtual networks gave, with the VM that has each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.libvirt import Domain
from kvtui.records.virtual_networks import Lease, VirtualNetwork
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource
from kvtui.resources.cells import text_cell
from kvtui.store import View
from kvtui.text import age

KIND = "Lease"
"""Not a record of its own: leases come and go with their network's."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease, its network, and whose it is."""

    backend: str
    network: str
    lease: Lease
    vm: str
    """Empty for a MAC that no domain of the host has."""

    @property
    def ref(self) -> Ref:
        """Identity of the row: network and address."""
        return Ref(self.backend, KIND, "", f"{self.network}/{self.lease.address}")


def _row(view: View, ref: Ref) -> LeaseRow | None:
    title, _, address = ref.name.rpartition("/")
    network = view.get(VirtualNetwork, ref.backend, "", title)
    lease = next((one for one in network.leases if one.address == address), None) if network is not None else None
    if lease is None:
        return None
    users = (
        domain.name
        for domain, record in view.linked(Domain, ref.backend, "network", title)
        if any(nic.mac.lower() == lease.mac.lower() for nic in record.nics)
    )
    return LeaseRow(ref.backend, title, lease, next(users, ""))


def _refs(view: View) -> Iterable[Ref]:
    for ref, network in view.items(VirtualNetwork):
        yield from _of_network(view, ref, network)


def _of_network(_view: View, ref: Ref, network: VirtualNetwork) -> Iterator[Ref]:
    for lease in network.leases:
        yield LeaseRow(ref.backend, ref.name, lease, "").ref


def _of_domain(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    for title in {nic.source for nic in domain.nics if nic.kind == "network"}:
        network = view.get(VirtualNetwork, ref.backend, "", title)
        if network is not None:
            yield from _of_network(view, network.ref(ref.backend), network)


def _health(row: LeaseRow, now: float) -> Health:
    if row.lease.expires is not None and row.lease.expires < now:
        return Health(Tone.MUTED, "Expired")
    return Health(Tone.OK, "Leased")


def _address(row: LeaseRow, _now: float) -> Cell:
    return Cell(row.lease.address)


def _expires(row: LeaseRow, now: float) -> Cell:
    moment = row.lease.expires
    if moment is None:
        return Cell("never", Tone.MUTED, float("inf"))
    return Cell(f"in {age(moment - now)}" if moment > now else "expired", _health(row, now).tone, moment)


def _fields(row: LeaseRow) -> Mapping[str, str]:
    return {"node": row.backend, "mac": row.lease.mac}


RESOURCE: Resource[LeaseRow] = Resource(
    name="leases",
    aliases=("lease", "dhcp"),
    title="Leases",
    label="lease",
    row_type=LeaseRow,
    sources=(sources.NETWORKS, sources.DOMAINS),
    refs=_refs,
    row=_row,
    related={VirtualNetwork: _of_network, Domain: _of_domain},
    ref=lambda row: row.ref,
    health=_health,
    columns=(
        Column("ADDRESS", _address, 15, rank=0, grow=1),
        Column("VM", lambda row, _now: text_cell(row.vm), 14, rank=0, grow=2),
        Column("HOSTNAME", lambda row, _now: text_cell(row.lease.hostname), 14, rank=1, grow=1),
        Column("MAC", lambda row, _now: text_cell(row.lease.mac), 17, rank=2),
        Column("NETWORK", lambda row, _now: Cell(row.network), 10, rank=1, grow=1),
        Column("EXPIRES", _expires, 8, rank=3, right=True, ticks=True),
    ),
    fields=_fields,
    labels=lambda _row: {},
    sort="ADDRESS",
)
