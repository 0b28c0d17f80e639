"""What was typed or pasted while there was no guest to take it, and what a key after that may be meant for."""

from __future__ import annotations

from typing import Final

_QUIET: Final = 1.5
"""Seconds after which the user has seen how the console stands ..."""
_APART: Final = 0.5
"""... and since the enter before, which may be a key that is held down."""
_HELD: Final = 3.0
"""Seconds without an enter, once one was held back, after which the next one is meant for the guest."""
_ENDS: Final = frozenset(b"\r\n\x03\x04\x15")
"""What ends a line, or clears it: enter, ctrl+c, ctrl+d, ctrl+u."""
_TOLD: Final = 5.0
"""Seconds for which a loss is told on the line that comes after it."""


class Losses:
    """Counts from one loss of the line to the next. Times are by the session's clock."""

    def __init__(self) -> None:
        self._enter_at = float("-inf")
        self._begun = False
        """Whether something was typed that no enter has ended yet."""
        self._holds = False
        """Whether an enter by itself would run what somebody left on the guest's line ..."""
        self._holds_until = float("-inf")
        """... until then."""
        self._is_taken_back = False
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was lost: the line was lost again, or took something since."""
        self._keys = self._pastes = self._lines = self._enters = 0
        self._broken = ""
        self._until = float("inf")

    def add_sent(self, typed: bytes) -> None:
        """Something went to the guest, typed or pasted."""
        self.begin_anew()
        self._holds = False
        self._begin(typed)

    def add_key(self, now: float, typed: bytes) -> None:
        """A key reached nobody."""
        self._keys += 1
        self._begin(typed)
        if is_enter(typed):
            self._enter_at = now

    def add_paste(self, typed: bytes, lines: int) -> None:
        """A paste reached nobody."""
        self._pastes += 1
        self._lines += lines
        self._begin(typed)

    def _begin(self, typed: bytes) -> None:
        self._begun = not typed or typed[-1] not in _ENDS

    def break_paste(self, percent: int) -> str:
        """A paste was cut off after so much of it; the words for that."""
        self._broken = f"the paste ended at {percent} %"
        return self._broken

    def connect(self, now: float, *, found: bool, taken_back: bool, again: bool) -> None:
        """There is a line again: who typed sees for some seconds that it came later. Where a guest was `found` running,
        text of anybody may stand at its prompt, and stays when it moves; on a line `taken_back` with enter, more enters
        may follow.
        """
        self._until = now + _TOLD
        if found or not again:
            self._holds, self._is_taken_back, self._holds_until = found, taken_back, float("inf")
        if taken_back:
            self._enter_at = now

    def see_guest(self) -> None:
        """The guest spoke: its user sees where an enter goes."""
        self._holds = self._holds and self._is_taken_back

    def hold(self, now: float, typed: bytes) -> bool:
        """Whether a key must not reach the guest: an enter by itself, until the user typed something, or paused after
        the first that was held back.
        """
        self._holds = self._holds and is_enter(typed) and now < self._holds_until
        if self._holds:
            self._enters += 1
            self._enter_at = now
            self._holds_until = now + _HELD
            self._until = now + _TOLD
        return self._holds

    def tell(self, now: float) -> str:
        """What was not sent: a clause, or empty."""
        if now >= self._until:
            self.begin_anew()
        return ", ".join(
            part for part in (self._broken, self._name_pastes(), self._name_keys(), self._name_enters()) if part
        )

    def _name_keys(self) -> str:
        return f"{self._keys} key{'s were' if self._keys > 1 else ' was'} not sent" if self._keys else ""

    def _name_pastes(self) -> str:
        if not self._pastes:
            return ""
        size = f"{self._lines} line{'s' if self._lines > 1 else ''}"
        return (
            f"{self._pastes} pastes of {size} were not sent" if self._pastes > 1 else f"a paste of {size} was not sent"
        )

    def _name_enters(self) -> str:
        if not self._enters:
            return ""
        held = "enter was held back" if self._enters == 1 else f"{self._enters} enters were held back"
        way_out = f"ctrl+u, or else ctrl+c, clears it, enter after {_HELD:g} s runs it"
        return f"{held}: text may stand on the guest's line; {way_out}"

    def end_typing(self) -> None:
        """What was typed had its end: the far side took it and ended."""
        self._begun = False

    @property
    def is_begun(self) -> bool:
        """Whether the next enter ends something typed."""
        return self._begun

    def is_calm(self, now: float, since: float) -> bool:
        """Whether an enter now does not belong to something typed, where the console stands as it does since then."""
        return not self._begun and now - since >= _QUIET and now - self._enter_at >= _APART


def is_enter(typed: bytes) -> bool:
    """Whether a key is enter by itself."""
    return typed in (b"\r", b"\r\n")
