"""What the keys of consoles do on the main screen: into a machine, out of its console, and back."""

from __future__ import annotations

from typing import Final

from kvtui.config import Settings
from kvtui.console.state import Stream
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.ui.consoles.channels import Channel
from kvtui.ui.consoles.menu import Console, open_menu
from kvtui.ui.screens.panes import CONSOLE_KINDS, SHELL_KINDS, PanesScreen

_NO_MACHINE: Final = {
    "SERIAL": "a console belongs to a VM: choose one among the VMs",
    "LOG": "a boot log belongs to a VM: choose one among the VMs",
    "SHELL": "a shell belongs to a VM or to a host of libvirt: choose one of them",
}
"""What is said of a row that has no such way in, by the name of its stream."""
_NONE_OPEN: Final = "no console is open: c opens that of a VM"


class ConsoleKeys:
    """Goes into consoles and leaves them, and knows how the last one was left."""

    def __init__(self, screen: PanesScreen, fleet: Fleet, settings: Settings) -> None:
        self._screen = screen
        self._consoles = screen.consoles
        self._fleet = fleet
        self._settings = settings.console
        self._since_left = -1
        """Keys pressed since the keyboard was in a console; negative when it never was."""
        self._left_alone = False
        """Whether that console had the whole screen."""

    def open(self, stream: str, ref: Ref | None) -> None:
        """Open a way into a machine, by the name of its stream; where there is none, say why."""
        if ref is None or ref.kind not in (SHELL_KINDS if stream == "SHELL" else CONSOLE_KINDS):
            self._screen.notify(_NO_MACHINE[stream], severity="warning")
        elif stream == "SERIAL":
            self.open_serial(ref)
        else:
            self._consoles.open(Channel(ref, Stream[stream]))

    def open_serial(self, ref: Ref) -> None:
        """Open it at once, so that what is typed next reaches the guest; not where that is known to be forbidden."""
        lack = next(filter(None, (pane.why_no_console_of(ref) for pane in self._screen.panes)), "")
        if lack:
            self._screen.notify(f"console {self._fleet.name(ref)}: {lack}", severity="warning")
        else:
            self._consoles.open(Channel(ref))

    def open_last(self) -> None:
        """Give the keyboard to the console that is shown."""
        if self._is_open() and self._consoles.current is not None:
            self._consoles.open(self._consoles.current)

    def step(self, by: int) -> None:
        """Go to the next or the previous console."""
        if self._is_open():
            self._consoles.step(by)

    def _is_open(self) -> bool:
        """Whether there is a console; else that is said."""
        if self._consoles.current is None:
            self._screen.notify(_NONE_OPEN, severity="warning")
        return self._consoles.current is not None

    def open_alone(self) -> None:
        """Give the whole screen to the console that is shown, until it is left."""
        if self._is_open():
            self._screen.show_alone(True)
            self.open_last()

    def press(self, key: str) -> bool:
        """Count a key; whether it was the chord that leads out of the console, and into it."""
        self._since_left += 1
        chords = [chord.strip() for chord in self._settings.detach.split(",")]
        if key not in chords or self._consoles.current is None:
            return False
        if self._consoles.has_focus_within:
            self.leave()
        else:
            self.open_last()
        return True

    def leave(self) -> None:
        """Give the keyboard back to the list."""
        self._left_alone = self._screen.has_class("-alone")
        self._since_left = 0
        self._screen.show_alone(False)
        self._screen.choose(self._screen.current)

    def open_menu(self) -> None:
        """Choose what to do with the shown console; the keyboard is in it again if it was before the chord."""
        channel, terminal = self._consoles.current, self._consoles.shown
        if not self._is_open() or channel is None or terminal is None:
            return
        if self._since_left == 1:
            self._screen.set_focus(terminal)
            self._screen.show_alone(self._left_alone)
        open_menu(Console(self._consoles, channel, terminal, self._settings))

    def read(self) -> None:
        """Read what the shown console has shown; it is alone on the screen again if it was before the chord."""
        if not self._is_open() or self._consoles.shown is None:
            return
        if self._since_left == 1:
            self._screen.show_alone(self._left_alone)
        self._consoles.read()
