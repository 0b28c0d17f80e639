"""What an action makes is waited for, and its row is free meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kvtui.actions.batch import Batches
from kvtui.actions.items import Batch, State, Task
from kvtui.model import Feed, FeedState, Ref
from kvtui.records.copies import VmSnapshot
from kvtui.store import Drop, Put
from tests.actions.test_batch import VMS, action, batches, rows, stage
from tests.ui.backend import NAME, Stage

__all__ = ["batches", "stage"]

MADE = Ref(NAME, VmSnapshot.KIND, "shop", "before-x1", "uid-s")


def snapshot(**status: Any) -> VmSnapshot:
    metadata = {"name": "before-x1", "namespace": "shop", "uid": "uid-s", "resourceVersion": str(len(status))}
    return msgspec.convert({"metadata": metadata, "status": status}, VmSnapshot)


def show(stage: Stage, **status: Any) -> None:
    stage.fleet.store.post(Put(NAME, snapshot(**status)))
    stage.fleet.step()


async def take(stage: Stage, batches: Batches, made: Ref = MADE) -> Batch:
    async def run(_backend: Any, _row: Any) -> Ref:
        return made

    meant = replace(action("snapshot"), run=run, when=lambda _row: "", variants=())
    batch = batches.begin(meant, VMS, [Task(row) for row in rows(stage, "dv-1")])
    await batches.carry_out(batch)
    return batch


async def test_it_is_done_when_the_object_is_and_the_row_bears_no_mark_meanwhile(
    stage: Stage, batches: Batches
) -> None:
    batch = await take(stage, batches)
    (item,) = batch.items
    assert (item.state, item.words, batch.open) == (State.ACCEPTED, "snapshot before-x1", True)
    assert batches.pending(item.ref) is None
    assert not batches.awaiting
    show(stage, phase="InProgress")
    assert (item.state, item.words) == (State.ACCEPTED, "snapshot before-x1 is InProgress")
    show(stage, phase="Succeeded", readyToUse=True)
    assert (item.state, item.words) == (State.DONE, "snapshot before-x1 is ready")
    assert not batch.open


async def test_an_object_that_is_there_before_the_answer_counts(stage: Stage, batches: Batches) -> None:
    show(stage, phase="Succeeded", readyToUse=True)
    batch = await take(stage, batches)
    assert batch.items[0].state is State.DONE


async def test_one_whose_uid_nobody_told_is_found_by_its_name(stage: Stage, batches: Batches) -> None:
    batch = await take(stage, batches, MADE._replace(uid=""))
    show(stage, phase="Succeeded", readyToUse=True)
    assert batch.items[0].state is State.DONE


async def test_one_that_fails_does_so_in_its_own_words(stage: Stage, batches: Batches) -> None:
    batch = await take(stage, batches)
    failure = {"type": "Failure", "status": "True", "message": "snapshot deadline exceeded"}
    show(stage, phase="Failed", conditions=[failure])
    (item,) = batch.items
    assert (item.state, item.words) == (
        State.FAILED, "snapshot before-x1 is Failed: snapshot deadline exceeded"
    )  # fmt: skip


async def test_one_that_goes_before_it_is_done_is_a_failure(stage: Stage, batches: Batches) -> None:
    batch = await take(stage, batches)
    show(stage, phase="InProgress")
    stage.fleet.store.post(Drop(NAME, VmSnapshot, "shop", "before-x1"))
    stage.fleet.step()
    (item,) = batch.items
    assert (item.state, item.words) == (
        State.FAILED, "snapshot before-x1 went before it was done: did somebody delete it?"
    )  # fmt: skip


@pytest.mark.parametrize("seen", [True, False])
async def test_what_takes_too_long_says_how_far_it_is(stage: Stage, batches: Batches, seen: bool) -> None:
    if not seen:
        stage.fleet.store.post(Feed(NAME, VmSnapshot.KIND, FeedState.FORBIDDEN, 0.0, "may not list"))
        stage.fleet.step()
    batch = await take(stage, batches)
    if seen:
        show(stage, phase="InProgress")
    stage.clock.now += 3600
    words = "snapshot before-x1 is InProgress" if seen else "snapshot before-x1 cannot be seen: may not list"
    assert batches.explain(batch.items[0]) == f"overdue, usually within 2m; {words}"


async def test_the_row_may_be_acted_on_again_meanwhile(stage: Stage, batches: Batches) -> None:
    batch = await take(stage, batches)
    (row,) = rows(stage, "dv-1")
    meant = replace(action("snapshot"), when=lambda _row: "", variants=())
    assert batch.open
    assert batches.why_not(meant, row.ref, row) == ""
