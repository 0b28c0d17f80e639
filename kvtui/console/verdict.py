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

Sleep = Callable[[float], Awaitable[None]]


async def find_cause(look: Look, before: Place | None, sleep: Sleep, *, patient: bool = False) -> tuple[Sight, str]:
    """What the machine did that broke a line to `before`, as a clause, and the last sight of it.

    The clause is empty when the machine gives no reason within a few seconds; `patient` waits longer.
    """
    looks = 0
    while True:
        sight = look()
        looks += 1
        cause = clean_line(explain_cut(before, sight))
        if cause or looks > (_LOOKS_GOING if patient or sight.stage is Stage.GOING else _LOOKS):
            return sight, cause
        await sleep(_PAUSE)


async def find_late_cause(look: Look, before: Place | None, sleep: Sleep) -> tuple[Sight, str]:
    """The same after the user was told that there is no cause.

    Only a move counts: who took a console may well stop the machine. A migration that begins only now is no reason.
    """
    sight = look()
    was_going = sight.stage is Stage.GOING
    for _ in range(_LOOKS_AFTER):
        sight = look()
        is_another = before is not None and sight.place is not None and not sight.place.goes_on_from(before)
        if sight.is_off or is_another or (sight.stage is Stage.GOING and not was_going):
            break
        if cause := clean_line(explain_cut(before, sight)):
            return sight, cause
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
