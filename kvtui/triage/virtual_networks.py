"""Virtual networks of hosts that are not active though somebody needs them. Source: libvirt's formatnetwork.html."""

from __future__ import annotations

from collections.abc import Iterator

from kvtui.joins.domain import host_answers
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.libvirt import Domain, Host
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.store import View
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, itself

_NAMED = 3
_LENT = frozenset({"bridge", "private", "vepa", "passthrough", "hostdev"})
"""Modes of forwarding in which VMs are plugged into what the host has by itself: that stays without the network."""


def _judge(view: View, ref: Ref, _now: float) -> Judgement:
    network = view.find(VirtualNetwork, ref)
    if network is None or network.active:
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    users = [domain for _, domain in view.linked(Domain, ref.backend, "network", ref.name)]
    running = [domain for domain in users if domain.active]
    if running and network.forward not in _LENT:
        words = f"cuts off VM {_enumerate(running)}, which run{'s' if len(running) == 1 else ''} without it"
        step = "start the network, then unplug and plug in their interfaces, or restart them: the old bridge is gone"
        return Judgement(_finding(ref, network, Severity.BAD, words, step))
    if running:
        words = f"VM {_enumerate(running)} cannot start again without it; what runs goes on, on the host's own bridge"
        return Judgement(_finding(ref, network, Severity.WARN, words, "start the network"))
    starting = [domain for domain in users if domain.autostart]
    if starting:
        are = "is" if len(starting) == 1 else "are"
        words = f"VM {_enumerate(starting)} {are} to start with the host, and cannot without it"
        return Judgement(_finding(ref, network, Severity.WARN, words, "start the network, then the VMs"))
    if not network.autostart:
        return WELL
    words = "it is to start with its host, and does not run"
    return Judgement(_finding(ref, network, Severity.WARN, words, "start the network, and see why it did not"))


def _enumerate(domains: list[Domain]) -> str:
    names = sorted(domain.metadata.name for domain in domains)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _finding(ref: Ref, network: VirtualNetwork, severity: Severity, cause: str, step: str) -> Finding:
    autostart = "on" if network.autostart else "off"
    return Finding(
        rule="host.network",
        severity=severity,
        subject=ref,
        label="network",
        trouble="is inactive",
        cause=cause,
        evidence=(Evidence(f"network {ref.name}", "state", f"inactive, autostart {autostart}"),),
        step=step,
    )


def _of_domain(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    for nic in domain.nics:
        network = view.get(VirtualNetwork, ref.backend, "", nic.source) if nic.kind == "network" else None
        if network is not None and not network.active:
            yield network.ref(ref.backend)


def _of_host(view: View, ref: Ref, _host: Host) -> Iterator[Ref]:
    for network, record in view.items(VirtualNetwork, ref.backend):
        if not record.active:
            yield network


RULES = (
    Rule(
        "host.network",
        _judge,
        {VirtualNetwork: itself, Domain: _of_domain, Host: _of_host},
        linger=LINGER,
        detects="a virtual network of a host that is not active under VMs that run, or that is to start with its host",
        severities="bad, warn",
    ),
)
