"""The question before an action: what will happen to which objects, and a deliberate key or word to let it happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, Static

from kvtui.actions.confirm import Question
from kvtui.ui.dialogs.unseen import SeenDialog

_SHOWN = 8


class ConfirmDialog(SeenDialog[bool]):
    """Asks a question. Enter alone never confirms: ``y`` does, or the word typed in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "leave it"),
        Binding("n", "answer(False)", "leave it", show=False),
        Binding("y", "confirm", "yes", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        self._way = (
            f'type "{question.word}" and press enter; escape leaves it'
            if question.word
            else "y  yes, do it     n / escape  leave it"
        )
        self._keys = Static(Text(self._way), classes="dialog-keys")

    def compose(self) -> ComposeResult:
        """Title, objects, warnings, and the way to answer."""
        question = self._question
        with Vertical(classes=f"dialog{' -production' if question.production else ''}"):
            if question.production:
                yield Static(Text(question.production), classes="dialog-production")
            yield Static(Text(question.title), classes="dialog-title")
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static(Text("\n".join(_shorten(question.subjects))))
                if question.warnings:
                    yield Static(
                        Text("\n".join(f"! {warning}" for warning in question.warnings)), classes="dialog-warning"
                    )
            yield self._keys
            if question.word:
                yield Input(classes="dialog-input")

    def tell_lost(self) -> None:
        """Say below the keys that they were pressed too soon."""
        answer = "the word" if self._question.word else "y"
        self._keys.update(Text(f"{self._way}\ntyped too soon, nothing was done: wait a moment, then {answer} answers"))

    def action_confirm(self) -> None:
        """Say yes, where no word is asked for."""
        if not self._question.word:
            self.dismiss(True)

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept the word, and nothing but the word."""
        if event.value.strip() == self._question.word:
            self.dismiss(True)
        else:
            event.input.value = ""
            event.input.placeholder = "that was not it: nothing was done"


def _shorten(subjects: Sequence[str]) -> list[str]:
    if len(subjects) <= _SHOWN + 1:
        return [f"  {subject}" for subject in subjects]
    return [f"  {subject}" for subject in subjects[:_SHOWN]] + [f"  and {len(subjects) - _SHOWN} more"]
