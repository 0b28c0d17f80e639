"""Answers put to the server while their form is still there: what it refuses can be mended at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kvtui.audit import chosen
from kvtui.backends.base import Backend
from kvtui.backends.objects import Rehearser
from kvtui.errors import KvtuiError, UnreachableError, UntriableError
from kvtui.model import Ref
from kvtui.resources.base import AnyAction
from kvtui.resources.form import Answers

PATIENCE: Final = 6.0
"""Seconds that a server may take to say whether it would do it."""


def rehearsal(backend: Backend, action: AnyAction, row: Any, ref: Ref) -> Callable[[Answers], Awaitable[str]] | None:
    """Has the server try the action on a row, which `ref` means, with some answers, and tells why it would refuse; see
    `Sheet.rehearse`.

    None where the backend tries out nothing, and for what goes on for long: only its first step could be tried.
    """
    if not isinstance(backend, Rehearser) or action.transfer is not None:
        return None
    stage = backend.rehearse()

    async def rehearse(answers: Answers) -> str:
        try:
            with chosen(action.id, action.command, ref, *action.touches(row, answers)):
                async with asyncio.timeout(PATIENCE):
                    await action.run(stage, row, answers)
        except TimeoutError as error:
            raise UnreachableError(f"{backend.name} did not answer within {PATIENCE:.0f}s") from error
        except UnreachableError:
            raise
        except UntriableError:
            # What it says to it is seen when it is done.
            return ""
        except KvtuiError as error:
            return str(error)
        return ""

    return rehearse
