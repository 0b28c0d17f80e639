"""What is asked before an action runs, apart from how it looks: fields with their checks, and what was answered.

An action with a form declares two pure functions and reads the answers by name::

    def _memory_form(view: View, guests: Sequence[Guest]) -> Form:
        return Form("memory", (
            Number("memory", "memory", unit="MiB", default="2048", least=16),
            Toggle("stored", "also after the next start", default=True),
        ))

    async def _set_memory(backend: Backend, guest: Guest, answers: Answers) -> None:
        await tuner(backend).set_memory(guest.ref, answers.number("memory"), stored=answers.flag("stored"))

    Action(..., form=_memory_form, run=_set_memory)

The form gets all rows that are chosen, and each of them is run with the same answers; an action that makes sense for
one row only says ``single=True``. The dialog is the confirmation, too: it shows the warnings of `Action.warn` and of
`Form.warn`, and asks for the typed word where the action's danger wants one. `Draft` is what the dialog drives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.text import clean_line

Answer = str | bool | int | None

_SUFFIXES: Final = {"MiB": {"K": 2**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20},
                    "GiB": {"M": 2**-10, "G": 1.0, "T": 2.0**10}}  # fmt: skip
"""By the unit of a number: what it may be typed in instead, as in ``4G``."""
_DIGITS: Final = 18


class Answers:
    """What was answered, by the names of the fields. What was not asked is as its field has it by default."""

    def __init__(self, values: Mapping[str, Answer]) -> None:
        self._values = dict(values)

    def text(self, name: str) -> str:
        """Of a `Text` or a `Choice`."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def flag(self, name: str) -> bool:
        """Of a `Toggle`."""
        return self._values.get(name) is True

    def number(self, name: str) -> int | None:
        """Of a `Number`; None where nothing was typed and nothing need be."""
        value = self._values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fine(_answers: Answers) -> str:
    return ""


def _always(_answers: Answers) -> bool:
    return True


@dataclass(frozen=True)
class Field:
    """One question."""

    name: str
    label: str
    """Up to 22 columns."""
    hint: str = ""
    """One sentence, shown while the field has the keyboard."""
    check: Callable[[Answers], str] = _fine
    """Why the answer will not do, beside the others; empty when it does."""
    asked: Callable[[Answers], bool] = _always
    """Whether the answers before it leave the question open."""
    named: bool = False
    """Whether a command has to give it: what it begins with is only how things are now, or goes without saying."""


@dataclass(frozen=True)
class Option:
    """One of the answers of a choice."""

    value: str
    label: str = ""
    """As it is shown; the value itself when empty."""
    note: str = ""
    reason: str = ""
    """Why it cannot be chosen now."""


@dataclass(frozen=True)
class Choice(Field):
    """One of several; the answer is the option's value."""

    options: Sequence[Option] | Callable[[Answers], Sequence[Option]] = ()
    """May depend on the fields before this one."""
    default: str = ""
    """The first that is possible, when empty or not offered."""

    def offer(self, answers: Answers) -> Sequence[Option]:
        """The options there are beside these answers."""
        return self.options(answers) if callable(self.options) else self.options

    def pick(self, value: str, answers: Answers) -> Option | None:
        """The option of that value, or the first; None when nothing is offered."""
        offered = self.offer(answers)
        found = next((option for option in offered if option.value == value), None)
        return found or next((option for option in offered if not option.reason), offered[0] if offered else None)


@dataclass(frozen=True)
class Toggle(Field):
    """Yes or no."""

    default: bool = False


@dataclass(frozen=True)
class Text(Field):
    """A line of text, cleaned, without blanks around it; a secret is taken as it is."""

    default: str = ""
    needed: bool = True
    """Whether it may not be left empty."""
    secret: bool = False
    """Whether it is never shown, nor taken from the words of a command."""


@dataclass(frozen=True)
class Number(Field):
    """A whole number. Amounts may be typed in other units: ``4G`` where the unit is MiB."""

    unit: str = ""
    default: str = ""
    least: int = 0
    most: int | None = None
    needed: bool = True

    def read(self, typed: str) -> int | None:
        """The number. Raises ValueError with a sentence."""
        text = typed.strip().upper().removesuffix("IB").removesuffix("B").strip()
        if not text:
            if self.needed:
                raise ValueError("a number is needed")
            return None
        scale = _SUFFIXES.get(self.unit, {}).get(text[-1], 0.0)
        digits = text[:-1].strip() if scale else text
        if not (digits.isascii() and digits.isdecimal() and len(digits) < _DIGITS):
            raise ValueError(f"{clean_line(typed.strip())!r} is no whole number{self._example}")
        number = round(int(digits) * (scale or 1))
        unit = f" {self.unit}" if self.unit else ""
        if number < self.least:
            raise ValueError(f"not less than {self.least}{unit}")
        if self.most is not None and number > self.most:
            raise ValueError(f"not more than {self.most}{unit}")
        return number

    @property
    def _example(self) -> str:
        return ": as in 4096 or 4G" if self.unit == "MiB" else ": as in 20 or 20G" if self.unit == "GiB" else ""


AnyField = Choice | Toggle | Text | Number


@dataclass(frozen=True)
class Form:
    """What is asked together."""

    title: str
    """What is about to happen: ``clone web``."""
    fields: Sequence[AnyField]
    about: Sequence[str] = ()
    """What one should know, above the fields."""
    warn: Callable[[Answers], Sequence[str]] = lambda _answers: ()
    """What will be lost or go wrong with these answers."""
    refuse: Callable[[Answers], str] = _fine
    """Why it is impossible with these answers together; empty when it is possible."""


class Draft:
    """A form while it is filled in."""

    def __init__(self, form: Form, before: Answers | None = None) -> None:
        """Begins with what was answered `before`, but for secrets; else as the fields have it by default."""
        self.form = form
        self._typed: dict[str, str | bool] = {
            field.name: field.default if before is None else _recall(field, before) for field in form.fields
        }
        self._troubles: dict[str, str] = {}
        self._asked: list[AnyField] = []
        self.answers = Answers({})
        self._read()

    def put(self, name: str, typed: str | bool) -> None:
        """What the user typed or chose."""
        self._typed[name] = typed
        self._read()

    def typed(self, name: str) -> str | bool:
        """What stands in a field."""
        return self._typed[name]

    @property
    def asked(self) -> list[AnyField]:
        """The fields that the answers leave open."""
        return self._asked

    @property
    def troubles(self) -> dict[str, str]:
        """By field, why its answer will not do."""
        found = {}
        for field in self.asked:
            trouble = self._troubles.get(field.name) or field.check(self.answers)
            if trouble:
                found[field.name] = trouble
        return found

    @property
    def refusal(self) -> str:
        """Why it cannot be done so; empty when the form may be sent."""
        found = self.troubles
        labels = {field.name: field.label for field in self.form.fields}
        told = next((f"{labels[name]}: {trouble}" for name, trouble in found.items()), "")
        return told or self.form.refuse(self.answers)

    @property
    def warnings(self) -> Sequence[str]:
        """What is to be said before it is sent."""
        return self.form.warn(self.answers)

    def _read(self) -> None:
        """Read the fields in their order: each may depend on those before it."""
        values: dict[str, Answer] = {}
        self._troubles, self._asked = {}, []
        for field in self.form.fields:
            before = Answers(values)
            asked = field.asked(before)
            if asked:
                self._asked.append(field)
            try:
                values[field.name] = self._read_field(
                    field, self._typed[field.name] if asked else field.default, before
                )
            except ValueError as error:
                self._troubles[field.name] = str(error)
                values[field.name] = None
        self.answers = Answers(values)

    def _read_field(self, field: AnyField, typed: str | bool, before: Answers) -> Answer:
        if isinstance(field, Toggle):
            return typed is True
        text = str(typed)
        if isinstance(field, Number):
            return field.read(text)
        if isinstance(field, Choice):
            option = field.pick(text, before)
            if option is None:
                raise ValueError("there is nothing to choose from")
            if option.reason:
                self._troubles[field.name] = option.reason
            return option.value
        if not field.secret:
            text = clean_line(text).strip()
        elif text != clean_line(text):
            raise ValueError("it has characters that nobody can type")
        if field.needed and not text:
            raise ValueError("must not be empty")
        return text


def _recall(field: AnyField, before: Answers) -> str | bool:
    if isinstance(field, Toggle):
        return before.flag(field.name)
    if isinstance(field, Number):
        number = before.number(field.name)
        return "" if number is None else str(number)
    return field.default if isinstance(field, Text) and field.secret else before.text(field.name)
