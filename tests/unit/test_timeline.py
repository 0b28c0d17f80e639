"""Timelines: what records, pasts and events tell, on one axis."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.audit import Entry
from kvtui.backends.base import Happening
from kvtui.joins.involved import Layer, Owners, involve
from kvtui.joins.moments import (
    Moment,
    drop_mirrored,
    drop_seen_states,
    is_act_on,
    list_fields,
    moments_of,
    moments_of_audit,
    moments_of_event,
    moments_of_finding,
    moments_of_happenings,
    moments_of_past,
    name_migrations,
)
from kvtui.joins.timeline import Gap, Now, compare_clocks, fold, lay_out, merge
from kvtui.joins.timeline_words import Clockface, tell_count
from kvtui.model import Finding, Ref, Severity, Tone
from kvtui.records.base import Meta
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.kubernetes import Event
from kvtui.records.kubevirt import VirtualMachine
from kvtui.records.libvirt import BlockJob, Domain, DomainJob, DomainState, Host
from kvtui.records.past import Past
from kvtui.store import Put, Store
from kvtui.text import parse_time
from tests.machines import machine_store, read_machine, record_of, store_of

VM = Ref("c", "VirtualMachine", "shop", "web-1", "1")
POD = Ref("c", "Pod", "shop", "virt-launcher-web-1-aaaaa", "2")
BEGIN = parse_time("2026-11-21T01:50:00Z") or 0.0


def moment(at: float, what: str = "x", *, layer: Layer = Layer.VM, **more: Any) -> Moment:
    return Moment(at, layer, more.pop("subject", VM), more.pop("source", "event"), what, **more)


def test_what_is_wrong_stands_where_it_was_seen_and_says_so_where_nobody_knows_when_it_began() -> None:
    found = Finding("pool.state", Severity.BAD, VM, "pool", "is full", "no room", since=BEGIN)
    (known,) = moments_of_finding(found)
    assert (known.at, known.what, known.tone) == (BEGIN, "pool web-1 is full", Tone.BAD)
    (seen,) = moments_of_finding(replace(found, since=None, seen=BEGIN))
    assert (seen.at, seen.what) == (BEGIN, "pool web-1 is full (seen then; when it began is not known)")


def told(store: Store, name: str, kind: str = "VirtualMachine") -> list[Moment]:
    """What the records of a machine and its layers tell."""
    ref = next(ref for ref, _ in store.items(type(record_of({"kind": kind, "metadata": {}}))) if ref.name == name)
    found: list[Moment] = []
    for one, layer in involve(store, ref).items():
        record = store.record(one)
        if record is not None:
            found = merge(found, moments_of(record, one, layer))
    return drop_mirrored(found)


# What is on it -------------------------------------------------------------------------------------------------------


def test_all_layers_of_a_machine_that_has_moved_are_on_its_timeline() -> None:
    store = machine_store("running")
    layers = {
        ref.name: layer for ref, layer in involve(store, VM._replace(uid="")).items() if ref.kind != "VirtualMachine"
    }
    assert layers == {
        "web-1": Layer.VMI,
        "virt-launcher-web-1-925db": Layer.POD,
        "virt-launcher-web-1-bnq6t": Layer.POD,
        "kubevirt-migrate-vm-9ksb9": Layer.MIGRATION,
        "node01": Layer.NODE,
    }


def test_a_migration_is_told_once_with_its_way_though_two_objects_tell_of_it() -> None:
    moves = [one for one in told(machine_store("running"), "web-1") if one.source == "migration"]
    assert [(one.what, one.detail) for one in moves] == [
        ("migration began", "node node02 > node01, PreCopy"),
        ("migration succeeded", "node node02 > node01"),
    ]
    assert moves[0].at < moves[1].at


def test_phases_and_conditions_stand_in_their_order() -> None:
    found = told(machine_store("running"), "web-1")
    phases = [one.what for one in found if one.layer is Layer.VMI and one.source == "phase"]
    assert phases == ["phase Pending", "phase Scheduling", "phase Scheduled", "phase Running"]
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert next(one for one in found if one.what.startswith("PodScheduled")).detail.endswith(
        ("on node node01", "on node node02")
    )


def test_what_a_vm_only_repeats_of_its_instance_is_told_once() -> None:
    found = told(machine_store("unbound"), "db-1")
    conditions = [
        (one.what, one.detail) for one in found if one.source == "condition" and one.layer in (Layer.VM, Layer.VMI)
    ]
    assert len(conditions) == len(set(conditions))
    assert [what for what, _ in conditions] == ["Ready False"]


def test_a_disk_that_waits_is_on_the_timeline_of_its_vm_with_its_events() -> None:
    items = read_machine("unbound")
    event = record_of(next(item for item in items if item["kind"] == "Event"))
    assert isinstance(event, Event)
    claim = Ref("c", "PersistentVolumeClaim", "shop", "db-1-data")
    (one,) = moments_of_event(event, claim, Layer.DISK)
    assert claim[:4] in {ref[:4] for ref in involve(machine_store("unbound"), VM._replace(name="db-1", uid=""))}
    assert one.count == event.times
    assert one.at == event.last_seen


def event_about(kind: str, name: str, uid: str = "", namespace: str = "shop") -> Event:
    return msgspec.convert(
        {"involvedObject": {"kind": kind, "namespace": namespace, "name": name, "uid": uid}, "reason": "x"}, Event
    )


@pytest.mark.parametrize(
    ("event", "whose"),
    [
        (event_about("VirtualMachineInstance", "web-1", "1"), "web-1"),
        (event_about("VirtualMachineInstance", "web-1", "of an earlier one"), ""),
        (event_about("VirtualMachineInstance", "web-1", namespace="other"), ""),
        (event_about("Node", "n1", "n1", namespace=""), "n1"),
        (event_about("Node", "n1", "n1", namespace="default"), "n1"),
        (event_about("Pod", "virt-launcher-web-1-x7k2p", "gone"), "virt-launcher-web-1-x7k2p"),
        (event_about("Pod", "virt-launcher-web-1-b-x7k2p"), ""),
        (event_about("Pod", "importer-web-1-root"), "importer-web-1-root"),
        (event_about("Pod", "importer-prime-5"), "importer-prime-5"),
        (event_about("Pod", "importer-prime-6"), ""),
    ],
)
def test_events_of_pods_that_are_gone_are_known_by_their_names(event: Event, whose: str) -> None:
    owners = Owners(
        {
            Ref("c", "VirtualMachineInstance", "shop", "web-1", "1"): Layer.VMI,
            Ref("c", "PersistentVolumeClaim", "shop", "web-1-root", "5"): Layer.DISK,
            Ref("c", "Node", "", "n1", "7"): Layer.NODE,
        }
    )
    found = owners.find(event, "c")
    assert (found[0].name if found is not None else "") == whose


# Who wrote it --------------------------------------------------------------------------------------------------------

WRITES = {
    "metadata": {
        "creationTimestamp": "2026-11-21T01:46:41Z",
        "managedFields": [
            {"manager": "kubectl-client-side-apply", "operation": "Update", "time": "2026-11-21T01:46:41Z",
             "fieldsV1": {"f:spec": {".": {}, "f:runStrategy": {}, "f:template": {}}}},
            {"manager": "virt-controller", "operation": "Update", "time": "2026-11-21T01:46:45Z",
             "fieldsV1": {"f:metadata": {"f:annotations": {"f:kubevirt.io/latest-observed-api-version": {}},
                          "f:finalizers": {".": {}, 'v:"kubevirt.io/virtualMachineControllerFinalize"': {}}}}},
            {"manager": "virt-controller", "operation": "Update", "subresource": "status",
             "time": "2026-11-21T01:46:45Z", "fieldsV1": {"f:status": {"f:conditions": {}}}},
            {"manager": "virt-api", "operation": "Update", "time": "2026-11-21T01:50:25Z",
             "fieldsV1": {"f:spec": {"f:runStrategy": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-21T02:51:00Z",
             "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:domain": {"f:memory": {"f:guest": {}}}}}}}},
        ],
    }
}  # fmt: skip
"""As the API server of the recordings wrote them, but for the last."""


def test_who_made_a_vm_and_who_changed_its_spec_is_told_with_the_fields() -> None:
    past = msgspec.convert(WRITES, Past)
    found = merge(moments_of_past(past, None, VM, Layer.VM))
    assert [(one.what, one.detail) for one in found] == [
        ("created by kubectl-client-side-apply", ""),
        ("spec written by virt-api", "spec.runStrategy"),
        ("spec written by kubectl-edit", "spec.template.spec.domain.memory.guest"),
    ]
    assert found[-1].at == parse_time("2026-11-21T02:51:00Z")


def test_of_several_fields_of_a_writer_the_time_tells_not_which_was_written_then() -> None:
    fields: dict[str, object] = {"f:spec": {"f:runStrategy": {}, "f:template": {"f:spec": {"f:hostname": {}}}}}
    entry = {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-21T02:51:00Z", "fieldsV1": fields}
    past = msgspec.convert({"metadata": {"managedFields": [entry]}}, Past)
    (one,) = moments_of_past(past, None, VM, Layer.VM)
    assert one.what == "spec written by kubectl-edit"
    assert one.detail == "one or more of spec.runStrategy, spec.template.spec.hostname"


def test_a_client_that_gave_no_name_is_told_as_one() -> None:
    entry = {"manager": "", "time": "2026-11-21T02:51:00Z", "fieldsV1": {"f:spec": {"f:runStrategy": {}}}}
    past = msgspec.convert({"metadata": {"managedFields": [entry]}}, Past)
    assert [one.what for one in moments_of_past(past, None, VM, Layer.VM)] == ["spec written by a nameless client"]


def test_many_fields_are_told_in_short_and_values_of_sets_never() -> None:
    tree = {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {'v:"secret"': {}}},
        "f:spec": {"f:list": {'k:{"name":"root"}': {"f:size": {}}}, "f:set": {'v:"hunter2"': {}}, "f:a": {}, "f:b": {}},
    }
    paths = list_fields(tree)
    assert paths == ["metadata.labels.app", "spec"]
    assert list_fields(tree, most=9) == ["metadata.labels.app", "spec.list[root].size", "spec.set", "spec.a", "spec.b"]
    assert "hunter2" not in " ".join(list_fields(tree, most=99))


def test_deletion_was_asked_for_before_the_grace_period() -> None:
    past = msgspec.convert(
        {"metadata": {"deletionTimestamp": "2026-11-21T02:00:30Z", "deletionGracePeriodSeconds": 30}}, Past
    )
    (one,) = moments_of_past(past, None, POD, Layer.POD)
    assert (one.what, one.at) == ("deletion was asked for", parse_time("2026-11-21T02:00:00Z"))


def test_a_container_that_was_killed_and_started_anew_tells_both_its_lives() -> None:
    status = {
        "name": "compute", "restartCount": 3,
        "lastState": {"terminated": {"startedAt": "2026-11-21T02:00:00Z", "finishedAt": "2026-11-21T02:04:00Z",
                                     "exitCode": 137, "reason": "OOMKilled"}},
        "state": {"running": {"startedAt": "2026-11-21T02:04:02Z"}},
    }  # fmt: skip
    past = msgspec.convert({"status": {"containerStatuses": [status]}}, Past)
    found = merge(moments_of_past(past, None, POD, Layer.POD))
    assert [(one.what, one.detail, one.tone) for one in found] == [
        ("container compute started", "", None),
        ("container compute ended", "OOMKilled, exit code 137", Tone.BAD),
        ("container compute started", "restart 3", None),
    ]


def test_a_container_that_waits_to_be_started_again_tells_how_often_it_was() -> None:
    status = {
        "name": "importer", "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"startedAt": "2026-11-21T02:00:00Z", "finishedAt": "2026-11-21T02:04:00Z"}},
    }  # fmt: skip
    past = msgspec.convert({"status": {"containerStatuses": [status]}}, Past)
    found = merge(moments_of_past(past, None, POD, Layer.POD))
    assert [(one.what, one.detail) for one in found] == [
        ("container importer started", "restart 7"),
        ("container importer ended", "exit code 0"),
    ]


# What we know ourselves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "words", "told", "tone"),
    [
        ("accepted", "", "by root as jo@example.org", None),
        ("refused", "no node fits", "by root as jo@example.org, refused, no node fits", Tone.WARN),
        ("unknown", "no answer came", "by root as jo@example.org, unknown, no answer came", Tone.WARN),
        ("unsent", "", "by root as jo@example.org, unsent", Tone.WARN),
    ],
)
def test_what_was_done_through_kvtui_is_told_with_who_and_what_came_of_it(
    result: str, words: str, told: str, tone: Tone | None
) -> None:
    entry = Entry("2026-11-21T02:51:00Z", "root", "c", "jo@example.org", "migrate", VM.kind, "shop", "web-1", "1",
                  result, words, act="a")  # fmt: skip
    (one,) = moments_of_audit(entry, VM)
    assert (one.what, one.detail, one.tone, one.layer) == ("migrate", told, tone, Layer.OURS)


@pytest.mark.parametrize(
    ("uid", "time", "is_ours"),
    [
        ("1", "2026-11-21T01:49:00Z", True),
        ("of another cluster", "2026-11-21T02:51:00Z", False),
        ("", "2026-11-21T01:50:00Z", True),
        ("", "2026-11-21T01:40:00Z", False),
    ],
)
def test_what_was_done_in_another_cluster_of_that_name_is_not_of_this_one(uid: str, time: str, is_ours: bool) -> None:
    entry = Entry(time, "root", "c", "root", "restart", VM.kind, "shop", "web-1", uid, "accepted")
    assert is_act_on(entry, entry.subjects[0], VM, BEGIN) is is_ours


def test_of_an_object_that_is_gone_all_that_was_done_since_its_vm_came_is_told() -> None:
    gone = VM._replace(kind="VirtualMachineInstance", uid="")
    entry = Entry("2026-11-21T02:51:00Z", "root", "c", "root", "pause", gone.kind, "shop", "web-1", "7", "accepted")
    assert is_act_on(entry, entry.subjects[0], gone, BEGIN)
    assert not is_act_on(entry, entry.subjects[0], gone, BEGIN + 86400)


def test_what_libvirt_told_keeps_its_words_and_tone() -> None:
    ref = Ref("kvm1", "Domain", "", "db-1", "u")
    (one,) = moments_of_happenings([Happening(BEGIN, "paused", "I/O error", Tone.BAD, 3)], ref, Layer.VM)
    assert (one.what, one.detail, one.tone, one.count) == ("paused", "I/O error", Tone.BAD, 3)


# One axis ------------------------------------------------------------------------------------------------------------

MOMENTS = st.lists(
    st.builds(
        moment,
        st.integers(0, 20_000).map(float),
        st.sampled_from(["Created", "Started", "BackOff"]),
        layer=st.sampled_from(Layer),
        count=st.integers(1, 3),
        key=st.text(st.sampled_from("abcdefgh"), min_size=1, max_size=3),
    )
)


@given(MOMENTS, MOMENTS)
def test_merging_is_sorted_stable_and_knows_what_it_has(one: list[Moment], other: list[Moment]) -> None:
    merged = merge(one, other)
    assert [item.at for item in merged] == sorted(item.at for item in merged)
    assert len({item.identity for item in merged}) == len(merged)
    assert {item.identity for item in merged} == {item.identity for item in [*one, *other]}
    assert merge(merged) == merged
    assert merge(merged, other) == merged
    order = {identity: at for at, identity in enumerate(dict.fromkeys(item.identity for item in [*one, *other]))}
    for before, after in pairwise(merged):
        if (before.at, before.layer) == (after.at, after.layer):
            assert order[before.identity] < order[after.identity]


@given(MOMENTS)
def test_folding_is_sorted_and_loses_no_occurrence(moments: list[Moment]) -> None:
    merged = merge(moments)
    folded = fold(merged)
    assert [item.at for item in folded] == sorted(item.at for item in folded)
    assert sum(item.count for item in folded if not item.opens) == sum(item.count for item in merged)
    assert {(item.layer, item.what) for item in folded} == {(item.layer, item.what) for item in merged}


@given(MOMENTS, st.integers(0, 20_000).map(float))
def test_the_layout_has_every_moment_and_one_now_in_its_place(moments: list[Moment], now: float) -> None:
    folded = fold(merge(moments))
    rows = lay_out(folded, now)
    assert [row for row in rows if isinstance(row, Moment)] == folded
    at = [row.at for row in rows if not isinstance(row, Gap)]
    assert at == sorted(at)
    assert sum(isinstance(row, Now) for row in rows) == 1


def test_repeated_lines_are_one_at_their_end_and_one_at_their_beginning_when_something_else_happened() -> None:
    again = [moment(BEGIN + 60 * number, "BackOff", key=str(number)) for number in range(14)]
    alone = fold(again)
    assert [(one.count, one.opens) for one in alone] == [(14, False)]
    other = moment(BEGIN + 300, "Cordoned", layer=Layer.NODE)
    folded = fold(merge(again, [other]))
    assert [(one.what, one.opens) for one in folded] == [("BackOff", True), ("Cordoned", False), ("BackOff", False)]
    assert tell_count(folded[-1], BEGIN + 900, Clockface.UTC) == "x14 between 01:50 and 02:03"
    assert tell_count(folded[0], BEGIN + 900, Clockface.UTC) == "the first of 14"


def test_what_repeats_itself_hours_later_stands_for_itself() -> None:
    folded = fold([moment(BEGIN, "Killing"), moment(BEGIN + 7200, "Killing")])
    assert [one.count for one in folded] == [1, 1]


def test_silence_is_a_line() -> None:
    rows = lay_out([moment(BEGIN), moment(BEGIN + 2520)], BEGIN + 2580)
    assert [type(row) for row in rows] == [Moment, Gap, Moment, Now]
    assert rows[1] == Gap(2520)


def test_what_is_read_again_later_takes_the_place_of_what_was_known() -> None:
    before, after = moment(BEGIN, "BackOff", key="e"), moment(BEGIN + 60, "BackOff", key="e", count=2)
    assert merge([before], [after]) == [after]


# Clocks --------------------------------------------------------------------------------------------------------------


def test_a_node_whose_clock_is_behind_gives_itself_away() -> None:
    made = moment(BEGIN, "created", layer=Layer.POD, subject=POD, source="object", key="created")
    started = moment(BEGIN - 90, "container compute started", layer=Layer.POD, subject=POD, source="container",
                     clock="node n1")  # fmt: skip
    assert compare_clocks([made, started], BEGIN + 600) == [
        "the clock of node n1 is behind that of the API server by 90s or more: it tells of"
        " shop/virt-launcher-web-1-aaaaa before it was created"
    ]
    assert compare_clocks([made, replace(started, at=BEGIN + 1)], BEGIN + 600) == []


def test_a_clock_ahead_of_ours_is_told_and_its_moments_stand_below_now() -> None:
    ahead = moment(BEGIN + 300)
    assert compare_clocks([ahead], BEGIN) == ["the clock of the cluster is ahead of ours by 5m or more"]
    assert [type(row) for row in lay_out([ahead], BEGIN)] == [Now, Moment]


def test_a_migration_of_which_the_instance_tells_has_the_name_of_the_object() -> None:
    known = Ref("c", "VirtualMachineInstanceMigration", "shop", "move-1", "m")
    began = moment(BEGIN, "migration began", layer=Layer.MIGRATION, subject=known._replace(name=""))
    gone = moment(BEGIN, "migration began", layer=Layer.MIGRATION, subject=known._replace(name="", uid="other"))
    named = [one.subject for one in name_migrations([began, gone], [VM, known])]
    assert named == [known, gone.subject]


def test_a_record_without_any_times_tells_nothing() -> None:
    assert list(moments_of(VirtualMachine(), VM, Layer.VM)) == []


def test_the_volume_of_a_claim_is_on_the_timeline_of_its_disk() -> None:
    items = read_machine("imported")
    claim = next(item for item in items if item["kind"] == "PersistentVolumeClaim")
    volume = {"kind": "PersistentVolume", "metadata": {"name": claim["spec"]["volumeName"], "uid": "pv"}}
    store = store_of([*items, volume])
    store.drain()
    refs = involve(store, VM._replace(name="dv-1", uid=""))
    assert claim["spec"]["volumeName"] in {ref.name for ref, layer in refs.items() if layer is Layer.DISK}


# Hosts ---------------------------------------------------------------------------------------------------------------


def host_store() -> Store:
    """A host whose domain moves, was copied before, and runs a node of a cluster."""
    store = Store()
    made = {"creationTimestamp": "2026-11-20T01:00:00Z"}
    records = [
        Host(metadata=Meta(name="kvm1"), link="connected", link_since=BEGIN - 600),
        Domain(metadata=Meta(name="db-1", uid="u-1"), state=DomainState.PAUSED, reason="I/O error", since=BEGIN),
        DomainJob(metadata=Meta(name="db-1", uid="j"), domain="db-1", domain_uid="u-1", operation="outgoing migration",
                  phase="Failed", source="kvm1", target="kvm2", began=BEGIN - 60, ended=BEGIN - 30, reason="no route"),
        BlockJob(metadata=Meta(name="db-1/vda", uid="b"), domain="db-1", domain_uid="u-1", target="vda",
                 operation="copy", began=BEGIN - 300),
        msgspec.convert({"metadata": {"name": "db-1/before", "uid": "s", **made}, "domainUid": "u-1"}, DomainSnapshot),
    ]  # fmt: skip
    for record in records:
        store.post(Put("kvm1", record))
    node = {"kind": "Node", "metadata": {"name": "n1", "uid": "n"}, "status": {"nodeInfo": {"systemUUID": "U-1"}}}
    store.post(Put("c", record_of(node)))
    store.drain()
    return store


def test_a_domain_has_its_jobs_copies_host_and_the_node_in_it_on_its_timeline() -> None:
    layers = involve(host_store(), Ref("kvm1", "Domain", "", "db-1", "u-1"))
    assert {(ref.kind, layer) for ref, layer in layers.items()} == {
        ("Domain", Layer.VM), ("DomainJob", Layer.MIGRATION), ("BlockJob", Layer.DISK), ("DomainSnapshot", Layer.COPY),
        ("Host", Layer.HOST), ("Node", Layer.NODE),
    }  # fmt: skip


def test_a_node_stands_on_its_domain_and_host_with_what_goes_on_there() -> None:
    layers = involve(host_store(), Ref("c", "Node", "", "n1", "n"))
    assert {(ref.kind, layer) for ref, layer in layers.items() if ref.backend == "kvm1"} == {
        ("Domain", Layer.HOST), ("DomainJob", Layer.HOST), ("BlockJob", Layer.HOST), ("Host", Layer.HOST),
    }  # fmt: skip


def test_jobs_tell_begin_end_way_and_reason() -> None:
    store = host_store()
    found: list[Moment] = []
    for ref, layer in involve(store, Ref("kvm1", "Domain", "", "db-1", "u-1")).items():
        record = store.record(ref)
        assert record is not None
        found = merge(found, moments_of(record, ref, layer))
    assert [(one.what, one.detail, one.tone) for one in found] == [
        ("created", "", None),
        ("connected", "", None),
        ("copy of vda began", "", None),
        ("outgoing migration began", "kvm1 > kvm2", None),
        ("outgoing migration failed", "kvm1 > kvm2, no route", Tone.BAD),
        ("paused", "I/O error", Tone.BAD),
    ]


def test_a_state_that_libvirt_told_of_is_told_once() -> None:
    ref = Ref("kvm1", "Domain", "", "db-1", "u-1")
    state = moment(BEGIN + 1, "paused", subject=ref, source="state")
    happened = moment(BEGIN, "paused", subject=ref, source="happening", detail="I/O error")
    assert drop_seen_states([state, happened]) == [happened]
    assert drop_seen_states([state]) == [state]
