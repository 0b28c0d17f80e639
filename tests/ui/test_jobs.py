"""Actions over many rows on the screen, and the view of what came of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvtui.actions.items import State
from kvtui.errors import ConflictError, UnreachableError
from kvtui.records.kubevirt import VirtualMachine
from kvtui.store import Drop
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.screens.jobs import JobsScreen
from tests.actions.test_batch import add_stopped, put_running
from tests.actions.test_reversals import go_off, keep_by_argo, look_again, put_back
from tests.ui.backend import NAME, Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import until

WIDE = (160, 40)


def toasts(screen: Screen) -> list[str]:
    return [toast.message for toast in screen.app._notifications]


async def mark_all(screen: Screen) -> None:
    """Mark every VM that the filter leaves."""
    await screen.press("slash", *"many", "enter", "home", "space", "end", "ctrl+space")


async def start_all(screen: Screen, count: int) -> None:
    await mark_all(screen)
    await screen.press("s")
    assert f"start {count} VMs?" in screen.text
    await screen.press(*(("y",) if count < 10 else (*str(count), "enter")))


def answered(stage: Stage, count: int) -> Callable[[], bool]:
    return lambda: len(stage.backend.calls) >= count


async def test_500_marked_rows_are_started_and_told_of_while_the_screen_lives(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 500)
    stage.backend.answering.clear()
    async with show(stage, WIDE) as screen:
        await start_all(screen, 500)
        await until(screen, lambda: len(stage.backend.waiting) == 8)
        assert "500 marked" not in screen.text
        assert "starting, queued" in screen.text
        screen.main.tick()
        await screen.settle()
        assert "start 0/500" in screen.lines[0]
        await screen.press("home", "down")
        assert screen.main.current.current is not None
        stage.backend.answering.set()
        await until(screen, answered(stage, 500))
        await until(screen, lambda: "start: accepted for 500 VMs" in toasts(screen))
        for name in names[1:]:
            put_running(stage, name)
        await screen.settle()
        # By now the toast may have had its time.
        assert set(toasts(screen)) <= {"start: accepted for 500 VMs"}
        put_running(stage, names[0])
        await until(screen, lambda: toasts(screen)[-1:] == ["start: 500 done (:actions lists them)"])


async def test_a_bulk_that_ends_badly_says_how_many_came_to_what(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 10)
    stage.backend.refusals = {name: ConflictError("no room") for name in names[:5]}
    async with show(stage, WIDE) as screen:
        await start_all(screen, 10)
        await until(screen, answered(stage, 5))
        assert toasts(screen)[-1].splitlines() == [
            "start: 5 accepted, 5 failed (:actions lists them)",
            *(f"start shop/{name}: no room" for name in names[:3]),
            "and 2 more",
        ]


async def test_jobs_show_each_row_with_the_words_of_the_server_and_survive_leaving(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 3)
    stage.backend.refusals = {names[1]: ConflictError("no room")}
    async with show(stage, WIDE) as screen:
        await screen.press("J")
        assert "nothing was done yet" in screen.text
        await screen.press("escape")
        await start_all(screen, 3)
        await until(screen, answered(stage, 2))
        for _ in range(2):
            await screen.press("colon", *"actions", "enter")
            assert "start 3 VMs: 2 accepted, 1 failed" in screen.text
            assert "no room" in screen.line_with(f"shop/{names[1]}")
            await screen.press("q")
            assert "start 3 VMs: 2 accepted" not in screen.text


async def test_jobs_show_only_what_is_in_trouble_when_asked(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 3)
    stage.backend.refusals = {names[1]: ConflictError("no room")}
    async with show(stage, WIDE) as screen:
        await start_all(screen, 3)
        await until(screen, answered(stage, 2))
        await screen.press("J", "exclamation_mark")
        assert screen.line_with(f"shop/{names[1]}")
        assert not screen.line_with(f"shop/{names[0]} ")


async def test_the_row_of_what_was_done_and_put_back_later_says_so(stage: Stage, show: Show) -> None:
    keep_by_argo(stage)
    async with show(stage, WIDE) as screen:
        await screen.press("slash", *"dv-1", "enter", "home", "S", "y")
        await until(screen, answered(stage, 1))
        go_off(stage)
        await screen.press("J")
        assert "its effect is seen, but not yet whether Application argocd/web puts it back" in screen.text
        look_again(stage, 60)
        await until(screen, lambda: "has not put it back in 20s" in screen.text)
        put_back(stage, "2026-11-21T02:17:07Z")
        await until(screen, lambda: "done, put back" in screen.text)
        assert "Application argocd/web put it back: it heals what differs from git" in screen.text
        assert "1 done, 1 of them put back" in screen.text
        await screen.press("exclamation_mark")
        assert "done, put back" in screen.text


async def test_what_failed_is_retried_from_the_jobs_after_it_was_asked_again(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 3)
    stage.backend.refusals = {name: ConflictError("no room") for name in names[:2]}
    async with show(stage, WIDE) as screen:
        await start_all(screen, 3)
        await until(screen, answered(stage, 1))
        stage.backend.refusals.clear()
        await screen.press("J", "r")
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert "again: start 2 VMs?" in screen.text
        await screen.press("y")
        await until(screen, answered(stage, 3))
        await until(screen, lambda: "3 accepted" in screen.text)
        assert sorted(stage.backend.calls) == [f"start shop/{name}" for name in names]
        await screen.press("r")
        assert toasts(screen)[-1] == "start: nothing of it failed"


async def test_what_waits_is_cancelled_from_the_jobs_and_what_was_sent_goes_on(stage: Stage, show: Show) -> None:
    add_stopped(stage, 20)
    stage.backend.answering.clear()
    async with show(stage, WIDE) as screen:
        await start_all(screen, 20)
        await until(screen, lambda: len(stage.backend.waiting) == 8)
        await screen.press("J", "M")
        assert toasts(screen)[-1] == "start: 12 of 20 are not sent"
        stage.backend.answering.set()
        await until(screen, answered(stage, 8))
        await until(screen, lambda: "8 accepted, 12 not sent" in screen.text)
        assert "cancelled before it was sent" in screen.text
        assert len(stage.backend.calls) == 8
        await screen.press("M")
        assert toasts(screen)[-1] == "start: all of it was sent already"


async def test_a_row_of_the_jobs_has_its_stack_behind_the_usual_key_and_goes_on(stage: Stage, show: Show) -> None:
    add_stopped(stage, 20)
    stage.backend.answering.clear()
    async with show(stage, WIDE) as screen:
        await start_all(screen, 20)
        await until(screen, lambda: len(stage.backend.waiting) == 8)
        await screen.press("J", "x")
        assert toasts(screen)[-1] == "a stack is of a row: tab leads to the rows of the action"
        await screen.press("tab", "x")
        assert isinstance(screen.app.screen, DetailScreen)
        assert "[stack]" in screen.lines[1]
        stage.backend.answering.set()
        await until(screen, answered(stage, 20))


async def test_a_connection_lost_in_the_middle_is_told_as_what_nobody_knows(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 20)
    stage.backend.refusals = {names[12]: UnreachableError("the connection was cut", "reset by peer")}
    stage.backend.answering.clear()
    async with show(stage, WIDE) as screen:
        await start_all(screen, 20)
        await until(screen, lambda: len(stage.backend.waiting) == 8)
        stage.backend.refusal = UnreachableError("the connection was cut", "reset by peer")
        stage.backend.answering.set()
        await until(screen, lambda: any("nobody knows" in toast for toast in toasts(screen)))
        assert toasts(screen)[-1].splitlines()[0] == "start: 8 nobody knows, 12 not sent (:actions lists them)"
        await screen.press("J")
        assert "nobody knows whether it was accepted: the connection was cut: reset by peer" in screen.text
        assert f"{NAME} was lost before it was sent" in screen.text


@pytest.mark.parametrize(("count", "whom"), [(1, ""), (3, "shop/many-0002: ")])
async def test_what_nobody_knows_is_retried_from_the_jobs_once_it_is_said_that_it_may_be_done_twice(
    stage: Stage, show: Show, count: int, whom: str
) -> None:
    names = add_stopped(stage, 3)[:count]
    stage.backend.refusals = {
        names[0]: ConflictError("no room"),
        names[-1]: UnreachableError("the connection was cut", "reset by peer"),
    }
    async with show(stage, WIDE) as screen:
        await screen.press("slash", *(names[0] if count == 1 else "many"), "enter")
        await (screen.press("s") if count == 1 else start_all(screen, count))
        await until(screen, lambda: any("nobody knows" in toast for toast in toasts(screen)))
        asked = len(stage.backend.calls)
        stage.backend.refusals.clear()
        await screen.press("J", "r")
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert f"! {whom}nobody knows whether it was done before:" in screen.text
        await screen.press("n", "r", "y")
        await until(screen, lambda: f"{count} accepted" in screen.text)
        again = {names[0], names[-1]}
        assert sorted(stage.backend.calls[asked:]) == sorted(f"start shop/{name}" for name in again)


async def test_a_row_is_opened_from_the_jobs_and_one_that_is_gone_is_told(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 2)
    async with show(stage, WIDE) as screen:
        await start_all(screen, 2)
        await until(screen, answered(stage, 2))
        await screen.press("J", "enter", "enter")
        assert isinstance(screen.app.screen, DetailScreen)
        await screen.press("escape")
        stage.fleet.store.post(Drop(NAME, VirtualMachine, "shop", names[0]))
        stage.fleet.step()
        await screen.press("enter")
        assert toasts(screen)[-1] == f"shop/{names[0]} is not there"


async def test_whoever_quits_while_rows_wait_is_asked(stage: Stage, show: Show) -> None:
    add_stopped(stage, 20)
    stage.backend.answering.clear()
    async with show(stage, WIDE) as screen:
        await start_all(screen, 20)
        await until(screen, lambda: len(stage.backend.waiting) == 8)
        await screen.press("q")
        assert "quit? What was not sent yet is not sent then." in screen.text
        assert "start 20 VMs: 20 to go" in screen.text
        await screen.press("n")
        stage.backend.answering.set()
        await until(screen, answered(stage, 20))


async def test_a_key_that_is_pressed_twice_does_it_once(stage: Stage, show: Show) -> None:
    (name,) = add_stopped(stage, 1)
    stage.backend.answering.clear()
    async with show(stage, WIDE) as screen:
        await screen.press("slash", *name, "enter")
        await screen.pilot.press("s", "s")
        await until(screen, lambda: bool(stage.backend.waiting))
        stage.backend.answering.set()
        await until(screen, answered(stage, 1))
        await screen.settle()
        assert stage.backend.calls == [f"start shop/{name}"]


async def test_what_is_overdue_is_told_once_with_what_the_row_says(stage: Stage, show: Show) -> None:
    (name,) = add_stopped(stage, 1)
    async with show(stage, (200, 50)) as screen:
        await screen.press("slash", *name, "enter", "s")
        stage.clock.now += 240
        screen.main.tick()
        screen.main.tick()
        await screen.settle()
        assert "starting 4m, overdue" in screen.text
        assert [toast for toast in toasts(screen) if "overdue" in toast] == [
            f"start shop/{name}: overdue, usually within 2m; "
            "the VM says Stopped, and virt-controller has made no instance of it yet"
        ]
        await screen.press("J")
        assert "accepted, overdue" in screen.text


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50)])
async def test_jobs_have_room_on_every_screen(stage: Stage, show: Show, size: tuple[int, int]) -> None:
    add_stopped(stage, 40)
    async with show(stage, size) as screen:
        await start_all(screen, 40)
        await until(screen, answered(stage, 40))
        await screen.press("J")
        await until(screen, lambda: "40 accepted" in screen.text)
        assert "shop/many-0000" in screen.text
        assert "esc back" in screen.lines[-1]


async def test_what_cannot_be_cancelled_or_tried_again_has_its_key_in_parentheses(stage: Stage, show: Show) -> None:
    names = add_stopped(stage, 10)
    stage.backend.refusals = {names[0]: ConflictError("no room")}
    stage.backend.answering.clear()
    async with show(stage, (80, 24)) as screen:
        await screen.press("J")
        assert "(M cancel)  (r retry)" in screen.lines[-1]
        assert "? help" in screen.lines[-1]
        await screen.press("escape")
        await start_all(screen, 10)
        await until(screen, lambda: len(stage.backend.waiting) == 8)
        await screen.press("J")
        await until(screen, lambda: " M cancel  (r retry)" in screen.lines[-1])
        stage.backend.answering.set()
        await until(screen, lambda: "(M cancel)  r retry" in screen.lines[-1])


async def test_the_line_of_an_action_and_what_stands_over_its_rows_are_of_the_same_moment(
    stage: Stage, show: Show
) -> None:
    add_stopped(stage, 4)
    async with show(stage, WIDE) as screen:
        await start_all(screen, 4)
        await until(screen, answered(stage, 4))
        await screen.press("J")
        jobs = screen.app.screen
        assert isinstance(jobs, JobsScreen)
        assert jobs.chosen is not None
        first, second, *_ = jobs.chosen.items
        first.state = State.DONE
        jobs.redraw()
        # This comes while the frame is painted.
        second.state = State.DONE
        await screen.settle()
        told = [line for line in screen.lines if " done, " in line]
        assert len({"1 done, 3 accepted" in line for line in told}) == 1, told
        await until(screen, lambda: screen.text.count("2 done, 2 accepted") == 2)
