"""Before a verb is done to many: how many there are is typed, and what the list does not show is said."""

from __future__ import annotations

import pytest

from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.form import FormDialog
from kvtui.ui.screens.detail import DetailScreen
from tests.actions.test_batch import add_stopped
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import until
from tests.ui.test_jobs import answered, mark_all

SMALL = (80, 24)


async def mark_and_hide(screen: Screen, name: str) -> None:
    """Mark the row under the cursor, then filter for another one."""
    await screen.press("space", "slash", "ctrl+u", *name, "enter")


@pytest.mark.parametrize("count", [9, 10])
async def test_from_ten_rows_on_a_harmless_verb_has_their_number_typed(stage: Stage, show: Show, count: int) -> None:
    add_stopped(stage, count)
    async with show(stage, SMALL) as screen:
        await mark_all(screen)
        await screen.press("s")
        assert f"start {count} VMs?" in screen.text
        assert (f'type "{count}"' in screen.text) is (count == 10)
        await screen.press("y")
        if count == 10:
            await screen.press("enter")
            assert stage.backend.calls == []
            await screen.press("escape")
            assert not isinstance(screen.app.screen, ConfirmDialog)
        else:
            await until(screen, answered(stage, count))


async def test_a_mark_that_the_filter_hides_is_never_acted_on_without_being_named(stage: Stage, show: Show) -> None:
    marked, seen = add_stopped(stage, 2)
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *marked, "enter")
        await mark_and_hide(screen, seen)
        assert "1 marked, 1 hidden" in screen.text
        await screen.press("s")
        assert f"start vm shop/{marked}?" in screen.text
        assert "it is marked but hidden" in screen.text
        assert stage.backend.calls == []
        await screen.press("n")
        assert stage.backend.calls == []
        await screen.press("s", "y")
        await until(screen, answered(stage, 1))
        assert stage.backend.calls == [f"start shop/{marked}"]


async def test_of_many_marked_those_that_are_hidden_are_counted_and_their_number_is_typed(
    stage: Stage, show: Show
) -> None:
    names = add_stopped(stage, 4)
    async with show(stage, SMALL) as screen:
        await mark_all(screen)
        await screen.press("slash", "ctrl+u", *names[0], "enter", "s")
        assert "start 4 VMs?" in screen.text
        assert "3 of these 4 marked are hidden: shop/many-0001" in screen.text
        assert 'type "4"' in screen.text
        await screen.press("4", "enter")
        await until(screen, answered(stage, 4))


async def test_where_all_marked_rows_are_hidden_the_row_in_sight_is_said_not_to_be_meant(
    stage: Stage, show: Show
) -> None:
    *_, seen = add_stopped(stage, 3)
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *"many-0000", "enter", "space", "slash", "ctrl+u", *"many-0001", "enter", "space")
        await screen.press("slash", "ctrl+u", *seen, "enter", "s")
        assert "start 2 VMs?" in screen.text
        assert "all 2 marked are hidden: the row under the cursor is none of" in screen.text
        assert 'type "2"' in screen.text


async def test_a_form_for_hidden_rows_says_so_too(stage: Stage, show: Show) -> None:
    marked, seen = add_stopped(stage, 2)
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *marked, "enter")
        await mark_and_hide(screen, seen)
        await screen.press("ctrl+d")
        assert isinstance(screen.app.screen, FormDialog)
        assert "it is marked but hidden" in screen.text


async def test_w_tells_what_was_asked_when_and_what_keeps_it(stage: Stage, show: Show) -> None:
    (name,) = add_stopped(stage, 1)
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *name, "enter", "s", "w")
        assert isinstance(screen.app.screen, DetailScreen)
        assert "start: accepted  asked 0s ago, at " in screen.text
        assert "usually within 2m" in screen.text
        assert "virt-controller has made no" in screen.text
        stage.clock.now += 200
        await until(screen, lambda: "overdue, usually within 2m" in screen.text)
        assert "asked 3m20s ago" in screen.text
