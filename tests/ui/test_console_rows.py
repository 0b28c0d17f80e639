"""A console that is lower than what a program draws in it, and what its status line has room for."""

from __future__ import annotations

import re
from functools import partial

import pytest

from kvtui.ui.consoles.terminal import Terminal
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import SMALL, open_console, sees, status, until


def picture(columns: int = 80) -> bytes:
    """What an editor draws on 24 rows, with the cursor in the last one."""
    rows = "\r\n".join(f"row {number}".ljust(columns) for number in range(1, 24))
    return f"\x1b[?1049h\x1b[H\x1b[2J{rows}\x1b[24;1H:set".encode()


async def test_a_program_that_draws_more_rows_than_are_in_view_is_said_with_the_way_out(
    stage: Stage, show: Show
) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        height = screen.main.consoles.shown.size.height if screen.main.consoles.shown else 0
        line.say(picture())
        await until(screen, sees(screen, ":set"))
        assert "\nrow 1\n" not in screen.text
        await until(screen, lambda: f"rows {25 - height}-24 of 24: ctrl+] Z shows more" in status(screen))
        line.say(b"\x1b[3;1H")
        await until(screen, lambda: f"rows 1-{height} of 24" in status(screen))
        await until(screen, sees(screen, "row 1 row 2"))
        await screen.press("ctrl+right_square_bracket", "Z")
        await until(screen, lambda: "rows 1-22 of 24: quit, then ctrl+] . z" in status(screen))
        line.say(b"\x1b[?1049l$ ")
        await until(screen, lambda: "rows" not in status(screen))


async def test_in_a_larger_terminal_the_console_alone_shows_all_that_is_drawn(stage: Stage, show: Show) -> None:
    async with show(stage, (120, 30)) as screen:
        line = await open_console(screen, stage)
        line.say(picture())
        await until(screen, lambda: "of 24: ctrl+] Z shows all" in status(screen))
        await screen.press("ctrl+right_square_bracket", "Z")
        await until(screen, sees(screen, "row 1 row 2"))
        await until(screen, lambda: "of 24" not in status(screen))


@pytest.mark.usefixtures("soon_judged")
async def test_the_way_to_take_a_console_back_is_not_displaced_by_the_rows_that_were_in_view(
    stage: Stage, show: Show
) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(picture())
        await until(screen, lambda: "of 24: ctrl+] Z shows more" in status(screen))
        line.cut()
        await until(screen, lambda: "Taken over" in status(screen))
        await screen.press("l", "s", "x")
        await until(screen, lambda: "3 keys were not sent" in status(screen))
        assert "takes it back and ends their session" in status(screen)
        assert "of 24" not in status(screen)


async def test_alone_the_way_back_stays_beside_the_rows_in_view_and_a_long_sentence(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(picture())
        await screen.press("ctrl+right_square_bracket", "Z")
        await until(screen, lambda: "of 24: quit" in status(screen))
        terminal = screen.main.consoles.shown
        assert isinstance(terminal, Terminal)
        for length in range(70):
            terminal.session.remark = f"<{'r' * length}>"
            terminal.session.touch()
            await until(screen, partial(tells, screen, terminal.session.remark))
            assert "ctrl+] back to the list" in status(screen), status(screen)
            assert re.search(r"rows \d+-24 of 24", status(screen)), status(screen)


def tells(screen: Screen, words: str) -> bool:
    return words in re.sub(r"\s", "", status(screen))


async def test_the_way_back_is_said_once(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        await until(screen, sees(screen, "back to the list"))
        assert screen.text.count("back to the list") == 1
        await screen.press("ctrl+right_square_bracket", "Z")
        await until(screen, lambda: "back to the list" in status(screen))
        assert screen.text.count("back to the list") == 1
