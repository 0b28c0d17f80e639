"""Guest agents of domains that are gone or do not answer, and what they tell of the guests' clocks.

Evidence: libvirt.md 3d; libvirt's formatdomain.html, element channel.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvtui.joins.clocks import OFF, common_offset, tell_offset
from kvtui.joins.domain import Guest, guests_of_host, host_answers, join_guest
from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.store import View
from kvtui.triage.base import HIDDEN, LINGER, WELL, Judgement, Rule, itself

BOOT_LIMIT = 300.0
"""Seconds for which an agent may be away: the guest boots, or installs its updates."""
_RUNS = frozenset({DomainState.RUNNING, DomainState.BLOCKED})
_WITHOUT = "no freeze for backups, no password change, no shutdown by the agent"
_START = "install and start qemu-guest-agent in the guest"


def _judge_agent(view: View, ref: Ref, _now: float) -> Judgement:
    guest = join_guest(view, ref)
    if guest is None or guest.domain.agent is None or guest.domain.state not in _RUNS or guest.domain.hung:
        return WELL
    if not guest.reachable:
        return HIDDEN
    if guest.arriving or guest.moving is not None:
        return WELL
    domain = guest.domain
    if domain.agent_mute is not None:
        words = f"its guest agent is connected and does not answer: {_WITHOUT}"
        step = "restart qemu-guest-agent in the guest; if that does not help, see whether the guest itself hangs"
        return Judgement(_of_agent(guest, Severity.WARN, "has an agent that hangs", words, step, domain.agent_mute))
    if domain.agent:
        return WELL
    if domain.agent_lost is not None:
        words = f"its guest agent was connected and is gone: {_WITHOUT}"
        step = "look at its console: did the agent end, does the guest hang, or has it not come up?"
        return Judgement(_of_agent(guest, Severity.WARN, "has lost its agent", words, step, domain.agent_lost))
    words = f"nothing in the guest speaks on the channel for it: {_WITHOUT}"
    return Judgement(_of_agent(guest, Severity.INFO, "has no agent", words, _START, domain.started))


def _of_agent(guest: Guest, severity: Severity, trouble: str, cause: str, step: str, since: float | None) -> Finding:
    state = "connected, no answer" if guest.domain.agent else "disconnected"
    name = guest.domain.metadata.name
    return Finding(
        rule="domain.agent",
        severity=severity,
        subject=guest.ref,
        label="vm",
        trouble=trouble,
        cause=cause,
        since=since,
        evidence=(Evidence(f"domain {name}", "channel org.qemu.guest_agent.0", state, since),),
        step=step,
    )


def _judge_clock(view: View, ref: Ref, _now: float) -> Judgement:
    domain = view.find(Domain, ref)
    if domain is None or domain.clock is None or not domain.active:
        return WELL
    if not host_answers(view, ref.backend):
        return HIDDEN
    if abs(domain.clock) < OFF or abs(domain.clock - common_offset(view, ref.backend)) < OFF:
        return WELL
    offset = tell_offset(domain.clock)
    return Judgement(
        Finding(
            rule="domain.clock",
            severity=Severity.WARN,
            subject=ref,
            label="vm",
            trouble="has the wrong time",
            cause=f"its clock is {offset}, as its agent tells",
            evidence=(Evidence(f"domain {ref.name}", "guest-get-time", offset),),
            step=f"virsh domtime {ref.name} --now sets it; see whether NTP runs in the guest",
        )
    )


def _fellows(view: View, ref: Ref, _domain: Domain) -> Iterator[Ref]:
    """A domain, and those of its host whose clocks are off: they are not when most are."""
    yield ref
    others = view.items(Domain, ref.backend)
    yield from (found for found, other in others if other.clock is not None and abs(other.clock) >= OFF)


RULES = (
    Rule(
        "domain.agent",
        _judge_agent,
        {Domain: itself, Host: guests_of_host},
        settle=BOOT_LIMIT,
        linger=LINGER,
        detects="a VM of a host whose guest agent is gone, hangs, or never came, though there is a channel for it",
        severities="warn, info",
    ),
    Rule(
        "domain.clock",
        _judge_clock,
        {Domain: _fellows, Host: guests_of_host},
        linger=LINGER,
        detects="a VM of a host whose clock is not ours, though those of the other guests there are",
        severities="warn",
    ),
)
