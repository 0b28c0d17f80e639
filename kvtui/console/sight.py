"""What a session is told of its machine: whether a line is to be had now, and what may have broken the last one."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple


class Stage(enum.Enum):
    """How far a machine is, from the view of somebody who waits for its console."""

    UNKNOWN = "unknown"
    """The machine may not be seen, or not yet: only the server can tell."""
    UNREACHABLE = "unreachable"
    """The backend does not answer."""
    OFF = "off"
    STARTING = "starting"
    """It has an instance, which is not with a node yet."""
    PLACED = "placed"
    """It is with a node that is about to start the guest: the first moment in which there may be a console."""
    RUNNING = "running"
    GOING = "going"
    """It runs and is about to stop or to move."""
    ENDED = "ended"
    """The guest has ended, in order or not, and its instance is still there."""


class Place(NamedTuple):
    """Where a line leads to: while this stays the same, the line has no reason to break by itself."""

    uid: str
    """Of the instance: another one is another boot."""
    node: str
    """Empty before it is with a node."""
    run: int = 0
    """Which process of the node it is, where one instance is booted again and again."""

    def goes_on_from(self, before: Place) -> bool:
        """Whether it is the boot that was there before: the same guest, perhaps moved."""
        return self.uid == before.uid and (self.node != before.node or self.run == before.run)


class Sight(NamedTuple):
    """What is known of a machine now."""

    stage: Stage
    place: Place | None = None
    """None where there is no instance, or it may not be seen."""
    words: str = ""
    """Its state in the field's own word, ``Stopped`` or ``Scheduling``; of one out of reach, who does not answer."""
    began: float | None = None
    """When the instance began to run, where that is known."""
    moved_at: float | None = None
    """When its last migration ended, by the server's clock as the two that follow, where that is known."""
    created_at: float | None = None
    """When the instance was made."""
    ended_at: float | None = None
    """When the guest of an instance that is over ended."""

    @property
    def is_off(self) -> bool:
        """Whether there is no guest, so that nothing need be asked of the server."""
        return self.stage in (Stage.OFF, Stage.ENDED)

    @property
    def is_seen(self) -> bool:
        """Whether the machine itself can be seen."""
        return self.stage not in (Stage.UNKNOWN, Stage.UNREACHABLE)


_FAILED = ("Failed", "Crashed")

Look = Callable[[], Sight]
"""What is known of the machine now; asks nobody."""


def explain_cut(before: Place | None, now: Sight) -> str:
    """What the machine did that broke its line, as a clause; empty while it runs on at its place, or is not seen."""
    if now.is_off:
        return "the VM failed" if now.words.startswith(_FAILED) else "the VM stopped"
    if not now.is_seen or before is None or now.place is None:
        return ""
    if not now.place.goes_on_from(before):
        return "the VM was restarted"
    moved = now.place.node and before.node and before.node != now.place.node
    return f"the VM moved to {now.place.node}" if moved else ""


def learn_place(known: Place | None, now: Place | None) -> Place | None:
    """Where a line leads to, of which `known` was seen when it was opened: the store may tell the rest only later."""
    if known is None:
        return now
    return now if now is not None and not known.node and now.uid == known.uid else known
