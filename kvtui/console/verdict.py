"""Why there is no line: what the server answers, or what the machine tells of one that broke, be it later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from kvtui.console.sight import Look, Place, Sight, Stage, explain_cut
from kvtui.console.state import State, Stream
from kvtui.errors import AbsentError, BackendError, BusyError, HeldError, UnreachableError
from kvtui.text import clean_line, end_sentence

_PAUSE: Final = 0.1
_LOOKS: Final = 30
_LOOKS_GOING: Final = 100
"""The end of a migration or of a shutdown takes longer to be told than to happen."""
_LOOKS_AFTER: Final = 200
"""A store that is far behind its server may tell of a move when the user was told of a takeover already."""

_BEFORE: Final = 3.0
_AFTER: Final = 5.0
"""Seconds between a cut and the end of the migration that it belongs to, which the server tells to the second."""
_AGREES: Final = 60.0
"""Seconds after its end in which a move is told; clocks that make it more, or less than none, do not agree."""
_DIES: Final = 1.5
"""Seconds after a cut by which the guest has ended, as the server has it, if its end was the cut ..."""
_MAY_DIE: Final = 4.0
"""... and until which that cannot be told from a user who took the console at the end of a shutdown."""
_SECOND: Final = 1.0
"""What the server's times leave off at most."""

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


class Cause(NamedTuple):
    """What the machine did that broke a line."""

    sight: Sight
    """Of the machine after that."""
    words: str
    """A clause."""
    is_sure: bool = True
    """Whether it cannot have been another user."""


def _fits(sight: Sight, cut: float, now: float) -> bool:
    """Whether the move that is seen now may be what cut the line: a user may take it while a migration goes on."""
    if sight.moved_at is None:
        return True
    if -_BEFORE <= now - sight.moved_at <= _AGREES:
        return -_BEFORE <= sight.moved_at - cut <= _AFTER
    return now - cut <= _AFTER


def _name_end(before: Place | None, sight: Sight, cut: float, now: float) -> Cause | None:
    """How the guest that is seen to be over now explains the cut: a user may take the console during a shutdown."""
    ended_at = sight.created_at if _is_another(before, sight) else sight.ended_at
    by = now
    if ended_at is not None and -_BEFORE <= now - ended_at <= _AGREES:
        by = min(now, ended_at + _SECOND)
    if by - cut > _MAY_DIE:
        return None
    return Cause(sight, clean_line(explain_cut(before, sight)), is_sure=by - cut <= _DIES)


def _is_another(before: Place | None, sight: Sight) -> bool:
    """Whether it is another instance; the one before had ended when it was made."""
    return before is not None and sight.place is not None and not sight.place.goes_on_from(before)


def _name_cause(before: Place | None, sight: Sight, cut: float, now: float, stream: Stream) -> Cause | None:
    is_over = sight.is_off or _is_another(before, sight)
    if is_over and stream is Stream.SERIAL:
        return _name_end(before, sight, cut, now)
    words = clean_line(explain_cut(before, sight))
    return Cause(sight, words) if words and (is_over or _fits(sight, cut, now)) else None


async def find_cause(
    look: Look, before: Place | None, sleep: Sleep, clock: Clock, stream: Stream
) -> tuple[Sight, Cause | None]:
    """Why a line to `before` broke just now, and the last sight of the machine.

    There is no cause when the machine gives none within a few seconds, or for a log some more.
    """
    looks, cut = 0, clock()
    while True:
        sight = look()
        looks += 1
        cause = _name_cause(before, sight, cut, clock(), stream)
        is_slow = stream is Stream.LOG or sight.stage is Stage.GOING
        if cause or looks > (_LOOKS_GOING if is_slow else _LOOKS):
            return sight, cause
        await sleep(_PAUSE)


async def find_late_cause(look: Look, before: Place | None, sleep: Sleep, clock: Clock, cut: float) -> Cause | None:
    """The same of a serial console after the user was told that there is no cause for the cut at that time.

    A migration that begins only now is no reason, nor is an end that the server does not tell to be that old: who took
    a console may well stop the machine.
    """
    was_going = look().stage is Stage.GOING
    for _ in range(_LOOKS_AFTER):
        sight = look()
        if sight.stage is Stage.GOING and not was_going:
            break
        if cause := _name_cause(before, sight, cut, clock(), Stream.SERIAL):
            return cause
        if sight.is_off or _is_another(before, sight):
            break
        await sleep(_PAUSE)
    return None


def judge_refusal(error: BackendError, stream: Stream) -> tuple[State, str]:
    """How a session stands that got no line at all, and the sentence for it."""
    words = clean_line(str(error))
    if isinstance(error, HeldError):
        return State.HELD, "Held by another client."
    if isinstance(error, UnreachableError | BusyError):
        return State.LOST, end_sentence(f"No connection: {words}")
    what = "No boot log" if stream is Stream.LOG and isinstance(error, AbsentError) else "Refused"
    return State.REFUSED, end_sentence(f"{what}: {words}")
