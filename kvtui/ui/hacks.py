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
    key has bubbled up to the app, and some effects take a few messages more, each handled by another widget's loop.
    Keys that arrive in one piece, as they do over a slow link, would therefore miss the filter line that the first of
    them opened, and be taken for actions on the list.
    """

    _ROUNDS = 4
    """How often the way from the widget to the app is walked: an effect is at most so many messages."""

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
        self._walk(key, target, target, self._ROUNDS)

    def _walk(self, key: Key, start: MessagePump, at: MessagePump, rounds: int) -> None:
        """Wait behind whatever `at` has to handle, then go on to its parent; a widget that is gone ends the way."""
        if not at.call_later(self._pass, key, start, at, rounds):
            self._app.call_later(self._end, key)

    def _pass(self, key: Key, start: MessagePump, at: MessagePump, rounds: int) -> None:
        if at is not self._app and at._parent is not None:
            self._walk(key, start, at._parent, rounds)
        elif rounds > 1:
            self._walk(key, start, start, rounds - 1)
        else:
            self._app.call_later(self._end, key)

    async def _end(self, key: Key) -> None:
        if self._under_way is key:
            self._under_way = None
            await self._next()
