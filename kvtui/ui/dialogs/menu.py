"""A menu: one letter for each entry, arrows and enter too. What is impossible now is dim and says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from kvtui.text import cells

_HINT = "a letter or enter chooses   escape leaves it"


@dataclass(frozen=True)
class Item:
    """One line of a menu."""

    key: str
    """The character that chooses it."""
    label: str
    note: str = ""
    """What will happen."""
    reason: str = ""
    """Why it is impossible now; empty when it is possible."""


class MenuDialog(ModalScreen[str | None]):
    """Lets the user choose an item; the answer is its key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "leave it"),
    ]

    def __init__(self, title: str, items: Callable[[], Sequence[Item]]) -> None:
        """`items` is asked again when the sizes on the screen have changed."""
        super().__init__()
        self._title = title
        self._ask = items
        self._items = items()
        self._options = OptionList(*self._lines(), markup=False, compact=True)
        self._hint = Static(Text(_HINT), classes="dialog-keys")

    def compose(self) -> ComposeResult:
        """Title, items, and the way to choose."""
        with Vertical(classes="dialog menu"):
            yield Static(Text(self._title), classes="dialog-title")
            yield self._options
            yield self._hint

    def on_resize(self) -> None:
        """Tell what would happen now that all has its place."""
        self.call_after_refresh(self._renew)

    def _renew(self) -> None:
        before, self._items = self._items, self._ask()
        if self._items != before:
            chosen = self._options.highlighted
            self._options.set_options(self._lines())
            self._options.highlighted = chosen

    def _lines(self) -> list[Option]:
        width = max(cells(item.label) for item in self._items)
        return [Option(_line(item, width), item.key, disabled=bool(item.reason)) for item in self._items]

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click."""
        self.dismiss(event.option.id)

    def on_key(self, event: events.Key) -> None:
        """A letter chooses; that of a dim item tells why not."""
        item = next((item for item in self._items if item.key == event.character), None)
        if item is None:
            return
        event.stop()
        event.prevent_default()
        if item.reason:
            self._hint.update(Text(f"{item.label}: {item.reason}"))
        else:
            self.dismiss(item.key)


def _line(item: Item, width: int) -> Text:
    key = f"({item.key})" if item.reason else f" {item.key} "
    label = item.label + " " * (width - cells(item.label))
    return Text(f"{key} {label}  {item.reason or item.note}")
