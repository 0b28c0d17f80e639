"""``kvtui console``: the serial console of one VM, on a terminal or as plain bytes for scripts."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kvtui.backends.base import Consoles, SharedConsoles
from kvtui.cli.connecting import make_fleet, name_places, read_settings
from kvtui.cli.input import read_input
from kvtui.cli.machine import capable, find_machine, identify
from kvtui.cli.output import printing
from kvtui.cli.screen import run_screen
from kvtui.config import Settings
from kvtui.console.session import Session
from kvtui.console.state import State
from kvtui.ending import Ending
from kvtui.errors import ConfigError, KvtuiError, ReadOnlyError, UnreachableError
from kvtui.records.libvirt import Domain
from kvtui.text import clean_line
from kvtui.ui.consoles.channels import Channel, make_session
from kvtui.ui.consoles.recordings import record

if TYPE_CHECKING:
    from kvtui.fleet import Fleet

_PIECE: Final = 512
_PACE: Final = 0.05
"""Seconds for a piece of the input: a serial line without flow control takes some 11 kB a second."""
_RETRY: Final = 1.0
"""Seconds until a line that took no more is tried again, if nothing comes from it before."""


def console(options: Namespace) -> int:
    """Open the console of the VM that was named; the exit code."""
    settings = read_settings(options)
    fleet, ref = find_machine(options, settings)
    is_domain = ref.kind == Domain.KIND
    if not is_domain and (options.line or options.take):
        raise ConfigError("--line and --take are for hosts of libvirt", hint="give --host")
    capable(fleet, ref, SharedConsoles if is_domain else Consoles, "serial consoles")
    channel = Channel(ref, line=options.line or "")
    if sys.stdout.isatty():
        if options.until is not None or options.timeout is not None:
            raise ConfigError("--until and --timeout are for pipes and files", hint="with | cat -v it is one")
        check_terminal()
        return show_channel(options, settings, fleet, channel)
    if sys.stdin is not None and sys.stdin.isatty():
        # It would show the passwords that are typed, and keep ctrl+c.
        raise ConfigError(
            "the output is a pipe, and the input is the terminal", hint="give input, or </dev/null to listen"
        )
    return asyncio.run(_pipe(fleet, channel, settings, options))


def _tell(error: KvtuiError) -> None:
    sys.stderr.write(f"kvtui: {clean_line(str(error))}\n")


def show_channel(options: Namespace, settings: Settings, fleet: Fleet, channel: Channel) -> int:
    """Open the screen with one way into a machine; the exit code. Raises ReadOnlyError on a read-only backend."""
    if fleet.backends[channel.ref.backend].info.read_only:
        raise ReadOnlyError(f"{channel.ref.backend} is read-only", f"the {channel.stream.value} console was not opened")

    wanted = channel

    async def connect(contexts: Sequence[str]) -> Fleet:
        nonlocal wanted
        if contexts:
            return make_fleet(options, settings, contexts)
        try:
            wanted = channel._replace(ref=await identify(fleet, channel.ref))
        except (KvtuiError, asyncio.CancelledError):
            await fleet.close()
            raise
        return fleet

    where, contexts = channel.ref.backend, lambda: name_places(options, settings)
    with Ending() as ending:
        return run_screen(settings, connect, ending, where=where, contexts=contexts, channel=lambda: wanted)


def check_terminal() -> None:
    """Raise ConfigError when only one side is a terminal: it would obey the plain bytes of the guest."""
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stdout.isatty():
        raise ConfigError(
            "standard input and standard output must both be the terminal", hint="or send the output into a pipe"
        )


async def _pipe(fleet: Fleet, channel: Channel, settings: Settings, options: Namespace) -> int:
    from kvtui.resources import find

    vms = find("vms", fleet.resources)
    assert vms is not None
    try:
        await fleet.prepare()
        try:
            async with asyncio.timeout(options.timeout):
                channel = channel._replace(ref=await identify(fleet, channel.ref))
        except TimeoutError:
            raise UnreachableError(f"{channel.ref.backend} did not answer in time") from None
        session = make_session(channel, fleet, settings)
        session.takes = options.take
        session.holds_enters = False
        if settings.console.record:
            record(session, channel, settings.console, _tell)
        pipe = _Pipe(session, None if options.until is None else options.until.encode(errors="surrogateescape"))
        live = asyncio.create_task(fleet.run(vms.sources))
        try:
            return await pipe.run(options.timeout)
        finally:
            live.cancel()
            with suppress(asyncio.CancelledError):
                await live
    finally:
        await fleet.close()


class _Pipe:
    """Copies bytes between the streams of the process and a session."""

    def __init__(self, session: Session, until: bytes | None) -> None:
        self.session = session
        self._until = until
        self._recent = b""
        self._said = False
        self._unwritable: OSError | None = None
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()

    async def run(self, timeout: float | None) -> int:
        """Copy until it ends; the exit code (see ``kvtui console --help``)."""
        session = self.session
        session.tap = self._take
        session.observe(self._changed.set)
        session.observe(self._moved.set)
        session.start()
        typing = asyncio.create_task(self._type())
        try:
            async with asyncio.timeout(timeout):
                await self._wait()
            if self._unwritable is not None:
                with printing():
                    raise self._unwritable
            return self._end(in_time=True)
        except TimeoutError:
            return self._end(in_time=False)
        finally:
            typing.cancel()
            await session.stop()

    async def _wait(self) -> None:
        """Until there is nothing more to be had, saying meanwhile what is waited for."""
        told = ""
        session = self.session
        while session.is_open or session.state is State.CUT:
            if session.sentence != told and session.state in (State.WAITING, State.FOLLOWING):
                told = session.sentence
                sys.stderr.write(f"kvtui: {told}\n")
            await self._changed.wait()
            self._changed.clear()
            if self._said or self._unwritable is not None:
                return

    def _end(self, *, in_time: bool) -> int:
        """Say why it ended; the exit code."""
        session = self.session
        if self._said:
            return 0
        if self._until is not None:
            after = "" if in_time else " in time"
            raise KvtuiError(f"the guest did not say what was waited for{after}", session.sentence)
        if not in_time:
            if session.is_connected:
                return 0
            raise KvtuiError("there was no console in time", session.sentence)
        way_out = "; --take takes it and ends their session." if session.state is State.HELD else "."
        sys.stderr.write(f"kvtui: {session.sentence.removesuffix('.')}{way_out}\n")
        return 0 if session.state is State.ENDED else 1

    def _take(self, data: bytes) -> None:
        """Print what the guest says, every byte."""
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as error:
            self._unwritable = error
        if self._until is not None:
            recent = self._recent + data
            self._said = self._said or self._until in recent
            self._recent = recent[-len(self._until) :] if self._until else b""
        self._changed.set()

    async def _type(self) -> None:
        """Type what comes on standard input, as fast as a serial line takes it, while there is a line."""
        async for data in read_input():
            for start in range(0, len(data), _PIECE):
                while not self.session.send(data[start : start + _PIECE]):
                    self._moved.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_RETRY):
                            await self._moved.wait()
                await asyncio.sleep(_PACE)
