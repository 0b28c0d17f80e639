"""What a drill is about: the symptom, as the user would be told it."""

from __future__ import annotations

from typing import Final

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from kvtui.ui.dialogs.unseen import SeenDialog

_HINT: Final = "any key begins   ctrl+p, briefing: read it again"


class BriefingDialog(SeenDialog[None]):
    """Shows a text until a key is pressed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, and the way on."""
        with Vertical(classes="dialog"):
            yield Static(Text("drill"), classes="dialog-title")
            yield Static(Text(self._text))
            yield Static(Text(_HINT), classes="dialog-keys")

    def tell_lost(self) -> None:
        """Nothing is lost that was to answer something."""

    def on_key(self, event: events.Key) -> None:
        """Begin."""
        event.stop()
        event.prevent_default()
        self.dismiss(None)
