"""How an item is handed to its backend, and what is said where no answer came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kvtui.actions.items import Item
from kvtui.errors import UnreachableError
from kvtui.fleet import Fleet

Perform = Callable[[Fleet, Item], Awaitable[None]]
"""Has the backend do it; returns when it has accepted. Raises KvtuiError."""


async def perform(fleet: Fleet, item: Item) -> None:
    """Run the action of an item on its row."""
    backend = fleet.backends[item.ref.backend]
    run = item.action.run
    made = await (run(backend, item.row) if item.answers is None else run(backend, item.row, item.answers))
    item.result = made
    item.made = made if item.action.makes is not None else None


def tell_unknown(error: UnreachableError) -> str:
    """That nobody knows what came of it, and why."""
    words = str(error)
    return words if words.startswith("nobody knows") else f"nobody knows whether it was accepted: {words}"
