"""Virtual networks of hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kvtui.backends.base import Backend, Permission
from kvtui.backends.domains import Upkeep
from kvtui.joins.domain import host_of
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.libvirt import Domain, Host
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.resources import sources
from kvtui.resources.autostart import autostart_form
from kvtui.resources.base import Action, Column, Resource, able, itself
from kvtui.resources.cells import NOTHING, health_cell, last_known, number_cell, reason_column, text_cell, yes_no
from kvtui.resources.form import Answers, Form
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """A network and the domains that are plugged into it."""

    backend: str
    network: VirtualNetwork
    users: tuple[str, ...]
    running: int
    """How many of them have a process."""
    host: Host | None = None


def _row(view: View, ref: Ref) -> NetworkRow | None:
    network = view.find(VirtualNetwork, ref)
    if network is None:
        return None
    users = view.linked(Domain, ref.backend, "network", ref.name)
    names, running = tuple(user.name for user, _ in users), sum(domain.active for _, domain in users)
    return NetworkRow(ref.backend, network, names, running, host_of(view, ref.backend))


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(VirtualNetwork))


def _of_domain(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    for nic in domain.nics:
        network = view.get(VirtualNetwork, ref.backend, "", nic.source) if nic.kind == "network" else None
        if network is not None:
            yield network.ref(ref.backend)


def _of_host(view: View, ref: Ref, _host: Host) -> Iterator[Ref]:
    return (network for network, _ in view.items(VirtualNetwork, ref.backend))


def _health(row: NetworkRow, now: float) -> Health:
    return last_known(_known_health(row), row.backend, row.host, now)


def _known_health(row: NetworkRow) -> Health:
    network = row.network
    if network.active:
        return Health(Tone.OK, "Active")
    if row.running:
        return Health(Tone.BAD, "Inactive", f"{row.running} running VM{'s' * (row.running != 1)} plugged into it")
    if network.autostart:
        return Health(Tone.WARN, "Inactive", "it is to start with its host")
    return Health(Tone.MUTED, "Inactive")


def _leases(row: NetworkRow, _now: float) -> Cell:
    count = len(row.network.leases)
    return number_cell(count, str(count)) if row.network.dhcp and row.network.active else NOTHING


def _fields(row: NetworkRow) -> Mapping[str, str]:
    return {"node": row.backend, "vm": " ".join(row.users), "uuid": row.network.metadata.uid}


def _upkeep(backend: Backend) -> Upkeep:
    return able(backend, Upkeep)  # type: ignore[type-abstract]


async def _start(backend: Backend, row: NetworkRow) -> None:
    await _upkeep(backend).start_network(row.network.ref(row.backend))


def _autostart_form(_view: View, rows: Sequence[NetworkRow]) -> Form:
    whom = rows[0].network.metadata.name if len(rows) == 1 else f"{len(rows)} networks"
    return autostart_form(whom, all(row.network.autostart for row in rows))


async def _autostart(backend: Backend, row: NetworkRow, answers: Answers) -> None:
    await _upkeep(backend).set_network_autostart(row.network.ref(row.backend), answers.flag("autostart"))


_NEEDS = Permission("write", "libvirt", "networks")
_ACTIONS: tuple[Action[NetworkRow], ...] = (
    Action(
        id="network.start",
        command="start",
        key="s",
        label="start",
        help="Bring the network up.",
        needs=_NEEDS,
        when=lambda row: "it is active" if row.network.active else "",
        run=_start,
        settled=lambda _before, now: now.network.active,
        awaits="starting",
    ),
    Action(
        id="network.autostart",
        command="autostart",
        key="",
        label="autostart",
        help="Have the network start with its host, or no longer.",
        needs=_NEEDS,
        when=lambda row: "" if row.network.persistent else "it is gone once it is not active",
        form=_autostart_form,
        run=_autostart,
        settled=lambda _before, _now: True,
        awaits="autostart asked",
        footer=False,
    ),
)

RESOURCE: Resource[NetworkRow] = Resource(
    name="networks",
    aliases=("network", "net", "nets", "virtualnetworks"),
    title="Networks",
    label="network",
    row_type=NetworkRow,
    sources=(sources.NETWORKS, sources.DOMAINS, sources.HOSTS),
    refs=_refs,
    row=_row,
    related={VirtualNetwork: itself, Domain: _of_domain, Host: _of_host},
    ref=lambda row: row.network.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.network.metadata.name), 14, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 8, rank=0),
        Column("FORWARD", lambda row, _now: Cell(row.network.forward or "isolated"), 8, rank=2),
        Column("BRIDGE", lambda row, _now: text_cell(row.network.bridge), 8, rank=2),
        Column("ADDRESSES", lambda row, _now: text_cell(", ".join(row.network.addresses)), 18, rank=1, grow=1),
        Column("VMS", lambda row, _now: number_cell(len(row.users), str(len(row.users))), 4, rank=1, right=True),
        Column("LEASES", _leases, 6, rank=3, right=True),
        Column("AUTOSTART", lambda row, _now: yes_no(row.network.autostart), 9, rank=4),
        reason_column(_health, rank=3),
        Column("USED BY", lambda row, _now: text_cell(", ".join(row.users)), 24, rank=6, wide=True, grow=1),
    ),
    fields=_fields,
    labels=lambda _row: {},
    actions=_ACTIONS,
)
