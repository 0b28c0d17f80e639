"""Keys that are typed before the list stands: they wait for it, and act in their order on the rows that stand then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from textual.app import App
from textual.events import Key
from textual.timer import Timer

from kvtui.ui.hacks import Typed

_LOOK: Final = 0.05
"""Seconds between two looks at whether the list stands."""
_ALWAYS: Final = frozenset({"ctrl+c", "ctrl+z"})


class EarlyKeys:
    """Holds keys and pastes that come before the first row until the list stands, then gives them to `deliver`."""

    def __init__(
        self,
        app: App[int],
        stands: Callable[[bool], bool],
        begin: Callable[[], None],
        deliver: Callable[[Typed], Awaitable[None]],
        tell: Callable[[int], None],
    ) -> None:
        """`stands` answers whether there is any row to act on, or (true) whether the whole list stands; `begin` makes
        the list as whoever typed blindly means it; `tell` hears how many wait.
        """
        self._app = app
        self._stands = stands
        self._begin = begin
        self._deliver = deliver
        self._tell = tell
        self._held: list[Typed] = []
        self._timer: Timer | None = None

    def take(self, event: Typed, own: frozenset[str]) -> bool:
        """Whether the event waits. The `own` keys of what is shown meanwhile do not, unless others wait before them;
        then escape forgets those. What ends or stops the program never waits.
        """
        key = event.key if isinstance(event, Key) else ""
        if not self._held and self._stands(False):
            return False
        if key in _ALWAYS or (key in own and not self._held):
            return False
        if key == "escape":
            self.forget()
            return True
        self._held.append(event)
        self._tell(len(self._held))
        if self._timer is None:
            self._timer = self._app.set_interval(_LOOK, self._look)
        return True

    def forget(self) -> None:
        """Let what waits never act."""
        self._held.clear()
        self._end()
        self._tell(0)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    async def _look(self) -> None:
        if self._stands(True):
            held, self._held = self._held, []
            self._end()
            self._begin()
            for event in held:
                await self._deliver(event)
