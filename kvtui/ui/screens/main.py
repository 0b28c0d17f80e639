"""The screen with the four panes."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from kvtui.console.state import Stream
from kvtui.model import Finding, Ref
from kvtui.records.kubernetes import Namespace
from kvtui.resources.base import AnyResource
from kvtui.stack import find_row
from kvtui.ui.consoles.channels import Channel
from kvtui.ui.consoles.menu import Console, open_menu
from kvtui.ui.dialogs.ask import DialogAsker
from kvtui.ui.goto import Places, Target, complete, understand
from kvtui.ui.offers import offer_actions
from kvtui.ui.panes.consoles import ConsolePane
from kvtui.ui.panes.prompt import Prompt
from kvtui.ui.panes.resource import ResourcePane, find_pane, find_rows
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.screens.help import name_key
from kvtui.ui.screens.jobs import JobsScreen
from kvtui.ui.screens.panes import BESIDE, CONSOLE_KINDS, SHELL_KINDS, PanesScreen
from kvtui.ui.screens.pictures import PicturesScreen
from kvtui.ui.screens.problems import Choice, ProblemsScreen
from kvtui.ui.table import LiveTable


class MainScreen(PanesScreen):
    """What the keys do: moving about, consoles, filters, and going to places."""

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
        Binding("c", "console('SERIAL')", "console", tooltip="the serial console of the VM", id="main.console"),
        Binding("L", "console('LOG')", "boot log", tooltip="what the VM said on its serial line", id="main.boot_log"),
        Binding(
            "C",
            "console('SHELL')",
            "shell",
            tooltip="a shell of the VM's guest or of the libvirt host, over ssh",
            id="main.shell",
        ),
        Binding(
            "ctrl+pageup", "step_console(-1)", "", show=False, tooltip="the console before", id="main.previous_console"
        ),
        Binding("ctrl+pagedown", "step_console(1)", "", show=False, tooltip="the next console", id="main.next_console"),
        Binding(
            "v",
            "screens",
            "screens",
            tooltip="what the marked VMs, or the chosen one, show on their screens",
            id="main.screens",
        ),
        Binding(
            "J",
            "jobs",
            "jobs",
            show=False,
            tooltip="what was done, and what came of each row: cancel, retry",
            id="main.jobs",
        ),
        Binding(
            "P",
            "problems",
            "problems",
            show=False,
            tooltip="all problems: by cause, node or namespace, with their evidence; acknowledge",
            id="main.problems",
        ),
        *(
            Binding(key, f"tell('{tab}')", word, show=False, tooltip=f"from a problem: {words}", id=f"pane.{word}")
            for key, tab, word, words in (
                ("w", "overview", "why", "what is wrong with its row, and why"),
                ("x", "stack", "stack", "the stack of its row"),
                ("t", "timeline", "timeline", "what happened to its row and its layers, and when"),
            )
        ),
        Binding("a", "offer", "actions", tooltip="all that can be done to the row, by name", id="main.actions"),
        Binding(
            "full_stop",
            "console_menu",
            "console menu",
            show=False,
            tooltip="the menu of the open console; from inside it behind ctrl+]",
            id="main.console_menu",
        ),
        Binding(
            "left_square_bracket",
            "read_console",
            "read",
            show=False,
            tooltip="read what the open console has shown: search, select, copy, save",
            id="main.read",
        ),
        Binding(
            "ctrl+r",
            "retry",
            "try again",
            show=False,
            tooltip="try again at once what failed: servers that do not answer, logins that were refused",
            id="main.retry",
        ),
        Binding("question_mark", "app.help", "help", tooltip="this help", id="main.help"),
        Binding("escape", "back", "back", tooltip="take back marks, filter, faults only, zoom: one at a time"),
        Binding("q", "app.leave", "quit", tooltip="quit", id="main.quit"),
    ]

    class ContextChosen(Message):
        """The user wants to see another context."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    _keys_since_left = -1
    """Keys pressed since the keyboard was in a console; negative when it never was."""
    _left_alone = False
    """Whether that console had the whole screen."""

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
            self._show_alone(True)
            self.consoles.open(self.consoles.current)

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

    def on_key(self, event: events.Key) -> None:
        """The chord leads out of the console, and into it."""
        self._keys_since_left += 1
        chords = [chord.strip() for chord in self._settings.console.detach.split(",")]
        if event.key not in chords or self.consoles.current is None:
            return
        event.stop()
        if self.consoles.has_focus_within:
            self._leave_consoles()
        else:
            self.action_go(len(self.panes) + 1)

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        """From a problem, go to the row that it is about; what has none is told in full among all problems."""
        finding = self.problems.finding
        if event.table is not self.problems.table or finding is None:
            return
        if self._has_row(finding.subject):
            self.jump(finding.subject)
        else:
            self._show_problems(finding)

    def _find_row(self, ref: Ref) -> tuple[AnyResource, Ref] | None:
        return find_row(self._fleet.view, ref, self._resources.values())

    def _has_row(self, ref: Ref) -> bool:
        return self._find_row(ref) is not None or find_pane(self.panes, ref.kind) is not None

    def jump(self, ref: Ref) -> None:
        """Put the cursor on a row, taking back what hides it."""
        pane = find_rows(self.panes, ref)
        found = self._find_row(ref) if pane is None else None
        if found is not None:
            resource, ref = found
            pane = next((one for one in self.panes if one.resource.name == resource.name), None)
            if pane is None:
                self.call_later(self._invite_row, resource, ref)
                return
        pane = pane or find_pane(self.panes, ref.kind)
        if pane is None:
            self.notify(f"{self._fleet.name(ref)} is on none of the panes", severity="warning")
            return
        self._reveal(pane, ref)

    async def _invite_row(self, resource: AnyResource, ref: Ref) -> None:
        """Show a resource without a pane of its own, with the cursor on a row."""
        await self.invite(resource, "")
        self._reveal(self._current, ref)

    def _reveal(self, pane: ResourcePane, ref: Ref) -> None:
        """Put the cursor on a row of a pane, taking back what hides it."""
        if pane.listing.index(ref) is None:
            pane.filter("")
            pane.show_faults(False)
        if self._namespace and ref.namespace not in ("", self._namespace):
            self.show_namespace("")
        self._choose(pane)
        pane.table.move_to(ref)

    def on_resource_pane_opened(self, event: ResourcePane.Opened) -> None:
        """Show a row in full; of a namespace, what is in it."""
        event.stop()
        if event.ref.kind == Namespace.KIND and event.tab == "overview":
            self.show_namespace(event.ref.name)
            self._choose(self._home)
            return
        self._open(event.resource, event.ref, event.tab)

    def _open(self, resource: AnyResource, ref: Ref, tab: str = "overview") -> None:

        def go(chosen: Ref | None) -> None:
            if chosen is not None:
                self.jump(chosen)

        self.app.push_screen(DetailScreen(self._fleet, self._runner.batches, resource, ref, tab), go)

    def action_tell(self, tab: str) -> None:
        """From a problem, show a tab of what it is about; what has no row is told in full among all problems."""
        finding = self.problems.finding if self.problems.table.has_focus else None
        if finding is None:
            return
        found = self._find_row(finding.subject)
        if found is not None:
            self._open(*found, tab)
        else:
            self._show_problems(finding)

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
        ref = self._subject
        if ref is None or ref.kind not in (SHELL_KINDS if stream == "SHELL" else CONSOLE_KINDS):
            words = {
                "SERIAL": "a console belongs to a VM: choose one among the VMs",
                "LOG": "a boot log belongs to a VM: choose one among the VMs",
                "SHELL": "a shell belongs to a VM or to a host of libvirt: choose one of them",
            }
            self.notify(words[stream], severity="warning")
            return
        if stream == "SERIAL":
            self._open_console(ref)
        else:
            self.consoles.open(Channel(ref, Stream[stream]))

    def _open_console(self, ref: Ref) -> None:
        """Open it at once, so that what is typed next reaches the guest; not where that is known to be forbidden."""
        lack = next(filter(None, (pane.why_no_console_of(ref) for pane in self.panes)), "")
        if lack:
            self.notify(f"console {self._fleet.name(ref)}: {lack}", severity="warning")
        else:
            self.consoles.open(Channel(ref))

    def open_alone(self, channel: Channel) -> None:
        """Open a way into a machine and give it the whole screen, until it is left."""
        self.consoles.open(channel)
        self.action_zoom_console()

    def action_step_console(self, by: int) -> None:
        """Go to the next or the previous console."""
        self.consoles.step(by)

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
            self._open_console(ref)

    def action_console_menu(self) -> None:
        """Choose what to do with the shown console; the keyboard is in it again if it was before the chord."""
        channel, terminal = self.consoles.current, self.consoles.shown
        if channel is None or terminal is None:
            self.notify("no console is open: c opens that of a VM", severity="warning")
            return
        if self._keys_since_left == 1:
            self.set_focus(terminal)
            self._show_alone(self._left_alone)
        open_menu(Console(self.consoles, channel, terminal, self._settings.console))

    def action_offer(self) -> None:
        """Choose among all that can be done to the chosen rows."""
        offer_actions(self._current, self._settings.keys)

    def action_jobs(self) -> None:
        """Show what was done and what came of it."""
        self.app.push_screen(JobsScreen(self._fleet, self._runner))

    def action_problems(self) -> None:
        """Show all problems, and go to the row that is chosen there."""
        self._show_problems()

    def _show_problems(self, chosen: Finding | None = None) -> None:

        def go(choice: Choice | None) -> None:
            self.problems.redraw()
            self._header.redraw()
            found = self._find_row(choice.ref) if choice is not None else None
            if choice is not None and choice.tab and found is not None:
                self._open(*found, choice.tab)
            elif choice is not None:
                self.jump(choice.ref)

        self.app.push_screen(ProblemsScreen(self._fleet, self._acknowledged, self._has_row, chosen), go)

    def action_read_console(self) -> None:
        """Read what the shown console has shown; it is alone on the screen again if it was before the chord."""
        if self.consoles.shown is None:
            self.notify("no console is open: c opens that of a VM", severity="warning")
            return
        if self._keys_since_left == 1:
            self._show_alone(self._left_alone)
        self.consoles.read()

    def on_console_pane_left(self, event: ConsolePane.Left) -> None:
        """The keyboard comes back to the list."""
        event.stop()
        self._leave_consoles()

    def _leave_consoles(self) -> None:
        self._left_alone = self.has_class("-alone")
        self._keys_since_left = 0
        self._show_alone(False)
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
            self.filter_anew(target.filter)
        elif target.resource is not None:
            self.call_later(self.invite, self._resources[target.resource], target.filter)
        if target.word == "problems":
            self.action_problems()
        elif target.word == "jobs":
            self.action_jobs()
        elif target.word:
            self.call_later(self.run_action, {"help": "app.help", "quit": "app.leave"}[target.word])

    def show_namespace(self, namespace: str) -> None:
        """Show one namespace in all panes; empty for all."""
        self._namespace = namespace
        self._header.show_namespace(namespace)
        for pane in self._all_panes():
            pane.show_namespace(namespace)
        self._show_neighbours()
