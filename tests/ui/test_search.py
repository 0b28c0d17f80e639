"""The menu of actions: found by typing, with the reasons of what is impossible."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from kvtui.ui.dialogs.search import Offer, SearchDialog
from kvtui.ui.hacks import screen_text
from kvtui.ui.program import Program
from tests.ui.backend import Stage
from tests.ui.conftest import Show

OFFERS = [
    Offer("start", "start", "Start the VM.", "s", reason="already running"),
    Offer("stop", "stop", "Shut the guest down.", "S"),
    Offer("clone", "clone", "Copies the [b]disks[/b]."),
    Offer("disk", "attach disk", "Attach a volume."),
]


class Menu:
    def __init__(self, pilot: Pilot[Any], answers: list[str | None]) -> None:
        self.pilot = pilot
        self.answers = answers

    @property
    def text(self) -> str:
        return screen_text(self.pilot.app)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@pytest.fixture
def menu() -> Callable[[], AbstractAsyncContextManager[Menu]]:
    @asynccontextmanager
    async def run() -> AsyncIterator[Menu]:
        app = Program("kvtui-dark")
        answers: list[str | None] = []
        async with app.run_test(size=(80, 24)) as pilot:
            app.push_screen(SearchDialog("shop/web", OFFERS), answers.append)
            await pilot.pause()
            yield Menu(pilot, answers)

    return run


Open = Callable[[], AbstractAsyncContextManager[Menu]]


async def test_what_is_possible_comes_first_and_what_is_not_says_why(menu: Open) -> None:
    async with menu() as shown:
        lines = [line for line in shown.text.splitlines() if "│" in line]
        order = [name for line in lines for name in ("> stop", "(start)") if name in line]
        assert order == ["> stop", "(start)"]
        assert "already running" in shown.text
        assert "[b]disks[/b]" in shown.text


async def test_words_find_an_offer_by_its_name_before_others_by_what_they_do(menu: Open) -> None:
    async with menu() as shown:
        await shown.press(*"disk")
        assert "> attach disk" in shown.text
        assert "clone" in shown.text
        assert "stop" not in shown.text
        await shown.press("enter")
        assert shown.answers == ["disk"]


async def test_arrows_and_enter_choose(menu: Open) -> None:
    async with menu() as shown:
        await shown.press("down", "enter")
        assert shown.answers == ["clone"]


async def test_what_is_impossible_is_not_chosen(menu: Open) -> None:
    async with menu() as shown:
        await shown.press(*"start", "enter")
        assert shown.answers == []
        assert "not now: already running" in shown.text
        await shown.press("escape")
        assert shown.answers == [None]


async def test_a_name_that_nothing_has_says_so(menu: Open) -> None:
    async with menu() as shown:
        await shown.press(*"zzz", "down", "enter")
        assert "nothing has that name" in shown.text
        assert shown.answers == []


async def test_a_opens_it_for_the_chosen_row(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"dv-1", "enter", "a")
        assert isinstance(screen.app.screen, SearchDialog)
        await screen.press(*"pause", "enter", "y")
        assert stage.backend.calls == ["pause shop/dv-1"]
