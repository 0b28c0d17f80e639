"""The program on the screen: connects after the first frame, runs the fleet, and ends at once when told to."""

from __future__ import annotations

import asyncio
import gc
import importlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.notifications import Notify
from textual.worker import WorkerFailed

from kvtui.config import Settings
from kvtui.console.state import State, Stream
from kvtui.errors import KvtuiError
from kvtui.model import Ref, Severity
from kvtui.text import clean_line
from kvtui.ui.dialogs.unseen import SeenDialog
from kvtui.ui.early import EarlyKeys
from kvtui.ui.hacks import KeyOrder, Typed, take_apart
from kvtui.ui.program import TOAST_LINES, Program, Words, write_crash_log
from kvtui.ui.screens.connect import ConnectScreen

if TYPE_CHECKING:
    from kvtui.actions.confirm import Question, Sheet
    from kvtui.backends.transfer import Transfer
    from kvtui.ending import Ending
    from kvtui.fleet import Fleet
    from kvtui.resources.form import Answers
    from kvtui.ui.actions import ActionRunner
    from kvtui.ui.consoles.channels import Channel
    from kvtui.ui.lines import Line
    from kvtui.ui.palette import KvtuiCommands
    from kvtui.ui.screens.main import MainScreen

_CLOSING = 0.2
"""Seconds that backends get to let go when the program ends."""

_PATIENCE = 2.0
"""Seconds that keys wait for the rows of a list that is shown already."""
_CONNECT_KEYS = frozenset({"q", "escape", "question_mark", "ctrl+p"})

Connect = Callable[[Sequence[str]], Awaitable["Fleet"]]
"""Makes the fleet of the named contexts, or without a name of those that the command line asks for: may import heavy
packages and read configuration, but waits for no server. Raises KvtuiError.
"""
_SEVERITIES: dict[Severity, Words] = {
    Severity.INFO: "information", Severity.WARN: "warning", Severity.BAD: "error",
}  # fmt: skip


def _load_commands() -> type[KvtuiCommands]:
    from kvtui.ui.stage import KvtuiCommands

    return KvtuiCommands


class KvtuiApp(Program, inherit_bindings=False):
    """kvtui."""

    CLOSE_TIMEOUT = _CLOSING
    COMMANDS = {_load_commands}  # noqa: RUF012 - Textual's declaration
    # Without priority, so that a console gets these keys first.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+p", "command_palette", "palette", tooltip="every action and place, searched by name"),
        # Of every screen; the list has one with a tooltip.
        Binding("question_mark", "help", "help", show=False, id="main.help"),
        Binding("ctrl+c", "leave", "quit", show=False),
        Binding("ctrl+z", "suspend_process", "suspend", show=False),
    ]

    def __init__(
        self,
        connect: Connect,
        settings: Settings,
        *,
        where: str = "",
        contexts: Callable[[], Sequence[str]] = tuple,
        channel: Callable[[], Channel] | None = None,
        briefing: str = "",
    ) -> None:
        """`where` names what is connected to first; `contexts` tells all that one can go to; what `channel` tells
        once connected is opened at once, with the whole screen for it; where the first connecting fails, there is
        nothing else to show, and the program ends with that `failure`. A `briefing` is shown over the list at first.

        Raises ConfigError when the settings bind keys that cannot be meant.
        """
        keys: dict[str, str] = {}
        if settings.keys:
            from kvtui.ui.stage import RESOURCES, check_keys, spell_keys

            check_keys(settings.keys, RESOURCES)
            keys = spell_keys(settings.keys)
        super().__init__(settings.theme)
        self._connect = connect
        self._chosen: Sequence[str] = ()
        self._contexts = contexts
        self.settings = settings
        self.briefing = briefing
        self._where = where
        self._find_channel = channel
        self._channel: Channel | None = None
        """What the program was begun for, once connected."""
        self.failure: KvtuiError | None = None
        self.fleet: Fleet | None = None
        self.actions: ActionRunner | None = None
        self.main: MainScreen | None = None
        self._live: asyncio.Task[None] | None = None
        self._key_order = KeyOrder(self, self._act)
        self._early = EarlyKeys(self, self._stands, self._begin_at_top, self._deliver, self._tell_early)
        self._has_arrived = False
        """Whether the list has stood since what is shown was connected to."""
        self._shown_at = 0.0
        """When it was shown, by the monotonic clock."""
        self.set_keymap(keys)

    # Keys ----------------------------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Let keys take effect in their order, an escape apart from a key behind it; the rest is Textual's."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self.typed += 1
        # What lies over the list asks something, and gets its answer at once.
        on_top = self.screen is self.main or isinstance(self.screen, ConnectScreen)
        if not on_top or not self._early.take(event, self._keys_meanwhile):
            await self._deliver(event)

    async def _deliver(self, event: Typed) -> None:
        if isinstance(event, events.Paste) or self._is_in_terminal:
            await self._key_order.take(event)
        else:
            for key in take_apart(event):
                await self._key_order.take(key)

    async def _act(self, event: Typed) -> None:
        if not (isinstance(self.screen, SeenDialog) and self.screen.loses(event)):
            await super().on_event(event)

    def _stands(self, whole: bool) -> bool:
        """Whether there are rows to act on, or all of them: in sight, or not to come soon."""
        screen, main = self.screen, self.main
        if self._has_arrived or (self._find_channel is not None and not self._chosen):
            return True
        if isinstance(screen, ConnectScreen):
            return screen.failed
        if main is not None and screen is main and self.focused is not None:
            seen = bool(main.current.listing.refs) and not whole
            late = time.monotonic() > self._shown_at + _PATIENCE
            self._has_arrived = seen or late or not main.current.is_loading
        return self._has_arrived

    def _begin_at_top(self) -> None:
        """Whoever typed before there was a row means the first one, not that which happened to come first."""
        if self.main is not None and self.main.current.listing.refs:
            self.main.current.table.move_to(self.main.current.listing.refs[0])

    @property
    def _keys_meanwhile(self) -> frozenset[str]:
        """What the screen has that is there before the list."""
        return _CONNECT_KEYS if isinstance(self.screen, ConnectScreen) else frozenset()

    def _tell_early(self, count: int) -> None:
        if isinstance(self.screen, ConnectScreen):
            self.screen.tell_waiting(count)

    @property
    def _is_in_terminal(self) -> bool:
        if self.main is None:
            return False
        from kvtui.ui.stage import Terminal

        return isinstance(self.focused, Terminal)

    # Life ----------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Show the first frame, and connect only then."""
        self.push_screen(ConnectScreen(self._where))
        self.call_after_refresh(self._connect_now)
        self.tell_theme_troubles()

    def on_connect_screen_again(self) -> None:
        """Try again."""
        self._connect_now()

    def _connect_now(self) -> None:
        self.run_worker(self._open(), group="connect", exclusive=True)

    async def _open(self) -> None:
        loading = asyncio.create_task(asyncio.to_thread(importlib.import_module, "kvtui.ui.stage"))
        try:
            fleet = await self._connect(self._chosen)
        except KvtuiError as error:
            if self._find_channel is not None and not self._chosen:
                self.failure = error
                self.exit()
                return
            screen = self.screen
            if isinstance(screen, ConnectScreen):
                self._early.forget()
                screen.show_failure(error)
            return
        finally:
            await loading
        self.show_fleet(fleet)

    def show_fleet(self, fleet: Fleet) -> None:
        """Keep the fleet live and show it."""
        from kvtui.ui.stage import ActionRunner, DialogAsker, MainScreen

        self.fleet = fleet
        self._shown_at = time.monotonic()
        self.actions = ActionRunner(fleet, fleet.resources, self)
        self.main = MainScreen(fleet, fleet.resources, self.actions, self.settings, self._contexts)
        self.switch_screen(self.main)
        if fleet.routes is not None:
            fleet.routes.questions.asker = DialogAsker(self.main, "ssh")
        if self._find_channel is not None and not self._chosen:
            self._channel = self._find_channel()
            self.call_after_refresh(self._open_channel, self._channel)
        if self.briefing and not self._chosen:
            # Who has not read it yet means nothing in particular.
            self._early.forget()
            self.action_briefing()
        self._live = asyncio.create_task(fleet.run(), name="fleet")
        self._live.add_done_callback(self._fleet_ended)

    def action_briefing(self) -> None:
        """Show what the user is asked to find out."""
        from kvtui.ui.stage import BriefingDialog

        self.push_screen(BriefingDialog(self.briefing))

    def _open_channel(self, channel: Channel) -> None:
        """Show what the program was begun for; a shell that its user ends ends the program, too."""
        assert self.main is not None
        self.main.open_alone(channel)
        terminal = self.main.consoles.shown
        if terminal is not None and channel.stream is Stream.SHELL:
            session = terminal.session
            session.observe(lambda: self.exit(0) if session.state is State.ENDED else None)

    def _fleet_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._handle_exception(error if isinstance(error, Exception) else RuntimeError(str(error)))

    def on_main_screen_context_chosen(self, event: MainScreen.ContextChosen) -> None:
        """Leave what is shown and show another context."""
        self.run_worker(self._change_context(event.name), group="connect", exclusive=True)

    async def _change_context(self, name: str) -> None:
        may_close = await self._may_close_consoles(f"go to {name} and close the open consoles?")
        if not (may_close and await self._may_end_batches(f"go to {name}")):
            return
        if self.actions is not None:
            self.actions.cancel_all()
        self._chosen = (name,)
        self._has_arrived = False
        await self.switch_screen(ConnectScreen(name))
        await self._let_go()
        await self._open()

    async def on_unmount(self) -> None:
        """Cancel everything that runs."""
        await self._let_go()

    async def _let_go(self) -> None:
        if self._live is not None:
            self._live.cancel()
            await asyncio.wait([self._live], timeout=_CLOSING)
        if self.fleet is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING):
                    await self.fleet.close()

    async def action_leave(self) -> None:
        """Quit, asking first while consoles are open."""
        self.run_worker(self._leave(), group="leave", exclusive=True)

    async def _leave(self) -> None:
        may_close = await self._may_close_consoles("quit and close the open consoles?")
        if may_close and await self._may_end_transfers() and await self._may_end_batches("quit"):
            self.exit(int(self._has_failed()))

    def _has_failed(self) -> bool:
        """Whether what the program was begun for is not there."""
        if isinstance(self.screen, ConnectScreen):
            return self.screen.failed
        terminal = self.main.consoles.shown if self.main is not None and self._channel is not None else None
        return terminal is not None and terminal.session.state in (State.REFUSED, State.LOST)

    async def _may_close_consoles(self, question: str) -> bool:
        if self.main is None or set(self.main.consoles.channels) <= {self._channel}:
            return True
        from kvtui.ui.stage import Question

        return await self.ask(
            Question(question, [self.main.consoles.label(channel) for channel in self.main.consoles.channels])
        )

    async def _may_end_transfers(self) -> bool:
        if self.actions is None or not self.actions.transfers:
            return True
        from kvtui.ui.stage import Question

        return await self.ask(
            Question("quit and give up what is under way?", [transfer.title for transfer in self.actions.transfers])
        )

    async def _may_end_batches(self, what: str) -> bool:
        """Ask before what was begun and is not sent yet is given up."""
        begun = self.actions.batches.all if self.actions is not None else ()
        unsent = [batch for batch in begun if batch.unsent and batch.action.transfer is None]
        carried = self.actions.batches.carried if self.actions is not None else ()
        if not unsent and not carried:
            return True
        from kvtui.actions.items import name_item
        from kvtui.ui.stage import Question

        told = [f"{batch.action.label} {batch.subject}: {len(batch.items) - batch.answered} to go" for batch in unsent]
        told += [f"{item.action.label} {name_item(item)}: {item.words or item.action.awaits}" for item in carried]
        kept = " What was not sent yet is not sent then." if unsent else ""
        ends = " kvtui carries this itself: it is aborted then, and the VM stays where it is." if carried else ""
        if not await self.ask(Question(f"{what}?{kept}{ends}", told)):
            return False
        if carried and self.actions is not None:
            await self.actions.batches.abandon()
        return True

    # What actions need of the screen -------------------------------------------------------------------------------

    async def ask(self, question: Question) -> bool:
        """Put a question to the user."""
        from kvtui.ui.stage import ConfirmDialog

        answer: bool = await self.push_screen_wait(ConfirmDialog(question))
        return answer

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        """Have the user fill in a form."""
        from kvtui.ui.stage import FormDialog

        answers: Answers | None = await self.push_screen_wait(FormDialog(sheet))
        return answers

    async def follow(self, transfer: Transfer) -> None:
        """Show how far a transfer is."""
        from kvtui.ui.stage import TransferDialog

        await self.push_screen_wait(TransferDialog(transfer))

    async def edit(self, path: Path) -> None:
        """Give the terminal to the user's editor; consoles and panes go on unseen. Raises KvtuiError."""
        from kvtui.ui.stage import run_editor, undisturbed

        failure = None
        with self.batch_update(), self.suspend(), undisturbed():
            try:
                await run_editor(path)
            except KvtuiError as error:
                # Textual 8.2.8 takes the terminal back only when nothing is raised.
                failure = error
        if failure is not None:
            raise failure

    @property
    def toast_room(self) -> int:
        """With an open console, no more than the list has above it."""
        return TOAST_LINES if self.main is not None and self.main.consoles.display else super().toast_room

    def on_notify(self, _event: Notify) -> None:
        """A toast comes."""
        if self.main is not None:
            self.main.place_toasts()

    def tell(self, message: str, severity: Severity) -> None:
        """Answer what the user did."""
        self.notify(message, severity=_SEVERITIES[severity], timeout=4 if severity is Severity.INFO else 10)

    def name_sessions(self, ref: Ref) -> Sequence[str]:
        """Our own consoles and shells that are open on a machine."""
        channels = self.main.consoles.channels_of(ref) if self.main is not None else ()
        return [channel.title for channel in channels]

    def action_help(self) -> None:
        """Show the help."""
        from kvtui.ui.stage import HelpScreen

        self.push_screen(HelpScreen(self._help_lines()))

    def _help_lines(self) -> Iterable[Line]:
        """Of the list everything there is; of any other screen its own keys."""
        from kvtui.ui.stage import MENU, RESOURCES, help_lines, list_bindings, screen_lines

        screen = self.screen
        if screen is not self.main:
            inner = screen.focused.BINDINGS if screen.focused is not None else []
            return screen_lines(screen.TITLE or "Keys", [*screen.BINDINGS, *inner, *_own_bindings(self)])
        bindings = [binding for binding in [*list_bindings(), *_own_bindings(self)] if binding.tooltip]
        menu = [(entry.key, f"{entry.label.removesuffix(' ...')}: {entry.help}") for entry in MENU]
        resources = self.fleet.resources if self.fleet is not None else RESOURCES
        return help_lines(
            resources, bindings, self.settings.console.detach, menu, reading=self.main.consoles.has_focus_within
        )

    # Crashes -------------------------------------------------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        """Tell of a worker that failed, and go on: it was one action. Any other fault ends the program."""
        if isinstance(error, WorkerFailed):
            self._tell_fault(error.error)
        else:
            super()._handle_exception(error)

    def _tell_fault(self, fault: BaseException) -> None:
        self.crash_log = write_crash_log(fault, self.crash_log)
        words = clean_line(f"{type(fault).__name__}: {fault}")
        error = KvtuiError("a fault of kvtui", words, f"the details are in {self.crash_log}")
        if isinstance(self.screen, ConnectScreen):
            self.screen.show_failure(error)
        else:
            self.notify(f"{error.title}; {error.hint}\n{words}", severity="error", timeout=15)


def _own_bindings(owner: Any) -> list[Binding]:
    return [binding for binding in type(owner).BINDINGS if isinstance(binding, Binding) and binding.tooltip]


def run(
    settings: Settings,
    connect: Connect,
    ending: Ending,
    *,
    where: str = "",
    contexts: Callable[[], Sequence[str]] = tuple,
    channel: Callable[[], Channel] | None = None,
    briefing: str = "",
) -> int:
    """Run the program until the user quits or `ending` ends it; the exit status. The other arguments are those of
    `KvtuiApp`. Where there is a `channel`, it raises what `connect` raises.
    """
    app = KvtuiApp(connect, settings, where=where, contexts=contexts, channel=channel, briefing=briefing)
    status = app.run_in_terminal(ending, mouse=settings.mouse)
    if app.failure is not None:
        raise app.failure
    # The interpreter's last collections would walk over every record: half a second of nothing on a large fleet.
    gc.freeze()
    return status
