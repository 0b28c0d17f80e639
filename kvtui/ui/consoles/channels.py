"""The ways into a machine, and the sessions that take them."""

from __future__ import annotations

from typing import NamedTuple

from kvtui.backends.base import Backend, BootLogs, ByteStream, Consoles, Ports
from kvtui.backends.ssh import Asker, open_shell
from kvtui.config import Settings, SshSettings
from kvtui.console.emulator import Emulator
from kvtui.console.session import Session
from kvtui.console.sight import Place, Sight, Stage
from kvtui.console.state import Stream
from kvtui.errors import BackendError
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.text import clean_line, parse_time


class Channel(NamedTuple):
    """One way into one machine: what a terminal of the pane is for."""

    ref: Ref
    stream: Stream = Stream.SERIAL

    def label(self, fleet: Fleet) -> str:
        """The machine, and the stream unless it is the serial line, which most are."""
        return fleet.name(self.ref, "" if self.stream is Stream.SERIAL else self.stream.value)

    @property
    def names(self) -> list[str]:
        """What tells its files from those of others."""
        names = [self.ref.backend, self.ref.namespace, self.ref.name]
        return names if self.stream is Stream.SERIAL else [*names, self.stream.value]


def make_session(channel: Channel, fleet: Fleet, settings: Settings, asker: Asker | None = None) -> Session:
    """A session, not started yet. `asker` knows names and passwords; only a shell needs it."""
    ref = channel.ref
    opener = {Stream.SERIAL: _open_console, Stream.LOG: _open_boot_log}.get(channel.stream)
    shells = _Shells(ref, settings.ssh_for(ref.backend), asker) if asker is not None else None

    async def dial() -> ByteStream:
        backend = fleet.backends[ref.backend]
        if opener is not None:
            return await opener(backend, ref, settings)
        if shells is None:
            raise BackendError(f"nobody is there to log in to {ref.path}")
        return await shells.open(backend, session.emulator)

    session = Session(
        dial,
        look=lambda: look_at(fleet, ref),
        stream=channel.stream,
        scrollback=settings.console.scrollback,
        pace=settings.console.paste_rate,
        clock=fleet.clock,
    )
    return session


async def _open_console(backend: Backend, ref: Ref, _settings: Settings) -> ByteStream:
    if not isinstance(backend, Consoles):
        raise BackendError(f"{ref.backend} has no serial consoles", code=405)
    return await backend.open_console(ref)


async def _open_boot_log(backend: Backend, ref: Ref, settings: Settings) -> ByteStream:
    if not isinstance(backend, BootLogs):
        raise BackendError(f"{ref.backend} has no boot logs", code=405)
    return await backend.open_boot_log(ref, tail=max(1, settings.console.scrollback))


class _Shells:
    """Logs in to one machine, as often as the user wants."""

    def __init__(self, ref: Ref, settings: SshSettings, asker: Asker) -> None:
        self._ref = ref
        self._settings = settings
        self._asker = asker
        self._user = settings.user

    async def open(self, backend: Backend, emulator: Emulator) -> ByteStream:
        """A shell in a terminal of the emulator's size."""
        if not isinstance(backend, Ports):
            raise BackendError(f"{self._ref.backend} leads to no ports of machines", code=405)
        # Before the port is open: who listens there does not wait for ever.
        user = self._user or await self._asker.ask(f"user on {clean_line(self._ref.path)}", False)
        if not user:
            raise BackendError(f"not logged in to {self._ref.path}", "no user was named", "name one in [ssh] user")
        stream = await backend.open_port(self._ref, self._settings.port)
        shell = await open_shell(
            stream,
            self._ref,
            user=user,
            asker=self._asker,
            keys=self._settings.keys,
            columns=emulator.columns,
            lines=emulator.lines,
        )
        self._user = user
        return shell


def instance_of(fleet: Fleet, ref: Ref) -> VirtualMachineInstance | None:
    """The instance of a VM or VMI, as far as it is known."""
    return fleet.view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)


def look_at(fleet: Fleet, ref: Ref) -> Sight:
    """What the store knows of a VM or VMI (phases: kubevirt-api.md 2.2)."""
    state = fleet.view.feed(ref.backend, VirtualMachineInstance.KIND).state
    if state is FeedState.STALE:
        return Sight(Stage.UNREACHABLE, words=f"{ref.backend} does not answer")
    if state is not FeedState.LIVE:
        return Sight(Stage.UNKNOWN)
    vmi = instance_of(fleet, ref)
    if vmi is None:
        return Sight(Stage.OFF, words=_name_rest(fleet, ref))
    phase = vmi.status.phase
    place = Place(vmi.metadata.uid, vmi.status.node_name)
    if vmi.is_final:
        reason = f" ({vmi.status.reason})" if vmi.status.reason else ""
        return Sight(Stage.ENDED, place, f"{phase}{reason}")
    if vmi.is_running:
        moving = vmi.status.migration_state
        going = vmi.deleted is not None or (moving is not None and moving.in_progress)
        return Sight(Stage.GOING if going else Stage.RUNNING, place, phase, _began(vmi))
    return Sight(Stage.PLACED if phase == "Scheduled" else Stage.STARTING, place, phase or "Pending")


def _began(vmi: VirtualMachineInstance) -> float | None:
    for transition in vmi.status.phase_transition_timestamps:
        if transition.phase == "Running":
            return parse_time(transition.phase_transition_timestamp)
    return None


def _name_rest(fleet: Fleet, ref: Ref) -> str:
    """What a machine without an instance is."""
    if fleet.view.feed(ref.backend, VirtualMachine.KIND).state is not FeedState.LIVE:
        return "not running"
    vm = fleet.view.get(VirtualMachine, ref.backend, ref.namespace, ref.name)
    return (vm.status.printable_status or "Stopped") if vm is not None else "not there"
