"""The help: in every screen, with the keys of that screen."""

from __future__ import annotations

import pytest

from kvtui.ui.screens.help import HelpScreen
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show
from tests.ui.desk import sit
from tests.ui.test_consoles import RUNNING, SMALL, open_boot_log, open_console, sees, until

ASK = "question_mark"
WIDE = (120, 35)


async def ask(screen: Screen) -> list[str]:
    """The lines of the help that ``?`` shows; it is left again."""
    before = screen.app.screen
    await screen.press(ASK)
    assert isinstance(screen.app.screen, HelpScreen), screen.text
    lines = screen.lines
    await screen.press(ASK)
    assert screen.app.screen is before
    return lines


@pytest.mark.parametrize("size", [SMALL, WIDE])
@pytest.mark.parametrize(
    ("keys", "title", "words"),
    [
        (["v"], "Screens", "take new pictures"),
        (["enter"], "One object in full", "what it is and why it fares so"),
        (["y"], "One object in full", "YAML or XML"),
        (["0"], "Everywhere", "the next pane"),
        (["z"], "Everywhere", "the next pane"),
        (["colon", *"pods", "enter"], "Everywhere", "the next pane"),
    ],
)
async def test_every_screen_has_its_help(
    stage: Stage, show: Show, size: tuple[int, int], keys: list[str], title: str, words: str
) -> None:
    async with show(stage, size) as screen:
        await screen.press("2", "slash", *RUNNING, "enter", *keys)
        lines = await ask(screen)
        assert lines[0].strip() == title
        assert any(words in text for text in lines)


@pytest.mark.parametrize("keys", [["v"], ["enter"]])
async def test_a_screen_names_the_key_of_its_help(stage: Stage, show: Show, keys: list[str]) -> None:
    async with show(stage, SMALL) as screen:
        await screen.press("2", "slash", *RUNNING, "enter", *keys)
        await until(screen, sees(screen, "? help"))


async def test_a_console_that_is_read_has_its_help_and_a_search_may_have_a_question_mark(
    stage: Stage, show: Show
) -> None:
    async with show(stage, SMALL) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup")
        lines = await ask(screen)
        assert lines[0].strip() == "While a console is read"
        assert desk.terminal.is_reading
        await desk.press("slash", ASK)
        assert desk.bar.startswith(" /?")


async def test_a_boot_log_has_the_help_and_a_guest_its_question_mark(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await screen.press(ASK)
        await until(screen, lambda: line.written == b"?")
        await screen.press("ctrl+right_square_bracket")
        await open_boot_log(screen, stage)
        assert (await ask(screen))[0].strip() == "While a console is read"


async def test_a_form_takes_a_question_mark_for_text(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await screen.press("2", "slash", ASK)
        assert screen.lines[-1].startswith(" /?")
