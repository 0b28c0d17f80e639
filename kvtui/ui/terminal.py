"""The terminal of one console session: frames out of the emulator, keys into the session."""

from __future__ import annotations

from textual import events
from textual.message import Message

from kvtui.config import ConsoleSettings
from kvtui.console.keys import BACKSPACE, DELETE, KeyOptions, Layout, encode
from kvtui.console.session import Session
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.paste import question_of
from kvtui.ui.emulation import EmulatorView

_SCROLL_KEYS = {"shift+pageup": -1, "shift+pagedown": 1}


class Terminal(EmulatorView):
    """Shows a session and types into it. All keys but the detach chord, and those that scroll back, are the guest's."""

    class Revived(Message):
        """Enter was pressed in a session that had ended."""

        def __init__(self, session: Session) -> None:
            super().__init__()
            self.session = session

    def __init__(self, session: Session, settings: ConsoleSettings, *, slow_link: bool = False) -> None:
        super().__init__(session.emulator, slow_link=slow_link)
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

    def take_size(self) -> None:
        """Give the emulator the size of the view; whoever calls tells the guest."""
        self._size_taken = True
        self.session.resize(self.size.width, self.size.height)

    def on_key(self, event: events.Key) -> None:
        """The chord goes on to the screen, scroll keys scroll, and everything else is typed into the guest."""
        if event.key in self._chords:
            return
        event.stop()
        event.prevent_default()
        if event.key in _SCROLL_KEYS:
            self.scroll_back(_SCROLL_KEYS[event.key] * max(1, self.size.height - 1))
        elif not self.session.is_open:
            if event.key == "enter":
                self.post_message(self.Revived(self.session))
        elif event.key == "escape" and self.session.pasting is not None:
            self.session.stop_paste()
        else:
            data = encode(event.key, event.character, self.session.emulator.modes, self.options)
            if data:
                self.scroll_back(self._back)
                self.session.send(data)

    def on_paste(self, event: events.Paste) -> None:
        """Type the clipboard, paced for a serial line; what a guest would run line by line only after a question."""
        event.stop()
        if not self.session.is_open:
            return
        question = question_of(self.session.prepare(event.text))
        if question is None:
            self._paste(event.text)
        else:
            self.app.push_screen(ConfirmDialog(question), lambda yes: self._paste(event.text) if yes else None)

    def _paste(self, text: str) -> None:
        self.scroll_back(self._back)
        if not self.session.paste(text):
            reason = "it is more than a megabyte" if self.session.is_connected else "the console is not connected"
            self.notify(f"nothing was pasted: {reason}", severity="warning")

    def scrolled(self) -> None:
        """Let the status line tell how far."""
        self.session.touch()
