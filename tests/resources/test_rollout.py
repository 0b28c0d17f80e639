"""How a running guest comes to more CPUs or memory: at once, by a migration, or after a restart, and why."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.joins.rollout import tell_memory, tell_sockets
from kvtui.resources import vm
from tests.machines import Object, read_machine, store_of

GIB = 2.0**30
MOVES = "the running guest gets it by a migration that KubeVirt begins by itself"


def told(
    strategy: str = "LiveUpdate", *, sockets: int = 0, memory: float = 0.0, can: str = "True", phase: str = "Running"
) -> str:
    items = read_machine("running")
    by_kind: dict[str, Any] = {item["kind"]: item for item in items}
    vmi = by_kind["VirtualMachineInstance"]
    vmi["spec"]["domain"]["cpu"] = {"cores": 1, "sockets": 2, "threads": 1, "maxSockets": 8}
    vmi["spec"]["domain"]["memory"] = {"guest": "1Gi", "maxGuest": "4Gi"}
    vmi["status"]["phase"] = phase
    vmi["status"]["memory"] = {"guestAtBoot": "1Gi", "guestCurrent": "1Gi"}
    for found in vmi["status"]["conditions"]:
        if found["type"] == "LiveMigratable":
            found |= {"status": can, "reason": "DisksNotLiveMigratable", "message": ""}
    kubevirt: Object = {
        "kind": "KubeVirt", "apiVersion": "kubevirt.io/v1", "metadata": {"name": "kubevirt", "namespace": "kubevirt"},
        "spec": {"configuration": {"vmRolloutStrategy": strategy} if strategy else {}},
    }  # fmt: skip
    store = store_of([*items, kubevirt])
    store.drain()
    (ref,) = vm.RESOURCE.refs(store)
    row = vm.RESOURCE.row(store, ref)
    assert row is not None
    return tell_sockets(store, row, sockets) if sockets else tell_memory(store, row, memory)


def test_more_comes_by_a_migration_where_the_cluster_rolls_out_live() -> None:
    assert told(sockets=4) == MOVES
    assert told(memory=2 * GIB) == MOVES
    assert (told(sockets=2), told(memory=GIB)) == ("", "")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"sockets": 1}, "fewer sockets need one"),
        ({"sockets": 9}, "it runs with at most 8 sockets"),
        ({"memory": 0.5 * GIB}, "it has been started with 1Gi, and cannot have less"),
        ({"memory": 5 * GIB}, "it runs with at most 4Gi"),
        ({"memory": 0.5 * GIB, "phase": "Scheduling"}, "its instance, which has not started yet, keeps 1Gi"),
        ({"sockets": 1, "phase": "Scheduling"}, "its instance, which has not started yet, keeps 2 sockets"),
        ({"memory": 2 * GIB, "can": "False"}, "it cannot migrate (DisksNotLiveMigratable)"),
        ({"sockets": 4, "strategy": "Stage"}, "the cluster rolls changes out at restarts (Stage)"),
    ],
)
def test_what_cannot_come_to_a_running_guest_says_why(asked: dict[str, Any], why: str) -> None:
    assert told(**asked) == f"the guest gets it after a restart: {why}"


def test_where_nobody_says_how_the_cluster_rolls_out_both_are_told() -> None:
    assert "at once if the VM can migrate and the cluster rolls changes out live" in told("", memory=2 * GIB)
