"""``kvtui ssh``: a shell of a guest on the screen, or one command with its output and status."""

from __future__ import annotations

import asyncio
import codecs
import sys
from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from kvtui.backends.base import Ports
from kvtui.cli.asking import TerminalAsker
from kvtui.cli.connecting import read_settings
from kvtui.cli.console import check_terminal, show_channel
from kvtui.cli.input import read_input
from kvtui.cli.machine import capable, explained, find_machine, identify
from kvtui.cli.output import printing
from kvtui.config import ContextSshSettings, Settings, SshSettings
from kvtui.errors import BackendError, KvtuiError
from kvtui.text import clean

if TYPE_CHECKING:
    from kvtui.backends.ssh import Shell
    from kvtui.fleet import Fleet
    from kvtui.model import Ref


def ssh(options: Namespace) -> int:
    """Open the shell, or run the command; the exit code, which is that of the command."""
    settings = read_settings(options)
    user, _, machine = options.machine.rpartition("@")
    options.machine = machine
    options.user = options.user or user
    fleet, ref = find_machine(options, settings)
    _prefer(options, settings, ref.backend)
    capable(fleet, ref, Ports, "ports that lead to machines")  # type: ignore[type-abstract]
    if not options.remote:
        from kvtui.console.state import Stream
        from kvtui.ui.consoles.channels import Channel

        check_terminal()
        return show_channel(options, settings, fleet, Channel(ref, Stream.SHELL))
    return asyncio.run(_run(fleet, ref, settings.ssh_for(ref.backend), " ".join(options.remote)))


def _prefer(options: Namespace, settings: Settings, context: str) -> None:
    """Let what the command line says of the login go before the configuration."""
    own = settings.ssh_for(context)
    login = ContextSshSettings(options.user or own.user, options.identity or own.key, options.port or own.port)
    settings.context[context] = msgspec.structs.replace(settings.for_context(context), ssh=login)


async def _run(fleet: Fleet, ref: Ref, login: SshSettings, command: str) -> int:
    """Run one command; its exit code."""
    from kvtui.backends.ssh import open_shell

    backend = capable(fleet, ref, Ports, "ports that lead to machines")  # type: ignore[type-abstract]
    try:
        ref = await identify(fleet, ref)
        async with explained(fleet, ref):
            stream = await backend.open_port(ref, login.port)
        shell = await open_shell(
            stream, ref, user=login.user, asker=TerminalAsker(), keys=login.keys, command=command, terminal=""
        )
        typing = asyncio.create_task(_type(shell))
        try:
            await _print(shell)
        finally:
            typing.cancel()
            await shell.close()
    finally:
        await fleet.close()
    if shell.exit_status is None:
        raise KvtuiError(f"nobody said how the command ended on {ref.path}")
    return shell.exit_status


async def _print(shell: Shell) -> None:
    """Every byte into a pipe or a file; a terminal gets what it may show."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    shown = sys.stdout.isatty()
    with printing():
        while data := await shell.read():
            if shown:
                sys.stdout.write(clean(decoder.decode(data).replace("\r\n", "\n")))
            else:
                sys.stdout.buffer.write(data)
            sys.stdout.flush()


async def _type(shell: Shell) -> None:
    with suppress(BackendError):
        async for data in read_input():
            await shell.write(data)
        await shell.end_input()
