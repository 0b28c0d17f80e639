"""Chords: what people write is what terminals send."""

from __future__ import annotations

import pytest
from textual._keyboard_protocol import FUNCTIONAL_KEYS, MODIFIER_FUNCTIONAL_KEYS
from textual._xterm_parser import XTermParser
from textual.events import Key

from kvtui.chords import is_sure, spell
from kvtui.ui.hacks import mend_keys

mend_keys()


def arrives(sequence: str) -> str:
    """The name of the key that a terminal sends as this."""
    parser = XTermParser()
    (key,) = [event for event in [*parser.feed(sequence), *parser.feed("")] if isinstance(event, Key)]
    return key.key


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("ctrl+]", "\x1d"),
        ("Ctrl+]", "\x1b[93;5u"),
        ("ctrl+right_square_bracket", "\x1d"),
        ("ctrl+\\", "\x1c"),
        ("ctrl+^", "\x1e"),
        ("ctrl+^", "\x1b[54;6u"),
        ("ctrl+_", "\x1f"),
        ("ctrl+_", "\x1b[45;6u"),
        ("ctrl+@", "\x00"),
        ("ctrl+@", "\x1b[50;6u"),
        ("ctrl+space", "\x00"),
        ("ctrl+space", "\x1b[32;5u"),
        ("ctrl+/", "\x1f"),
        ("ctrl+/", "\x1b[47;5u"),
        ("ctrl++", "\x1b[43;5u"),
        ("ctrl+O", "\x0f"),
        ("ctrl+5", "\x1b[53;5u"),
        ("shift+ctrl+o", "\x1b[111;6u"),
        ("ctrl+alt+o", "\x1b\x0f"),
        ("alt+]", "\x1b]"),
        ("F12", "\x1b[24~"),
        ("pgup", "\x1b[5~"),
        ("ctrl+pgdn", "\x1b[6;5~"),
        ("esc", "\x1b"),
        ("S", "S"),
        ("shift+s", "S"),
        ("+", "+"),
        ("?", "?"),
        ("<", "<"),
        ("less_than_sign", "<"),
        ("é", "é"),
    ],
)
def test_a_chord_is_what_a_terminal_sends_for_it(written: str, sent: str) -> None:
    assert arrives(sent) in spell(written)


@pytest.mark.parametrize("written", ["", "ctrl+", "ctrl+nosuch", "crtl+o", "f99", "]]", "o+ctrl", "ctrl+ +"])
def test_a_key_that_there_is_not_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="there is no key"):
        spell(written)


def test_every_key_that_terminals_have_a_name_for_can_be_meant() -> None:
    keys = set(FUNCTIONAL_KEYS.values()) - set(MODIFIER_FUNCTIONAL_KEYS)
    for key in keys:
        if not key.startswith(("media_", "iso_")) and not key.endswith(("_volume", "_shift")):
            assert spell(key) == (key,)


@pytest.mark.parametrize("sequence", ["\x1d", "\x0f", "\x1c", "\x1e", "\x1f", "\x00", "\x1bOP", "\x1b[24~", "\n"])
def test_what_every_terminal_sends_is_sure(sequence: str) -> None:
    assert is_sure(arrives(sequence))


@pytest.mark.parametrize("sequence", ["\r", "\t", "\x7f", "\x08", "\x1b"])
def test_what_is_another_key_in_some_terminals_is_not(sequence: str) -> None:
    assert not is_sure(arrives(sequence))
    assert not any(map(is_sure, spell("ctrl+m") + spell("ctrl+i") + spell("ctrl+h") + spell("ctrl+[")))
