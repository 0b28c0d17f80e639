"""Labels as a user types them: ``app=web, tier=db, old-``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from kvtui.resources.form import Answers, Form, Text

_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_PREFIX: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


def parse_labels(typed: str) -> dict[str, str | None]:
    """What each label shall be; None takes it away. Raises ValueError with a sentence."""
    found: dict[str, str | None] = {}
    for part in filter(None, re.split(r"[,\s]+", typed)):
        key, equals, value = part.partition("=")
        if not equals and key.endswith("-"):
            key, value = key[:-1], ""
        elif not equals:
            raise ValueError(f"{part!r} is neither KEY=VALUE nor KEY-")
        prefix, slash, name = key.rpartition("/")
        if not _NAME.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
            raise ValueError(f"{key!r} is no name of a label")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{value!r} is no value of a label: letters, digits, - _ . within, 63 at most")
        found[key] = value if equals else None
    return found


def label_form(whom: str, present: Sequence[Mapping[str, str]]) -> Form:
    """Asks for the labels to set and to take away, on objects that have these now."""

    def check(answers: Answers) -> str:
        try:
            wanted = parse_labels(answers.text("labels"))
        except ValueError as error:
            return str(error)
        missing = [
            key for key, value in wanted.items() if value is None and not any(key in labels for labels in present)
        ]
        return f"there is no label {missing[0]}" if missing else ""

    def warn(answers: Answers) -> Sequence[str]:
        try:
            wanted = parse_labels(answers.text("labels"))
        except ValueError:
            return ()
        changed = {
            f"{key}={labels[key]} is {'taken away' if value is None else f'replaced by {value}'}"
            for labels in present
            for key, value in wanted.items()
            if key in labels and labels[key] != value
        }
        return sorted(changed)

    about = [", ".join(f"{key}={value}" for key, value in sorted(present[0].items()))] if len(present) == 1 else []
    text = Text("labels", "labels", hint="app=web, tier=db; old- takes one away", check=check)
    return Form(f"labels of {whom}", (text,), about=[line or "it has none" for line in about], warn=warn)


def label_patch(answers: Answers) -> Mapping[str, object]:
    """The answers as a merge patch."""
    return {"metadata": {"labels": parse_labels(answers.text("labels"))}}


def describe_labels(answers: Answers) -> str:
    """For the audit log."""
    wanted = parse_labels(answers.text("labels"))
    return "label " + ", ".join(f"{key}-" if value is None else f"{key}={value}" for key, value in wanted.items())


def tell_labels(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What has changed, in a clause: ``it has app=web, and no tier any more``."""
    new = ", ".join(f"{key}={value}" for key, value in sorted(now.items()) if before.get(key) != value)
    gone = ", ".join(sorted(before.keys() - now.keys()))
    told = [new] if new else []
    return f"it has {', and '.join([*told, f'no {gone} any more'] if gone else told)}" if new or gone else ""
