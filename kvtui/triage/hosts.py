"""Hosts of libvirt that are lost, and pools that are not as they should be. Evidence: libvirt.md 4."""

from __future__ import annotations

from collections.abc import Iterator

from kvtui.joins.footing import hosts_of_node, name_nodes, nodes_on
from kvtui.joins.storage import has_old_sizes, name_run, name_starved, pools_in_trouble, runs_from, starved_by
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.bastion import Bastion
from kvtui.records.kubernetes import Node
from kvtui.records.libvirt import POOL_FULL, POOL_NEARLY_FULL, Domain, Host, StoragePool
from kvtui.store import View
from kvtui.text import percent, size
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, itself

_WORTH = 0.01
"""Share of a pool from which it is worth a word that its volumes grew."""
_REVIVE = "start the pool: until then these disks cannot be copied, snapshot or grown, and the VMs may not start again"
_LOST = frozenset({"silent", "lost", "unreachable"})


def _judge_host(view: View, ref: Ref, _now: float) -> Judgement:
    host = view.find(Host, ref)
    if host is None or host.link not in _LOST:
        return WELL
    if host.hop or any(ref.backend in bastion.hosts for _, bastion in view.items(Bastion)):
        return HIDDEN
    domains = [domain for _, domain in view.items(Domain, ref.backend) if domain.active]
    nodes = [node for node, _ in nodes_on(view, ref.backend)]
    takes = []
    if domains:
        takes.append(f"{len(domains)} VM{'s' if len(domains) != 1 else ''} there, whose state is not known")
    if nodes:
        takes.append(f"among them nodes of {name_nodes(nodes)}")
    words = host.trouble or "no reason is known"
    return Judgement(
        Finding(
            rule="host.lost",
            severity=Severity.WARN if host.link == "silent" else Severity.BAD,
            subject=ref,
            label="host",
            trouble=host.absence,
            cause="; ".join([words, *takes]),
            since=host.link_since,
            evidence=(Evidence(f"host {ref.name}", host.uri, words, host.link_since),),
            step="look at the machine and at libvirtd there; what is shown of it is as old as this",
        )
    )


def _judge_pool(view: View, ref: Ref, _now: float) -> Judgement:
    pool = view.find(StoragePool, ref)
    if pool is None:
        return WELL
    if pool.state in ("degraded", "inaccessible"):
        return Judgement(_of_pool(ref, pool, Severity.BAD, f"is {pool.state}", f"libvirt says {pool.state}"))
    if pool.state == "inactive":
        runs = runs_from(view, ref.backend, pool)
        if runs:
            return Judgement(_of_pool(ref, pool, Severity.WARN, "is inactive", name_run(pool, runs), _REVIVE))
        if not pool.autostart:
            return WELL
        words = "it is to start with its host; its volumes cannot be used until then"
        return Judgement(
            _of_pool(ref, pool, Severity.WARN, "is inactive", words, "start the pool, and see why it did not")
        )
    starved = starved_by(view, ref.backend, pool)
    if starved:
        words = name_starved(starved)
        if has_old_sizes(pool, starved):
            words += f"; the {size(pool.free)} free are of libvirt's last look into it, before that"
        step = "make room, resume what is paused, and refresh the pool to see how much is free"
        return Judgement(_of_pool(ref, pool, Severity.BAD, "is full", words, step))
    taken = pool.used or 0.0
    if taken < POOL_NEARLY_FULL:
        return WELL
    words = f"{percent(taken, 1.0)} of {size(pool.capacity)} taken, {size(pool.left)} left"
    if pool.grown >= _WORTH * pool.capacity:
        words += f"; {size(pool.grown)} of it since libvirt last looked into it"
    severity, trouble = (Severity.BAD, "is full") if taken >= POOL_FULL else (Severity.WARN, "is nearly full")
    return Judgement(_of_pool(ref, pool, severity, trouble, words, "remove volumes or snapshots, or let the pool grow"))


def _of_pool(ref: Ref, pool: StoragePool, severity: Severity, trouble: str, cause: str, step: str = "") -> Finding:
    return Finding(
        rule="pool.state",
        severity=severity,
        subject=ref,
        label="pool",
        trouble=trouble,
        cause=cause,
        evidence=(Evidence(f"pool {ref.name}", "state", pool.state),),
        step=step,
    )


def _hosts_behind(view: View, _ref: Ref, bastion: Bastion) -> Iterator[Ref]:
    for name in bastion.hosts:
        for host, _ in view.items(Host, name):
            yield host


def _of_domain(view: View, ref: Ref, _domain: Domain) -> Iterator[Ref]:
    for host, record in view.items(Host, ref.backend):
        if record.link in _LOST:
            yield host


RULES = (
    Rule(
        "host.lost",
        _judge_host,
        {Host: itself, Domain: _of_domain, Bastion: _hosts_behind, Node: hosts_of_node},
        detects="a host that does not answer, and what it takes along",
        severities="bad, warn",
    ),
    Rule(
        "pool.state",
        _judge_pool,
        {StoragePool: itself, Domain: pools_in_trouble},
        linger=LINGER,
        detects="a pool that is full, nearly full, inactive, degraded or cannot be reached",
        severities="bad, warn",
    ),
)
