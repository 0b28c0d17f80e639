"""The panes of the main screen and their arrangement: what stands where, who has the keyboard, what the footer says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from kvtui.config import Settings, state_dir
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, Host
from kvtui.resources.base import AnyResource
from kvtui.store import Delta
from kvtui.ui.acknowledged import Acknowledged
from kvtui.ui.actions import ActionRunner
from kvtui.ui.bar import Piece
from kvtui.ui.consoles.channels import explain_no_shell
from kvtui.ui.panes.consoles import ConsolePane
from kvtui.ui.panes.footer import Footer, entry
from kvtui.ui.panes.header import Header
from kvtui.ui.panes.problems import ProblemsPane
from kvtui.ui.panes.prompt import Prompt
from kvtui.ui.panes.resource import ResourcePane, make_pane
from kvtui.ui.screens.help import name_key

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
_ON_PROBLEMS = (
    ("", "enter", "its row"),
    ("pane.why", "w", "why"),
    ("pane.stack", "x", "stack"),
    ("pane.timeline", "t", "timeline"),
    ("main.problems", "P", "all problems"),
)
"""Keys of the strip: the name by which the user may have another, the key, the word."""
_MANY_MARKS = 100
"""From how many marked rows on the footer takes its time: each of them is judged ..."""
_FOOTER_PAUSE = 0.5
"""... and this is how many seconds."""
CONSOLE_KINDS = (VirtualMachine.KIND, VirtualMachineInstance.KIND, Domain.KIND)
SHELL_KINDS = (*CONSOLE_KINDS, Host.KIND)


class PanesScreen(Screen[None]):
    """Header, problems, the panes, the consoles, and the line of keys."""

    AUTO_FOCUS = "#table-vms"

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
        self._changed_rows: set[Ref] = set()
        self._namespace = ""
        self._resources = {resource.name: resource for resource in resources}
        chosen = [self._resources[name] for name in PANES if name in self._resources]
        self._acknowledged = Acknowledged(state_dir() / "acknowledged.json", fleet.clock)
        self._header = Header(fleet, self._acknowledged, read_only=settings.read_only)
        self.problems = ProblemsPane(fleet, chosen, self._acknowledged)
        self.panes = [make_pane(number, resource, fleet, runner) for number, resource in enumerate(chosen, start=1)]
        self._guest: ResourcePane | None = None
        self.consoles = ConsolePane(fleet, settings)
        self._prompt = Prompt()
        self._footer = Footer()
        self._current = self._home
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
        self._runner.listen(self._redraw_soon)
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
        self.place_toasts()
        self._runner.tell_overdue()
        self._header.show_work(self._runner.progress)
        self._header.tick()
        if self.problems.tick():
            self._header.redraw()
        for pane in self._all_panes():
            if pane.display:
                pane.tick()

    def _redraw_soon(self, refs: Collection[Ref]) -> None:
        """Redraw rows, together with all others that change until it is their turn: of a batch it may be hundreds."""
        if not self._changed_rows:
            self.call_later(self._redraw_rows)
        self._changed_rows.update(refs)

    def _redraw_rows(self) -> None:
        refs, self._changed_rows = self._changed_rows, set()
        for pane in self._all_panes():
            pane.redraw_rows(refs)

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
        whole = width >= BESIDE or self.has_class("-alone")
        self.consoles.styles.height = "1fr" if whole else max(_CONSOLE_LEAST, min(most, height - others))

    def show_alone(self, alone: bool) -> None:
        """Give the console the whole screen, or take it back."""
        self.set_class(alone, "-alone")
        self._footer.display = not alone
        self._fit_consoles()

    def place_toasts(self) -> None:
        """Keep toasts off the line that is typed on in a console that stands alone."""
        self.set_class(self.has_class("-alone") and self.consoles.is_typing_high, "-typing-high")

    def _show_neighbours(self) -> None:
        """A pane that stands alone names the others, with their keys and counts."""
        single = self.single
        for pane in self._all_panes():
            others = [other for other in self.panes if other is not pane] if single else []
            pane.show_neighbours([piece for other in others for piece in other.tab])

    def choose(self, pane: ResourcePane) -> None:
        """Give a pane the keyboard."""
        self._current = pane
        if self._guest is not None and pane is not self._guest:
            self._guest.remove()
            self._guest = None
        self._arrange()
        self.set_focus(pane.table)

    @property
    def namespace(self) -> str:
        """The namespace that is shown; empty for all."""
        return self._namespace

    def show_namespace(self, namespace: str) -> None:
        """Show one namespace in all panes; empty for all."""
        self._namespace = namespace
        self._header.show_namespace(namespace)
        for pane in self._all_panes():
            pane.show_namespace(namespace)
        self._show_neighbours()

    async def invite(self, resource: AnyResource, text: str | None = None) -> None:
        """Show a resource that has no pane of its own."""
        if self._guest is not None:
            await self._guest.remove()
        self._guest = make_pane(0, resource, self._fleet, self._runner)
        self._guest.listing.set_namespace(self._namespace, self._fleet.clock())
        await self.query_one("#panes").mount(self._guest)
        self.choose(self._guest)
        self.filter_anew(text)

    def filter_anew(self, text: str | None) -> None:
        """Filter the pane that was gone to; None leaves it as it is."""
        if text is not None:
            try:
                self._current.filter(text, self._current.meant)
            except ValueError as error:
                self.notify(str(error), severity="warning")

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
            if len(event.pane.table.marks) > _MANY_MARKS:
                self.set_timer(_FOOTER_PAUSE, self._draw_footer)
            else:
                self.call_after_refresh(self._draw_footer)

    def _draw_footer(self) -> None:
        self._footer_due = False
        pane = self._current
        if self.consoles.has_focus_within:
            detach = self._settings.console.detach.split(",")[0]
            out = name_key(detach)
            menu = name_key(self._settings.keys.get("main.console_menu", "full_stop"))
            self._footer.set_pieces(
                [Piece(" "), *entry(detach, "back to the list", rank=0), Piece(f"{out} {menu}", "key"), Piece(" menu")]
            )
        elif self.problems.table.has_focus:
            self._footer.show_actions((), {}, {}, self._ways_from_problem())
        elif self._header.read_only:
            self._footer.show_actions((), {}, {}, [Piece("READ-ONLY: looks only  "), *self._ways_in()])
        else:
            pane.ask_rights()
            self._footer.show_actions(pane.resource.verbs, pane.reasons(), self._settings.keys, self._ways_in())

    def _ways_from_problem(self) -> list[Piece]:
        """The keys of the strip."""
        keys = self._settings.keys
        return [
            piece
            for rank, (name, key, word) in enumerate(_ON_PROBLEMS, start=2)
            for piece in entry(keys.get(name, key).split(",")[0].strip(), word, rank=rank)
        ]

    def _ways_in(self) -> list[Piece]:
        """The keys that change nothing."""
        open_it = entry("enter", "open", rank=40)
        if self._current.resource.sources[0].kind in CONSOLE_KINDS:
            # A boot log takes the console from nobody, and is what a read-only fleet can be asked for.
            way = entry("L", "boot log", rank=2) if self._header.read_only else self._console_entry()
            return [*way, *entry("v", "screen", rank=30), *open_it]
        return [*entry("C", "shell", rank=2), *open_it] if self._has_shell(self._current.current) else open_it

    def _console_entry(self) -> list[Piece]:
        return entry("c", "console", rank=2, possible=not self._current.why_no_console)

    def _has_shell(self, ref: Ref | None) -> bool:
        """Whether it is a host that can be logged in to."""
        if ref is None or ref.kind != Host.KIND:
            return False
        backend = self._fleet.backends[ref.backend]
        return not backend.info.read_only and not explain_no_shell(backend)

    @property
    def _home(self) -> ResourcePane:
        """The pane to begin in."""
        return next((pane for pane in self.panes if pane.resource.name == "vms"), self.panes[0])
