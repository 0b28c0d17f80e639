"""What keeps many VMs off the nodes alike is one problem that counts them, whatever else each asks for (9.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from kvtui.model import Ref
from kvtui.triage.problems import Problem, group_problems
from kvtui.triage.telling import tell_stories
from tests.machines import Object, read_machine, record_of, store_of
from tests.triage.judging import judge, node
from tests.triage.test_scheduling import running_pod

_TAINT = {"key": "firmware", "value": "pending", "effect": "NoSchedule"}
_MODEL = {"cpu-model.node.kubevirt.io/EPYC-Genoa": "true"}


def waiting(name: str, memory: str = "1Gi", *, select: dict[str, str] | None = None) -> list[Object]:
    """A recorded VM that waits for a node, under another name."""
    text = json.dumps(read_machine("too_big")).replace("huge-1", name)
    items: list[Object] = json.loads(text)
    for item in items:
        old, new = item["metadata"]["uid"], f"{name}-{item['kind']}"
        items = json.loads(json.dumps(items).replace(old, new))
    pod = next(item for item in items if item["kind"] == "Pod")
    pod["spec"]["containers"][0]["resources"]["requests"]["memory"] = memory
    pod["spec"]["nodeSelector"] |= select or {}
    return items


def problems(*items: Object, **options: Any) -> Sequence[Problem]:
    return group_problems(judge(items, **options))


def told(*items: Object) -> list[str]:
    """What the strip says: kind, subject, trouble, cause."""
    found = problems(*items)
    return [f"{one.finding.label} {one.finding.subject.path} {one.finding.trouble}: {one.cause}" for one in found]


def two(**changes: Any) -> list[Object]:
    """Two VMs alike."""
    return [item for name in ("vm-a", "vm-b") for item in waiting(name, **changes)]


def test_a_taint_of_all_nodes_is_one_problem_for_all_vms_of_whatever_size() -> None:
    nodes = [node(name, taints=[_TAINT]) for name in "abcd"]
    assert told(*waiting("vm-a", "1Gi"), *waiting("vm-b", "2Gi"), *waiting("vm-c", "3Gi"), *nodes) == [
        "taint firmware=pending:NoSchedule keeps VMs off: stops 3 VMs: "
        "all 4 nodes that take VMs have taint firmware=pending:NoSchedule"
    ]


def test_one_vm_alone_speaks_for_itself() -> None:
    (line,) = told(*waiting("vm-a"), node("a", taints=[_TAINT]))
    assert line == "vm lab/vm-a does not start: a has taint firmware=pending:NoSchedule"


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (
            "cpu-model.node.kubevirt.io/EPYC-Genoa",
            "CPU model EPYC-Genoa is not offered: stops 2 VMs: no node offers CPU model EPYC-Genoa",
        ),
        (
            "cpu-feature.node.kubevirt.io/amx",
            "CPU feature amx is not offered: stops 2 VMs: no node's CPU has feature amx",
        ),
        (
            "machine-type.node.kubevirt.io/pc-q35-10",
            "machine type pc-q35-10 is not offered: stops 2 VMs: no node offers machine type pc-q35-10",
        ),
        ("disk", "label disk=true is on no node: stops 2 VMs: no node has the label disk=true"),
        (
            "kubernetes.io/hostname",
            "node true does not exist: stops 2 VMs: there is no node of that name, and a nodeSelector allows it only",
        ),
    ],
)
def test_what_no_node_has_is_one_problem(key: str, line: str) -> None:
    assert told(*two(select={key: "true"}), node("a")) == [line]


def test_what_no_node_has_together_is_one_problem() -> None:
    select = {"disk": "ssd", "cpu-model.node.kubevirt.io/EPYC-Genoa": "true"}
    assert told(*two(select=select), node("a", labels=_MODEL), node("b", labels={"disk": "ssd"})) == [
        "label disk=ssd with CPU model EPYC-Genoa is on no node: stops 2 VMs: "
        "no node has all that is asked for: b has the label disk=ssd; a offers CPU model EPYC-Genoa"
    ]


def test_a_device_that_no_node_offers_is_one_problem() -> None:
    line, *_ = told(*two(), *(node(name, allocatable={"devices.kubevirt.io/kvm": "0"}) for name in "ab"))
    assert line == (
        "device devices.kubevirt.io/kvm is not offered: stops 2 VMs: a and b offer no devices.kubevirt.io/kvm"
    )


def test_vms_for_which_no_memory_is_left_are_one_problem_though_each_needs_another_amount() -> None:
    nodes = [node(name, allocatable={"memory": "8Gi"}) for name in "ab"]
    pods = [running_pod("x", "a", "7Gi"), running_pod("y", "b", "6Gi")]
    assert told(*waiting("vm-a", "3Gi"), *waiting("vm-b", "4Gi"), *nodes, *pods) == [
        "memory of the nodes is used up: stops 2 VMs: the largest free node, b, has at most 2Gi of 8Gi left"
    ]


def test_vms_larger_than_every_node_are_one_problem_where_they_are_of_one_size() -> None:
    vms = [*waiting("vm-a", "2Ti"), *waiting("vm-b", "2Ti"), *waiting("vm-c", "3Ti")]
    assert told(*vms, node("big", allocatable={"memory": "64Gi"})) == [
        "memory 2Ti fits on no node: stops 2 VMs: the largest node, big, has 64Gi",
        "vm lab/vm-c does not start: it needs 3Ti of memory, and the largest node, big, has 64Gi",
    ]


def test_of_nodes_that_are_too_small_or_cordoned_the_cordon_is_what_stops_others_as_well() -> None:
    small = [node(name, allocatable={"memory": "1Gi"}) for name in "abc"]
    (line,) = told(*waiting("vm-a", "2Gi"), *waiting("vm-b", "3Gi"), *small, node("d", unschedulable=True))
    assert line == (
        "cordon of the nodes keeps VMs off: stops 2 VMs: a, b and c have too little memory "
        "(the largest node, a, has 1Gi); d is cordoned"
    )


def test_a_lack_among_the_nodes_with_a_label_is_another_than_that_of_all() -> None:
    nodes = [node("a", unschedulable=True, labels={"disk": "ssd"}), node("b", labels={"disk": "ssd"}, taints=[_TAINT])]
    full = node("c", allocatable={"memory": "1500Mi"})
    pod = running_pod("x", "c", "1Gi")
    (line,) = told(*two(select={"disk": "ssd"}), *nodes, full, pod)
    assert line == (
        "cordon of nodes with label disk=ssd keeps VMs off: stops 2 VMs: "
        "only a and b have the label disk=ssd: a is cordoned; b has taint firmware=pending:NoSchedule"
    )


def test_nodes_that_are_not_ready_have_the_vms_that_wait_for_them() -> None:
    nodes = [node(name, labels={"disk": "ssd"}, lost=True) for name in "ab"]
    found = problems(*two(select={"disk": "ssd"}), *nodes, node("c"))
    assert [(one.finding.label, one.finding.subject.name, len(one.effects)) for one in found] == [
        ("node", "a", 2),
        ("node", "b", 0),
    ]


def test_when_the_last_node_is_cordoned_the_cluster_has_the_vms_that_wait() -> None:
    nodes = [node(name, unschedulable=True) for name in "ab"]
    at_once, later = (problems(*two(), *nodes, waits=waits) for waits in (True, False))
    for found in (at_once, later):
        (problem,) = found
        assert (problem.finding.rule, problem.finding.trouble) == ("cluster.capacity", "takes no VMs")
        assert problem.cause.startswith("stops 2 VMs: ")


def test_each_vm_tells_its_own_cause_once_and_who_shares_it() -> None:
    items = [*waiting("vm-a", "2Gi"), *waiting("vm-b", "3Gi"), node("a", taints=[_TAINT])]
    store = store_of(items)
    store.drain()
    vm = record_of(next(item for item in items if item["kind"] == "VirtualMachine"))
    (story,) = tell_stories(store, vm.ref("c"), None, problems(*items))
    assert (story.finding.subject.name, story.chain) == ("vm-a", ())
    assert [one.subject.name for one in story.effects] == ["vm-b"]
    assert story.step.startswith("take the taint away")


def test_the_obstacle_itself_can_be_asked_about() -> None:
    items = [*two(), node("a", taints=[_TAINT])]
    root = Ref("c", "Taint", "", "firmware=pending:NoSchedule")
    (story,) = tell_stories(store_of([]), root, None, problems(*items))
    assert (story.finding.subject, len(story.effects)) == (root, 2)
