"""A question that is answered by typing: a user name, a password, whether a key is to be trusted."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from kvtui.text import clean
from kvtui.ui.program import Program

_QUIET: Final = 1.0
"""Seconds without a key after which nobody is taken to be typing to something else."""
_LOOK: Final = 0.1
_OWN: Final = 5.0
"""Seconds for which what opens may be what the last key asked for."""


class AskDialog(ModalScreen[str | None]):
    """Asks one question. Secrets are not shown, and kept nowhere.

    One that opens by itself may come while its user types to something else: it takes no key before there was none for
    a second, and keeps none of those.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "give_up", "give up", priority=True)]

    def __init__(self, title: str, prompt: str, secret: bool, typed: int = -1) -> None:
        """`typed` is the program's count of keys up to the one that asked for the dialog; -1 where none did."""
        super().__init__()
        self._title = title
        self._prompt = prompt
        self._secret = secret
        self._typed = typed
        self._quiet_since = 0.0
        self._has_lost = False
        """Whether something was typed before it took keys."""
        self._input = Input(password=secret, classes="dialog-input", disabled=True)
        self._keys = Static(classes="dialog-keys", markup=False)

    def compose(self) -> ComposeResult:
        """What it is about, the question, and room for the answer."""
        with Vertical(classes="dialog"):
            yield Static(Text(clean(self._title)), classes="dialog-title")
            yield Static(Text(clean(self._prompt)))
            yield self._input
            yield self._keys

    def on_mount(self) -> None:
        """Take keys at once from a user who asked for the question."""
        if self._count() == self._typed:
            self._get_ready()
            return
        self._typed = self._count()
        self._quiet_since = time.monotonic()
        self._keys.update("keys go nowhere until none was pressed for a second")
        self._watch = self.set_interval(_LOOK, self._wait_for_quiet)

    def _count(self) -> int:
        assert isinstance(self.app, Program)
        return self.app.typed

    def _wait_for_quiet(self) -> None:
        if (count := self._count()) != self._typed:
            self._typed, self._quiet_since, self._has_lost = count, time.monotonic(), True
        elif time.monotonic() - self._quiet_since >= _QUIET:
            self._watch.stop()
            self._get_ready()

    def _get_ready(self) -> None:
        self._input.disabled = False
        self._input.focus()
        how = "enter answers; what is typed is not shown" if self._secret else "enter answers"
        lost = "\nwhat was typed before went nowhere" if self._has_lost else ""
        self._keys.update(f"{how}; escape gives up{lost}")

    def action_give_up(self) -> None:
        """Leave it unanswered, if the key can have been meant for it."""
        if not self._input.disabled:
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
        self._typed = -1
        self._expected_until = 0.0

    def expect(self) -> None:
        """The key that was pressed last leads to what is asked next, if that comes soon and no other key before it."""
        app = self._teller.app
        assert isinstance(app, Program)
        self._typed, self._expected_until = app.typed, time.monotonic() + _OWN

    async def ask(self, prompt: str, secret: bool) -> str | None:
        """The answer; None when the user gives up. A question that is cancelled goes away."""
        is_expected = time.monotonic() < self._expected_until
        dialog = AskDialog(self._title, prompt, secret, self._typed if is_expected else -1)
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def take(text: str | None) -> None:
            self.expect()
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
