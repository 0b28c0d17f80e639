"""An emulator's whole visible state as text, for golden files and for comparing two emulators."""

from __future__ import annotations

from dataclasses import fields

from kvtui.console.emulator import Emulator, Look, Run
from kvtui.text import cells


def picture(emulator: Emulator) -> str:
    """Scrollback, screen, cursor and modes; below them each run that is not plain."""
    history = [emulator.row(y) for y in range(-emulator.scrollback_size, 0)]
    screen = [emulator.row(y) for y in range(emulator.lines)]
    parts = [f"~{_plain(row)}" for row in history]
    parts += [f"|{_plain(row)}{' ' * (emulator.columns - cells(_plain(row)))}|" for row in screen]
    cursor = emulator.cursor
    parts.append(f"cursor {cursor.x},{cursor.y}{'' if cursor.visible else ' hidden'}")
    if emulator.title:
        parts.append(f"title {emulator.title}")
    modes = [
        f"{field.name}={value}" for field in fields(emulator.modes) if (value := getattr(emulator.modes, field.name))
    ]
    parts += [f"modes {' '.join(modes)}"] if modes else []
    for y, row in [*enumerate(history, -len(history)), *enumerate(screen)]:
        parts += _describe(y, row)
    return "\n".join(parts) + "\n"


def _plain(row: tuple[Run, ...]) -> str:
    return "".join(run.text for run in row)


def _describe(y: int, row: tuple[Run, ...]) -> list[str]:
    described: list[str] = []
    x = 0
    for run in row:
        width = cells(run.text)
        if run.look != Look():
            described.append(f"{y}:{x}-{x + width - 1} {_name(run.look)}")
        x += width
    return described


def _name(look: Look) -> str:
    colours = [f"{name}={value}" for name, value in (("fg", look.fg), ("bg", look.bg)) if value]
    return " ".join(colours + [field.name for field in fields(look) if getattr(look, field.name) is True])
