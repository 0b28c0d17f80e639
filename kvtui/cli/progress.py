"""How far it is: a line on the terminal that is written over, and nothing where there is none."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from kvtui.text import clean_line, fit


class Line:
    """The line, on standard error."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = ""

    def show(self, parts: Sequence[str]) -> None:
        """What is under way, one behind the other."""
        text = clean_line("; ".join(parts))
        if not self._live or text == self._last:
            return
        sys.stderr.write(f"\r{fit(text, shutil.get_terminal_size().columns - 1)}")
        sys.stderr.flush()
        self._last = text

    def clear(self) -> None:
        """Nothing more will be shown."""
        if self._last:
            sys.stderr.write(f"\r{' ' * (shutil.get_terminal_size().columns - 1)}\r")
            sys.stderr.flush()
        self._last = ""
