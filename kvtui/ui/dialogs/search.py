"""A menu that is searched by typing. What is impossible now comes last, in parentheses, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from kvtui.text import cells, clean, clean_line, fit

_WIDTH = 74
"""Columns of a line; all of its note stands below the list."""
_KEYS = "type to search   up down move   enter does it   esc leaves"


@dataclass(frozen=True)
class Offer:
    """One line."""

    name: str
    """What is answered."""
    label: str
    note: str = ""
    """What will happen."""
    key: str = ""
    """The key that does the same without the menu."""
    reason: str = ""
    """Why it is impossible now; empty when it is possible."""


class SearchDialog(ModalScreen[str | None]):
    """Lets the user choose an offer; the answer is its name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "leave it"),
        Binding("down,tab", "step(1)", "next", show=False, priority=True),
        Binding("up,shift+tab", "step(-1)", "before", show=False, priority=True),
    ]

    def __init__(self, title: str, offers: Sequence[Offer], why_none: str = "") -> None:
        """`why_none` is said where nothing is offered."""
        super().__init__()
        self._title = title
        self._offers = sorted(offers, key=lambda offer: bool(offer.reason))
        self._shown = list(self._offers)
        self._nothing = "nothing has that name" if offers else why_none
        self._width = max((cells(offer.label) for offer in offers), default=0) + 2
        self._marked: int | None = None
        self._input = Input(classes="form-text", placeholder="search")
        self._options = OptionList(markup=False, compact=True)
        self._options.can_focus = False
        self._hint = Static(classes="form-hint")

    def compose(self) -> ComposeResult:
        """Title, what is sought, offers, and the way to choose."""
        with Vertical(classes="dialog menu"):
            yield Static(Text(clean(self._title)), classes="dialog-title")
            yield self._input
            yield self._options
            yield self._hint
            yield Static(Text(_KEYS), classes="dialog-keys")

    def on_mount(self) -> None:
        """Show all of them."""
        self._redraw()
        self._input.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what has all the words."""
        event.stop()
        words = event.value.lower().split()
        self._shown = [
            offer for offer in self._offers if all(word in f"{offer.label} {offer.note}".lower() for word in words)
        ]
        # Those that are called so before those that only speak of it.
        self._shown.sort(key=lambda offer: not all(word in offer.label.lower() for word in words))
        self._redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter chooses; of what is impossible it tells why not."""
        event.stop()
        self._choose(self._options.highlighted)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click chooses, too."""
        event.stop()
        self._choose(event.option_index)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell of the line what it does."""
        event.stop()
        self._mark(event.option_index)

    def action_step(self, by: int) -> None:
        """Go up or down."""
        if self._shown:
            self._options.highlighted = ((self._options.highlighted or 0) + by) % len(self._shown)

    def _choose(self, index: int | None) -> None:
        offer = self._shown[index] if index is not None and index < len(self._shown) else None
        if offer is not None and not offer.reason:
            self.dismiss(offer.name)

    def _mark(self, index: int | None) -> None:
        """Show which one is chosen, and what it does."""
        for at, line in ((self._marked, " "), (index, ">")):
            if at is not None and at < len(self._shown):
                self._options.replace_option_prompt_at_index(at, _line(self._shown[at], self._width, line))
        self._marked = index
        offer = self._shown[index] if index is not None and index < len(self._shown) else None
        words = "" if offer is None else f"x not now: {offer.reason}" if offer.reason else offer.note
        self._hint.set_class(offer is not None and bool(offer.reason), "-wrong")
        self._hint.update(Text(clean(words)))

    def _redraw(self) -> None:
        self._marked = None
        self._options.set_options(
            [Option(_line(offer, self._width), offer.name) for offer in self._shown]
            or [Option(f"   {clean_line(self._nothing)}", disabled=True)]
        )
        self._options.highlighted = 0 if self._shown else None
        self._mark(self._options.highlighted)


def _line(offer: Offer, width: int, mark: str = " ") -> Text:
    label = f"({offer.label})" if offer.reason else f" {offer.label} "
    padded = label + " " * (width - cells(label))
    lead = f"{mark}{padded} {offer.key:<7} "
    if not offer.reason:
        return Text(fit(clean(f"{lead}{offer.note}"), _WIDTH).rstrip())
    # Why it is impossible is what is looked for: it goes on below itself where it is long.
    told = wrap(clean_line(offer.reason), _WIDTH - cells(lead), break_on_hyphens=False)
    below = "\n" + " " * cells(lead)
    return Text(clean(lead + below.join(told)))
