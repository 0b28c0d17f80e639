"""A download or an upload that goes on: how far it is, and the key that gives it up."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from kvtui.backends.transfer import Transfer
from kvtui.text import begin_sentence

_LOOK = 0.5
"""Seconds between two looks."""
_BAR = 40


class TransferDialog(ModalScreen[None]):
    """Shows a transfer until it is hidden; the transfer goes on without it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "dismiss(None)", "hide"),
        Binding("ctrl+k", "cancel", "give it up", show=False),
    ]

    def __init__(self, transfer: Transfer) -> None:
        super().__init__()
        self._transfer = transfer
        self._figures = Static(classes="dialog-body")
        self._keys = Static(classes="dialog-keys")

    def compose(self) -> ComposeResult:
        """What goes where, how far it is, and the keys."""
        with Vertical(classes="dialog"):
            yield Static(Text(self._transfer.title), classes="dialog-title")
            yield self._figures
            yield self._keys

    def on_mount(self) -> None:
        """Look now and then, and at once when it is over."""
        self._transfer.on_end(self._draw)
        self.set_interval(_LOOK, self._draw)
        self._draw()

    def action_cancel(self) -> None:
        """Give the transfer up."""
        self._transfer.cancel()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        transfer = self._transfer
        done = transfer.done
        bar = f"[{'=' * int(_BAR * done):<{_BAR}}]\n" if done is not None and not transfer.over else ""
        if not transfer.over:
            end, keys = "", "escape  hide: it goes on     ctrl+k  give it up"
        elif transfer.failure:
            end, keys = begin_sentence(transfer.failure), "escape  close"
        else:
            end, keys = begin_sentence(transfer.result), "escape  close"
        self._figures.update(Text("\n".join(filter(None, (bar.rstrip(), *transfer.lines, end)))))
        self._keys.update(Text(keys))
