"""The terminal of one console session: frames out of the emulator, keys into the session."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from textual import events
from textual.message import Message

from kvtui.config import ConsoleSettings
from kvtui.console.foreground import is_drawn
from kvtui.console.keys import BACKSPACE, DELETE, Gesture, KeyOptions, Layout, encode, encode_mouse
from kvtui.console.session import Session
from kvtui.ui.consoles.selecting import SelectingView
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.paste import question_of

_SCROLL_KEYS = ("shift+pageup", "shift+pagedown")
_WHEEL_LINES = 3


class Terminal(SelectingView):
    """Shows a session and types into it. All keys but the detach chord, and those that scroll back, are the guest's.

    While the view is read none is. The mouse is the guest's if it asks for it, but for clicks with shift.
    """

    class Revived(Message):
        """Enter was pressed in a session that had ended, and was not the end of something typed."""

        def __init__(self, session: Session) -> None:
            super().__init__()
            self.session = session

    def __init__(
        self,
        session: Session,
        settings: ConsoleSettings,
        *,
        slow_link: bool = False,
        names: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(session.emulator, slow_link=slow_link, names=names, clock=clock)
        self.session = session
        self._chords = frozenset(key.strip() for key in settings.detach.split(","))
        self.options = KeyOptions(BACKSPACE if settings.backspace == "backspace" else DELETE, Layout(settings.keys))
        """What the keys send."""
        self._size_taken = False
        session.observe(self.draw_soon)

    @property
    def misfit(self) -> str:
        """How the view differs from the size that the guest was told; empty when it does not, or was told none."""
        columns, lines = self.size
        emulator = self.session.emulator
        if not self._size_taken or (columns, lines) == (emulator.columns, emulator.lines) or not lines:
            return ""
        return f"guest {emulator.columns}x{emulator.lines}, pane {columns}x{lines}"

    @property
    def rows_in_view(self) -> str:
        """Which rows are in view of a screen that is drawn as one picture; empty when all are that hold anything."""
        emulator, top = self.emulator, self.first_row
        bottom = top + self.size.height
        if self.is_reading or not self.size or bottom - top >= emulator.lines or not is_drawn(emulator):
            return ""
        hidden = (*range(top), *range(bottom, emulator.lines))
        return f"rows {top + 1}-{bottom} of {emulator.lines}" if any(map(emulator.row, hidden)) else ""

    def take_size(self) -> None:
        """Give the emulator the size of the view; whoever calls tells the guest."""
        self._size_taken = True
        self.session.resize(self.size.width, self.size.height)

    def on_resize(self, _event: events.Resize) -> None:
        """A shell gets the size of the view; a serial line keeps its own, of which the view shows a part."""
        # The base's handler is called as well, by Textual.
        if self.session.is_sized and self.size:
            self.session.resize(self.size.width, self.size.height)

    def on_key(self, event: events.Key) -> None:
        """The chord goes on to the screen, as does a ``?`` that no guest gets. Reading has its keys; everything else is
        typed into the guest.
        """
        if event.key in self._chords or (event.key == "question_mark" and self._may_ask):
            return
        event.stop()
        event.prevent_default()
        if self.is_reading:
            self.take_key(event.key, event.character)
        elif event.key in _SCROLL_KEYS:
            if event.key == "shift+pageup":
                self.begin_reading()
                self.take_key(event.key, None)
        elif event.key == "enter" and not self.session.is_open and self.session.is_calm:
            self.post_message(self.Revived(self.session))
        elif event.key == "escape" and self.session.pasting is not None:
            self.session.stop_paste()
        else:
            data = encode(event.key, event.character, self.session.emulator.modes, self.options)
            if data:
                # A session without a guest remembers that the key was lost.
                self.session.send(data)

    @property
    def _may_ask(self) -> bool:
        """Whether a question mark is nobody else's and may show the help."""
        return not self.is_typing if self.is_reading else self.session.is_read_only

    def on_paste(self, event: events.Paste) -> None:
        """Type the clipboard, paced for a serial line; what a guest would run line by line only after a question."""
        event.stop()
        if self.is_reading:
            self.take_paste(event.text)
            return
        if self.session.is_read_only:
            # It says so itself.
            self.session.paste(event.text)
            return
        question = question_of(self.session.prepare(event.text)) if self.session.is_connected else None
        if question is None:
            self._paste(event.text)
        else:
            self.app.push_screen(ConfirmDialog(question), lambda yes: self._paste(event.text) if yes else None)

    def _paste(self, text: str) -> None:
        if not self.session.paste(text):
            reason = "it is more than a megabyte" if self.session.is_connected else "the console is not connected"
            self.notify(f"nothing was pasted: {reason}", severity="warning")

    # The mouse -----------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Perhaps the guest's."""
        self._report(Gesture.PRESS, event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Perhaps the guest's."""
        self._report(Gesture.RELEASE, event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Perhaps the guest's."""
        self._report(Gesture.MOVE, event)

    def on_click(self, event: events.Click) -> None:
        """Press and release are the guest's already."""
        if self._is_guests(event):
            event.prevent_default()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The guest's, if it has asked for it or shows a full-screen program; or else begin to read."""
        self._turn(Gesture.WHEEL_UP, "up", event)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The guest's, or towards the newest line."""
        self._turn(Gesture.WHEEL_DOWN, "down", event)

    def _turn(self, gesture: Gesture, key: str, event: events.MouseEvent) -> None:
        """Full-screen programs that know no mouse get cursor keys, as from xterm with alternateScroll."""
        modes = self.emulator.modes
        if self._report(gesture, event) or not modes.alternate or not self._has_guest(event):
            return
        event.stop()
        event.prevent_default()
        if data := encode(key, None, modes, self.options):
            self.session.report(data * _WHEEL_LINES)

    def _report(self, gesture: Gesture, event: events.MouseEvent) -> bool:
        """Send what was done with the mouse to the guest, if that is its business."""
        if not self._is_guests(event):
            return False
        event.stop()
        event.prevent_default()
        modifiers = [
            name for name in ("alt", "ctrl") if (event.ctrl and name == "ctrl") or (event.meta and name == "alt")
        ]
        column, row = event.x + self.first_column, event.y + self.first_row
        if 0 <= column < self.emulator.columns and 0 <= row < self.emulator.lines:
            data = encode_mouse(gesture, event.button, column, row, self.emulator.modes, modifiers)
            if data:
                self.session.report(data)
        return True

    def _is_guests(self, event: events.MouseEvent) -> bool:
        modes = self.emulator.modes
        return bool(modes.mouse) and modes.mouse_sgr and self._has_guest(event)

    def _has_guest(self, event: events.MouseEvent) -> bool:
        return not self.is_reading and not event.shift and self.session.is_connected

    def scrolled(self) -> None:
        """Let the status line tell how far."""
        self.session.touch()
