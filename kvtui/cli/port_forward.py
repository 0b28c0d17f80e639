"""``kvtui port-forward``: ports of this machine that lead to ports of a VM, until it is interrupted."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import Namespace
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from kvtui.backends.base import Ports
from kvtui.cli.connecting import read_settings
from kvtui.cli.machine import capable, explained, find_machine, identify
from kvtui.cli.output import printing
from kvtui.errors import BackendError, KvtuiError
from kvtui.text import clean_line, size

if TYPE_CHECKING:
    from kvtui.backends.forwarding import Forwarding
    from kvtui.fleet import Fleet
    from kvtui.model import Ref

_SERVER_ERROR: Final = 500


def port_forward(options: Namespace) -> int:
    """Forward the ports that were named; the exit code."""
    fleet, ref = find_machine(options, read_settings(options))
    return asyncio.run(_forward(options, fleet, ref))


async def _forward(options: Namespace, fleet: Fleet, ref: Ref) -> int:
    from kvtui.backends.forwarding import forward_port

    backend = capable(fleet, ref, Ports, "ports that lead to machines")  # type: ignore[type-abstract]
    opened: list[Forwarding] = []
    _end_on_signals()
    try:
        ref = await identify(fleet, ref)
        async with explained(fleet, ref):
            await _probe(backend, ref, options.ports[0][1])
        for local, remote in options.ports:
            dial = partial(backend.open_port, ref, remote)
            opened.append(await forward_port(dial, options.address, local, tell=_complain))
            with printing():
                sys.stdout.write(f"{opened[-1].address}:{opened[-1].port} -> {clean_line(ref.path)}:{remote}\n")
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return 0
    finally:
        for forwarding in opened:
            await forwarding.close()
        await fleet.close()
        if opened:
            count, sent, received = (sum(values) for values in zip(*map(_figures, opened), strict=True))
            sys.stderr.write(f"kvtui: {count} connections, sent {size(sent)}B, received {size(received)}B\n")


async def _probe(backend: Ports, ref: Ref, port: int) -> None:
    """Ask once before anybody comes, so that a wrong name or a missing right is told at once. Raises BackendError."""
    try:
        stream = await backend.open_port(ref, port)
    except BackendError as error:
        if error.code < _SERVER_ERROR:
            raise
        # Nobody listens in the guest yet, and may do so later.
        _complain(error)
    else:
        await stream.close()


def _figures(forwarding: Forwarding) -> tuple[int, int, int]:
    return forwarding.accepted, forwarding.sent, forwarding.received


def _complain(error: KvtuiError) -> None:
    sys.stderr.write(f"kvtui: {clean_line(str(error))}\n")


def _end_on_signals() -> None:
    """Let the system end this task as ctrl+c does."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
