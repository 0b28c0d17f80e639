"""Domains: virtual machines of libvirt, in the pane of VMs and under its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kvtui.joins.domain import Guest, guests_of_host, guests_of_job, join_guest
from kvtui.joins.footing import domains_of_node
from kvtui.joins.transit import tell_progress
from kvtui.model import Cell, Health, Platform, Ref, Tone
from kvtui.records.kubernetes import Node
from kvtui.records.libvirt import Domain, DomainJob, DomainState, Host
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import (
    NOTHING,
    age_cell,
    age_column,
    health_cell,
    last_known,
    number_cell,
    reason_column,
    text_cell,
    yes_no,
)
from kvtui.resources.domain_actions import ACTIONS
from kvtui.store import View
from kvtui.text import percent, rate, size

_WORDS = {
    DomainState.NONE: ("Unknown", Tone.WARN),
    DomainState.RUNNING: ("Running", Tone.OK),
    DomainState.BLOCKED: ("Running", Tone.OK),
    DomainState.PAUSED: ("Paused", Tone.WARN),
    DomainState.SHUTDOWN: ("Stopping", Tone.BUSY),
    DomainState.SHUTOFF: ("Stopped", Tone.MUTED),
    DomainState.CRASHED: ("Crashed", Tone.BAD),
    DomainState.SUSPENDED: ("Suspended", Tone.WARN),
}
"""In the words of the other VMs of the pane."""
_FAULTS = frozenset({"crashed", "failed", "I/O error", "watchdog", "panicked", "post-copy failed", "api error"})
"""Reasons that nobody wished for."""
_PASSING = frozenset({"migrating", "saving", "dumping", "shutting down", "creating snapshot", "starting up"})
"""Reasons of a pause that ends by itself."""


def _health(guest: Guest, now: float) -> Health:
    domain = guest.domain
    word, tone = _WORDS[domain.state]
    if not guest.reachable:
        return last_known(Health(tone, word), guest.backend, guest.host, now)
    if domain.fault:
        return Health(Tone.BAD, word, domain.fault)
    reason = domain.reason
    if reason in _FAULTS:
        # What broke once and runs again is told by its state.
        tone = Tone.BAD if domain.state is not DomainState.RUNNING else Tone.WARN
        return Health(tone, _fault_word(domain, word), _explain(domain))
    if guest.job is not None:
        return _working_health(guest.job, word)
    if domain.state is DomainState.PAUSED and reason in _PASSING:
        return Health(Tone.BUSY, word, reason)
    if domain.hung:
        return Health(Tone.WARN, f"{word},hung", "its QEMU does not answer; actions on it wait up to 30 s")
    if domain.state is DomainState.SHUTOFF:
        return _stopped_health(domain)
    if domain.differs and domain.active:
        changes = ", ".join(domain.differs)
        why = f"after stop and start: {changes}; a restart changes nothing"
        return Health(tone if tone is not Tone.OK else Tone.WARN, f"{word},stop/start due", why)
    return Health(tone, word, reason if tone is not Tone.OK else "")


_DOINGS = {
    "outgoing migration": "Migrating", "incoming migration": "Arriving",
    "save": "Saving", "dump": "Dumping", "restore": "Restoring", "start": "Starting", "snapshot": "Snapshot",
    "snapshot revert": "Reverting", "backup": "Backup",
}  # fmt: skip


def _working_health(job: DomainJob, word: str) -> Health:
    """While something is done to a domain as a whole."""
    doing = _DOINGS.get(job.operation, word)
    return Health(Tone.BUSY, doing, f"{job.operation} {tell_progress(job)}")


def _stopped_health(domain: Domain) -> Health:
    if domain.saved:
        return Health(Tone.MUTED, "Saved", "its memory lies on disk; a start goes on from there")
    if domain.autostart:
        return Health(Tone.WARN, "Stopped", f"it is to start with its host{_because(domain.reason)}")
    return Health(Tone.MUTED, "Stopped", domain.reason)


def _because(reason: str) -> str:
    return f"; it ended by: {reason}" if reason else ""


def _fault_word(domain: Domain, word: str) -> str:
    """What ended by a fault is not merely stopped, and what stands still by one not merely paused."""
    if domain.state is DomainState.SHUTOFF:
        return "Crashed" if domain.reason == "crashed" else "Failed"
    return f"{word},{domain.reason}" if domain.state is DomainState.PAUSED else word


def _explain(domain: Domain) -> str:
    if domain.reason == "I/O error":
        broken = [f"{disk.target} ({disk.error})" for disk in domain.disks if disk.error]
        return f"I/O error on {', '.join(broken)}" if broken else "I/O error on a disk"
    if domain.reason == "crashed":
        # Of one that is off, libvirt does not tell the two apart.
        return "its QEMU or its guest crashed" if domain.state is DomainState.SHUTOFF else "its guest crashed"
    words = {"failed": "it failed to start", "panicked": "its kernel panicked"}
    return words.get(domain.reason, domain.reason)


def _node(guest: Guest, _now: float) -> Cell:
    move = guest.moving
    return Cell(f"{move.source or '?'} > {move.target or '?'}", Tone.BUSY) if move is not None else Cell(guest.backend)


def _cpu(guest: Guest, _now: float) -> Cell:
    return number_cell(guest.domain.vcpus or None, str(guest.domain.vcpus))


def _mem(guest: Guest, _now: float) -> Cell:
    return number_cell(guest.domain.memory or None, size(guest.domain.memory))


def _agent(guest: Guest, _now: float) -> Cell:
    known = guest.domain.agent is not None and guest.domain.active
    return yes_no(guest.domain.agent) if known else NOTHING


def _snapshots(guest: Guest, _now: float) -> Cell:
    return number_cell(guest.domain.snapshots, str(guest.domain.snapshots))


def _uptime(guest: Guest, now: float) -> Cell:
    return age_cell(guest.domain.started, now)


def _ip(guest: Guest, _now: float) -> Cell:
    return text_cell(guest.domain.addresses[0].address if guest.domain.addresses else "")


def _os(guest: Guest) -> str:
    told = guest.domain.guest
    return (told.os if told is not None else "") or guest.domain.os


def _cpu_use(guest: Guest, _now: float) -> Cell:
    use = guest.domain.use
    if use is None or use.cpu is None or not guest.reachable:
        return NOTHING
    return number_cell(use.cpu, percent(use.cpu, guest.domain.vcpus or 1))


def _mem_use(guest: Guest, _now: float) -> Cell:
    amount = guest.domain.used if guest.domain.used is not None else guest.domain.resident
    return number_cell(amount, size(amount)) if guest.reachable and guest.domain.active else NOTHING


def _traffic(one: float | None, other: float | None) -> Cell:
    if one is None or other is None:
        return NOTHING
    return Cell(rate(one + other), None, one + other)


def _disk_rate(guest: Guest, _now: float) -> Cell:
    use = guest.domain.use
    return _traffic(use.read, use.written) if use is not None and guest.reachable else NOTHING


def _net_rate(guest: Guest, _now: float) -> Cell:
    use = guest.domain.use
    return _traffic(use.received, use.sent) if use is not None and guest.reachable else NOTHING


def _fields(guest: Guest) -> Mapping[str, str]:
    domain = guest.domain
    return {
        "node": guest.backend,
        "os": _os(guest),
        "volume": " ".join(disk.source for disk in domain.disks),
        "mac": " ".join(nic.mac for nic in domain.nics),
        "network": " ".join(nic.source for nic in domain.nics),
        "uuid": domain.metadata.uid,
        "title": domain.title,
        "machine": domain.machine,
        "phase": domain.state.value,
        "carries": " ".join(guest.nodes),
        "host": guest.host.uri if guest.host is not None else "",
    }


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Domain))


RESOURCE: Resource[Guest] = Resource(
    name="vms",
    aliases=("vm", "domains", "domain", "dom"),
    title="VMs",
    label="vm",
    row_type=Guest,
    sources=(sources.DOMAINS, sources.HOSTS, sources.JOBS),
    refs=_refs,
    row=join_guest,
    arriving=lambda guest: guest.arriving,
    related={Domain: itself, Host: guests_of_host, DomainJob: guests_of_job, Node: domains_of_node},
    ref=lambda guest: guest.ref,
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.domain.metadata.name), 14, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 12, rank=0, grow=1),
        Column("NODE", _node, 10, rank=1, grow=2),
        Column("IP", _ip, 15, rank=3),
        Column("CPU", _cpu, 3, rank=4, right=True),
        Column("MEM", _mem, 5, rank=4, right=True),
        Column("CPU USE", _cpu_use, 7, rank=4, right=True, drifts=True),
        Column("MEM USE", _mem_use, 7, rank=6, wide=True, right=True, drifts=True),
        Column("DISK", _disk_rate, 9, rank=5, right=True, drifts=True),
        Column("NET", _net_rate, 9, rank=5, right=True, drifts=True),
        Column("AGENT", _agent, 5, rank=5),
        Column("AUTOSTART", lambda row, _now: yes_no(row.domain.autostart), 9, rank=6, wide=True),
        Column("SNAPS", _snapshots, 5, rank=6, wide=True, right=True),
        Column("UPTIME", _uptime, 6, rank=6, wide=True, right=True, ticks=True),
        age_column(lambda row: row.domain.created),
        Column("OS", lambda row, _now: text_cell(_os(row)), 16, rank=7, wide=True),
        Column("CARRIES", lambda row, _now: text_cell(", ".join(row.nodes)), 18, rank=6, wide=True),
        Column("MACHINE", lambda row, _now: text_cell(row.domain.machine), 14, rank=8, wide=True),
        reason_column(_health, wide=True, rank=5),
    ),
    fields=_fields,
    labels=lambda _guest: {},
    measured=(sources.DOMAINS,),
    actions=ACTIONS,
    placed=frozenset({Platform.LIBVIRT}),
)
