"""Keys that were typed before the dialog could be seen: they are meant for something else, and answer nothing."""

from __future__ import annotations

import math
import time
from typing import Final, TypeVar

from textual.events import Key
from textual.screen import ModalScreen

from kvtui.ui.hacks import Typed

_SEEN: Final = 0.3
"""Seconds from the first frame on in which nobody can have read the question."""
_QUIET: Final = 0.7
"""Seconds without a key after one that came too soon; keyboards wait a shorter time until a held key is repeated."""
_ALWAYS: Final = frozenset({"escape", "ctrl+c", "ctrl+z"})
"""They lead away, and change nothing."""

T = TypeVar("T")


class SeenDialog(ModalScreen[T]):
    """A dialog that changes something when it is answered: takes only what was typed after it could be seen.

    What is typed sooner is dropped, and so is all behind it until no key was pressed for a moment: whoever takes the
    dialog for a guest types on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen_from = math.inf
        """From when on keys count, by the monotonic clock."""
        self._has_lost = False
        """Whether something was typed before it was drawn."""

    def on_mount(self) -> None:
        """Begin to count with the first frame."""
        self.call_after_refresh(self._note_frame)

    def _note_frame(self) -> None:
        self._seen_from = time.monotonic() + (_QUIET if self._has_lost else _SEEN)
        if self._has_lost:
            self.tell_lost()

    def loses(self, event: Typed) -> bool:
        """Whether a key or paste that comes now came too soon. It is of the time at which the terminal sent it."""
        if event.time >= self._seen_from or (isinstance(event, Key) and event.key in _ALWAYS):
            return False
        self._has_lost = True
        if self._seen_from < math.inf:
            self._seen_from = max(self._seen_from, event.time + _QUIET)
            self.tell_lost()
        return True

    def tell_lost(self) -> None:
        """Say that something was typed too soon."""
        raise NotImplementedError
