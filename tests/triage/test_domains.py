"""Domains that are off though they are to run, agents that went, changes that wait, jobs that do not get on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kvtui.joins.reach import Tie
from kvtui.model import Feed, FeedState, Finding, Platform, Severity
from kvtui.records.base import Meta, Record
from kvtui.records.libvirt import Disk, Domain, DomainJob, DomainState, Nic, StoragePool, StorageVolume
from kvtui.records.virtual_networks import VirtualNetwork
from kvtui.resources import find, resources_for
from kvtui.store import Put
from kvtui.triage.agents import BOOT_LIMIT
from kvtui.triage.autostart import MEANT
from kvtui.triage.domains import STANDSTILL
from kvtui.triage.engine import Engine
from kvtui.triage.telling import tell_stories
from tests.triage.hosts import NOW, UUID, domain, fill, host, judge

OFF = DomainState.SHUTOFF


def found(*records: Record, now: float = NOW) -> Sequence[Finding]:
    return judge(fill(kvm1=[host(), *records]), now, waits=False)


@pytest.mark.parametrize("reason", ["shutdown", "destroyed", "from snapshot"])
def test_a_vm_with_autostart_that_somebody_shut_down_is_a_note_and_not_at_once(reason: str) -> None:
    off = domain(OFF, reason, autostart=True)
    assert found(off) == ()
    (finding,) = found(off, now=NOW + MEANT)
    assert (finding.rule, finding.severity, finding.trouble) == ("domain.autostart", Severity.INFO, "is off")


@pytest.mark.parametrize("reason", ["", "daemon"])
def test_a_vm_with_autostart_that_is_off_and_nobody_shut_down_is_a_problem(reason: str) -> None:
    (finding,) = found(domain(OFF, reason, autostart=True))
    assert (finding.severity, finding.trouble) == (Severity.WARN, "has not started")


@pytest.mark.parametrize(
    "well",
    [
        domain(OFF, "", autostart=False),
        domain(OFF, "saved", autostart=True, saved=True),
        domain(autostart=False),
        domain(autostart=True),
    ],
)
def test_what_is_as_it_is_meant_to_be_is_no_finding(well: Domain) -> None:
    assert found(well, now=NOW + MEANT) == ()


def test_a_crash_is_told_once_though_the_vm_has_autostart() -> None:
    (finding,) = found(domain(OFF, "crashed", autostart=True), now=NOW + MEANT)
    assert finding.rule == "domain.state"


def test_a_vm_that_runs_elsewhere_and_starts_with_its_old_host_would_write_its_disks_twice() -> None:
    stayed = domain(OFF, "migrated", autostart=True)
    (finding,) = judge(fill(kvm1=[host(), stayed], kvm2=[domain()]), waits=False)
    assert (finding.subject.backend, finding.trouble, finding.severity) == ("kvm1", "may start twice", Severity.WARN)
    assert "runs on kvm2" in finding.cause


def test_who_runs_and_would_stay_off_after_a_boot_is_one_note_of_the_host_and_told_of_each() -> None:
    def other(name: str, state: DomainState = DomainState.RUNNING, **more: object) -> Domain:
        return domain(state, "", metadata=Meta(name=name, uid=name), **more)

    running = [other(f"w{number}") for number in range(1, 7)]
    left_out = [other("t", persistent=False), other("off", OFF)]
    assert found(*running, *left_out) == ()
    starting = other("db", autostart=True)
    store = fill(kvm1=[host(), *running, *left_out, starting])
    engine = Engine()
    engine.waits = False
    engine.update(store, store.drain(), NOW)
    (finding,) = engine.findings
    assert (finding.label, finding.severity, engine.worst) == ("host", Severity.INFO, {})
    assert finding.cause == (
        "w1, w2, w3, w4 and 2 more run, and stay off after a boot: their autostart is off, that of 1 is on"
    )
    vms = find("vms", resources_for({Platform.LIBVIRT}))
    assert vms is not None

    def told(of: Domain) -> list[tuple[Finding, Tie]]:
        ref = of.ref("kvm1")
        return [(story.finding, story.tie) for story in tell_stories(store, ref, vms.row(store, ref), engine.problems)]

    assert all(told(one) == [(finding, Tie.OWN)] for one in running)
    assert [told(one) for one in (*left_out, starting)] == [[], [], []]
    # Beside what is wrong with it that is of no interest.
    store.post(Put("kvm1", other("w1", hung=True)))
    engine.update(store, store.drain(), NOW + 60)
    assert [one.trouble for one, _ in told(running[0])] == ["hangs"]


def test_an_agent_that_went_is_a_problem_once_a_boot_would_be_over() -> None:
    gone = domain(agent=False, agent_lost=NOW)
    store = fill(kvm1=[host(), gone])
    engine = Engine()
    engine.update(store, store.drain(), NOW + BOOT_LIMIT - 1)
    assert not engine.findings
    engine.update(store, store.drain(), NOW + BOOT_LIMIT)
    (finding,) = engine.findings
    assert (finding.trouble, finding.severity, finding.since) == ("has lost its agent", Severity.WARN, NOW)


def test_an_agent_that_is_connected_and_mute_hangs() -> None:
    (finding,) = found(domain(agent=True, agent_mute=NOW - BOOT_LIMIT))
    assert (finding.trouble, finding.severity) == ("has an agent that hangs", Severity.WARN)


def test_an_agent_that_never_came_is_a_note() -> None:
    (finding,) = found(domain(agent=False, started=NOW - BOOT_LIMIT))
    assert (finding.trouble, finding.severity) == ("has no agent", Severity.INFO)


@pytest.mark.parametrize(
    "well",
    [
        domain(agent=None),
        domain(agent=True),
        domain(OFF, "shutdown", agent=False),
        domain(DomainState.PAUSED, "user", agent=False, agent_lost=NOW),
    ],
)
def test_who_needs_no_agent_now_is_left_alone(well: Domain) -> None:
    assert found(well) == ()


def test_what_changes_at_the_next_start_is_named_and_no_alarm() -> None:
    changed = domain(differs=("memory 8Gi (now 4Gi)", "new disk vdb"))
    (finding,) = found(changed)
    assert (finding.severity, finding.trouble) == (Severity.INFO, "changes at its next start")
    assert finding.cause == "it is stored with memory 8Gi (now 4Gi), new disk vdb"
    # A reboot is the same machine: only a new process is made of what is stored.
    assert finding.step.startswith("stop it and start it")


def moving(**more: object) -> DomainJob:
    job = DomainJob(
        metadata=Meta(name="w1"), domain="w1", domain_uid=UUID, operation="outgoing migration", iteration=2,
        rate=10e6, dirty_rate=1e6, total=4 * 2**30, left=2**30, elapsed=90.0, advanced=NOW,
    )  # fmt: skip
    for name, value in more.items():
        setattr(job, name, value)
    return job


def test_a_migration_that_needs_round_after_round_does_not_converge_though_it_outruns_its_guest() -> None:
    (finding,) = found(domain(), moving(iteration=21, left=2 * 2**20, throttle=0.7))
    assert finding.trouble == "does not converge"
    assert finding.cause == (
        "dirty 977Ki/s < transfer 9.5Mi/s, 2Mi left in round 21 after 90s; auto-converge takes 70% of its CPUs"
    )


def test_a_job_that_copies_nothing_stands_still() -> None:
    assert found(domain(), moving()) == ()
    (finding,) = found(domain(), moving(advanced=NOW - STANDSTILL))
    assert (finding.trouble, finding.severity) == ("stands still", Severity.WARN)
    assert finding.cause == "nothing more was copied for 60s: 1Gi of 4Gi are left"
    assert finding.since == NOW - STANDSTILL
    (finding,) = found(domain(), moving(operation="save", advanced=NOW - STANDSTILL))
    assert finding.label == "job"


def test_a_vm_that_failed_to_start_for_want_of_an_image_names_it() -> None:
    pool = StoragePool(metadata=Meta(name="iso"), type="dir", path="/iso", state="running")
    there = StorageVolume(metadata=Meta(name="iso/web.qcow2"), pool="iso", path="/iso/web.qcow2")
    disks = (
        Disk(target="vda", kind="file", source="/iso/web.qcow2"),
        Disk(target="sda", kind="file", source="/iso/debian.iso", device="cdrom", read_only=True),
        Disk(target="vdb", kind="file", source="/elsewhere/b.qcow2"),
    )
    store = fill(kvm1=[host(), pool, there, domain(OFF, "failed", disks=disks)])
    (finding,) = judge(store)
    assert finding.cause == "libvirt says shut off, failed"
    store.post(Feed("kvm1", StorageVolume.KIND, FeedState.LIVE, NOW))
    store.post(Put("kvm1", domain(OFF, "failed", disks=disks, started=1.0)))
    (finding,) = judge(store)
    assert finding.cause == "pool iso has no /iso/debian.iso, its CD-ROM sda"


def test_a_pool_that_is_not_active_names_the_vms_that_are_to_start_from_it() -> None:
    pool = StoragePool(metadata=Meta(name="fast"), type="dir", path="/fast", state="inactive")
    disks = (Disk(target="vda", kind="file", source="/fast/w1.qcow2"),)
    assert found(pool, domain(OFF, "shutdown", disks=disks)) == ()
    (finding,) = (one for one in found(pool, domain(OFF, "", autostart=True, disks=disks)) if one.label == "pool")
    assert (finding.severity, finding.cause) == (
        Severity.WARN,
        "VM w1 is to start with the host, and cannot without it",
    )


def test_a_network_that_is_not_active_is_as_grave_as_who_needs_it() -> None:
    lan = VirtualNetwork(metadata=Meta(name="lan"))
    nics = (Nic(kind="network", source="lan"),)
    assert found(lan) == ()
    assert found(lan, domain(OFF, "shutdown", nics=nics)) == ()
    (finding,) = found(lan, domain(nics=nics))
    assert (finding.label, finding.severity, finding.cause) == (
        "network",
        Severity.BAD,
        "cuts off VM w1, which runs without it",
    )
    (finding,) = (one for one in found(lan, domain(OFF, "", autostart=True, nics=nics)) if one.label == "network")
    assert finding.severity is Severity.WARN
    (finding,) = found(VirtualNetwork(metadata=Meta(name="lan"), forward="bridge"), domain(nics=nics))
    assert (finding.severity, finding.cause.startswith("VM w1 cannot start again")) == (Severity.WARN, True)
    (finding,) = found(VirtualNetwork(metadata=Meta(name="lan"), autostart=True))
    assert finding.cause == "it is to start with its host, and does not run"


def test_a_vm_that_failed_to_start_and_wants_more_memory_than_its_host_has_names_both() -> None:
    small = host()
    small.memory = 24 << 30
    (finding,) = judge(fill(kvm1=[small, domain(OFF, "failed", memory=29 << 30)]))
    assert finding.cause == "it wants 29Gi of memory, and kvm1 has 24Gi"
    assert finding.step == "give it less memory, or start it on a larger host"
    (finding,) = judge(fill(kvm1=[small, domain(OFF, "failed", memory=2 << 30)]))
    assert finding.cause == "libvirt says shut off, failed"
