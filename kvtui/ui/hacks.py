"""All work-arounds of the framework, each with its reason, so that an upgrade has one file to look at.

But for the terminal's driver, which is in `driver`.
"""

from __future__ import annotations

import re
import string
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol

from textual import _xterm_parser
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._keyboard_protocol import FUNCTIONAL_KEYS
from textual.app import App
from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.css.styles import RenderStyles
from textual.css.stylesheet import Stylesheet
from textual.css.types import CSSLocation
from textual.dom import DOMNode
from textual.driver import Driver
from textual.events import Key, Paste
from textual.keys import _character_to_key, key_to_character
from textual.message import Message
from textual.message_pump import MessagePump
from textual.notifications import Notification, Notify
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets._toast import ToastRack


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
            overlay = app.overlay if isinstance(app, StackedApp) else None
            frames.append(_Overlaid(renderable, overlay).render_segments(app.console))
        display(screen, renderable)

    app._display = record  # type: ignore[method-assign]
    return frames


_CURSOR_POSITION = re.compile(r"\x1b\[(?!1;(?:[2-9]|1[0-6])R)(?P<row>\d+);(?P<col>\d+)R")


_REPLY = re.compile(r"\?[\d;]+[cS]|6;\d+;\d+t")
_LONGEST_REPLY = 256


class TerminalReply(Message):
    """The terminal answered what Textual does not ask."""

    bubble = False

    def __init__(self, text: str) -> None:
        """`text` is without its CSI."""
        super().__init__()
        self.text = text


def mend_replies() -> None:
    """Make Textual's parser take replies to DA1, XTSMGRAPHICS and CSI 16 t for what they are.

    Textual 8.2.8 types them, as it does with every sequence that it does not know or that is longer than 32 characters,
    which xterm's reply to DA1 is. Those of mice are the only ones that a function of their own makes messages of.
    """
    if _REPLY.pattern in _xterm_parser._re_mouse_event.pattern:
        return
    mouse, parse = _xterm_parser._re_mouse_event.pattern, _xterm_parser.XTermParser.parse_mouse_code

    def parse_code(self: _xterm_parser.XTermParser, code: str) -> Message | None:
        text = code.removeprefix("\x1b[")
        return TerminalReply(text) if _REPLY.fullmatch(text) else parse(self, code)

    _xterm_parser._MAX_SEQUENCE_SEARCH_THRESHOLD = _LONGEST_REPLY
    _xterm_parser._re_mouse_event = re.compile(f"{mouse}|^\x1b\\[(?:{_REPLY.pattern})\\Z")
    _xterm_parser.XTermParser.parse_mouse_code = parse_code  # type: ignore[method-assign]


class EscapedKey(str):
    """The name of a key that a terminal without Kitty's protocol sent behind an escape: Alt was held, or Escape was
    pressed just before and both came in one piece.
    """

    __slots__ = ()


class _Named(NamedTuple):
    """Looks like a member of Textual's enumeration of keys."""

    value: EscapedKey


def mend_keys() -> None:
    """Make Textual's parser tell all keys of terminals without Kitty's protocol, for a guest wants them as they are.

    Textual 8.2.8 takes Alt (and an Escape typed fast) off all keys but letters, makes other keys of some, loses letters
    that come too fast one after the other, and takes F13 to F20 for characters and F3 with a modifier for the place of
    the cursor. ``alt+[`` and ``alt+O`` begin sequences and stay as Textual has them.
    """
    _xterm_parser._re_cursor_position = _CURSOR_POSITION
    controls = (chr(code) for code in (*range(0x20), 0x7F) if chr(code) not in "\t\x1b")
    printable = (mark for mark in string.printable if mark.isprintable() and mark not in "[O")
    table: dict[str, Any] = ANSI_SEQUENCES_KEYS  # type: ignore[assignment]
    for character in (*controls, *printable):
        table[f"\x1b{character}"] = (_Named(EscapedKey(f"alt+{_name_behind_escape(character)}")),)
    codes = (25, 26, 28, 29, 31, 32, 33, 34)
    FUNCTIONAL_KEYS.update({f"{code}~": f"f{number}" for number, code in enumerate(codes, start=13)})


def _name_behind_escape(character: str) -> str:
    if character == "\b":
        return "ctrl+h"
    if character.isupper():
        return f"shift+{character.lower()}"
    known: Any = ANSI_SEQUENCES_KEYS.get(character)
    return str(known[0].value) if isinstance(known, tuple) else _character_to_key(character)


def take_apart(key: Key) -> Iterator[Key]:
    """Escape and the key behind it, where they came in one piece."""
    if isinstance(key.key, EscapedKey):
        name = key.key.removeprefix("alt+")
        escape = Key("escape", "\x1b")
        *held, last = name.split("+")
        if held == ["shift"]:
            name = last.upper()
        behind = Key(name, key_to_character(name))
        escape.time = behind.time = key.time
        yield escape
        yield behind
    else:
        yield key


class Overlay(Protocol):
    """What is drawn over the cells of a terminal, by sequences that Textual does not know."""

    def behind(self, runs: Iterator[tuple[int, int, Strip]]) -> str:
        """What is to be sent behind a frame that writes these strips, each at a line and a column."""

    def hear(self, reply: str) -> None:
        """The terminal answered."""


class _Overlaid(CompositorUpdate):
    """A frame and what belongs over it, in one piece: in one synchronized update, where the terminal knows them."""

    def __init__(self, update: CompositorUpdate, overlay: Overlay | None) -> None:
        self._update = update
        self._overlay = overlay

    def render_segments(self, console: Any) -> str:
        behind = self._overlay.behind(_written(self._update)) if self._overlay is not None else ""
        return self._update.render_segments(console) + behind


def _written(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Line, column and strip of all that a frame writes, as its `render_segments` does it."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield y, x, strip
                x += strip.cell_length
    elif isinstance(update, ChopsUpdate):
        for y, first, last in update.spans:
            for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if chop is not None and x <= last and end > first:
                    yield y, x, chop.crop(0, min(end, last) - x)


class StackedApp(App[int], inherit_bindings=False):
    """Draws what belongs over the cells behind each frame, and nothing of a screen that another one hides.

    Textual 8.2.8 looks for an opaque background only from the second screen of the stack on: the one below the top is
    always taken for visible, and whatever changes in it is sent to the terminal as the top screen's cells, all of them
    once a second. A hidden screen keeps what is to be drawn, and takes another size, until it is on top again.
    """

    overlay: Overlay | None = None

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if self.overlay is not None and isinstance(renderable, CompositorUpdate):
            renderable = _Overlaid(renderable, self.overlay)
        super()._display(screen, renderable)

    def on_terminal_reply(self, event: TerminalReply) -> None:
        """Hand on what the terminal answered."""
        if self.overlay is not None:
            self.overlay.hear(event.text)

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        stack = self._screen_stack
        return [] if stack and stack[-1].styles.background.a == 1 else super()._background_screens


class ToastingApp(StackedApp, inherit_bindings=False):
    """Shows a text once, never over a dialog, and the newest ones where there is no room for all.

    Textual 8.2.8 shows a text as often as it is told, with a dialog both over the dialog and in the screen below, and
    the oldest ones where there is no room: its rack is hidden, has therefore no size, and cannot be scrolled.
    """

    def __init__(self, driver_class: type[Driver]) -> None:
        super().__init__(driver_class=driver_class)
        self._untold: list[Notification] = []
        """What waits for a dialog to end."""

    @property
    def toast_room(self) -> int:
        """Lines that toasts may take."""
        return self.size.height

    def measure_toast(self, toast: Notification) -> int:
        """Lines that a toast takes, with its margin; how they are wrapped is for a subclass to know."""
        return 1 + len(toast.title.splitlines()) + len(toast.message.splitlines())

    def _on_notify(self, event: Notify) -> None:
        event.prevent_default()
        self._untold.append(event.notification)
        self._refresh_notifications()

    def _refresh_notifications(self) -> None:
        """Textual calls it when a screen comes to the top, too."""
        stack = self._screen_stack
        if not stack or isinstance(stack[-1], ModalScreen):
            return
        for new in self._untold:
            for shown in [one for one in self._notifications if (one.title, one.message) == (new.title, new.message)]:
                self._forget_toast(shown)
            new.raised_at = time.time()
            self._notifications.add(new)
        self._untold.clear()
        self._make_toasts_fit()
        super()._refresh_notifications()

    def _make_toasts_fit(self) -> None:
        room = self.toast_room
        for age, toast in enumerate(reversed(list(self._notifications))):
            room -= self.measure_toast(toast)
            if room < 0 and age > 0:
                self._forget_toast(toast)

    def _forget_toast(self, toast: Notification) -> None:
        del self._notifications[toast]
        self.screen.query(f"#{ToastRack._toast_id(toast)}").remove()

    def clear_notifications(self) -> None:
        """Forget all of them."""
        self._untold.clear()
        super().clear_notifications()


def write_to_terminal(app: App[Any], sequence: str) -> None:
    """Send an escape sequence between two frames. Textual has no public way for sequences that it does not know."""
    if app._driver is not None:
        app._driver.write(sequence)


_PARSED: LRUCache[tuple[object, ...], list[RuleSet]] = LRUCache(512)
"""Rules by the variables and the text that they were parsed from."""


def mend_stylesheets() -> None:
    """Make Textual parse a piece of CSS once for each theme.

    Textual 8.2.8 forgets all that it parsed when the theme is set, as it is at every start: the whole style sheet was
    parsed three times until the first rows stood.
    """
    parse = Stylesheet._parse_rules
    if parse.__module__ == __name__:
        return

    def parse_once(
        self: Stylesheet,
        css: str,
        read_from: CSSLocation,
        is_default_rules: bool = False,
        tie_breaker: int = 0,
        scope: str = "",
    ) -> list[RuleSet]:
        key = (frozenset(self._variables.items()), css, read_from, is_default_rules, tie_breaker, scope)
        rules = _PARSED.get(key)
        if rules is None:
            rules = _PARSED[key] = parse(self, css, read_from, is_default_rules, tie_breaker, scope)
        return rules

    Stylesheet._parse_rules = parse_once  # type: ignore[method-assign]


class PaintedWidget(Widget):
    """A widget that draws its own lines. Each look of its COMPONENT_CLASSES is worked out when it is first drawn with.

    Textual 8.2.8 works all of them out whenever the style of the widget may have changed, for hidden widgets too: with
    our tables and bars that was five of six nodes that it styled, and most looks were never drawn with.
    """

    @classmethod
    @cache
    def _get_component_classes(cls) -> frozenset[str]:
        return frozenset()

    def get_component_styles(self, *names: str) -> RenderStyles:
        """The looks of these names, merged; KeyError for one that is not among the COMPONENT_CLASSES."""
        for name in super()._get_component_classes().intersection(names).difference(self._component_styles):
            look = DOMNode(classes=name)
            look._attach(self)
            self.app.stylesheet.apply(look)
            self._component_styles[name] = look.styles
        return super().get_component_styles(*names)

    def notify_style_update(self) -> None:
        """Colours changed."""
        super().notify_style_update()
        if self._component_styles:
            self._component_styles.clear()
            self.refresh()


Typed = Key | Paste


class KeyOrder:
    """Hands keys and pastes to the app one at a time, each when the one before it has had its effect.

    Textual sends every key to the widget that has the focus at that moment; an action bound to it runs only when the
    key has bubbled up to the app, and some effects take a few messages more, each handled by another widget's loop.
    Keys that arrive in one piece, as they do over a slow link, would therefore miss the filter line that the first of
    them opened, and be taken for actions on the list.
    """

    _ROUNDS = 4
    """How often the way from the widget to the app is walked: an effect is at most so many messages."""

    def __init__(self, app: App[Any], deliver: Callable[[Typed], Awaitable[None]]) -> None:
        self._app = app
        self._deliver = deliver
        self._waiting: deque[Typed] = deque()
        self._under_way: Typed | None = None

    async def take(self, key: Typed) -> None:
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

    def _walk(self, key: Typed, start: MessagePump, at: MessagePump, rounds: int) -> None:
        """Wait behind whatever `at` has to handle, then go on to its parent; a widget that is gone ends the way."""
        if not at.call_later(self._pass, key, start, at, rounds):
            self._app.call_later(self._end, key)

    def _pass(self, key: Typed, start: MessagePump, at: MessagePump, rounds: int) -> None:
        if at is not self._app and at._parent is not None:
            self._walk(key, start, at._parent, rounds)
        elif rounds > 1:
            self._walk(key, start, start, rounds - 1)
        else:
            self._app.call_later(self._end, key)

    async def _end(self, key: Typed) -> None:
        if self._under_way is key:
            self._under_way = None
            await self._next()
