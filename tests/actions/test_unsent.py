"""What could not be read before anything was changed is told apart from what nobody knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from kvtui.actions.batch import Batches
from kvtui.actions.items import Item, State, Task
from kvtui.audit import mark_asked
from kvtui.backends.acting import reading
from kvtui.errors import UnreachableError
from tests.actions.test_batch import VMS, action, batches, rows, stage
from tests.ui.backend import Stage

__all__ = ["batches", "stage"]


async def do(stage: Stage, batches: Batches, run: Callable[[Any, Any], Awaitable[None]]) -> Item:
    (row,) = rows(stage, "dv-1")
    batch = batches.begin(replace(action("pause"), run=run, variants=()), VMS, [Task(row)])
    await batches.carry_out(batch)
    return batch.items[0]


async def test_what_is_read_in_vain_before_a_change_has_changed_nothing(stage: Stage, batches: Batches) -> None:
    async def run(_backend: Any, row: Any) -> None:
        with reading(row.ref):
            raise UnreachableError("c fell silent", "no answer came in time")

    item = await do(stage, batches, run)
    assert item.state is State.UNSENT
    assert item.words == (
        f"nothing was changed, for VirtualMachine {item.ref.path} could not be read: "
        "c fell silent: no answer came in time"
    )
    assert batches.revive(item.batch) == [item]


async def test_after_a_change_nobody_knows(stage: Stage, batches: Batches) -> None:
    async def run(_backend: Any, row: Any) -> None:
        mark_asked()
        with reading(row.ref):
            raise UnreachableError("c fell silent")

    item = await do(stage, batches, run)
    assert (item.state, item.words) == (State.UNKNOWN, "nobody knows whether it was accepted: c fell silent")
