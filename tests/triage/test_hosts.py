"""Rules on hosts, domains, pools and jobs of libvirt, and on nodes that run in domains."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kvtui.joins.footing import tell_carried
from kvtui.model import Feed, FeedState, Finding, Platform, Ref, Severity
from kvtui.records.base import Condition, Meta, Record
from kvtui.records.bastion import Bastion
from kvtui.records.kubernetes import Node, NodeStatus, NodeSystem
from kvtui.records.libvirt import Disk, Domain, DomainJob, DomainState, Host, StoragePool, StorageVolume
from kvtui.resources import find, resources_for
from kvtui.store import Drop, Put
from kvtui.triage.base import LINGER
from kvtui.triage.domains import ERRORS
from kvtui.triage.engine import Engine
from kvtui.triage.telling import tell_stories
from tests.triage.hosts import NOW, UUID, domain, fill, host, judge


def node(ready: str = "True", uuid: str = UUID, name: str = "node-1") -> Node:
    condition = Condition(type="Ready", status=ready, reason="KubeletStopped", message="Kubelet stopped posting status")
    return Node(
        metadata=Meta(name=name, uid=name),
        status=NodeStatus(conditions=(condition,), node_info=NodeSystem(system_uuid=uuid)),
    )


def test_what_is_well_is_left_alone() -> None:
    pool = StoragePool(metadata=Meta(name="default"), state="running", capacity=100, allocation=50, free=50)
    job = DomainJob(
        metadata=Meta(name="w1"), domain="w1", operation="outgoing migration", iteration=9, rate=9.0, dirty_rate=1.0
    )
    assert judge(fill(kvm1=[host(), domain(), pool, job], prod=[node()])) == ()


@pytest.mark.parametrize(
    ("state", "reason", "trouble"),
    [
        (DomainState.PAUSED, "I/O error", "is paused by an I/O error"),
        (DomainState.SHUTOFF, "crashed", "has crashed"),
        (DomainState.CRASHED, "panicked", "has crashed"),
        (DomainState.CRASHED, "", "has crashed"),
        (DomainState.PAUSED, "watchdog", "is paused by its watchdog"),
    ],
)
def test_a_domain_that_stands_by_a_fault_is_a_problem(state: DomainState, reason: str, trouble: str) -> None:
    (finding,) = judge(fill(kvm1=[host(), domain(state, reason)]))
    assert (finding.severity, finding.label, finding.trouble) == (Severity.BAD, "vm", trouble)
    assert finding.since == NOW - 5
    assert finding.step


@pytest.mark.parametrize(
    ("state", "reason", "step"),
    [
        (DomainState.CRASHED, "panicked", "reset it, "),
        (DomainState.CRASHED, "", "reset it, "),
        (DomainState.PAUSED, "crashed", "unpause it"),
        (DomainState.SHUTOFF, "crashed", "start it; "),
    ],
)
def test_the_next_step_after_a_crash_is_one_that_works_in_the_state_it_left(
    state: DomainState, reason: str, step: str
) -> None:
    (finding,) = judge(fill(kvm1=[host(), domain(state, reason)]))
    assert finding.step.startswith(step)


@pytest.mark.parametrize("reason", ["user", "migrating", "shutdown", "destroyed", "saved", "migrated"])
def test_what_somebody_wished_for_is_none(reason: str) -> None:
    state = DomainState.PAUSED if reason in ("user", "migrating") else DomainState.SHUTOFF
    assert judge(fill(kvm1=[host(), domain(state, reason)])) == ()


def test_the_evidence_of_an_io_error_is_the_disk_with_its_image_and_pool() -> None:
    disk = Disk(target="vdb", kind="file", source="/far/w1.qcow2", error="unspecified")
    pool = StoragePool(metadata=Meta(name="far"), type="netfs", path="/far", state="running")
    (finding,) = judge(fill(kvm1=[host(), pool, domain(DomainState.PAUSED, "I/O error", disks=(disk,))]))
    assert (finding.evidence[1].field, finding.evidence[1].value) == (
        "disk vdb",
        "unspecified: /far/w1.qcow2, pool far",
    )
    assert finding.root is None


def test_that_libvirt_does_not_name_the_disk_is_said_once_it_was_asked() -> None:
    def cause(*, measured: bool) -> str:
        (finding,) = judge(fill(kvm1=[host(), domain(DomainState.PAUSED, "I/O error", measured=measured)]))
        return finding.cause

    assert cause(measured=False) == "I/O error on a disk"
    assert cause(measured=True) == "I/O error on a disk; libvirt does not say on which"


def test_an_io_error_names_the_disk_and_its_source() -> None:
    disks = (Disk(target="vda", source="/pool/w1.qcow2", error="no space"), Disk(target="vdb", source="/pool/b"))
    (finding,) = judge(fill(kvm1=[host(), domain(DomainState.PAUSED, "I/O error", disks=disks)]))
    assert finding.cause == "I/O error on vda (no space): /pool/w1.qcow2"


def test_a_lost_host_says_what_it_takes_along_before_it_says_why_in_one_finding() -> None:
    others = [Domain(metadata=Meta(name=f"vm-{at}", uid=f"u{at}"), state=DomainState.RUNNING, id=at) for at in range(3)]
    crashed = Domain(metadata=Meta(name="old", uid="old"), state=DomainState.SHUTOFF, reason="crashed")
    store = fill(kvm1=[host("lost", "no answer to keepalive probes"), domain(), crashed, *others], prod=[node()])
    store.post(Feed("kvm1", Host.KIND, FeedState.STALE, NOW - 60, "cut"))
    (finding,) = judge(store)
    assert (finding.rule, finding.trouble) == ("host.lost", "is lost")
    assert (
        finding.cause
        == "4 VMs there, whose state is not known; among them nodes of prod: node-1; no answer to keepalive probes"
    )


def test_what_a_bastion_keeps_us_from_is_one_finding_and_no_lost_host() -> None:
    lost = host("lost", "cannot connect to gate over ssh: Connection refused")
    lost.hop = "gate"
    store = fill(kvm1=[lost, domain()], kvm2=[lost])
    bastion = Bastion(
        metadata=Meta(name="gate"), hops=("outer",), trouble="cannot be reached", cause="Connection refused",
        since=NOW - 60, contexts=("prod",), hosts=("kvm1", "kvm2"),
    )  # fmt: skip
    store.post(Put("", bastion))
    store.post(Feed("prod", "Pod", FeedState.STALE, NOW - 60, "cannot connect to gate over ssh: Connection refused"))
    engine = Engine()
    engine.update(store, store.drain(), NOW)
    (finding,) = engine.findings
    assert (finding.label, finding.subject.path, finding.trouble) == ("bastion", "gate", "cannot be reached")
    assert finding.cause == "Connection refused; 1 context and 2 hosts behind it: prod, kvm1, kvm2"
    assert "outer" in str(finding.evidence)
    # Once the way is free, what does not answer is told by itself again.
    store.post(Drop("", Bastion, "", "gate"))
    engine.update(store, store.drain(), NOW)
    assert [finding.rule for finding in engine.findings] == ["backend.silent"]


def test_a_host_that_seemed_lost_is_none_once_its_bastion_is_told() -> None:
    store = fill(kvm1=[host("lost", "client socket is closed"), domain()])
    engine = Engine()
    engine.update(store, store.drain(), NOW)
    assert [finding.rule for finding in engine.findings] == ["host.lost"]
    store.post(Put("", Bastion(metadata=Meta(name="gate"), trouble="cannot be reached", hosts=("kvm1",))))
    engine.update(store, store.drain(), NOW + 1)
    engine.update(store, store.drain(), NOW + 60)
    assert [finding.rule for finding in engine.findings] == ["bastion.closed"]


def test_a_node_that_is_not_ready_has_the_trouble_of_its_domain_as_its_cause() -> None:
    store = fill(kvm1=[host(), domain(DomainState.PAUSED, "I/O error")], prod=[node("Unknown")])
    found = {finding.label: finding for finding in judge(store)}
    assert found["node"].cause.startswith("domain kvm1/w1 is paused (I/O error); ")
    assert found["node"].step == "unpause domain w1 on kvm1"
    assert "node prod/node-1 runs in it" in found["vm"].cause
    # What is told as said by an object is what that says.
    assert [(one.subject, one.value) for one in found["node"].evidence] == [
        ("domain kvm1/w1", "paused (I/O error)"),
        ("Node node-1", "Kubelet stopped posting status"),
    ]


def test_a_node_whose_domain_is_off_is_brought_back_by_starting_that_domain() -> None:
    store = fill(kvm1=[host(), domain(DomainState.SHUTOFF, "destroyed")], prod=[node("Unknown")])
    found = {finding.label: finding for finding in judge(store)}
    assert found["node"].step == "start domain w1 on kvm1"


@pytest.mark.parametrize("spelling", [UUID.upper(), "01eb9566-a4f6-0483-79aa-97f2502e193f"])
def test_a_node_is_known_by_its_uuid_however_its_firmware_spells_it(spelling: str) -> None:
    store = fill(kvm1=[host(), domain()], prod=[node(uuid=spelling)])
    store.drain()
    resources = resources_for(tuple(Platform))
    nodes, vms = find("nodes", resources), find("vms", resources)
    assert nodes is not None
    assert vms is not None
    row = nodes.row(store, Ref("prod", Node.KIND, "", "node-1", "node-1"))
    assert nodes.fields(row)["host"] == "kvm1/w1"
    assert vms.fields(vms.row(store, Ref("kvm1", Domain.KIND, "", "w1", UUID)))["carries"] == "prod/node-1"
    assert list(tell_carried(store, domain())) == ["runs node node-1 of cluster prod, with 0 VMs on it"]
    assert nodes.fields(nodes.row(store, Ref("kvm1", Host.KIND, "", "kvm1")))["cluster"] == "prod"


def test_a_row_of_a_node_follows_its_domain() -> None:
    store = fill(kvm1=[host(), domain()], prod=[node()])
    store.drain()
    nodes = find("nodes", resources_for(tuple(Platform)))
    assert nodes is not None
    store.post(Put("kvm1", domain(DomainState.PAUSED, "I/O error")))
    (change,) = store.drain().changes
    touched = set(nodes.related[Domain](store, change.ref, change.record))
    assert Ref("prod", Node.KIND, "", "node-1", "node-1") in touched
    health = nodes.health(nodes.row(store, Ref("prod", Node.KIND, "", "node-1", "node-1")), NOW)
    assert (health.word, health.reason) == ("Ready,host trouble", "domain kvm1/w1 is paused (I/O error)")


@pytest.mark.parametrize(
    ("pool", "trouble"),
    [
        (StoragePool(metadata=Meta(name="p"), state="inactive", autostart=True), "is inactive"),
        (StoragePool(metadata=Meta(name="p"), state="inaccessible"), "is inaccessible"),
        (
            StoragePool(metadata=Meta(name="p"), state="running", capacity=1000, allocation=905, free=95),
            "is nearly full",
        ),
        (StoragePool(metadata=Meta(name="p"), state="running", capacity=1000, allocation=980, free=20), "is full"),
    ],
)
def test_pools_that_cannot_be_written_to_are_problems(pool: StoragePool, trouble: str) -> None:
    (finding,) = judge(fill(kvm1=[host(), pool]))
    assert (finding.label, finding.trouble) == ("pool", trouble)


@pytest.mark.parametrize(
    ("disk", "type_", "starves"),
    [
        (Disk(target="vda", kind="file", source="/fast/w1.qcow2", error="no space"), "dir", True),
        (Disk(target="vda", kind="volume", source="fast/w1.qcow2", error="no space"), "netfs", True),
        (Disk(target="vda", kind="file", source="/fast/w1.qcow2", error="unspecified"), "dir", False),
        (Disk(target="vda", kind="file", source="/fast/deeper/w1.qcow2", error="no space"), "dir", False),
        # It is the volume that is full, and not the group that it is of.
        (Disk(target="vda", kind="block", source="/fast/w1", error="no space"), "logical", False),
    ],
)
def test_a_pool_in_which_a_vm_found_no_space_is_full_whatever_its_sizes_say(
    disk: Disk, type_: str, starves: bool
) -> None:
    pool = StoragePool(
        metadata=Meta(name="fast"), state="running", type=type_, path="/fast", capacity=2**30, free=2**29
    )
    store = fill(kvm1=[host(), domain(DomainState.PAUSED, "I/O error", disks=(disk,)), pool])
    engine = Engine()
    engine.update(store, store.drain(), NOW)
    found = {finding.label: finding for finding in engine.findings}
    assert ("pool" in found) is starves
    if starves:
        assert found["pool"].trouble == "is full"
        (problem,) = engine.problems
        assert problem.finding == found["pool"]
        assert problem.cause.startswith(
            "stops VM w1: nothing more can be written in /fast; the 512Mi free are of libvirt's last look"
        )
        pools = find("pools", resources_for({Platform.LIBVIRT}))
        assert pools is not None
        ref = pool.ref("kvm1")
        (story,) = tell_stories(store, ref, pools.row(store, ref), engine.problems)
        assert (story.finding, [effect.label for effect in story.effects]) == (found["pool"], ["vm"])
    store.post(Put("kvm1", domain()))
    engine.update(store, store.drain(), NOW + 1)
    engine.update(store, store.drain(), NOW + 1 + LINGER)
    assert engine.findings == ()


def test_of_a_host_that_is_lost_nothing_else_is_told() -> None:
    full = StoragePool(metadata=Meta(name="p"), state="running", capacity=1000, allocation=980, free=20)
    failed = DomainJob(metadata=Meta(name="w1"), domain="w1", domain_uid=UUID, operation="save", phase="Failed")
    failed.ended = NOW
    store = fill(kvm1=[host(), domain(DomainState.PAUSED, "watchdog"), full, failed])
    engine = Engine()
    engine.update(store, store.drain(), NOW)
    assert {finding.label for finding in engine.findings} == {"vm", "pool", "job"}
    store.post(Put("kvm1", host("lost", "refused")))
    engine.update(store, store.drain(), NOW + 1)
    assert [finding.label for finding in engine.findings] == ["host"]
    store.post(Put("kvm1", host()))
    engine.update(store, store.drain(), NOW + 2)
    assert {finding.label for finding in engine.findings} == {"vm", "pool", "job"}


def test_a_trouble_is_as_old_after_its_host_was_lost_for_a_while_as_before() -> None:
    store = fill(kvm1=[host(), domain()])
    engine = Engine()

    def since(now: float, *records: Record) -> Sequence[float | None]:
        for record in records:
            store.post(Put("kvm1", record))
        engine.update(store, store.drain(), now)
        return [finding.since for finding in engine.findings if finding.label == "vm"]

    assert since(NOW - 60) == []
    assert since(NOW, domain(hung=True)) == [NOW]
    assert since(NOW + 10, host("lost")) == []
    assert since(NOW + 20, host(), domain(hung=True)) == [NOW]
    # What was well in between is another trouble.
    since(NOW + 30, domain())
    assert since(NOW + 30 + LINGER) == []
    assert since(NOW + 40, domain(hung=True)) == [NOW + 40]


def test_an_io_error_is_told_once_it_was_asked_on_which_disk_and_gone_as_soon_as_the_vm_runs() -> None:
    store = fill(kvm1=[host(), domain(DomainState.PAUSED, "I/O error", since=NOW, measured=False)])
    engine = Engine()

    def told(now: float, *records: Record) -> list[str]:
        for record in records:
            store.post(Put("kvm1", record))
        engine.update(store, store.drain(), now)
        return [finding.trouble for finding in engine.findings if finding.label == "vm"]

    assert told(NOW + 1) == []
    assert told(NOW + 2, domain(DomainState.PAUSED, "I/O error", since=NOW, measured=True)) == [
        "is paused by an I/O error"
    ]
    assert told(NOW + 3, domain()) == []
    # Who does not answer is not waited for.
    unasked = domain(DomainState.PAUSED, "I/O error", since=NOW + 10, measured=False)
    assert told(NOW + 11, unasked) == []
    assert told(NOW + 10 + ERRORS) == ["is paused by an I/O error"]


def test_a_pool_that_is_meant_to_be_off_is_none() -> None:
    assert judge(fill(kvm1=[host(), StoragePool(metadata=Meta(name="p"), state="inactive")])) == ()


def test_a_migration_that_copies_slower_than_its_guest_writes_does_not_converge() -> None:
    job = DomainJob(metadata=Meta(name="w1"), domain="w1", operation="outgoing migration", iteration=5, rate=10e6,
                    dirty_rate=60e6, left=64 * 2**20, elapsed=90.0)  # fmt: skip
    (finding,) = judge(fill(kvm1=[host(), domain(), job]))
    assert (finding.label, finding.trouble, finding.severity) == ("migration", "does not converge", Severity.WARN)
    assert finding.cause == "dirty 57Mi/s >= transfer 9.5Mi/s, 64Mi left in round 5 after 90s"


def test_the_first_rounds_of_a_migration_are_left_alone() -> None:
    job = DomainJob(
        metadata=Meta(name="w1"), domain="w1", operation="outgoing migration", iteration=2, rate=1.0, dirty_rate=9.0
    )
    assert judge(fill(kvm1=[host(), domain(), job])) == ()


def test_a_migration_that_failed_is_one_problem_though_both_hosts_tell_of_it() -> None:
    out, into = (
        DomainJob(
            metadata=Meta(name="w1"),
            domain="w1",
            domain_uid=UUID,
            operation=f"{way} migration",
            phase="Failed",
            began=NOW - 20,
            ended=NOW - 5,
        )
        for way in ("outgoing", "incoming")
    )
    (finding,) = judge(fill(kvm1=[host(), out], kvm2=[host(), into]))
    assert (finding.subject.backend, finding.trouble) == ("kvm1", "outgoing migration failed")
    (finding,) = judge(fill(kvm2=[host(), into]))
    assert finding.trouble == "incoming migration failed"


def test_an_inactive_pool_under_the_disk_of_a_vm_that_runs_is_a_problem() -> None:
    pool = StoragePool(metadata=Meta(name="fast"), type="dir", path="/fast", state="inactive")
    disk = Disk(target="vdb", source="/fast/db.qcow2", kind="file")
    (finding,) = judge(fill(kvm1=[host(), domain(disks=(disk,)), pool]))
    assert (finding.label, finding.subject.name, finding.trouble) == ("pool", "fast", "is inactive")
    assert finding.cause == "running from it: VM w1 (vdb)"
    assert judge(fill(kvm1=[host(), domain(DomainState.SHUTOFF, disks=(disk,)), pool])) == ()


def test_a_pool_is_as_full_as_its_volumes_grew_since_libvirt_looked() -> None:
    pool = StoragePool(metadata=Meta(name="fast"), type="dir", state="running", capacity=100 << 30, free=40 << 30)
    assert judge(fill(kvm1=[host(), pool])) == ()
    pool.grown = 39 << 30
    (finding,) = judge(fill(kvm1=[host(), pool]))
    assert finding.trouble == "is full"
    assert "39Gi of it since libvirt last looked" in finding.cause
    assert [one.value for one in finding.evidence][-1] == "39Gi more, 1Gi left"


def test_a_vm_that_failed_to_start_is_told_to_look_for_its_image_where_no_pool_tells_of_it() -> None:
    disk = Disk(target="vda", kind="file", source="/nowhere/w1.qcow2")
    store = fill(kvm1=[host(), domain(DomainState.SHUTOFF, "failed", disks=(disk,))])
    store.post(Feed("kvm1", StoragePool.KIND, FeedState.LIVE))
    (finding,) = judge(store)
    assert finding.step.startswith("see on the host whether /nowhere/w1.qcow2 is there: it is in no pool; see its log")


def test_a_pool_whose_volumes_took_more_than_was_free_is_not_called_full_by_sizes_that_are_out_of_date() -> None:
    pool = StoragePool(metadata=Meta(name="small"), type="dir", state="running", capacity=8 << 20, free=7 << 20)
    pool.grown = 23 << 20
    store = fill(kvm1=[host(), pool])
    (finding,) = judge(store)
    assert (finding.severity, finding.trouble) == (Severity.INFO, "has other sizes by now")
    assert finding.cause.startswith("its volumes took 23Mi since libvirt last looked into it, when 7Mi were free")
    assert [one.value for one in finding.evidence][-1] == "23Mi more"
    pools = find("pools", resources_for({Platform.LIBVIRT}))
    assert pools is not None
    row = pools.row(store, pool.ref("kvm1"))
    told = {column.title: column.cell(row, NOW).text for column in pools.columns}
    assert (told["STATUS"], told["FREE"], told["USED"]) == ("Running", "-", "-")
    assert "refresh it" in told["REASON"]


def test_vms_that_write_the_same_disk_are_a_problem_as_soon_as_one_of_them_runs() -> None:
    def sharers(one: DomainState, other: DomainState, second: Disk, *more: Record) -> Sequence[Finding]:
        disk = Disk(target="vda", source="/fast/db.qcow2", kind="file")
        twin = domain(other, disks=(second,), metadata=Meta(name="w2", uid="w2"))
        return judge(fill(kvm1=[host(), domain(one, disks=(disk,)), twin, *more]))

    runs, off = DomainState.RUNNING, DomainState.SHUTOFF
    same = Disk(target="vdb", source="/fast/db.qcow2", kind="file")
    (finding,) = sharers(off, runs, same)
    assert (finding.subject.name, finding.rule, finding.severity) == ("w1", "domain.disks", Severity.WARN)
    assert finding.cause == "w1 and w2 have the same disk /fast/db.qcow2: whichever writes second destroys it"
    (finding,) = sharers(runs, runs, same)
    assert finding.severity is Severity.BAD
    volume = StorageVolume(metadata=Meta(name="fast/db.qcow2"), path="/fast/db.qcow2", pool="fast")
    (finding,) = sharers(runs, off, Disk(target="vda", source="fast/db.qcow2", kind="volume"), volume)
    assert finding.severity is Severity.WARN
    assert sharers(off, off, same) == ()
    for harmless in ("read_only", "shared"):
        disk = Disk(target="vdb", source="/fast/db.qcow2", kind="file", **{harmless: True})  # type: ignore[arg-type]
        assert sharers(runs, runs, disk) == ()


def test_a_shared_disk_is_no_problem_any_more_when_the_other_lets_go_of_it() -> None:
    disk = Disk(target="vda", source="/fast/db.qcow2", kind="file")
    store = fill(kvm1=[host(), domain(disks=(disk,)), domain(disks=(disk,), metadata=Meta(name="w2", uid="w2"))])
    engine = Engine()
    engine.update(store, store.drain(), NOW)
    assert len(engine.findings) == 1
    store.post(Drop("kvm1", Domain, "", "w2"))
    engine.update(store, store.drain(), NOW + 1)
    engine.update(store, store.drain(), NOW + 2 + LINGER)
    assert engine.findings == ()
