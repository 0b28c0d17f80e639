"""``kvtui download``: a volume of an export into a file or a pipe, checked, with its progress on standard error."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kvtui.actions.items import State
from kvtui.backends.downloads import RAW, SUFFIXES, Downloads
from kvtui.backends.sinks import FileSink, PipeSink, Sink
from kvtui.backends.transfer import DownloadTransfer
from kvtui.cli.codes import UNSEEN
from kvtui.cli.confirming import confirm_where_careful
from kvtui.cli.connecting import list_hosts, read_settings
from kvtui.cli.machine import capable, find_object
from kvtui.cli.signals import Ending
from kvtui.cli.transfers import Outcome
from kvtui.errors import BusyError, ConfigError, LateError, PendingError
from kvtui.model import Ref
from kvtui.text import age, clean_line, rate, size

if TYPE_CHECKING:
    from kvtui.fleet import Fleet

_KIND: Final = "VirtualMachineExport"
_PATIENCE: Final = 300.0
"""Seconds that an export may take to be ready where nobody limits all of it."""
_LOOK: Final = 2.0
"""Seconds between two looks at an export that is not ready, and at most between two lines of progress."""
_DRAW: Final = 0.5
_STDOUT: Final = "-"


def download(options: Namespace) -> int:
    """Download what was named; the exit code."""
    outcome = Outcome(options, "export.download")
    with outcome.telling():
        fleet, ref, sink = _prepare(options)
        return asyncio.run(_download(options, fleet, ref, sink, outcome))


def _prepare(options: Namespace) -> tuple[Fleet, Ref, Sink]:
    """What is brought where. Raises ConfigError, and BackendError where no file may be written."""
    if options.host:
        hosts = list_hosts(options, read_settings(options))
        uri = next(host.uri for name, host in hosts.items() if options.host[0] in (name, host.uri))
        raise ConfigError("only exports of a cluster are downloaded", "a host has none",
                          f"virsh -c {clean_line(uri)!r} vol-download --pool POOL VOLUME FILE does it")  # fmt: skip
    fleet, ref = find_object(options, read_settings(options), options.export, _KIND, "export")
    sink = _choose_sink(options, ref)
    sink.check()
    return fleet, ref, sink


def _choose_sink(options: Namespace, ref: Ref) -> Sink:
    """Where it goes. Raises ConfigError."""
    if options.to != _STDOUT:
        path = Path(options.to or f"{options.volume or ref.name}{SUFFIXES[options.format]}")
        return FileSink(path.absolute(), overwrite=options.force)
    if options.output == "json":
        raise ConfigError("standard output cannot have both the volume and JSON", hint="give --to FILE, or no -o json")
    if sys.stdout.isatty() and not options.dry_run:
        raise ConfigError("a volume on a terminal is nothing but noise", hint="give --to FILE, or a pipe behind it")
    return PipeSink(sys.stdout.fileno())


async def _download(options: Namespace, fleet: Fleet, ref: Ref, sink: Sink, outcome: Outcome) -> int:
    ending = Ending()
    try:
        backend = capable(fleet, ref, Downloads, "exports")  # type: ignore[type-abstract]
        title = f"download export {ref.path} to {sink.name}?"
        await confirm_where_careful(fleet, ref, options, title, outcome.note)
        outcome.begin(ref)
        if options.dry_run:
            async with asyncio.timeout(options.timeout):
                return await _rehearse(backend, ref, options, sink, outcome)
        transfer = await _run(backend, ref, options, sink)
    except TimeoutError:
        return _tell_left(outcome, ref, sink, f"--timeout is over after {age(options.timeout)}", UNSEEN)
    except asyncio.CancelledError:
        return _tell_left(outcome, ref, sink, "interrupted", ending.status)
    finally:
        await fleet.close()
    line = "" if isinstance(sink, PipeSink) else sink.name
    outcome.end(State.DONE, sink.result, line=line, file=sink.name, bytes=transfer.figures.received)
    kept = f", {size(transfer.figures.written)}B unpacked" if options.format != RAW else ""
    sys.stderr.write(f"kvtui: {size(transfer.figures.received)}B came {transfer.figures.way}{kept}, checked\n")
    return 0


def _tell_left(outcome: Outcome, ref: Ref, sink: Sink, why: str, code: int) -> int:
    """It was left off: what is left is told; the exit code."""
    words = f"{why}; {sink.name}: {sink.left}, the export {ref.path} stays: once more begins anew"
    sys.stderr.write(f"kvtui: {clean_line(words)}\n")
    outcome.end(State.FAILED, words, error=words, file=sink.name, bytes=0)
    return code


async def _rehearse(backend: Downloads, ref: Ref, options: Namespace, sink: Sink, outcome: Outcome) -> int:
    """Ask for the volume, and take nothing of it."""
    async with backend.open_download(ref, options.volume or "", options.format) as found:
        room = f", {size(found.size)}B unpacked" if found.size else ""
    words = f"it would come {found.way} to {sink.name}{room}"
    outcome.end(State.ACCEPTED, words, line=f"{ref.path}: {words}", file=sink.name, bytes=0)
    return 0


async def _run(backend: Downloads, ref: Ref, options: Namespace, sink: Sink) -> DownloadTransfer:
    """Download it, once the export is ready. Raises LateError when that is not in time, TimeoutError when the volume
    is not.
    """
    loop = asyncio.get_running_loop()
    limit = options.timeout or _PATIENCE
    until, last = loop.time() + limit, None
    try:
        async with asyncio.timeout(options.timeout):
            while True:
                transfer = DownloadTransfer(backend, ref, options.volume or "", options.format, sink)
                try:
                    await _carry(transfer)
                except BusyError as error:
                    left = until - loop.time()
                    if left <= 0:
                        raise _late(error, limit) from error
                    if str(error) != str(last):
                        _tell_wait(error, left)
                    last = error
                    await asyncio.sleep(min(_LOOK, left))
                else:
                    return transfer
    except TimeoutError:
        if last is None or transfer.figures.received:
            raise
        raise _late(last, limit) from last


async def _carry(transfer: DownloadTransfer) -> None:
    """Carry it to its end, and show how far it is. Raises BusyError while the export is not ready."""
    showing = asyncio.create_task(_show(transfer), name="progress")
    try:
        await transfer.run()
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        if transfer.figures.received and sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")


def _tell_wait(error: BusyError, left: float) -> None:
    """What is waited for, and for how long yet."""
    words = f"{error.title}{_tell_since(error)}: {error.detail}"
    hint = f"{error.hint}; " if error.hint else ""
    sys.stderr.write(f"kvtui: {clean_line(f'{words} ({hint}waiting for {age(math.ceil(left))} at most)')}\n")


def _late(error: BusyError, limit: float) -> LateError:
    """That it was waited for in vain, for so many seconds."""
    waited = f"it was waited for {age(limit)}, --timeout waits longer"
    return LateError(
        f"{error.title}{_tell_since(error)}", error.detail, f"{error.hint}; {waited}" if error.hint else waited
    )


def _tell_since(error: BusyError) -> str:
    """How long it has been so already."""
    since = error.since if isinstance(error, PendingError) else None
    return "" if since is None else f" for {age(max(0.0, time.time() - since))}"


async def _show(transfer: DownloadTransfer) -> None:
    """Draw how far it is, on a terminal; elsewhere a line now and then would only be in the way."""
    if not sys.stderr.isatty():
        return
    while True:
        await asyncio.sleep(_DRAW)
        figures = transfer.figures
        if figures.received:
            sys.stderr.write(f"\r\x1b[K{transfer.words}   {rate(figures.rate)}   {size(figures.received)}B")
            sys.stderr.flush()
