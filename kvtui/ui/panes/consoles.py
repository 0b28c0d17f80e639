"""The split with the open consoles: one tab each, one of them shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from kvtui.backends.base import ByteStream, Consoles
from kvtui.config import Settings
from kvtui.console.session import Session, State, Stream
from kvtui.errors import BackendError
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref
from kvtui.records.base import is_true
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.text import age, cells, clean_line, size
from kvtui.ui.lines import wrap
from kvtui.ui.recordings import begin_recording, describe_recording
from kvtui.ui.screens.help import name_key
from kvtui.ui.terminal import Terminal

_LEAST_STATUS = 40
"""Columns of the status line that are reckoned with before the pane knows its size."""
_STATUS_LINES = 3
"""Lines that a long refusal may take."""


@dataclass(frozen=True)
class _Place:
    """Where a VM runs: while this stays the same, its serial line has no reason to break by itself."""

    uid: str
    node: str
    phase: str


class Channel(NamedTuple):
    """One way into one machine: what a terminal of the pane is for."""

    ref: Ref
    stream: Stream = Stream.SERIAL

    @property
    def label(self) -> str:
        """The machine, and the stream unless it is the serial line, which most are."""
        path = clean_line(self.ref.path)
        return path if self.stream is Stream.SERIAL else f"{path} {self.stream.value}"


class ConsolePane(Vertical):
    """Holds the terminals. Hidden while none is open."""

    class Left(Message):
        """The keyboard goes back to the list."""

    class Changed(Message):
        """Consoles were opened or closed."""

    def __init__(self, fleet: Fleet, settings: Settings) -> None:
        super().__init__()
        self._fleet = fleet
        self._settings = settings
        self._terminals: dict[Channel, Terminal] = {}
        self._places: dict[Ref, _Place] = {}
        """Where each machine ran when its line was made."""
        self._current: Channel | None = None
        self._drawn: tuple[State, int, str, int | None] | None = None
        """State, lines back, recording and progress of a paste that the status line tells of."""
        self._heading = Static(classes="console-tabs", markup=False)
        self._status = Static(classes="console-status", markup=False)
        self.display = False

    def compose(self) -> ComposeResult:
        """Tabs above, the state of the shown one below; terminals are mounted between them."""
        yield self._heading
        yield self._status

    def on_mount(self) -> None:
        """Counters and ages move once a second."""
        self.set_interval(1.0, self._draw_status)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What is open, live or ended, in the order of the tabs."""
        return tuple(self._terminals)

    @property
    def has_open(self) -> bool:
        """Whether any console is open, live or ended."""
        return bool(self._terminals)

    @property
    def current(self) -> Channel | None:
        """What is shown."""
        return self._current

    @property
    def shown(self) -> Terminal | None:
        """The terminal that is shown."""
        return self._terminals.get(self._current) if self._current else None

    def open(self, channel: Channel) -> None:
        """Show and focus a way into a machine, connecting unless it is open already."""
        ref = channel.ref
        if self._fleet.backends[ref.backend].info.read_only:
            self.notify(
                f"console: {ref.backend} is read-only here, and opening one takes it from whoever has it; "
                "what the guest said is in the log tab (l, then c)",
                severity="warning",
                markup=False,
            )
            return
        if channel not in self._terminals:
            session = self._connect(channel)
            terminal = Terminal(session, self._settings.console, slow_link=self._settings.slow_link)
            session.observe(self._on_session)
            self._terminals[channel] = terminal
            self.mount(terminal, before=self._status)
            if self._settings.console.record:
                begin_recording(session, ref, self._settings.console, self)
            session.start()
            self.post_message(self.Changed())
        self._show(channel)
        self.screen.set_focus(self._terminals[channel])

    async def close(self, channel: Channel | None = None) -> None:
        """End a session and take its tab away, by default the shown one."""
        target = channel or self._current
        terminal = self._terminals.pop(target, None) if target else None
        if terminal is None:
            return
        await terminal.session.stop()
        await terminal.remove()
        self._show(next(reversed(self._terminals), None))
        self.post_message(self.Changed())
        self.post_message(self.Left())

    def on_unmount(self) -> None:
        """What is recorded is in its file, whatever becomes of the lines."""
        for terminal in self._terminals.values():
            terminal.session.stop_recording()

    async def close_all(self) -> None:
        """End every console."""
        for channel in tuple(self._terminals):
            await self.close(channel)

    def step(self, by: int) -> None:
        """Show the next or the previous console."""
        channels = list(self._terminals)
        if self._current in self._terminals and len(channels) > 1:
            channel = channels[(channels.index(self._current) + by) % len(channels)]
            self._show(channel)
            self.screen.set_focus(self._terminals[channel])

    def on_terminal_revived(self, event: Terminal.Revived) -> None:
        """Connect again, as the user asked."""
        event.stop()
        event.session.retake()

    def _show(self, channel: Channel | None) -> None:
        self._current = channel
        self.display = channel is not None
        for other, terminal in self._terminals.items():
            terminal.display = other == channel
        self._draw_tabs()
        self._draw_status()

    def _draw_tabs(self) -> None:
        tabs = Text(" console ")
        for channel in self._terminals:
            tabs.append(f" {channel.label} ", style="reverse" if channel == self._current else "")
            tabs.append(" ")
        self._heading.update(tabs)

    def _on_session(self) -> None:
        """Draw at once what is new; counters and ages wait for the next second."""
        terminal = self.shown
        if terminal is not None and _drawn_of(terminal) != self._drawn:
            self._draw_status()

    def on_descendant_focus(self) -> None:
        """Tell the keys that lead out."""
        self._draw_status()

    def on_descendant_blur(self) -> None:
        """Tell the key that leads in, once the keyboard is elsewhere."""
        self.call_after_refresh(self._draw_status)

    def on_resize(self) -> None:
        """As much of the status as has room."""
        self._draw_status()

    def _draw_status(self) -> None:
        terminal = self.shown
        if self._current is None or terminal is None or not self.is_mounted:
            return
        session = terminal.session
        self._drawn = _drawn_of(terminal)
        parts = [self._sentence(self._current.ref, session), self._hint(session)]
        if recording := describe_recording(session):
            parts.insert(0, recording)
        more = []
        if terminal.scrolled_back:
            more.append(f"{terminal.scrolled_back} lines back")
        if session.last_byte is not None:
            more.append(f"last byte {age(self._fleet.clock() - session.last_byte)} ago")
        if session.received:
            more.append(f"in {size(session.received)}B")
        room = max(_LEAST_STATUS, self.size.width) - 1
        for part in more:
            if cells("  ".join([*parts, part])) <= room:
                parts.append(part)
        text = "  ".join(parts)
        lines = [text] if cells(text) <= room else wrap(text, room)[:_STATUS_LINES]
        self._status.styles.height = len(lines)
        self._status.update("\n".join(f" {item}" for item in lines))

    def _sentence(self, ref: Ref, session: Session) -> str:
        """Where the session stands; once it has ended, where the VM stands now."""
        vmi = self._vmi(ref)
        now = self._place(ref)
        if session.is_connected and vmi is not None and is_true(vmi.status.conditions, "Paused"):
            return "Connected; the guest is paused."
        if now is None or now.phase != "Running" or self._is_stale(ref):
            return session.sentence
        before = self._places.get(ref)
        if session.state not in (State.LOST, State.ENDED) or (session.state is State.ENDED and before == now):
            return session.sentence
        if before is not None and before.uid == now.uid and before.node != now.node:
            return f"Not connected: the VM moved to {now.node}."
        again = " again" if before is not None and before.uid != now.uid else ""
        return f"Not connected: the VM runs{again}."

    def _hint(self, session: Session) -> str:
        chord = name_key(self._settings.console.detach).split()[0]
        pasting = "" if session.pasting is None else f"pasting {session.pasting} %, "
        if not self.has_focus_within:
            return f"{pasting}{chord} into the console"
        if pasting:
            return f"{pasting}esc stops"
        if session.is_open:
            return f"{chord} back to the list"
        if session.state is State.TAKEN:
            return "enter takes it back and ends their session"
        return "enter connects"

    def _connect(self, channel: Channel) -> Session:
        ref = channel.ref

        async def dial() -> ByteStream:
            backend = self._fleet.backends[ref.backend]
            if not isinstance(backend, Consoles):
                raise BackendError(f"{ref.backend} has no serial consoles", code=405)
            stream = await backend.open_console(ref)
            if place := self._place(ref):
                self._places[ref] = place
            return stream

        def explain_cut() -> str:
            if self._is_stale(ref):
                return f"{ref.backend} does not answer"
            place, now = self._places.get(ref), self._place(ref)
            if now is None or now.phase != "Running":
                return "the VM stopped"
            if place is None or place == now:
                return ""
            return f"the VM moved to {now.node}" if place.uid == now.uid else "the VM was restarted"

        return Session(
            dial,
            why_cut=explain_cut,
            stream=channel.stream,
            scrollback=self._settings.console.scrollback,
            pace=self._settings.console.paste_rate,
            clock=self._fleet.clock,
        )

    def _is_stale(self, ref: Ref) -> bool:
        return self._fleet.view.feed(ref.backend, VirtualMachineInstance.KIND).state is FeedState.STALE

    def _vmi(self, ref: Ref) -> VirtualMachineInstance | None:
        return self._fleet.view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)

    def _place(self, ref: Ref) -> _Place | None:
        vmi = self._vmi(ref)
        return _Place(vmi.metadata.uid, vmi.status.node_name, vmi.status.phase) if vmi else None


def _drawn_of(terminal: Terminal) -> tuple[State, int, str, int | None]:
    session = terminal.session
    return session.state, terminal.scrolled_back, describe_recording(session), session.pasting
