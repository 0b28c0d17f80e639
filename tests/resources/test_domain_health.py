"""What a row says of a domain: a fault is never told as a plain stop or pause, and what is old is told as old."""

from __future__ import annotations

import pytest

from kvtui.joins.domain import Guest
from kvtui.model import Health, Tone
from kvtui.records.base import Meta
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.resources.domain import RESOURCE as DOMAINS
from kvtui.resources.host import RESOURCE as HOSTS
from kvtui.resources.host import HostRow

NOW = 1000.0


def _health(domain: Domain, host: Host) -> Health:
    return DOMAINS.health(Guest("kvm1", domain, host), NOW)


@pytest.mark.parametrize(
    ("state", "reason", "tone", "word", "words"),
    [
        (DomainState.SHUTOFF, "shutdown", Tone.MUTED, "Stopped", "shutdown"),
        (DomainState.SHUTOFF, "crashed", Tone.BAD, "Crashed", "its QEMU or its guest crashed"),
        (DomainState.SHUTOFF, "failed", Tone.BAD, "Failed", "it failed to start"),
        (DomainState.PAUSED, "user", Tone.WARN, "Paused", "user"),
        (DomainState.PAUSED, "I/O error", Tone.BAD, "Paused,I/O error", "I/O error on a disk"),
        (DomainState.PAUSED, "crashed", Tone.BAD, "Paused,crashed", "its guest crashed"),
        (DomainState.PAUSED, "saving", Tone.BUSY, "Paused", "saving"),
        (DomainState.CRASHED, "panicked", Tone.BAD, "Crashed", "its kernel panicked"),
    ],
)
def test_a_fault_is_no_plain_stop_or_pause(state: DomainState, reason: str, tone: Tone, word: str, words: str) -> None:
    domain = Domain(metadata=Meta(name="web"), state=state, reason=reason)
    assert _health(domain, Host(link="connected")) == Health(tone, word, words)


@pytest.mark.parametrize(
    ("link", "words", "status"),
    [("silent", "kvm1 does not answer", "no answer 12s"), ("lost", "kvm1 is lost", "lost 12s")],
)
def test_of_a_host_without_an_answer_the_last_one_counts(link: str, words: str, status: str) -> None:
    host = Host(metadata=Meta(name="kvm1"), link=link, link_since=NOW - 12)
    domain = Domain(metadata=Meta(name="web"), state=DomainState.RUNNING)
    assert _health(domain, host).reason == f"{words}, last answer 12s ago; last known state: Running"
    row = HostRow("kvm1", host, 1, 1, 1, 1, (), 0, [], None)
    (column,) = (column for column in HOSTS.columns if column.title == "STATUS")
    assert column.cell(row, NOW).text == status


def test_a_vm_stored_otherwise_than_it_runs_is_due_for_a_stop_and_a_start_for_a_restart_brings_nothing() -> None:
    domain = Domain(metadata=Meta(name="web"), state=DomainState.RUNNING, id=1, differs=("memory 8Gi (now 4Gi)",))
    words = "after stop and start: memory 8Gi (now 4Gi); a restart changes nothing"
    assert _health(domain, Host(link="connected")) == Health(Tone.WARN, "Running,stop/start due", words)
