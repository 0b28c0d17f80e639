"""The last line of the main screen while a filter or a place is typed on it."""

from __future__ import annotations

from collections.abc import Callable

from kvtui.model import Ref
from kvtui.ui.goto import Places, Target, complete, understand
from kvtui.ui.panes.footer import Footer
from kvtui.ui.panes.prompt import Prompt
from kvtui.ui.screens.panes import PanesScreen


class Prompting:
    """Opens the line in place of the keys, and takes what is typed there."""

    def __init__(self, screen: PanesScreen, prompt: Prompt, footer: Footer, places: Callable[[], Places]) -> None:
        """`places` tells where one can go now."""
        self._screen = screen
        self._prompt = prompt
        self._footer = footer
        self._places = places
        self._before = ""
        """The filter of the pane as it was when the line was opened."""
        self._meant: Ref | None = None
        """The row that the cursor was on then."""

    def ask_filter(self) -> None:
        """Ask for a filter of the pane that has the keyboard."""
        self._before = self._screen.current.listing.filter_text
        self._meant = self._screen.current.meant
        self._footer.display = False
        self._prompt.ask("/", self._before, lambda _typed: ())

    def ask_place(self) -> None:
        """Ask where to go."""
        places = self._places()
        self._footer.display = False
        self._prompt.ask(":", "", lambda typed: complete(typed, places))

    def type(self, text: str) -> None:
        """Filter while it is typed."""
        if self._prompt.sign == "/":
            self._filter(text)

    def end(self, text: str, *, submitted: bool) -> Target | None:
        """Keep the filter, or say where to go; what was given up is as it was before. What cannot be is complained of,
        and the line stays.
        """
        target: Target | None = None
        if self._prompt.sign == "/":
            if not self._filter(text if submitted else self._before):
                return None
        elif submitted and text:
            try:
                target = understand(text, self._places())
            except ValueError as error:
                self._prompt.complain(str(error))
                return None
        self._close()
        return target

    def _close(self) -> None:
        self._prompt.close()
        self._footer.display = True
        self._screen.set_focus(self._screen.current.table)

    def _filter(self, text: str) -> bool:
        try:
            self._screen.current.filter(text, self._meant)
        except ValueError as error:
            self._prompt.complain(str(error))
            return False
        return True
