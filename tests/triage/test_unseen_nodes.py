"""Why no node takes a VM, told to whoever may not list nodes: by the scheduler's words and what its pod asks for."""

from __future__ import annotations

import pytest

from kvtui.model import Feed, FeedState, Finding
from kvtui.store import Store
from kvtui.triage.engine import Engine
from kvtui.triage.problems import Problem
from kvtui.unseen import name_unseen, tell_way, unseen_layers
from tests.machines import RECORDED, Object, read_machine, record_of, store_of
from tests.triage.judging import only
from tests.triage.test_migration import failed_without_target
from tests.triage.test_obstacles import waiting

_CONTROL_PLANE = "3 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"
_AND_CONTROL_PLANE = "; 3 nodes have taint node-role.kubernetes.io/control-plane"


_USUAL = "(or arch amd64 or machine type q35)"
"""What the pods of all VMs ask for."""


def without_nodes(items: list[Object]) -> tuple[Store, Engine]:
    """These objects as an account sees them that may not list nodes."""
    store = store_of(items)
    store.post(Feed("c", "Node", FeedState.FORBIDDEN))
    engine = Engine()
    engine.waits = False
    engine.update(store, store.drain(), RECORDED)
    return store, engine


def refused(words: str, name: str = "vm-a", memory: str = "1Gi", select: dict[str, str] | None = None) -> list[Object]:
    """A VM whose pod no node takes, in the scheduler's words."""
    items = waiting(name, memory, select=select)
    pod = next(item for item in items if item["kind"] == "Pod")
    for condition in pod["status"]["conditions"]:
        if condition["type"] == "PodScheduled":
            condition["message"] = f"0/13 nodes are available: {words}. preemption: 0/13 nodes are available."
    return items


def told(words: str, memory: str = "1Gi", select: dict[str, str] | None = None) -> Finding:
    return only(without_nodes(refused(words, memory=memory, select=select))[1].findings, "vm")


@pytest.mark.parametrize(
    ("select", "lacks", "step"),
    [
        (
            {"cpu-model.node.kubevirt.io/GraniteRapids": "true"},
            "CPU model GraniteRapids",
            "choose another domain.cpu.model than GraniteRapids, such as host-model",
        ),
        (
            {"disk": "ssd"},
            "label disk=ssd",
            "correct the nodeSelector, or have a node with label disk=ssd added",
        ),
        (
            {"kubernetes.io/hostname": "worker-77"},
            "node worker-77",
            "correct the nodeSelector, or have node worker-77 brought back",
        ),
        (
            {"disk": "ssd", "zone": "b"},
            "one of label disk=ssd or label zone=b",
            "correct the nodeSelector, or have a node with label disk=ssd added",
        ),
    ],
)
def test_what_the_pod_selects_by_is_what_the_nodes_lack(select: dict[str, str], lacks: str, step: str) -> None:
    found = told(f"10 node(s) didn't match Pod's node affinity/selector, {_CONTROL_PLANE}", select=select)
    assert found.cause == f"no node takes it: 10 nodes lack {lacks} {_USUAL}, which it asks for{_AND_CONTROL_PLANE}"
    assert found.step == step
    key, value = next(iter(select.items()))
    assert (found.evidence[1].field, found.evidence[1].value) == ("spec.nodeSelector", f"{key}={value}")


def test_where_it_asks_for_no_more_than_every_vm_that_is_told() -> None:
    found = told("1 node(s) didn't match Pod's node affinity/selector")
    assert found.cause == (
        "no node takes it: 1 node lacks one of label kubernetes.io/arch=amd64 or machine type q35, which it asks for"
    )


def test_what_it_needs_of_memory_stands_beside_the_nodes_that_have_too_little() -> None:
    found = told(f"10 Insufficient memory, {_CONTROL_PLANE}", memory="2Ti")
    assert found.cause == f"no node takes it: 10 nodes have too little memory: it needs 2Ti{_AND_CONTROL_PLANE}"
    assert found.step == "give the VM less memory, or have 2Ti of memory made free on a node"
    assert ("requests.memory", "2Ti") in [(one.field, one.value) for one in found.evidence]


def test_a_device_of_which_none_is_free_is_named() -> None:
    found = told("10 Insufficient devices.kubevirt.io/kvm")
    assert found.cause == "no node takes it: 10 nodes have no free devices.kubevirt.io/kvm"


def test_taints_and_cordons_are_told_and_those_of_the_control_plane_last() -> None:
    found = told(
        f"2 node(s) had untolerated taint {{firmware: pending}}, 1 node(s) were unschedulable, {_CONTROL_PLANE}"
    )
    assert found.cause == (
        f"no node takes it: 2 nodes have taint firmware=pending; 1 node is cordoned{_AND_CONTROL_PLANE}"
    )
    assert found.step == "give the VM a toleration for firmware=pending, or have the taint taken away"


def test_what_nobody_knows_is_told_in_the_schedulers_words() -> None:
    found = told("2 node(s) didn't match pod anti-affinity rules")
    assert found.cause == "no node takes it: 2 nodes didn't match pod anti-affinity rules"


def test_vms_that_lack_the_same_are_one_problem() -> None:
    words, select = "10 node(s) didn't match Pod's node affinity/selector", {"disk": "ssd"}
    _, engine = without_nodes([*refused(words, "vm-a", select=select), *refused(words, "vm-b", select=select)])
    (problem,) = (one for one in engine.problems if one.effects)
    assert (
        tell(problem)
        == "label disk=ssd is lacking: stops 2 VMs: 10 nodes lack label disk=ssd (or arch amd64 or machine type q35)"
    )
    _, engine = without_nodes(
        [*refused("9 Insufficient memory", "vm-a"), *refused("9 Insufficient memory", "vm-b", "2Gi")]
    )
    (problem,) = (one for one in engine.problems if one.effects)
    assert tell(problem) == "memory of the nodes does not suffice: stops 2 VMs: 9 nodes have too little memory"


def tell(problem: Problem) -> str:
    return f"{problem.finding.label} {problem.finding.subject.path} {problem.finding.trouble}: {problem.cause}"


def test_it_is_said_that_the_nodes_are_not_seen_and_what_it_takes_to_see_them() -> None:
    items = refused("10 Insufficient memory")
    store, _ = without_nodes(items)
    for kind in ("VirtualMachine", "VirtualMachineInstance", "Pod"):
        ref = record_of(next(item for item in items if item["kind"] == kind)).ref("c")
        unseen = unseen_layers(store, ref)
        assert name_unseen(unseen) == "nodes: forbidden"
        assert tell_way(unseen) == (
            "ask for list and watch on nodes, or have somebody who may look: kubectl describe nodes"
        )


def test_a_vm_that_runs_names_its_own_node_only() -> None:
    items = read_machine("running")
    store, _ = without_nodes(items)
    ref = record_of(next(item for item in items if item["kind"] == "VirtualMachine")).ref("c")
    assert [one.ref.name for one in unseen_layers(store, ref) if one.ref.kind == "Node"] != [""]


def test_a_migration_that_found_no_target_tells_what_it_asked_for_and_that_the_nodes_are_not_seen() -> None:
    items = failed_without_target(addedNodeSelector={"example.org/rack": "b"})
    store, engine = without_nodes(items)
    found = only(engine.findings, "migration")
    assert found.cause.startswith("web-1: no node takes it: 3 nodes lack ")
    assert "label example.org/rack=b" in found.cause
    assert "which its addedNodeSelector asks for" in found.cause
    assert found.step.startswith("migrate it without that selector")
    assert ("spec.addedNodeSelector", "example.org/rack=b") in [(one.field, one.value) for one in found.evidence]
    job = next(item for item in items if item["kind"] == "VirtualMachineInstanceMigration")
    assert "nodes" in [one.name for one in unseen_layers(store, record_of(job).ref("c"))]
