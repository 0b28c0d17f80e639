"""The screen with the four panes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from kvtui.config import Settings
from kvtui.fleet import Fleet
from kvtui.model import Finding, Ref
from kvtui.records.kubernetes import Namespace
from kvtui.resources.base import AnyResource
from kvtui.ui.actions import ActionRunner
from kvtui.ui.consoles.channels import Channel
from kvtui.ui.dialogs.ask import DialogAsker
from kvtui.ui.goto import Places, Target
from kvtui.ui.offers import find_by_key, offer_actions
from kvtui.ui.panes.consoles import ConsolePane
from kvtui.ui.panes.prompt import Prompt
from kvtui.ui.panes.resource import ResourcePane
from kvtui.ui.screens.console_keys import ConsoleKeys
from kvtui.ui.screens.help import name_key
from kvtui.ui.screens.jobs import JobsScreen
from kvtui.ui.screens.jumping import Jumping
from kvtui.ui.screens.main_keys import MAIN_KEYS
from kvtui.ui.screens.panes import BESIDE, CONSOLE_KINDS, PanesScreen
from kvtui.ui.screens.pictures import PicturesScreen
from kvtui.ui.screens.problems import Choice, ProblemsScreen, tell_lack
from kvtui.ui.screens.prompting import Prompting
from kvtui.ui.table import LiveTable


class MainScreen(PanesScreen):
    """What the keys do: moving about, consoles, filters, and going to places."""

    BINDINGS: ClassVar[list[BindingType]] = MAIN_KEYS

    class ContextChosen(Message):
        """The user wants to see another context."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(
        self,
        fleet: Fleet,
        resources: Sequence[AnyResource],
        runner: ActionRunner,
        settings: Settings,
        contexts: Callable[[], Sequence[str]],
    ) -> None:
        super().__init__(fleet, resources, runner, settings, contexts)
        self._jumping = Jumping(self, fleet, self._resources, runner.batches)
        self._console_keys = ConsoleKeys(self, fleet, settings)
        self._prompting = Prompting(self, self._prompt, self._footer, lambda: self.places)

    # Moving about --------------------------------------------------------------------------------------------------

    def action_go(self, number: int) -> None:
        """Go to the problems (0), a pane (1 to 4) or the open console (5)."""
        if number == 0:
            self.set_focus(self.problems.table)
        elif number <= len(self.panes):
            self.choose(self.panes[number - 1])
        else:
            self._console_keys.open_last()

    def action_step(self, by: int) -> None:
        """Go to the next or previous pane."""
        if self.problems.table.has_focus:
            self.choose(self.panes[0 if by > 0 else -1])
            return
        index = self._current.number - 1 + by
        if 0 <= index < len(self.panes):
            self.choose(self.panes[index])
        else:
            self.set_focus(self.problems.table)

    def action_zoom(self) -> None:
        """Show the pane alone, or all again; with a console below, give the list the larger part."""
        before = self.single
        self._zoomed = not self._zoomed
        self._arrange()
        if self.consoles.display and self.size.width < BESIDE:
            part = "the list has the larger part" if self._zoomed else "the console has its part again"
            alone = name_key(self._settings.keys.get("main.alone", "Z"))
            self.notify(f"{part}; {alone} shows the console alone", timeout=4)
        elif self.single == before:
            self._zoomed = not self._zoomed
            why = (
                "it has no place among the panes" if self._current is self._guest else "no more than one has room here"
            )
            self.notify(f"this pane stands alone already: {why}", timeout=4)

    def action_zoom_console(self) -> None:
        """Give the whole screen to the open console, until it is left."""
        self._console_keys.open_alone()

    def action_faults(self) -> None:
        """Show only rows that are not well, or all."""
        self._current.show_faults(not self._current.listing.faults)

    def action_retry(self) -> None:
        """Try again at once what failed."""
        routes = self._fleet.routes
        if routes is not None and isinstance(routes.questions.asker, DialogAsker):
            routes.questions.asker.expect()
        self._fleet.retry()
        self.notify("trying again what failed", timeout=4)

    def action_back(self) -> None:
        """Take back the latest of what narrows the view; from the problems, go to the panes."""
        pane = self._current
        if self.problems.table.has_focus:
            self.choose(pane)
        elif pane.table.clear_marks():
            pane.draw_title()
        elif pane.listing.filter_text:
            pane.filter("", pane.meant)
        elif pane.listing.faults:
            pane.show_faults(False)
        elif self._zoomed:
            self.action_zoom()
        elif pane is self._guest:
            self.choose(self._home)

    def on_key(self, event: events.Key) -> None:
        """The chord leads out of the console, and into it; from a problem nothing is done, and that is said."""
        if self._console_keys.press(event.key) or (self.problems.table.has_focus and self._tell_row(event.key)):
            event.stop()

    def _tell_row(self, key: str) -> bool:
        """From a problem, say where the action with that key can be done; whether there is such a one."""
        finding = self.problems.finding
        found = self._jumping.find(finding.subject) if finding is not None else None
        action = find_by_key(found[0], key, self._settings.keys) if found is not None else None
        if found is None or action is None:
            return False
        resource, ref = found
        row = f"{resource.label} {self._fleet.name(ref)}"
        self.notify(
            f"{action.label} is done on a row: enter goes to {row}, and {name_key(key)} there does it", timeout=6
        )
        return True

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        """From a problem, go to the row that it is about; what has none is told in full among all problems."""
        if event.table is not self.problems.table:
            return
        finding = self._chosen_problem()
        if finding is not None and self._jumping.has_row(finding.subject):
            self.jump(finding.subject)
        elif finding is not None:
            self._show_problems(finding, tell_lack(self._fleet.name(finding.subject)))

    def jump(self, ref: Ref) -> None:
        """Put the cursor on a row, taking back what hides it."""
        self._jumping.jump(ref)

    def on_resource_pane_opened(self, event: ResourcePane.Opened) -> None:
        """Show a row in full; of a namespace, what is in it."""
        event.stop()
        if event.ref.kind == Namespace.KIND and event.tab == "overview":
            self.show_namespace(event.ref.name)
            self.choose(self._home)
            return
        self._jumping.open(event.resource, event.ref, event.tab)

    def action_tell(self, tab: str) -> None:
        """From a problem, show a tab of what it is about; what has no row is told in full among all problems."""
        finding = self._chosen_problem() if self.problems.table.has_focus else None
        found = self._jumping.find(finding.subject) if finding is not None else None
        if found is not None:
            self._jumping.open(*found, tab)
        elif finding is not None:
            self._show_problems(finding, tell_lack(self._fleet.name(finding.subject), tab))

    def _chosen_problem(self) -> Finding | None:
        """What stands for the problem under the cursor; where there is none, that is said."""
        if self.problems.finding is None:
            self.notify("no problem is chosen: there is none in the strip", severity="warning", timeout=4)
        return self.problems.finding

    # Consoles ------------------------------------------------------------------------------------------------------

    @property
    def _subject(self) -> Ref | None:
        """The row under the cursor; of a problem, what it is about."""
        if self.problems.table.has_focus:
            return self.problems.finding.subject if self.problems.finding else None
        return self._current.current

    def action_console(self, stream: str) -> None:
        """Open a way into the chosen VM, by the name of its stream."""
        self._current.hold_row()
        self._console_keys.open(stream, self._subject)

    def open_alone(self, channel: Channel) -> None:
        """Open a way into a machine and give it the whole screen, until it is left."""
        self.consoles.open(channel)
        self.action_zoom_console()

    def action_step_console(self, by: int) -> None:
        """Go to the next or the previous console."""
        self._console_keys.step(by)

    def action_screens(self) -> None:
        """Look at the screens of the marked VMs, or of the chosen one."""
        self._current.hold_row()
        marks = () if self.problems.table.has_focus else self._current.table.marks
        refs = [ref for ref in marks or (self._subject,) if ref is not None and ref.kind in CONSOLE_KINDS]
        if not refs:
            self.notify("a screen belongs to a VM: choose one among the VMs", severity="warning")
            return
        self.app.push_screen(PicturesScreen(self._fleet, self._resources["vms"], refs, self._settings), self._enter)

    def _enter(self, ref: Ref | None) -> None:
        if ref is not None:
            self._console_keys.open_serial(ref)

    def action_console_menu(self) -> None:
        """Choose what to do with the shown console; the keyboard is in it again if it was before the chord."""
        self._console_keys.open_menu()

    def action_offer(self) -> None:
        """Choose among all that can be done to the chosen rows."""
        offer_actions(self._current, self._settings.keys)

    def action_jobs(self) -> None:
        """Show what was done and what came of it."""
        self.app.push_screen(JobsScreen(self._fleet, self._runner))

    def action_problems(self) -> None:
        """Show all problems, and go to the row that is chosen there."""
        self._show_problems()

    def _show_problems(self, chosen: Finding | None = None, note: str = "") -> None:

        def go(choice: Choice | None) -> None:
            self.problems.redraw()
            self._header.redraw()
            found = self._jumping.find(choice.ref) if choice is not None else None
            if choice is not None and choice.tab and found is not None:
                self._jumping.open(*found, choice.tab)
            elif choice is not None:
                self.jump(choice.ref)

        has_row, keys = self._jumping.has_row, self._settings.keys
        self.app.push_screen(ProblemsScreen(self._fleet, self._acknowledged, has_row, keys, chosen, note), go)

    def action_read_console(self) -> None:
        """Read what the shown console has shown; it is alone on the screen again if it was before the chord."""
        self._console_keys.read()

    def on_console_pane_left(self, event: ConsolePane.Left) -> None:
        """The keyboard comes back to the list."""
        event.stop()
        self._console_keys.leave()

    def on_console_pane_changed(self, event: ConsolePane.Changed) -> None:
        """Make or take back room."""
        event.stop()
        self._arrange()

    # Filter and go-to ----------------------------------------------------------------------------------------------

    @property
    def places(self) -> Places:
        """Where one can go now."""
        view = self._fleet.view
        found = {ref.name for ref, _ in view.items(Namespace)}
        found |= {ref.namespace for pane in self.panes for ref in pane.resource.refs(view)}
        return Places(
            list(self._resources.values()),
            sorted(found - {""}),
            self._contexts(),
            sorted(self.app.available_themes),
        )

    def action_filter(self) -> None:
        """Ask for a filter of this pane."""
        self._prompting.ask_filter()

    def action_go_to(self) -> None:
        """Ask where to go."""
        self._prompting.ask_place()

    def on_prompt_typed(self, event: Prompt.Typed) -> None:
        """Filter while it is typed."""
        event.stop()
        self._prompting.type(event.text)

    def on_prompt_ended(self, event: Prompt.Ended) -> None:
        """Keep the filter or go there; what was given up is as it was before."""
        event.stop()
        target = self._prompting.end(event.text, submitted=event.submitted)
        if target is not None:
            self.go_to(target)

    def go_to(self, target: Target) -> None:
        """Go where a text leads."""
        if target.context is not None:
            self.post_message(self.ContextChosen(target.context))
            return
        if target.namespace is not None:
            self.show_namespace(target.namespace)
        if target.theme is not None:
            self.app.theme = target.theme
        pane = next((pane for pane in self.panes if pane.resource.name == target.resource), None)
        if pane is not None:
            self.choose(pane)
            self.filter_anew(target.filter)
        elif target.resource is not None:
            self.call_later(self.invite, self._resources[target.resource], target.filter)
        if target.word == "problems":
            self.action_problems()
        elif target.word == "jobs":
            self.action_jobs()
        elif target.word:
            self.call_later(self.run_action, {"help": "app.help", "quit": "app.leave"}[target.word])
