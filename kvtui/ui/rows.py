"""What a table shows: whoever has rows in an order can be shown in one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

from kvtui.model import Cell

K = TypeVar("K", bound=Hashable)
"""What a row is known by."""


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
