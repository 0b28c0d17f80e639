"""The marked rows of a table. A mark stays with its row, also while a filter hides the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from kvtui.ui.rows import K, Rows


class Marks(Generic[K]):
    """Marks of rows, and the row from which a range begins."""

    def __init__(self, rows: Rows[K]) -> None:
        self._rows = rows
        self._keys: dict[K, None] = {}
        self._anchor: K | None = None

    def __contains__(self, key: K) -> bool:
        return key in self._keys

    def toggle(self, key: K) -> None:
        """Mark or unmark a row; a range begins there."""
        if key in self._keys:
            del self._keys[key]
        else:
            self._keys[key] = None
        self._anchor = key

    def reach(self, key: K, at: int) -> None:
        """Mark all rows from where a range begins to `key`, which stands `at` that place."""
        start = self._rows.index(self._anchor) if self._anchor is not None else None
        low, high = sorted((at if start is None else start, at))
        self._keys.update(dict.fromkeys(self._rows.keys[low : high + 1]))
        self._anchor = key

    def clear(self) -> bool:
        """Unmark all; False when nothing was marked."""
        had = bool(self._keys)
        self._keys.clear()
        self._anchor = None
        return had

    def drop_gone(self) -> None:
        """Forget rows that are there no more."""
        self._keys = {key: None for key in self._keys if self._rows.has(key)}

    @property
    def shown(self) -> Sequence[K]:
        """The marked rows on the list, in its order."""
        found = [(index, key) for key in self._keys if (index := self._rows.index(key)) is not None]
        return [key for _, key in sorted(found, key=lambda pair: pair[0])]

    @property
    def hidden(self) -> Sequence[K]:
        """The marked rows that are not on the list now."""
        return [key for key in self._keys if self._rows.index(key) is None]
