"""The addresses of domains: what DHCP leased, what the guest agent says, and who was seen in the ARP table.

Source: libvirt's virDomainInterfaceAddresses. A guest agent that hangs lets the question wait, perhaps for ever, so it
is asked seldom, apart from all others, and one that did not answer is left alone for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from kvtui.backends.libvirt.acts import find_domain
from kvtui.backends.libvirt.asking import Asker
from kvtui.backends.libvirt.collector import Found
from kvtui.backends.libvirt.describe import describe_domain
from kvtui.backends.libvirt.events import Events
from kvtui.backends.libvirt.link import Lane, load
from kvtui.backends.libvirt.prober import Prober
from kvtui.backends.libvirt.survey import Survey
from kvtui.errors import ConflictError
from kvtui.model import Ref
from kvtui.records.base import Record
from kvtui.records.libvirt import Address, Domain
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_PERIOD: Final = 5.0
_SOON: Final = 0.2
"""Seconds between two looks while somebody was never asked who can be."""
_PORTION: Final = 10
"""Domains that are asked in one look."""
_BOOT: Final = 10.0
"""Seconds that a guest gets to come up before it is asked."""
_KNOWN, _UNKNOWN = 60.0, 30.0
"""Seconds between two questions to a domain: with an address, and while it has none."""
_SULK: Final = 240.0
"""Seconds for which an agent that did not answer, or a table that cannot be read, is left alone."""
_CLOCK: Final = 600.0
"""Seconds between two looks at a guest's clock."""


def read_addresses(told: Mapping[str, Any], source: str, macs: Iterable[str]) -> list[Address]:
    """The addresses of interfaces that are the domain's own, by `macs`; an agent tells of bridges and tunnels, too.

    What leads nowhere from outside is left out; link-local ones stand last.
    """
    own = {mac.lower() for mac in macs}
    found = []
    for interface in told.values():
        mac = clean_line(str(interface.get("hwaddr") or "")).lower()
        if own and mac not in own:
            continue
        for entry in interface.get("addrs") or ():
            text = clean_line(str(entry.get("addr") or ""))
            try:
                address = ip_address(text)
            except ValueError:
                continue
            if not (address.is_loopback or address.is_unspecified or address.is_multicast):
                found.append((address.is_link_local, address.version, Address(mac=mac, address=text, source=source)))
    return [address for _, _, address in sorted(found, key=lambda entry: entry[:2])]


def merge(*groups: Iterable[Address]) -> tuple[Address, ...]:
    """Each address once, as the first group that has it tells it."""
    found: dict[str, Address] = {}
    for address in (address for group in groups for address in group):
        found.setdefault(address.address, address)
    return tuple(found.values())


def ask_addresses(connection: libvirt.virConnect, ref: Ref) -> tuple[str, ...]:
    """Where a domain is reached, by the first source that knows any address: lease, agent, ARP.

    Raises libvirtError, and ConflictError while the domain does not run.
    """
    module = load()
    handle = find_domain(connection, ref)
    if not handle.isActive():
        raise ConflictError(f"{clean_line(ref.path)} does not run", code=409)
    macs = [nic.mac for nic in describe_domain(handle.XMLDesc(0)).nics]
    for name in ("lease", "agent", "arp"):
        source = getattr(module, f"VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_{name.upper()}")
        with suppress(module.libvirtError):
            found = read_addresses(handle.interfaceAddresses(source, 0) or {}, name, macs)
            # A link-local one says nothing without its link.
            usable = tuple(one.address for one in found if not ip_address(one.address).is_link_local)
            if usable:
                return usable
    return ()


class AddressCollector:
    """Addresses, for the survey: `DomainCollector` tells of them."""

    types: tuple[type[Record], ...] = ()
    serves: tuple[type[Record], ...] = (Domain,)
    lane = Lane.GUESTS

    def __init__(self, survey: Survey, agents: Prober) -> None:
        self.period = _SOON
        self._survey = survey
        self._agents = agents
        self._waiting: set[str] = set()
        """UUIDs of domains whose agent is being asked."""
        self._is_settled = False
        self._asker = Asker()
        self._due: dict[str, float] = {}
        """By UUID, when to ask next, on the monotonic clock."""
        self._ids: dict[str, int | None] = {}
        self._sulking: dict[str, float] = {}
        """Until when an agent, by its domain's UUID, or the ARP table is left alone."""
        self._clock_due: dict[str, float] = {}
        """By UUID, when to ask for the guest's clock next, on the monotonic clock."""

    def attach(self, events: Events, wake: Callable[[], None]) -> None:
        """An agent that connects can be asked at once."""

        def hear(uuid: str, *_: object) -> None:
            self._due.pop(uuid, None)
            self._sulking.pop(uuid, None)
            wake()

        events.listen(("AGENT_LIFECYCLE",), hear)

    def collect(self, connection: libvirt.virConnect) -> Found:
        """Ask those that are due, in portions: others wait for this thread."""
        if not self._asker.can("addresses"):
            self._settle()
            return Found()
        self._survey.wait_measured()
        now = time.monotonic()
        actives = {domain.metadata.uid: domain for domain in self._survey.actives() if domain.nics}
        for uuid in self._due.keys() - actives.keys():
            del self._due[uuid]
            self._ids.pop(uuid, None)
            self._clock_due.pop(uuid, None)
        ready = [uuid for uuid in actives if self._is_due(actives[uuid], now)]
        due = sorted(ready, key=lambda uuid: self._due[uuid])[:_PORTION]
        said = self._ask_agents(connection, {uuid: actives[uuid] for uuid in due if actives[uuid].agent}, now)
        for uuid in due:
            found = self._ask(connection, actives[uuid], said.get(uuid, []), now)
            if not self._asker.can("addresses"):
                break
            self._survey.place_addresses(uuid, found)
            self._due[uuid] = now + (_KNOWN if found else _UNKNOWN)
        left = any(now >= self._due[uuid] and not domain.hung for uuid, domain in actives.items())
        if self._survey.has_looked and not (left and self._asker.can("addresses")):
            self._settle()
        return Found()

    def _settle(self) -> None:
        """Everybody was asked who can be."""
        if not self._is_settled:
            self._is_settled, self.period = True, _PERIOD
            self._survey.settle_addresses()

    def _is_due(self, domain: Domain, now: float) -> bool:
        uuid = domain.metadata.uid
        begun = domain.started is not None and time.time() - domain.started < _BOOT
        if self._ids.get(uuid, domain.id) != domain.id:
            # Another run of it: what it had is another's by now.
            self._survey.place_addresses(uuid, ())
            self._due[uuid] = now + _BOOT
        self._ids[uuid] = domain.id
        self._due.setdefault(uuid, now + _BOOT if begun else 0.0)
        return now >= self._due[uuid] and self._survey.answers(domain)

    def _ask_agents(
        self, connection: libvirt.virConnect, domains: Mapping[str, Domain], now: float
    ) -> dict[str, list[Address]]:
        """What the agents of these domains say, by UUID; one that lets its question wait is not waited for."""
        if not domains or not self._asker.can("agent"):
            return {}
        said = self._agents.ask_each(
            connection, domains, lambda other, uuid: self._ask_agent(other, domains[uuid], now)
        )
        for uuid in self._waiting & domains.keys() - said.keys():
            self._survey.note_agent(uuid, answers=False)
        return said

    def _ask_agent(self, connection: libvirt.virConnect, domain: Domain, now: float) -> list[Address]:
        uuid = domain.metadata.uid
        self._waiting.add(uuid)
        try:
            handle = connection.lookupByUUIDString(uuid)
            said = self._ask_wayward(uuid, handle, "agent", [nic.mac for nic in domain.nics], now)
            if said and now >= self._clock_due.get(uuid, 0.0):
                self._ask_clock(uuid, handle, now)
        except load().libvirtError:
            # It has gone meanwhile.
            return []
        finally:
            self._waiting.discard(uuid)
        return said

    def _ask(
        self, connection: libvirt.virConnect, domain: Domain, said: list[Address], now: float
    ) -> tuple[Address, ...]:
        """All addresses of a domain; `said` are those that its agent told."""
        module = load()
        try:
            handle = connection.lookupByUUIDString(domain.metadata.uid)
        except module.libvirtError:
            return ()
        macs = [nic.mac for nic in domain.nics]
        leased: list[Address] = []
        networks = {nic.source for nic in domain.nics if nic.kind == "network"}
        if not _may_ask(connection, networks):
            return ()
        if networks:
            source = module.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE
            told = self._asker.ask("addresses", lambda: handle.interfaceAddresses(source, 0))
            leased = read_addresses(told or {}, "lease", macs)
        seen = self._ask_wayward("", handle, "arp", macs, now) if not leased and not said else []
        return merge(leased, said, seen)

    def _ask_wayward(
        self, who: str, handle: libvirt.virDomain, name: str, macs: list[str], now: float
    ) -> list[Address]:
        """Ask a source that may hang or fail: after a failure it is left alone for a while."""
        if now < self._sulking.get(who, 0.0) or not self._asker.can(name):
            return []
        module = load()
        source = getattr(module, f"VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_{name.upper()}")
        try:
            found = read_addresses(handle.interfaceAddresses(source, 0), name, macs)
        except module.libvirtError as error:
            self._sulking[who] = now + _SULK
            # What times out has waited for an agent that somebody else's question hangs in.
            if who and error.get_error_code() in (module.VIR_ERR_AGENT_UNRESPONSIVE, module.VIR_ERR_OPERATION_TIMEOUT):
                self._survey.note_agent(who, answers=False)
            return []
        if who:
            self._survey.note_agent(who, answers=True)
        return found

    def _ask_clock(self, uuid: str, handle: libvirt.virDomain, now: float) -> None:
        """What time it is in a guest whose agent has just answered; half of the way there and back is taken off."""
        self._clock_due[uuid] = now + _CLOCK
        asked = time.time()
        with suppress(load().libvirtError):
            told: Any = handle.getTime()
            ahead = told["seconds"] + told["nseconds"] / 1e9 - (asked + time.time()) / 2
            self._survey.note_clock(uuid, float(round(ahead)))


def _may_ask(connection: libvirt.virConnect, networks: Iterable[str]) -> bool:
    """Whether addresses can be asked for: libvirt 9.0's test driver crashes where a network has none."""
    if connection.getType() != "TEST":
        return True
    module = load()
    try:
        return all("<ip " in connection.networkLookupByName(name).XMLDesc(0) for name in networks)
    except module.libvirtError:
        return False
