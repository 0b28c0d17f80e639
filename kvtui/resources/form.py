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

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from kvtui.text import clean_line, tell_bytes

Answer = str | bool | int | None

_UNITS: Final = {"MiB": 2**20, "GiB": 2**30}
"""Bytes of the units of amounts, which may be typed as quantities instead: ``4Gi``."""
_SUFFIXES: Final = {
    **{letter: 1000**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}I": 1024**power for power, letter in enumerate("KMGT", 1)},
}
"""Those of Kubernetes, where G is 10^9 and Gi 2^30; upper case, as they may be typed in any."""
_AMOUNT: Final = re.compile(r"(-?\d{1,17})(\.\d{1,9})?\s*(?:([KMGT]I?)B?)?", re.ASCII | re.IGNORECASE)


class Taken(str):
    """Why an answer will not do now, though it is a right one: what it names is there already."""


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
    also: tuple[str, ...] = ()
    """Other names by which a command may give it."""
    shown: bool = True
    """Whether a dialog asks it; a command may give it all the same."""


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
    """A whole number. Amounts may be typed as quantities of Kubernetes, too: ``4Gi`` where the unit is MiB."""

    unit: str = ""
    default: str = ""
    least: int = 0
    most: int | None = None
    needed: bool = True

    def read(self, typed: str) -> int | None:
        """The number. Raises ValueError with a sentence."""
        if not typed.strip():
            if self.needed:
                raise ValueError("a number is needed")
            return None
        amount = self._read(typed)
        if amount is None:
            what = f"amount: as in {self._example}" if self.unit in _UNITS else "whole number"
            raise ValueError(f"{clean_line(typed.strip())!r} is no {what}")
        # What is wanted must have room.
        number = math.ceil(amount)
        unit = f" {self.unit}" if self.unit else ""
        if number < self.least:
            raise ValueError(f"not less than {self.least}{unit}")
        if self.most is not None and number > self.most:
            raise ValueError(f"not more than {self.most}{unit}")
        return number

    def tell_rounded(self, typed: str) -> str:
        """What an amount comes to that is no whole number of units, in a sentence; empty for others."""
        amount = self._read(typed)
        if amount is None or amount.denominator == 1:
            return ""
        return f"{self.label}: {clean_line(typed.strip())} is taken as {self.tell(math.ceil(amount))}"

    def tell(self, number: int) -> str:
        """The number with its unit, and as people say it where that is shorter: ``5723 MiB (5.6 GiB)``."""
        told = f"{number} {self.unit}".rstrip()
        if self.unit not in _UNITS:
            return told
        said = tell_bytes(number * _UNITS[self.unit])
        return told if said.endswith(f" {self.unit}") else f"{told} ({said})"

    def _read(self, typed: str) -> Fraction | None:
        """How many units it is; None for anything else than a number."""
        found = _AMOUNT.fullmatch(typed.strip())
        if found is None:
            return None
        digits, fraction, suffix = found.groups()
        if not suffix:
            return None if fraction else Fraction(int(digits))
        if self.unit not in _UNITS:
            return None
        return Fraction(f"{digits}{fraction or ''}") * Fraction(_SUFFIXES[suffix.upper()], _UNITS[self.unit])

    @property
    def _example(self) -> str:
        return "4096 or 4Gi" if self.unit == "MiB" else "20 or 20Gi"


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
        rounded = [
            field.tell_rounded(str(self._typed[field.name])) for field in self._asked if isinstance(field, Number)
        ]
        said = self.form.warn(self.answers)
        return [*filter(None, rounded), *said] if any(rounded) else said

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
