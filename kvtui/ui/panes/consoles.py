"""The split with the open consoles: one tab each, one of them shown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from kvtui.config import Settings
from kvtui.console.session import Session
from kvtui.console.sight import Sight, Stage
from kvtui.console.state import State, Stream
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Domain, Host
from kvtui.text import age, cells, clean_line, size
from kvtui.ui.consoles.channels import Channel, explain_no_shell, make_session
from kvtui.ui.consoles.domains import explain_log, lines_of
from kvtui.ui.consoles.recordings import begin_recording, describe_recording
from kvtui.ui.consoles.sights import is_paused, look_at
from kvtui.ui.consoles.tabs import draw_tabs
from kvtui.ui.consoles.terminal import Terminal
from kvtui.ui.dialogs.ask import DialogAsker
from kvtui.ui.lines import wrap
from kvtui.ui.screens.help import name_key

_LEAST_WIDTH = 40
"""Columns that are reckoned with before the pane knows its size."""
_BEHIND = 262_144
"""Bytes that are not on the screen yet, from which on it is said."""
_TOASTS = 9
"""Lines that toasts take at most where there is a console, and one to spare."""
_STATUS_LINES = 6
"""Lines that a long refusal may take, without the line of the key."""
_AROUND = 2
"""Lines that a console which stands alone leaves to its tabs and its state."""
_REFUSALS = {
    Stream.SERIAL: "opening one takes it from whoever has it; what the guest said is in the boot log (L)",
    Stream.SHELL: "a shell can change the guest",
}
_REFUSALS_OF_HOSTS = {
    (Domain.KIND, Stream.SERIAL): "what is typed there changes the guest",
    (Host.KIND, Stream.SHELL): "a shell can change the host",
}
"""Where they are others than those of clusters."""
_AGAIN = {Stream.SERIAL: "connects", Stream.LOG: "reads it again", Stream.SHELL: "logs in again"}


class _Bar(Static):
    """Lines of text that are drawn anew only when they changed; the style says how many there are."""

    _text = Text()

    def put(self, text: Text) -> None:
        """Show a text."""
        if text != self._text or text.spans != self._text.spans:
            self._text = text
            self.update(text, layout=False)


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
        self._askers: dict[Channel, DialogAsker] = {}
        self._current: Channel | None = None
        self._told: tuple[object, ...] = ()
        """What the status line was made of."""
        self._heading = _Bar(classes="console-tabs", markup=False)
        self._status = _Bar(classes="console-status", markup=False)
        self.display = False

    def compose(self) -> ComposeResult:
        """Tabs above, the state of the shown one below; terminals are mounted between them."""
        yield self._heading
        yield self._status

    def on_mount(self) -> None:
        """Counters and ages move once a second."""
        self.set_interval(1.0, self._draw)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What is open, live or ended, in the order of the tabs."""
        return tuple(self._terminals)

    def channels_of(self, ref: Ref) -> Iterator[Channel]:
        """The ways into a machine that are open now; that to its log is none."""
        for channel, terminal in self._terminals.items():
            here = channel.at_present(self._fleet).ref
            if terminal.session.is_open and channel.stream is not Stream.LOG and here[:4] == ref[:4]:
                yield channel

    @property
    def has_open(self) -> bool:
        """Whether any console is open, live or ended."""
        return bool(self._terminals)

    def label(self, channel: Channel) -> str:
        """What a console is called, so that it cannot be taken for another one."""
        return channel.label(self._fleet)

    @property
    def current(self) -> Channel | None:
        """What is shown."""
        return self._current

    @property
    def shown(self) -> Terminal | None:
        """The terminal that is shown."""
        return self._terminals.get(self._current) if self._current else None

    @property
    def is_typing_high(self) -> bool:
        """Whether the line that is typed on is where toasts would stand above."""
        terminal = self.shown
        if terminal is None or terminal.is_reading:
            return False
        return terminal.emulator.cursor.y - terminal.first_row < _TOASTS

    def lines_of(self, channel: Channel) -> tuple[str, ...]:
        """The serial lines of the machine, the first one first; none where they are not known."""
        return lines_of(self._fleet.view, channel.ref)

    def open(self, channel: Channel) -> None:
        """Show and focus a way into a machine, connecting unless it is open already."""
        refusal = self._refuse(channel)
        if refusal:
            self.notify(refusal, severity="warning", markup=False)
            return
        here = channel.at_present(self._fleet)
        channel = next((other for other in self._terminals if other.at_present(self._fleet) == here), channel)
        if channel not in self._terminals:
            asker = self._askers[channel] = DialogAsker(self, self.label(channel))
            asker.expect()
            session = make_session(channel, self._fleet, self._settings, asker)
            terminal = Terminal(
                session,
                self._settings.console,
                slow_link=self._settings.slow_link,
                names=channel.names,
                clock=self._fleet.clock,
            )
            session.observe(self._on_session)
            self._terminals[channel] = terminal
            self.mount(terminal, before=self._status)
            if self._settings.console.record:
                begin_recording(session, channel, self._settings.console, self, self.label(channel))
            session.start()
            self.post_message(self.Changed())
        self._show(channel)
        self.screen.set_focus(self._terminals[channel])

    def _refuse(self, channel: Channel) -> str:
        """Why this way is not taken at all; empty when it is."""
        backend = channel.ref.backend
        is_domain = channel.ref.kind == Domain.KIND
        if channel.stream is Stream.LOG:
            return explain_log(self._fleet.view, channel.ref) if is_domain else ""
        if channel.ref.kind == Host.KIND and (reason := explain_no_shell(self._fleet.backends[backend])):
            return f"shell: {reason}"
        if not self._fleet.backends[backend].info.read_only:
            return ""
        what = "console" if channel.stream is Stream.SERIAL else channel.stream.value
        reason = _REFUSALS_OF_HOSTS.get((channel.ref.kind, channel.stream)) or _REFUSALS[channel.stream]
        return f"{what}: {backend} is read-only here, and {reason}"

    async def close(self, channel: Channel | None = None) -> None:
        """End a session and take its tab away, by default the shown one."""
        target = channel or self._current
        terminal = self._terminals.pop(target, None) if target else None
        if target is None or terminal is None:
            return
        del self._askers[target]
        await terminal.session.stop()
        await terminal.remove()
        self._show(next(reversed(self._terminals), None))
        self.post_message(self.Changed())
        self.post_message(self.Left())

    def read(self) -> None:
        """Read what the shown console has shown: keys move in it and are not the guest's."""
        terminal = self.shown
        if terminal is not None:
            terminal.begin_reading()
            self.screen.set_focus(terminal)

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
        if self._current is not None:
            self._askers[self._current].expect()
        event.session.retake()

    def _show(self, channel: Channel | None) -> None:
        self._current = channel
        self.display = channel is not None
        for other, terminal in self._terminals.items():
            terminal.display = other == channel
        self._draw()

    def _draw(self) -> None:
        self._draw_heading()
        self._draw_status()

    def _draw_heading(self) -> None:
        """The tabs, and of the shown one what went over the line, as far as there is room."""
        terminal, channels = self.shown, list(self._terminals)
        if terminal is None or self._current is None:
            return
        labels = [self.label(channel) for channel in channels]
        shown = channels.index(self._current)
        self._heading.put(draw_tabs(labels, shown, self._count(terminal.session), self._width - 1))

    def _count(self, session: Session) -> list[str]:
        parts = [f"{size(session.behind)}B behind"] if session.behind > _BEHIND else []
        if session.received or session.is_connected:
            parts.append(f"in {size(session.received)}B")
        if session.sent:
            parts.append(f"out {size(session.sent)}B")
        if session.last_byte is not None:
            parts.append(f"last byte {age(self._fleet.clock() - session.last_byte)} ago")
        return parts

    def _on_session(self) -> None:
        """Draw at once what is new; counters and ages wait for the next second."""
        terminal = self.shown
        if terminal is not None and _tell(terminal) != self._told:
            self._draw()

    def on_descendant_focus(self) -> None:
        """Tell the keys that lead out."""
        self._draw_status()

    def on_descendant_blur(self) -> None:
        """Tell the key that leads in, once the keyboard is elsewhere."""
        self.call_after_refresh(self._draw_status)

    def on_resize(self) -> None:
        """As much as has room."""
        self._draw()

    @property
    def _width(self) -> int:
        return max(_LEAST_WIDTH, self.size.width)

    def _draw_status(self) -> None:
        terminal = self.shown
        if self._current is None or terminal is None or not self.is_attached:
            return
        self._told = _tell(terminal)
        session = terminal.session
        recording = f"{describe_recording(session)}  ".lstrip()
        room = self._width - 1
        sentence = self._sentence(self._current, session)
        if session.loss:
            sentence = f"{sentence.removesuffix('.')}; {session.loss}."
        first, *rest = wrap(sentence, room - cells(recording))[:_STATUS_LINES]
        *lines, last = [recording + first, *rest]
        hint = self._hint(terminal)
        if hint and cells(f"{last}  {hint}") > room:
            # A key shall not be torn from what it does.
            lines.append(last)
            last = hint
        else:
            last = f"{last}  {hint}".rstrip()
        more = self._hint_of_menu(terminal)
        if terminal.rows_in_view and session.is_connected:
            # What is not in sight is told without how to see it, or on a line more, before a key goes untold.
            more = more if cells(f"{last}  {more}") <= room else terminal.rows_in_view
            if hint and last != hint and cells(f"{last}  {more}") > room:
                lines.append(last.removesuffix(hint).rstrip())
                last = hint
        if more and cells(f"{last}  {more}") <= room:
            last = f"{last}  {more}"
        lines.append(last)
        self._status.styles.height = len(lines)
        self._status.put(Text("\n".join(f" {item}" for item in lines)))

    def _sentence(self, channel: Channel, session: Session) -> str:
        """Where the session stands; once it has ended, where the VM stands now."""
        sight = look_at(self._fleet, channel.ref)
        if session.is_connected:
            if sight.stage is Stage.UNREACHABLE:
                return f"{session.sentence.removesuffix('.')}; {clean_line(sight.words)}."
            if session.remark:
                return f"{session.sentence.removesuffix('.')}; {session.remark}."
            if session.stream is Stream.SERIAL:
                return self._serial_sentence(channel, session, sight)
        elif session.state in (State.LOST, State.ENDED) and sight.is_seen and channel.ref.kind != Host.KIND:
            return f"{session.sentence} Now the VM is {clean_line(sight.words)}."
        return session.sentence

    def _serial_sentence(self, channel: Channel, session: Session, sight: Sight) -> str:
        if is_paused(self._fleet, channel.ref):
            return "Connected; the guest is paused."
        if session.state is State.SILENT and sight.stage in (Stage.STARTING, Stage.PLACED):
            return "Connected; the guest has not begun yet."
        return session.sentence

    def _hint_of_menu(self, terminal: Terminal) -> str:
        """What the menu is good for: to save the ends of long lines, to tell the guest a new size; else the menu
        itself, where no line of keys does. Before the size, how to see all of what a program draws.
        """
        chord = f"{self._chord} " if self.has_focus_within else ""
        menu = chord + name_key(self._settings.keys.get("main.console_menu", "full_stop"))
        modes = terminal.session.emulator.modes
        if modes.cut_lines and not modes.alternate and terminal.session.is_connected:
            return f"long lines are cut: {menu} t wraps them"
        if (rows := terminal.rows_in_view) and terminal.session.is_connected:
            if not self.screen.has_class("-alone"):
                whole = self.screen.size.height - _AROUND >= terminal.emulator.lines
                alone = chord + name_key(self._settings.keys.get("main.alone", "Z"))
                return f"{rows}: {alone} shows {'all' if whole else 'more'}"
            return f"{rows}: quit, then {menu} z"
        if terminal.misfit and not modes.alternate:
            return f"{terminal.misfit}: {menu} z sends it"
        return f"{menu} menu" if self.screen.has_class("-alone") else ""

    @property
    def _chord(self) -> str:
        """The first key that leads out of a console and into it."""
        return name_key(self._settings.console.detach).split()[0]

    def _hint(self, terminal: Terminal) -> str:
        session = terminal.session
        chord = self._chord
        pasting = "" if session.pasting is None else f"pasting {session.pasting} %, "
        if not self.has_focus_within:
            return f"{pasting}{chord} into the console"
        if pasting and not terminal.is_reading:
            return f"{pasting}esc stops"
        if session.is_open or terminal.is_reading:
            # The line of keys says so, where there is one.
            return f"{pasting}{chord} back to the list" if self.screen.has_class("-alone") else pasting.rstrip(", ")
        if session.state is State.CUT:
            return ""
        enter = "enter twice" if session.is_typed_into else "enter"
        if session.state is State.TAKEN:
            return f"{enter} takes it back and ends their session"
        if session.state is State.HELD:
            return f"{enter} takes it and ends their session"
        if (
            session.stream is Stream.LOG
            and session.state is State.REFUSED
            and "no serial device" not in session.sentence
        ):
            return "enter tries again; the console (c) shows what comes from now on"
        return f"{enter} {_AGAIN[session.stream]}"


def _tell(terminal: Terminal) -> tuple[object, ...]:
    """What the status line depends on but for the time and the machine."""
    session = terminal.session
    told = (
        session.sentence,
        session.remark,
        session.loss,
        terminal.is_reading,
        describe_recording(session),
        session.pasting,
    )
    return *told, session.emulator.modes.cut_lines, terminal.rows_in_view
