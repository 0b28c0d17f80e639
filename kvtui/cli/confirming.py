"""Whether something is meant: said by ``--yes``, or asked on the terminal of the command."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from kvtui.actions.care import PROTECTED, is_protected
from kvtui.actions.confirm import Question
from kvtui.backends.objects import Objects
from kvtui.backends.ssh import NobodyError
from kvtui.cli.asking import TerminalAsker
from kvtui.errors import AbsentError, ForbiddenError, UnconfirmedError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.kubernetes import Namespace as Space
from kvtui.text import clean_line

_SHOWN: Final = 12
"""Objects that a question names."""


async def ask_whether_meant(question: Question, place: str = "") -> bool:
    """Put the question; `place` is the context or host, for the wrong one may be current. Raises UnconfirmedError
    without a terminal.
    """
    subjects = list(question.subjects)
    more = [f"and {len(subjects) - _SHOWN} more"] if len(subjects) > _SHOWN else []
    production = [question.production] if question.production else []
    where = [f"  in {place}"] if place and not production else []
    print_lines([*production, question.title, *where, *(f"  {line}" for line in [*subjects[:_SHOWN], *more]),
                 *(f"! {warning}" for warning in question.warnings)])  # fmt: skip
    wanted = f'type "{question.word}" to do it:' if question.word else "do it? [y/N]"
    try:
        answer = await TerminalAsker().ask(wanted, secret=False)
    except NobodyError:
        raise UnconfirmedError("nothing was done", "it must be confirmed, and there is no terminal",
                               "--yes does it without asking") from None  # fmt: skip
    said = (answer or "").strip()
    return said == question.word if question.word else said.lower() in ("y", "yes")


async def confirm_where_careful(
    fleet: Fleet, ref: Ref, options: Namespace, title: str, note: Callable[[str], None]
) -> None:
    """Have the user confirm what asks nobody elsewhere, where it is production, or protected in the settings or by the
    label of the namespace; with ``--yes`` that is only said. `note` is told what is said. Raises UnconfirmedError.
    """
    care = fleet.care(ref.backend)
    # What is read-only is refused whatever is answered.
    if fleet.backends[ref.backend].info.read_only:
        return
    pattern = care.protects(ref)
    labelled = not pattern and await _is_labelled(fleet, ref)
    if not (care.production or pattern or labelled):
        return
    warnings = (f"protected in your settings by {pattern!r}",) if pattern else ()
    if labelled:
        warnings = (f"protected by the label {PROTECTED} of namespace {ref.namespace}",)
    production = f"PRODUCTION {clean_line(ref.backend)}" if care.production else ""
    question = Question(title, (), warnings, "", production)
    for words in filter(None, (production, *warnings)):
        note(words)
    if options.yes:
        print_warnings(question)
    elif not await ask_whether_meant(question):
        raise UnconfirmedError("nothing was done", "it was not confirmed")


async def _is_labelled(fleet: Fleet, ref: Ref) -> bool:
    """Whether the namespace bears the label that protects it; one that the account may not read is taken as it is in
    the settings.
    """
    backend = fleet.backends[ref.backend]
    if not ref.namespace or not isinstance(backend, Objects):
        return False
    try:
        found = await backend.read(Ref(ref.backend, "Namespace", "", ref.namespace))
    except (ForbiddenError, AbsentError):
        return False
    return is_protected(msgspec.convert(found, Space).metadata.labels)


def print_warnings(question: Question) -> None:
    """What a question that nobody is asked would say first: it belongs in the log of a script."""
    print_lines([*filter(None, [question.production]), *(f"! {warning}" for warning in question.warnings)])


def print_lines(lines: Iterable[str]) -> None:
    """Write them on standard error, cleaned."""
    for line in lines:
        sys.stderr.write(f"{clean_line(line)}\n")
