"""The bytes of keys, by the names that Textual 8.2.8 gives them on terminals with and without Kitty's protocol."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console.keys import Gesture, KeyOptions, Layout, encode, encode_mouse
from kvtui.console.modes import Modes

PLAIN = Modes()
APPLICATION = Modes(application_cursor=True)
NEWLINE = Modes(newline=True)
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
        ("ctrl+grave_accent", None, 0x00),
        ("ctrl+left_curly_bracket", None, 0x1B),
        ("ctrl+vertical_line", None, 0x1C),
        ("ctrl+right_curly_bracket", None, 0x1D),
        ("ctrl+tilde", None, 0x1E),
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


@pytest.mark.parametrize(("key", "letter"), [(f"ctrl+{letter}", letter) for letter in string.ascii_lowercase])
def test_every_letter_has_its_control(key: str, letter: str) -> None:
    assert encode(key, None, PLAIN, OPTIONS) == bytes((ord(letter) - 0x60,))


def test_function_keys_beyond_20_are_the_shifted_ones_as_xterm_counts_them() -> None:
    assert encode("f21", None, PLAIN, OPTIONS) == encode("shift+f9", None, PLAIN, OPTIONS) == b"\x1b[20;2~"
    assert encode("f24", None, PLAIN, OPTIONS) == b"\x1b[24;2~"
    assert encode("ctrl+f24", None, PLAIN, OPTIONS) == b"\x1b[24;6~"


@pytest.mark.parametrize(
    ("key", "character", "expected"),
    [
        ("0", "0", b"0"),
        ("divide", "/", b"/"),
        ("multiply", None, b"*"),
        ("subtract", "-", b"-"),
        ("add", None, b"+"),
        ("equal", "=", b"="),
        ("separator", None, b","),
        ("kp_begin", None, b"\x1b[E"),
    ],
)
def test_the_keypad_sends_what_is_printed_on_it(key: str, character: str | None, expected: bytes) -> None:
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


# The keys of EDK2's MdeModulePkg/Universal/Console/TerminalDxe/TerminalConIn.c, in the order of the table there.
UEFI_KEYS = ["up", "down", "right", "left", "home", "end", "insert", "delete", "pageup", "pagedown"]
UEFI_KEYS += [f"f{number}" for number in range(1, 13)]
VT_UTF8 = [b"[A", b"[B", b"[C", b"[D", b"h", b"k", b"+", b"-", b"?", b"/"]
VT_UTF8 += [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"0", b"!", b"@"]
PC_ANSI = [b"[A", b"[B", b"[C", b"[D", b"[H", b"[F", b"[@", b"[X", b"[I", b"[G"]
PC_ANSI += [b"[M", b"[N", b"[O", b"[P", b"[Q", b"[R", b"[S", b"[T", b"[U", b"[V"]


@pytest.mark.parametrize(
    ("layout", "key", "code"),
    [(Layout.VT_UTF8, key, code) for key, code in zip(UEFI_KEYS, VT_UTF8, strict=True)]
    + [(Layout.PC_ANSI, key, code) for key, code in zip(UEFI_KEYS[:-2], PC_ANSI, strict=True)],
)
def test_keys_of_uefi_firmware(layout: Layout, key: str, code: bytes) -> None:
    options = KeyOptions(layout=layout)
    assert encode(key, None, PLAIN, options) == b"\x1b" + code
    assert encode(key, None, APPLICATION, options) == b"\x1b" + code
    assert encode(f"ctrl+shift+{key}", None, PLAIN, options) == b"\x1b" + code, "firmware knows no modifiers"


def test_pc_ansi_has_no_f11_nor_f12() -> None:
    assert encode("f11", None, PLAIN, KeyOptions(layout=Layout.PC_ANSI)) is None


@pytest.mark.parametrize("layout", [Layout.VT_UTF8, Layout.PC_ANSI])
@pytest.mark.parametrize("backspace", [b"\x7f", b"\x08"])
def test_backspace_is_not_delete_in_uefi_firmware(layout: Layout, backspace: bytes) -> None:
    options = KeyOptions(backspace, layout)
    assert encode("backspace", "\x7f", PLAIN, options) == b"\x08"
    assert encode("ctrl+backspace", None, PLAIN, options) == b"\x7f"


@pytest.mark.parametrize("layout", [Layout.VT_UTF8, Layout.PC_ANSI])
def test_characters_are_the_same_in_every_layout(layout: Layout) -> None:
    options = KeyOptions(layout=layout)
    for key, character in (("a", "a"), ("enter", "\r"), ("escape", "\x1b"), ("ctrl+c", None), ("alt+1", None)):
        assert encode(key, character, PLAIN, options) == encode(key, character, PLAIN, OPTIONS)


@pytest.mark.parametrize(
    "key", ["left_shift", "caps_lock", "media_play", "super+c", "hyper+x", "ctrl+caps_lock", "f25", "<ignore>"]
)
def test_keys_without_meaning_send_nothing(key: str) -> None:
    assert encode(key, None, PLAIN, OPTIONS) is None


def test_an_ignored_sequence_is_not_typed() -> None:
    assert encode("<ignore>", "~", PLAIN, OPTIONS) is None


@given(st.text(max_size=30), st.none() | st.text(max_size=3))
def test_no_key_name_raises(key: str, character: str | None) -> None:
    encode(key, character, PLAIN, OPTIONS)


# The mouse -----------------------------------------------------------------------------------------------------------

BUTTONS = Modes(mouse=1000, mouse_sgr=True)
DRAGS = Modes(mouse=1002, mouse_sgr=True)
MOTION = Modes(mouse=1003, mouse_sgr=True)


@pytest.mark.parametrize(
    ("gesture", "button", "expected"),
    [
        (Gesture.PRESS, 1, b"\x1b[<0;5;3M"),
        (Gesture.RELEASE, 1, b"\x1b[<0;5;3m"),
        (Gesture.PRESS, 2, b"\x1b[<1;5;3M"),
        (Gesture.RELEASE, 3, b"\x1b[<2;5;3m"),
        (Gesture.WHEEL_UP, 0, b"\x1b[<64;5;3M"),
        (Gesture.WHEEL_DOWN, 0, b"\x1b[<65;5;3M"),
        (Gesture.WHEEL_LEFT, 0, b"\x1b[<66;5;3M"),
        (Gesture.WHEEL_RIGHT, 0, b"\x1b[<67;5;3M"),
    ],
)
def test_mouse_reports(gesture: Gesture, button: int, expected: bytes) -> None:
    assert encode_mouse(gesture, button, 4, 2, BUTTONS) == expected


def test_modifiers_of_the_mouse() -> None:
    assert encode_mouse(Gesture.PRESS, 1, 0, 0, BUTTONS, {"shift"}) == b"\x1b[<4;1;1M"
    assert encode_mouse(Gesture.PRESS, 1, 0, 0, BUTTONS, {"meta", "ctrl"}) == b"\x1b[<24;1;1M"
    assert encode_mouse(Gesture.WHEEL_UP, 0, 0, 0, BUTTONS, {"ctrl"}) == b"\x1b[<80;1;1M"


def test_motion_is_reported_as_far_as_the_guest_asked() -> None:
    assert encode_mouse(Gesture.MOVE, 1, 0, 0, BUTTONS) is None
    assert encode_mouse(Gesture.MOVE, 1, 0, 0, DRAGS) == b"\x1b[<32;1;1M"
    assert encode_mouse(Gesture.MOVE, 0, 0, 0, DRAGS) is None
    assert encode_mouse(Gesture.MOVE, 0, 0, 0, MOTION) == b"\x1b[<35;1;1M"


@pytest.mark.parametrize("modes", [PLAIN, Modes(mouse=1003), Modes(mouse_sgr=True)])
def test_a_mouse_that_nobody_asked_for_is_not_reported(modes: Modes) -> None:
    assert encode_mouse(Gesture.PRESS, 1, 0, 0, modes) is None
