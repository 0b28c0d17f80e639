"""Keys and the mouse as the bytes that a guest expects of a terminal: xterm's encoding, or a firmware's. Pure.

Keys come by Textual's names. What terminals make of them differs: with Kitty's protocol a control key has no character,
so control keys are computed from the name, and printable ones taken from the character. Keys of the keypad send what is
printed on them, as with Num Lock: most terminals do not tell them from the others, so a guest's wish for an application
keypad (DECPAM) could not be met. Changes of the focus (``?1004``) are not reported: a guest that died in a program that
asked for them would take them for keys, and a boot menu waits for any key.
"""

from __future__ import annotations

import enum
import string
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from kvtui.console.modes import Modes

_ESCAPE: Final = b"\x1b"
DELETE: Final = b"\x7f"
BACKSPACE: Final = b"\x08"


class Layout(enum.Enum):
    """Whose codes the keys beside the characters send.

    GRUB, SeaBIOS (``sercon.c``) and all that runs on Linux take xterm's. UEFI does not: OVMF's serial line was PC-ANSI
    and is VT-UTF8 in builds since 2023 (``PlatformBootManagerLib``). Neither knows modifiers.
    """

    XTERM = "xterm"
    VT_UTF8 = "vt-utf8"
    PC_ANSI = "pc-ansi"


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What the user may set."""

    backspace: bytes = DELETE
    """What Backspace sends: 0x7f, or 0x08; ctrl+backspace sends the other. UEFI takes 0x7f for the key Delete, so that
    in its layouts Backspace is 0x08 whatever is set here.
    """
    layout: Layout = Layout.XTERM


_CURSOR: Final = {
    "up": "A",
    "down": "B",
    "right": "C",
    "left": "D",
    "kp_begin": "E",
    "end": "F",
    "home": "H",
}
_F1_TO_F4: Final = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
_NUMBERED: Final = {
    "insert": 2,
    "delete": 3,
    "pageup": 5,
    "pagedown": 6,
    "f5": 15,
    "f6": 17,
    "f7": 18,
    "f8": 19,
    "f9": 20,
    "f10": 21,
    "f11": 23,
    "f12": 24,
    "f13": 25,
    "f14": 26,
    "f15": 28,
    "f16": 29,
    "f17": 31,
    "f18": 32,
    "f19": 33,
    "f20": 34,
}
# xterm's names of what has no number of its own.
_SHIFTED: Final = {"f21": "f9", "f22": "f10", "f23": "f11", "f24": "f12"}

# EDK2, MdeModulePkg/Universal/Console/TerminalDxe/TerminalConIn.c, the table of UnicodeToEfiKey.
_ARROWS: Final = {"up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D"}
_EDITING_KEYS: Final = ("home", "end", "insert", "delete", "pageup", "pagedown")
_F1_TO_F12: Final = tuple(f"f{number}" for number in range(1, 13))
_FIRMWARE: Final[dict[Layout, dict[str, bytes]]] = {
    Layout.VT_UTF8: _ARROWS
    | {name: b"\x1b%c" % code for name, code in zip(_EDITING_KEYS, b"hk+-?/", strict=True)}
    | {name: b"\x1b%c" % code for name, code in zip(_F1_TO_F12, b"1234567890!@", strict=True)},
    Layout.PC_ANSI: _ARROWS
    | {name: b"\x1b[%c" % code for name, code in zip(_EDITING_KEYS, b"HF@XIG", strict=True)}
    | {name: b"\x1b[%c" % code for name, code in zip(_F1_TO_F12[:10], b"MNOPQRSTUV", strict=True)},
}
_FUNCTION_KEYS: Final = frozenset({*_CURSOR, *_F1_TO_F4, *_NUMBERED, *_SHIFTED})
_MODIFIER_WEIGHT: Final = {"shift": 1, "alt": 2, "meta": 2, "ctrl": 4}

# Textual's names of printable characters: those of Unicode, but for a few, and the keypad's.
_PRINTABLE: Final = {
    **{unicodedata.name(mark).lower().replace("-", "_").replace(" ", "_"): mark for mark in string.punctuation},
    "space": " ",
    "slash": "/",
    "backslash": "\\",
    "at": "@",
    "minus": "-",
    "plus": "+",
    "underscore": "_",
    "decimal": ".",
    "divide": "/",
    "multiply": "*",
    "subtract": "-",
    "add": "+",
    "equal": "=",
    "separator": ",",
}
# Control characters that are no letter's: on the digits, too, as on a VT220, and on both characters of a key.
_CONTROLS: Final = {
    " ": 0x00,
    "@": 0x00,
    "`": 0x00,
    "2": 0x00,
    "[": 0x1B,
    "{": 0x1B,
    "3": 0x1B,
    "\\": 0x1C,
    "|": 0x1C,
    "4": 0x1C,
    "]": 0x1D,
    "}": 0x1D,
    "5": 0x1D,
    "^": 0x1E,
    "~": 0x1E,
    "6": 0x1E,
    "_": 0x1F,
    "-": 0x1F,
    "/": 0x1F,
    "7": 0x1F,
    "?": 0x7F,
    "8": 0x7F,
}


class Gesture(enum.Enum):
    """What was done with the mouse; the value is what xterm adds to the button for it."""

    PRESS = 0
    RELEASE = 1
    MOVE = 32
    WHEEL_UP = 64
    WHEEL_DOWN = 65
    WHEEL_LEFT = 66
    WHEEL_RIGHT = 67


def encode(key: str, character: str | None, modes: Modes, options: KeyOptions) -> bytes | None:
    """The bytes for a key press; None for keys that mean nothing to a guest, such as a lone modifier.

    `key` and `character` are those of Textual's key event; `character` may be None.
    """
    *held, name = key.split("+")
    modifiers = frozenset(held)
    if not modifiers <= _MODIFIER_WEIGHT.keys():
        return None
    if options.layout in _FIRMWARE and name in _FUNCTION_KEYS:
        return _FIRMWARE[options.layout].get(name)
    special = _encode_special(name, modifiers, modes)
    if special is not None:
        return special
    alt = _ESCAPE if modifiers & {"alt", "meta"} else b""
    plain = _encode_editing(name, character, modifiers, modes, options)
    if plain is None:
        plain = _encode_character(name, character, modifiers)
    return None if plain is None else alt + plain


def encode_mouse(
    gesture: Gesture, button: int, x: int, y: int, modes: Modes, modifiers: Collection[str] = ()
) -> bytes | None:
    """The report of a gesture in the cell `x`, `y`, from 0; None when the guest did not ask for it.

    `button` is 1 left, 2 middle, 3 right, 0 for none; `modifiers` are ``shift``, ``alt`` (or ``meta``) and ``ctrl``.
    Only decimal reports (``?1006``) are made: the older ones cannot name every cell, and no program wants them alone.
    """
    if not modes.mouse_sgr or not modes.mouse:
        return None
    if gesture is Gesture.MOVE and modes.mouse < (1002 if button else 1003):
        return None
    held = sum({4 * _MODIFIER_WEIGHT[modifier] for modifier in modifiers if modifier in _MODIFIER_WEIGHT})
    if gesture in (Gesture.PRESS, Gesture.RELEASE):
        if not button:
            return None
        code = button - 1
    elif gesture is Gesture.MOVE:
        code = gesture.value + (button - 1 if button else 3)
    else:
        code = gesture.value
    final = "m" if gesture is Gesture.RELEASE else "M"
    return f"\x1b[<{code + held};{x + 1};{y + 1}{final}".encode()


def _encode_special(name: str, modifiers: frozenset[str], modes: Modes) -> bytes | None:
    """Cursor, editing and function keys, with their modifiers as xterm's parameter."""
    if name in _SHIFTED:
        name, modifiers = _SHIFTED[name], modifiers | {"shift"}
    weight = 1 + sum({_MODIFIER_WEIGHT[modifier] for modifier in modifiers})
    if final := _CURSOR.get(name) or _F1_TO_F4.get(name):
        if weight > 1:
            return f"\x1b[1;{weight}{final}".encode()
        return f"\x1b{'O' if modes.application_cursor or name in _F1_TO_F4 else '['}{final}".encode()
    if number := _NUMBERED.get(name):
        return f"\x1b[{number};{weight}~".encode() if weight > 1 else f"\x1b[{number}~".encode()
    if name == "tab" and "shift" in modifiers:
        return b"\x1b[Z"
    return None


def _encode_editing(
    name: str, character: str | None, modifiers: frozenset[str], modes: Modes, options: KeyOptions
) -> bytes | None:
    """The keys that are a control character by themselves."""
    if name == "enter":
        return b"\r\n" if modes.newline else b"\r"
    if name == "tab":
        return b"\t"
    if name == "escape":
        return _ESCAPE
    if name == "backspace":
        # Without Kitty's protocol ctrl+h bears this name, too, and only its character tells.
        plain = options.backspace if options.layout is Layout.XTERM else BACKSPACE
        other = DELETE if plain == BACKSPACE else BACKSPACE
        return BACKSPACE if character == "\x08" else other if "ctrl" in modifiers else plain
    return None


def _encode_character(name: str, character: str | None, modifiers: frozenset[str]) -> bytes | None:
    """Printable characters, and those that ctrl makes controls of."""
    base = _PRINTABLE.get(name) or (name if len(name) == 1 else None)
    if "ctrl" in modifiers:
        if base is None:
            return None
        if base.isascii() and base.isalpha():
            return bytes((ord(base) & 0x1F,))
        return bytes((_CONTROLS[base],)) if base in _CONTROLS else base.encode()
    if character and character.isprintable() and not name.startswith("<"):
        return character.encode("utf-8", "replace")
    if base and "shift" in modifiers:
        base = base.upper()
    return base.encode("utf-8", "replace") if base else None
