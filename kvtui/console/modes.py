"""What the guest asked of the keyboard, the mouse and the screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Modes:
    """The terminal modes that others than the emulator must know."""

    application_cursor: bool = False
    """Cursor keys, Home and End are sent as ``ESC O`` (DECCKM, ``?1``)."""
    newline: bool = False
    """Enter is sent as CR LF (LNM, ``20``)."""
    bracketed_paste: bool = False
    """Pastes are wrapped in ``CSI 200~`` and ``CSI 201~`` (``?2004``)."""
    mouse: int = 0
    """The mouse reports asked for: 0 none, 1000 buttons, 1002 drags too, 1003 every motion."""
    mouse_sgr: bool = False
    """Mouse reports are wanted in decimal (``?1006``)."""
    alternate: bool = False
    """A full-screen program has the alternate screen."""
    cut_lines: bool = False
    """What goes beyond the right margin overwrites the last column (DECAWM off, ``?7``): SeaBIOS leaves it so."""
