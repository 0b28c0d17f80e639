"""What ctrl+p offers: the actions of the focused pane, the places to go to, and the program's own commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from kvtui.ui.goto import Target
from kvtui.ui.panes.resource import ResourcePane
from kvtui.ui.screens.help import name_key
from kvtui.ui.screens.main import MainScreen

if TYPE_CHECKING:
    from kvtui.ui.app import KvtuiApp


def commands(app: KvtuiApp, screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Every command that makes sense on the screen."""
    if isinstance(screen, MainScreen):
        yield from _actions(screen.current)
        yield from _sorts(screen.current)
        yield from _places(screen)
    for name in app.theme_names:
        yield SystemCommand(f"theme {name}", "change the colours", partial(setattr, app, "theme", name))
    yield SystemCommand("help", "every key there is", app.action_help)
    yield SystemCommand("quit", "leave kvtui", partial(app.call_later, app.action_leave))


def _actions(pane: ResourcePane) -> Iterable[SystemCommand]:
    reasons = pane.reasons()
    rows = pane.chosen
    subject = f"{len(rows)} {pane.resource.title}" if len(rows) != 1 else pane.resource.ref(rows[0]).path
    for action in pane.resource.actions:
        reason = reasons[action.id]
        note = f"not now: {reason}" if reason else action.help
        yield SystemCommand(f"{action.label} {subject}  ({name_key(action.key)})", note, partial(pane.start, action))


def _sorts(pane: ResourcePane) -> Iterable[SystemCommand]:
    for index, column in enumerate(pane.resource.columns):
        title = f"sort {pane.resource.title} by {column.title}"
        yield SystemCommand(title, "click on the column's title does the same", partial(pane.sort_by, index, False))


def _places(screen: MainScreen) -> Iterable[SystemCommand]:
    places = screen.places
    for resource in places.resources:
        target = Target(resource=resource.name)
        yield SystemCommand(f"go to {resource.title}", f":{resource.name}", partial(screen.go_to, target))
    yield SystemCommand("go to problems", "0", partial(screen.go_to, Target(word="problems")))
    for namespace in ("", *places.namespaces):
        name = namespace or "all"
        yield SystemCommand(f"namespace {name}", f":ns {name}", partial(screen.go_to, Target(namespace=namespace)))
