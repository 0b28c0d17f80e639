"""Stacks of VMs that move or have ended: their migrations and launchers."""

from __future__ import annotations

import pytest

from kvtui.model import Feed, FeedState, Finding, Ref, Severity
from kvtui.records.kubernetes import Pod
from kvtui.records.kubevirt import Migration
from kvtui.resources import RESOURCES
from kvtui.stack import tell_stack
from kvtui.store import Drop, Store
from tests.machines import Object, machine_store, read_machine, store_of
from tests.resources.test_stack import NOW, line, lines

WEB = Ref("c", "VirtualMachine", "shop", "web-1")


def test_a_vm_stands_in_the_stack_of_its_migration_and_the_migration_in_that_of_the_vm() -> None:
    def runs(items: dict[str, Object]) -> None:
        items["VirtualMachineInstanceMigration"]["status"]["phase"] = "Running"

    store = machine_store("running", runs)
    migration = next(ref for ref, _ in store.items(Migration))
    finding = Finding("r", Severity.WARN, migration, "migration", "does not converge", "dirty 4 >= transfer 3")
    told = lines(store, migration, [finding])
    assert told[0].startswith(f"! migration {migration.path}: Running (does not converge: ")
    assert told[1].startswith("    VM shop/web-1: ")
    assert not any("migration " in one for one in told[1:])
    (own,) = (one for one in tell_stack(store, migration, RESOURCES, [finding], NOW) or () if one.own)
    assert own.finding is finding
    told = lines(store, WEB, [finding])
    assert [one for one in told if one.startswith(f"!   migration {migration.path}: Running ")]


@pytest.mark.parametrize(("phase", "found", "shown"), [
    ("Failed", True, 1),
    ("Failed", False, 0),
    ("Succeeded", True, 0),
])  # fmt: skip
def test_a_migration_that_ended_is_told_of_its_vm_while_its_failure_is_news(
    phase: str, found: bool, shown: int
) -> None:
    def ends(items: dict[str, Object]) -> None:
        items["VirtualMachineInstanceMigration"]["status"]["phase"] = phase

    store = machine_store("running", ends)
    migration = next(ref for ref, _ in store.items(Migration))
    finding = Finding("r", Severity.BAD, migration, "migration", "failed", "why")
    told = lines(store, WEB, [finding] if found else ())
    assert sum(" migration " in one for one in told) == shown


def test_the_target_of_a_migration_is_told_from_its_source_before_the_copy_begins() -> None:
    def waits(items: dict[str, Object]) -> None:
        items["VirtualMachineInstanceMigration"]["status"] = {"phase": "Scheduling"}
        source = items["Pod"]
        source["status"]["phase"] = "Running"
        items["VirtualMachineInstance"]["status"]["nodeName"] = source["spec"]["nodeName"]
        items["VirtualMachineInstance"]["status"].pop("migrationState", None)

    store = machine_store("running", waits)
    launchers = [one.strip().partition(":")[0] for one in lines(store, WEB) if "launcher" in one]
    assert launchers == ["launcher virt-launcher-web-1-bnq6t", "launcher, target virt-launcher-web-1-925db"]


def test_a_migration_under_way_that_may_not_be_listed_is_not_left_out() -> None:
    def moves(items: dict[str, Object]) -> None:
        state = items["VirtualMachineInstanceMigration"]["status"].pop("migrationState")
        state.pop("endTimestamp", None)
        items["VirtualMachineInstance"]["status"]["migrationState"] = state

    store = machine_store("running", moves)
    migration = next(ref for ref, _ in store.items(Migration))
    store.post(Drop("c", Migration, migration.namespace, migration.name))
    store.post(Feed("c", Migration.KIND, FeedState.FORBIDDEN))
    assert line(store, WEB, "migration") == ("migration: forbidden (this account may not list its kind)")


def crashed() -> Store:
    """It had moved before: the launcher that it left ended well."""
    items = read_machine("running")
    for item in items:
        if item["kind"] == "VirtualMachineInstance" or item["metadata"]["name"] == "virt-launcher-web-1-925db":
            item["status"]["phase"] = "Failed"
    store = store_of(items)
    store.drain()
    return store


def test_a_vm_that_crashed_stands_on_the_launcher_that_it_ended_in() -> None:
    store = crashed()
    told = [one.strip().partition(":")[0] for one in lines(store, WEB)]
    at = told.index("VMI shop/web-1")
    assert told[at + 1 : at + 3] == ["launcher virt-launcher-web-1-925db", "node node01"]
    assert not any("bnq6t" in one for one in told)


def test_a_vm_that_crashed_and_whose_launcher_is_deleted_says_so() -> None:
    store = crashed()
    for ref, _ in list(store.items(Pod)):
        store.post(Drop("c", Pod, ref.namespace, ref.name))
    assert line(store, WEB, "launcher") == "launcher: none (it is deleted)"
