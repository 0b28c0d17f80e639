"""A form on the screen: a line for each field, by the keyboard alone, and enter only takes what will do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import Worker

from kvtui.actions.confirm import Sheet, enumerate_names
from kvtui.errors import UnreachableError
from kvtui.resources.form import Answers, AnyField, Choice, Draft, Number, Toggle
from kvtui.resources.form import Text as FormText
from kvtui.text import clean
from kvtui.ui.dialogs.chooser import Chooser
from kvtui.ui.dialogs.unseen import SeenDialog

_KEYS = "enter does it   up down next field   left right space change   esc leaves"
_LIST_KEYS = "enter does it   up down choose   letters filter   esc leaves"
_OPENED_KEYS = "enter does it   up down choose   letters filter   esc closes the list"
_OPENING_KEYS = "enter does it   space opens the list   up down next field   esc leaves"
_TRYING = "asking the server whether it takes this ...   esc leaves it undone"


class FormDialog(SeenDialog[Answers | None]):
    """Fills in a form; the answer is None when the user leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave it"),
        Binding("tab", "step(1)", "next field", show=False, priority=True),
        Binding("shift+tab", "step(-1)", "field before", show=False, priority=True),
        Binding("down", "walk(1)", "next option or field", show=False, priority=True),
        Binding("up", "walk(-1)", "option or field before", show=False, priority=True),
        Binding("enter", "submit", "do it", show=False),
    ]

    def __init__(self, sheet: Sheet) -> None:
        super().__init__()
        self._sheet = sheet
        self._draft = Draft(sheet.form, sheet.before)
        self._meant = not sheet.asks or bool(sheet.word)
        """Whether an enter now is no slip."""
        self._touched: set[str] = set()
        """Fields in which something was typed."""
        self._trial: Worker[None] | None = None
        """While the server is asked."""
        self._refusal = ""
        """What the server said to these very answers."""
        self._insists = False
        """Whether an enter does it all the same: the server did not answer, or may take it of other rows."""
        self._lines = [FieldLine(field, self._draft) for field in sheet.form.fields if field.shown]
        self._word = Input(classes="form-text")
        self._demand = Static()
        self._hint = Static(classes="form-hint")
        self._warnings = Static()
        self._keys = Static(Text(_KEYS), classes="dialog-keys")

    def compose(self) -> ComposeResult:
        """Title, fields, what is to be said of the answers, and the way out."""
        form = self._sheet.form
        production = self._sheet.production
        with Vertical(classes=f"dialog form{' -production' if production else ''}"):
            if production:
                yield Static(Text(production), classes="dialog-production")
            yield Static(Text(clean(form.title)), classes="dialog-title")
            about = [*filter(None, (enumerate_names(self._sheet.names),)), *form.about]
            if about:
                yield Static(Text(clean("\n".join(about))), classes="form-about")
            with VerticalScroll(classes="form-fields", can_focus=False):
                yield from self._lines
            yield self._hint
            with VerticalScroll(classes="form-warnings", can_focus=False):
                yield self._warnings
            if self._sheet.word:
                yield self._demand
                yield self._word
            yield self._keys

    def on_mount(self) -> None:
        """Begin with the first field, or with the word that is demanded: what is typed at once must change nothing."""
        self._redraw()
        editors = self._editors
        if editors:
            editors[-1 if self._sheet.word and not self._draft.refusal else 0].focus()

    @property
    def _editors(self) -> list[Widget]:
        """What can have the keyboard, from the first to the last."""
        editors: list[Widget] = [line.editor for line in self._lines if line.display]
        return [*editors, self._word] if self._sheet.word else editors

    def action_leave(self) -> None:
        """Close the list that was opened; else leave the form."""
        here = self.focused
        if not isinstance(here, Chooser) or not here.close():
            self.dismiss(None)

    def action_walk(self, by: int) -> None:
        """Go on in the list that has the keyboard, and at its end to another field."""
        here = self.focused
        if self._trial is None and isinstance(here, Chooser) and here.step(by):
            return
        self.action_step(by)

    def action_step(self, by: int) -> None:
        """Go to another field."""
        if self._trial is not None:
            return
        self._meant = True
        editors = self._editors
        here = editors.index(self.focused) if self.focused in editors else -1 if by > 0 else 0
        if editors:
            editors[(here + by) % len(editors)].focus()

    def action_submit(self) -> None:
        """Take the answers if they will do; else go to the field that will not, or say why not."""
        if self._trial is not None:
            return
        refusal = self._draft.refusal
        if not refusal and not self._meant:
            self._meant = True
            self._say("nothing was chosen here yet: enter once more does it", wrong=True)
            return
        if not refusal and self._word.value.strip() == self._sheet.word:
            self._finish()
            return
        wrong = self._draft.troubles
        line = next((line for line in self._lines if line.field.name in wrong), None)
        if line is not None:
            line.editor.focus()
        elif not refusal:
            self._word.value, self._word.placeholder = "", "that was not it: nothing was done"
            self._word.focus()
        self._say(refusal, wrong=True)

    def _finish(self) -> None:
        """Close with the answers, once the server has nothing against them."""
        if self._sheet.rehearse is None or self._insists:
            self.dismiss(self._draft.answers)
        else:
            self._trial = self.run_worker(self._try_out(self._sheet.rehearse))

    async def _try_out(self, rehearse: Callable[[Answers], Awaitable[str]]) -> None:
        answers, here = self._draft.answers, self.focused
        # What is typed while it is asked would change what it is asked about.
        self.set_focus(None)
        self._say(_TRYING, wrong=False)
        try:
            self._refusal = await rehearse(answers)
        except UnreachableError as error:
            self._refusal, self._insists = f"{error}: enter once more does it all the same", True
        else:
            if self._refusal and len(self._sheet.names) > 1:
                self._refusal = f"{self._sheet.names[0]}: {self._refusal}: enter once more asks it of all of them"
                self._insists = True
        self._trial = None
        if not self._refusal:
            self.dismiss(answers)
            return
        self.set_focus(here)
        self._redraw()

    def tell_lost(self) -> None:
        """Say below the keys that some came too soon."""
        self._keys.update(Text(f"{self._usage}\ntyped too soon, nothing was changed: wait a moment"))

    @property
    def _usage(self) -> str:
        """Which keys do what, where the keyboard is."""
        here = self.focused
        if not isinstance(here, Chooser) or not here.lists:
            return _KEYS
        if here.can_open:
            return _OPENED_KEYS if here.listed else _OPENING_KEYS
        return _LIST_KEYS

    def on_field_line_changed(self, event: FieldLine.Changed) -> None:
        """Judge the form anew."""
        event.stop()
        # An input tells of what it begins with, too.
        if event.typed != self._draft.typed(event.name):
            self._meant, self._refusal, self._insists = True, "", False
            self._touched.add(event.name)
            if self._trial is not None:
                self._trial.cancel()
                self._trial = None
        self._draft.put(event.name, event.typed)
        self._redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field is enter in the form."""
        event.stop()
        self.action_submit()

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """Show where the keyboard is, and what is asked there."""
        self._redraw()

    def on_resize(self) -> None:
        """What has no room on its line any more is said below."""
        self.call_after_refresh(self._redraw)

    def _redraw(self) -> None:
        asked = self._draft.asked
        for line in self._lines:
            line.display = line.field in asked
            line.redraw(focused=line.editor is self.focused)
        lists = any(line.display and line.lists for line in self._lines)
        self.query_one(".form").set_class(lists, "-wide")
        if not self._has_lost:
            self._keys.update(Text(self._usage))
        mark = ">" if self._word is self.focused else " "
        self._demand.update(Text(clean(f'{mark} type "{self._sheet.word}" and press enter; escape leaves it')))
        said = [*self._sheet.warnings, *self._draft.warnings]
        self._warnings.display = bool(said)
        self._warnings.update(Text(clean("\n".join(f"! {warning}" for warning in said)), "", overflow="fold"))
        if self._trial is not None:
            self._say(_TRYING, wrong=False)
            return
        here = next((line for line in self._lines if line.editor is self.focused), None)
        trouble = self._draft.troubles.get(here.field.name, "") if here is not None else ""
        if (
            here is not None
            and here.hint
            and here.field.name not in self._touched
            and not self._draft.typed(here.field.name)
        ):
            # What is asked comes before what is missing.
            trouble = ""
        refusal = self._draft.form.refuse(self._draft.answers) or self._refusal
        self._say(trouble or refusal or (here.hint if here is not None else ""), wrong=bool(trouble or refusal))

    def _say(self, words: str, *, wrong: bool) -> None:
        self._hint.set_class(wrong, "-wrong")
        self._hint.update(Text(clean(f"x {words}" if wrong and words else words)))


class FieldLine(Horizontal):
    """One field: whether the keyboard is here, what is asked, and the answer."""

    class Changed(Message):
        """Something else was typed or chosen."""

        def __init__(self, name: str, typed: str | bool) -> None:
            super().__init__()
            self.name = name
            self.typed = typed

    def __init__(self, field: AnyField, draft: Draft) -> None:
        super().__init__()
        self.field = field
        self._draft = draft
        self._label = Static(classes="form-label")
        self.editor: Input | Chooser
        if isinstance(field, Choice | Toggle):
            self.editor = Chooser(field, draft, self._take)
        else:
            hidden = isinstance(field, FormText) and field.secret
            typed = str(draft.typed(field.name))
            self.editor = Input(typed, classes="form-text", select_on_focus=False, password=hidden)

    def compose(self) -> ComposeResult:
        """Label, answer, unit."""
        yield self._label
        yield self.editor
        if isinstance(self.field, Number) and self.field.unit:
            yield Static(Text(self.field.unit), classes="form-unit")

    def on_input_changed(self, event: Input.Changed) -> None:
        """The text is another one."""
        event.stop()
        self._take(event.value)

    @property
    def hint(self) -> str:
        """What helps to answer, and what there is no room for on the line."""
        cut = self.editor.cut if isinstance(self.editor, Chooser) else ""
        return "\n".join(filter(None, (cut, self.field.hint)))

    @property
    def lists(self) -> bool:
        """Whether it becomes a list once it has the keyboard."""
        return isinstance(self.editor, Chooser) and self.editor.lists

    def redraw(self, *, focused: bool) -> None:
        """Show what the field stands at."""
        place = ""
        if isinstance(self.editor, Chooser):
            self.editor.redraw(focused=focused)
            self.set_class(self.editor.listed, "-listed")
            place = f"   {self.editor.place}" if self.editor.place else ""
        self._label.update(Text(f"{'>' if focused else ' '} {self.field.label}{place}"))

    def _take(self, typed: str | bool) -> None:
        self.post_message(self.Changed(self.field.name, typed))
