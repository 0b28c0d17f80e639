"""VMs with one identity: what is said before the second one is started, and once both run."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import pytest

from kvtui.actions.foresight import foresee
from kvtui.joins.machine import Machine, join_machine
from kvtui.model import Ref, Severity
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources.form import Draft
from kvtui.resources.vm_changes import CHANGES
from kvtui.resources.vm_lifecycle import LIFECYCLE
from kvtui.store import Store
from tests.machines import Object, read_machine, store_of
from tests.triage.judging import judge

ACTIONS: Final = {action.id: action for action in (*LIFECYCLE, *CHANGES)}
NETWORK: Final = {"name": "vlan", "multus": {"networkName": "db-vlan120"}}
NIC: Final = {"name": "vlan", "bridge": {}, "macAddress": "02:AA:00:00:00:01"}

Edit = Callable[[Object], None]
"""Changes the spec of an instance."""


def twins(edit: Edit = lambda _spec: None, *, space: str = "shop", phase: str = "Running") -> list[Object]:
    """The running web-1, and web-2, which is like it, began a minute later, and is `edit`ed; in another namespace."""
    original = [one for one in read_machine("running") if one["kind"].startswith("VirtualMachine")][:2]
    copies = deepcopy(original)
    for item in copies:
        item["metadata"] |= {"name": "web-2", "namespace": space, "uid": f"copy-{item['kind']}"}
        item["metadata"]["creationTimestamp"] = "2026-11-21T01:54:00Z"
        edit(item["spec"]["template"]["spec"] if "template" in item["spec"] else item["spec"])
    copies[1]["status"]["phase"] = phase
    return [*original, *copies]


def other_firmware(spec: Object) -> None:
    spec["domain"]["firmware"] = {"uuid": "another", "serial": "another"}


def on_one_network(spec: Object) -> None:
    spec["networks"] = [*spec["networks"], NETWORK]
    spec["domain"]["devices"]["interfaces"] = [*spec["domain"]["devices"]["interfaces"], NIC]


def with_one_mac() -> list[Object]:
    """The same two, of which only the MAC address in a network is one."""
    items = twins(other_firmware)
    for item in items:
        on_one_network(item["spec"]["template"]["spec"] if "template" in item["spec"] else item["spec"])
    return items


def found(items: list[Object], *, waits: bool = False) -> Any:
    return [one for one in judge(items, waits=waits) if one.rule == "vm.twin"]


def test_the_later_of_two_that_run_with_one_uuid_is_told_with_the_earlier() -> None:
    (finding,) = found(twins())
    assert (finding.subject.name, finding.severity, finding.trouble) == ("web-2", Severity.WARN, "has a twin")
    assert finding.cause == "web-1 runs with the same UUID"
    assert finding.evidence[0].field == "spec.domain.firmware.uuid"


def test_a_twin_in_another_namespace_is_named_with_its_own() -> None:
    assert found(twins(space="lab"))[0].cause == "shop/web-1 runs with the same UUID"


def test_one_mac_address_in_one_network_is_told() -> None:
    (finding,) = found(with_one_mac())
    words = "web-1 runs with the same MAC address 02:aa:00:00:00:01 in network shop/db-vlan120"
    assert finding.cause == words


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(twins(other_firmware), id="of their own"),
        pytest.param(twins(phase="Scheduling"), id="not running yet"),
        pytest.param(twins(phase="Succeeded"), id="ended"),
    ],
)
def test_what_has_its_own_or_does_not_run_is_no_twin(items: list[Object]) -> None:
    assert found(items) == []


def test_what_all_of_many_have_is_told_of_none() -> None:
    items = twins()
    for number in range(10):
        vm, vmi = deepcopy(items[2:4])
        for item in (vm, vmi):
            item["metadata"] |= {"name": f"copy-{number}", "uid": f"{item['kind']}-{number}"}
        items += [vm, vmi]
    assert found(items) == []


def test_a_moment_of_both_is_not_told() -> None:
    items = twins()
    for phase in items[3]["status"]["phaseTransitionTimestamps"]:
        phase["phaseTransitionTimestamp"] = "2026-11-21T01:55:50Z"
    assert found(items, waits=True) == []


# Before it is started ---------------------------------------------------------------------------------------------


def off(items: list[Object]) -> tuple[Store, Machine]:
    """A store in which web-2 is off, and its row."""
    store = store_of([*items[:2], items[2]])
    store.drain()
    return store, row_of(store, "web-2")


def row_of(store: Store, name: str) -> Machine:
    row = join_machine(store, next(ref for ref, _ in store.items(VirtualMachine) if ref.name == name))
    assert row is not None
    return row


@pytest.mark.parametrize("action_id", ["vm.start", "vm.start_paused", "vm.restart", "vm.force_restart"])
def test_who_runs_with_its_identity_is_asked_about_before_it_is_started(action_id: str) -> None:
    store, row = off(twins())
    assert list(ACTIONS[action_id].breaks(store, row)) == ["web-1 runs with the same UUID"]
    assert list(ACTIONS[action_id].breaks(store, row_of(store, "web-1"))) == []
    store, row = off(with_one_mac())
    words = "web-1 runs with the same MAC address 02:aa:00:00:00:01 in network shop/db-vlan120"
    assert list(ACTIONS[action_id].breaks(store, row)) == [words]


def test_a_twin_that_is_starting_counts() -> None:
    items = twins()
    items[1]["status"]["phase"] = "Scheduling"
    store, row = off(items)
    assert list(ACTIONS["vm.start"].breaks(store, row)) == ["web-1 starts with the same UUID"]


@pytest.mark.parametrize(("strategy", "told"), [("Always", True), ("Manual", False)])
def test_a_run_strategy_that_starts_it_says_so_too(strategy: str, told: bool) -> None:
    store, row = off(twins())
    form = ACTIONS["vm.run_strategy"].form
    assert form is not None
    draft = Draft(form(store, [row]))
    draft.put("strategy", strategy)
    assert ("web-1 runs with the same UUID" in draft.warnings) is told


def test_two_that_are_started_together_are_told_of_each_other() -> None:
    items = twins()
    store = store_of([items[0], items[2]])
    store.drain()
    rows = [row_of(store, name) for name in ("web-1", "web-2")]
    together: set[Ref] = {row.ref for row in rows}
    said = [list(foresee(store, {}, "vm.start", row, row.ref, together)) for row in rows]
    assert said == [[f"shop/{name} has the same UUID, and is started too"] for name in ("web-2", "web-1")]
    assert list(foresee(store, {}, "vm.start", rows[0], rows[0].ref, {rows[0].ref})) == []
