"""Jobs of single disks: what failed, what waits for somebody, and what a VM's end does to them."""

from __future__ import annotations

from msgspec.structs import replace

from kvtui.joins.reach import Tie
from kvtui.model import Finding, Platform, Severity
from kvtui.records.base import Meta, Record
from kvtui.records.libvirt import BlockJob
from kvtui.resources import find, resources_for
from kvtui.store import Put
from kvtui.triage.blockjobs import READY, RECENT
from kvtui.triage.engine import Engine
from kvtui.triage.telling import tell_stories
from tests.triage.hosts import NOW, UUID, domain, fill, host, judge

COPY = BlockJob(
    metadata=Meta(name="w1/vda", uid="j"), domain="w1", domain_uid=UUID, target="vda", operation="copy", phase="Ready",
    done=2**30, total=2**30, began=NOW - 90,
)  # fmt: skip


def found(*records: Record, now: float = NOW) -> list[Finding]:
    return list(judge(fill(kvm1=[host(), *records]), now, waits=False))


def test_a_copy_that_is_ready_is_a_note_with_the_two_ways_to_end_it_and_told_of_its_vm() -> None:
    store = fill(kvm1=[host(), domain(), COPY])
    engine = Engine()
    engine.update(store, store.drain(), NOW)
    engine.update(store, store.drain(), NOW + READY)
    (finding,) = engine.findings
    assert (finding.severity, finding.trouble) == (Severity.INFO, "waits for its pivot")
    assert finding.cause == "all 1Gi of vda is there, and written twice until somebody pivots or ends the copy"
    assert "virsh blockjob w1 vda --pivot" in finding.step
    vms = find("vms", resources_for({Platform.LIBVIRT}))
    assert vms is not None
    ref = domain().ref("kvm1")
    (story,) = tell_stories(store, ref, vms.row(store, ref), engine.problems)
    assert (story.finding, story.tie) == (finding, Tie.OWN)
    store.post(Put("kvm1", host("lost")))
    engine.update(store, store.drain(), NOW + READY + 1)
    assert [one.label for one in engine.findings] == ["host"]


def test_one_that_runs_is_none_and_one_that_failed_is_news_for_a_while() -> None:
    assert found(domain(), replace(COPY, phase="Running", done=0)) == []
    failed = replace(COPY, phase="Failed", ended=NOW, reason="see the log")
    (finding,) = found(domain(), failed)
    assert (finding.severity, finding.trouble, finding.cause) == (Severity.WARN, "copy failed", "see the log")
    assert found(domain(), failed, now=NOW + RECENT) == []


def test_who_ends_a_vm_is_told_what_becomes_of_its_copies_and_who_reboots_it_that_they_go_on() -> None:
    vms = find("vms", resources_for({Platform.LIBVIRT}))
    assert vms is not None
    actions = {one.id: one for one in vms.actions}
    over = replace(COPY, metadata=Meta(name="w1/vdb"), target="vdb", phase="Failed")
    store = fill(kvm1=[host(), domain(), COPY, over])
    store.drain()
    row = vms.row(store, domain().ref("kvm1"))
    said = "the copy of vda, which is complete and waits for its pivot,"
    for name in ("vm.stop", "vm.kill"):
        assert list(actions[name].breaks(store, row)) == [f"{said} ends with it, and the disk stays the old one"]
    assert list(actions["vm.restart"].breaks(store, row)) == [f"{said} goes on: a reboot is no pivot"]
    store.post(Put("kvm1", replace(COPY, phase="Running", done=2**29)))
    store.drain()
    (half,) = actions["vm.stop"].breaks(store, row)
    assert half.startswith("the copy of vda, 50% done, ends with it")
