"""Hosts of libvirt that are lost, whose memory is running out, or whose clock is off. Evidence: libvirt.md 4."""

from __future__ import annotations

from collections.abc import Iterator

from kvtui.joins.clocks import OFF, clocks_of, common_offset, tell_offset
from kvtui.joins.domain import hosts_of_guest
from kvtui.joins.footing import hosts_of_node, name_nodes, nodes_on
from kvtui.joins.memory import MemoryUse, use_memory
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.bastion import Bastion
from kvtui.records.kubernetes import Node
from kvtui.records.libvirt import Domain, Host
from kvtui.store import View
from kvtui.text import size
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, itself

SETTLE = 30.0
"""Seconds for which a host may be short of memory: a VM that starts or arrives takes it at once, caches let go."""
SHORT = 0.05
"""Share of its memory that a host needs for itself."""
TIGHT = 0.15
"""Share that has to be left where more is promised than there is."""
_MEASURED = 15.0
"""Seconds between two looks at what is left: it changes without an object's change."""
_NAMED = 4
"""Guests that are named as evidence."""
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
            cause="; ".join([*takes, words]),
            since=host.link_since,
            evidence=(Evidence(f"host {ref.name}", host.uri, words, host.link_since),),
            step="look at the machine and at libvirtd there; what is shown of it is as old as this",
        )
    )


def _judge_memory(view: View, ref: Ref, now: float) -> Judgement:
    host = view.find(Host, ref)
    if host is None:
        return WELL
    if not host.connected:
        return HIDDEN
    use = use_memory(view, ref)
    if use is None:
        return WELL
    again = now + _MEASURED
    if use.overcommitted:
        severity = Severity.INFO if use.is_left(TIGHT) else Severity.WARN
        cause = f"{_tell_promise(use)}; {_tell_left(use)}"
        return Judgement(_of_memory(ref, host, use, severity, "has promised too much memory", cause), again)
    if not use.is_left(SHORT):
        cause = f"{_tell_left(use)} of its {size(use.room)}"
        return Judgement(_of_memory(ref, host, use, Severity.WARN, "is short of memory", cause), again)
    return Judgement(again=again)


def _of_memory(ref: Ref, host: Host, use: MemoryUse, severity: Severity, trouble: str, cause: str) -> Finding:
    huge = f", {size(host.huge_pages)} of it huge pages" if host.huge_pages else ""
    return Finding(
        rule="host.memory",
        severity=severity,
        subject=ref,
        label="host",
        trouble=trouble,
        cause=cause,
        evidence=(
            Evidence(f"host {ref.name}", "memory", f"{size(host.memory)}{huge}"),
            Evidence(f"domains of {ref.name}", "memory", f"{size(use.promised)} promised, {size(use.held)} held"),
        ),
        step="shut VMs down, move some away or give them less, before it swaps or its kernel kills one",
    )


def _tell_promise(use: MemoryUse) -> str:
    who = f"its {use.domains} VMs" if use.domains != 1 else "its VM"
    return f"{who} may use {size(use.promised)} of the {size(use.room)} that it has"


def _tell_left(use: MemoryUse) -> str:
    """What is left; where that is not measured, what is held."""
    return f"{size(use.held)} are held now" if use.left is None else f"{size(use.left)} are free now"


def _judge_clock(view: View, ref: Ref, _now: float) -> Judgement:
    """Most of its guests are off by the same: nobody tells the clock of a host itself."""
    host = view.find(Host, ref)
    if host is None:
        return WELL
    if not host.connected:
        return HIDDEN
    off = common_offset(view, ref.backend)
    if abs(off) < OFF:
        return WELL
    guests = clocks_of(view, ref.backend)
    words = f"the clocks of most of its {len(guests)} guests are {tell_offset(off)}"
    return Judgement(
        Finding(
            rule="host.clock",
            severity=Severity.WARN,
            subject=ref,
            label="host",
            trouble="has another time",
            cause=f"{words}: its clock is wrong, or ours is",
            evidence=tuple(Evidence(f"domain {name}", "clock", tell_offset(clock)) for name, clock in guests[:_NAMED]),
            step=f"compare date on {ref.name} and here, and mend the one that is wrong (chronyc tracking)",
        )
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
        "host.memory",
        _judge_memory,
        {Host: itself, Domain: hosts_of_guest},
        settle=SETTLE,
        linger=LINGER,
        detects="a host whose VMs may use more memory than it has, or that has next to none left",
        severities="warn, info",
    ),
    Rule(
        "host.clock",
        _judge_clock,
        {Host: itself, Domain: hosts_of_guest},
        linger=LINGER,
        detects="a host most of whose guests have another time than we",
        severities="warn",
    ),
)
