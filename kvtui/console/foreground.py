"""Who reads what is typed: a shell at its prompt, a full-screen program, or nobody can say. Pure.

A serial line tells no more than what is on the screen. The alternate screen is a full-screen program's for certain;
but busybox's top, and vi where TERM is vt220, draw on the main one.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from kvtui.console.emulator import Emulator
from kvtui.text import cells

_SIGNS: Final = tuple("$#%>❯➜λ»")
"""How prompts end: of sh, bash, zsh, fish, csh, of firmware and of usual themes."""


class Foreground(Enum):
    """Who reads what is typed."""

    PROMPT = auto()
    """A shell, with nothing typed yet: the cursor stands behind a prompt, and nothing below it."""
    PROGRAM = auto()
    """A program that has the alternate screen, and takes letters for commands."""
    UNKNOWN = auto()
    """A program, a shell that runs one, a login, a half-typed line, or nobody."""


def foreground_of(emulator: Emulator) -> Foreground:
    """Who has the terminal, as far as it shows."""
    modes, cursor = emulator.modes, emulator.cursor
    if modes.alternate:
        return Foreground.PROGRAM
    # Readline and zle ask for pastes in brackets when they ask for the keys of applications.
    is_asking = cursor.visible and (modes.bracketed_paste or not modes.application_cursor)
    return Foreground.PROMPT if is_asking and _stands_behind_prompt(emulator) else Foreground.UNKNOWN


def is_drawn(emulator: Emulator) -> bool:
    """Whether the screen is a picture whose rows belong together, as of a full-screen program, and no text that scrolls
    by.
    """
    if emulator.modes.alternate:
        return True
    return emulator.is_placed and foreground_of(emulator) is not Foreground.PROMPT


def _stands_behind_prompt(emulator: Emulator) -> bool:
    """Whether the cursor's row ends with such a sign, the cursor stands there, and nothing is below."""
    x, y, _ = emulator.cursor
    text = "".join(run.text for run in emulator.row(y)).rstrip()
    return (
        text.endswith(_SIGNS)
        and x - cells(text) in (0, 1)
        and not any(emulator.row(below) for below in range(y + 1, emulator.lines))
    )
