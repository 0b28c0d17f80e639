"""Keys and pastes as the bytes that a guest expects of a terminal: xterm's encoding. Pure.

Keys come by Textual's names. What terminals make of them differs: with Kitty's protocol a control key has no character,
so control keys are computed from the name, and printable ones taken from the character.
"""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass
from typing import Final

from kvtui.console.modes import Modes

_ESCAPE: Final = b"\x1b"
_DELETE: Final = b"\x7f"
_BACKSPACE: Final = b"\x08"


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What the user may set."""

    backspace: bytes = _DELETE
    """What Backspace sends: 0x7f, or 0x08 for some firmware; ctrl+backspace sends the other."""


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
# Control characters that are no letter's: on the digits, too, as on a VT220.
_CONTROLS: Final = {
    " ": 0x00,
    "@": 0x00,
    "2": 0x00,
    "[": 0x1B,
    "3": 0x1B,
    "\\": 0x1C,
    "4": 0x1C,
    "]": 0x1D,
    "5": 0x1D,
    "^": 0x1E,
    "6": 0x1E,
    "_": 0x1F,
    "-": 0x1F,
    "/": 0x1F,
    "7": 0x1F,
    "?": 0x7F,
    "8": 0x7F,
}

_NOT_FOR_PASTE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_END: Final = re.compile("\r\n|\n")


def encode(key: str, character: str | None, modes: Modes, options: KeyOptions) -> bytes | None:
    """The bytes for a key press; None for keys that mean nothing to a guest, such as a lone modifier.

    `key` and `character` are those of Textual's key event; `character` may be None.
    """
    *held, name = key.split("+")
    modifiers = frozenset(held)
    if not modifiers <= _MODIFIER_WEIGHT.keys():
        return None
    special = _encode_special(name, modifiers, modes)
    if special is not None:
        return special
    alt = _ESCAPE if modifiers & {"alt", "meta"} else b""
    plain = _encode_editing(name, character, modifiers, modes, options)
    if plain is None:
        plain = _encode_character(name, character, modifiers)
    return None if plain is None else alt + plain


def encode_paste(text: str, modes: Modes) -> bytes:
    """Pasted text: line ends as Enter, no control characters but tabs, in brackets if the guest asked for them."""
    data = _NOT_FOR_PASTE.sub("", _LINE_END.sub("\r", text)).encode("utf-8", "replace")
    return b"\x1b[200~" + data + b"\x1b[201~" if modes.bracketed_paste else data


def _encode_special(name: str, modifiers: frozenset[str], modes: Modes) -> bytes | None:
    """Cursor, editing and function keys, with their modifiers as xterm's parameter."""
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
        other = _DELETE if options.backspace == _BACKSPACE else _BACKSPACE
        return _BACKSPACE if character == "\x08" else other if "ctrl" in modifiers else options.backspace
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
