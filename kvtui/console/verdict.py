"""Why there is no line: what the server answers, or what the machine tells of one that broke, be it later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from kvtui.console.sight import Look, Place, Sight, Stage, explain_cut
from kvtui.console.state import State, Stream
from kvtui.errors import AbsentError, BackendError, BusyError, HeldError, UnreachableError
from kvtui.text import clean_line, end_sentence

_PAUSE: Final = 0.25
_LOOKS: Final = 12
_LOOKS_GOING: Final = 40
"""The end of a migration or of a shutdown takes longer to be told than to happen."""
_LOOKS_AFTER: Final = 80
"""A store that is far behind its server may tell of a move when the user was told of a takeover already."""

_BEFORE: Final = 3.0
_AFTER: Final = 5.0
"""Seconds between a cut and the end of the migration that it belongs to, which the server tells to the second."""
_AGREES: Final = 60.0
"""Seconds after its end in which a move is told; clocks that make it more, or less than none, do not agree."""
_DIES: Final = 3.0
"""Seconds after a cut in which the guest is told to have ended if its end was the cut."""

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


def _fits(sight: Sight, cut: float, now: float) -> bool:
    """Whether the move that is seen now may be what cut the line: a user may take it while a migration goes on."""
    if sight.moved_at is None:
        return True
    if -_BEFORE <= now - sight.moved_at <= _AGREES:
        return -_BEFORE <= sight.moved_at - cut <= _AFTER
    return now - cut <= _AFTER


def _was_over(ended_at: float | None, cut: float, now: float) -> bool:
    """Whether the guest that is seen to be over now had ended when the line was cut: a user may take it during a
    shutdown. Where neither the present nor the server's time tells, it had not.
    """
    if now - cut <= _DIES:
        return True
    return ended_at is not None and -_BEFORE <= now - ended_at <= _AGREES and ended_at - cut <= _DIES


def _is_another(before: Place | None, sight: Sight) -> bool:
    return before is not None and sight.place is not None and not sight.place.goes_on_from(before)


def _explain(before: Place | None, sight: Sight, cut: float, now: float, stream: Stream) -> str:
    is_another = _is_another(before, sight)
    if is_another or sight.is_off:
        # Where there is another instance, the one before had ended.
        ended_at = sight.created_at if is_another else sight.ended_at
        fits = stream is not Stream.SERIAL or _was_over(ended_at, cut, now)
    else:
        fits = _fits(sight, cut, now)
    return clean_line(explain_cut(before, sight)) if fits else ""


async def find_cause(look: Look, before: Place | None, sleep: Sleep, clock: Clock, stream: Stream) -> tuple[Sight, str]:
    """What the machine did that broke a line to `before` just now, as a clause, and the last sight of it.

    The clause is empty when the machine gives no reason within a few seconds, or for a log some more.
    """
    looks, cut = 0, clock()
    while True:
        sight = look()
        looks += 1
        cause = _explain(before, sight, cut, clock(), stream)
        is_slow = stream is Stream.LOG or sight.stage is Stage.GOING
        if cause or looks > (_LOOKS_GOING if is_slow else _LOOKS):
            return sight, cause
        await sleep(_PAUSE)


async def find_late_cause(
    look: Look, before: Place | None, sleep: Sleep, clock: Clock, cut: float
) -> tuple[Sight, str]:
    """The same of a serial console after the user was told that there is no cause for the cut at that time.

    A migration that begins only now is no reason, nor is an end that the server does not tell to be that old: who took
    a console may well stop the machine.
    """
    sight = look()
    was_going = sight.stage is Stage.GOING
    for _ in range(_LOOKS_AFTER):
        sight = look()
        if sight.stage is Stage.GOING and not was_going:
            break
        if cause := _explain(before, sight, cut, clock(), Stream.SERIAL):
            return sight, cause
        if sight.is_off or _is_another(before, sight):
            break
        await sleep(_PAUSE)
    return sight, ""


def judge_refusal(error: BackendError, stream: Stream) -> tuple[State, str]:
    """How a session stands that got no line at all, and the sentence for it."""
    words = clean_line(str(error))
    if isinstance(error, HeldError):
        return State.HELD, "Held by another client."
    if isinstance(error, UnreachableError | BusyError):
        return State.LOST, end_sentence(f"No connection: {words}")
    what = "No boot log" if stream is Stream.LOG and isinstance(error, AbsentError) else "Refused"
    return State.REFUSED, end_sentence(f"{what}: {words}")
