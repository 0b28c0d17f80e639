"""Every key that is pressed in a console arrives in the guest as its bytes, and nothing else happens."""

from __future__ import annotations

import string
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvtui.console.keys import KeyOptions, encode
from kvtui.console.modes import Modes
from kvtui.ui.consoles.terminal import Terminal
from tests.terminal import Program
from tests.ui.backend import Stage
from tests.ui.conftest import Show
from tests.ui.test_consoles import open_console, until

CHORDS = ("ctrl+right_square_bracket", "ctrl+5")
READING = ("shift+pageup", "shift+pagedown")
FUNCTION_KEYS = [f"f{number}" for number in range(1, 21)]
EDITING = ["up", "down", "left", "right", "home", "end", "insert", "delete", "pageup", "pagedown"]
CONTROLS = [
    *string.ascii_lowercase,
    "@",
    "space",
    "left_square_bracket",
    "backslash",
    "circumflex_accent",
    "underscore",
]
KEYS = [
    *(f"{held}{key}" for key in [*EDITING, *FUNCTION_KEYS] for held in ("", "shift+", "alt+", "ctrl+", "ctrl+shift+")),
    *(f"ctrl+{key}" for key in CONTROLS),
    *(f"alt+{key}" for key in [*string.ascii_lowercase, *string.digits, "full_stop", "enter", "backspace"]),
    *("enter", "tab", "shift+tab", "escape", "ctrl+backspace", "space", "question_mark", "colon", "slash"),
]


async def test_every_key_of_the_table_is_the_guests(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        line = await open_console(screen, stage)
        expected = b""
        for key in KEYS:
            if key not in (*CHORDS, *READING):
                await screen.pilot.press(key)
                code = encode(key, None, Modes(), KeyOptions())
                assert code, key
                expected += code
        await until(screen, lambda: len(line.written) >= len(expected))
        assert line.written == expected
        assert isinstance(screen.app.focused, Terminal)
        assert screen.app.screen is screen.main


# What terminals send, by Textual's own reading of it. First those that know only the old ways, such as xterm, PuTTY,
# GNOME Terminal, tmux and the Linux console, then those with Kitty's protocol.
PASSED_THROUGH = [
    *(bytes((code,)) for code in range(0x20) if code not in (0x1B, 0x1D)),
    *(bytes((code,)) for code in range(0x20, 0x7F) if code != 0x7C),
    *(b"\x1b%c" % code for code in range(0x7F) if code not in b"\t\x1b[O|\x1d"),
    *(b"\x7f", "é".encode(), "日".encode(), "🐧".encode()),
    *(b"\x1b[%c" % code for code in b"ABCDHF"),
    *(b"\x1b[1;%d%c" % (held, code) for held in range(2, 9) for code in b"ABCDHF"),
    *(b"\x1b[%d~" % code for code in (2, 3, 5, 6, 15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34)),
    *(b"\x1b[%d;%d~" % (code, held) for held in (5, 6) for code in (2, 3, 5, 6, 15, 17, 18, 19, 20, 21, 23, 24)),
    *(b"\x1bO%c" % code for code in b"PQRS"),
    *(b"\x1b[1;%d%c" % (held, code) for held in range(2, 9) for code in b"PQRS"),
    b"\x1b[Z",
]
TRANSLATED = {
    b"\x1bOA": b"\x1b[A",
    b"\x1bOH": b"\x1b[H",
    b"\x1b[1~": b"\x1b[H",
    b"\x1b[4~": b"\x1b[F",
    b"\x1b[11~": b"\x1bOP",
    b"\x1bOM": b"\r",
    b"\x1b[27u": b"\x1b",
    b"\x1b[13u": b"\r",
    b"\x1b[13;3u": b"\x1b\r",
    b"\x1b[9;2u": b"\x1b[Z",
    b"\x1b[127u": b"\x7f",
    b"\x1b[127;5u": b"\x08",
    b"\x1b[127;3u": b"\x1b\x7f",
    b"\x1b[97;5u": b"\x01",
    b"\x1b[104;5u": b"\x08",
    b"\x1b[99;5u": b"\x03",
    b"\x1b[122;5u": b"\x1a",
    b"\x1b[97;3u": b"\x1ba",
    b"\x1b[97;7u": b"\x1b\x01",
    b"\x1b[46;3u": b"\x1b.",
    b"\x1b[91;3u": b"\x1b[",
    b"\x1b[91;5u": b"\x1b",
    b"\x1b[92;5u": b"\x1c",
    b"\x1b[54;6u": b"\x1e",
    b"\x1b[45;6u": b"\x1f",
    b"\x1b[32;5u": b"\x00",
    b"\x1b[97;;97u": b"a",
    b"\x1b[97;2;65u": b"A",
    b"\x1b[57399;;48u": b"0",
    b"\x1b[57414u": b"\r",
    b"\x1b[57376u": b"\x1b[25~",
    b"\x1b[57441u": b"",
    b"\x1b[57358u": b"",
    b"\x1b[I": b"",
    b"\x1b[O": b"",
}


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Program]:
    """kvtui in a pseudo terminal with an open console."""
    command = [sys.executable, "-m", "tests.ui.telltale"]
    env = {"XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with Program(command, columns=100, lines=35, env=env) as program:
        program.wait_for("dv-1", 30)
        program.press("/dv-1\rc")
        program.wait_for("Connected")
        yield program


_TOGETHER = 10


@pytest.mark.timeout(180)
def test_what_a_terminal_sends_arrives_in_the_guest(screen: Program) -> None:
    """Each sequence is followed by a bar, which the guest answers with a new line."""
    rows = [*((raw, raw) for raw in PASSED_THROUGH), *TRANSLATED.items()]
    wrong = []
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        screen.send(b"".join(raw + b"|" for raw, _ in some))
        screen.wait_for(rf"\| {start + len(some)}\.")
        for number, (raw, expected) in enumerate(some, start=start + 1):
            line = next(line for line in screen.screen.splitlines() if line.endswith(f"| {number}."))
            if line != "".join(f"<{byte:02x}>" for byte in expected) + f"| {number}.":
                wrong.append(f"{raw!r}: {line}")
    assert not wrong
    assert "ctrl+] back to the list" in screen.screen
    screen.send(b"\x1d")
    screen.wait_for("ctrl.] into the console")
