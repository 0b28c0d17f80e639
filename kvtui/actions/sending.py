"""How an item is handed to its backend, and what is said where no answer came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from kvtui.actions.items import Item
from kvtui.audit import chosen
from kvtui.backends.warned import hearing
from kvtui.errors import UnreachableError
from kvtui.fleet import Fleet
from kvtui.resources.form import Answers

Perform = Callable[[Fleet, Item], Awaitable[None]]
"""Has the backend do it; returns when it has accepted. Raises KvtuiError."""


async def perform(fleet: Fleet, item: Item) -> None:
    """Run the action of an item on its row."""
    backend = fleet.backends[item.ref.backend]
    run = item.action.run
    made = await (run(backend, item.row) if item.answers is None else run(backend, item.row, item.answers))
    item.result = made
    item.made = made if item.action.makes is not None else None


@contextmanager
def noted(item: Item) -> Iterator[None]:
    """Have what is asked meanwhile bear the action and its objects in the audit log, and what servers warn of kept."""
    touched = item.action.touches(item.row, item.answers or Answers({}))
    with chosen(item.action.id, item.action.command, item.ref, *touched), hearing(item.warnings):
        yield


def tell_unknown(error: UnreachableError) -> str:
    """That nobody knows what came of it, and why."""
    words = str(error)
    return words if words.startswith("nobody knows") else f"nobody knows whether it was accepted: {words}"
