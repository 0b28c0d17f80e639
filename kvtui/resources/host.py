"""Hosts: the machines that libvirt runs domains on, in the pane of nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.joins.footing import hosts_of_node, nodes_on
from kvtui.joins.storage import runs_from, starved_by
from kvtui.model import Cell, Health, Platform, Ref, Tone, Usage
from kvtui.records.kubernetes import Node
from kvtui.records.libvirt import POOL_FULL, Domain, Host, StoragePool
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import NOTHING, health_cell, number_cell, reason_column, text_cell
from kvtui.store import View
from kvtui.text import age, percent, size

_CPU_OVERCOMMIT = 4.0
"""Promised CPUs for each real one from which they are marked."""
_MEMORY_OVERCOMMIT = 1.0


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host and what its running domains were promised."""

    backend: str
    host: Host
    domains: int
    active: int
    vcpus: int
    memory: int
    """Promised to the domains that run, in bytes."""
    pools: tuple[str, ...]
    """Those that are not well first, each with what is wrong."""
    bad_pools: int
    nodes: list[Ref]
    """The nodes of clusters that run in its domains. A list: they are no parts of the host."""
    usage: Usage | None
    """None while the host is not connected, too."""


def _row(view: View, ref: Ref) -> HostRow | None:
    host = view.find(Host, ref)
    if host is None:
        return None
    domains = [domain for _, domain in view.items(Domain, ref.backend)]
    active = [domain for domain in domains if domain.active]
    pools = [pool for _, pool in view.items(StoragePool, ref.backend)]
    troubles = [(pool.metadata.name, _trouble(view, ref.backend, pool)) for pool in pools]
    bad = [f"{name} {trouble}" for name, trouble in troubles if trouble]
    well = [name for name, trouble in troubles if not trouble]
    return HostRow(
        ref.backend,
        host,
        len(domains),
        len(active),
        sum(domain.vcpus for domain in active),
        sum(domain.memory_most for domain in active),
        (*bad, *well),
        len(bad),
        [node for node, _ in nodes_on(view, ref.backend)],
        view.usage(ref.backend, Host.KIND, "", ref.name) if host.connected else None,
    )


def _trouble(view: View, backend: str, pool: StoragePool) -> str:
    """What is wrong with a pool, in a word or two."""
    if pool.state == "running":
        return "full" if pool.strain >= POOL_FULL or starved_by(view, backend, pool) else ""
    return pool.state if pool.autostart or pool.state != "inactive" or runs_from(view, backend, pool) else ""


_WORDS = {
    "connecting": ("connecting", Tone.BUSY),
    "silent": ("no answer", Tone.WARN),
    "lost": ("lost", Tone.BAD),
    "unreachable": ("unreachable", Tone.BAD),
}


def _health(row: HostRow, now: float) -> Health:
    host = row.host
    if not host.connected:
        word, tone = _WORDS.get(host.link, (host.link, Tone.WARN))
        if host.hop:
            return Health(Tone.WARN, "not reachable", f"through {host.hop}: {host.trouble}")
        silence = host.silence(now)
        return Health(tone, word, host.trouble if silence is None else f"{host.trouble}; no answer for {age(silence)}")
    if row.bad_pools:
        return Health(Tone.WARN, "Ready,pool trouble", ", ".join(row.pools[: row.bad_pools]))
    if host.read_only:
        return Health(Tone.OK, "Ready,looks only", "libvirt grants this account a connection for looking only")
    return Health(Tone.OK, "Ready")


def _status(row: HostRow, now: float) -> Cell:
    cell, silence = health_cell(_health(row, now)), row.host.silence(now)
    return cell if silence is None else cell._replace(text=f"{cell.text} {age(silence)}")


def _vms(row: HostRow, _now: float) -> Cell:
    """Of a host that was never reached, nobody knows."""
    return number_cell(row.active, f"{row.active}") if row.host.libvirt_version else NOTHING


def _cpu(row: HostRow, _now: float) -> Cell:
    return _share(row.usage.cpu if row.usage is not None else None, row.host.cpus)


def _memory(row: HostRow, _now: float) -> Cell:
    return _share(row.usage.memory if row.usage is not None else None, row.host.memory)


def _share(used: float | None, whole: float) -> Cell:
    if used is None or not whole:
        return NOTHING
    tone = Tone.BAD if used > 0.95 * whole else Tone.WARN if used > 0.85 * whole else None
    return Cell(percent(used, whole), tone, used / whole)


def _overcommit(row: HostRow, _now: float) -> Cell:
    """CPUs and memory that are promised for each that there is."""
    host = row.host
    if not host.cpus or not host.memory:
        return NOTHING
    cpus, memory = row.vcpus / host.cpus, row.memory / host.memory
    tone = Tone.WARN if cpus > _CPU_OVERCOMMIT or memory > _MEMORY_OVERCOMMIT else None
    return Cell(f"{cpus:.1f}x {memory:.1f}x", tone, max(cpus / _CPU_OVERCOMMIT, memory))


def _wait(row: HostRow, _now: float) -> Cell:
    waiting = row.usage.waiting if row.usage is not None else None
    if waiting is None:
        return NOTHING
    return Cell(percent(waiting, 1.0), Tone.WARN if waiting > 0.2 else None, waiting)


def _capacity(row: HostRow, _now: float) -> Cell:
    host = row.host
    return NOTHING if not host.cpus else Cell(f"{host.cpus} CPU, {size(host.memory)}", None, host.memory)


def _version(row: HostRow, _now: float) -> Cell:
    host = row.host
    return text_cell(f"{host.driver} {host.hypervisor_version}".strip())


def _clusters(row: HostRow, _now: float) -> Cell:
    """Which clusters stand on it, and with how many nodes."""
    counts = Counter(node.backend for node in row.nodes)
    return text_cell(", ".join(f"{cluster} ({count})" for cluster, count in sorted(counts.items())))


def _fields(row: HostRow) -> Mapping[str, str]:
    host = row.host
    return {
        "os": "",
        "kernel": "",
        "arch": host.arch,
        "zone": "",
        "uuid": " ".join(dict.fromkeys(filter(None, (host.system_uuid, host.uuid)))),
        "uri": host.uri,
        "pool": " ".join(row.pools),
        "libvirt": host.libvirt_version,
        "cluster": " ".join(sorted({node.backend for node in row.nodes})),
    }


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Host))


def _of_backend(view: View, ref: Ref, _record: Domain | StoragePool) -> Iterator[Ref]:
    for host, _ in view.items(Host, ref.backend):
        yield host


RESOURCE: Resource[HostRow] = Resource(
    name="nodes",
    aliases=("node", "hosts", "host"),
    title="Nodes",
    label="host",
    row_type=HostRow,
    sources=(sources.HOSTS, sources.DOMAINS, sources.POOLS),
    refs=_refs,
    row=_row,
    related={Host: itself, Domain: _of_backend, StoragePool: _of_backend, Node: hosts_of_node},
    ref=lambda row: row.host.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.host.metadata.name), 12, rank=0, grow=2),
        Column("STATUS", _status, 13, rank=0, grow=1, ticks=True),
        Column("VMS", _vms, 4, rank=1, right=True),
        Column("CPU", _cpu, 7, rank=2, right=True, measured=True),
        Column("MEMORY", _memory, 7, rank=2, right=True, measured=True),
        Column("OVERCOMMIT", _overcommit, 10, rank=3, right=True),
        Column("VERSION", _version, 12, rank=5),
        Column("POOLS", lambda row, _now: text_cell(", ".join(row.pools)), 10, rank=4, grow=1),
        Column("CLUSTERS", _clusters, 14, rank=4, grow=1, wide=True),
        Column("IO WAIT", _wait, 7, rank=5, wide=True, right=True, measured=True),
        Column("ADDRESS", lambda row, _now: text_cell(row.host.uri), 24, rank=5, wide=True),
        Column("ALLOCATABLE", _capacity, 16, rank=5, wide=True),
        Column("CPU MODEL", lambda row, _now: text_cell(row.host.cpu_model), 16, rank=6, wide=True),
        reason_column(_health, wide=True),
    ),
    fields=_fields,
    labels=lambda _row: {},
    measured=(sources.HOSTS,),
    placed=frozenset({Platform.LIBVIRT}),
)
