"""Slips of tired hands, and a world that moves while a question is open: only what was meant is hit, and once."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from textual import events
from textual.keys import key_to_character

from kvtui.config import Settings
from kvtui.model import Ref
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources import RESOURCES
from kvtui.store import Drop
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.form import FormDialog
from tests.ui.backend import NAME, Stage, changed, recorded
from tests.ui.conftest import Screen, Show

RUNNING = "dv-1"
KEYS = sorted({action.key for resource in RESOURCES for action in resource.verbs if action.key})


def vms() -> list[VirtualMachine]:
    return [record for record in recorded(VirtualMachine) if isinstance(record, VirtualMachine)]


def vm(name: str = RUNNING) -> VirtualMachine:
    return next(record for record in vms() if record.metadata.name == name)


async def ask_to_restart(screen: Screen) -> None:
    """The question for dv-1 is open, with all rows in sight behind it."""
    screen.main.jump(Ref(NAME, VirtualMachine.KIND, "shop", RUNNING, vm().metadata.uid))
    await screen.settle()
    await screen.press("R")
    assert isinstance(screen.app.screen, ConfirmDialog)
    assert f"shop/{RUNNING}?" in screen.text


async def test_a_table_that_sorts_itself_anew_behind_the_question_changes_no_answer(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        await ask_to_restart(screen)
        for record in vms():
            if record.metadata.name < RUNNING:
                meta = record.metadata
                stage.fleet.store.post(Drop(NAME, VirtualMachine, meta.namespace, meta.name, meta.uid))
        stage.put(*(changed(record, printableStatus="Paused") for record in vms() if record.metadata.name > RUNNING))
        screen.main.current.sort_by(1, True)
        await screen.settle()
        await screen.press("y")
        assert stage.backend.calls == [f"restart shop/{RUNNING}"]


async def test_another_vm_of_the_same_name_is_not_hit_by_the_answer(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        await ask_to_restart(screen)
        builtins: Any = msgspec.to_builtins(vm())
        builtins["metadata"] |= {"uid": "another", "resourceVersion": "another"}
        stage.put(msgspec.convert(builtins, VirtualMachine))
        await screen.settle()
        await screen.press("y")
        assert stage.backend.calls == []
        assert "it is gone" in screen.text


async def test_a_key_and_its_answer_that_are_pressed_twice_do_it_once(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        stage.backend.answering.clear()
        screen.main.jump(Ref(NAME, VirtualMachine.KIND, "shop", RUNNING, vm().metadata.uid))
        await screen.settle()
        await screen.pilot.press("R", "R", "y", "y", "R", "y")
        stage.backend.answering.set()
        await screen.settle()
        assert stage.backend.calls == [f"restart shop/{RUNNING}"]


async def test_an_answer_that_comes_before_the_question_is_no_answer(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        screen.main.jump(Ref(NAME, VirtualMachine.KIND, "shop", RUNNING, vm().metadata.uid))
        await screen.settle()
        await screen.press("y")
        await screen.press("escape")
        await screen.press("R")
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert stage.backend.calls == []


@pytest.mark.parametrize("pane", [1, 2, 3, 4])
async def test_no_key_of_any_pane_changes_anything_read_only(show: Show, pane: int) -> None:
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage, (160, 50), Settings(read_only=True)) as screen:
        await screen.press(str(pane))
        for key in KEYS:
            await screen.press(key)
            assert not isinstance(screen.app.screen, ConfirmDialog | FormDialog), key
            while screen.app.screen is not screen.main:
                await screen.press("escape")
        assert stage.backend.calls == []


@pytest.mark.parametrize("way", ["a", "ctrl+p"])
async def test_neither_the_menu_nor_the_palette_changes_anything_read_only(show: Show, way: str) -> None:
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage, (160, 50), Settings(read_only=True)) as screen:
        screen.main.jump(Ref(NAME, VirtualMachine.KIND, "shop", RUNNING, vm().metadata.uid))
        await screen.settle()
        for verb in ("restart", "pause", "migrate", "delete", "snapshot"):
            await screen.press(way, *verb)
            assert f"{NAME} is read-only here" in screen.text, verb
            await screen.press("enter")
            assert not isinstance(screen.app.screen, ConfirmDialog | FormDialog), verb
            while screen.app.screen is not screen.main:
                await screen.press("escape")
        assert stage.backend.calls == []


async def test_an_account_that_may_only_look_is_asked_nothing_and_changes_nothing(stage: Stage, show: Show) -> None:
    stage.backend.denied = "the account may only look"
    async with show(stage, (160, 50)) as screen:
        screen.main.jump(Ref(NAME, VirtualMachine.KIND, "shop", RUNNING, vm().metadata.uid))
        await screen.settle()
        for key in ("S", "R", "m", "ctrl+k", "p"):
            await screen.press(key)
            assert screen.app.screen is screen.main, key
        assert "(R restart)" in screen.lines[-1]
        await screen.press("a", *"restart")
        assert "needs update on virtualmachines/restart: role kubevirt.io:edit" in screen.text
        assert stage.backend.calls == []


# Keys that are typed before the question could be seen --------------------------------------------------------------


class Typist:
    """Sends keys to the screen as a terminal does: each of a time, however late it is looked at."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.now = time.monotonic()

    async def type(self, *keys: str) -> None:
        """In one piece."""
        for name in keys:
            key = events.Key(name, key_to_character(name))
            key.time = self.now
            self._screen.app.post_message(key)
        await self._screen.settle()

    def wait(self, seconds: float) -> None:
        """Let that time pass without a key."""
        self.now += seconds

    def look(self) -> None:
        """It is now, for the typist too."""
        self.now = time.monotonic()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is seen as late as it is by people."""
    monkeypatch.setattr("kvtui.ui.dialogs.unseen._SEEN", 0.3)
    monkeypatch.setattr("kvtui.ui.dialogs.unseen._QUIET", 0.7)


async def select(screen: Screen) -> Typist:
    screen.main.jump(Ref(NAME, VirtualMachine.KIND, "shop", RUNNING, vm().metadata.uid))
    await screen.settle()
    return Typist(screen)


@pytest.mark.usefixtures("seen")
async def test_what_comes_in_one_piece_with_the_key_that_asks_answers_nothing(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        typist = await select(screen)
        await typist.type("R", "y", "enter", "y")
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert "typed too soon, nothing was done: wait a moment, then y answers" in screen.text
        assert stage.backend.calls == []
        typist.look()
        typist.wait(0.8)
        await typist.type("y")
        assert stage.backend.calls == [f"restart shop/{RUNNING}"]


@pytest.mark.usefixtures("seen")
async def test_a_quick_answer_to_a_question_that_was_seen_counts(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        typist = await select(screen)
        await typist.type("R")
        typist.look()
        typist.wait(0.4)
        await typist.type("y")
        assert stage.backend.calls == [f"restart shop/{RUNNING}"]


@pytest.mark.usefixtures("seen")
async def test_a_key_that_is_held_down_too_soon_does_nothing_until_it_is_released(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        typist = await select(screen)
        await typist.type("R")
        typist.look()
        for pause in (0.1, 0.5, *[0.03] * 20):
            typist.wait(pause)
            await typist.type("y")
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert stage.backend.calls == []
        typist.wait(0.8)
        await typist.type("y")
        assert stage.backend.calls == [f"restart shop/{RUNNING}"]


@pytest.mark.usefixtures("seen")
async def test_escape_leaves_a_question_at_any_time(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        typist = await select(screen)
        await typist.type("R", "escape")
        assert screen.app.screen is screen.main
        assert stage.backend.calls == []


@pytest.mark.usefixtures("seen")
async def test_a_form_takes_nothing_that_was_typed_before_it_was_seen(stage: Stage, show: Show) -> None:
    async with show(stage, (160, 50)) as screen:
        typist = await select(screen)
        await typist.type("m", "right", "enter", "enter")
        assert isinstance(screen.app.screen, FormDialog)
        assert "typed too soon, nothing was changed: wait a moment" in screen.text
        assert stage.backend.calls == []
        typist.look()
        typist.wait(0.8)
        await typist.type("enter", "enter")
        assert [call.split()[0] for call in stage.backend.calls] == ["migrate"]
