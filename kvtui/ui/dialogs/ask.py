"""A question that is answered by typing: a user name, a password, whether a key is to be trusted."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from kvtui.text import clean


class AskDialog(ModalScreen[str | None]):
    """Asks one question. Secrets are not shown, and kept nowhere."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "give_up", "give up", priority=True)]

    def __init__(self, title: str, prompt: str, secret: bool) -> None:
        super().__init__()
        self._title = title
        self._prompt = prompt
        self._secret = secret

    def compose(self) -> ComposeResult:
        """What it is about, the question, and room for the answer."""
        with Vertical(classes="dialog"):
            yield Static(Text(clean(self._title)), classes="dialog-title")
            yield Static(Text(clean(self._prompt)))
            yield Input(password=self._secret, classes="dialog-input")
            how = "enter answers; what is typed is not shown" if self._secret else "enter answers"
            yield Static(Text(f"{how}; escape gives up"), classes="dialog-keys")

    def action_give_up(self) -> None:
        """Leave it unanswered."""
        self.dismiss(None)

    def withdraw(self) -> None:
        """Go away: nobody waits for the answer any more."""
        if self.is_current:
            self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the answer."""
        event.stop()
        self.dismiss(event.value)


class DialogAsker:
    """Puts the questions of a backend to the user, over the widget that they are about."""

    def __init__(self, teller: Widget, title: str) -> None:
        self._teller = teller
        self._title = title

    async def ask(self, prompt: str, secret: bool) -> str | None:
        """The answer; None when the user gives up. A question that is cancelled goes away."""
        dialog = AskDialog(self._title, prompt, secret)
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def take(text: str | None) -> None:
            if not answer.done():
                answer.set_result(text)

        def show() -> None:
            if not answer.done():
                self._teller.app.push_screen(dialog, take)

        # In the widget's own turn: a question may come from a task that knows nothing of the screen.
        self._teller.call_later(show)
        try:
            return await answer
        except asyncio.CancelledError:
            self._teller.call_later(dialog.withdraw)
            raise
