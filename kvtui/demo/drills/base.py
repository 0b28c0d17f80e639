"""What a drill is: an incident that the demo cluster's own controllers play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvtui.demo.world import World

Play = Callable[["World"], None]
_WIDTH = 79
DEVELOPS = 900.0
"""Virtual seconds after which most incidents stand."""


@dataclass(frozen=True, slots=True)
class Drill:
    """One incident. Its objects are made as a user, an administrator or a failing machine would make them."""

    name: str
    sentence: str
    """What it is about, for the list of drills; not the cause."""
    briefing: str
    """What the engineer is told when the telephone rings: the symptom."""
    debrief: str
    """Cause and cure, told afterwards."""
    play: Play
    """Sets it up. The controllers do the rest."""
    develops: float = DEVELOPS
    """Virtual seconds until it stands."""

    @property
    def told_before(self) -> str:
        """The briefing on a terminal."""
        return _fill(f"Drill {self.name}: {self.briefing}")

    @property
    def told_after(self) -> str:
        """The debrief on a terminal."""
        return _fill(f"Drill {self.name}, what it was: {self.debrief}")


def _fill(words: str) -> str:
    # Names of labels and fields are to be copied whole.
    return fill(words, _WIDTH, break_long_words=False, break_on_hyphens=False)


def drill(
    name: str, sentence: str, *, briefing: str, debrief: str, develops: float = DEVELOPS
) -> Callable[[Play], Drill]:
    """Make a drill of the function that plays it."""

    def make(play: Play) -> Drill:
        return Drill(name, sentence, briefing, debrief, play, develops)

    return make
