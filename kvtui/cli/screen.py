"""``kvtui``: the screen."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from kvtui.cli.connecting import make_fleet, name_places, read_settings
from kvtui.config import Settings
from kvtui.ending import Ending
from kvtui.errors import KvtuiError

if TYPE_CHECKING:
    from kvtui.fleet import Fleet
    from kvtui.ui.consoles.channels import Channel


def show(options: Namespace) -> int:
    """Open the screen on the contexts that were asked for; the exit code."""
    settings = read_settings(options)

    async def connect(contexts: Sequence[str]) -> Fleet:
        return make_fleet(options, settings, contexts)

    where = ", ".join([*options.context, *options.host]) or "the current context"
    with Ending() as ending:
        return run_screen(settings, connect, ending, where=where, contexts=lambda: name_places(options, settings))


def run_screen(
    settings: Settings,
    connect: Callable[[Sequence[str]], Awaitable[Fleet]],
    ending: Ending,
    *,
    where: str,
    contexts: Callable[[], Sequence[str]],
    channel: Callable[[], Channel] | None = None,
    briefing: str = "",
) -> int:
    """Run the screen on what `connect` makes, with what `channel` then tells open and the `briefing` over it, until the
    user quits or `ending` ends it.

    Raises KvtuiError where there is no terminal.
    """
    # Textual reads standard input and draws on standard error.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise KvtuiError("the screen needs a terminal", hint="kvtui get prints the same rows without one")
    from kvtui.ui.app import run

    return run(settings, connect, ending, where=where, contexts=contexts, channel=channel, briefing=briefing)
