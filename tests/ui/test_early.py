"""Keys that are typed before the list stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from textual import events

from kvtui.actions.confirm import Question
from kvtui.config import Settings
from kvtui.errors import BackendError
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import Replace
from kvtui.ui import app as app_module
from kvtui.ui.app import KvtuiApp
from kvtui.ui.screens.help import HelpScreen
from tests.ui.backend import NAME, Stage, recorded
from tests.ui.conftest import Screen
from tests.ui.test_consoles import SMALL, sees, until

WIDE = (120, 35)


class Start:
    """A start that goes on when the test says so."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.connected = asyncio.Event()
        self.failure: BackendError | None = None

    async def connect(self, _contexts: Sequence[str]) -> Fleet:
        await self.connected.wait()
        if self.failure is not None:
            raise self.failure
        return self.stage.fleet

    def list_vms(self, *, all_of_them: bool) -> None:
        """Rows of VMs come, the last ones of the list first."""
        vms = sorted(recorded(VirtualMachine), key=lambda vm: vm.metadata.name, reverse=True)
        self.stage.fleet.store.post(Replace(NAME, VirtualMachine, vms if all_of_them else vms[:3]))
        if all_of_them:
            for type_ in (VirtualMachine, VirtualMachineInstance):
                self.stage.feed(type_, FeedState.LIVE)
        self.stage.fleet.step()


@asynccontextmanager
async def starting(size: tuple[int, int] = WIDE) -> AsyncIterator[tuple[Start, Screen]]:
    start = Start()
    app = KvtuiApp(start.connect, Settings(), where="prod-fra1")
    async with app.run_test(size=size, notifications=True) as pilot:
        screen = Screen(app, pilot)
        await until(screen, sees(screen, "connecting to prod-fra1"))
        yield start, screen


def marked(screen: Screen) -> list[str]:
    return [ref.name for ref in screen.main.current.table.marks if isinstance(ref, Ref)]


def rows(screen: Screen) -> list[str]:
    """The names of the VMs, in the order in which they stand."""
    return [ref.name for ref in screen.main.current.listing.refs]


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_marks_that_are_typed_while_it_connects_are_set_on_the_rows_that_stand_then(
    size: tuple[int, int],
) -> None:
    async with starting(size) as (start, screen):
        await screen.press("space", "space")
        assert "2 keys wait for the list" in screen.text
        start.connected.set()
        await until(screen, lambda: screen.app.main is not None and screen.app.screen is screen.app.main)
        await screen.press("j", "space")
        start.list_vms(all_of_them=False)
        await screen.settle()
        assert marked(screen) == []
        start.list_vms(all_of_them=True)
        await until(screen, lambda: len(marked(screen)) == 3)
        names = rows(screen)
        assert sorted(marked(screen)) == sorted([names[0], names[1], names[3]])
        await screen.press("space")
        assert len(marked(screen)) == 4


async def test_a_key_on_a_row_that_is_seen_acts_on_it_though_more_are_to_come() -> None:
    async with starting() as (start, screen):
        start.connected.set()
        await until(screen, lambda: screen.app.main is not None and screen.app.screen is screen.app.main)
        start.list_vms(all_of_them=False)
        await until(screen, lambda: screen.main.current.current is not None)
        seen = screen.main.current.current
        await screen.press("space")
        start.list_vms(all_of_them=True)
        await screen.settle()
        assert screen.main.current.table.marks == (seen,)


async def test_a_question_is_answered_at_once_while_keys_wait() -> None:
    async with starting() as (_start, screen):
        await screen.press("space")
        answer = screen.app.run_worker(screen.app.ask(Question("go on?", ["really"])))
        await until(screen, sees(screen, "go on?"))
        await screen.press("y")
        assert await answer.wait() is True


async def test_a_filter_that_is_typed_while_it_connects_is_not_taken_for_keys() -> None:
    async with starting() as (start, screen):
        await screen.press("slash", *"qr?d", "enter")
        start.connected.set()
        await until(screen, lambda: screen.app.main is not None)
        start.list_vms(all_of_them=True)
        await until(screen, lambda: screen.main.current.listing.filter_text == "qr?d")
        assert screen.app.is_running


async def test_a_paste_waits_in_its_place() -> None:
    async with starting() as (start, screen):
        await screen.press("slash")
        screen.app.post_message(events.Paste("dv-1"))
        await screen.settle()
        await screen.press("enter")
        start.connected.set()
        await until(screen, lambda: screen.app.main is not None)
        start.list_vms(all_of_them=True)
        await until(screen, lambda: screen.main.current.listing.filter_text == "dv-1")


async def test_rows_that_do_not_come_are_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "_PATIENCE", 0.2)
    async with starting() as (start, screen):
        start.connected.set()
        await until(screen, lambda: screen.app.main is not None and screen.app.screen is screen.app.main)
        await screen.press("question_mark")
        await until(screen, lambda: isinstance(screen.app.screen, HelpScreen))


async def test_what_waits_is_forgotten_on_escape_and_then_the_screen_has_its_keys() -> None:
    async with starting() as (_start, screen):
        await screen.press("space", "S", "q", "escape")
        assert "wait" not in screen.text
        assert screen.app.is_running
        await screen.press("q")
        assert not screen.app.is_running


async def test_what_waits_does_not_outlive_a_start_that_fails() -> None:
    async with starting() as (start, screen):
        start.failure = BackendError("no way", "nobody is there")
        await screen.press("slash", *"qrq", "enter")
        start.connected.set()
        await until(screen, sees(screen, "x no way"))
        assert screen.app.is_running
        start.failure = None
        await screen.press("r")
        await until(screen, lambda: screen.app.main is not None)
        start.list_vms(all_of_them=True)
        await screen.settle()
        assert screen.main.current.listing.filter_text == ""
