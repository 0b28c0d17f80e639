"""``python -m kvtui.demo``: serve the demo cluster until interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvtui.demo.options import Options
    from kvtui.demo.world import World

_begun = threading.Event()
"""Whether the server heeds its input by itself."""


def _end_with_parent() -> None:
    """End at once when the parent does while this process loads and makes its world: there is nothing to put away."""

    def watch() -> None:
        poll = select.poll()
        # Nothing but the other end's closing is told, and nothing is read.
        poll.register(sys.stdin.fileno(), 0)
        poll.poll()
        if not _begun.is_set():
            os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _heed_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, world: World) -> None:
    """Heed each line of standard input, and set `stop` at its end.

    A thread of its own, for files and /dev/null cannot be polled.
    """
    from kvtui.demo.machinery import heed

    def read() -> None:
        rest = b""
        # The loop may have ended by itself meanwhile.
        with contextlib.suppress(RuntimeError):
            while data := os.read(sys.stdin.fileno(), 4096):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    loop.call_soon_threadsafe(heed, world, line.decode(errors="replace"))
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read, name="standard input", daemon=True).start()


async def serve(world: World, options: Options) -> int:
    """Serve until told to end; the exit code."""
    from kvtui.demo.folder import make_folder
    from kvtui.demo.kubeconfig import write_kubeconfig
    from kvtui.demo.server import Server

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.with_parent:
        _heed_input(loop, stop, world)
        _begun.set()
    server = Server(world, speed=options.speed)
    try:
        await server.start(options.port)
    except OSError as error:
        print(f"kvtui demo: cannot listen on port {options.port}: {error.strerror}", file=sys.stderr)
        return 1
    with make_folder() as folder:
        path = folder / "kubeconfig"
        write_kubeconfig(path, server, options.user)
        print(path, flush=True)
        await stop.wait()
        await server.stop()
    return 0


def main() -> int:
    """Run with the arguments of the command line."""
    if "--with-parent" in sys.argv:
        _end_with_parent()
    # Half a second of imports.
    from kvtui.demo.drills import DRILLS
    from kvtui.demo.options import parse_options
    from kvtui.demo.world import World

    options = parse_options(sys.argv[1:])
    # Before the loop has its signal handlers: making a large world can be interrupted as any other program.
    try:
        world = World(options.size, options.seed, troubles=not options.quiet, drill=options.drill)
    except KeyboardInterrupt:
        return 130
    # What the seed made stays: looking through it for garbage would only cost time and copied pages.
    gc.freeze()
    # The screen that has started this process tells its user by itself.
    incident = None if options.with_parent else DRILLS.get(options.drill)
    if incident is not None:
        print(incident.told_before, file=sys.stderr, flush=True)
    status = asyncio.run(serve(world, options))
    if incident is not None:
        print(incident.told_after, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
