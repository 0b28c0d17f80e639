"""Toasts: each text once, over no dialog and over no line that is typed on."""

from __future__ import annotations

import pytest
from textual.widgets._toast import Toast, ToastHolder

from kvtui.config import ConsoleSettings, Settings
from tests.ui.backend import Stage
from tests.ui.conftest import Show
from tests.ui.test_consoles import RUNNING, SMALL, open_console, sees, until

WORDS = "some words of a moment ago"


async def test_a_text_that_is_shown_is_not_shown_again_and_its_time_starts_anew(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        screen.app.notify(WORDS, timeout=60)
        await until(screen, sees(screen, WORDS))
        [before] = screen.app._notifications
        for _ in range(3):
            screen.app.notify(WORDS, timeout=60)
        screen.app.notify("something else", timeout=60)
        await until(screen, sees(screen, "something else"))
        assert screen.text.count(WORDS) == 1
        assert len(screen.main.query(ToastHolder)) == 2
        again = next(toast for toast in screen.app._notifications if toast.message == WORDS)
        assert again.raised_at > before.raised_at


async def test_of_a_sentence_that_is_too_long_the_end_is_shown_too(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        screen.app.notify(f"stop shop/web: not allowed: {'words ' * 60}(role kubevirt.io:edit has it)", timeout=60)
        await until(screen, sees(screen, "stop shop/web: not allowed:"))
        assert "kubevirt.io:edit has it)" in screen.text
        assert "..." in screen.text


async def test_a_toast_waits_for_a_dialog_to_end(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await screen.press("2", "slash", *RUNNING, "enter", "S")
        dialog = screen.text
        assert "stop vm" in dialog
        screen.app.notify(WORDS, timeout=30)
        await screen.settle()
        assert screen.text == dialog
        [waiting] = screen.app._untold
        waiting.raised_at -= 60
        await screen.press("escape")
        await until(screen, sees(screen, WORDS))


async def test_a_toast_that_is_shown_when_a_dialog_opens_is_not_over_it(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await screen.press("2", "slash", *RUNNING, "enter", "S")
        dialog = screen.app.screen.query_one(".dialog").region
        before = [line[dialog.x : dialog.right] for line in screen.lines[dialog.y : dialog.bottom]]
        await screen.press("escape")
        for number in range(4):
            screen.app.notify(f"told{number} " * 40, timeout=60)
        await until(screen, lambda: "told3" in screen.text)
        await screen.press("S")
        after = [line[dialog.x : dialog.right] for line in screen.lines[dialog.y : dialog.bottom]]
        assert after == before
        assert not screen.app.screen.query(Toast)


async def test_an_unusable_folder_of_recordings_is_told_once_and_beside_the_menu(stage: Stage, show: Show) -> None:
    settings = Settings(console=ConsoleSettings(record="/dev/null/recordings"))
    async with show(stage, SMALL, settings=settings) as screen:
        await open_console(screen, stage)
        await until(screen, sees(screen, "/dev/null/recordings"))
        await screen.press("ctrl+right_square_bracket", "full_stop", "r")
        await screen.settle()
        assert len(screen.main.query(ToastHolder)) == 1


@pytest.mark.parametrize("size", [SMALL, (120, 35), (200, 50)])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("row", [1, 5, 9, 10, 14, 99])
async def test_toasts_cover_neither_the_line_that_is_typed_on_nor_the_name_nor_the_state_of_a_console(
    stage: Stage, show: Show, size: tuple[int, int], alone: bool, row: int
) -> None:
    async with show(stage, size) as screen:
        line = await open_console(screen, stage)
        if alone:
            await screen.press("ctrl+right_square_bracket", "Z")
        prompt = "root@dv-1:~# " + "typed " * 10
        line.say(f"\x1b[2J\x1b[{row};1H{prompt}".encode())
        await until(screen, sees(screen, prompt.strip()))
        for number in range(4):
            screen.app.notify(f"told{number} " * 40, title="a title", timeout=60)
        await until(screen, lambda: "told3" in screen.text)
        assert prompt.strip() in screen.text
        assert " console  shop/dv-1 " in screen.text
        assert "Connected" in screen.text
        assert "ctrl+]" in screen.text


async def test_a_toast_leaves_a_line_that_is_typed_on_later(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await screen.press("ctrl+right_square_bracket", "Z")
        line.say(b"\x1b[23;1Hbelow$ ")
        await until(screen, sees(screen, "below$"))
        screen.app.notify("told " * 40, timeout=60)
        await until(screen, lambda: "told" in screen.text)
        prompt = "above$ " + "typed " * 10
        line.say(f"\x1b[2J\x1b[H{prompt}".encode())
        await until(screen, sees(screen, prompt.strip()))


async def test_toasts_do_not_cover_what_is_searched(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        screen.app.notify("told " * 40, timeout=60)
        await screen.press("2", "slash", *"xyz")
        assert screen.lines[-1].startswith(" /xyz")
        await screen.press("escape", "enter", "slash", *"y" * 60)
        assert "told" in screen.text
        assert any("y" * 60 in text for text in screen.lines)
