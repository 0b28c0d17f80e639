"""Domains that are to start with their host and do not run, or run and do not start with it.

Reasons: libvirt's virDomainShutoffReason.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from kvtui.joins.domain import Guest, guests_of_host, host_answers, hosts_of_guest, join_guest
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.store import View
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, itself

SETTLE = 60.0
"""Seconds for which it may be off: a host that comes up starts one after the other."""
MEANT = 600.0
"""Seconds for which nobody need be told that a VM is off that somebody shut down just now."""
_NAMED = 4
"""VMs that a sentence names before it counts the rest."""
_ASKED = frozenset({"shutdown", "destroyed", "from snapshot"})
"""Reasons that somebody gave, on the host or in the guest."""
_FAULTS = frozenset({"crashed", "failed"})
"""Reasons of which `domain.state` tells."""


def _judge(view: View, ref: Ref, now: float) -> Judgement:
    guest = join_guest(view, ref)
    if guest is None or not _is_off(guest.domain):
        return WELL
    if not guest.reachable:
        return HIDDEN
    domain = guest.domain
    elsewhere = _runs_elsewhere(view, ref, domain)
    if elsewhere:
        cause = f"it runs on {elsewhere}, and is to start with {ref.backend} as well: both would write its disks"
        step = f"turn autostart off here, or undefine it on {ref.backend}"
        return Judgement(_finding(guest, ref, Severity.WARN, "may start twice", cause, step))
    if domain.reason not in _ASKED:
        why = f"libvirt says {domain.reason}" if domain.reason else "libvirt does not know any more why it ended"
        cause = f"it is to start with its host, and does not run; {why}"
        step = "start it; its log is on the host, in /var/log/libvirt/qemu"
        return Judgement(_finding(guest, ref, Severity.WARN, "has not started", cause, step))
    ripe = (domain.since or 0.0) + MEANT
    if now < ripe:
        return Judgement(again=ripe)
    cause = f"it is to start with its host, and was {_TELLS[domain.reason]}"
    step = "start it, or turn its autostart off if it is to stay off"
    return Judgement(_finding(guest, ref, Severity.INFO, "is off", cause, step))


_TELLS = {
    "shutdown": "shut down, by its guest or by somebody here",
    "destroyed": "cut off by somebody (destroyed)",
    "from snapshot": "put back to a snapshot that was taken while it was off",
}


def _is_off(domain: Domain) -> bool:
    off = domain.state is DomainState.SHUTOFF and domain.autostart and not domain.saved
    return off and domain.reason not in _FAULTS


def _runs_elsewhere(view: View, ref: Ref, domain: Domain) -> str:
    """The host on which the same domain runs; empty when it runs on none."""
    found = (at.backend for at, one in view.everywhere(Domain, "uuid", domain.metadata.uid) if one.active)
    return next((backend for backend in found if backend != ref.backend), "") if domain.metadata.uid else ""


def _finding(guest: Guest, ref: Ref, severity: Severity, trouble: str, cause: str, step: str) -> Finding:
    domain = guest.domain
    state = f"{domain.state.value}, {domain.reason}" if domain.reason else domain.state.value
    return Finding(
        rule="domain.autostart",
        severity=severity,
        subject=ref,
        label="vm",
        trouble=trouble,
        cause=cause,
        since=domain.since,
        evidence=(
            Evidence(f"domain {ref.name}", "state", state, domain.since),
            Evidence(f"domain {ref.name}", "autostart", "enable"),
        ),
        step=step,
    )


def _judge_host(view: View, ref: Ref, _now: float) -> Judgement:
    """Where none starts with it, somebody else sees to that: a manager of clusters, or an operator."""
    if view.find(Host, ref) is None:
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    domains = [(at, domain) for at, domain in view.items(Domain, ref.backend) if domain.persistent]
    starting = sum(domain.autostart for _, domain in domains)
    staying = sorted((at for at, domain in domains if domain.active and not domain.autostart), key=attrgetter("name"))
    if not starting or not staying:
        return WELL
    names = [at.name for at in staying]
    named = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    runs, stays, their = ("runs", "stays", "its") if len(names) == 1 else ("run", "stay", "their")
    return Judgement(
        Finding(
            rule="host.autostart",
            severity=Severity.INFO,
            subject=ref,
            label="host",
            trouble="boots without some VMs",
            cause=f"{named} {runs}, and {stays} off after a boot: {their} autostart is off, that of {starting} is on",
            evidence=tuple(Evidence(f"domain {name}", "autostart", "disable") for name in names[:_NAMED]),
            step="turn autostart on for each that is to come up with its host",
            about=tuple(staying),
        )
    )


def _everywhere(view: View, ref: Ref, domain: Domain) -> Iterator[Ref]:
    """A domain, and the same on other hosts."""
    yield ref
    if domain.metadata.uid:
        yield from (found for found, _ in view.everywhere(Domain, "uuid", domain.metadata.uid))


RULES = (
    Rule(
        "domain.autostart",
        _judge,
        {Domain: _everywhere, Host: guests_of_host},
        settle=SETTLE,
        linger=LINGER,
        detects="a VM of a host that is to start with it and does not run, or that runs elsewhere already",
        severities="warn, info",
    ),
    Rule(
        "host.autostart",
        _judge_host,
        {Domain: hosts_of_guest, Host: itself},
        settle=SETTLE,
        linger=LINGER,
        detects="VMs that run on a host and do not start with it, though others there do",
        severities="info",
    ),
)
