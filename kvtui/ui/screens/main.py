"""The screen with the four panes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen

from kvtui.config import Settings
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.kubernetes import Namespace
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources.base import AnyResource
from kvtui.store import Delta
from kvtui.ui.actions import ActionRunner
from kvtui.ui.bar import Piece
from kvtui.ui.goto import Places, Target, complete, understand
from kvtui.ui.panes.consoles import ConsolePane
from kvtui.ui.panes.footer import Footer, entry
from kvtui.ui.panes.header import Header
from kvtui.ui.panes.problems import ProblemsPane
from kvtui.ui.panes.prompt import Prompt
from kvtui.ui.panes.resource import ResourcePane, find_pane, find_rows, make_pane
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.screens.help import name_key
from kvtui.ui.table import LiveTable

PANES = ("nodes", "vms", "migrations", "imports")
"""The resources that have a pane of their own, in the order of their numbers. All others are shown on demand."""
WIDE = (110, 30)
"""Columns and lines from which all panes stand side by side."""
BESIDE = 172
"""Columns from which consoles stand beside the panes, not below: a serial line is 80 columns wide, and 90 stay."""
_CONSOLE = (82, 26)
"""Columns and lines of the consoles where there is room: 80 by 24, a rule, the tabs and the state."""
_PANES_LEAST = 5
"""Lines that the panes keep above the consoles."""
_CONSOLE_LEAST = 5
"""Lines that the consoles keep below the panes."""
_CONSOLE_KINDS = (VirtualMachine.KIND, VirtualMachineInstance.KIND)


class MainScreen(Screen[None]):
    """Header, problems, the panes, the consoles, and the line of keys."""

    AUTO_FOCUS = "#table-vms"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"go({number})", f"pane {number}", show=False, tooltip=tooltip)
            for number, tooltip in enumerate(
                ("problems", "first pane", "second pane", "third pane", "fourth pane", "the open console")
            )
        ),
        Binding("tab", "step(1)", "next pane", show=False, tooltip="the next pane", id="main.next"),
        Binding("shift+tab", "step(-1)", "previous pane", show=False, tooltip="the pane before", id="main.previous"),
        Binding("z", "zoom", "zoom", tooltip="show this pane alone, or all again", id="main.zoom"),
        Binding("Z", "zoom_console", "console alone", tooltip="the console alone, until it is left", id="main.alone"),
        Binding("slash", "filter", "filter", tooltip="filter the rows of this pane", id="main.filter"),
        Binding("colon", "go_to", "go to", tooltip="go to a resource or namespace (ns NAME)", id="main.goto"),
        Binding("exclamation_mark", "faults", "faults", tooltip="show only rows that are not well", id="main.faults"),
        Binding("c", "console", "console", tooltip="the serial console of the VM", id="main.console"),
        Binding("question_mark", "app.help", "help", tooltip="this help", id="main.help"),
        Binding("escape", "back", "back", tooltip="take back marks, filter, faults only, zoom: one at a time"),
        Binding("q", "app.leave", "quit", tooltip="quit", id="main.quit"),
    ]

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
        super().__init__()
        self._fleet = fleet
        self._contexts = contexts
        self._settings = settings
        self._runner = runner
        self._zoomed = False
        self._footer_due = False
        self._namespace = ""
        self._resources = {resource.name: resource for resource in resources}
        chosen = [self._resources[name] for name in PANES if name in self._resources]
        self._header = Header(fleet, read_only=settings.read_only)
        self.problems = ProblemsPane(fleet, chosen)
        self.panes = [make_pane(number, resource, fleet, runner) for number, resource in enumerate(chosen, start=1)]
        self._guest: ResourcePane | None = None
        self.consoles = ConsolePane(fleet, settings)
        self._prompt = Prompt()
        self._footer = Footer()
        self._current = self._home
        self._filter_before = ""
        self._unlisten: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """From the first line to the last."""
        yield self._header
        yield self.problems
        with Container(id="body"):
            with Container(id="panes"):
                yield from self.panes
            yield self.consoles
        yield self._prompt
        yield self._footer

    def on_mount(self) -> None:
        """Follow the store and the clock."""
        self._unlisten = self._fleet.listen(self._take)
        self._runner.listen(self._redraw_row)
        self.set_interval(1.0, self.tick)
        self._arrange()
        self._header.redraw()
        self.tick()

    def on_unmount(self) -> None:
        """Stop following."""
        self._unlisten()

    # The store and the clock ---------------------------------------------------------------------------------------

    def _take(self, delta: Delta) -> None:
        for pane in self._all_panes():
            pane.take(delta)
        self.problems.redraw()
        self._header.redraw()
        self._fit_problems()
        self._show_neighbours()

    def tick(self) -> None:
        """Once a second: what shows the time."""
        self._header.tick()
        self.problems.tick()
        for pane in self._all_panes():
            if pane.display:
                pane.tick()

    def _redraw_row(self, ref: Ref) -> None:
        for pane in self._all_panes():
            pane.redraw_row(ref)

    def _all_panes(self) -> list[ResourcePane]:
        return self.panes if self._guest is None else [*self.panes, self._guest]

    # Arrangement ---------------------------------------------------------------------------------------------------

    @property
    def single(self) -> bool:
        """Whether one pane stands alone."""
        width, height = self.size
        if self.consoles.display:
            if width < BESIDE:
                return True
            width -= _CONSOLE[0]
        return self._zoomed or self._current is self._guest or width < WIDE[0] or height < WIDE[1]

    def on_resize(self, _event: events.Resize) -> None:
        """Arrange the panes for the new size."""
        self._arrange()

    def _arrange(self) -> None:
        single = self.single
        self.set_class(single, "-single")
        self.set_class(self.size.width >= BESIDE, "-beside")
        self.set_class(self.consoles.display, "-console")
        self._fit_consoles()
        for pane in self._all_panes():
            pane.display = pane is self._current or not single
            pane.table.wide = single and self.size.width >= WIDE[0]
        self._fit_problems()
        self._show_neighbours()

    def _fit_problems(self) -> None:
        width, height = self.size
        below = self.consoles.display and width < BESIDE
        self.problems.allow(1 if below else max(1, min(5, height // 7)))

    def _fit_consoles(self) -> None:
        width, height = self.size
        others = 4 + _PANES_LEAST  # the header, the problems' rule and first line, the footer
        most = _CONSOLE_LEAST if self._zoomed else _CONSOLE[1]
        self.consoles.styles.height = "1fr" if width >= BESIDE else max(_CONSOLE_LEAST, min(most, height - others))

    def _show_neighbours(self) -> None:
        """A pane that stands alone names the others, with their keys and counts."""
        single = self.single
        for pane in self._all_panes():
            others = [other for other in self.panes if other is not pane] if single else []
            pane.show_neighbours([piece for other in others for piece in other.tab])

    def _choose(self, pane: ResourcePane) -> None:
        """Give a pane the keyboard."""
        self._current = pane
        if self._guest is not None and pane is not self._guest:
            self._guest.remove()
            self._guest = None
        self._arrange()
        self.set_focus(pane.table)

    async def _invite(self, resource: AnyResource, text: str | None = None) -> None:
        """Show a resource that has no pane of its own."""
        if self._guest is not None:
            await self._guest.remove()
        self._guest = make_pane(0, resource, self._fleet, self._runner)
        self._guest.listing.set_namespace(self._namespace, self._fleet.clock())
        await self.query_one("#panes").mount(self._guest)
        self._choose(self._guest)
        self._filter_anew(text)

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """Show where the keyboard is."""
        for pane in self._all_panes():
            pane.show_focus(pane.table.has_focus)
            if pane.table.has_focus:
                self._current = pane
        self.problems.show_focus(self.problems.table.has_focus)
        self._draw_footer()

    @property
    def current(self) -> ResourcePane:
        """The pane that has the keyboard, or had it last."""
        return self._current

    # The footer ----------------------------------------------------------------------------------------------------

    def on_resource_pane_changed(self, event: ResourcePane.Changed) -> None:
        """Judge anew which keys are possible, once for all that changed in this step."""
        event.stop()
        if not self._footer_due:
            self._footer_due = True
            self.call_after_refresh(self._draw_footer)

    def _draw_footer(self) -> None:
        self._footer_due = False
        pane = self._current
        if self.consoles.has_focus_within:
            detach = self._settings.console.detach.split(",")[0]
            self._footer.set_pieces([Piece(" "), *entry(detach, "back to the list", rank=0)])
        elif self.problems.table.has_focus:
            self._footer.show_actions((), {}, {}, entry("enter", "go to the row", rank=2))
        elif self._header.read_only:
            self._footer.show_actions((), {}, {}, [Piece("READ-ONLY: looks only  "), *self._ways_in()])
        else:
            pane.ask_rights()
            self._footer.show_actions(pane.resource.actions, pane.reasons(), self._settings.keys, self._ways_in())

    def _ways_in(self) -> list[Piece]:
        """The keys that change nothing."""
        open_it = entry("enter", "open", rank=40)
        if self._current.resource.sources[0].kind in _CONSOLE_KINDS:
            return [*entry("c", "console", rank=2), *open_it]
        return open_it

    # Moving about --------------------------------------------------------------------------------------------------

    def action_go(self, number: int) -> None:
        """Go to the problems (0), a pane (1 to 4) or the open console (5)."""
        if number == 0:
            self.set_focus(self.problems.table)
        elif number <= len(self.panes):
            self._choose(self.panes[number - 1])
        elif self.consoles.current is not None:
            self.consoles.open(self.consoles.current)

    def action_step(self, by: int) -> None:
        """Go to the next or previous pane."""
        if self.problems.table.has_focus:
            self._choose(self.panes[0 if by > 0 else -1])
            return
        index = self._current.number - 1 + by
        if 0 <= index < len(self.panes):
            self._choose(self.panes[index])
        else:
            self.set_focus(self.problems.table)

    def action_zoom(self) -> None:
        """Show the pane alone, or all again; with a console below, give the list the larger part."""
        self._zoomed = not self._zoomed
        self._arrange()
        if self.consoles.display and self.size.width < BESIDE:
            part = "the list has the larger part" if self._zoomed else "the console has its part again"
            alone = name_key(self._settings.keys.get("main.alone", "Z"))
            self.notify(f"{part}; {alone} shows the console alone", timeout=4)

    def action_zoom_console(self) -> None:
        """Give the whole screen to the open console, until it is left."""
        if self.consoles.current is not None:
            self.add_class("-alone")
            self.consoles.open(self.consoles.current)

    def action_faults(self) -> None:
        """Show only rows that are not well, or all."""
        self._current.show_faults(not self._current.listing.faults)

    def action_back(self) -> None:
        """Take back the latest of what narrows the view; from the problems, go to the panes."""
        pane = self._current
        if self.problems.table.has_focus:
            self._choose(pane)
        elif pane.table.clear_marks():
            pane.draw_title()
        elif pane.listing.filter_text:
            pane.filter("")
        elif pane.listing.faults:
            pane.show_faults(False)
        elif self._zoomed:
            self.action_zoom()
        elif pane is self._guest:
            self._choose(self._home)

    @property
    def _home(self) -> ResourcePane:
        """The pane to begin in."""
        return next((pane for pane in self.panes if pane.resource.name == "vms"), self.panes[0])

    def on_key(self, event: events.Key) -> None:
        """The chord leads out of the console, and into it."""
        chords = [chord.strip() for chord in self._settings.console.detach.split(",")]
        if event.key not in chords or self.consoles.current is None:
            return
        event.stop()
        if self.consoles.has_focus_within:
            self._leave_consoles()
        else:
            self.action_go(len(self.panes) + 1)

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        """From a problem, go to the row that it is about."""
        finding = self.problems.finding
        if event.table is self.problems.table and finding is not None:
            self.jump(finding.subject)

    def jump(self, ref: Ref) -> None:
        """Put the cursor on a row, taking back a filter that hides it."""
        pane = find_rows(self.panes, ref)
        if pane is None:
            pane = find_pane(self.panes, ref.kind)
            if pane is None:
                self.notify(f"{ref.path} is on none of the panes", severity="warning")
                return
            pane.filter("")
            pane.show_faults(False)
        self._choose(pane)
        pane.table.move_to(ref)

    def on_resource_pane_opened(self, event: ResourcePane.Opened) -> None:
        """Show a row in full; of a namespace, what is in it."""
        event.stop()
        if event.ref.kind == Namespace.KIND and event.tab == "overview":
            self.show_namespace(event.ref.name)
            self._choose(self._home)
            return
        self.app.push_screen(DetailScreen(self._fleet, event.resource, event.ref, event.tab))

    # Consoles ------------------------------------------------------------------------------------------------------

    def action_console(self) -> None:
        """Open the serial console of the chosen VM."""
        ref = self._current.current
        if self.problems.table.has_focus:
            ref = self.problems.finding.subject if self.problems.finding else None
        if ref is None or ref.kind not in _CONSOLE_KINDS:
            self.notify("a console belongs to a VM: choose one among the VMs", severity="warning")
            return
        self.consoles.open(ref)

    def on_console_pane_left(self, event: ConsolePane.Left) -> None:
        """The keyboard comes back to the list."""
        event.stop()
        self._leave_consoles()

    def _leave_consoles(self) -> None:
        self.remove_class("-alone")
        self._choose(self._current)

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
        self._filter_before = self._current.listing.filter_text
        self._open_prompt("/", self._filter_before)

    def action_go_to(self) -> None:
        """Ask where to go."""
        self._open_prompt(":", "")

    def _open_prompt(self, sign: str, text: str) -> None:
        places = self.places
        self._footer.display = False
        self._prompt.ask(sign, text, (lambda typed: complete(typed, places)) if sign == ":" else lambda _typed: ())

    def on_prompt_typed(self, event: Prompt.Typed) -> None:
        """Filter while it is typed."""
        event.stop()
        if self._prompt.sign == "/":
            self._try_filter(event.text)

    def on_prompt_ended(self, event: Prompt.Ended) -> None:
        """Keep the filter or go there; what was given up is as it was before."""
        event.stop()
        if self._prompt.sign == "/":
            if not self._try_filter(event.text if event.submitted else self._filter_before):
                return
        elif event.submitted and event.text:
            try:
                target = understand(event.text, self.places)
            except ValueError as error:
                self._prompt.complain(str(error))
                return
            self._close_prompt()
            self.go_to(target)
            return
        self._close_prompt()

    def _close_prompt(self) -> None:
        self._prompt.close()
        self._footer.display = True
        self.set_focus(self._current.table)

    def _try_filter(self, text: str) -> bool:
        try:
            self._current.filter(text)
        except ValueError as error:
            self._prompt.complain(str(error))
            return False
        return True

    def _filter_anew(self, text: str | None) -> None:
        """Filter the pane that was gone to; None leaves it as it is."""
        if text is not None:
            try:
                self._current.filter(text)
            except ValueError as error:
                self.notify(str(error), severity="warning")

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
            self._choose(pane)
            self._filter_anew(target.filter)
        elif target.resource is not None:
            self.call_later(self._invite, self._resources[target.resource], target.filter)
        if target.word == "problems":
            self.action_go(0)
        elif target.word:
            self.call_later(self.run_action, {"help": "app.help", "quit": "app.leave"}[target.word])

    def show_namespace(self, namespace: str) -> None:
        """Show one namespace in all panes; empty for all."""
        self._namespace = namespace
        self._header.show_namespace(namespace)
        for pane in self._all_panes():
            pane.show_namespace(namespace)
        self._show_neighbours()
