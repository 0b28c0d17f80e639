"""What a table shows: whoever has rows in an order can be shown in one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

from kvtui.model import Cell
from kvtui.resources.base import Column

K = TypeVar("K", bound=Hashable)
"""What a row is known by."""
R = TypeVar("R")
"""What a row is made of."""


class Rows(Protocol[K]):
    """What a table shows: keys in their order, and the cells of each."""

    @property
    def keys(self) -> Sequence[K]:
        """All rows, in the order of the screen."""

    def index(self, key: K) -> int | None:
        """Where a row is; None when it is not there (any more)."""

    def has(self, key: K) -> bool:
        """Whether there is such a row, shown or hidden."""

    def cell(self, key: K, column: int, now: float) -> Cell:
        """The cell of one of the columns."""

    def now(self) -> float:
        """The present time, in seconds since the epoch."""


class KeyedRows(Generic[K, R]):
    """Rows in the order in which they are put, each under the key by which it stays the same while its words change."""

    def __init__(self, columns: Sequence[Column[R]], clock: Callable[[], float]) -> None:
        self.keys: Sequence[K] = ()
        self._columns = columns
        self._clock = clock
        self._rows: dict[K, R] = {}
        self._places: dict[K, int] = {}

    def put(self, rows: dict[K, R]) -> tuple[set[K], bool]:
        """Other rows are there; those that read differently, and whether any came, went or changed places."""
        changed = {key for key, row in rows.items() if self._rows.get(key) != row}
        moved = list(rows) != list(self.keys)
        self._rows, self.keys = rows, tuple(rows)
        self._places = {key: index for index, key in enumerate(self.keys)}
        return changed, moved

    def index(self, key: K) -> int | None:
        """Where a row is; None when it is not there (any more)."""
        return self._places.get(key)

    def has(self, key: K) -> bool:
        """Whether there is such a row."""
        return key in self._places

    def cell(self, key: K, column: int, now: float) -> Cell:
        """The cell of one of the columns."""
        return self._columns[column].cell(self._rows[key], now)

    def now(self) -> float:
        """The present time, in seconds since the epoch."""
        return self._clock()

    def find(self, key: K | None) -> R | None:
        """The row of a key."""
        return self._rows.get(key) if key is not None else None
