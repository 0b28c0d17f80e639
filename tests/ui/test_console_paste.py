"""Pastes into a console: asked before where the guest would run them, told while they go out, stopped by escape."""

from __future__ import annotations

from textual import events

from kvtui.config import ConsoleSettings, Settings
from kvtui.errors import BackendError
from kvtui.ui.consoles.terminal import Terminal
from tests.ui.backend import ConsoleLine, Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import RUNNING, SMALL, open_boot_log, open_console, sees, status, until

SLOW = Settings(console=ConsoleSettings(paste_rate=10))


def paste(screen: Screen, text: str) -> None:
    """The terminal of the user sends a paste."""
    assert isinstance(screen.app.focused, Terminal)
    screen.app.focused.post_message(events.Paste(text))


async def ask_for_brackets(screen: Screen, line: ConsoleLine) -> None:
    line.say(b"\x1b[?2004h$ ")
    await until(screen, sees(screen, "$ "))


async def test_one_line_is_pasted_without_a_question(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        paste(screen, "systemctl status\n")
        await until(screen, lambda: line.written == b"systemctl status\r")


async def test_several_lines_are_shown_and_asked_about(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        paste(screen, "cd /\nif true; then\n\techo \x1b[2J[b]yes[/b]\nfi\n")
        await until(screen, sees(screen, "paste 4 lines,"))
        assert "[b]yes[/b]" in screen.text
        assert "the guest takes each line as if it were typed" in screen.text
        assert "it contains tabs" in screen.text
        await screen.press("enter")
        assert "paste 4 lines," in screen.text, "enter alone never confirms"
        await screen.press("y")
        await until(screen, lambda: line.written == b"cd /\rif true; then\r\techo [2J[b]yes[/b]\rfi\r")
        assert isinstance(screen.app.focused, Terminal)


async def test_a_paste_that_is_refused_types_nothing(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        paste(screen, "reboot\nreboot\n")
        await until(screen, sees(screen, "paste 2 lines,"))
        await screen.press("escape", "x")
        await until(screen, lambda: line.written == b"x")


async def test_a_guest_that_takes_pastes_as_such_gets_them_at_once(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await ask_for_brackets(screen, line)
        paste(screen, "one\ntwo\n")
        await until(screen, lambda: line.written == b"\x1b[200~one\rtwo\r\x1b[201~")


async def test_a_line_that_linux_would_cut_is_asked_about(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        paste(screen, "x" * 5000)
        await until(screen, sees(screen, "paste 1 line, 4.9KiB?"))
        assert "a line is longer than 4095 bytes: Linux drops the rest" in screen.text


async def test_the_status_tells_the_progress_and_escape_stops_a_paste(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL, SLOW) as screen:
        line = await open_console(screen, stage)
        await ask_for_brackets(screen, line)
        paste(screen, "x" * 200)
        await until(screen, sees(screen, "pasting 7 %, esc stops"))
        assert max(map(len, status(screen).splitlines())) <= SMALL[0]
        await screen.press("y", "escape")
        await until(screen, lambda: "pasting" not in status(screen))
        await until(screen, lambda: line.written.endswith(b"x\x1b[201~y"))
        assert len(line.written) < 60
        await screen.press("escape")
        await until(screen, lambda: line.written.endswith(b"y\x1b"))


async def test_a_paste_goes_on_while_the_list_has_the_keyboard(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL, SLOW) as screen:
        await open_console(screen, stage)
        paste(screen, "x" * 200)
        await until(screen, sees(screen, "pasting"))
        await screen.press("ctrl+right_square_bracket")
        await until(screen, sees(screen, "%, ctrl+] into the console"))


async def test_what_could_not_be_pasted_is_said(stage: Stage, show: Show) -> None:
    stage.backend.console_refusals = [BackendError("x", "VMI is not running", code=400)] * 100
    async with show(stage, SMALL) as screen:
        await screen.press("slash", *RUNNING, "enter", "c")
        await until(screen, sees(screen, "Waiting for the VM to run:"))
        paste(screen, "ls\n")
        await until(screen, sees(screen, "nothing was pasted"))


async def test_a_boot_log_takes_no_paste_and_asks_nothing(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        log = await open_boot_log(screen, stage)
        paste(screen, "one\ntwo\n")
        await until(screen, sees(screen, "no key reaches the guest"))
        assert screen.app.screen is screen.main
        assert log.written == b""


async def test_a_paste_beyond_all_measure_is_refused_whole(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await ask_for_brackets(screen, line)
        paste(screen, "x" * 1_100_000)
        await until(screen, sees(screen, "nothing was pasted"))
        assert line.written == b""
