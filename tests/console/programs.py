"""Real programs run in a terminal, and what they sent: streams for the emulator's tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.terminal import Program

COLUMNS, LINES = 90, 28


@dataclass(frozen=True)
class Script:
    """A program, and what is pressed in it: each step is what to wait for on its screen, and the keys to press then."""

    command: tuple[str, ...]
    steps: tuple[tuple[str | Callable[[str], bool], tuple[str, ...]], ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> str:
        """Why it cannot run here; "" if it can."""
        program = self.command[0]
        return "" if shutil.which(program) else f"{program} is not installed"


def record(script: Script, directory: Path, term: str) -> list[bytes]:
    """What the program sends to a terminal of type `term` until the first key, then until the next, and so on."""
    (directory / "text.c").write_text(_text())
    home = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "TERM": term, "LC_ALL": "C.UTF-8"}
    command = [part.replace("{dir}", str(directory)) for part in script.command]
    pieces: list[bytes] = []
    with Program(command, columns=COLUMNS, lines=LINES, env=home | script.env) as program:
        begin = 0
        for pattern, keys in script.steps:
            program.wait_for(pattern)
            while program.settle(0.1):
                pass
            pieces.append(bytes(program.raw[begin:]))
            begin = len(program.raw)
            program.press(*keys)
        program.wait_exit()
        pieces.append(bytes(program.raw[begin:]))
    return pieces


def _text() -> str:
    """A file that has what files have: tabs, long lines, wide characters, accents."""
    lines = [f"\tint value_{n} = {n * 37}; /* comment {n} */" for n in range(120)]
    lines[5] = "/* " + "a line that is longer than the terminal is wide, " * 5 + "*/"
    lines[9] = '\tchar *s = "日本語テキスト, 한국어, é ü ñ, ✓ → ─│┐";'
    lines[20] = "/* " + "漢字" * 60 + " */"
    return "\n".join(lines) + "\n"


_VI_STEPS = (
    ("value_3 ", ("\x06",)),
    ("value_30 ", ("10G", "dd", "p")),
    ("value_10 ", ("o", "new line of text", "escape")),
    ("new line of text", ("u",)),
    ("value_10 ", ("/value_77\r",)),
    ("value_77 ", ("\x02", "\x02")),
    ("value_30 ", (":q!\r",)),
)

SCRIPTS = {
    "ls": Script(("ls", "--color=always", "-lA", "/etc")),
    "ls in columns": Script(("ls", "--color=always", "-C", "/usr/bin")),
    "grep": Script(("grep", "--color=always", "-n", "value_.", "{dir}/text.c")),
    "cat": Script(("cat", "{dir}/text.c")),
    "tabs": Script(
        ("sh", "-c", r"tput clear; tabs 4; printf 'a\tb\tc\n'; tabs -8; printf 'a\tb\tc\n'; tput cup 9 20; tput el1")
    ),
    "vim": Script(
        ("vim", "--clean", "-n", "+syntax on", "+set number ruler", "{dir}/text.c"),
        (
            *_VI_STEPS[:-1],
            ("value_30 ", (":split\r", "\x17", "j", "G")),
            ("value_119 ", ("gg", ":set nowrap\r", "9G", "$")),
            ("─│┐", (":q!\r", ":q!\r")),
        ),
    ),
    "vi of busybox": Script(("busybox", "vi", "{dir}/text.c"), _VI_STEPS),
    "less of busybox": Script(
        ("busybox", "less", "{dir}/text.c"),
        (("value_3 ", (" ",)), ("value_25 ", ("b",)), ("value_3 ", ("/value_99\r",)), ("value_99 ", ("q",))),
    ),
    "less": Script(
        ("less", "-R", "{dir}/text.c"),
        (("value_3 ", (" ",)), ("value_25 ", ("k", "k", "k")), ("value_24 ", ("/value_99\r",)), ("value_99 ", ("q",))),
    ),
    "top": Script(("top", "-d", "60"), (("PID", ("M",)), ("PID", ("1",)), ("PID", ("t",)), ("PID", ("q",)))),
    # F-keys as ESC and a digit, which mc knows on every terminal.
    "mc": Script(
        ("mc", "-u", "-d", "/etc", "/usr/bin"),
        (
            ("10Quit", ("\x0e\x0e\x0e", "tab", "\x16")),
            ("10Quit", ("\x1b9", "enter")),
            ("Quick view", ("\x0e\x0e",)),
            ("Quick view", ("escape", "escape")),
            (lambda screen: "Quick view" not in screen, ("\x1b1",)),
            ("ABSOLUTELY NO WARRANTY", ("\x1b0",)),
            ("10Quit", ("\x1b0",)),
        ),
    ),
    "dialog": Script(
        ("dialog", "--menu", "Choose one", "15", "50", "4", "1", "First", "2", "Second"),
        (("First", ("down",)), ("Second", ("tab", "enter"))),
    ),
    "whiptail": Script(
        ("whiptail", "--menu", "Choose one", "15", "50", "4", "1", "First", "2", "Second"),
        (("First", ("down",)), ("Second", ("tab", "enter"))),
    ),
}
