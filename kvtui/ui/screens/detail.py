"""One object in full: what it is and why it fares so, its events, its log, and itself as its server has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input, Static

from kvtui.actions.batch import Batches
from kvtui.backends.base import Agents, Chronicle, Documents, Logs, Reader
from kvtui.errors import KvtuiError
from kvtui.fleet import Fleet
from kvtui.joins.domain import Guest
from kvtui.joins.machine import Machine
from kvtui.joins.parts import parts_of, records_of
from kvtui.model import Platform, Ref, Tone
from kvtui.records import libvirt
from kvtui.records.kubernetes import Event, Pod
from kvtui.resources.base import AnyResource
from kvtui.stack import find_row
from kvtui.store import Delta
from kvtui.text import clean_line
from kvtui.triage.telling import tell_stories
from kvtui.ui.awaited_facts import awaited_lines
from kvtui.ui.copy_facts import copy_lines
from kvtui.ui.domain_facts import document_lines, domain_lines, explain_silence, happening_lines, host_lines
from kvtui.ui.facts import event_lines, judge_row, log_containers, log_line, overview, yaml_line
from kvtui.ui.lines import Line, LinesView, line, wrap
from kvtui.ui.panes.stack import StackTable
from kvtui.ui.panes.timeline import TIMELINE_KEYS, TimelineView
from kvtui.ui.table import LiveTable

_NAMES = ("overview", "events", "yaml", "stack", "timeline", "log")
_TABS = {
    Platform.KUBERNETES: dict(zip(_NAMES, ("overview", "events", "YAML", "stack", "timeline", "log"), strict=True)),
    Platform.LIBVIRT: dict(zip(_NAMES[:-1], ("overview", "events", "XML", "stack", "timeline"), strict=True)),
}
"""By platform, what the keys 1, 2 ... show."""
_REFRESH = 10.0
"""Seconds between two looks at the events while they are shown ..."""
_REFRESH_OWN = 1.0
"""... and where nobody need be asked for them."""
_WIDE = 96
"""Columns from which on the last line has room for the search."""
_LOG_LINES = 5_000
_LOG_PAUSE = 0.1
"""Seconds between two drawings of a log, however fast it comes."""


class DetailScreen(Screen[Ref]):
    """One object in tabs, from its overview to its log. Ends with an object whose row is to be shown."""

    TITLE = "One object in full"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "back"),
        Binding("1,d", "tab('overview')", "overview", tooltip="what it is and why it fares so"),
        Binding("2,E", "tab('events')", "events", tooltip="its events"),
        Binding("3,y", "tab('yaml')", "YAML", tooltip="itself as its server has it: YAML or XML"),
        Binding("4,x", "tab('stack')", "stack", tooltip="what it stands on, and what stands on it"),
        Binding("5,t", "tab('timeline')", "timeline", tooltip="what happened to it and its layers, and when"),
        Binding("6,l", "tab('log')", "log", tooltip="the log of its pod, as it grows"),
        Binding("o", "go", "its row", show=False, tooltip="from the stack, to the row of the layer"),
        Binding("tab", "step(1)", "next", show=False, tooltip="the next tab"),
        Binding("shift+tab", "step(-1)", "previous", show=False, tooltip="the tab before"),
        Binding("slash", "search", "search", tooltip="search in the text"),
        Binding("n", "match(1)", "next match", show=False),
        Binding("N", "match(-1)", "previous match", show=False),
        Binding("r", "reload", "read again", tooltip="read it again"),
        Binding("c", "container", "next container", show=False, tooltip="the log of the next container"),
    ]

    def __init__(self, fleet: Fleet, batches: Batches, resource: AnyResource, ref: Ref, tab: str = "overview") -> None:
        super().__init__()
        self._fleet = fleet
        self._batches = batches
        self._resource = resource
        self._ref = ref
        self._backend = fleet.backends[ref.backend]
        self._names = _TABS[self._backend.info.platform]
        self._tab = tab if tab in self._names else "overview"
        self._title = Static(classes="detail-title", markup=False)
        self._tabs = Static(classes="detail-tabs", markup=False)
        self._view = LinesView(id="detail-view")
        self._stack = StackTable(fleet)
        self._layer = Static(classes="detail-layer", markup=False)
        self._timeline = TimelineView(fleet, ref, resource.label)
        self._find = Input(placeholder="search", classes="detail-search")
        self._keys = Static(classes="detail-keys", markup=False)
        self._containers: list[str] = []
        """Of the pod whose log is shown; the first is the one shown."""
        self._agent: libvirt.Guest | str = ""
        """What the agent of a domain told, or why it told nothing."""
        self._agent_asked: tuple[object, ...] = ()
        """Of which process of the domain it was asked, and whether it was connected."""
        self._waited = False
        """Whether something was awaited when it was last looked at."""
        self._unlisten: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """Title, tabs, text, and the search line while it is wanted."""
        yield self._title
        yield self._tabs
        yield self._view
        self._stack.display = self._layer.display = False
        yield self._stack
        yield self._layer
        self._timeline.display = False
        yield self._timeline
        self._find.display = False
        yield self._find
        yield self._keys

    def on_mount(self) -> None:
        """Show the first tab and follow the object."""
        self._unlisten = self._fleet.listen(self._on_delta)
        self.set_interval(_REFRESH_OWN, self._tick)
        self.action_tab(self._tab)

    def on_unmount(self) -> None:
        """Stop following."""
        self._unlisten()

    def on_resize(self) -> None:
        """Wrap anew."""
        self._draw_heading()
        if self._tab == "overview":
            self._show_overview()

    def action_leave(self) -> None:
        """Back to the list; the first time only out of a search."""
        if self._find.display:
            self._end_search()
        else:
            self.dismiss()

    def action_tab(self, name: str) -> None:
        """Show a tab."""
        if name not in self._names:
            self.notify("libvirt keeps no logs that it would show; the console is c in the list", severity="warning")
            return
        self._tab = name
        self.workers.cancel_group(self, "load")
        for view in (self._view, self._timeline):
            view.search("")
        self._view.scroll_home(animate=False)
        self._draw_heading()
        shown = self._stack if name == "stack" else self._text
        for widget in (self._view, self._stack, self._timeline):
            widget.display = widget is shown
        self._layer.display = shown is self._stack
        self.set_focus(shown)
        if name == "overview":
            self._show_overview()
        elif name == "stack":
            self._show_stack()
        elif name == "timeline":
            self._load(name)
        else:
            self._view.show([line("reading ...", Tone.MUTED)])
            self._load(name)

    def action_step(self, by: int) -> None:
        """Show the next or previous tab."""
        names = list(self._names)
        self.action_tab(names[(names.index(self._tab) + by) % len(names)])

    def action_reload(self) -> None:
        """Read the tab again."""
        self._agent_asked = ()
        self.action_tab(self._tab)
        self.notify("read again", timeout=2)

    def action_container(self) -> None:
        """Show the log of the pod's next container."""
        if self._tab != "log":
            self.notify("only the log has containers: 6 shows it", severity="warning", timeout=4)
        elif len(self._containers) > 1:
            self._containers.append(self._containers.pop(0))
            self.action_tab("log")
        else:
            self.notify("there is no other container", severity="warning", timeout=4)

    def on_live_table_activated(self, event: LiveTable.Activated) -> None:
        """Show the layer in full; what is chosen from there is this screen's end, too."""
        event.stop()
        found = self._layer_row
        if found is None:
            self._tell_no_view()
        elif found[1][:4] == self._ref[:4]:
            self.action_tab("overview")
        else:
            self.app.push_screen(DetailScreen(self._fleet, self._batches, *found), self._end_with)

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """Tell the layer under the cursor in full."""
        event.stop()
        self._tell_layer()

    def _show_stack(self) -> None:
        self._stack.show(self._ref)
        self._tell_layer()

    def _tell_layer(self) -> None:
        told = self._stack.chosen
        self._layer.update(clean_line(told.sentence) if told is not None else "")

    @property
    def _layer_row(self) -> tuple[AnyResource, Ref] | None:
        """The row that tells of the layer under the cursor."""
        told = self._stack.chosen
        if told is None or told.layer.ref is None:
            return None
        return find_row(self._fleet.view, told.layer.ref, self._fleet.resources)

    def _tell_no_view(self) -> None:
        told = self._stack.chosen
        if told is not None:
            self.notify(clean_line(told.no_view), markup=False, timeout=4)

    def _end_with(self, ref: Ref | None) -> None:
        if ref is not None:
            self.dismiss(ref)

    def action_go(self) -> None:
        """Leave for the row of the layer under the cursor."""
        if self._tab != "stack":
            self.notify("only layers of the stack have rows to go to: 4 shows it", severity="warning", timeout=4)
            return
        found = self._layer_row
        if found is None:
            self._tell_no_view()
        else:
            self.dismiss(found[1])

    def action_search(self) -> None:
        """Ask what to look for."""
        if self._tab == "stack":
            self.notify("a stack is not searched: 1 shows the overview, which is", severity="warning", timeout=4)
            return
        self._find.display, self._keys.display = True, False
        self._find.value = ""
        self.set_focus(self._find)

    def action_match(self, step: int) -> None:
        """Move to the next or previous match."""
        if not self._text.next_match(step):
            self.notify("nothing was found: / asks what to look for", severity="warning", timeout=4)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search."""
        found = self._text.search(event.value)
        self._end_search()
        if event.value and not found:
            self.notify(f'"{event.value}" is not in this text', markup=False)

    def _end_search(self) -> None:
        self._find.display, self._keys.display = False, True
        self.set_focus(self._text)

    @property
    def _text(self) -> LinesView:
        """The text that is shown, or is below the stack."""
        return self._timeline if self._tab == "timeline" else self._view

    def on_timeline_view_changed(self, event: TimelineView.Changed) -> None:
        """Say in the heading what of it is shown."""
        event.stop()
        if self._tab == "timeline":
            self._draw_heading()

    def _on_delta(self, delta: Delta) -> None:
        self._timeline.take(delta)
        if self._tab == "overview" and any(self._concerns(change.ref) for change in delta.changes):
            self._show_overview()
            self._draw_heading()
        elif self._tab == "stack":
            self._show_stack()
            self._draw_heading()

    def _tick(self) -> None:
        """Let the time of what is awaited go on, and take it off when it has ended."""
        waits = bool(self._batches.open_on(self._ref))
        if self._tab == "overview" and (waits or self._waited):
            self._show_overview()
        self._waited = waits

    def _concerns(self, ref: Ref) -> bool:
        return ref.backend == self._ref.backend and (ref.name == self._ref.name or self._ref.name in ref.name)

    def _row(self) -> Any:
        return self._resource.row(self._fleet.view, self._ref)

    def _draw_heading(self) -> None:
        row = self._row()
        word = judge_row(self._resource, row, self._fleet).word if row is not None else "gone"
        self._title.update(f" {self._resource.label} {self._ref.path}   {word}   {self._ref.backend}")
        tabs = "  ".join(f"[{title}]" if name == self._tab else f" {title} " for name, title in self._names.items())
        more = {"log": self._container_words(), "timeline": f"   {self._timeline.state}"}
        self._tabs.update(tabs + more.get(self._tab, ""))
        keys = {"stack": "tab next  enter shows the layer in full  o goes to its row", "timeline": TIMELINE_KEYS}
        numbered = "  ".join(f"{number} {title}" for number, title in enumerate(self._names.values(), start=1))
        search = "  / search n N" if self.size.width >= _WIDE else ""
        self._keys.update(f"esc back  {keys.get(self._tab, f'{numbered}{search}')}  ? help")

    def _container_words(self) -> str:
        if not self._containers:
            return ""
        shown, *others = self._containers
        return f"   {shown}" + (f"   c shows {others[0]}" if others else "")

    def _show_overview(self) -> None:
        row = self._row()
        awaited = list(awaited_lines(self._batches, self._ref, self._fleet.clock(), self._width))
        if row is None:
            self._view.show([line("this object is gone", Tone.WARN), *awaited])
            return
        stories = tell_stories(self._fleet.view, self._ref, row, self._fleet.engine.problems)
        lines = [*awaited, *overview(self._resource, row, stories, self._fleet, self._width)]
        if isinstance(row, Machine):
            lines += copy_lines(self._fleet.view, row, self._fleet.clock(), self._width)
        if isinstance(row, Guest):
            self._ask_agent_once(row)
            lines += domain_lines(row, self._agent, self._width)
        elif self._ref.kind == libvirt.Host.KIND:
            hosts = (record for record in records_of(row) if isinstance(record, libvirt.Host))
            lines += (piece for host in hosts for piece in host_lines(host, self._width))
        self._view.show(lines)

    def _ask_agent_once(self, row: Guest) -> None:
        """Ask the agent of the guest, unless it was asked since the guest was started and the agent came."""
        domain = row.domain
        now = (domain.id, domain.agent, row.reachable)
        if now == self._agent_asked:
            return
        self._agent_asked = now
        self._agent = explain_silence(row)
        if not self._agent and isinstance(self._backend, Agents):
            self._agent = "asking ..."
            self._ask_agent(self._backend)

    @work(group="agent", exclusive=True)
    async def _ask_agent(self, backend: Agents) -> None:
        try:
            self._agent = await backend.ask_agent(self._ref)
        except KvtuiError as error:
            self._agent = str(error)
        if self._tab == "overview":
            self._show_overview()

    @work(group="load", exclusive=True)
    async def _load(self, name: str) -> None:
        try:
            if name == "events":
                await self._follow_events()
            elif name == "yaml":
                await self._show_yaml()
            elif name == "timeline":
                await self._timeline.follow()
            else:
                await self._follow_log()
        except KvtuiError as error:
            self._view.show(self._failure_lines(error))

    def _failure_lines(self, error: KvtuiError) -> list[Line]:
        told = [line(piece, Tone.BAD) for piece in wrap(str(error), self._width)]
        return [*told, line("r reads again", Tone.MUTED)]

    @property
    def _width(self) -> int:
        """Columns for text that is wrapped."""
        return max(40, self._view.size.width - 1)

    async def _follow_events(self) -> None:
        backend = self._backend
        if isinstance(backend, Chronicle):
            await self._follow_happenings(backend)
        if not isinstance(backend, Reader):
            self._view.show([line("this backend has no events", Tone.MUTED)])
            return
        while True:
            refs = list(dict.fromkeys([self._ref, *parts_of(self._row(), self._ref.backend)]))
            found = await asyncio.gather(*(backend.fetch_events(ref) for ref in refs))
            events = {event.metadata.uid: event for part in found for event in part if isinstance(event, Event)}
            self._view.show(event_lines(events.values(), self._fleet.clock(), self._width))
            await asyncio.sleep(_REFRESH)

    async def _follow_happenings(self, backend: Chronicle) -> None:
        while True:
            happenings = backend.tell_happenings(self._ref)
            self._view.show(happening_lines(happenings, self._fleet.clock(), self._width))
            await asyncio.sleep(_REFRESH_OWN)

    async def _show_yaml(self) -> None:
        backend = self._backend
        if isinstance(backend, Documents):
            self._view.show(document_lines(await backend.fetch_documents(self._ref)))
            return
        if not isinstance(backend, Reader):
            self._view.show([line("this backend does not show whole objects", Tone.MUTED)])
            return
        import yaml  # only here: it is slow to load, and the first frame does not need it

        whole = await backend.fetch(self._ref)
        text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=10_000)
        self._view.show(yaml_line(item) for item in text.splitlines())

    async def _follow_log(self) -> None:
        backend = self._backend
        pod = next((record for record in records_of(self._row()) if isinstance(record, Pod)), None)
        if pod is None or not isinstance(backend, Logs):
            self._view.show([line("there is no pod to read a log of", Tone.MUTED)])
            return
        known = log_containers(pod)
        if set(known) != set(self._containers):
            self._containers = known
        self._draw_heading()
        ref, container = pod.ref(self._ref.backend), next(iter(self._containers), "")
        lines: list[Line] = [line(f"log of pod {ref.path}, container {container}", Tone.MUTED)]
        self._view.show(lines)
        arrived: list[str] = []
        reading = asyncio.create_task(_collect(backend.follow_log(ref, container=container), arrived))
        try:
            while not reading.done() or arrived:
                if arrived:
                    lines = (lines + [log_line(item) for item in arrived])[-_LOG_LINES:]
                    arrived.clear()
                    self._show_following(lines)
                await asyncio.sleep(_LOG_PAUSE)
            reading.result()
            lines.append(line("the log ends here", Tone.MUTED))
        except KvtuiError as error:
            lines += self._failure_lines(error)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, KvtuiError):
                await reading
        self._show_following(lines)

    def _show_following(self, lines: list[Line]) -> None:
        """Show a text that has grown; who stood at its end still does."""
        following = self._view.scroll_offset.y >= self._view.max_scroll_y
        self._view.show(lines)
        if following:
            self._view.scroll_end(animate=False)


async def _collect(source: AsyncIterator[str], into: list[str]) -> None:
    async for item in source:
        into.append(item)  # noqa: PERF401 - each line is to be seen when it comes, not at the end of all
