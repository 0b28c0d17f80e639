"""Formatting and scrubbing of text: pure, no clock, no locale.

`clean` is the one guard between other people's strings and the terminal: object fields, events, logs, guest agents and
servers' words all pass it (as JSON through `scrub_json`, when a record is decoded).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from wcwidth import wcwidth

# C0 and C1 controls but for tab and newline, the invisible characters that reorder or hide text (Trojan Source), and
# lone surrogates, which no terminal's encoding can carry.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_REPLACEMENT: Final = "\ufffd"

# The same characters as JSON may spell them: escaped, or as their UTF-8. JSON itself forbids unescaped C0 controls and
# lone surrogates. Escaped backslashes are matched too so that `\\u001b` stays text.
_UNSAFE_ESCAPES: Final = re.compile(
    rb"\\(?:\\|u00(?:0[0-8b-fB-F]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F])|[bfr]"
    rb"|u061[cC]|u200[b-fB-F]|u202[89a-eA-E]|u206[0-9]|u[fF][eE][fF][fF]|u[fF]{3}[9abAB])"
)
_UNSAFE_BYTES: Final = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xa9]|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb]"
)
_REPLACEMENT_JSON: Final = rb"\ufffd"
_PRIVATE_KEY: Final = re.compile(r"BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-|b3BlbnNzaC1rZXktdj")
"""The last is how OpenSSH's begin below their first line: ``openssh-key-v`` in base64."""


def clean(value: str) -> str:
    """The text without anything that a terminal obeys or that hides other text; newlines and tabs stay."""
    return value if value.isascii() and value.isprintable() else _UNSAFE.sub(_REPLACEMENT, value)


def clean_line(value: str) -> str:
    """The text cleaned and folded into one line."""
    return value if value.isascii() and value.isprintable() else " ".join(clean(value).split())


def is_private_key(value: str) -> bool:
    """Whether a private key is in it: of PEM, OpenSSH or PuTTY, also in part."""
    return _PRIVATE_KEY.search(value) is not None


def escape_markdown(value: str) -> str:
    """The text on one line, as Markdown shows it, whatever signs it has."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|~" else sign for sign in clean_line(value))


def begin_sentence(clause: str) -> str:
    """The clause with a capital, as the begin of a sentence."""
    return clause[:1].upper() + clause[1:]


def end_sentence(words: str) -> str:
    """The words with a full stop, unless whoever wrote them ended them."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def join_clauses(*clauses: str) -> str:
    """Those that are not empty as one: the full stop that a server put after its words ends none but the last."""
    kept = [clause for clause in clauses if clause]
    return "; ".join([*(clause.rstrip(".") for clause in kept[:-1]), *kept[-1:]])


def name_few(names: Sequence[str], most: int) -> str:
    """The first of them, and how many there are beside: ``a, b and 3 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def scrub_json(raw: bytes) -> bytes:
    """JSON text whose strings, once decoded, hold nothing that `clean` would replace.

    Any run of whole values will do; a cut within a string may part an escape from its backslash.
    """
    # The conditions cost next to nothing beside the searches, and few objects need the second one.
    if b"\\" in raw:
        raw = _UNSAFE_ESCAPES.sub(lambda found: found[0] if found[0] == rb"\\" else _REPLACEMENT_JSON, raw)
    if not raw.isascii() or b"\x7f" in raw:
        raw = _UNSAFE_BYTES.sub(lambda _found: _REPLACEMENT_JSON, raw)
    return raw


def width_of(character: str) -> int:
    """How many terminal columns a character takes by itself: 2, 1, or 0 for a combining mark; -1 for a control.

    Each half of a flag is one wide, as for libc and xterm, so that the pair takes two: wcwidth counts a half as two.
    """
    return 1 if "\U0001f1e6" <= character <= "\U0001f1ff" else wcwidth(character)


def cells(value: str) -> int:
    """How many terminal columns the text takes, each character by itself, as the console's emulator counts them."""
    if value.isascii():
        return len(value)
    return sum(max(0, width_of(character)) for character in value)


def fit(value: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` columns: padded, or cut with an ellipsis; aligned right on demand."""
    value = clean_line(value)
    size = cells(value)
    if size > width:
        value = _cut(value, width)
        size = cells(value)
    padding = " " * (width - size)
    return padding + value if right else value + padding


def shorten(value: str, width: int) -> str:
    """The text, cut to a number of columns with an ellipsis where it is longer."""
    return value if cells(value) <= width else _cut(value, width)


def shorten_middle(value: str, width: int) -> str:
    """The text, cut in its middle where it is longer than a number of columns: names differ at their ends."""
    rest = (width - 1) // 2
    if cells(value) <= width or rest < 1:
        return shorten(value, width)
    return _cut(value, width - rest) + _cut(value[::-1], rest + 1).removesuffix("…")[::-1]


def _cut(value: str, width: int) -> str:
    if width <= 0:
        return ""
    kept: list[str] = []
    room = width - 1
    for character in value:
        room -= max(0, width_of(character))
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def parse_time(value: str | None) -> float | None:
    """Seconds since the epoch of an RFC 3339 time as Kubernetes writes it; None for a missing or broken one."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def age(seconds: float | None) -> str:
    """A duration as kubectl shows it, in at most two units: ``45s``, ``7m30s``, ``3h5m``, ``2d4h``, ``96d``.

    The thresholds are those of HumanDuration in k8s.io/apimachinery/pkg/util/duration. A time in the future, which
    kubectl calls invalid, is ``0s``: clocks differ.
    """
    if seconds is None:
        return "-"
    left = max(0, int(seconds))
    minutes, rest = divmod(left, 60)
    if left < 120:
        return f"{left}s"
    if minutes < 10:
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    hours, rest = divmod(minutes, 60)
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    days, rest = divmod(hours, 24)
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{rest}h" if rest else f"{days}d"
    years, rest = divmod(days, 365)
    if years < 2:
        return f"{days}d"
    return f"{years}y{rest}d" if rest and years < 8 else f"{years}y"


_SUFFIXES: Final = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
_QUANTITY: Final = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)\Z"
)


@lru_cache(maxsize=4096)
def quantity(value: str | float | None) -> float | None:
    """The number that a Kubernetes quantity means (``"2Gi"``, ``"250m"``, ``"1e3"``, ``4``); None for anything else,
    and for numbers beyond what a float can hold.
    """
    if value is None:
        return None
    amount = _parse_quantity(value) if isinstance(value, str) else value
    return float(amount) if abs(amount) <= sys.float_info.max else None


def _parse_quantity(value: str) -> float:
    found = _QUANTITY.match(value)
    if not found:
        return math.nan
    number, exponent, suffix = found.groups()
    return float(number + (exponent or "")) * _SUFFIXES[suffix or ""]


def size(value: float | None) -> str:
    """Bytes as people say them, in binary units and three digits: ``512Mi``, ``4Gi``, ``1.5Ti``."""
    if value is None:
        return "-"
    amount = float(value)
    for unit in ("", "Ki", "Mi", "Gi", "Ti", "Pi"):
        # From 1023.5 on, the digits would round up to 1024 of this unit.
        if abs(amount) < 1023.5 or unit == "Pi":
            break
        amount /= 1024
    digits = f"{amount:.1f}" if abs(amount) < 10 and unit else f"{amount:.0f}"
    return digits.removesuffix(".0") + unit


def tell_bytes(value: float) -> str:
    """Bytes in a sentence: ``512 MiB``, ``5.6 GiB``."""
    said = size(value)
    number = said.rstrip("KMGTPi")
    return f"{number} {said[len(number) :]}B"


def rate(bytes_per_second: float | None) -> str:
    """Bytes a second, as ``12Mi/s``."""
    return "-" if bytes_per_second is None else f"{size(bytes_per_second)}/s"


def percent(part: float | None, whole: float | None) -> str:
    """``37%``; a dash when either is unknown or there is no whole."""
    if part is None or not whole:
        return "-"
    return f"{100 * part / whole:.0f}%"
