"""The question before an action: what will happen to which objects, and a deliberate key or word to let it happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from kvtui.actions.confirm import Question

_SHOWN = 8


class ConfirmDialog(ModalScreen[bool]):
    """Asks a question. Enter alone never confirms: ``y`` does, or the word typed in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "leave it"),
        Binding("n", "answer(False)", "leave it", show=False),
        Binding("y", "confirm", "yes", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

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
            if question.word:
                yield Static(Text(f'type "{question.word}" and press enter; escape leaves it'), classes="dialog-keys")
                yield Input(classes="dialog-input")
            else:
                yield Static(Text("y  yes, do it     n / escape  leave it"), classes="dialog-keys")

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
