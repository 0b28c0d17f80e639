"""Chords of keys: as people write them, ``ctrl+]``, and by the names that Textual has for what terminals send."""

from __future__ import annotations

import string
import unicodedata
from typing import Final

_SHORT: Final = {"/": "slash", "\\": "backslash", "@": "at", "-": "minus", "+": "plus", "_": "underscore"}
_PUNCTUATION: Final = {
    mark: _SHORT.get(mark, unicodedata.name(mark).lower().replace("-", "_").replace(" ", "_"))
    for mark in string.punctuation + " "
}
_MARKS: Final = {name: mark for mark, name in _PUNCTUATION.items()}
_WRITTEN: Final = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "control": "ctrl",
}
"""What people and this program call keys that Textual calls otherwise."""
_MODIFIERS: Final = frozenset({"shift", "ctrl", "alt", "meta", "super", "hyper"})
_TYPING: Final = frozenset({"enter", "tab", "backspace", "delete", "escape"})
_NAMED: Final = frozenset(
    {
        *_TYPING,
        *(f"f{number}" for number in range(1, 36)),
        *("left", "right", "up", "down", "home", "end", "insert", "pageup", "pagedown", "kp_begin"),
        *("decimal", "divide", "multiply", "subtract", "add", "equal", "separator"),
        *("caps_lock", "scroll_lock", "num_lock", "print_screen", "pause", "menu"),
    }
)
_ARRIVALS: Final = {
    "ctrl+at": ("ctrl+@", "ctrl+at", "ctrl+shift+2"),
    "ctrl+space": ("ctrl+space", "ctrl+@"),
    "ctrl+circumflex_accent": ("ctrl+circumflex_accent", "ctrl+shift+6"),
    "ctrl+underscore": ("ctrl+underscore", "ctrl+shift+minus"),
    "ctrl+slash": ("ctrl+slash", "ctrl+underscore"),
}
"""Chords that come otherwise from terminals with Kitty's protocol than from those without."""
_SURE: Final = frozenset(
    {
        *(f"ctrl+{letter}" for letter in string.ascii_lowercase if letter not in "him"),
        *("ctrl+@", "ctrl+backslash", "ctrl+right_square_bracket", "ctrl+circumflex_accent", "ctrl+underscore"),
        *(f"f{number}" for number in range(1, 13)),
    }
)
"""What every terminal sends, and for nothing else: ctrl+h, ctrl+i and ctrl+m are Backspace, Tab and Enter in most."""


def spell(chord: str) -> tuple[str, ...]:
    """Textual's names for a chord that a person wrote, in its spelling or another: what it may arrive as.

    Raises ValueError for a key that there is not.
    """
    text = chord.strip()
    # The last character is the key, even where it is a plus.
    held, last = (text[:-1], text[-1:]) if len(text) == 1 or text.endswith("++") else text.rpartition("+")[::2]
    modifiers = [_WRITTEN.get(name.lower(), name.lower()) for name in held.rstrip("+").split("+") if name]
    key = _name(last, bool(modifiers))
    if key is None or not _MODIFIERS.issuperset(modifiers):
        raise ValueError(f"there is no key {text!r}; keys are written as ctrl+], f12, alt+x")
    if modifiers == ["shift"] and len(key) == 1:
        return (key.upper(),)
    name = "+".join([*sorted(modifiers), key])
    return _ARRIVALS.get(name, (name,))


def spell_all(chords: str) -> str:
    """Several chords, with commas between them, in Textual's spelling. Raises ValueError as `spell`."""
    names = [name for chord in chords.split(",") if chord.strip() for name in spell(chord)]
    return ",".join(dict.fromkeys(names))


def is_typed(name: str) -> bool:
    """Whether a key, in Textual's spelling, is typed into a console as it is."""
    return name in _TYPING or character_of(name) is not None


def is_sure(name: str) -> bool:
    """Whether a key, in Textual's spelling, comes from every terminal and is no other key in some."""
    return name in _SURE


def character_of(name: str) -> str | None:
    """The printable character that a key has, in Textual's spelling."""
    if len(name) == 1 or name in _MARKS:
        return _MARKS.get(name, name)
    try:
        # Textual calls a character by its Unicode name unless it has a shorter one.
        found = unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return None
    return found if found.isprintable() else None


def _name(key: str, held: bool) -> str | None:
    """A key without its modifiers; None if there is none. Capitals differ only where no modifier is held."""
    if len(key) == 1:
        if key.isalnum():
            return key.lower() if held else key
        return _PUNCTUATION.get(key) or unicodedata.name(key, "").lower().replace("-", "_").replace(" ", "_") or None
    name = _WRITTEN.get(key.lower(), key.lower())
    return name if name in _NAMED or character_of(name) is not None else None
