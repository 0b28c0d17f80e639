"""Where the cursor is after a filter: on what the user means, never on what took its place."""

from __future__ import annotations

import pytest

from tests.actions.test_batch import put_stopped
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show

WIDE = (160, 40)


def cursor_path(screen: Screen) -> str:
    current = screen.main.current.current
    return "" if current is None else current.path


async def put_cursor(screen: Screen, path: str) -> None:
    """On a row, by the keys."""
    await screen.press("home")
    for _ in range(100):
        if cursor_path(screen) == path:
            return
        await screen.press("down")
    raise AssertionError(f"no row {path}")


@pytest.fixture
def named(stage: Stage) -> Stage:
    """A cluster with a VM whose name is part of others that stand before it."""
    put_stopped(stage, "a-cache-10", "a-cache-1", "cache-1", "other-1", "other-2", "other-3")
    return stage


async def test_the_cursor_stays_on_its_row_while_the_filter_shows_it(named: Stage, show: Show) -> None:
    async with show(named, WIDE) as screen:
        await put_cursor(screen, "shop/a-cache-10")
        await screen.press("slash", *"cache-1", "enter")
        assert cursor_path(screen) == "shop/a-cache-10"


async def test_where_its_row_is_hidden_the_cursor_goes_to_the_one_that_the_filter_names(
    named: Stage, show: Show
) -> None:
    async with show(named, WIDE) as screen:
        await put_cursor(screen, "shop/other-3")
        await screen.press("slash", *"cache-1")
        assert cursor_path(screen) == "shop/cache-1"
        await screen.press("enter")
        assert cursor_path(screen) == "shop/cache-1"


async def test_of_none_that_the_filter_names_the_first_row_is_chosen(named: Stage, show: Show) -> None:
    async with show(named, WIDE) as screen:
        await put_cursor(screen, "shop/other-3")
        await screen.press("slash", *"ache-1", "enter")
        assert cursor_path(screen) == "shop/a-cache-1"


async def test_a_name_is_found_too_where_nobody_moved_the_cursor_yet(named: Stage, show: Show) -> None:
    async with show(named, WIDE) as screen:
        await screen.press("slash", *"Cache-1", "enter")
        assert cursor_path(screen) == "shop/cache-1"


async def test_after_a_filter_that_found_nothing_the_next_one_finds_the_name(named: Stage, show: Show) -> None:
    async with show(named, WIDE) as screen:
        await put_cursor(screen, "shop/other-3")
        await screen.press("slash", *"cahce-1", "enter")
        assert cursor_path(screen) == ""
        await screen.press("slash", *"cache-1", "enter")
        assert cursor_path(screen) == "shop/cache-1"


@pytest.mark.parametrize("typed", [("backspace",) * 7, ("escape",)])
async def test_what_was_typed_in_vain_leaves_the_cursor_where_it_was(
    named: Stage, show: Show, typed: tuple[str, ...]
) -> None:
    async with show(named, WIDE) as screen:
        await put_cursor(screen, "shop/other-3")
        await screen.press("slash", *"cache-1", *typed)
        assert cursor_path(screen) == "shop/other-3"


async def test_where_only_faults_are_shown_the_cursor_is_on_no_row_that_took_the_place_of_its_own(
    named: Stage, show: Show
) -> None:
    async with show(named, WIDE) as screen:
        await put_cursor(screen, "shop/other-3")
        await screen.press("exclamation_mark")
        rows = screen.main.current.listing.refs
        assert len(rows) > 1
        assert screen.main.current.current == rows[0]
