"""What was typed or pasted while there was no guest to take it, and what a key after that may be meant for."""

from __future__ import annotations

from typing import Final

_QUIET: Final = 1.5
"""Seconds without typing after which the next key is meant for the console as it stands ..."""
_APART: Final = 0.5
"""... and since the enter before, which may be a key that is held down."""
_TOLD: Final = 5.0
"""Seconds for which a loss is told on the line that comes after it."""


class Losses:
    """Counts from one loss of the line to the next. Times are by the session's clock."""

    def __init__(self) -> None:
        self._typed_at = float("-inf")
        self._enter_at = float("-inf")
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was lost: the line was lost again, or took something since."""
        self._keys = self._pastes = self._lines = 0
        self._broken = ""
        self._until = float("inf")

    def add_key(self, now: float, *, is_enter: bool = False) -> None:
        """A key reached nobody. An enter by itself is nothing typed, so that the next one may be meant."""
        self._keys += 1
        if is_enter:
            self._enter_at = now
        else:
            self._typed_at = now

    def add_paste(self, now: float, lines: int) -> None:
        """A paste reached nobody."""
        self._pastes += 1
        self._lines += lines
        self._typed_at = now

    def break_paste(self, percent: int) -> str:
        """A paste was cut off after so much of it; the words for that."""
        self._broken = f"the paste ended at {percent} %"
        return self._broken

    def connect(self, now: float) -> None:
        """There is a line again: who typed sees for some seconds that it came later."""
        self._until = now + _TOLD

    def tell(self, now: float) -> str:
        """What was not sent: a clause, or empty."""
        if now >= self._until:
            self.begin_anew()
        return ", ".join(part for part in (self._broken, self._name_pastes(), self._name_keys()) if part)

    def _name_keys(self) -> str:
        return f"{self._keys} key{'s were' if self._keys > 1 else ' was'} not sent" if self._keys else ""

    def _name_pastes(self) -> str:
        if not self._pastes:
            return ""
        size = f"{self._lines} line{'s' if self._lines > 1 else ''}"
        return (
            f"{self._pastes} pastes of {size} were not sent" if self._pastes > 1 else f"a paste of {size} was not sent"
        )

    def is_calm(self, now: float, since: float) -> bool:
        """Whether a key now is not the end of something typed, where the console stands as it does since then."""
        return now - max(since, self._typed_at) >= _QUIET and now - self._enter_at >= _APART
