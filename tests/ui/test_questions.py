"""Questions of ssh that come by themselves, while their user types to something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from textual import events

from kvtui.ui.dialogs.ask import AskDialog, DialogAsker
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import SMALL, open_console, sees, until

PROMPT = "password of ops on bastion"
WAITS = "keys go nowhere until none was pressed for a second"
READY = "enter answers; what is typed is not shown; escape gives up"


@pytest.fixture
async def screen(stage: Stage, show: Show) -> AsyncIterator[Screen]:
    async with show(stage, SMALL) as screen:
        yield screen


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nobody is ever quiet for long enough, until `rest`."""
    monkeypatch.setattr("kvtui.ui.dialogs.ask._QUIET", 1e9)
    return monkeypatch


def rest(haste: pytest.MonkeyPatch) -> None:
    haste.setattr("kvtui.ui.dialogs.ask._QUIET", 0.0)


def asked(screen: Screen) -> bool:
    return isinstance(screen.app.screen, AskDialog)


async def test_what_is_typed_into_a_console_is_no_password(
    stage: Stage, screen: Screen, haste: pytest.MonkeyPatch
) -> None:
    line = await open_console(screen, stage)
    await screen.press("r", "m")
    answer = asyncio.create_task(DialogAsker(screen.main, "ssh").ask(PROMPT, True))
    await until(screen, sees(screen, WAITS))
    await screen.press(*"xyz", "enter", "escape", "ctrl+c", "tab", "enter")
    screen.app.post_message(events.Paste("pasted\n"))
    await screen.settle()
    assert asked(screen)
    assert not answer.done()
    assert line.written == b"rm"
    rest(haste)
    await until(screen, lambda: sees(screen, READY)() and sees(screen, "what was typed before went nowhere")())
    await screen.press(*"right", "enter")
    assert await answer == "right"
    await screen.press("q")
    await until(screen, lambda: line.written == b"rmq")


async def test_it_is_ready_after_a_second_without_a_key(screen: Screen) -> None:
    answer = asyncio.create_task(DialogAsker(screen.main, "ssh").ask(PROMPT, True))
    await until(screen, sees(screen, WAITS))
    began = asyncio.get_running_loop().time()
    await screen.press("x")
    await until(screen, sees(screen, READY))
    assert asyncio.get_running_loop().time() - began >= 1.0
    await screen.press("escape")
    assert await answer is None


async def test_what_an_answer_leads_to_is_ready_at_once(screen: Screen, haste: pytest.MonkeyPatch) -> None:
    asker = DialogAsker(screen.main, "ssh")
    first = asyncio.create_task(asker.ask("Trust it (yes/no)?", False))
    await until(screen, sees(screen, WAITS))
    rest(haste)
    await until(screen, sees(screen, "enter answers; escape gives up"))
    await screen.press(*"yes", "enter")
    assert await first == "yes"
    haste.setattr("kvtui.ui.dialogs.ask._QUIET", 1e9)
    second = asyncio.create_task(asker.ask(PROMPT, True))
    await until(screen, sees(screen, READY))
    await screen.press(*"right", "enter")
    assert await second == "right"


async def test_it_comes_by_itself_when_another_key_was_pressed_since(screen: Screen, haste: pytest.MonkeyPatch) -> None:
    asker = DialogAsker(screen.main, "ssh")
    asker.expect()
    await screen.press("down")
    answer = asyncio.create_task(asker.ask(PROMPT, True))
    await until(screen, sees(screen, WAITS))
    answer.cancel()
    await until(screen, lambda: screen.app.screen is screen.main)


async def test_it_comes_by_itself_when_it_comes_late(screen: Screen, haste: pytest.MonkeyPatch) -> None:
    haste.setattr("kvtui.ui.dialogs.ask._OWN", 0.0)
    asker = DialogAsker(screen.main, "ssh")
    asker.expect()
    answer = asyncio.create_task(asker.ask(PROMPT, True))
    await until(screen, sees(screen, WAITS))
    answer.cancel()
    await until(screen, lambda: screen.app.screen is screen.main)
