"""What a session talks over: a stream of bytes that somebody else opens, or refuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, runtime_checkable

from kvtui.console.sight import Sight, Stage
from kvtui.console.state import State, Stream
from kvtui.errors import AbsentError, BackendError, ForbiddenError, HeldError, ReadOnlyError, UnauthorizedError

# virt-handler's words when the VM has no serial device; the same code 400 as for a VM that is not running yet.
_NO_DEVICE: Final = "No serial console"
_NOT_YET: Final = frozenset({Stage.OFF, Stage.STARTING, Stage.PLACED, Stage.ENDED})


class Line(Protocol):
    """The byte stream under a session."""

    async def read(self) -> bytes:
        """The next bytes; empty at a clean end. Raises BackendError when the line is cut."""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises BackendError when the line is cut."""

    async def close(self) -> None:
        """End the line; a second call does nothing."""


@runtime_checkable
class SizedLine(Protocol):
    """A line whose far end wants to know the size of the terminal."""

    def resize(self, columns: int, lines: int) -> None:
        """Tell the size."""


Dial = Callable[[], Awaitable[Line]]
"""Opens a line. Raises BackendError."""


def is_worth_waiting(error: BackendError, sight: Sight, stream: Stream, state: State) -> bool:
    """Whether a line that was refused may be given later, without anybody's doing but the machine's."""
    if stream is Stream.SHELL or isinstance(error, ForbiddenError | HeldError | ReadOnlyError | UnauthorizedError):
        return False
    if _NO_DEVICE in f"{error.title} {error.detail}":
        return False
    if stream is Stream.LOG and isinstance(error, AbsentError) and sight.stage not in _NOT_YET:
        # The guest runs, so it is the log that is absent.
        return False
    # 409: the machine failed a moment ago.
    return state in (State.WAITING, State.FOLLOWING) or error.code in (400, 404, 409)
