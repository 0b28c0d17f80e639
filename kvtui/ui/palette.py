"""What ctrl+p offers: the actions of the focused pane, the places to go to, and the program's own commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from kvtui.ui.goto import Target
from kvtui.ui.panes.resource import ResourcePane
from kvtui.ui.program import Program
from kvtui.ui.screens.help import name_key
from kvtui.ui.screens.main import MainScreen


class Command(NamedTuple):
    """One line of the palette."""

    name: str
    note: str
    run: Callable[[], object]


class KvtuiCommands(Provider):
    """Finds commands by name; before anything is typed they stand in the order of their use."""

    async def discover(self) -> Hits:
        """Every command."""
        for command in self._commands():
            yield DiscoveryHit(Content(command.name), command.run, text=command.name, help=command.note)

    async def search(self, query: str) -> Hits:
        """The commands that match."""
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.name)
            if score > 0:
                yield Hit(score, matcher.highlight(command.name), command.run, text=command.name, help=command.note)

    def _commands(self) -> Iterator[Command]:
        if isinstance(self.screen, MainScreen):
            yield from main_commands(self.screen)
        for name in sorted(self.app.available_themes):
            yield Command(f"theme {name}", f":theme {name}", partial(setattr, self.app, "theme", name))
        if isinstance(self.app, Program) and self.app.briefing:
            yield Command("briefing", "what the drill is about", partial(self._run, "app.briefing"))
        yield Command("help", "every key there is", partial(self._run, "app.help"))
        yield Command("quit", "leave kvtui", partial(self._run, "app.leave"))

    def _run(self, action: str) -> None:
        self.app.call_later(self.app.run_action, action)


def main_commands(screen: MainScreen) -> Iterator[Command]:
    """What can be done on the main screen, the nearest first."""
    pane = screen.current
    yield from _actions(pane)
    places = screen.places
    for resource in places.resources:
        yield Command(f"go to {resource.title}", f":{resource.name}", partial(screen.go_to, Target(resource.name)))
    yield Command("go to problems", "0", partial(screen.go_to, Target(word="problems")))
    yield Command("what was done", "J", screen.action_jobs)
    for index, column in enumerate(pane.resource.columns):
        yield Command(f"sort {pane.resource.title} by {column.title}", "", partial(pane.sort_by, index, False))
    for namespace in ("", *places.namespaces):
        name = namespace or "all"
        yield Command(f"namespace {name}", f":ns {name}", partial(screen.go_to, Target(namespace=namespace)))


def _actions(pane: ResourcePane) -> Iterator[Command]:
    pane.hold_row()
    rows, reasons = pane.chosen, pane.reasons()
    subject = pane.name_row(rows[0]) if len(rows) == 1 else f"{len(rows)} {pane.resource.title}"
    for action in pane.resource.verbs:
        reason = reasons[action.id]
        note = f"not now: {reason}" if reason else action.help
        key = f"  ({name_key(action.key)})" if action.key else ""
        target = pane.resource.label if action in pane.resource.makers else subject
        yield Command(f"{action.label} {target}{key}", note, partial(pane.start, action))
