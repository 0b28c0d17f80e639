"""What every program on the screen has: themes, toasts without markup, and an end with a sentence when it fails."""

from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Literal

from rich.text import Text
from textual.notifications import Notification

from kvtui.config import state_dir
from kvtui.ui.driver import TerminalDriver
from kvtui.ui.hacks import ToastingApp, mend_keys, mend_replies, mend_stylesheets
from kvtui.ui.themes import DEFAULT, fallback_variables, load_themes, own_folder, saturate, shipped_folder

if TYPE_CHECKING:
    from kvtui.ending import Ending

TOAST_LINES = 8
"""What the largest toast takes, with its title and the margin."""
_TOAST_LINES = TOAST_LINES - 2
_TOAST_END = 2
"""Lines of the end of a sentence that is too long."""
_TOAST_WIDTH = 56
"""Columns of a toast's text; Textual's toasts take half of a narrower screen."""

Words = Literal["information", "warning", "error"]


class Program(ToastingApp, inherit_bindings=False):
    """A program in one of our themes."""

    TITLE = "kvtui"
    CSS_PATH = Path(__file__).with_name("style.tcss")
    ESCAPE_TO_MINIMIZE = False

    def __init__(self, theme: str) -> None:
        mend_keys()
        mend_replies()
        mend_stylesheets()
        super().__init__(driver_class=partial(TerminalDriver, lost=self._lose_terminal))  # type: ignore[arg-type]
        self._ending: Ending | None = None
        self.crash_log: Path | None = None
        self.typed = 0
        """Keys and pastes so far."""
        self.briefing = ""
        """What the user is asked to find out; empty where nobody asks."""
        self.animation_level = "none"
        self._theme_troubles = self._load_themes(theme)

    def run_in_terminal(self, ending: Ending, *, mouse: bool) -> int:
        """Run until the user or `ending` ends it, and leave the terminal as it was; the exit status."""
        self._ending = ending
        ending.at_last(self._restore_terminal)
        return self.run(mouse=mouse) or self.return_code or 0

    def on_load(self) -> None:
        """Be told of an end from outside, as soon as it can be heeded."""
        if self._ending is not None:
            self._ending.follow(partial(self._end, asyncio.get_running_loop(), copy_context()))

    def _end(self, loop: asyncio.AbstractEventLoop, context: Context, status: int) -> None:
        # The loop may be waiting for the terminal.
        if isinstance(self._driver, TerminalDriver):
            self._driver.hurry()
        # It is closed when the program has ended by itself just now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self.exit, status, context=context)

    def _lose_terminal(self) -> None:
        if self._ending is not None:
            self._ending.lose()

    def _restore_terminal(self) -> None:
        if isinstance(self._driver, TerminalDriver):
            self._driver.restore()

    def _load_themes(self, wanted: str) -> list[str]:
        themes, troubles = load_themes([shipped_folder(), own_folder()])
        for name in self.available_themes:
            self.unregister_theme(name)
        for theme in themes.values():
            self.register_theme(saturate(theme) if self.console.color_system == "standard" else theme)
        if wanted not in themes:
            troubles.append(f'there is no theme "{wanted}": {DEFAULT} it is')
        self.theme = wanted if wanted in themes else DEFAULT
        return troubles

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Values of kvtui's own colour names, for themes that do not know them."""
        return fallback_variables()

    @property
    def theme_names(self) -> list[str]:
        """The themes there are."""
        return sorted(self.available_themes)

    def tell_theme_troubles(self) -> None:
        """Say which themes could not be loaded."""
        if self._theme_troubles:
            self.notify("\n".join(self._theme_troubles), title="themes", severity="warning", timeout=15)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Words = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a toast, a part of a long message.

        Markup stays off whatever a caller says: messages hold other people's words.
        """
        del markup
        message = _shorten(message, self._toast_width)
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    @property
    def _toast_width(self) -> int:
        return max(1, min(_TOAST_WIDTH, self.size.width // 2 - 4))

    def measure_toast(self, toast: Notification) -> int:
        """Lines that a toast takes, with its margin."""
        return 1 + len(_wrap(toast.title, self._toast_width)) + len(_wrap(toast.message, self._toast_width))

    def _fatal_error(self) -> None:
        """End with a sentence; the traceback goes to a file."""
        fault = traceback.format_exc() if self._exception is None else self._exception
        self.crash_log = write_crash_log(fault, self.crash_log)
        self.panic(Text(f"kvtui ended because of a fault of its own. The details are in {self.crash_log}"))


def write_crash_log(error: BaseException | str, path: Path | None = None) -> Path:
    """Keep a traceback for a bug report, behind those of the same run if there are any; the path of the file."""
    words = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    path = path or state_dir() / f"crash-{time.strftime('%Y%m%d-%H%M%S')}.log"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(words)
    return path


def _shorten(message: str, width: int) -> str:
    """Of a sentence its head and its end, where the way out stands; of several their head."""
    lines = _wrap(message, width)
    if len(lines) <= _TOAST_LINES:
        return message
    end = [] if "\n" in message.strip() else lines[-_TOAST_END:]
    return "\n".join([*lines[: _TOAST_LINES - 1 - len(end)], "...", *end])


def _wrap(message: str, width: int) -> list[str]:
    return [piece for line in message.splitlines() for piece in wrap(line, width)]
