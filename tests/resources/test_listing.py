"""The listing: order, filters, and that following deltas gives the same as beginning anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvtui.model import Cell, Ref, Usage
from kvtui.records.base import Condition, Meta, Owner, Record, StampedMeta
from kvtui.records.cdi import DataVolume, DataVolumeStatus
from kvtui.records.kubernetes import Claim, ClaimStatus, Node, NodeStatus, Pod, PodSpec
from kvtui.records.kubevirt import (
    InstanceSpec,
    InstanceStatus,
    MachineSpec,
    MachineStatus,
    Migration,
    MigrationSpec,
    MigrationState,
    MigrationStatus,
    Template,
    VirtualMachine,
    VirtualMachineInstance,
    Volume,
    VolumeName,
)
from kvtui.resources import RESOURCES, find
from kvtui.resources.base import AnyResource
from kvtui.resources.filtering import FilterError
from kvtui.resources.listing import Listing
from kvtui.resources.ordering import natural, sort_key
from kvtui.store import Drop, Put, Replace, SetUsage, Store

NOW = 1_795_000_000.0


def resource(name: str) -> AnyResource:
    found = find(name)
    assert found is not None
    return found


def machine(name: str, *, namespace: str = "a", status: str = "Running", uid: str = "", **labels: str) -> Put:
    meta = Meta(name=name, namespace=namespace, uid=uid or f"{namespace}-{name}", labels=labels)
    return Put("c", VirtualMachine(metadata=meta, status=MachineStatus(printable_status=status)))


def vms(*puts: Put) -> tuple[Store, Listing]:
    store = Store()
    store.apply(puts)
    return store, Listing(resource("vms"), store, NOW)


def names(listing: Listing) -> list[str]:
    return [ref.name for ref in listing.refs]


# Order -------------------------------------------------------------------------------------------------------------


def test_names_are_ordered_by_their_numbers() -> None:
    _, listing = vms(machine("web-10"), machine("web-9"), machine("Web-1"), machine("db"))
    assert names(listing) == ["db", "Web-1", "web-9", "web-10"]


def test_what_is_unknown_comes_last_either_way() -> None:
    refs = [Ref("c", "K", "", name) for name in ("x", "y", "z")]
    cells = {"x": Cell("-"), "y": Cell("1"), "z": Cell("2")}
    for descending, order in ((False, ["y", "z", "x"]), (True, ["z", "y", "x"])):
        ordered = sorted(refs, key=lambda ref: sort_key(cells[ref.name], ref, descending))
        assert [ref.name for ref in ordered] == order


def test_rows_of_equal_value_stay_in_order_of_their_names_when_the_order_is_reversed() -> None:
    _, listing = vms(machine("b"), machine("a"), machine("c", status="Stopped"))
    status = [column.title for column in listing.resource.columns].index("STATUS")
    listing.set_sort(status, True, NOW)
    assert names(listing) == ["c", "a", "b"]


def test_numbers_and_words_in_one_column_can_be_ordered() -> None:
    ref = Ref("c", "K", "", "x")
    assert sort_key(Cell("7", None, 7), ref, False) < sort_key(Cell("word"), ref, False)
    assert natural("node2") < natural("node10") < natural("nodes")


# Filters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ["db-1", "web-1", "web-2"]),
        ("web", ["web-1", "web-2"]),
        ("WEB 1", ["web-1"]),
        ("!web", ["db-1"]),
        ("web !2", ["web-1"]),
        ("status:stopped", ["web-2"]),
        ("status!:stopped", ["db-1", "web-1"]),
        ("name:db", ["db-1"]),
        ("-l app=web", ["web-1", "web-2"]),
        ("-l app!=web", ["db-1"]),
        ("-l 'app in (web,db),tier'", ["web-1"]),
        ("-l 'app notin (web)'", ["db-1"]),
        ("-l !tier", ["db-1", "web-2"]),
        ("-l app=web status:running", ["web-1"]),
        ("aa:bb:cc", []),
        ("http://web", []),
        ("strategy:always", []),
        ("runstrategy:-", ["db-1", "web-1", "web-2"]),
    ],
)
def test_filters(text: str, shown: list[str]) -> None:
    _, listing = vms(
        machine("web-1", app="web", tier="front"), machine("web-2", status="Stopped", app="web"), machine("db-1")
    )
    listing.set_filter(text, NOW)
    assert names(listing) == shown
    assert listing.total == 3


@pytest.mark.parametrize("text", ['"web', "!", "-l", "-l app=web=2", "-l 'a in b'", "-l 'x y'", "bogus:xx"])
def test_a_filter_that_makes_no_sense_is_a_sentence_and_changes_nothing(text: str) -> None:
    _, listing = vms(machine("web-1"), machine("db-1"))
    listing.set_filter("web", NOW)
    with pytest.raises(FilterError) as error:
        listing.set_filter(text, NOW)
    assert " " in str(error.value)
    assert names(listing) == ["web-1"]
    assert listing.filter_text == "web"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ci", ["ci-1"]), ("insuf", ["db-1"]), ("!ci", ["db-1"]), ("cpu", ["db-1"]), ("reason:ci", ["db-1"])],
)
def test_of_a_reason_words_are_looked_for_from_their_beginning(text: str, shown: list[str]) -> None:
    told = Condition(type="Failure", status="True", reason="FailedCreate", message="Insufficient cpu")
    unlucky = machine("db-1", status="ErrorUnschedulable").record
    assert isinstance(unlucky, VirtualMachine)
    unlucky.status.conditions = (told,)
    _, listing = vms(Put("c", unlucky), machine("ci-1"))
    listing.set_filter(text, NOW)
    assert names(listing) == shown


def test_a_field_that_is_none_is_said_to_be_none() -> None:
    _, listing = vms(machine("web-1"))
    with pytest.raises(FilterError, match=r"^there is no field bogus; there are .*node, os.*status"):
        listing.set_filter("bogus:xx", NOW)


def test_faults_and_namespace() -> None:
    _, listing = vms(machine("a", namespace="x", status="CrashLoopBackOff"), machine("b", namespace="y"))
    listing.set_faults(True, NOW)
    assert names(listing) == ["a"]
    listing.set_faults(False, NOW)
    listing.set_namespace("y", NOW)
    assert names(listing) == ["b"]
    assert listing.total == 1


# Following deltas --------------------------------------------------------------------------------------------------


def test_a_change_of_another_record_of_the_row_changes_the_row() -> None:
    store, listing = vms(machine("web-1"))
    vmi = VirtualMachineInstance(
        metadata=StampedMeta(name="web-1", namespace="a", uid="i"),
        status=InstanceStatus(phase="Running", node_name="n1"),
    )
    change = listing.apply(store.apply([Put("c", vmi)]), NOW)
    (ref,) = change.changed
    assert ref.kind == "VirtualMachine"
    assert not change.moved
    row = listing.row(ref)
    assert row is not None
    assert row.vmi.status.node_name == "n1"


def instance_of_a_vm(disk: str) -> VirtualMachineInstance:
    return VirtualMachineInstance(
        metadata=StampedMeta(
            name="web-1", namespace="a", uid="i", owner_references=(Owner("VirtualMachine", "web-1", "u", True),)
        ),
        spec=InstanceSpec(volumes=(Volume(name="v", data_volume=VolumeName(name=disk)),)),
        status=InstanceStatus(phase="Pending"),
    )


def claim(name: str, phase: str) -> Claim:
    return Claim(Meta(name=name, namespace="a", uid=name), status=ClaimStatus(phase))


def claims_of(listing: Listing, ref: Ref) -> list[str]:
    row: Any = listing.row(ref)
    return [found.status.phase for found in row.claims]


def test_an_instance_whose_vm_is_gone_follows_its_claims() -> None:
    store, listing = vms(machine("web-1"))
    store.apply([Put("c", instance_of_a_vm("disk")), Put("c", claim("disk", "Pending"))])
    listing.rebuild(NOW)
    listing.apply(store.apply([Drop("c", VirtualMachine, "a", "web-1")]), NOW)
    change = listing.apply(store.apply([Put("c", claim("disk", "Lost"))]), NOW)
    (ref,) = listing.refs
    assert ref.kind == "VirtualMachineInstance"
    assert ref in change.changed
    assert claims_of(listing, ref) == ["Lost"]


def test_a_vm_follows_a_claim_that_only_its_running_instance_still_has() -> None:
    store, listing = vms(machine("web-1"))
    store.apply([Put("c", instance_of_a_vm("old-disk")), Put("c", claim("old-disk", "Bound"))])
    listing.rebuild(NOW)
    change = listing.apply(store.apply([Put("c", claim("old-disk", "Lost"))]), NOW)
    (ref,) = listing.refs
    assert (ref.kind, change.changed) == ("VirtualMachine", {ref})
    assert claims_of(listing, ref) == ["Lost"]


def test_usage_that_is_measured_anew_shows_and_reorders_where_it_is_sorted_by() -> None:
    store = Store()
    for name in ("n1", "n2"):
        node = Node(metadata=Meta(name=name, uid=name), status=NodeStatus(allocatable={"cpu": "10"}))
        store.post(Put("c", node))
    store.post(SetUsage("c", "Node", {("", "n1"): Usage(1, 1), ("", "n2"): Usage(2, 1)}))
    store.drain()
    listing = Listing(resource("nodes"), store, NOW)
    column = [column.title for column in listing.resource.columns].index("CPU")
    listing.set_sort(column, False, NOW)
    assert names(listing) == ["n1", "n2"]
    measured = SetUsage("c", "Node", {("", "n1"): Usage(3, 1), ("", "n2"): Usage(2, 1)})
    change = listing.apply(store.apply([measured]), NOW)
    assert change.moved
    assert {ref.name for ref in change.changed} == {"n1", "n2"}
    assert names(listing) == ["n2", "n1"]
    assert listing.resource.columns[column].cell(listing.row(listing.refs[1]), NOW).text == "30%"


_NAMES = st.sampled_from(["web-1", "web-2", "web-10"])
_PLACES = st.sampled_from(["a", "b"])
_NODES = st.sampled_from(["", "n1", "n2"])


@st.composite
def records(draw: st.DrawFn) -> Record:
    name, namespace, uid = draw(_NAMES), draw(_PLACES), draw(st.sampled_from(["1", "2"]))
    meta = StampedMeta(name=name, namespace=namespace, uid=f"{namespace}-{name}-{uid}")
    made = draw(st.sampled_from(["", "2026-11-21T01:00:00Z", "2026-11-21T02:00:00Z"])) or None
    meta.creation_timestamp = made
    volumes = (Volume(name="v", data_volume=VolumeName(name=draw(_NAMES))),)
    match draw(st.integers(0, 6)):
        case 0:
            status = MachineStatus(printable_status=draw(st.sampled_from(["Running", "Stopped", "Unknown"])))
            return VirtualMachine(
                meta, spec=MachineSpec(template=Template(InstanceSpec(volumes=volumes))), status=status
            )
        case 1:
            state = MigrationState(start_timestamp=made, target_node=draw(_NODES), migration_uid=f"{namespace}-m-1")
            phase = draw(st.sampled_from(["Scheduling", "Running", "Succeeded"]))
            owners = (Owner("VirtualMachine", name, "x", True),) if draw(st.booleans()) else ()
            meta.owner_references = owners
            return VirtualMachineInstance(
                meta,
                spec=InstanceSpec(volumes=volumes),
                status=InstanceStatus(phase, node_name=draw(_NODES), migration_state=state),
            )
        case 2:
            owner = Owner("VirtualMachineInstance", draw(_NAMES), "o", True)
            meta.labels = {"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": f"{namespace}-{owner.name}-{uid}"}
            meta.owner_references = (owner,)
            return Pod(meta, spec=PodSpec(node_name=draw(_NODES)))
        case 3:
            meta.name = meta.uid = draw(st.sampled_from(["n1", "n2"]))
            meta.namespace = ""
            ready = Condition("Ready", draw(st.sampled_from(["True", "False"])))
            return Node(meta, status=NodeStatus(conditions=(ready,)))
        case 4:
            meta.name = draw(st.sampled_from(["m-1", "m-2"]))
            meta.uid = f"{namespace}-{meta.name}"
            phase = draw(st.sampled_from(["", "Pending", "Running", "Failed"]))
            return Migration(meta, spec=MigrationSpec(vmi_name=name), status=MigrationStatus(phase))
        case 5:
            phase = draw(st.sampled_from(["Pending", "ImportInProgress", "Failed", "Succeeded"]))
            return DataVolume(meta, status=DataVolumeStatus(phase, progress="20%"))
        case _:
            return Claim(meta, status=ClaimStatus(draw(st.sampled_from(["Pending", "Bound", "Lost"]))))


@st.composite
def messages(draw: st.DrawFn) -> Put | Drop | Replace:
    record = draw(records())
    match draw(st.integers(0, 7)):
        case 0 | 1:
            meta = record.metadata
            return Drop("c", type(record), meta.namespace, meta.name, draw(st.sampled_from(["", meta.uid])))
        case 2:
            return Replace("c", type(record), [record])
        case _:
            return Put("c", record)


def look(listing: Listing, ref: Ref) -> list[str]:
    row: Any = listing.row(ref)
    return [column.cell(row, NOW).text for column in listing.resource.columns]


@settings(max_examples=120, deadline=None)
@given(
    batches=st.lists(st.lists(messages(), max_size=12), max_size=6),
    text=st.sampled_from(["", "web", "!1", "name:web", "name!:1"]),
    faults=st.booleans(),
    namespace=st.sampled_from(["", "a"]),
    column=st.integers(0, 8),
    descending=st.booleans(),
)
def test_following_deltas_equals_beginning_anew(
    batches: list[list[Any]], text: str, faults: bool, namespace: str, column: int, descending: bool
) -> None:
    def prepare(kind: AnyResource) -> Listing:
        listing = Listing(kind, store, NOW)
        listing.set_sort(column % len(kind.columns), descending, NOW)
        listing.set_faults(faults, NOW)
        listing.set_namespace(namespace, NOW)
        listing.set_filter(text, NOW)
        return listing

    store = Store()
    kinds = [kind for kind in RESOURCES if kind.name in {"vms", "nodes", "migrations", "imports", "pods", "pvcs"}]
    followers = [prepare(kind) for kind in kinds]
    for batch in batches:
        before = {follower: {ref: look(follower, ref) for ref in follower.refs} for follower in followers}
        orders = {follower: list(follower.refs) for follower in followers}
        delta = store.apply(batch)
        for follower in followers:
            change = follower.apply(delta, NOW)
            anew = prepare(follower.resource)
            assert list(follower.refs) == list(anew.refs)
            assert follower.total == anew.total
            assert change.moved == (orders[follower] != list(follower.refs)) or change.moved
            for at, ref in enumerate(follower.refs):
                assert follower.index(ref) == at
                assert look(follower, ref) == look(anew, ref)
                if before[follower].get(ref) != look(follower, ref):
                    assert ref in change.changed


def test_the_row_of_an_instance_that_goes_while_its_vm_comes_goes_too() -> None:
    store, listing = vms(Put("c", VirtualMachineInstance(metadata=StampedMeta(name="web", namespace="a", uid="i"))))
    assert names(listing) == ["web"]
    listing.apply(store.apply([Drop("c", VirtualMachineInstance, "a", "web"), machine("web")]), NOW)
    assert [ref.kind for ref in listing.refs] == [VirtualMachine.KIND]


def test_many_changes_at_once_are_placed_as_well_as_few() -> None:
    store, listing = vms(*(machine(f"web-{number}") for number in range(300)))
    changed = [machine(f"web-{number}", status="Stopped") for number in range(0, 300, 2)]
    gone = [Drop("c", VirtualMachine, "a", f"web-{number}") for number in range(1, 300, 3)]
    status = [column.title for column in listing.resource.columns].index("STATUS")
    listing.set_sort(status, False, NOW)
    listing.apply(store.apply([*changed, *gone]), NOW)
    anew = Listing(listing.resource, store, NOW)
    anew.set_sort(status, False, NOW)
    assert list(listing.refs) == list(anew.refs)
    assert all(listing.index(ref) == at for at, ref in enumerate(listing.refs))
