"""Themes from TOML files: those that come with kvtui, and the user's own beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
from textual.color import Color, ColorParseError
from textual.theme import Theme

from kvtui.config import config_dir
from kvtui.errors import ConfigError

DEFAULT = "kvtui-dark"
_PRODUCTION = {True: "#661823", False: "#fadada"}
"""For themes that name none."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Colors(msgspec.Struct, forbid_unknown_fields=True):
    """``[colors]``: surfaces and what stands out."""

    background: str
    foreground: str
    bar: str
    line: str
    accent: str
    cursor: str
    cursor_idle: str
    marked: str
    dialog: str
    production: str = ""
    """Behind the header, and the title of dialogs, of what is production."""


class Tones(msgspec.Struct, forbid_unknown_fields=True):
    """``[tones]``: what a text means for the reader."""

    ok: str
    busy: str
    warn: str
    bad: str
    muted: str


class Console(msgspec.Struct, forbid_unknown_fields=True):
    """``[console]``: the sixteen colours of a guest's console, in the order of their numbers."""

    black: str
    red: str
    green: str
    yellow: str
    blue: str
    magenta: str
    cyan: str
    white: str
    bright_black: str
    bright_red: str
    bright_green: str
    bright_yellow: str
    bright_blue: str
    bright_magenta: str
    bright_cyan: str
    bright_white: str


class ThemeFile(msgspec.Struct, forbid_unknown_fields=True):
    """A whole file."""

    name: str
    dark: bool
    colors: Colors
    tones: Tones
    console: Console


def own_folder() -> Path:
    """Where a user's own themes are."""
    return config_dir() / "themes"


def shipped_folder() -> Path:
    """Where the themes are that come with kvtui: in the package, or beside it in a working copy."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "themes"
    return inside if inside.is_dir() else package.parent / "themes"


def load_themes(folders: Iterable[Path]) -> tuple[dict[str, Theme], list[str]]:
    """All themes of the folders by name, the later folder prevailing; and a sentence for each file that is none."""
    themes: dict[str, Theme] = {}
    troubles: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                theme = load_theme(path)
            except ConfigError as error:
                troubles.append(str(error))
            else:
                themes[theme.name] = theme
    return themes, troubles


def load_theme(path: Path) -> Theme:
    """The theme of one file. Raises ConfigError that names the file and the key."""
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=ThemeFile)
    except OSError as error:
        raise ConfigError(f"cannot read theme {path}", error.strerror or str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"theme {path.name}", str(error)) from error
    if not _NAME.fullmatch(file.name):
        raise ConfigError(f"theme {path.name}", "name may hold letters, digits, dots and dashes only")
    file.colors.production = file.colors.production or _PRODUCTION[file.dark]
    for section in ("colors", "tones", "console"):
        for key, value in msgspec.structs.asdict(getattr(file, section)).items():
            try:
                Color.parse(value)
            except ColorParseError:
                raise ConfigError(f"theme {path.name}", f'{section}.{key} = "{value}" is no colour') from None
    return _make_theme(file)


def saturate(theme: Theme) -> Theme:
    """The theme for a terminal of sixteen colours: there every gentle tone would come out as the same grey."""
    tones = _SATURATED[theme.dark]
    return replace(theme, variables=theme.variables | tones, accent=tones["kv-accent"], primary=tones["kv-accent"])


_SATURATED = {
    True: {
        "kv-ok": "#00ff00",
        "kv-busy": "#00ffff",
        "kv-warn": "#ffff00",
        "kv-bad": "#ff5555",
        "kv-accent": "#00ffff",
        "kv-cursor": "#000080",
        "kv-cursor-idle": "#000000",
        "kv-marked": "#000000",
        "kv-production": "#800000",
    },
    False: {
        "kv-ok": "#008000",
        "kv-busy": "#008080",
        "kv-warn": "#808000",
        "kv-bad": "#800000",
        "kv-accent": "#000080",
        "kv-cursor": "#00ffff",
        "kv-cursor-idle": "#ffffff",
        "kv-marked": "#ffff00",
        "kv-production": "#ff5555",
    },
}


def _make_theme(file: ThemeFile) -> Theme:
    colors, tones = file.colors, file.tones
    return Theme(
        name=file.name,
        primary=colors.accent,
        secondary=colors.accent,
        accent=colors.accent,
        warning=tones.warn,
        error=tones.bad,
        success=tones.ok,
        foreground=colors.foreground,
        background=colors.background,
        surface=colors.bar,
        panel=colors.dialog,
        dark=file.dark,
        text_alpha=1.0,
        variables=_make_variables(file),
    )


def _make_variables(file: ThemeFile) -> dict[str, str]:
    """The names that `style.tcss` uses beside Textual's own."""
    named = {**msgspec.structs.asdict(file.colors), **msgspec.structs.asdict(file.tones)}
    variables = {f"kv-{key.replace('_', '-')}": value for key, value in named.items()}
    variables |= {f"kv-console-{number}": value for number, value in enumerate(msgspec.structs.astuple(file.console))}
    return variables | {
        "block-cursor-background": file.colors.cursor,
        "block-cursor-foreground": file.colors.foreground,
        "block-cursor-text-style": "bold",
        "input-cursor-background": file.colors.accent,
        "input-selection-background": file.colors.cursor,
        "border": file.colors.line,
        "scrollbar": file.colors.line,
        "scrollbar-background": file.colors.background,
    }


def fallback_variables() -> dict[str, str]:
    """Values of kvtui's own names for themes that are Textual's and do not know them."""
    return _make_variables(_read_default())


def _read_default() -> ThemeFile:
    return msgspec.toml.decode((shipped_folder() / f"{DEFAULT}.toml").read_bytes(), type=ThemeFile)
