"""Batches: what comes of each row, whoever refuses, cancels, vanishes or is lost meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kvtui.actions.batch import AT_ONCE, KEPT, Batches
from kvtui.actions.items import Batch, State, Task
from kvtui.errors import ConflictError, UnconnectedError, UnreachableError
from kvtui.model import Feed, FeedState
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources import RESOURCES
from kvtui.resources.base import AnyAction, AnyResource, Progress
from kvtui.resources.form import Answers
from kvtui.store import Drop, Put
from kvtui.text import age
from tests.applications import application
from tests.machines import record_of
from tests.ui.backend import NAME, Stage, changed, recorded

VMS: AnyResource = next(resource for resource in RESOURCES if resource.name == "vms")


def action(name: str) -> AnyAction:
    return next(action for action in VMS.actions if action.id == f"vm.{name}")


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.list_all()
    return stage


@pytest.fixture
def batches(stage: Stage) -> Batches:
    return Batches(stage.fleet)


def rows(stage: Stage, *names: str) -> list[Any]:
    found = {ref.name: VMS.row(stage.fleet.view, ref) for ref in VMS.refs(stage.fleet.view)}
    return [found[name] for name in names]


def add_stopped(stage: Stage, count: int) -> list[str]:
    """As many VMs like batch-1, which does not run."""
    names = [f"many-{number:04}" for number in range(count)]
    put_stopped(stage, *names)
    return names


def put_stopped(stage: Stage, *names: str) -> None:
    """VMs of these names like batch-1, which does not run."""
    pattern = next(record for record in recorded(VirtualMachine) if record.metadata.name == "batch-1")
    for name in names:
        builtins: Any = msgspec.to_builtins(pattern)
        builtins["metadata"] |= {"name": name, "uid": f"uid-{name}"}
        stage.fleet.store.post(Put(NAME, msgspec.convert(builtins, VirtualMachine)))
    stage.fleet.step()


def begin(batches: Batches, stage: Stage, verb: str, *names: str) -> Batch:
    return batches.begin(action(verb), VMS, [Task(row) for row in rows(stage, *names)])


def states(batch: Batch) -> dict[str, str]:
    return {item.ref.name: item.state.value for item in batch.items}


async def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0)


def put_running(stage: Stage, name: str) -> None:
    """The VM runs, with an instance of its own."""
    vm = stage.fleet.view.get(VirtualMachine, NAME, "shop", name)
    assert vm is not None
    pattern = next(record for record in recorded(VirtualMachineInstance) if record.metadata.name == "dv-1")
    builtins: Any = msgspec.to_builtins(pattern)
    builtins["metadata"] |= {"name": name, "namespace": vm.metadata.namespace, "uid": f"instance-{name}"}
    owner = {"kind": "VirtualMachine", "name": name, "uid": vm.metadata.uid, "controller": True}
    builtins["metadata"]["ownerReferences"] = [owner]
    stage.put(msgspec.convert(builtins, VirtualMachineInstance), changed(vm, printableStatus="Running"))


async def test_no_more_than_eight_are_asked_for_at_a_time(stage: Stage, batches: Batches) -> None:
    names = add_stopped(stage, 50)
    stage.backend.answering.clear()
    batch = begin(batches, stage, "start", *names)
    work = asyncio.create_task(batches.carry_out(batch))
    await until(lambda: len(stage.backend.waiting) == AT_ONCE)
    assert batch.counts == {State.ASKED: AT_ONCE, State.WAITING: 42}
    assert batches.pending(batch.items[0].ref) == "starting 0s"
    assert batches.pending(batch.items[-1].ref) == "starting, queued"
    stage.backend.answering.set()
    await work
    assert batch.counts == {State.ACCEPTED: 50}
    assert len(stage.backend.calls) == 50


async def test_an_item_is_done_when_the_watch_shows_it_and_the_batch_ends_with_the_last(
    stage: Stage, batches: Batches
) -> None:
    ended: list[Batch] = []
    batches.on_end(ended.append)
    names = add_stopped(stage, 2)
    batch = begin(batches, stage, "start", *names)
    await batches.carry_out(batch)
    put_running(stage, names[0])
    assert states(batch) == {names[0]: "done", names[1]: "accepted"}
    assert (ended, batches.awaiting, batch.open) == ([], True, True)
    put_running(stage, names[1])
    assert states(batch) == dict.fromkeys(names, "done")
    assert (ended, batches.awaiting, batch.open) == ([batch], False, False)


async def test_what_is_cancelled_is_not_sent_and_what_was_sent_stays_sent(stage: Stage, batches: Batches) -> None:
    names = add_stopped(stage, 20)
    stage.backend.answering.clear()
    batch = begin(batches, stage, "start", *names)
    work = asyncio.create_task(batches.carry_out(batch))
    await until(lambda: len(stage.backend.waiting) == AT_ONCE)
    assert batches.cancel(batch) == 12
    stage.backend.answering.set()
    await work
    assert batch.counts == {State.ACCEPTED: AT_ONCE, State.UNSENT: 12}
    assert len(stage.backend.calls) == AT_ONCE
    assert batches.pending(batch.items[-1].ref) is None


async def test_what_failed_is_tried_again_and_nothing_else(stage: Stage, batches: Batches) -> None:
    names = add_stopped(stage, 5)
    stage.backend.refusals = {names[1]: ConflictError("the API server is overloaded")}
    batch = begin(batches, stage, "start", *names)
    await batches.carry_out(batch)
    assert states(batch)[names[1]] == "failed"
    assert batch.items[1].words == "the API server is overloaded"
    stage.backend.refusals.clear()
    stage.backend.calls.clear()
    assert batches.revive(batch) == [batch.items[1]]
    await batches.carry_out(batch)
    assert stage.backend.calls == [f"start shop/{names[1]}"]
    assert batch.counts == {State.ACCEPTED: 5}
    assert batch.items[1].words == ""


async def test_what_became_impossible_is_left_out_when_it_is_tried_again(stage: Stage, batches: Batches) -> None:
    running, gone = add_stopped(stage, 2)
    stage.backend.refusal = ConflictError("no")
    batch = begin(batches, stage, "start", running, gone)
    await batches.carry_out(batch)
    stage.backend.refusal = None
    put_running(stage, running)
    stage.fleet.store.post(Drop(NAME, VirtualMachine, "shop", gone))
    stage.fleet.step()
    assert batches.revive(batch) == []
    assert [(item.state, item.words) for item in batch.items] == [
        (State.LEFT_OUT, "already running"),
        (State.LEFT_OUT, "it is gone"),
    ]
    assert stage.backend.calls == []


async def test_after_a_lost_connection_nobody_knows_of_what_was_under_way_and_nothing_more_is_sent(
    stage: Stage, batches: Batches
) -> None:
    names = add_stopped(stage, 30)
    stage.backend.answering.clear()
    batch = begin(batches, stage, "start", *names)
    work = asyncio.create_task(batches.carry_out(batch))
    await until(lambda: len(stage.backend.waiting) == AT_ONCE)
    stage.backend.refusal = UnreachableError("the connection was cut", "connection reset by peer")
    stage.backend.answering.set()
    await work
    assert batch.counts == {State.UNKNOWN: AT_ONCE, State.UNSENT: 22}
    assert (
        batch.items[0].words == "nobody knows whether it was accepted: the connection was cut: connection reset by peer"
    )
    assert batch.items[-1].words == f"{NAME} was lost before it was sent"
    assert batch.summary(0) == "8 nobody knows, 22 not sent"


async def test_what_nobody_knows_is_said_not_to_be_seen_in_time_and_is_tried_again(
    stage: Stage, batches: Batches
) -> None:
    known, lost = add_stopped(stage, 2)
    stage.backend.refusals = {lost: UnreachableError("the connection was cut")}
    batch = begin(batches, stage, "start", known, lost)
    await batches.carry_out(batch)
    item = batch.items[1]
    words = "nobody knows whether it was accepted: the connection was cut"
    assert batches.explain(item) == words
    stage.clock.now += item.patience + 1
    assert batches.explain(item) == f"its effect is not seen after {age(item.patience + 1)}; {words}"
    stage.feed(VirtualMachine, FeedState.STALE)
    stage.fleet.step()
    assert batches.explain(item) == words
    stage.feed(VirtualMachine, FeedState.LIVE)
    stage.fleet.step()
    stage.backend.refusals.clear()
    stage.backend.calls.clear()
    assert batches.revive(batch) == [item]
    await batches.carry_out(batch)
    assert stage.backend.calls == [f"start shop/{lost}"]
    assert batches.pending(item.ref) == "starting 0s"
    put_running(stage, lost)
    put_running(stage, known)
    assert batch.counts == {State.DONE: 2}
    assert not batch.open


async def test_what_nobody_knows_is_done_when_the_watch_shows_it_after_all(stage: Stage, batches: Batches) -> None:
    (name,) = add_stopped(stage, 1)
    stage.backend.refusal = UnreachableError("the connection was cut")
    batch = begin(batches, stage, "start", name)
    await batches.carry_out(batch)
    assert states(batch) == {name: "nobody knows"}
    assert batches.pending(batch.items[0].ref) is None
    put_running(stage, name)
    assert states(batch) == {name: "done"}


async def test_what_was_never_connected_was_not_sent(stage: Stage, batches: Batches) -> None:
    names = add_stopped(stage, 20)
    stage.backend.refusal = UnconnectedError("cannot connect to 10.0.0.1:6443", "connection refused")
    batch = begin(batches, stage, "start", *names)
    await batches.carry_out(batch)
    assert batch.counts == {State.UNSENT: 20}


async def test_a_row_that_vanished_or_was_made_anew_meanwhile_is_not_hit(stage: Stage, batches: Batches) -> None:
    names = add_stopped(stage, 12)
    stage.backend.answering.clear()
    batch = begin(batches, stage, "start", *names)
    work = asyncio.create_task(batches.carry_out(batch))
    await until(lambda: len(stage.backend.waiting) == AT_ONCE)
    gone, anew = names[-1], names[-2]
    again: Any = msgspec.to_builtins(stage.fleet.view.get(VirtualMachine, NAME, "shop", anew))
    again["metadata"] |= {"uid": "another", "resourceVersion": "999"}
    stage.fleet.store.post(Drop(NAME, VirtualMachine, "shop", gone))
    stage.put(msgspec.convert(again, VirtualMachine))
    stage.backend.answering.set()
    await work
    assert states(batch)[gone] == states(batch)[anew] == "left out"
    assert batch.items[-1].words == batch.items[-2].words == "it is gone"
    assert not {f"start shop/{gone}", f"start shop/{anew}"} & set(stage.backend.calls)


async def test_a_row_to_which_it_is_being_done_already_is_left_out(stage: Stage, batches: Batches) -> None:
    (name,) = add_stopped(stage, 1)
    first = begin(batches, stage, "start", name)
    second = begin(batches, stage, "start", name)
    assert states(second) == {name: "left out"}
    assert "already" in second.items[0].words
    await asyncio.gather(batches.carry_out(first), batches.carry_out(second))
    assert len(stage.backend.calls) == 1


async def test_when_it_is_broken_off_what_is_under_way_is_unknown_and_the_rest_not_sent(
    stage: Stage, batches: Batches
) -> None:
    names = add_stopped(stage, 12)
    stage.backend.answering.clear()
    batch = begin(batches, stage, "start", *names)
    work = asyncio.create_task(batches.carry_out(batch))
    await until(lambda: len(stage.backend.waiting) == AT_ONCE)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert batch.counts == {State.UNKNOWN: AT_ONCE, State.UNSENT: 4}


async def test_a_fault_of_ours_fails_its_item_alone_and_is_raised(stage: Stage, batches: Batches) -> None:
    names = add_stopped(stage, 3)

    async def run(backend: Any, row: Any) -> None:
        if row.ref.name == names[0]:
            raise ZeroDivisionError("so it is")
        await backend.start(row.ref)

    broken = replace(action("start"), run=run, variants=())
    batch = batches.begin(broken, VMS, [Task(row) for row in rows(stage, *names)])
    with pytest.raises(ZeroDivisionError):
        await batches.carry_out(batch)
    assert batch.counts == {State.FAILED: 1, State.ACCEPTED: 2}
    assert "so it is" in batch.items[0].words


async def test_what_is_awaited_says_what_keeps_it_and_when_it_is_overdue(stage: Stage, batches: Batches) -> None:
    (name,) = add_stopped(stage, 1)
    batch = begin(batches, stage, "start", name)
    await batches.carry_out(batch)
    (item,) = batch.items
    held = "virt-controller has made no instance of it yet"
    assert (batches.pending(item.ref), batches.explain(item)) == ("starting 0s", f"the VM says Stopped, and {held}")
    stage.clock.now += 240
    vm = stage.fleet.view.get(VirtualMachine, NAME, "shop", name)
    assert vm is not None
    stage.put(changed(vm, printableStatus="WaitingForVolumeBinding"))
    assert batches.pending(item.ref) == "starting 4m, overdue"
    words = f"the VM says WaitingForVolumeBinding, and {held}"
    assert batches.explain(item) == f"overdue, usually within 2m; {words}"
    assert batch.summary(stage.clock.now) == "1 accepted, 1 of them overdue"


async def test_what_keeps_it_is_old_news_while_its_cluster_is_not_heard(stage: Stage, batches: Batches) -> None:
    (name,) = add_stopped(stage, 1)
    batch = begin(batches, stage, "start", name)
    await batches.carry_out(batch)
    (item,) = batch.items
    held = batches.explain(item)
    stage.fleet.store.post(Feed(NAME, item.ref.kind, FeedState.STALE, stage.clock.now))
    stage.fleet.step()
    stage.clock.now += 15
    assert batches.explain(item) == f"{NAME} was last heard 15s ago; then: {held}"
    stage.fleet.store.post(Feed(NAME, item.ref.kind, FeedState.LIVE, stage.clock.now))
    stage.fleet.step()
    assert batches.explain(item) == held


async def test_what_was_left_of_a_grace_period_is_told_as_it_was_when_its_cluster_was_heard(
    stage: Stage, batches: Batches
) -> None:
    batch = begin(batches, stage, "stop", "dv-1")
    await batches.carry_out(batch)
    (item,) = batch.items
    live = stage.fleet.view.get(VirtualMachineInstance, NAME, "shop", "dv-1")
    assert live is not None
    ending: Any = msgspec.to_builtins(live)
    ending["metadata"] |= {"deletionTimestamp": "2026-11-21T02:14:07Z", "resourceVersion": "9999"}
    ending["spec"] |= {"terminationGracePeriodSeconds": 30}
    stage.put(msgspec.convert(ending, VirtualMachineInstance))
    stage.fleet.store.post(Feed(NAME, item.ref.kind, FeedState.STALE, stage.clock.now + 2))
    stage.fleet.step()
    stage.clock.now += 180
    held = "the guest has not shut down; 28s of 30s grace left, then it is killed"
    assert batches.tell_row(item) == f"{NAME} was last heard 2m58s ago; then: {held}"
    assert not batches.is_heard(item)


async def test_what_is_followed_says_how_far_it_is(stage: Stage, batches: Batches) -> None:
    (name,) = add_stopped(stage, 1)
    words = "moving to kvm2, 21% of 145Mi"

    async def run(backend: Any, row: Any, answers: Answers) -> None: ...

    far = replace(action("start"), run=run, variants=(), follow=lambda *_: Progress(words))
    (row,) = rows(stage, name)
    batch = batches.begin(far, VMS, [Task(row, Answers({}))])
    await batches.carry_out(batch)
    (item,) = batch.items
    assert batches.explain(item) == words
    stage.clock.now += 240
    assert batches.explain(item) == f"overdue, usually within 2m; {words}"


def put_back(stage: Stage, name: str, at: str) -> None:
    stage.put(record_of(application("shop", name, at)))


async def test_what_argo_cd_takes_back_fails_and_says_so(stage: Stage, batches: Batches) -> None:
    put_back(stage, "dv-1", "2026-11-21T01:50:00Z")
    batch = begin(batches, stage, "stop", "dv-1")
    await batches.carry_out(batch)
    put_back(stage, "dv-1", "2026-11-21T01:50:00Z")
    assert states(batch) == {"dv-1": "accepted"}
    put_back(stage, "dv-1", "2026-11-21T01:56:03Z")
    assert states(batch) == {"dv-1": "failed"}
    assert batch.items[0].words == "Application argocd/web put it back: it heals what differs from git"
    assert batches.pending(batch.items[0].ref) is None


async def test_what_no_declaration_is_against_goes_on_though_argo_cd_puts_something_back(
    stage: Stage, batches: Batches
) -> None:
    batch = begin(batches, stage, "restart", "dv-1")
    await batches.carry_out(batch)
    put_back(stage, "dv-1", "2026-11-21T01:56:03Z")
    assert states(batch) == {"dv-1": "accepted"}


async def test_old_batches_are_forgotten_but_not_those_that_go_on(stage: Stage, batches: Batches) -> None:
    (name,) = add_stopped(stage, 1)
    first = begin(batches, stage, "start", name)
    await batches.carry_out(first)
    others = [begin(batches, stage, "start", name) for _ in range(KEPT + 5)]
    assert first in batches.all
    assert batches.all[0] is others[-1]
    assert others[0] not in batches.all
    assert len(batches.all) == KEPT + 1
