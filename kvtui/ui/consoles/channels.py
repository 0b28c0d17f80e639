"""The ways into a machine, and the sessions that take them."""

from __future__ import annotations

from typing import NamedTuple

from kvtui.backends.base import Backend, BootLogs, ByteStream, Consoles, HostShells, Ports, SharedConsoles
from kvtui.backends.ssh import Asker, open_shell
from kvtui.config import Settings, SshSettings
from kvtui.console.emulator import Emulator
from kvtui.console.session import Session
from kvtui.console.sight import Stage
from kvtui.console.state import Stream
from kvtui.errors import BackendError, DeniedError
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.records.libvirt import Domain, Host
from kvtui.text import clean_line
from kvtui.ui.consoles.domains import find_running
from kvtui.ui.consoles.sights import look_at


class Channel(NamedTuple):
    """One way into one machine: what a terminal of the pane is for."""

    ref: Ref
    stream: Stream = Stream.SERIAL
    line: str = ""
    """Which of several serial lines; empty for the first."""

    def at_present(self, fleet: Fleet) -> Channel:
        """The same way from the host on which the machine runs now: a domain may have moved to another one."""
        return self._replace(ref=find_running(fleet.view, self.ref)) if self.ref.kind == Domain.KIND else self

    def label(self, fleet: Fleet) -> str:
        """The machine where it runs now, and the stream unless it is the first serial line, which most are."""
        return fleet.name(
            self.at_present(fleet).ref, self.line or ("" if self.stream is Stream.SERIAL else self.stream.value)
        )

    @property
    def title(self) -> str:
        """Which of the machine's ways it is: ``serial console``, ``shell``."""
        return "shell" if self.stream is Stream.SHELL else f"{self.line or 'serial'} console"

    @property
    def names(self) -> list[str]:
        """What tells its files from those of others."""
        names = [self.ref.backend, self.ref.namespace, self.ref.name]
        return [*names, self.line or self.stream.value] if self.line or self.stream is not Stream.SERIAL else names


def make_session(channel: Channel, fleet: Fleet, settings: Settings, asker: Asker | None = None) -> Session:
    """A session, not started yet. `asker` knows names and passwords; only a shell needs it."""
    ref = channel.ref
    shells = _Shells(ref, settings.ssh_for(ref.backend), asker) if asker is not None else None

    async def dial() -> ByteStream:
        if channel.stream is Stream.SERIAL:
            return await _open_console(fleet, channel, take=session.takes)
        backend = fleet.backends[ref.backend]
        if channel.stream is Stream.LOG:
            return await _open_boot_log(backend, ref, settings)
        if ref.kind == Host.KIND:
            return await _open_host_shell(backend, ref, session.emulator)
        if shells is None:
            raise BackendError(f"nobody is there to log in to {ref.path}")
        return await shells.open(fleet, session.emulator)

    session = Session(
        dial,
        look=lambda: look_at(fleet, ref),
        stream=channel.stream,
        scrollback=settings.console.scrollback,
        pace=settings.console.paste_rate,
        clock=fleet.clock,
    )
    return session


async def _open_console(fleet: Fleet, channel: Channel, *, take: bool) -> ByteStream:
    ref = channel.at_present(fleet).ref
    backend = fleet.backends[ref.backend]
    if isinstance(backend, SharedConsoles):
        return await backend.open_line(ref, line=channel.line, take=take)
    if not isinstance(backend, Consoles):
        raise BackendError(f"{ref.backend} has no serial consoles", code=405)
    return await backend.open_console(ref)


async def _open_boot_log(backend: Backend, ref: Ref, settings: Settings) -> ByteStream:
    if not isinstance(backend, BootLogs):
        raise BackendError(f"{ref.backend} has no boot logs", code=405)
    return await backend.open_boot_log(ref, tail=max(1, settings.console.scrollback))


def explain_no_shell(backend: Backend) -> str:
    """Why there is no shell of a host; empty where there is one."""
    if not isinstance(backend, HostShells):
        return f"{backend.name} has no shells of hosts"
    return backend.explain_no_shell()


async def _open_host_shell(backend: Backend, ref: Ref, emulator: Emulator) -> ByteStream:
    if not isinstance(backend, HostShells):
        raise BackendError(explain_no_shell(backend), code=405)
    return await backend.open_host_shell(ref, emulator.columns, emulator.lines)


class _Shells:
    """Logs in to one machine, as often as the user wants."""

    def __init__(self, ref: Ref, settings: SshSettings, asker: Asker) -> None:
        self._ref = ref
        self._settings = settings
        self._asker = asker
        self._user = settings.user

    async def open(self, fleet: Fleet, emulator: Emulator) -> ByteStream:
        """A shell in a terminal of the emulator's size."""
        # A domain may have moved to another host since.
        ref = find_running(fleet.view, self._ref) if self._ref.kind == Domain.KIND else self._ref
        backend = fleet.backends[ref.backend]
        if not isinstance(backend, Ports):
            raise BackendError(f"{self._ref.backend} leads to no ports of machines", code=405)
        if reason := backend.explain_no_ports() or _explain_off(fleet, ref):
            raise BackendError(f"not logged in to {clean_line(ref.path)}", reason)
        # Before the port is open: who listens there does not wait for ever.
        user = self._user or await self._asker.ask(f"user on {clean_line(self._ref.path)}", False)
        if not user:
            raise BackendError(f"not logged in to {self._ref.path}", "no user was named", "name one in [ssh] user")
        # Of whatever fails from here on, only a login that is denied may be the fault of the name.
        self._user = user
        stream = await backend.open_port(ref, self._settings.port)
        try:
            return await open_shell(
                stream,
                self._ref,
                user=user,
                asker=self._asker,
                keys=self._settings.keys,
                columns=emulator.columns,
                lines=emulator.lines,
            )
        except DeniedError:
            self._user = self._settings.user
            raise


def _explain_off(fleet: Fleet, ref: Ref) -> str:
    """Why nobody can log in to a machine that does not run; empty where it runs, or is not seen."""
    sight = look_at(fleet, ref)
    runs = sight.stage in (Stage.RUNNING, Stage.GOING) or not sight.is_seen
    return "" if runs else f"the VM does not run: it is {clean_line(sight.words)}"
