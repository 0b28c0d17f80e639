"""Secrets that a form asks for, on the command line: from a file or typed, and never among the words of a command.

The words of a command can be read by everybody on the machine while it runs, and stay in the shell's history.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kvtui.backends.ssh import NobodyError
from kvtui.cli.asking import TerminalAsker
from kvtui.cli.fields import is_secret, option_name
from kvtui.errors import ConfigError
from kvtui.resources.form import Form
from kvtui.text import clean_line

_SUFFIX: Final = "-file"
_LONGEST: Final = 4096


async def take_secrets(form: Form, given: Mapping[str, str | None]) -> dict[str, str | None]:
    """The options with the secrets that the form wants: read from the file of ``--NAME-file``, else asked on the
    terminal. Raises ConfigError when one is among the words, cannot be read, or nobody is there to be asked.
    """
    options = {option_name(name): value for name, value in given.items()}
    for field in filter(is_secret, form.fields):
        name = option_name(field.name)
        if name in options:
            raise ConfigError(
                f"--{name} is not taken from the command line",
                "everybody on this machine can read it there, and the shell keeps it",
                f"leave it out to be asked, or give --{name}{_SUFFIX} FILE (- is standard input); what was given is "
                "known now: choose another",
            )
        option = f"{name}{_SUFFIX}"
        if option not in options or (options[option] == "-" and sys.stdin.isatty()):
            options.pop(option, None)
            options[name] = await _ask(field.label, option)
        else:
            options[name] = _read(option, options.pop(option))
    return options


def _read(option: str, path: str | None) -> str:
    """The first line of a file."""
    if not path:
        raise ConfigError(f"--{option} needs a value", hint="the name of a file; - is standard input")
    try:
        if path == "-":
            line = sys.stdin.buffer.readline(_LONGEST)
        else:
            with Path(path).expanduser().open("rb") as file:
                line = file.readline(_LONGEST)
    except OSError as error:
        # Whoever takes it for the secret itself must not find that on the screen and in logs.
        raise ConfigError(f"--{option}: the file that it names cannot be read", error.strerror or "") from None
    try:
        found = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError(f"--{option}: {clean_line(path)} is no text") from None
    if not found:
        raise ConfigError(f"--{option}: the first line of {clean_line(path)} is empty")
    return found


async def _ask(label: str, option: str) -> str:
    """What is typed twice without being shown."""
    asker = TerminalAsker()
    try:
        first = await asker.ask(f"{label} (not shown):", secret=True)
        again = await asker.ask(f"{label} again:", secret=True) if first else ""
    except NobodyError:
        raise ConfigError(
            f"no {label} was given", "there is no terminal to ask on", f"--{option} FILE reads it (- is standard input)"
        ) from None
    if not first:
        raise ConfigError(f"no {label} was given")
    if first != again:
        raise ConfigError(f"the {label} was typed twice, and not alike")
    return first
