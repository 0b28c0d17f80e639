"""The first frame: what is being connected to, and why it cannot be when it cannot."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from kvtui.errors import KvtuiError
from kvtui.ui.bar import Bar, Piece


class ConnectScreen(Screen[None]):
    """Shown until there is a fleet to show."""

    TITLE = "Connecting"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "try again"),
        Binding("q,escape", "app.leave", "quit"),
    ]

    class Again(Message):
        """It is to be tried again."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where
        self._bar = Bar(classes="header-bar")
        self._words = Static(classes="connect-words", markup=False)
        self.failed = False
        """Whether what it shows is that there is no connection."""

    def compose(self) -> ComposeResult:
        """The header as it will stay, and a sentence."""
        yield self._bar
        yield self._words

    def on_mount(self) -> None:
        """Say what is being done."""
        self._bar.set_pieces([Piece(" kvtui", "title"), Piece("  "), Piece(self._where, "accent")])
        self.tell_waiting(0)

    def tell_waiting(self, keys: int) -> None:
        """Say what is being done, and how many keys wait for the list."""
        words = f"connecting to {self._where} ..." if self._where else "connecting ..."
        if keys:
            waiting = "1 key waits" if keys == 1 else f"{keys} keys wait"
            words = f"{words}\n\n{waiting} for the list: esc forgets them, ctrl+c quits"
        self._words.update(Text(words))

    def show_failure(self, error: KvtuiError) -> None:
        """Say what went wrong and the way out."""
        self.failed = True
        lines = [f"x {error.title}", error.detail, error.hint, "", "r  try again    q  quit"]
        self._words.update(Text("\n".join(text for text in lines if text or text == "")))

    def action_again(self) -> None:
        """Try again."""
        if self.failed:
            self.failed = False
            self.on_mount()
            self.post_message(self.Again())
