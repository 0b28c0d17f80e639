"""A cluster of which no node takes VMs: told once the last is cordoned, and not while others are left."""

from __future__ import annotations

import pytest

from kvtui.model import Finding
from kvtui.triage.base import BACKEND
from tests.machines import RECORDED, Object
from tests.triage.judging import judge, node


def told(items: list[Object]) -> list[Finding]:
    return [one for one in judge(items, RECORDED, waits=False) if one.rule == "cluster.capacity"]


def test_a_cluster_whose_nodes_are_all_cordoned_takes_no_vms() -> None:
    (found,) = told([node("w-1", unschedulable=True), node("w-2", unschedulable=True)])
    assert (found.subject.kind, found.trouble) == (BACKEND, "takes no VMs")
    assert found.cause == "all 2 nodes that run VMs are cordoned: none starts or moves"
    assert found.step == "uncordon a node: kubectl uncordon w-1"


def test_a_node_that_is_lost_takes_none_either() -> None:
    (found,) = told([node("w-1", unschedulable=True), node("w-2", lost=True)])
    assert (
        found.cause == "1 of 2 nodes that run VMs are cordoned, and the other takes none either: none starts or moves"
    )


@pytest.mark.parametrize(
    "items",
    [
        [node("w-1", unschedulable=True), node("w-2")],
        [node("w-1", lost=True)],
        [node("cp-1", unschedulable=True, labels={"kubevirt.io/schedulable": "true"}), node("w-2")],
        [],
    ],
    ids=["drained in turn", "lost", "another is open", "no nodes seen"],
)
def test_while_a_node_is_left_or_none_is_cordoned_nothing_is_told(items: list[Object]) -> None:
    assert told(items) == []
