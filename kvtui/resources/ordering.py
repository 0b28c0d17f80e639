"""The order of rows: numbers by value, names with their numbers by value, what is unknown last either way."""

from __future__ import annotations

import re
from functools import lru_cache, total_ordering
from typing import Any, TypeAlias

from kvtui.model import Cell, Ref

_DIGITS = re.compile(r"(\d+)")
_MISSING = frozenset({"", "-", "?"})

Key: TypeAlias = tuple[Any, ...]


@lru_cache(maxsize=65536)
def natural(text: str) -> Key:
    """Key by which node2 comes before node10, and case matters not."""
    parts = _DIGITS.split(text.lower())
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts))


@total_ordering
class _Reversed:
    """A value that compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Key) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value

    def __lt__(self, other: _Reversed) -> bool:
        return other.value < self.value

    def __hash__(self) -> int:
        return hash(self.value)


def sort_key(cell: Cell, ref: Ref, descending: bool) -> Key:
    """Where a row belongs that has this cell in the sorted column; equal cells are ordered by name, always upwards."""
    value = cell.sort
    if isinstance(value, tuple):
        return (0, 2, _branch(value, descending), *_tie(ref))
    if value is None:
        value = cell.text
        missing = value in _MISSING
    else:
        missing = False
    if missing:
        return (1, 0, *_tie(ref))
    own: Key = (0, value) if isinstance(value, (int, float)) else (1, natural(value))
    return (0, _Reversed(own) if descending else own, *_tie(ref))


def _branch(levels: tuple[tuple[str | float, str], ...], descending: bool) -> Key:
    """A parent stands before its children either way, for its key is how theirs begin."""
    return tuple((_level(value, descending), natural(name)) for value, name in levels)


def _level(value: str | float, descending: bool) -> Key:
    if value in _MISSING:
        return (1, 0)
    own: Key = (0, value) if isinstance(value, (int, float)) else (1, natural(value))
    return (0, _Reversed(own) if descending else own)


def _tie(ref: Ref) -> Key:
    return (natural(ref.name), ref.namespace, ref.backend, ref.kind, ref.uid)
