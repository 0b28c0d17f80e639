"""All work-arounds of the framework, each with its reason, so that an upgrade has one file to look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from textual._compositor import CompositorUpdate
from textual.app import App
from textual.events import Key
from textual.message_pump import MessagePump
from textual.screen import Screen


def screen_text(app: App[Any]) -> str:
    """The screen as plain lines, for tests and goldens.

    Textual has no public way to the text of a frame; `_compositor.render_strips` has been stable for years.
    """
    screen: Screen[Any] = app.screen
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())


def record_frames(app: App[Any]) -> list[str]:
    """What goes to the terminal from now on, frame by frame, for tests: without a terminal Textual writes nothing."""
    frames: list[str] = []
    display = app._display

    def record(screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            frames.append(renderable.render_segments(app.console))
        display(screen, renderable)

    app._display = record  # type: ignore[method-assign]
    return frames


class KeyOrder:
    """Hands keys to the app one at a time, each when the one before it has had its effect.

    Textual sends every key to the widget that has the focus at that moment; an action bound to it runs only when the
    key has bubbled up to the app. Keys that arrive in one piece, as they do over a slow link, would therefore miss the
    filter line that the first of them opened, and be taken for actions on the list.
    """

    def __init__(self, app: App[Any], deliver: Callable[[Key], Awaitable[None]]) -> None:
        self._app = app
        self._deliver = deliver
        self._waiting: deque[Key] = deque()
        self._under_way: Key | None = None

    async def take(self, key: Key) -> None:
        """Deliver the key now, or when its turn comes."""
        self._waiting.append(key)
        if self._under_way is None:
            await self._next()

    async def _next(self) -> None:
        if not self._waiting:
            return
        key = self._under_way = self._waiting.popleft()
        target: MessagePump = self._app.focused or self._app.screen
        await self._deliver(key)
        self._follow(key, target)

    def _follow(self, key: Key, pump: MessagePump) -> None:
        """Go on once `pump`, which got the key first, has seen to it."""
        if not pump.call_later(self._passed, key, pump):
            self._app.call_later(self._end, key)

    def _passed(self, key: Key, pump: MessagePump) -> None:
        if pump is self._app or key._stop_propagation or pump._parent is None:
            self._app.call_later(self._end, key)
        else:
            self._follow(key, pump._parent)

    async def _end(self, key: Key) -> None:
        if self._under_way is key:
            self._under_way = None
            await self._next()
