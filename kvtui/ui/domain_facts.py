"""What a detail screen says of domains and hosts beside their columns: parts, agent, what happened, XML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kvtui.backends.base import Document, Happening
from kvtui.joins.domain import Guest as Row
from kvtui.model import Tone
from kvtui.records.libvirt import Address, Disk, Domain, Filesystem, Guest, Host, Nic
from kvtui.text import age, percent, size
from kvtui.ui.lines import Line, Part, line, wrap

_FULL: Final = 0.95
"""Share of a file system from which on it is nearly full."""
_CLOCK: Final = 2.0
"""Seconds by which a guest's clock may differ: asking takes its time, too."""
_TOKEN: Final = re.compile(r"(<!--.*?-->|</?[\w:.-]+|/?>|[\w:.-]+=(?=[\"']))")
_COLUMN: Final = 10


def domain_lines(row: Row, agent: Guest | str, width: int) -> Iterator[Line]:
    """Host, differences, disks, interfaces and the agent; `agent` is what it told, or why it told nothing."""
    domain = row.domain
    yield from _host_lines(row, width)
    if domain.differs:
        yield from _section("Different after the next start")
        for change in domain.differs:
            yield from _item(change, width, Tone.WARN)
    yield from _section(f"Disks {len(domain.disks)}")
    for disk in domain.disks:
        yield from _disk_lines(disk, width)
    yield from _section(f"Interfaces {len(domain.nics)}")
    for nic in domain.nics:
        yield from _nic_lines(nic, _addresses(domain, agent), width)
    if domain.host_devices:
        yield from _section("Devices of the host, which pin it there")
        for device in domain.host_devices:
            yield from _item(device, width)
    yield from _agent_lines(agent, width)


def host_lines(host: Host, width: int) -> Iterator[Line]:
    """How a host is reached, and what it is."""
    yield from _section("Connection")
    yield from _item(host.uri, width)
    asked = ", for looking only" if host.read_only else ""
    yield from _item(f"{host.absence if host.hop else host.link}{asked}", width, None if host.connected else Tone.BAD)
    if host.trouble:
        yield from _item(host.trouble, width, Tone.BAD)
    if not host.libvirt_version:
        return
    yield from _section("Machine")
    yield from _item(f"calls itself {host.hostname}", width)
    yield from _item(f"{host.driver} {host.hypervisor_version}, libvirt {host.libvirt_version}", width)
    cpu = f"{host.cpus} CPUs {host.cpu_model}".rstrip()
    yield from _item(f"{cpu}, {host.arch}, {size(host.memory)} memory", width)
    yield from _item(f"UUID {host.uuid or 'not told by libvirt'}", width)
    if host.system_uuid and host.system_uuid != host.uuid:
        yield from _item(f"UUID of its firmware {host.system_uuid}", width)


def explain_silence(row: Row) -> str:
    """Why the agent in a guest need not be asked; empty when it is there."""
    domain = row.domain
    if not row.reachable:
        assert row.host is not None
        return f"{row.backend} {row.host.absence}"
    if not domain.active:
        return "the VM does not run"
    if domain.agent is None:
        return "none: the VM has no channel for it"
    return "" if domain.agent else "not connected: qemu-guest-agent does not run in the guest"


def _host_lines(row: Row, width: int) -> Iterator[Line]:
    host, domain = row.host, row.domain
    yield from _section("Host")
    if host is not None:
        yield from _item(f"{host.hostname or row.backend}, {host.uri}", width)
        versions = f"{host.driver} {host.hypervisor_version}, libvirt {host.libvirt_version}"
        yield from _item(versions if host.libvirt_version else host.trouble or host.link, width)
    kind = ", ".join(filter(None, (domain.driver, domain.arch, domain.machine, domain.firmware)))
    cpu = " ".join(filter(None, (domain.cpu_mode, domain.cpu_model)))
    yield from _item(f"as {kind}{f', CPU {cpu}' if cpu else ''}", width)
    kept = "stored" if domain.persistent else "transient: it is gone once it ends"
    snapshots = f"{domain.snapshots} snapshots" if domain.snapshots != 1 else "1 snapshot"
    yield from _item(f"{kept}, UUID {domain.metadata.uid}, {snapshots}", width)


def _disk_lines(disk: Disk, width: int) -> Iterator[Line]:
    told = [disk.source or "no medium", disk.format]
    if disk.capacity is not None:
        used = f", {size(disk.allocation)} taken" if disk.allocation is not None else ""
        told.append(f"{size(disk.capacity)}{used}")
    if disk.cache:
        told.append(f"cache {disk.cache}")
    marks = (("read-only", disk.read_only), ("shared", disk.shared), ("tray open", disk.open))
    told += [word for word, holds in marks if holds]
    kind = "" if disk.device == "disk" else f" {disk.device}"
    yield from _entry(f"{disk.target}{kind}", "  ".join(filter(None, told)), width)
    for layer in disk.layers:
        yield from _entry("", f"stands on {layer}", width, Tone.MUTED)
    if disk.error:
        yield from _entry("", disk.error, width, Tone.BAD)


def _nic_lines(nic: Nic, addresses: Sequence[Address], width: int) -> Iterator[Line]:
    told = [nic.mac, f"{nic.kind} {nic.source}".strip(), nic.model, "" if nic.up else "link down"]
    yield from _entry(nic.target or "-", "  ".join(filter(None, told)), width, None if nic.up else Tone.WARN)
    for address in addresses:
        if address.mac.lower() == nic.mac.lower():
            yield from _entry("", f"{address.address} ({address.source})", width)


def _addresses(domain: Domain, agent: Guest | str) -> list[Address]:
    """What is known, and what the agent has just told beside it."""
    told = agent.addresses if isinstance(agent, Guest) else ()
    known = {address.address for address in domain.addresses}
    return [*domain.addresses, *(address for address in told if address.address not in known)]


def _agent_lines(agent: Guest | str, width: int) -> Iterator[Line]:
    yield from _section("Guest agent")
    if isinstance(agent, str):
        yield from _item(agent, width, Tone.MUTED)
        return
    zone = f", {agent.timezone}" if agent.timezone else ""
    for name, value in (("name", agent.hostname), ("system", agent.os), ("kernel", agent.kernel)):
        if value:
            yield from _entry(name, value, width)
    if agent.clock is not None:
        behind = "ahead of" if agent.clock > 0 else "behind"
        off = abs(agent.clock) > _CLOCK
        words = f"{age(abs(agent.clock))} {behind} ours" if off else "as ours"
        yield from _entry("clock", f"{words}{zone}", width, Tone.WARN if off else None)
    yield from _entry("users", ", ".join(agent.users) or "nobody is logged in", width)
    for system in agent.filesystems:
        yield from _filesystem_lines(system, width)
    for words in agent.silent:
        yield from _item(f"not told: {words}", width, Tone.MUTED)


def _filesystem_lines(system: Filesystem, width: int) -> Iterator[Line]:
    tone = None
    told = f"{system.mount}  {system.type}"
    if system.total and system.used is not None:
        told += f"  {size(system.used)} of {size(system.total)}, {percent(system.used, system.total)}"
        tone = Tone.WARN if system.used / system.total >= _FULL else None
    yield from _entry("mounted", told, width, tone)


def happening_lines(happenings: Iterable[Happening], now: float, width: int) -> Iterator[Line]:
    """What happened, the newest first."""
    ordered = sorted(happenings, key=lambda happening: happening.moment, reverse=True)
    if not ordered:
        yield line("nothing happened since kvtui watches; libvirt keeps no events", Tone.MUTED)
    for happening in ordered:
        times = f" x{happening.count}" if happening.count > 1 else ""
        yield (
            Part(f"{age(now - happening.moment):>6}  ", "muted"),
            Part(f"{happening.what}{times}", str(happening.tone or "bold")),
        )
        for piece in wrap(happening.detail, width, "        ") if happening.detail else ():
            yield line(piece)


def document_lines(documents: Iterable[Document]) -> Iterator[Line]:
    """The texts, each below its title."""
    for number, document in enumerate(documents):
        if number:
            yield line()
        yield line(document.title, "title")
        yield from map(xml_line, document.text.splitlines())


def xml_line(text: str) -> Line:
    """A line of XML with its names set off."""
    parts = []
    for piece in _TOKEN.split(text):
        if piece.startswith("<!--"):
            parts.append(Part(piece, "muted"))
        elif piece:
            parts.append(Part(piece, "key" if _TOKEN.fullmatch(piece) else ""))
    return tuple(parts)


def _section(title: str) -> Iterator[Line]:
    yield line()
    yield line(title, "title")


def _item(text: str, width: int, tone: Tone | None = None) -> Iterator[Line]:
    for piece in wrap(text, width, "  "):
        yield line(piece, tone or "")


def _entry(name: str, text: str, width: int, tone: Tone | None = None) -> Iterator[Line]:
    first, *more = wrap(text, width - _COLUMN - 2)
    yield (Part(f"  {name:<{_COLUMN - 1}} ", "key"), Part(first, str(tone or "")))
    for piece in more:
        yield (Part(" " * (_COLUMN + 2)), Part(piece, str(tone or "")))
