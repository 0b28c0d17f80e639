"""The bytes of keys, by the names that Textual 8.2.8 gives them on terminals with and without Kitty's protocol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console.keys import KeyOptions, encode, encode_paste
from kvtui.console.modes import Modes

PLAIN = Modes()
APPLICATION = Modes(application_cursor=True)
NEWLINE = Modes(newline=True)
BRACKETED = Modes(bracketed_paste=True)
OPTIONS = KeyOptions()
FIRMWARE = KeyOptions(backspace=b"\x08")


@pytest.mark.parametrize(
    ("key", "character", "expected"),
    [
        ("a", "a", b"a"),
        ("A", "A", b"A"),
        ("é", "é", "é".encode()),
        ("space", " ", b" "),
        ("full_stop", ".", b"."),
        ("plus", "+", b"+"),
        ("minus", "-", b"-"),
        ("decimal", ",", b","),
        ("decimal", None, b"."),
        ("enter", "\r", b"\r"),
        ("shift+enter", None, b"\r"),
        ("alt+enter", None, b"\x1b\r"),
        ("tab", "\t", b"\t"),
        ("ctrl+i", "\t", b"\t"),
        ("shift+tab", None, b"\x1b[Z"),
        ("escape", "\x1b", b"\x1b"),
        ("escape", None, b"\x1b"),
    ],
)
def test_printable_and_editing_keys(key: str, character: str | None, expected: bytes) -> None:
    assert encode(key, character, PLAIN, OPTIONS) == expected


@pytest.mark.parametrize(
    ("key", "character", "expected"),
    [
        ("ctrl+a", "\x01", 0x01),
        ("ctrl+a", None, 0x01),
        ("ctrl+z", None, 0x1A),
        ("ctrl+shift+a", None, 0x01),
        ("ctrl+j", "\n", 0x0A),
        ("ctrl+h", None, 0x08),
        ("ctrl+@", "\x00", 0x00),
        ("ctrl+space", None, 0x00),
        ("ctrl+left_square_bracket", None, 0x1B),
        ("ctrl+backslash", "\x1c", 0x1C),
        ("ctrl+right_square_bracket", "\x1d", 0x1D),
        ("ctrl+right_square_bracket", None, 0x1D),
        ("ctrl+circumflex_accent", "\x1e", 0x1E),
        ("ctrl+underscore", "\x1f", 0x1F),
        ("ctrl+slash", None, 0x1F),
        ("ctrl+question_mark", None, 0x7F),
        ("ctrl+5", None, 0x1D),
    ],
)
def test_control_keys_come_from_the_name(key: str, character: str | None, expected: int) -> None:
    assert encode(key, character, PLAIN, OPTIONS) == bytes((expected,))


@pytest.mark.parametrize("modes", [PLAIN, APPLICATION])
@pytest.mark.parametrize(
    ("name", "plain", "modified"),
    [
        ("up", "A", "1;{}A"),
        ("down", "B", "1;{}B"),
        ("right", "C", "1;{}C"),
        ("left", "D", "1;{}D"),
        ("home", "H", "1;{}H"),
        ("end", "F", "1;{}F"),
    ],
)
def test_cursor_keys(name: str, plain: str, modified: str, modes: Modes) -> None:
    introducer = "\x1bO" if modes.application_cursor else "\x1b["
    assert encode(name, None, modes, OPTIONS) == f"{introducer}{plain}".encode()
    for held, weight in WEIGHTS.items():
        assert encode(f"{held}+{name}", None, modes, OPTIONS) == f"\x1b[{modified.format(weight)}".encode()


WEIGHTS = {
    "shift": 2,
    "alt": 3,
    "alt+shift": 4,
    "ctrl": 5,
    "ctrl+shift": 6,
    "alt+ctrl": 7,
    "alt+ctrl+shift": 8,
}


@pytest.mark.parametrize(
    ("name", "number"),
    [("insert", 2), ("delete", 3), ("pageup", 5), ("pagedown", 6)]
    + [(f"f{key}", number) for key, number in zip(range(5, 13), (15, 17, 18, 19, 20, 21, 23, 24), strict=True)]
    + [(f"f{key}", number) for key, number in zip(range(13, 21), (25, 26, 28, 29, 31, 32, 33, 34), strict=True)],
)
def test_numbered_keys(name: str, number: int) -> None:
    assert encode(name, None, APPLICATION, OPTIONS) == f"\x1b[{number}~".encode()
    for held, weight in WEIGHTS.items():
        assert encode(f"{held}+{name}", None, PLAIN, OPTIONS) == f"\x1b[{number};{weight}~".encode()


@pytest.mark.parametrize(("name", "final"), [("f1", "P"), ("f2", "Q"), ("f3", "R"), ("f4", "S")])
def test_first_function_keys(name: str, final: str) -> None:
    assert encode(name, None, PLAIN, OPTIONS) == f"\x1bO{final}".encode()
    assert encode(f"ctrl+{name}", None, PLAIN, OPTIONS) == f"\x1b[1;5{final}".encode()


@pytest.mark.parametrize(
    ("key", "character", "expected"),
    [
        ("alt+a", "a", b"\x1ba"),
        ("alt+a", None, b"\x1ba"),
        ("alt+shift+a", "A", b"\x1bA"),
        ("alt+shift+a", None, b"\x1bA"),
        ("alt+full_stop", None, b"\x1b."),
        ("alt+less_than_sign", None, b"\x1b<"),
        ("alt+ctrl+a", None, b"\x1b\x01"),
        ("alt+backspace", None, b"\x1b\x7f"),
    ],
)
def test_alt_is_an_escape_before_the_key(key: str, character: str | None, expected: bytes) -> None:
    assert encode(key, character, PLAIN, OPTIONS) == expected


def test_enter_sends_both_characters_in_newline_mode() -> None:
    assert encode("enter", "\r", NEWLINE, OPTIONS) == b"\r\n"


@pytest.mark.parametrize(("options", "plain", "other"), [(OPTIONS, b"\x7f", b"\x08"), (FIRMWARE, b"\x08", b"\x7f")])
def test_backspace_is_the_users_choice(options: KeyOptions, plain: bytes, other: bytes) -> None:
    assert encode("backspace", "\x7f", PLAIN, options) == plain
    assert encode("backspace", None, PLAIN, options) == plain
    assert encode("ctrl+backspace", None, PLAIN, options) == other


def test_ctrl_h_is_not_backspace() -> None:
    assert encode("backspace", "\x08", PLAIN, OPTIONS) == b"\x08"


@pytest.mark.parametrize(
    "key", ["left_shift", "caps_lock", "media_play", "super+c", "hyper+x", "ctrl+caps_lock", "f24", "<ignore>"]
)
def test_keys_without_meaning_send_nothing(key: str) -> None:
    assert encode(key, None, PLAIN, OPTIONS) is None


def test_an_ignored_sequence_is_not_typed() -> None:
    assert encode("<ignore>", "~", PLAIN, OPTIONS) is None


@given(st.text(max_size=30), st.none() | st.text(max_size=3))
def test_no_key_name_raises(key: str, character: str | None) -> None:
    encode(key, character, PLAIN, OPTIONS)


def test_paste_ends_lines_as_enter_does() -> None:
    assert encode_paste("one\ntwo\r\nthree\r", PLAIN) == b"one\rtwo\rthree\r"


def test_paste_cannot_leave_its_brackets_nor_press_control_keys() -> None:
    assert encode_paste("a\x1b[201~\x03b\tc\x9b", BRACKETED) == b"\x1b[200~a[201~b\tc\x1b[201~"


@given(st.text())
def test_paste_sends_no_controls(text: str) -> None:
    assert not set(encode_paste(text, PLAIN).decode()) & {chr(code) for code in (*range(9), 0x1B, 0x7F, 0x9B)}
