"""A menu: one letter for each entry, arrows and enter too. What is impossible now is dim and says why."""

from __future__ import annotations

from collections.abc import Sequence
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

    def __init__(self, title: str, items: Sequence[Item]) -> None:
        super().__init__()
        self._title = title
        self._items = items
        self._hint = Static(Text(_HINT), classes="dialog-keys")

    def compose(self) -> ComposeResult:
        """Title, items, and the way to choose."""
        width = max(cells(item.label) for item in self._items)
        with Vertical(classes="dialog menu"):
            yield Static(Text(self._title), classes="dialog-title")
            yield OptionList(
                *(Option(_line(item, width), item.key, disabled=bool(item.reason)) for item in self._items),
                markup=False,
                compact=True,
            )
            yield self._hint

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
