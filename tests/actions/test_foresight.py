"""What the rules know is said before an action runs into it, and nothing that changes no decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kvtui.actions.foresight import Found, foresee
from kvtui.demo.world import World
from kvtui.joins.machine import join_machine
from kvtui.model import Finding, Ref, Severity
from kvtui.records.base import Condition, Meta, StampedMeta
from kvtui.records.cdi import DataSources, DataVolume, DataVolumeSpec, DataVolumeStatus, SourceAddress
from kvtui.records.clusters import CLUSTER_LABEL
from kvtui.records.kubernetes import (
    Claim,
    Container,
    Namespace,
    Node,
    NodeSpec,
    NodeStatus,
    Pod,
    PodSpec,
    QuotaSpec,
    QuotaStatus,
    Requests,
    ResourceQuota,
)
from kvtui.records.kubevirt import InstanceStatus, VirtualMachine, VirtualMachineInstance
from kvtui.records.placement import Taint
from kvtui.store import Put, Store
from tests.machines import Object, machine_store
from tests.triage.worlds import Observer


def told(
    store: Store, action: str, ref: Ref, found: Found | None = None, together: set[Ref] | None = None
) -> list[str]:
    return list(foresee(store, found or {}, action, join_machine(store, ref), ref, together or {ref}))


def first_vm(store: Store) -> Ref:
    return next(ref for ref, _ in store.items(VirtualMachine))


# A start -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["vm.restart", "vm.stop", "vm.kill", "vm.migrate"])
def test_of_a_vm_that_is_well_nothing_is_foreseen(action: str) -> None:
    store = machine_store("running", _on_a_good_node)
    assert told(store, action, first_vm(store)) == []


def _on_a_good_node(objects: dict[str, Object]) -> None:
    labels = objects["Node"]["metadata"]["labels"]
    labels["kubevirt.io/schedulable"] = "true"


def test_a_restart_that_no_node_would_take_is_said_not_to_start_again() -> None:
    def ask_for_ssd(objects: dict[str, Object]) -> None:
        _on_a_good_node(objects)
        objects["VirtualMachine"]["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}

    store = machine_store("running", ask_for_ssd)
    words = "the rules say it will not start again: no node has the label disk=ssd"
    assert told(store, "vm.restart", first_vm(store)) == [words]
    assert told(store, "vm.stop", first_vm(store)) == [], "a stop is meant to end it"


def with_quota(hard: str, used: str, **spec: Any) -> tuple[Store, Ref]:
    store = machine_store("running", _on_a_good_node)
    ref = first_vm(store)
    quota = ResourceQuota(
        metadata=Meta(name="small", namespace=ref.namespace, uid="q"),
        spec=QuotaSpec(hard={"requests.memory": hard}, **spec),
        status=QuotaStatus(used={"requests.memory": used}),
    )
    store.apply([Put(ref.backend, quota)])
    return store, ref


def test_a_quota_that_is_exceeded_is_named_before_a_vm_ends_or_moves() -> None:
    store, ref = with_quota("1Gi", "2Gi")
    for action, cannot in (("vm.restart", "start again"), ("vm.stop", "start again"), ("vm.migrate", "move")):
        (words,) = told(store, action, ref)
        refused = f"the rules say it will not {cannot}: quota small refuses its launcher pod: "
        assert words.startswith(f"{refused}requests.memory 2Gi of 1Gi are taken, and it asks for ")


def test_a_quota_that_is_all_taken_refuses_a_second_launcher_pod_alone() -> None:
    store, ref = with_quota("64Gi", "64Gi")
    assert told(store, "vm.restart", ref) == []
    (words,) = told(store, "vm.migrate", ref)
    assert "will not move: quota small refuses" in words


@pytest.mark.parametrize("spec", [{"scopes": ("BestEffort",)}, {"scope_selector": {"matchExpressions": []}}])
def test_a_quota_of_some_pods_alone_is_not_guessed_about(spec: dict[str, Any]) -> None:
    store, ref = with_quota("1Gi", "2Gi", **spec)
    assert told(store, "vm.restart", ref) == []


def test_a_namespace_that_refuses_launcher_pods_is_named_before_another_vm_of_it_ends() -> None:
    store = machine_store("running", _on_a_good_node)
    ref = first_vm(store)
    said = (
        "Synchronized",
        "False",
        "FailedCreate",
        'pods "virt-launcher-b" is forbidden: violates PodSecurity "restricted"',
    )
    status = InstanceStatus(conditions=(Condition(*said),))
    refused = VirtualMachineInstance(metadata=StampedMeta(name="b", namespace=ref.namespace, uid="b"), status=status)
    store.apply([Put(ref.backend, refused), Put(ref.backend, Namespace(metadata=Meta(name=ref.namespace, uid="n")))])
    (words,) = told(store, "vm.restart", ref)
    assert words.endswith(f"namespace {ref.namespace} refuses launcher pods for its pod security, as it does that of b")
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    store.apply([Put(ref.backend, Namespace(metadata=Meta(name=ref.namespace, uid="n", labels=labels)))])
    assert told(store, "vm.restart", ref) == [], "it allows them by now"


def test_a_vm_that_is_off_does_not_start_where_all_nodes_are_cordoned() -> None:
    store = machine_store("stopped")
    ref = first_vm(store)
    meta = Meta(name="n1", labels={"kubevirt.io/schedulable": "true"})
    ready = NodeStatus(conditions=(Condition("Ready", "True"),))
    store.apply([Put(ref.backend, Node(metadata=meta, spec=NodeSpec(unschedulable=True), status=ready))])
    assert told(store, "vm.start", ref) == ["the rules say it will not start: n1 is cordoned"]
    store.apply([Put(ref.backend, Node(metadata=meta, status=ready))])
    assert told(store, "vm.start", ref) == []


def test_a_vm_that_is_off_bears_the_taints_that_its_template_says() -> None:
    taint = Taint("maint", "yes", "NoSchedule")
    for tolerations, words in (
        ([], ["the rules say it will not start: n1 has taint maint=yes:NoSchedule"]),
        ([{"key": "maint", "operator": "Exists"}], []),
    ):
        store = machine_store("stopped", _tolerating(tolerations))
        ref = first_vm(store)
        meta = Meta(name="n1", labels={"kubevirt.io/schedulable": "true"})
        ready = NodeStatus(conditions=(Condition("Ready", "True"),))
        store.apply([Put(ref.backend, Node(metadata=meta, spec=NodeSpec(taints=(taint,)), status=ready))])
        assert told(store, "vm.start", ref) == words


def _tolerating(tolerations: list[Object]) -> Callable[[dict[str, Object]], None]:
    def edit(items: dict[str, Object]) -> None:
        items["VirtualMachine"]["spec"]["template"]["spec"]["tolerations"] = tolerations

    return edit


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (None, "there is no PVC data"),
        ({"deletionTimestamp": "2026-11-21T01:00:00Z"}, "its PVC data is being deleted, and goes once nothing uses it"),
    ],
    ids=["gone", "going"],
)
def test_a_disk_that_will_not_be_there_is_named_before_a_restart(claim: dict[str, Any] | None, words: str) -> None:
    def add_disk(objects: dict[str, Object]) -> None:
        _on_a_good_node(objects)
        volumes = objects["VirtualMachine"]["spec"]["template"]["spec"].setdefault("volumes", [])
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": "data"}})

    store = machine_store("running", add_disk)
    ref = first_vm(store)
    if claim is not None:
        meta = Meta(name="data", namespace=ref.namespace, uid="d", deletion_timestamp=claim["deletionTimestamp"])
        store.apply([Put(ref.backend, Claim(metadata=meta))])
    assert told(store, "vm.restart", ref) == [f"the rules say it will not start again: {words}"]


@pytest.mark.parametrize("action", ["vm.unpause", "vm.restart"])
def test_a_full_ceph_is_named_before_a_guest_writes_to_it_again(action: str) -> None:
    observer = Observer(World(start=datetime(2026, 11, 21, 2, 0, tzinfo=UTC), drill="ceph-full"))
    ref = next(ref for ref, _ in observer.store.items(VirtualMachine) if ref.name == "ledger-db-1")
    (words,) = told(observer.store, action, ref)
    name = "CephCluster rook-ceph/rook-ceph below its disks"
    assert words == f"{name} is full (96 % of its 84Ti are used): the next write pauses it again"
    assert told(observer.store, "vm.stop", ref) == []


# A cluster -----------------------------------------------------------------------------------------------------------


def test_of_a_cluster_that_is_in_trouble_the_stop_of_another_machine_is_warned_of() -> None:
    store = machine_store("running", lambda objects: objects["VirtualMachine"]["metadata"].update(
        labels={CLUSTER_LABEL: "team-a"}))  # fmt: skip
    ref = first_vm(store)
    subject = Ref(ref.backend, "Cluster", ref.namespace, "team-a")
    bad = Finding("cluster.state", Severity.BAD, subject, "cluster", "cannot be reached", "no route to 10.0.0.9:6443")
    words = "cluster team-a is in trouble already: team-a cannot be reached: no route to 10.0.0.9:6443"
    assert told(store, "vm.stop", ref, {subject[:4]: bad}) == [words]
    assert told(store, "vm.migrate", ref, {subject[:4]: bad}) == []


# A disk --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "warns"), [("CloneInProgress", True), ("Succeeded", False)])
def test_a_disk_that_is_being_copied_is_not_deleted_without_a_word(phase: str, warns: bool) -> None:
    source = DataSources(pvc=SourceAddress(namespace="shop", name="golden"))
    copy = DataVolume(
        metadata=Meta(name="copy", namespace="lab", uid="c"),
        spec=DataVolumeSpec(source=source),
        status=DataVolumeStatus(phase=phase),
    )
    store = Store()
    store.apply([Put("c", copy)])
    said = list(foresee(store, {}, "pvc.delete", None, Ref("c", Claim.KIND, "shop", "golden"), ()))
    words = f"DataVolume lab/copy is being copied from it ({phase}): that copy comes to nothing"
    assert said == ([words] if warns else [])


# A node --------------------------------------------------------------------------------------------------------------


def node(name: str, memory: str = "64Gi", *, cordoned: bool = False) -> Put:
    ready = Condition(type="Ready", status="True")
    meta = Meta(name=name, uid=name, labels={"kubevirt.io/schedulable": "true"})
    status = NodeStatus(conditions=(ready,), allocatable={"memory": memory})
    return Put("c", Node(metadata=meta, spec=NodeSpec(unschedulable=cordoned), status=status))


def launcher(name: str, at: str, memory: str) -> Put:
    meta = Meta(name=name, namespace="a", uid=name, labels={"kubevirt.io": "virt-launcher"})
    container = Container(name="compute", resources=Requests(requests={"memory": memory}))
    return Put("c", Pod(metadata=meta, spec=PodSpec(node_name=at, containers=(container,))))


def cordon(store: Store, *names: str) -> list[str]:
    refs = {ref for ref, _ in store.items(Node) if ref.name in names}
    return list(foresee(store, {}, "node.cordon", None, min(refs), refs))


def test_the_last_node_that_takes_vms_is_not_cordoned_without_a_word() -> None:
    store = Store()
    store.apply([node("one"), node("two", cordoned=True), node("three")])
    assert cordon(store, "one") == []
    assert cordon(store, "one", "three") == ["no other node takes VMs: none starts or moves until one does again"]


def test_the_last_node_with_room_is_said_to_be_that() -> None:
    store = Store()
    store.apply([node("one"), node("two", "8Gi"), launcher("a", "two", "7Gi"), launcher("b", "one", "2Gi")])
    words = "no other node has room: two, the freest, has 1Gi of memory left, and the smallest VM asks for 2Gi"
    assert cordon(store, "one") == [words]
    assert cordon(store, "two") == []
