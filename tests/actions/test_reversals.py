"""A change to what somebody keeps as it is declared elsewhere: when it is done, and what is said once it is undone."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from kvtui.actions import reversals
from kvtui.actions.batch import Batches
from kvtui.actions.items import Batch, State
from kvtui.model import FeedState
from kvtui.records.gitops import Application
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import Drop
from tests.actions.test_batch import batches, begin, stage, states
from tests.actions.test_care import ARGO, alter, vm
from tests.applications import application
from tests.machines import record_of
from tests.ui.backend import NAME, Stage

__all__ = ["batches", "stage"]

VM = "dv-1"
LONG_AGO, THEN = "2026-11-21T01:50:00Z", "2026-11-21T02:14:12Z"
FLUX = {"kustomize.toolkit.fluxcd.io/name": "edge", "kustomize.toolkit.fluxcd.io/namespace": "infra"}


def keep_by_argo(stage: Stage, *, at: str = LONG_AGO, heals: bool = True, name: str = VM) -> None:
    """An application has the VM; the last one that it put back is that of this name."""
    stage.put(alter(vm(), annotations={ARGO: f"web:kubevirt.io/VirtualMachine:shop/{VM}"}))
    put_back(stage, at, heals=heals, name=name)


def put_back(stage: Stage, at: str = THEN, *, heals: bool = True, name: str = VM) -> None:
    written = application("shop", name, at)
    written["spec"]["syncPolicy"]["automated"]["selfHeal"] = heals
    stage.put(record_of(written))


def declare(stage: Stage, strategy: str, version: str) -> None:
    """The VM has that run strategy."""
    found = stage.fleet.view.get(VirtualMachine, NAME, "shop", VM)
    builtins: Any = msgspec.to_builtins(found)
    builtins["metadata"]["resourceVersion"] = version
    builtins["spec"] = {**builtins["spec"], "runStrategy": strategy, "running": None}
    builtins["status"]["printableStatus"] = "Stopped" if strategy == "Halted" else "Starting"
    stage.put(msgspec.convert(builtins, VirtualMachine))


def go_off(stage: Stage) -> None:
    """Its guest has shut down, and the VM says so."""
    stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", VM))
    declare(stage, "Halted", "9001")


def look_again(stage: Stage, seconds: float) -> None:
    """Time passes, and the VM changes in something else."""
    stage.clock.now += seconds
    declare(stage, "Halted", f"91{int(stage.clock.now)}")


async def stop(batches: Batches, stage: Stage) -> Batch:
    batch = begin(batches, stage, "stop", VM)
    await batches.carry_out(batch)
    stage.clock.now += 4
    go_off(stage)
    return batch


async def test_a_stop_is_done_once_argo_cd_has_had_its_time_and_left_it(stage: Stage, batches: Batches) -> None:
    keep_by_argo(stage)
    ended: list[Batch] = []
    batches.on_end(ended.append)
    batch = await stop(batches, stage)
    (item,) = batch.items
    waits = "its effect is seen, but not yet whether Application argocd/web puts it back"
    assert (item.state, batches.explain(item), ended) == (State.ACCEPTED, waits, [])
    assert batches.pending(item.ref) is None, "its row shows that it is off"
    look_again(stage, reversals.LOOK - 5)
    assert states(batch) == {VM: "accepted"}
    look_again(stage, 2)
    assert (item.state, item.words) == (State.DONE, "Application argocd/web has not put it back in 20s")
    assert (item.seconds(stage.clock.now), ended) == (4, [batch])


@pytest.mark.parametrize("first", ["effect", "put back"])
async def test_a_stop_that_is_put_back_fails_whichever_is_seen_first(
    stage: Stage, batches: Batches, first: str
) -> None:
    keep_by_argo(stage)
    batch = begin(batches, stage, "stop", VM)
    await batches.carry_out(batch)
    stage.clock.now += 4
    if first == "effect":
        go_off(stage)
    put_back(stage)
    assert states(batch) == {VM: "failed"}
    assert batch.items[0].words == "Application argocd/web put it back: it heals what differs from git"


async def test_the_time_of_argo_cd_ends_without_any_news(
    stage: Stage, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reversals, "LOOK", 4.05)
    keep_by_argo(stage)
    batch = await stop(batches, stage)
    assert states(batch) == {VM: "accepted"}
    stage.clock.now += 1
    end = time.monotonic() + 10
    while batch.open:
        assert time.monotonic() < end
        await asyncio.sleep(0)
    assert states(batch) == {VM: "done"}
    batches.close()


@pytest.mark.parametrize("kind", [VirtualMachine, Application])
async def test_nobody_is_said_to_leave_it_so_who_is_not_heard(
    stage: Stage, batches: Batches, kind: type[VirtualMachine | Application]
) -> None:
    keep_by_argo(stage)
    batch = await stop(batches, stage)
    stage.feed(kind, FeedState.STALE)
    look_again(stage, 60)
    assert states(batch) == {VM: "accepted"}
    stage.feed(kind, FeedState.LIVE)
    look_again(stage, 1)
    assert states(batch) == {VM: "done"}


async def test_what_is_put_back_later_is_done_and_says_so(stage: Stage, batches: Batches) -> None:
    keep_by_argo(stage)
    batch = await stop(batches, stage)
    look_again(stage, 60)
    assert states(batch) == {VM: "done"}
    put_back(stage, "2026-11-21T02:16:11Z")
    (item,) = batch.items
    assert (item.state, item.undone) == (State.DONE, True)
    assert item.words == "after 2m Application argocd/web put it back: it heals what differs from git"
    assert batch.summary(stage.clock.now) == "1 done, 1 of them put back"


async def test_what_the_user_undoes_was_put_back_by_nobody(stage: Stage, batches: Batches) -> None:
    keep_by_argo(stage)
    first = await stop(batches, stage)
    look_again(stage, 60)
    second = begin(batches, stage, "start", VM)
    await batches.carry_out(second)
    put_back(stage, "2026-11-21T02:16:11Z")
    assert not first.items[0].undone


async def test_of_an_application_that_does_not_heal_nothing_is_waited_for(stage: Stage, batches: Batches) -> None:
    keep_by_argo(stage, heals=False)
    batch = await stop(batches, stage)
    assert (states(batch), batch.items[0].words) == ({VM: "done"}, "")


async def test_an_application_that_has_put_it_back_is_waited_for_however_it_tracks_it(
    stage: Stage, batches: Batches
) -> None:
    put_back(stage, LONG_AGO)
    batch = await stop(batches, stage)
    assert states(batch) == {VM: "accepted"}


async def test_what_tells_nothing_is_said_to_be_able_to_put_it_back(stage: Stage, batches: Batches) -> None:
    found = alter(vm(), labels=FLUX)
    assert isinstance(found, VirtualMachine)
    stage.put(found)
    strategy = found.run_strategy
    batch = await stop(batches, stage)
    (item,) = batch.items
    assert (item.state, item.words) == (State.DONE, "Flux Kustomization infra/edge may put it back")
    stage.clock.now += 40
    declare(stage, strategy, "9100")
    assert item.undone
    assert item.words == "after 40s its spec is as it was before: Flux Kustomization infra/edge keeps it so"


async def test_an_application_that_nobody_may_read_is_said_to_be_able_to_put_it_back(
    stage: Stage, batches: Batches
) -> None:
    stage.put(alter(vm(), annotations={ARGO: f"shop:kubevirt.io/VirtualMachine:shop/{VM}"}))
    batch = await stop(batches, stage)
    assert batch.items[0].words == "Argo CD application shop may put it back"


async def test_a_restart_is_undone_by_nobody(stage: Stage, batches: Batches) -> None:
    keep_by_argo(stage)
    batch = begin(batches, stage, "restart", VM)
    await batches.carry_out(batch)
    assert batch.items[0].manager is None
