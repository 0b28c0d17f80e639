"""Keys behind an escape, on terminals without Kitty's protocol: Alt for a guest, Escape and the key for the list."""

from __future__ import annotations

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key

from kvtui.ui.hacks import mend_keys, take_apart


def parse(raw: str) -> list[Key]:
    mend_keys()
    return [event for event in XTermParser().feed(raw) if isinstance(event, Key)]


@pytest.mark.parametrize(
    ("raw", "apart"),
    [
        ("\x1b:", [("escape", "\x1b"), ("colon", ":")]),
        ("\x1bq", [("escape", "\x1b"), ("q", "q")]),
        ("\x1bG", [("escape", "\x1b"), ("G", "G")]),
        ("\x1b\r", [("escape", "\x1b"), ("enter", None)]),
        ("\x1b\x0b", [("escape", "\x1b"), ("ctrl+k", None)]),
        ("a", [("a", "a")]),
        ("\x1b[97;3u", [("alt+a", None)]),
    ],
)
def test_what_came_in_one_piece_is_taken_apart_unless_the_terminal_said_alt(
    raw: str, apart: list[tuple[str, str | None]]
) -> None:
    assert [(key.key, key.character) for event in parse(raw) for key in take_apart(event)] == apart


def test_letters_behind_escapes_may_follow_each_other_fast() -> None:
    assert [event.key for event in parse("\x1bb\x1bb\x1bf")] == ["alt+b", "alt+b", "alt+f"]
