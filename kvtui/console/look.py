"""How a cell looks, and SGR, the sequence that changes it. Pure.

Sources: ECMA-48 section 8.3.117, ITU T.416 for the colon forms of colours, xterm's ctlseqs for 90-107 and 38;5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

_CUBE: Final = (0, 95, 135, 175, 215, 255)
_INDEXED: Final = 5
_DIRECT: Final = 2


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Look:
    """Colours and attributes of a cell.

    A colour is "" for the terminal's default, "0" to "15" for a palette index that the theme decides, or "#rrggbb".
    """

    fg: str = ""
    bg: str = ""
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    blink: bool = False
    reverse: bool = False
    strike: bool = False
    conceal: bool = False
    overline: bool = False
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(tuple(getattr(self, name) for name in _COMPARED)))

    def __hash__(self) -> int:
        # Looks are keys of caches that are asked for each SGR of a guest.
        return self._hash

    def __deepcopy__(self, memo: object) -> Look:
        # Looks never change, and some are known by their identity.
        return self


_COMPARED: Final = tuple(part.name for part in fields(Look) if part.compare)


class Run(NamedTuple):
    """Neighbouring cells of one look; a wide character of `text` takes two columns."""

    text: str
    look: Look


_looks: Final[WeakValueDictionary[Look, Look]] = WeakValueDictionary()


def _unique(look: Look) -> Look:
    """The one object of all equal looks in use, so that cells are compared by identity."""
    return _looks.setdefault(look, look)


PLAIN: Final = _unique(Look())

_SWITCHES: Final[dict[int, dict[str, bool]]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    5: {"blink": True},
    6: {"blink": True},
    7: {"reverse": True},
    8: {"conceal": True},
    9: {"strike": True},
    21: {"underline": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    25: {"blink": False},
    27: {"reverse": False},
    28: {"conceal": False},
    29: {"strike": False},
    53: {"overline": True},
    55: {"overline": False},
}


def _simple_colours() -> dict[int, dict[str, str]]:
    table = {39: {"fg": ""}, 49: {"bg": ""}}
    for index in range(8):
        table[30 + index] = {"fg": str(index)}
        table[40 + index] = {"bg": str(index)}
        table[90 + index] = {"fg": str(8 + index)}
        table[100 + index] = {"bg": str(8 + index)}
    return table


_COLOURS: Final = _simple_colours()
# 58 is the colour of underlines: understood so that its arguments are not taken for attributes, and not kept.
_EXTENDED: Final = {38: "fg", 48: "bg", 58: ""}


@lru_cache(4096)
def apply_sgr(look: Look, parameters: str) -> Look:
    """The look after ``CSI parameters m``. What is unknown or out of range changes nothing."""
    changes: dict[str, Any] = {}
    waiting = iter(parameters.split(";"))
    for parameter in waiting:
        head, *rest = parameter.split(":")
        code = _number(head)
        if code == 0:
            look, changes = PLAIN, {}
        elif code in _EXTENDED:
            colour = _colour_of_parts(rest) if rest else _colour_of_fields(waiting)
            if colour is not None and (name := _EXTENDED[code]):
                changes[name] = colour
        elif code == 4 and rest:
            changes["underline"] = _number(rest[0]) != 0
        else:
            changes.update(_SWITCHES.get(code) or _COLOURS.get(code) or {})
    return _unique(replace(look, **changes))


@lru_cache(512)
def blank_of(look: Look) -> Look:
    """The look of a cell erased while `look` is in force: its background and nothing else (as xterm's bce)."""
    return _unique(Look(bg=look.bg))


@lru_cache(512)
def reversed_of(look: Look) -> Look:
    """The look on a screen whose colours are all reversed (DECSCNM)."""
    return _unique(replace(look, reverse=not look.reverse))


def palette_colour(index: int) -> str | None:
    """Colour `index` of the 256: the first 16 stay symbolic, the others are fixed by xterm; None out of range."""
    if not 0 <= index <= 255:
        return None
    if index < 16:
        return str(index)
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return f"#{grey:02x}{grey:02x}{grey:02x}"
    index -= 16
    return f"#{_CUBE[index // 36]:02x}{_CUBE[index // 6 % 6]:02x}{_CUBE[index % 6]:02x}"


def _number(text: str) -> int:
    return min(int(text), 9999) if text else 0


def _colour_of_fields(fields: Iterator[str]) -> str | None:
    """The colour after ``38;``: as many of the following fields as it needs are used up."""
    kind = _plain_number(next(fields, ""))
    if kind == _INDEXED:
        return palette_colour(_plain_number(next(fields, "")))
    if kind == _DIRECT:
        return _direct([_plain_number(next(fields, "")) for _ in range(3)])
    return None


def _colour_of_parts(parts: list[str]) -> str | None:
    """The colour after ``38:``; the colour space of ``38:2:space:r:g:b`` may be left out, as many programs do."""
    numbers = [_number(part) for part in parts]
    if numbers[0] == _INDEXED and len(numbers) > 1:
        return palette_colour(numbers[1])
    if numbers[0] == _DIRECT and len(numbers) >= 4:
        return _direct(numbers[2:5] if len(numbers) >= 5 else numbers[1:4])
    return None


def _plain_number(field: str) -> int:
    return _number(field.partition(":")[0])


def _direct(levels: list[int]) -> str | None:
    if max(levels) > 255:
        return None
    red, green, blue = levels
    return f"#{red:02x}{green:02x}{blue:02x}"
