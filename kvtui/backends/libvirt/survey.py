"""What one host has, looked at again and again. Called in the threads of the connection, one look at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kvtui.backends.libvirt.describe import describe_domain, parse, read_huge_pages, tell_differences, text_at
from kvtui.backends.libvirt.figures import Counters, Sample, compare, take_sample, with_errors, with_figures
from kvtui.backends.libvirt.link import load
from kvtui.backends.libvirt.silence import HUNG, Silences, read_occupied
from kvtui.backends.libvirt.stored import StoredDefinitions
from kvtui.backends.libvirt.words import PASSING, disk_error, is_unsupported, reason_of, state_of
from kvtui.model import Usage as HostUsage
from kvtui.records.base import Meta
from kvtui.records.libvirt import Address, Domain, DomainState, Host, Use
from kvtui.text import clean_line

if TYPE_CHECKING:
    import libvirt

_ROUGH: Final = 16 * 2**20
"""Free memory of a host is told in steps of this."""
_HELD: Final = 2.0
"""Seconds after which a question for figures counts as held up, and is asked again beside it."""
_MUTE: Final = 3.5
"""Seconds without an answer after which an agent counts as mute: a guest that is busy takes its time."""
_FIRST: Final = 2.0
"""Seconds that others wait for the first figures."""
_IO_ERROR: Final = "I/O error"
_EMULATED: Final = frozenset({"kvm", "qemu"})
"""Types of domains that have a QEMU."""


class Survey:
    """Remembers of each domain what is costly to ask, and asks it anew when an event says that it changed."""

    def __init__(self, name: str, earlier: Mapping[str, Domain] | None = None) -> None:
        """`earlier` are the domains as the connection before this one knew them last, by their UUIDs."""
        self._name = name
        self._earlier = earlier or {}
        self._lock = threading.Lock()
        self._looked = threading.Event()
        self._measured = threading.Event()
        self._stale: set[str] = set()
        """UUIDs of domains of which an event told a change."""
        self._shapes: dict[str, Domain] = {}
        """What the XML of each domain tells, and what is asked together with it."""
        self._known: dict[str, Domain] = {}
        """Each domain as it was last told."""
        self._counters: dict[str, Counters] = {}
        self._samples: dict[str, Sample] = {}
        self._uses: dict[str, Use | None] = {}
        self._addresses: dict[str, tuple[Address, ...]] = {}
        self._mute: dict[str, float] = {}
        """Since when agents that are connected do not answer."""
        self._clocks: dict[str, float] = {}
        self._reboots: dict[str, float] = {}
        self._snapshots: dict[str, int] | None = None
        """Of domains that have some; None while nobody counts them."""
        self._errors: dict[str, Mapping[str, str]] = {}
        """Of domains that an I/O error paused: what is wrong with which disk."""
        self._measures = True
        """Whether the driver counts at all."""
        self._rounds = 0
        """How often figures were told: what is a rate takes two."""
        self._wake: Callable[[], None] = lambda: None
        self._has_addresses = False
        """Whether everybody was asked for addresses who can be."""
        self._answered: dict[str, float] = {}
        """When each domain last told figures, on the monotonic clock."""
        self._silences = Silences()
        self._stored = StoredDefinitions()
        self._held_up: deque[float] = deque()
        """When each question for figures began that has not been answered yet."""
        self._cpu: dict[str, int] = {}
        self._unsupported: set[str] = set()

    def spoil(self, uuid: str) -> None:
        """An event told that the domain is another than before; from any thread."""
        with self._lock:
            self._stale.add(uuid)

    # What other collectors leave here, or find here; from any thread ------------------------------------------------

    def known(self, uuid: str) -> Domain | None:
        """A domain as it was last told."""
        return self._known.get(uuid)

    def wait_measured(self) -> None:
        """Wait until domains and figures are known, but not for long: other connections tell of them."""
        self._looked.wait(_FIRST)
        self._measured.wait(_FIRST)

    @property
    def has_looked(self) -> bool:
        """Whether the domains are known."""
        return self._looked.is_set()

    def answers(self, domain: Domain) -> bool:
        """Whether its QEMU can be asked something without the question's being held up: it told figures just now.

        While it is received or saved it tells none, and answers all the same.
        """
        if not self._measures or domain.reason in PASSING:
            return True
        return time.monotonic() - self._answered.get(domain.metadata.uid, -HUNG) < HUNG

    def domains(self) -> dict[str, Domain]:
        """All domains as they were last told, by their UUIDs."""
        return dict(self._known)

    def actives(self) -> list[Domain]:
        """The domains that have a process, as they were last told."""
        return [domain for domain in tuple(self._known.values()) if domain.active]

    def used_storage(self) -> frozenset[str]:
        """The paths and ``POOL/VOLUME`` names that domains have as disks."""
        return frozenset(
            source
            for domain in tuple(self._known.values())
            for disk in domain.disks
            for source in (disk.source, disk.backing)
            if source
        )

    def place_addresses(self, uuid: str, addresses: tuple[Address, ...]) -> None:
        """The addresses that a domain has."""
        self._addresses[uuid] = addresses

    def note_agent(self, uuid: str, *, answers: bool) -> None:
        """Whether the agent of a domain, which is connected, answered just now."""
        if answers:
            self._mute.pop(uuid, None)
        else:
            self._mute.setdefault(uuid, time.time())

    def note_clock(self, uuid: str, ahead: float) -> None:
        """By how many seconds the clock of a guest is ahead of ours."""
        self._clocks[uuid] = ahead

    def note_reboot(self, uuid: str) -> None:
        """A guest has rebooted just now."""
        self._reboots[uuid] = time.time()

    def settle_addresses(self) -> None:
        """Everybody was asked for addresses who can be."""
        self._has_addresses = True
        self._wake()

    def count_snapshots(self, counts: dict[str, int]) -> None:
        """How many snapshots the domains have that have some."""
        self._snapshots = counts

    @property
    def is_held_up(self) -> bool:
        """Whether a question for figures waits: a QEMU is busy, or hangs."""
        return any(time.monotonic() - began > _HELD for began in tuple(self._held_up))

    @property
    def has_rates(self) -> bool:
        """Whether figures are all that they will be; those of a QEMU that hangs are not."""
        return not self._measures or self._rounds >= 2

    def on_news(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, in any thread, when something was found of domains that is to be told at once."""
        self._wake = wake

    def tell_of_hung(self) -> None:
        """Have it told at once where a QEMU has been silent for long enough to be called hung."""
        if any(self._silences.is_hung(domain.metadata.uid) and not domain.hung for domain in self.actives()):
            self._wake()

    @property
    def misses_figures(self) -> bool:
        """Whether the last looks at figures left somebody out."""
        return bool(self._silences)

    def _is_waited_for(self, uuid: str, now: float) -> bool:
        """Whether its agent may still answer."""
        return uuid in self._mute and now - self._mute[uuid] < _MUTE

    def _is_measured(self, domain: Domain, now: float) -> bool:
        if domain.nics and (not self._has_addresses or self._is_waited_for(domain.metadata.uid, now)):
            return False
        if domain.hung or domain.reason in PASSING:
            return True
        if domain.reason == _IO_ERROR and domain.metadata.uid not in self._errors and self._measures:
            return False
        return self.has_rates and domain.metadata.uid not in self._silences

    # The host -------------------------------------------------------------------------------------------------------

    def describe_host(self, connection: libvirt.virConnect, uri: str, *, read_only: bool) -> Host:
        """What does not change while the connection stands."""
        arch, mebibytes, cpus, *_ = connection.getInfo()
        # In a container, what belongs to its NUMA nodes is less than what there is.
        total = (self._try("memory", lambda: connection.getMemoryStats(-1)) or {}).get("total", 0) * 1024
        capabilities = parse(connection.getCapabilities())
        return Host(
            metadata=Meta(name=self._name),
            uuid=text_at(capabilities, "host/uuid"),
            uri=clean_line(uri),
            hostname=clean_line(connection.getHostname()),
            driver=clean_line(connection.getType()),
            system_uuid=self._system_uuid(connection),
            libvirt_version=_version(connection.getLibVersion()),
            hypervisor_version=_version(connection.getVersion()),
            arch=clean_line(arch),
            cpu_model=text_at(capabilities, "host/cpu/model"),
            cpus=cpus,
            memory=total or mebibytes * 2**20,
            huge_pages=read_huge_pages(capabilities),
            read_only=read_only,
        )

    def measure_host(self, connection: libvirt.virConnect, host: Host) -> HostUsage | None:
        """What the host uses now; None while that cannot be told."""
        memory = self._try("memory", lambda: connection.getMemoryStats(-1))
        free = (memory.get("free", 0) + memory.get("buffers", 0) + memory.get("cached", 0)) * 1024 if memory else 0
        free = free or self._try("free memory", connection.getFreeMemory) or 0
        busy, waiting = self._measure_cpus(self._try("cpu", lambda: connection.getCPUStats(-1)) or {})
        if busy is None or not free:
            return None
        return HostUsage(busy * host.cpus, float(host.memory - free // _ROUGH * _ROUGH), waiting)

    def _measure_cpus(self, now: dict[str, int]) -> tuple[float | None, float | None]:
        before, self._cpu = self._cpu, now
        spent = {name: value - before.get(name, 0) for name, value in now.items()} if before else {}
        whole = sum(max(0, value) for value in spent.values())
        if whole <= 0:
            return None, None
        waiting = max(0, spent.get("iowait", 0))
        return round((whole - spent.get("idle", 0) - waiting) / whole, 2), round(waiting / whole, 2)

    def _system_uuid(self, connection: libvirt.virConnect) -> str:
        info = self._try("sysinfo", lambda: connection.getSysinfo(0))
        if not info:
            return ""
        for entry in parse(info).iterfind("system/entry"):
            if entry.get("name") == "uuid":
                return clean_line(entry.text or "").lower()
        return ""

    # Domains --------------------------------------------------------------------------------------------------------

    def look(self, connection: libvirt.virConnect, now: float) -> list[Domain]:
        """All domains with their states; `now` is the time of the day."""
        module = load()
        found = connection.getAllDomainStats(module.VIR_DOMAIN_STATS_STATE, 0)
        flags = {
            name: self._flagged(connection, flag)
            for name, flag in (
                ("autostart", module.VIR_CONNECT_LIST_DOMAINS_AUTOSTART),
                ("transient", module.VIR_CONNECT_LIST_DOMAINS_TRANSIENT),
                ("saved", module.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE),
                ("snapshots", module.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT),
            )
        }
        with self._lock:
            stale, self._stale = self._stale, set()
        stale |= self._stored.find_changed([handle for handle, _ in found])
        domains = []
        for handle, counters in found:
            uuid = handle.UUIDString()
            shape = None if uuid in stale else self._shapes.get(uuid)
            state = state_of(counters.get("state.state", 0))
            known = self._known.get(uuid)
            number = handle.ID()
            if shape is None or (known is not None and known.id != (None if number < 0 else number)):
                shape = self._describe(handle, uuid in flags["snapshots"])
                if shape is None:
                    continue
                self._shapes[uuid] = shape
            domain = msgspec.structs.replace(
                shape,
                id=None if number < 0 else number,
                state=state,
                reason=_tell_reason(reason_of(state, counters.get("state.reason", 0)), saved=uuid in flags["saved"]),
                autostart=uuid in flags["autostart"],
                persistent=uuid not in flags["transient"],
                saved=uuid in flags["saved"],
            )
            domains.append(self._remember(uuid, domain, known, now))
        alive = {domain.metadata.uid for domain in domains}
        remembering: tuple[dict[str, Any], ...] = (
            self._shapes, self._known, self._counters, self._samples, self._uses, self._addresses, self._errors,
            self._answered, self._mute, self._clocks, self._reboots,
        )  # fmt: skip
        for remembered in remembering:
            for uuid in remembered.keys() - alive:
                del remembered[uuid]
        self._stored.keep_only(alive)
        self._silences.keep_only({domain.metadata.uid for domain in domains if domain.active})
        self._looked.set()
        return domains

    def _remember(self, uuid: str, domain: Domain, known: Domain | None, now: float) -> Domain:
        """The domain with its figures, and since when it has been so."""
        if known is not None:
            if domain.state is known.state is DomainState.SHUTOFF and not domain.reason:
                domain.reason = known.reason
            same = known.state is domain.state and known.reason == domain.reason
            domain.since = known.since if same else now
            began = domain.active and not known.active
            domain.started = now if began else known.started if domain.active else None
        elif (before := self._earlier.get(uuid)) is not None:
            if domain.state is before.state is DomainState.SHUTOFF and not domain.reason:
                # A daemon that was started anew has forgotten it.
                domain.reason = before.reason
            # What changed while nobody looked began nobody knows when.
            if (before.state, before.reason) == (domain.state, domain.reason):
                domain.since = before.since
            if before.id == domain.id:
                domain.started = before.started
                if before.hung:
                    # It does until it answers.
                    self._silences.keep_hung(uuid, time.monotonic())
                errors = {disk.target: disk.error for disk in before.disks if disk.error}
                if errors and domain.reason == _IO_ERROR:
                    self._errors.setdefault(uuid, errors)
        if domain.active and uuid in self._counters:
            domain = with_figures(domain, self._counters[uuid], self._uses.get(uuid))
        if domain.active:
            domain.rebooted = self._reboots.get(uuid)
            domain.addresses = self._addresses.get(uuid, ())
            domain.hung = self._silences.is_hung(uuid)
            domain.measured = self._is_measured(domain, now)
            self._judge_agent(domain, known or self._earlier.get(uuid), now)
        if self._snapshots is not None:
            domain.snapshots = self._snapshots.get(uuid, 0)
        if uuid in self._errors and domain.reason == _IO_ERROR:
            domain.disks = with_errors(domain.disks, self._errors[uuid])
        self._known[uuid] = domain
        return domain

    def _judge_agent(self, domain: Domain, before: Domain | None, now: float) -> None:
        """Since when its agent is gone or mute, and what it said of the guest's clock."""
        uuid = domain.metadata.uid
        if not domain.agent:
            self._mute.pop(uuid, None)
            self._clocks.pop(uuid, None)
            same = before is not None and before.id == domain.id
            if domain.agent is False and same and before is not None:
                domain.agent_lost = now if before.agent else before.agent_lost
        domain.agent_mute = self._mute.get(uuid) if not self._is_waited_for(uuid, now) else None
        domain.clock = self._clocks.get(uuid)

    def _describe(self, handle: libvirt.virDomain, has_snapshots: bool) -> Domain | None:
        """What the XML tells; None for a domain that has gone meanwhile."""
        module = load()
        try:
            is_off = handle.ID() < 0
            text = handle.XMLDesc(module.VIR_DOMAIN_XML_INACTIVE if is_off else 0)
            domain = describe_domain(text)
            if not domain.metadata.name:
                domain.metadata = Meta(name=clean_line(handle.name()), uid=handle.UUIDString())
            if is_off:
                self._stored.note(domain.metadata.uid, text)
            elif handle.isPersistent():
                stored = handle.XMLDesc(module.VIR_DOMAIN_XML_INACTIVE)
                self._stored.note(domain.metadata.uid, stored)
                domain.differs = tell_differences(domain, describe_domain(stored))
            if has_snapshots:
                domain.snapshots = handle.snapshotNum()
        except module.libvirtError:
            return None
        return domain

    def _flagged(self, connection: libvirt.virConnect, flag: int) -> frozenset[str]:
        """The UUIDs of the domains of which that is true."""
        handles = self._try(f"list {flag}", lambda: connection.listAllDomains(flag)) or ()
        return frozenset(handle.UUIDString() for handle in handles)

    # Figures --------------------------------------------------------------------------------------------------------

    def measure(self, connection: libvirt.virConnect) -> None:
        """Read the counters of all active domains; a QEMU that hangs makes this wait, and nothing else."""
        if not self._measures:
            return
        module = load()
        groups = (
            module.VIR_DOMAIN_STATS_CPU_TOTAL | module.VIR_DOMAIN_STATS_BALLOON | module.VIR_DOMAIN_STATS_VCPU
            | module.VIR_DOMAIN_STATS_INTERFACE | module.VIR_DOMAIN_STATS_BLOCK
        )  # fmt: skip
        nowait = module.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        # What is missing of a domain is only noticed where it is known what it is.
        self._looked.wait(_FIRST)
        began = time.monotonic()
        self._held_up.append(began)
        try:
            found = connection.getAllDomainStats(groups, module.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | nowait)
        except module.libvirtError as error:
            if is_unsupported(error.get_error_code()):
                self._measures = False
                self._measured.set()
                self._wake()
                return
            found = list(self._measure_each(connection, groups, nowait))
        finally:
            self._held_up.remove(began)
        moment = time.monotonic()
        for handle, counters in found:
            uuid = handle.UUIDString()
            if self._lacks(uuid, counters):
                # What it told before is its last word.
                self._silences.note_silence(uuid, moment, read_occupied(handle))
                if self._silences.is_hung(uuid):
                    self._uses[uuid] = None
                continue
            self._silences.note_answer(uuid)
            self._answered[uuid] = moment
            sample = take_sample(counters, moment)
            self._uses[uuid] = compare(self._samples.get(uuid), sample)
            self._counters[uuid] = counters
            if sample is not None:
                self._samples[uuid] = sample
        self._rounds += 1
        self._measured.set()
        if self._rounds == 2:
            self._wake()
        for domain in self.actives():
            self._find_errors(connection, domain)

    def _lacks(self, uuid: str, counters: Counters) -> bool:
        """Whether the counters hold only what libvirt knows without asking the domain's QEMU (libvirt.md 4)."""
        domain = self._known.get(uuid)
        return (
            domain is not None
            and domain.driver in _EMULATED
            # While it arrives or is saved, its QEMU is rightly busy.
            and domain.reason not in PASSING
            and "balloon.current" in counters
            and "balloon.rss" not in counters
        )

    def _find_errors(self, connection: libvirt.virConnect, domain: Domain) -> None:
        """Which disks paused a domain: asked once for each such pause."""
        uuid = domain.metadata.uid
        if domain.reason != _IO_ERROR:
            self._errors.pop(uuid, None)
        elif uuid not in self._errors and not domain.hung:
            found = self._try("disk errors", lambda: connection.lookupByUUIDString(uuid).diskErrors())
            told = (found or {}).items()
            self._errors[uuid] = {clean_line(str(target)): disk_error(number) for target, number in told}
            self._wake()

    def _measure_each(
        self, connection: libvirt.virConnect, groups: int, flags: int
    ) -> Iterable[tuple[libvirt.virDomain, Counters]]:
        """One by one, as one domain that fails makes the question about all fail (libvirt.md 4)."""
        module = load()
        for handle in connection.listAllDomains(module.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            try:
                yield from connection.domainListGetStats([handle], groups, flags)
            except module.libvirtError:
                continue

    def _try(self, what: str, ask: Any) -> Any:
        """What the driver answers; None, and not asked again, where it cannot."""
        if what in self._unsupported:
            return None
        module = load()
        try:
            return ask()
        except module.libvirtError as error:
            if is_unsupported(error.get_error_code()):
                self._unsupported.add(what)
            return None


def _tell_reason(reason: str, *, saved: bool) -> str:
    """libvirt's reason; it goes on saying that a domain is saved when its memory was dropped, or is in a file of which
    only its user knows: then it boots afresh.
    """
    return "was saved" if reason == "saved" and not saved else reason


def _version(number: int) -> str:
    """9000000 is 9.0.0."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
