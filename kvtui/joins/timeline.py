"""Moments of many layers on one axis: merged in order, repetitions folded, silence and clocks that disagree told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kvtui.joins.involved import Layer
from kvtui.joins.moments import OUR_CLOCK, Moment
from kvtui.model import Ref, Tone
from kvtui.text import age

GAP: Final = 600.0
"""Seconds without anything that are worth a line."""
_RUN: Final = 3600.0
"""Seconds that may lie between two repetitions of one thing."""
_TOLERANCE: Final = 2.0
"""Seconds by which clocks may differ: most times have no fractions, and asking takes its time."""
_ORDER: Final = {layer: number for number, layer in enumerate(Layer)}
_TROUBLES: Final = frozenset({Tone.WARN, Tone.BAD})
_LIVED: Final = frozenset({"event", "phase", "container"})
"""What can only happen to an object that is there; conditions are copied along with objects."""


@dataclass(frozen=True, slots=True)
class Gap:
    """So many seconds in which nothing is known to have happened."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """The present, among moments that clocks ahead of ours have told already."""

    at: float


Row = Moment | Gap | Now


def merge(*parts: Iterable[Moment]) -> list[Moment]:
    """All moments once, the oldest first; of the same moment read twice, the later one of `parts` counts. What happened
    at once stands in the order of its layers, then as it came.
    """
    found: dict[tuple[Ref, str, str], Moment] = {}
    for part in parts:
        for moment in part:
            found[moment.identity] = moment
    return sorted(found.values(), key=_place)


def _place(moment: Moment) -> tuple[float, int]:
    return moment.at, _ORDER[moment.layer]


def fold(moments: Sequence[Moment]) -> list[Moment]:
    """The same in order, with what repeated itself as one moment at its end that counts it; where anything else
    happened in between, also one at its beginning, which `opens`.
    """
    runs: list[Moment] = []
    latest: dict[tuple[Ref, Layer, str, str], int] = {}
    for moment in sorted(moments, key=lambda item: item.begin):
        alike = (moment.subject, moment.layer, moment.what, moment.detail)
        at = latest.get(alike)
        if at is not None and moment.begin - runs[at].at <= _RUN:
            runs[at] = _join(runs[at], moment)
        else:
            latest[alike] = len(runs)
            runs.append(moment)
    folded = sorted(runs, key=_place)
    return sorted([*folded, *_openings(folded)], key=_place)


def _join(one: Moment, other: Moment) -> Moment:
    last = max((one, other), key=lambda item: item.at)
    return replace(last, first=min(one.begin, other.begin), count=one.count + other.count)


def _openings(folded: Sequence[Moment]) -> Iterator[Moment]:
    """The beginnings of those runs during which something else happened."""
    for place, moment in enumerate(folded):
        if moment.count < 2 or moment.first is None or moment.first >= moment.at:
            continue
        between = any(other.at > moment.first for other in folded[:place]) or any(
            moment.first < other.begin < moment.at for other in folded[place + 1 :]
        )
        if between:
            yield replace(moment, at=moment.first, opens=True)


def lay_out(moments: Sequence[Moment], now: float, gap: float = GAP) -> list[Row]:
    """Folded moments with the gaps between them, and the present where it belongs."""
    rows: list[Row] = []
    before: float | None = None
    present = False
    for moment in moments:
        if not present and moment.at > now:
            rows += [*_silence(before, now, gap), Now(now)]
            before, present = now, True
        rows += [*_silence(before, moment.at, gap), moment]
        before = moment.at
    if not present:
        rows += [*_silence(before, now, gap), Now(now)]
    return rows


def _silence(before: float | None, at: float, gap: float) -> list[Gap]:
    return [Gap(at - before)] if before is not None and at - before >= gap else []


def is_trouble(moment: Moment) -> bool:
    """Whether it is worth showing where only trouble is wanted."""
    return moment.tone in _TROUBLES


def compare_clocks(moments: Iterable[Moment], now: float) -> list[str]:
    """A sentence for each clock that cannot agree with another: one that is ahead of ours, and one that told of an
    object before the API server had made it. Nothing is put right by it: times stand as they were told.
    """
    ahead: dict[str, float] = {}
    behind: dict[str, tuple[float, str]] = {}
    found = list(moments)
    created = {one.subject: one.at for one in found if one.source == "object" and one.key == "created"}
    for moment in found:
        if moment.source in ("finding", "audit"):
            continue
        ahead[moment.clock] = max(ahead.get(moment.clock, 0.0), moment.at - now)
        made = created.get(moment.subject)
        if moment.source in _LIVED and made is not None and moment.clock != OUR_CLOCK:
            early = made - moment.begin
            if early > behind.get(moment.clock, (0.0, ""))[0]:
                behind[moment.clock] = early, moment.subject.path
    return [
        *(
            f"the clock of {clock} is ahead of ours by {age(by)} or more"
            for clock, by in ahead.items()
            if by > _TOLERANCE and clock != OUR_CLOCK
        ),
        *(
            f"the clock of {clock} is behind that of the API server by {age(by)} or more: it tells of {path} before it"
            " was created"
            for clock, (by, path) in behind.items()
            if by > _TOLERANCE
        ),
    ]
