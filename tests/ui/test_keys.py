"""Keys that arrive in one piece, as over a slow link, have their effects in order."""

from __future__ import annotations

from textual.events import Key

from kvtui.ui.hacks import EscapedKey
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show


def type_at_once(screen: Screen, *keys: str) -> None:
    """Hand the keys over without a pause between them, as the driver does with what it reads in one go."""
    for key in keys:
        screen.app.post_message(Key(key, key if len(key) == 1 else None))


async def test_what_follows_the_slash_is_typed_into_the_filter(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        type_at_once(screen, "slash", *"mSR")
        await screen.settle()
        assert screen.main.current.listing.filter_text == "mSR"
        assert stage.backend.calls == []


async def test_what_follows_the_filter_is_for_the_list(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        type_at_once(screen, "slash", *"web-1", "enter", "3")
        await screen.settle()
        assert screen.main.panes[1].listing.filter_text == "web-1"
        assert screen.main.current.resource.name == "migrations"


async def test_pane_and_filter_in_one_piece(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        type_at_once(screen, "1", "slash", *"node01", "enter", "2")
        await screen.settle()
        assert screen.main.panes[0].listing.filter_text == "node01"
        assert screen.main.current.resource.name == "vms"


async def test_an_escape_and_the_key_behind_it_in_one_piece_are_two_keys_of_the_list(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"web-1", "enter")
        screen.app.post_message(Key(EscapedKey("alt+slash"), None))
        await screen.settle()
        assert screen.main.current.listing.filter_text == "", "escape took the filter back"
        type_at_once(screen, *"dv")
        await screen.settle()
        assert screen.main.current.listing.filter_text == "dv"
