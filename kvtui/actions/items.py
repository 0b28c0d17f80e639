"""An action over some rows, and each row of it: what is to be done, where it stands, and since when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kvtui.actions.care import Manager
from kvtui.model import Ref
from kvtui.resources.base import AnyAction, AnyResource
from kvtui.resources.form import Answers
from kvtui.text import name_few


class State(StrEnum):
    """Where an item stands."""

    WAITING = "waiting"
    ASKED = "asked"
    """The server is being asked."""
    ACCEPTED = "accepted"
    """The server accepted; its effect is awaited."""
    DONE = "done"
    FAILED = "failed"
    """Refused, or accepted and come to nothing."""
    LEFT_OUT = "left out"
    """It was not possible there."""
    UNSENT = "not sent"
    """Cancelled, or the backend was lost, before it was sent."""
    UNKNOWN = "nobody knows"
    """The connection was lost before the answer came."""


_OPEN: Final = frozenset({State.WAITING, State.ASKED, State.ACCEPTED})
AGAIN: Final = frozenset({State.FAILED, State.UNSENT, State.UNKNOWN})
"""What is tried again. What nobody knows of may have been done: the user is asked, and told so."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done to one row."""

    row: Any
    answers: Answers | None = None
    reason: str = ""
    """Why the row is left out; empty when it is not."""


@dataclass(eq=False, slots=True)
class Item:
    """One row of a batch."""

    batch: Batch
    ref: Ref
    action: AnyAction
    """As this row wants it."""
    answers: Answers | None
    row: Any | None
    """As it was when it was asked for; let go of when the item has ended."""
    state: State = State.WAITING
    words: str = ""
    """The server's on a failure; why it was left out or not sent."""
    since: float = 0.0
    """When the state began, in seconds since the epoch."""
    asked: float | None = None
    """When the server was asked."""
    manager: Manager | None = None
    """Who may undo it, as it was when the server was asked."""
    put_back: float | None = None
    """When its VM had been put back as git has it the last time, at that time."""
    before: int | None = None
    """A digest of how its VM was declared at that time, where nothing else tells that it was undone."""
    effect: float | None = None
    """When its effect was seen, where it is looked then whether somebody undoes it."""
    gained: str = ""
    """What is to be said then."""
    undone: bool = False
    """Whether it was undone after it had been done."""
    made: Ref | None = None
    """What was made that is looked at until its end."""
    result: Ref | None = None
    """What was made, whether its end is looked at or not."""
    target: Ref | None = None
    """The VM that this leads to."""
    unseen: bool = False
    """Whether its row cannot show the effect: it was done when the server had accepted it."""
    seen: bool = False
    """Whether that was there."""
    already: bool = False
    """Whether it was left out because the row is so already."""
    warnings: list[str] = field(default_factory=list)
    """What the server warned of when it was asked."""
    shown: bool = False
    """Whether something else shows how it goes on: its row bears no mark any more."""

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        return self.state in _OPEN

    @property
    def undecided(self) -> bool:
        """Whether it may still be seen what comes of it: also of what nobody knows, while its row is looked at."""
        return self.open or (self.state is State.UNKNOWN and self.row is not None)

    @property
    def carried(self) -> bool:
        """Whether the program itself carries it on until its end."""
        return self.answers is not None and self.action.carried(self.answers)

    @property
    def gain(self) -> str:
        """What was made, in a clause: ``Service shop/web-1 is made``; empty when nothing."""
        return f"{self.result.kind} {self.result.path} is made" if self.result is not None else ""

    @property
    def aim(self) -> str:
        """What VM it leads to, in a clause: ``for VM shop/web-2``; empty when to none."""
        return f"for VM {self.target.path}" if self.target is not None else ""

    def is_overdue(self, now: float) -> bool:
        """Whether the effect is not seen within the usual time of its verb."""
        return self.state is State.ACCEPTED and now - self.since > self.patience

    @property
    def patience(self) -> float:
        """Seconds that the effect usually takes."""
        if self.shown and self.action.lasts:
            return self.action.lasts
        patience = self.action.patience
        return self.action.usual if patience is None or self.row is None else patience(self.row)

    def renew(self, row: Any) -> None:
        """Have it wait again, for the row as it is now, as if it had never been asked for."""
        self.row, self.asked, self.made, self.result = row, None, None, None
        self.seen = self.shown = False
        self.effect = None
        self.warnings.clear()

    def seconds(self, now: float) -> float | None:
        """From asking to the end, or to now; None when the server was not asked."""
        return None if self.asked is None else max(0.0, (now if self.open else self.since) - self.asked)


@dataclass(eq=False, slots=True)
class Batch:
    """One action over some rows."""

    number: int
    action: AnyAction
    resource: AnyResource
    begun: float
    items: list[Item] = field(default_factory=list)
    left: int = 0
    """Items that are open."""

    @property
    def counts(self) -> Counter[State]:
        """How many items are in which state."""
        return Counter(item.state for item in self.items)

    @property
    def unsent(self) -> bool:
        """Whether items wait to be sent, or for the server's answer."""
        return any(item.state in (State.WAITING, State.ASKED) for item in self.items)

    @property
    def answered(self) -> int:
        """How many items are neither to be sent nor to be answered any more."""
        return sum(item.state not in (State.WAITING, State.ASKED) for item in self.items)

    @property
    def open(self) -> bool:
        """Whether anything is still to come."""
        return self.left > 0

    @property
    def subject(self) -> str:
        """What it is done to: ``shop/web-1``, ``412 VMs``."""
        if len(self.items) == 1:
            return name_item(self.items[0])
        return f"{len(self.items)} {self.resource.title}"

    def summary(self, now: float) -> str:
        """How many are where: ``498 done, 1 failed, 1 left out``."""
        counts, overdue = self.counts, sum(item.is_overdue(now) for item in self.items)
        told = [f"{count} {state}" for state in _TOLD if (count := counts[state])]
        if undone := sum(item.undone for item in self.items):
            told.insert(1, f"{undone} of them put back")
        return ", ".join([*told, f"{overdue} of them overdue"] if overdue else told)


_TOLD: Final = (State.DONE, State.ACCEPTED, State.ASKED, State.WAITING, State.FAILED, State.UNKNOWN, State.UNSENT,
                State.LEFT_OUT)  # fmt: skip


def tell_warnings(items: Iterable[Item], name: Callable[[Item], str]) -> list[str]:
    """What the servers warned of, once each, with whom: ``shop/web-1 and 3 more: the server warns: ...``."""
    warned: dict[str, list[str]] = {}
    for item in items:
        for words in item.warnings:
            warned.setdefault(words, []).append(name(item))
    return [f"{name_few(names, 1)}: the server warns: {words}" for words, names in warned.items()]


def name_item(item: Item) -> str:
    """What it is done to, without its backend; what is made by its new name."""
    if item.ref.name or item.answers is None:
        return item.ref.path
    made = item.ref._replace(
        namespace=item.answers.text("namespace") or item.ref.namespace, name=item.answers.text("name")
    )
    return made.path
