"""Rows that go while something is awaited of them: done only where that is what was asked for."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from kvtui.actions.batch import Batches
from kvtui.actions.items import State, Task
from kvtui.model import Platform
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain
from kvtui.resources import RESOURCES, resources_for
from kvtui.resources.base import Action, AnyAction
from kvtui.resources.form import Answers
from kvtui.store import Drop
from tests.actions.test_batch import VMS, action, add_stopped, batches, rows, stage
from tests.ui.backend import NAME, Stage, changed

__all__ = ["batches", "stage"]

RUNNING = "dv-1"
ENDS = {
    "clone.delete", "datavolume.delete", "datavolume.retry", "export.delete", "job.cancel", "migration.cancel",
    "migration.post_copy", "pvc.delete", "restore.delete", "snapshot.delete", "vm.delete", "vm.undefine",
    "volume.delete",
}  # fmt: skip
"""What deletes its row, or ends what the row stands for."""
PASSING = {"vm.stop", "vm.kill"}
"""What ends a domain that is only there while it runs; what cuts off a VM that is being deleted."""


def all_actions() -> list[AnyAction]:
    found = {}
    for platforms in ({Platform.KUBERNETES}, {Platform.LIBVIRT}, set(Platform)):
        for resource in resources_for(platforms):
            for one in resource.verbs:
                for variant in (one, *(variant for _, variant in one.variants)):
                    found[id(variant)] = variant
    return list(found.values())


def test_only_what_deletes_or_ends_a_row_is_done_when_it_goes() -> None:
    passing = Domain(persistent=False)

    class Row:
        domain = passing
        record = VirtualMachine()

    row: Any = Row()
    assert {one.id for one in all_actions() if one.vanishes(row)} - PASSING == ENDS
    passing.persistent = True
    assert {one.id for one in all_actions() if one.vanishes(row)} == ENDS


STATES = {
    "network.start", "node.cordon", "node.uncordon", "pool.start", "snapshot.revert", "vm.drop_save",
    "vm.force_restart", "vm.kill", "vm.pause", "vm.reset", "vm.restart", "vm.save", "vm.start", "vm.start_afresh",
    "vm.start_paused", "vm.stop", "vm.unpause",
}  # fmt: skip
"""What is told once it is done by the word for the state of its row: ``it is Running``."""


def test_what_is_no_change_of_state_says_what_is_so_once_it_is_done() -> None:
    row: Any = object()
    silent = next(field.default for field in fields(Action) if field.name == "remark")

    def is_told(one: AnyAction) -> bool:
        own = one.remark is not silent or one.makes is not None or one.follow is not None
        return own or bool(one.variants) or one.id in ENDS or not one.command

    def is_seen(one: AnyAction) -> bool:
        try:
            return not one.settled(row, row)
        except AttributeError:
            return True

    assert {one.id for one in all_actions() if is_seen(one) and not is_told(one)} - ENDS == STATES


def delete(stage: Stage, name: str) -> None:
    ref = next(ref for ref in VMS.refs(stage.fleet.view) if ref.name == name)
    stage.fleet.store.post(Drop(NAME, VirtualMachine, ref.namespace, ref.name))
    stage.fleet.step()


@pytest.mark.parametrize("verb", ["start", "cpus", "labels", "run_strategy"])
async def test_a_row_that_goes_before_it_is_done_is_a_failure_that_says_so(
    stage: Stage, batches: Batches, verb: str
) -> None:
    (name,) = add_stopped(stage, 1)

    async def run(_backend: Any, _row: Any) -> None:
        """Accepted."""

    meant = replace(action(verb), run=run, variants=())
    batch = batches.begin(meant, VMS, [Task(row) for row in rows(stage, name)])
    await batches.carry_out(batch)
    (item,) = batch.items
    assert item.state is State.ACCEPTED
    delete(stage, name)
    assert (item.state, item.words) == (
        State.FAILED, f"it went while {meant.awaits}: did somebody delete it?"
    )  # fmt: skip
    assert batches.revive(batch) == []
    assert (item.state, item.words) == (State.LEFT_OUT, "it is gone")


async def test_a_row_that_is_deleted_is_done_when_it_goes(stage: Stage, batches: Batches) -> None:
    (name,) = add_stopped(stage, 1)

    async def run(_backend: Any, _row: Any) -> None:
        """Accepted."""

    batch = batches.begin(
        replace(action("delete"), run=run, variants=()), VMS, [Task(row) for row in rows(stage, name)]
    )
    await batches.carry_out(batch)
    assert batch.items[0].state is State.ACCEPTED
    delete(stage, name)
    assert (batch.items[0].state, batch.items[0].words) == (State.DONE, "it is gone")


async def test_a_deleted_vm_is_gone_when_its_instance_is(stage: Stage, batches: Batches) -> None:
    (row,) = rows(stage, RUNNING)

    async def run(_backend: Any, _row: Any, _answers: Answers) -> None:
        """Accepted."""

    batch = batches.begin(replace(action("delete"), run=run, variants=()), VMS, [Task(row, Answers({}))])
    await batches.carry_out(batch)
    (item,) = batch.items
    assert batches.explain(item) == "the server does not show that it is being deleted"
    delete(stage, RUNNING)
    assert item.state is State.ACCEPTED
    assert batches.explain(item) == "it is gone, but not its instance (Running)"
    stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, row.ref.namespace, RUNNING))
    stage.fleet.step()
    assert (item.state, item.words) == (State.DONE, "it is gone")


async def test_what_cannot_be_seen_is_done_when_it_is_accepted_whatever_goes_then(
    stage: Stage, batches: Batches
) -> None:
    (row,) = rows(stage, RUNNING)

    async def run(_backend: Any, _row: Any) -> None:
        delete(stage, RUNNING)

    batch = batches.begin(replace(action("reset"), run=run, variants=()), VMS, [Task(row)])
    await batches.carry_out(batch)
    assert batch.items[0].state is State.DONE


async def test_what_cannot_be_seen_is_not_told_by_how_its_row_stands(stage: Stage, batches: Batches) -> None:
    (row,) = rows(stage, RUNNING)

    async def run(_backend: Any, _row: Any) -> None:
        """Accepted."""

    batch = batches.begin(replace(action("reset"), run=run, variants=()), VMS, [Task(row)])
    await batches.carry_out(batch)
    (item,) = batch.items
    assert (item.state, batches.tell_now(item)) == (State.DONE, "")


@pytest.mark.parametrize("verb", ["pause", "migrate", "freeze"])
async def test_a_machine_that_ends_instead_is_no_success(stage: Stage, batches: Batches, verb: str) -> None:
    (row,) = rows(stage, RUNNING)

    async def run(_backend: Any, _row: Any) -> None:
        """Accepted."""

    meant = replace(action(verb), run=run, variants=())
    batch = batches.begin(replace(meant, when=lambda _row: ""), VMS, [Task(row)])
    await batches.carry_out(batch)
    vm = stage.fleet.view.get(VirtualMachine, NAME, row.ref.namespace, RUNNING)
    assert vm is not None
    stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, row.ref.namespace, RUNNING))
    stage.put(changed(vm, printableStatus="Stopped"))
    (item,) = batch.items
    assert (item.state, item.words) == (State.FAILED, "it does not run any more")


def test_no_pane_has_an_action_that_is_missing_here() -> None:
    assert {one.id for resource in RESOURCES for one in resource.verbs} <= {one.id for one in all_actions()}


async def test_a_vm_that_is_deleted_is_cut_off_when_it_goes(stage: Stage, batches: Batches) -> None:
    (row,) = rows(stage, RUNNING)
    row.record.metadata.deletion_timestamp = "2026-11-21T01:56:00Z"
    batch = batches.begin(replace(action("kill"), variants=()), VMS, [Task(row)])
    await batches.carry_out(batch)
    (item,) = batch.items
    assert (item.state, stage.backend.calls) == (State.ACCEPTED, [f"stop within 0s shop/{RUNNING}"])
    stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, row.ref.namespace, RUNNING))
    delete(stage, RUNNING)
    assert (item.state, item.words) == (State.DONE, "it is gone")
