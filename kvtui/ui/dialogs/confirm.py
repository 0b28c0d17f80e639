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
"""Objects that are named before the rest is counted; in a low window fewer, for what is lost must be in sight."""
_SHOWN_LOW = 3
_LOW = 30
_AROUND = 13
"""Lines of the dialog around what scrolls: frame, production, title, the way to answer, and the word."""


class ConfirmDialog(SeenDialog[bool]):
    """Asks a question. Enter alone never confirms: ``y`` does, or the word typed in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "leave it"),
        Binding("n", "answer(False)", "leave it", show=False),
        Binding("y", "confirm", "yes", show=False),
        Binding("down,pagedown", "scroll(1)", "more", show=False),
        Binding("up,pageup", "scroll(-1)", "back", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        self._way = (
            f'type "{question.word}" and press enter; escape leaves it'
            if question.word
            else "y  yes, do it     n / escape  leave it"
        )
        self._lost = ""
        self._keys = Static(Text(self._way), classes="dialog-keys")
        self._subjects = Static()
        self._body = VerticalScroll(classes="dialog-body", can_focus=False)

    def compose(self) -> ComposeResult:
        """Title, objects, warnings, and the way to answer."""
        question = self._question
        with Vertical(classes=f"dialog{' -production' if question.production else ''}"):
            if question.production:
                yield Static(Text(question.production), classes="dialog-production")
            yield Static(Text(question.title), classes="dialog-title")
            with self._body:
                yield self._subjects
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
        self._lost = f"\ntyped too soon, nothing was done: wait a moment, then {answer} answers"
        self._tell_way()

    def on_resize(self) -> None:
        """Let the way to answer be in sight however low the window is."""
        height = self.size.height
        self._subjects.update(
            Text("\n".join(_shorten(self._question.subjects, _SHOWN if height > _LOW else _SHOWN_LOW)))
        )
        self._body.styles.max_height = max(3, height * 9 // 10 - _AROUND)
        self.call_after_refresh(self._tell_way)

    def _tell_way(self) -> None:
        below = self._body.max_scroll_y - round(self._body.scroll_offset.y)
        more = f"{below} more line{'' if below == 1 else 's'} below: down shows them\n" if below > 0 else ""
        self._keys.update(Text(f"{more}{self._way}{self._lost}"))

    def action_scroll(self, direction: int) -> None:
        """Show what does not fit."""
        self._body.scroll_relative(y=direction * max(1, self._body.size.height - 1), animate=False)
        self.call_after_refresh(self._tell_way)

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


def _shorten(subjects: Sequence[str], shown: int) -> list[str]:
    if len(subjects) <= shown + 1:
        return [f"  {subject}" for subject in subjects]
    return [f"  {subject}" for subject in subjects[:shown]] + [f"  and {len(subjects) - shown} more"]
