"""The menu of a console: reached without a key of the guest's, and back in the console afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.events import Key

from kvtui.config import ConsoleSettings, Settings
from kvtui.console.state import State
from kvtui.ui.consoles.menu import MENU
from kvtui.ui.consoles.terminal import Terminal
from kvtui.ui.dialogs.menu import MenuDialog
from tests.ui.backend import ConsoleLine, Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import SMALL, open_boot_log, open_console, sees, status, until

CHORD = "ctrl+right_square_bracket"


async def choose(screen: Screen, *keys: str) -> None:
    """From inside a console through its menus."""
    await screen.press(CHORD, "full_stop", *keys)


def in_console(screen: Screen) -> bool:
    return isinstance(screen.app.focused, Terminal) and screen.app.screen is screen.main


async def see_prompt(screen: Screen, line: ConsoleLine) -> None:
    """A shell waits in the guest."""
    line.say(b"root@web:~# ")
    await until(screen, sees(screen, "root@web:~#"))


def entry_of(screen: Screen, label: str) -> str:
    """The line of the menu with that entry, without the frame."""
    return screen.line_with(f" {label} ").split("│")[1].rstrip()


# The way there and back ----------------------------------------------------------------------------------------------


async def test_the_menu_shows_what_can_be_done(stage: Stage, show: Show, golden: Callable[[str, str], None]) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        await choose(screen)
        await until(screen, sees(screen, "close"))
        golden(screen.text, "console-menu-80x24")


async def test_no_key_of_the_way_reaches_the_guest_and_the_keyboard_returns(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen)
        assert isinstance(screen.app.screen, MenuDialog)
        await screen.press("escape")
        assert in_console(screen)
        await screen.press("a")
        await until(screen, lambda: line.written == b"a")


async def test_from_the_list_the_keyboard_stays_in_the_list(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await screen.press(CHORD, "down", "full_stop", "b")
        assert screen.main.current.table.has_focus
        await screen.press(CHORD)
        await screen.press("ctrl+backspace")
        await until(screen, lambda: line.written == b"\x7f")


async def test_a_console_that_has_the_whole_screen_keeps_it(stage: Stage, show: Show) -> None:
    async with show(stage, (120, 40)) as screen:
        line = await open_console(screen, stage)
        await screen.press(CHORD, "Z")
        await screen.settle()
        assert screen.app.focused is not None
        assert screen.app.focused.size == (120, 38), "all but the tabs and the status"
        await until(screen, lambda: "ctrl+] . menu" in status(screen))
        await choose(screen)
        await until(screen, sees(screen, "stty rows 38 cols 120"))
        await screen.press("escape")
        await see_prompt(screen, line)
        await choose(screen, "z")
        await until(screen, lambda: line.written == b"\x15 stty rows 38 cols 120\r")
        assert screen.main.has_class("-alone")
        assert in_console(screen)
        await screen.press(CHORD)
        assert "Problems" in screen.text
        assert "? help" in screen.text


async def test_keys_in_one_piece_go_through_the_menus(stage: Stage, show: Show) -> None:
    """As they do over a slow link, or when somebody knows the way by heart."""
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        for key in (CHORD, "full_stop", "k", "f", "5", CHORD, "full_stop", "k", "backslash"):
            screen.app.post_message(Key(key, {"full_stop": ".", "backslash": "\\"}.get(key, key)))
        await until(screen, lambda: line.written == b"\x1b[15~\x1c")
        assert in_console(screen)


async def test_without_a_console_there_is_no_menu(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await screen.press("full_stop")
        await until(screen, sees(screen, "no console is open"))
        assert screen.app.screen is screen.main


async def test_arrows_and_enter_choose_and_skip_what_is_impossible(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen, "down", "down", "down", "enter")
        await screen.press("ctrl+backspace")
        await until(screen, lambda: line.written == b"\x7f")


async def test_a_dim_entry_says_why_and_its_letter_does_nothing(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen)
        assert entry_of(screen, "break").startswith(" (B) break ")
        await screen.press("B")
        assert "break: KubeVirt's consoles carry none" in screen.text
        await screen.press("n")
        assert "next console: no other console is open" in screen.text
        await screen.press("escape")
        assert line.written == b""


async def test_the_help_lists_the_entries(stage: Stage, show: Show) -> None:
    async with show(stage, (120, 200)) as screen:
        await screen.press("question_mark")
        for entry in MENU:
            assert entry.help in " ".join(screen.text.split())


# Size ----------------------------------------------------------------------------------------------------------------


async def test_the_size_is_typed_as_the_menu_says(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await see_prompt(screen, line)
        view = screen.app.focused
        assert isinstance(view, Terminal)
        await choose(screen)
        command = f"stty rows {view.size.height} cols 80"
        assert f"types ctrl+u, {command}, enter" in entry_of(screen, "send size")
        await screen.press("z")
        await until(screen, lambda: line.written == f"\x15 {command}\r".encode())
        assert (view.emulator.columns, view.emulator.lines) == view.size
        assert in_console(screen)


async def test_a_size_that_is_no_longer_right_is_told_with_the_way_out(stage: Stage, show: Show) -> None:
    async with show(stage, (120, 40)) as screen:
        line = await open_console(screen, stage)
        line.say(b"$ ")
        await until(screen, sees(screen, "$"))
        await screen.pilot.resize_terminal(120, 38)
        assert "pane" not in status(screen), "the guest was never told a size"
        await choose(screen, "z")
        await screen.pilot.resize_terminal(120, 35)
        await screen.press(CHORD, "Z")
        await until(screen, lambda: "guest 120x24, pane 120x33: ctrl+] . z sends it" in status(screen))
        await choose(screen, "z")
        await until(screen, lambda: line.written.endswith(b" stty rows 33 cols 120\r"))
        await until(screen, lambda: "pane" not in status(screen))


async def test_no_command_is_typed_into_a_full_screen_program(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"\x1b[?1049hvi")
        await until(screen, sees(screen, "vi"))
        await choose(screen, "z", "q")
        assert "a full-screen program would take it for keys" in entry_of(screen, "send size")
        await screen.press("escape")
        assert line.written == b""


async def draw_top(screen: Screen, line: ConsoleLine) -> None:
    """What busybox's top draws, on the main screen and with the cursor shown."""
    rows = "\r\n".join(f"  {number:3} root  S  /bin/daemon {number}" for number in range(10))
    line.say(f"\x1b[H\x1b[JMem: 80464K used\r\n{rows}".encode())
    await until(screen, sees(screen, "/bin/daemon 9"))


async def test_where_no_prompt_is_seen_a_command_is_asked_about_first(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await draw_top(screen, line)
        await choose(screen)
        assert "enter; asks first" in entry_of(screen, "send size")
        await screen.press("z")
        assert "no shell's prompt is seen at the cursor" in " ".join(screen.text.split())
        await screen.press("n")
        assert in_console(screen)
        await choose(screen, "q", "w")
        assert "type echo w > /proc/sysrq-trigger?" in screen.text
        await screen.press("escape")
        assert line.written == b""
        await choose(screen, "z", "y")
        await until(screen, lambda: line.written.endswith(b" cols 80\r"))


async def test_a_boot_log_cannot_be_typed_into(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_boot_log(screen, stage)
        await choose(screen)
        for label in ("send size", "keys ...", "SysRq ..."):
            assert "a boot log cannot be typed into" in entry_of(screen, label)


@pytest.mark.usefixtures("soon_judged")
async def test_a_console_without_a_line_cannot_be_typed_into(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.end()
        terminal = screen.main.consoles.shown
        assert terminal is not None
        await until(screen, lambda: terminal.session.state is State.ENDED)
        await choose(screen)
        assert "the console is not connected" in entry_of(screen, "send size")


# Keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("]", b"\x1d"),
        ("\\", b"\x1c"),
        ("^", b"\x1e"),
        ("_", b"\x1f"),
        ("@", b"\x00"),
        ("[", b"\x1b"),
        ("<", b"\x1b[5;2~"),
        (">", b"\x1b[6;2~"),
        ("c", b"\x03"),
    ],
)
async def test_awkward_keys(stage: Stage, show: Show, key: str, code: bytes) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen, "k", key)
        await until(screen, lambda: line.written == code)
        assert in_console(screen)


async def test_another_chord_of_the_user_can_be_typed_too(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL, Settings(console=ConsoleSettings(detach="ctrl+o"))) as screen:
        line = await open_console(screen, stage)
        await screen.press("ctrl+o", "full_stop", "k")
        assert "leads out of a console" in entry_of(screen, "ctrl+o")
        await screen.press("1")
        await until(screen, lambda: line.written == b"\x0f")


async def test_what_no_serial_line_has_is_said(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        await choose(screen, "k")
        assert "(x) ctrl+alt+del" in screen.text
        assert "a serial line has neither it nor pause" in screen.text


async def test_ctrl_c_now_stops_a_paste(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL, Settings(console=ConsoleSettings(paste_rate=10))) as screen:
        line = await open_console(screen, stage)
        terminal = screen.main.consoles.shown
        assert terminal is not None
        terminal.session.paste("x" * 500)
        await until(screen, sees(screen, "pasting 3 %"))
        await choose(screen, "k", "c")
        await until(screen, lambda: line.written.endswith(b"x\x03"))
        assert len(line.written) < 100


async def test_function_keys_are_those_of_firmware_once_that_is_chosen(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen)
        assert "as xterm; f changes that to UEFI (vt-utf8)" in entry_of(screen, "function keys")
        await screen.press("f")
        await screen.press("f10", "delete", "backspace")
        await choose(screen, "k", "f")
        assert "esc !" in entry_of(screen, "f11")
        await screen.press("minus")
        await until(screen, lambda: line.written == b"\x1b0\x1b-\x08\x1b!")
        await choose(screen, "f")
        await choose(screen, "k", "f", "minus")
        assert "f11: pc-ansi has no such key" in screen.text
        await screen.press("escape")
        await choose(screen)
        assert "UEFI firmware takes BS (08) alone" in entry_of(screen, "backspace")


async def test_backspace_is_changed_for_this_console(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen)
        assert "sends DEL (7f); b changes it to BS (08)" in entry_of(screen, "backspace")
        await screen.press("b", "ctrl+backspace")
        await choose(screen, "b")
        await screen.press("ctrl+backspace")
        await until(screen, lambda: line.written == b"\x7f\x08")


# Reading -------------------------------------------------------------------------------------------------------------


async def test_reading_begins_from_the_menu(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"$ ")
        await choose(screen, "left_square_bracket")
        terminal = screen.main.consoles.shown
        assert terminal is not None
        await until(screen, lambda: terminal.is_reading)
        await screen.press("escape", "x")
        await until(screen, lambda: line.written == b"x")


async def test_times_of_lines_are_shown_from_the_menu(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"booting\r\n")
        await until(screen, sees(screen, "booting"))
        await choose(screen, "t")
        await until(screen, sees(screen, "02:14:07 booting"))


async def test_all_that_was_shown_is_saved_from_the_menu(stage: Stage, show: Show, tmp_path: Path) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"".join(b"line %d\r\n" % number for number in range(100)))
        await until(screen, sees(screen, "line 99"))
        await choose(screen, "s")
        await until(screen, lambda: list((tmp_path / "state").rglob("*.txt")))
        (path,) = (tmp_path / "state").rglob("*.txt")
        await until(screen, lambda: "line 99" in path.read_text())
        assert path.read_text().startswith("line 0\n")


# SysRq ---------------------------------------------------------------------------------------------------------------


async def test_a_harmless_sysrq_is_typed_at_once(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await see_prompt(screen, line)
        await choose(screen, "q", "w")
        await until(screen, lambda: line.written == b"\x15 echo w > /proc/sysrq-trigger\r")


@pytest.mark.parametrize(
    ("letter", "word"),
    [
        ("b", "reboot"),
        ("c", "crash"),
        ("o", "power off"),
        ("e", "terminate"),
        ("i", "kill all"),
        ("f", "kill"),
        ("u", "read-only"),
    ],
)
async def test_a_sysrq_that_hurts_wants_its_word(stage: Stage, show: Show, letter: str, word: str) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen, "q", letter)
        assert f'type "{word}"' in screen.text
        await screen.press("y", "enter")
        assert "nothing was done" in screen.text
        assert line.written == b""
        await screen.press(*("minus" if mark == "-" else "space" if mark == " " else mark for mark in word), "enter")
        await until(screen, lambda: line.written == f"\x15 echo {letter} > /proc/sysrq-trigger\r".encode())
        assert in_console(screen)


# Consoles ------------------------------------------------------------------------------------------------------------


async def test_a_recording_begins_and_ends_in_the_menu(stage: Stage, show: Show, tmp_path: Path) -> None:
    async with show(stage, SMALL, Settings(console=ConsoleSettings(record=""))) as screen:
        await open_console(screen, stage)
        await choose(screen, "r")
        await until(screen, lambda: status(screen).startswith(" REC"))
        await choose(screen)
        assert "ends the recording" in entry_of(screen, "record")
        await screen.press("r")
        await until(screen, lambda: "REC" not in status(screen))
    assert len(list((tmp_path / "state").rglob("*.cast"))) == 1


async def test_resetting_the_terminal_wraps_lines_again_and_types_nothing(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.say(b"\x1b[?7l" + b"x" * 90 + b"1\r\n")
        await until(screen, lambda: "long lines are cut: ctrl+] . t wraps them" in status(screen))
        await until(screen, sees(screen, "x1"))
        assert screen.line_with("x1").endswith("x1"), "the last column holds the last character"
        await choose(screen)
        assert "long lines are cut now" in entry_of(screen, "reset terminal")
        await screen.press("R")
        assert in_console(screen)
        line.say(b"y" * 80 + b"2\r\n")
        await until(screen, lambda: any(row.strip() == "2" for row in screen.lines))
        assert "cut" not in status(screen)
        assert line.written == b""


async def open_two(screen: Screen, stage: Stage) -> tuple[ConsoleLine, ConsoleLine]:
    first = await open_console(screen, stage)
    await screen.press(CHORD, "escape")
    return first, await open_console(screen, stage, "db-2")


async def test_the_other_console_gets_the_keyboard(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        first, second = await open_two(screen, stage)
        await choose(screen, "n", "a")
        await until(screen, lambda: first.written == b"a")
        await choose(screen, "p", "b")
        await until(screen, lambda: second.written == b"b")


async def test_a_console_is_shown_alone_from_the_menu(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await open_console(screen, stage)
        await choose(screen, "Z")
        await until(screen, lambda: "Problems" not in screen.text)
        assert in_console(screen)


async def test_closing_a_line_asks_and_closing_a_boot_log_does_not(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        await choose(screen, "x")
        assert "close the console?" in screen.text
        await screen.press("n")
        assert in_console(screen)
        await choose(screen, "x", "y")
        await until(screen, lambda: not screen.main.consoles.has_open)
        assert line.closed
        assert screen.main.current.table.has_focus
        await screen.press("escape")
        await open_boot_log(screen, stage)
        await choose(screen, "x")
        await until(screen, lambda: not screen.main.consoles.has_open)


@pytest.mark.usefixtures("soon_judged")
async def test_a_console_that_has_ended_is_closed_without_a_question(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        line = await open_console(screen, stage)
        line.end()
        terminal = screen.main.consoles.shown
        assert terminal is not None
        await until(screen, lambda: terminal.session.state is State.ENDED)
        await choose(screen, "x")
        await until(screen, lambda: not screen.main.consoles.has_open)
