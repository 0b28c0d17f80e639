"""What a confirmation shows in a low window: the way to answer always, the rest by scrolling."""

from __future__ import annotations

import re

import pytest

from kvtui.actions.confirm import Question
from kvtui.ui.dialogs.confirm import ConfirmDialog
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show

WARNINGS = [f"warning {number} of something that {'is lost ' * 10}" for number in range(12)]
QUESTION = Question("stop 56 VMs?", [f"shop/vm-{number}" for number in range(56)], WARNINGS, "56", "PRODUCTION demo")


async def ask(screen: Screen, question: Question) -> ConfirmDialog:
    dialog = ConfirmDialog(question)
    screen.app.push_screen(dialog)
    await screen.settle()
    return dialog


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("production", ["", "PRODUCTION demo"])
async def test_the_way_to_answer_is_in_sight_and_all_that_is_lost_within_reach(
    stage: Stage, show: Show, size: tuple[int, int], production: str
) -> None:
    async with show(stage, size) as screen:
        await ask(screen, Question(QUESTION.title, QUESTION.subjects, WARNINGS, "56", production))
        seen = ""
        for _ in range(12):
            assert 'type "56" and press enter' in screen.text
            seen += screen.text
            await screen.press("down")
        assert all(f"warning {number} " in seen for number in range(12))
        assert "more line" not in screen.text
        await screen.press("5")
        assert re.search(r"[┃│] +5 ", screen.text)


async def test_what_is_below_is_counted_and_a_short_question_needs_no_scrolling(stage: Stage, show: Show) -> None:
    async with show(stage, (80, 24)) as screen:
        dialog = await ask(screen, QUESTION)
        assert "more lines below: down shows them" in screen.text
        dialog.dismiss(False)
        await screen.settle()
        await ask(screen, Question("stop vm shop/web-1?", ["shop/web-1"], ["it is the last of its pool"]))
        assert "lines below" not in screen.text
        assert "it is the last of its pool" in screen.text


async def test_a_wrong_word_is_told_in_a_low_window_too(stage: Stage, show: Show) -> None:
    async with show(stage, (80, 24)) as screen:
        await ask(screen, QUESTION)
        await screen.press("7", "enter")
        assert "that was not it: nothing was done" in screen.text
