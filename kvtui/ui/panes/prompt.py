"""The line in which a filter or a place to go to is typed; it takes the footer's place while it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from kvtui.ui.bar import Bar, Piece

Completer = Callable[[str], Sequence[str]]
"""What the text typed so far may become: whole texts, the likeliest first."""


class _FirstCandidate(Suggester):
    """Shows the first candidate behind the cursor."""

    def __init__(self, complete: Completer) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        return next((found for found in self._complete(value) if value and found.startswith(value)), None)


class _Line(Input):
    """The text. Tab completes; escape leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "complete", show=False),
        Binding("escape", "leave", "leave", show=False),
        Binding("up", "leave", "leave", show=False),
    ]

    def action_complete(self) -> None:
        self.post_message(Prompt.Completed())

    def action_leave(self) -> None:
        self.post_message(Prompt.Ended("", submitted=False))


class Prompt(Horizontal):
    """A sign (``/`` or ``:``), the text, and beside it the candidates or what is wrong with the text."""

    class Typed(Message):
        """The text changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Ended(Message):
        """The text was entered, or given up."""

        def __init__(self, text: str, *, submitted: bool) -> None:
            super().__init__()
            self.text = text
            self.submitted = submitted

    class Completed(Message):
        """Tab was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.sign = ""
        self._complete: Completer = lambda _text: ()
        self._sign_bar = Bar(classes="prompt-sign")
        self._line = _Line(
            compact=True, select_on_focus=False, suggester=_FirstCandidate(lambda text: self._complete(text))
        )
        self._hint = Bar(classes="prompt-hint")
        self.display = False

    def compose(self) -> ComposeResult:
        """Sign, text, hint."""
        yield self._sign_bar
        yield self._line
        yield self._hint

    def ask(self, sign: str, text: str, complete: Completer) -> None:
        """Open the line with a text in it; what is typed replaces that."""
        self.sign = sign
        self._complete = complete
        self._sign_bar.set_pieces([Piece(f" {sign}", "key")])
        self._line.value = text
        self._line.action_select_all()
        self.display = True
        # At once: the next key is this line's.
        self.screen.set_focus(self._line)
        self._show_candidates(text)

    def close(self) -> None:
        """Put the line away."""
        self.display = False
        self.sign = ""

    def complain(self, words: str) -> None:
        """Say what is wrong with the text."""
        self._hint.set_pieces([Piece(f" {words}", "bad")])

    def _show_candidates(self, text: str) -> None:
        found = self._complete(text)
        pieces = [Piece(f" {candidate} ", "muted" if rank else "", rank=rank) for rank, candidate in enumerate(found)]
        self._hint.set_pieces(pieces)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show candidates and tell."""
        event.stop()
        if self.display:
            self._show_candidates(event.value)
            self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tell."""
        event.stop()
        self.post_message(self.Ended(event.value.strip(), submitted=True))

    def on_prompt_completed(self, event: Completed) -> None:
        """Take the first candidate."""
        event.stop()
        found = self._complete(self._line.value)
        if found:
            self._line.value = found[0]
            self._line.cursor_position = len(found[0])
