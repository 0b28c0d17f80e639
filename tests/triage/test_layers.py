"""Layers that disagree, on recorded machines: what is said, of whom, and which layer is at fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kvtui.model import Feed, FeedState, Finding, Severity
from kvtui.records.base import Condition, Meta, Record
from kvtui.records.kubernetes import Node, NodeStatus, NodeSystem
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.store import Drop, Put, Store
from kvtui.triage.base import LINGER, LOOK_AGAIN
from kvtui.triage.engine import Engine
from kvtui.triage.layers import RULES, SETTLE
from tests.machines import RECORDED, Object, read_machine, record_of, store_of
from tests.triage import judging

UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
Edit = Callable[[dict[str, Object]], None]


def world(name: str, edit: Edit = lambda _items: None, *more: tuple[str, Record]) -> Store:
    items = read_machine(name)
    edit({item["kind"]: item for item in items})
    store = store_of(items)
    for backend, record in more:
        store.post(Put(backend, record))
    return store


def told(store: Store, *, after: float = SETTLE + 1) -> Sequence[Finding]:
    """What these rules say some seconds later."""
    engine = Engine(RULES)
    engine.update(store, store.drain(), RECORDED)
    engine.update(store, store.drain(), RECORDED + after)
    return engine.findings


def domain(state: DomainState = DomainState.RUNNING, reason: str = "") -> Domain:
    return Domain(metadata=Meta(name="shop_web-1", uid=UUID), state=state, reason=reason, id=7)


def host(link: str = "connected") -> Host:
    return Host(metadata=Meta(name="kvm1"), link=link)


def with_firmware(items: dict[str, Object]) -> None:
    items["VirtualMachineInstance"]["spec"]["domain"]["firmware"] = {"uuid": UUID.upper()}


def only(found: Sequence[Finding]) -> Finding:
    (finding,) = found
    assert finding.severity is Severity.BAD
    assert finding.root is not None
    return finding


@pytest.mark.parametrize("name", ["running", "stopped", "imported", "evacuated", "unbound", "without_vm"])
def test_layers_that_agree_are_left_alone(name: str) -> None:
    assert told(world(name)) == ()


def test_a_vm_that_is_running_while_its_domain_stands_still_has_its_root_in_the_domain() -> None:
    paused = domain(DomainState.PAUSED, "I/O error")
    found = only(told(world("running", with_firmware, ("kvm1", host()), ("kvm1", paused))))
    assert found.cause == "VMI web-1 is Running, and domain kvm1/shop_web-1 is paused (I/O error)"
    assert (found.subject.kind, found.root and found.root.kind) == ("VirtualMachine", "Domain")
    assert found.step == "mend its disk, then unpause it"


@pytest.mark.parametrize(
    ("state", "link"),
    [(DomainState.RUNNING, "connected"), (DomainState.BLOCKED, "connected"), (DomainState.SHUTOFF, "lost")],
)
def test_a_domain_that_runs_or_of_which_nothing_is_known_disagrees_with_nobody(state: DomainState, link: str) -> None:
    assert told(world("running", with_firmware, ("kvm1", host(link)), ("kvm1", domain(state)))) == ()


def test_of_two_domains_the_one_that_runs_counts() -> None:
    """While it moves, and for a moment afterwards."""
    there = (("kvm1", host()), ("kvm1", domain(DomainState.SHUTOFF)), ("kvm2", host()), ("kvm2", domain()))
    assert told(world("running", with_firmware, *there)) == ()


def test_a_pod_on_another_node_than_the_instance_says() -> None:
    def move(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["status"]["nodeName"] = "node09"

    found = only(told(world("running", move)))
    assert found.cause.startswith("VMI web-1 is on node node09, and its pod virt-launcher-web-1-")
    assert found.root is not None
    assert found.root.kind == "Pod"


def test_a_vm_whose_node_does_not_exist_is_told_with_it_until_the_node_is_back() -> None:
    items = read_machine("running")
    store = store_of([*items, judging.node("node02")])
    engine = Engine(RULES)
    engine.update(store, store.drain(), RECORDED)
    assert not engine.findings
    gone = record_of(next(item for item in items if item["kind"] == "Node"))
    store.post(Drop("c", Node, "", "node01"))
    engine.update(store, store.drain(), RECORDED)
    engine.update(store, store.drain(), RECORDED + SETTLE + 1)
    (found,) = engine.findings
    assert found.cause == "VMI web-1 is Running on node node01, and there is no node node01"
    assert found.root is not None
    assert (found.root.kind, found.root.name) == ("Node", "node01")
    store.post(Put("c", gone))
    engine.update(store, store.drain(), RECORDED + SETTLE + 2)
    engine.update(store, store.drain(), RECORDED + SETTLE + 3 + LINGER)
    assert engine.findings == ()


def test_a_vm_that_moves_is_in_two_places_rightly() -> None:
    def moves(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["status"]["nodeName"] = "node09"
        items["VirtualMachineInstanceMigration"]["status"]["phase"] = "Running"

    assert told(world("running", moves)) == ()


def test_layers_may_disagree_for_a_moment() -> None:
    def move(items: dict[str, Object]) -> None:
        items["VirtualMachineInstance"]["status"]["nodeName"] = "node09"

    assert told(world("running", move), after=SETTLE - 1) == ()


def lost(items: dict[str, Object]) -> None:
    items["PersistentVolumeClaim"]["status"]["phase"] = "Lost"


def gone(items: dict[str, Object]) -> None:
    items["PersistentVolumeClaim"]["metadata"]["name"] = "another"
    items["PersistentVolumeClaim"]["spec"].pop("volumeName", None)


_STILL = "; VM shop/dv-1 still runs with it, and will not start again"


# Of a claim that is lost, the claim itself tells who runs with it.
@pytest.mark.parametrize(("edit", "state"), [(lost, "is Lost"), (gone, f"does not exist{_STILL}")])
def test_a_data_volume_that_succeeded_while_its_claim_is_lost(edit: Edit, state: str) -> None:
    found = only(told(world("imported", edit)))
    assert found.cause == f"DataVolume shop/dv-1-root is Succeeded, and PVC shop/dv-1-root {state}"
    assert found.root is not None
    assert found.root.kind == "PersistentVolumeClaim"


def test_what_may_not_be_listed_is_not_said_to_be_gone() -> None:
    store = world("imported", gone)
    store.post(Feed("c", "PersistentVolumeClaim", FeedState.FORBIDDEN))
    assert told(store) == ()


def volume(**parts: Any) -> Object:
    return {"kind": "PersistentVolume", "metadata": {"name": "pv-1", "uid": "v"}, **parts}


def bound(store_items: list[Object]) -> Object:
    claim = next(item for item in store_items if item["kind"] == "PersistentVolumeClaim")
    claim["spec"]["volumeName"], claim["status"]["phase"] = "pv-1", "Bound"
    return claim


@pytest.mark.parametrize(
    ("status", "holder", "state"),
    [
        ({"phase": "Failed", "message": "error deleting image"}, {}, "is Failed: error deleting image"),
        ({"phase": "Released"}, {}, "is Released"),
        ({"phase": "Bound"}, {"name": "other"}, "belongs to PVC shop/other"),
        ({"phase": "Bound"}, {"uid": "earlier"}, "belongs to an earlier PVC of this name"),
        ({"phase": "Bound"}, {}, ""),
    ],
)
def test_a_claim_that_is_bound_to_a_volume_that_is_not_its_own(status: Object, holder: Object, state: str) -> None:
    items = read_machine("imported")
    claim = bound(items)
    meta = {key: claim["metadata"][key] for key in ("namespace", "name", "uid")}
    items.append(volume(spec={"claimRef": {**meta, **holder}}, status=status))
    found = [one for one in told(store_of(items)) if one.rule == "layers.claim"]
    if not state:
        assert found == []
        return
    assert only(found).cause == f"PVC {meta['namespace']}/{meta['name']} is Bound, and its volume pv-1 {state}"
    assert found[0].root is not None
    assert (found[0].root.kind, found[0].root.name) == ("PersistentVolume", "pv-1")


@pytest.mark.parametrize("spoilt", [{"status": {"phase": "Failed"}}, {"spec": {"claimRef": {"name": "other"}}}])
def test_a_claim_is_judged_anew_when_its_volume_changes_either_way(spoilt: Object) -> None:
    items = read_machine("imported")
    claim = bound(items)
    meta = {key: claim["metadata"][key] for key in ("namespace", "name", "uid")}
    well = volume(spec={"claimRef": meta}, status={"phase": "Bound"})
    bad = {**well, **{key: {**well[key], **value} for key, value in spoilt.items()}}
    store, engine = store_of([*items, well]), Engine(RULES)
    for wait, item, count in ((0, well, 0), (100, bad, 1), (200, well, 0)):
        store.post(Put("c", record_of(item)))
        engine.update(store, store.drain(), RECORDED + wait)
        engine.update(store, store.drain(), RECORDED + wait + SETTLE + 1)
        assert len(engine.findings) == count


def test_a_volume_that_comes_after_its_claim_and_is_anothers_is_told_all_the_same() -> None:
    items = read_machine("imported")
    claim = bound(items)
    other = {key: claim["metadata"][key] for key in ("namespace", "uid")} | {"name": "other"}
    store, engine = store_of(items), Engine(RULES)
    store.post(Feed("c", "PersistentVolume", FeedState.LIVE))
    engine.update(store, store.drain(), RECORDED)
    store.post(Put("c", record_of(volume(spec={"claimRef": other}, status={"phase": "Bound"}))))
    engine.update(store, store.drain(), RECORDED + 1)
    for wait in (LOOK_AGAIN + 1, LOOK_AGAIN + SETTLE + 2):
        engine.update(store, store.drain(), RECORDED + wait)
    assert [one.rule for one in engine.findings] == ["layers.claim"]


def node(ready: str = "True") -> Node:
    status = NodeStatus(
        conditions=(Condition(type="Ready", status=ready, message="Kubelet stopped posting node status."),),
        node_info=NodeSystem(system_uuid=UUID),
    )
    return Node(metadata=Meta(name="worker-1"), status=status)


def test_a_node_that_is_ready_in_a_domain_that_is_off() -> None:
    store = world("stopped", lambda _items: None, ("kvm1", host()), ("kvm1", domain(DomainState.SHUTOFF, "destroyed")))
    store.post(Put("inner", node()))
    found = only(told(store))
    assert found.cause == "node worker-1 is Ready, and domain kvm1/shop_web-1 is shut off (destroyed)"
    assert found.root is not None
    assert found.root.kind == "Domain"


def machine_uuid(items: dict[str, Object]) -> None:
    items["VirtualMachine"]["spec"]["template"]["spec"]["domain"]["firmware"] = {"uuid": UUID}
    if "VirtualMachineInstance" in items:
        with_firmware(items)


@pytest.mark.parametrize(("name", "count"), [("stopped", 1), ("running", 0)])
def test_a_node_of_another_cluster_that_is_ready_in_a_vm_that_is_off(name: str, count: int) -> None:
    store = world(name, machine_uuid)
    store.post(Put("inner", node()))
    found = told(store)
    assert len(found) == count
    if found:
        assert only(found).cause.startswith("node worker-1 is Ready, and VM shop/")
        assert found[0].root is not None
        assert (found[0].root.backend, found[0].root.kind) == ("c", "VirtualMachine")


def test_a_node_that_is_not_ready_has_its_root_in_the_vm_that_it_runs_in() -> None:
    store = world("stopped", machine_uuid)
    store.post(Put("inner", node("Unknown")))
    engine = Engine()
    engine.update(store, store.drain(), RECORDED)
    found = next(one for one in engine.findings if one.rule == "node.state")
    assert found.root is not None
    assert (found.root.backend, found.root.kind) == ("c", "VirtualMachine")
    assert " of c is Stopped; Kubelet stopped posting node status." in found.cause
