"""What a rule is: a pure judgement over one subject, and the word of when to look again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kvtui.model import Finding, Ref
from kvtui.records.base import Record
from kvtui.store import View

LINGER = 5.0
"""Seconds for which an object must be well before what was found in it goes."""
LOOK_AGAIN = 15.0
"""Seconds between two looks at what was found where the cause may lie in more than can be followed."""
PATIENCE = 60.0
"""Seconds that a controller may take once what it waited for is mended."""
LOADING = 1.0
"""Seconds between two looks at whether all of a kind are listed."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing in an object that says that something is wrong."""

    finding: Finding
    """What is to be told if no rule does."""
    told_by: frozenset[str] = frozenset()
    """Rules that tell of it, whatever they give for evidence."""
    hearsay: bool = False
    """Whether only an event says so: it is no news where what its object stands on or works for is told of."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule says of its subject now."""

    finding: Finding | None = None
    again: float | None = None
    """When it may say something else though nothing changed, in seconds since the epoch."""
    hidden: bool = False
    """Whether nobody can tell at present: what is found again afterwards is as old as it was."""
    unexplained: bool = False
    """Whether it is told only as no reason is found: one that has just gone may still be at work."""
    over: bool = False
    """Whether it is certain that nothing is wrong any more: what was found does not linger."""
    confirmed: bool = False
    """Whether something else says the same already: it is told without settling."""
    complaints: tuple[Complaint, ...] = ()
    """Where it gathers what an object complains of: each for itself, the worst first. What a rule has told of them is
    left out.
    """


WELL = Judgement()
"""Nothing is wrong, and only a change can alter that."""
HIDDEN = Judgement(hidden=True)
"""What it judges by is of long ago."""


Related = Callable[[View, Ref, Any], Iterable[Ref]]
"""The subjects that a changed record (its ref, its state) has a part in."""


def itself(_view: View, ref: Ref, _record: Record) -> tuple[Ref]:
    """For `related`: the record is the subject."""
    return (ref,)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pure function over the view. It judges one subject at a time, so that a fleet costs what changes in it."""

    id: str
    judge: Callable[[View, Ref, float], Judgement]
    """The subject may be gone: then all is well."""
    related: Mapping[type[Record], Related]
    """Which subjects to judge anew when a record of that type comes, changes or goes."""
    feeds: bool = False
    """Whether its subjects are the backends, judged anew when one of their feeds changes."""
    settle: float = 0.0
    """Seconds that a finding must stand before it is told: controllers try again."""
    look_again: float = 0.0
    """Seconds after which what it has found is judged anew though nothing of `related` changed; 0 for not at all."""
    linger: float = 0.0
    """Seconds that its subject must be well before a finding goes: what comes and goes stays in sight."""
    patience: float = 0.0
    """Seconds for which a finding without a reason is not told after there was another thing to say."""
    detects: str = ""
    """What it finds, in a sentence for the table of rules."""
    severities: str = ""
    """Those that its findings may have, the worst first, for the same table: ``bad, warn``."""


def backend_ref(backend: str) -> Ref:
    """A backend as a subject."""
    return Ref(backend, BACKEND, "", backend)


BACKEND = "Backend"
"""The kind of a backend as a subject."""
