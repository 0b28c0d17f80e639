"""What VMs run on without, and would need to run again: told while there is time to mend it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kvtui.actions.foresight import foresee
from kvtui.demo import kinds
from kvtui.demo.world import World
from kvtui.joins.machine import join_machine
from kvtui.model import Feed, FeedState, Ref, Severity
from kvtui.records.base import Meta, find_condition
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.networks import NetworkAttachment
from kvtui.resources import RESOURCES
from kvtui.stack import tell_stack
from kvtui.store import Put, Store
from kvtui.triage.lacks import is_attachment_missing
from tests.triage.worlds import BACKEND, Observer

NETWORK = Ref(BACKEND, NetworkAttachment.KIND, "shop", "db-vlan120")


@pytest.fixture
def observer() -> Observer:
    return Observer(World(start=datetime(2026, 11, 21, 2, 0, tzinfo=UTC), troubles=False))


def take_network(observer: Observer) -> None:
    observer.world.storage.delete(kinds.NAD, NETWORK.namespace, NETWORK.name)


def take_disk(observer: Observer) -> None:
    # Somebody has taken its protection away: else it would stay while the VM runs.
    place = (kinds.PVC, "data", "clickhouse-1-data")
    observer.world.storage.modify(*place, lambda claim: claim["metadata"].pop("finalizers"))
    observer.world.storage.delete(*place)


def told(observer: Observer, action: str, namespace: str, name: str) -> list[str]:
    ref = observer.store.ref_of(VirtualMachine, BACKEND, namespace, name)
    assert ref is not None
    return list(foresee(observer.store, {}, action, join_machine(observer.store, ref), ref, {ref}))


def test_a_network_that_is_removed_under_running_vms_is_one_problem_that_names_them(observer: Observer) -> None:
    take_network(observer)
    observer.pass_time(90)
    for problems in (observer.problems, observer.look_once()):
        (problem,) = problems
        assert (problem.finding.subject, problem.severity) == (NETWORK, Severity.WARN)
        names = "shop/postgres-1, shop/postgres-2, shop/postgres-3"
        assert problem.cause == f"VMs {names} still run, and neither start nor move again without it"


def test_the_stack_of_a_vm_marks_the_network_that_is_gone(observer: Observer) -> None:
    take_network(observer)
    observer.pass_time(90)
    vm = observer.store.ref_of(VirtualMachine, BACKEND, "shop", "postgres-1")
    assert vm is not None
    now = observer.world.clock.now.timestamp()
    layers = tell_stack(observer.store, vm, RESOURCES, observer.findings, now)
    (network,) = (one for one in layers or () if one.layer.sought is not None)
    assert network.finding is not None
    assert network.finding.subject == NETWORK


def test_a_vm_that_was_restarted_without_its_network_hangs_on_the_same_problem(observer: Observer) -> None:
    take_network(observer)
    observer.world.storage.delete(kinds.VMI, "shop", "postgres-1")
    observer.pass_time(180)
    (problem,) = observer.problems
    assert problem.finding.subject == NETWORK
    assert problem.cause.startswith("stops VM shop/postgres-1: VMs shop/postgres-2, shop/postgres-3 still run")


def test_a_refusal_that_nobody_lifts_by_waiting_is_told_at_once_and_by_its_cause(observer: Observer) -> None:
    take_network(observer)
    observer.world.storage.delete(kinds.VMI, "shop", "postgres-1")
    while not _is_refused(observer):
        observer.pass_time(1)
    (problem,) = observer.look_once()
    assert problem.finding.subject == NETWORK
    assert [(one.rule, one.subject.name) for one in problem.effects] == [("vm.state", "postgres-1")]


def _is_refused(observer: Observer) -> bool:
    vmi = observer.store.get(VirtualMachineInstance, BACKEND, "shop", "postgres-1")
    synchronized = find_condition(vmi.status.conditions, "Synchronized") if vmi is not None else None
    return synchronized is not None and synchronized.status == "False"


def test_a_network_that_is_made_again_is_no_problem_any_more(observer: Observer) -> None:
    kept = observer.world.storage.get(kinds.NAD, NETWORK.namespace, NETWORK.name)
    take_network(observer)
    observer.pass_time(90)
    assert observer.problems
    made = {**kept, "metadata": {"namespace": NETWORK.namespace, "name": NETWORK.name}}
    observer.world.storage.create(kinds.NAD, made)
    observer.pass_time(30)
    assert observer.problems == []


@pytest.mark.parametrize(
    "feed",
    [
        Feed(BACKEND, NetworkAttachment.KIND, FeedState.FORBIDDEN),
        Feed(BACKEND, NetworkAttachment.KIND, FeedState.ABSENT),
        Feed(BACKEND, NetworkAttachment.KIND, FeedState.LIVE, detail="only namespace ci: the account may not list all"),
    ],
    ids=["forbidden", "absent", "narrowed"],
)
def test_a_network_that_cannot_be_listed_is_not_said_to_be_gone(observer: Observer, feed: Feed) -> None:
    for ref, _ in list(observer.store.items(NetworkAttachment)):
        observer.world.storage.delete(kinds.NAD, ref.namespace, ref.name)
    observer.store.post(feed)
    observer.store.drain()
    observer.pass_time(90)
    assert observer.problems == []
    assert told(observer, "vm.restart", "shop", "postgres-1") == []


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("vm.restart", "the rules say it will not start again: "),
        ("vm.force_restart", "the rules say it will not start again: "),
        ("vm.stop", "the rules say it will not start again: "),
        ("vm.kill", "the rules say it will not start again: "),
        ("vm.migrate", "the rules say it will not move: "),
    ],
)
def test_before_a_running_vm_loses_its_launcher_it_is_said_why_there_will_be_no_other(
    observer: Observer, action: str, words: str
) -> None:
    for namespace, name in (("shop", "postgres-1"), ("data", "clickhouse-1")):
        assert told(observer, action, namespace, name) == []
    take_network(observer)
    take_disk(observer)
    observer.pass_time(15)
    gone = "there is no NetworkAttachmentDefinition shop/db-vlan120"
    assert told(observer, action, "shop", "postgres-1") == [words + gone]
    disk = "clickhouse-1-data"
    lost = f"its PVC {disk} is gone, and DataVolume {disk} is Succeeded: CDI does not make it again"
    assert told(observer, action, "data", "clickhouse-1") == [words + lost]


def test_of_a_disk_that_is_deleted_while_its_vm_runs_it_is_said_before_the_vm_ends(observer: Observer) -> None:
    observer.world.storage.delete(kinds.PVC, "data", "clickhouse-1-data")
    observer.pass_time(15)
    going = "its PVC clickhouse-1-data is being deleted, and goes once nothing uses it"
    assert told(observer, "vm.stop", "data", "clickhouse-1") == [f"the rules say it will not start again: {going}"]


def test_a_lost_disk_names_the_vm_that_still_runs_and_stays_the_problem_once_that_is_down(observer: Observer) -> None:
    take_disk(observer)
    observer.pass_time(60)
    (problem,) = observer.problems
    assert problem.cause.endswith("; VM data/clickhouse-1 still runs with it, and will not start again")
    observer.world.storage.delete(kinds.VMI, "data", "clickhouse-1")
    observer.pass_time(120)
    (after,) = observer.problems
    assert (after.finding.subject, after.finding.trouble) == (problem.finding.subject, "has lost its disk")
    assert after.cause.startswith("stops VM data/clickhouse-1: DataVolume data/clickhouse-1-data is Succeeded")
    assert {one.step for one in after.findings} == {"bring back its volume, or restore it from a backup"}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_lost_claim_tells_which_vm_runs_with_it_and_holds_up_no_import_that_is_long_done(
    observer: Observer, phase: str
) -> None:
    place, storage = ("data", "clickhouse-1-data"), observer.world.storage
    volume = storage.get(kinds.PVC, *place)["spec"]["volumeName"]
    storage.modify(kinds.PV, "", volume, lambda found: found["metadata"].update(finalizers=[]))
    storage.delete(kinds.PV, "", volume)
    storage.modify(kinds.PVC, *place, lambda claim: claim["status"].update(phase="Lost"))
    if phase == "Failed":
        observer.world.storage.modify(kinds.DATA_VOLUME, *place, _fail)
    observer.pass_time(60)
    for problems in (observer.problems, observer.look_once()):
        (problem,) = problems
        assert (problem.finding.label, problem.finding.trouble) == ("claim", "has lost its volume")
        assert problem.cause.endswith(" is gone; VM data/clickhouse-1 still runs with it, and will not start again")
        (effect,) = problem.effects
        assert effect.cause == f"DataVolume data/clickhouse-1-data is {phase}, and PVC data/clickhouse-1-data is Lost"
        assert effect.step == "bring back its volume, or restore it from a backup"


def _fail(volume: dict[str, Any]) -> None:
    """As CDI does it for a claim that is lost."""
    volume["status"]["phase"] = "Failed"
    bound = next(one for one in volume["status"]["conditions"] if one["type"] == "Bound")
    bound.update(status="False", reason="ClaimLost", message="Claim Lost")


def test_a_disk_that_a_vm_misses_is_told_as_soon_as_the_vm_that_does_not_start(observer: Observer) -> None:
    take_disk(observer)
    observer.world.storage.delete(kinds.VMI, "data", "clickhouse-1")
    while not observer.problems:
        observer.pass_time(1)
    (problem,) = observer.problems
    assert problem.finding.trouble == "has lost its disk"
    assert [one.subject.name for one in problem.effects] == ["clickhouse-1"]


@pytest.mark.parametrize(
    ("listed", "detail", "path", "missing"),
    [
        (["shop/vlan-1"], "", "shop/vlan-1", False),
        ([], "", "shop/vlan-1", True),
        (["shop/vlan-2"], "", "common/vlan-1", False),
        (["shop/vlan-2", "data/vlan-3"], "", "common/vlan-1", True),
        (["common/vlan-2"], "", "common/vlan-1", True),
        ([], "only namespace data", "shop/vlan-1", False),
        (["shop/vlan-2"], "only namespace shop", "shop/vlan-1", True),
    ],
    ids=["there", "own", "only-own-seen", "all-seen", "beside", "narrowed-elsewhere", "narrowed-here"],
)
def test_a_network_is_missing_only_where_its_namespace_is_seen(
    listed: list[str], detail: str, path: str, missing: bool
) -> None:
    store = Store()
    store.post(Feed(BACKEND, NetworkAttachment.KIND, FeedState.LIVE, detail=detail))
    for one in listed:
        namespace, _, name = one.partition("/")
        store.post(Put(BACKEND, NetworkAttachment(metadata=Meta(name=name, namespace=namespace, uid=one))))
    store.drain()
    assert is_attachment_missing(store, BACKEND, path, "shop") is missing
