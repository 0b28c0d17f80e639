"""Forms on the command line: options by the names of their fields, and what there is to fill in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kvtui.errors import ConfigError, ConflictError
from kvtui.resources.form import AnyField, Choice, Draft, Form, Number, Taken, Text, Toggle
from kvtui.text import clean_line

_YES: Final = frozenset({"yes", "y", "true", "on", "1"})
_NO: Final = frozenset({"no", "n", "false", "off", "0"})
_OPTION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,60}[A-Za-z0-9])?")
_ANOTHER: Final = "choose another one, or delete what bears it"


def fill_form(form: Form, given: Mapping[str, str | None]) -> Draft:
    """The form with the answers that were given by options. Raises ConfigError when they will not do,
    ConflictError when they name what is there already.
    """
    draft = Draft(form)
    options = {_field_name(name, form): (name, value) for name, value in given.items()}
    # In the order of the form, for what a field offers may depend on those before it.
    for field in form.fields:
        if field.name in options:
            _answer(draft, field, *options[field.name])
        elif field.named and field in draft.asked:
            raise ConfigError(f"{form.title} needs --{option_name(field.name)}", _tell_open(field, draft))
    if draft.refusal:
        wrong = draft.troubles
        if any(isinstance(trouble, Taken) for trouble in wrong.values()):
            raise ConflictError(f"{form.title} is not possible now", draft.refusal, _ANOTHER)
        hint = f"--{option_name(next(iter(wrong)))}; --fields lists what can be given" if wrong else ""
        raise ConfigError(f"{form.title} is not possible so", draft.refusal, hint)
    return draft


def _tell_open(field: AnyField, draft: Draft) -> str:
    """What a field that must be given may be."""
    if isinstance(field, Toggle):
        return f"--{option_name(field.name)} or --no-{option_name(field.name)}; {field.hint or field.label}"
    if not isinstance(field, Choice):
        return field.hint or field.label
    offered = ", ".join(one.value for one in field.offer(draft.answers) if not one.reason)
    return f"there is {clean_line(offered)}" if offered else "there is nothing to choose from"


def option_name(field: str) -> str:
    """The option of a field, without its hyphens in front."""
    return field.replace("_", "-").replace(" ", "-")


def name_option(given: str) -> str:
    """An option as it was given, ``--cpus``; what no option is like may be a secret that got into its place."""
    return f"--{given}" if _OPTION.fullmatch(given) else "--(not shown)"


def describe_fields(form: Form) -> list[str]:
    """What there is to fill in, a few lines for each field."""
    draft = Draft(form)
    lines = [form.title, *(f"  {line}" for line in form.about)]
    for field in form.fields:
        lines += _describe(field, draft)
    return [clean_line(line) for line in lines]


def tell_answers(draft: Draft) -> list[str]:
    """What was answered, a line for each field that is asked."""
    return [clean_line(f"{field.label}: {'(not shown)' if is_secret(field) else _show(field, draft)}")
            for field in draft.asked if field.shown or draft.typed(field.name) != field.default]  # fmt: skip


def is_secret(field: AnyField) -> bool:
    """Whether what is answered must not be seen."""
    return isinstance(field, Text) and field.secret


def _field_name(name: str, form: Form) -> str:
    """The field that an option means. Raises ConfigError."""
    wanted = option_name(name)
    # Some fields are named by an object, which may have hyphens of its own.
    fields = {option_name(name): field for field in form.fields for name in field.also}
    fields |= {option_name(field.name): field for field in form.fields}
    if wanted in fields:
        return fields[wanted].name
    toggle = fields.get(wanted.removeprefix("no-"))
    if wanted.startswith("no-") and isinstance(toggle, Toggle):
        return toggle.name
    known = ", ".join(f"--{option_name(field.name)}" for field in form.fields)
    raise ConfigError(f"{form.title} has no {name_option(name)}", f"there is {known}", "--fields tells more")


def _answer(draft: Draft, field: AnyField, option: str, value: str | None) -> None:
    if field not in draft.asked:
        raise ConfigError(f"--{clean_line(option)} makes no sense with the other answers", field.label)
    if isinstance(field, Toggle):
        draft.put(field.name, _read_toggle(field, option, value))
    elif value is None:
        raise ConfigError(f"--{clean_line(option)} needs a value", field.hint or field.label)
    else:
        draft.put(field.name, _pick(field, draft, option, value) if isinstance(field, Choice) else value)


def _read_toggle(field: Toggle, option: str, value: str | None) -> bool:
    if option_name(option) not in map(option_name, (field.name, *field.also)):
        if value is not None:
            raise ConfigError(f"--{clean_line(option)} takes no value", hint=f"--{clean_line(option)} -- NAME ...")
        return False
    if value is not None and value.lower() not in _YES | _NO:
        raise ConfigError(f"--{clean_line(option)} is yes or no, not {clean_line(value)!r}",
                          hint=f"write --{clean_line(option)}=yes before a name")  # fmt: skip
    return value is None or value.lower() in _YES


def _pick(field: Choice, draft: Draft, option: str, value: str) -> str:
    offered = field.offer(draft.answers)
    found = next((one for one in offered if value in (one.value, one.label)), None)
    if found is None:
        known = ", ".join(one.value or '""' for one in offered) or "nothing"
        raise ConfigError(f"--{clean_line(option)} is not {clean_line(value)!r}", f"there is {clean_line(known)}")
    return found.value


def _describe(field: AnyField, draft: Draft) -> list[str]:
    unit = f" in {field.unit}" if isinstance(field, Number) and field.unit else ""
    # What a command has to name has no default there, though the screen shows one.
    now = "" if field.named else _show(field, draft)
    word = "yes|no" if isinstance(field, Toggle) else "VALUE"
    needed = " (needed)" if field.named or (isinstance(field, Text | Number) and field.needed) else ""
    given = f"{option_name(field.name)}-file FILE" if is_secret(field) else f"{option_name(field.name)} {word}"
    lines = [f"  --{given}   {field.label}{unit}{f' (default: {now})' if now else needed}"]
    if is_secret(field):
        lines.append("      its first line; - is standard input; asked on the terminal when it is left out")
    if field.hint:
        lines.append(f"      {field.hint}")
    if isinstance(field, Choice):
        for option in field.offer(draft.answers):
            why = f"not possible: {option.reason}" if option.reason else option.note
            label = option.label if option.label != option.value else ""
            lines.append("      " + "  ".join(part for part in (option.value or '""', label, why) if part))
    return lines


def _show(field: AnyField, draft: Draft) -> str:
    answers = draft.answers
    if isinstance(field, Toggle):
        return "yes" if answers.flag(field.name) else "no"
    if isinstance(field, Number):
        number = answers.number(field.name)
        return "" if number is None else field.tell(number)
    return answers.text(field.name)
