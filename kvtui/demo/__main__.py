"""``python -m kvtui.demo``: serve the demo cluster until interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kvtui.demo.kubeconfig import write_kubeconfig
from kvtui.demo.options import Options, parse_options
from kvtui.demo.server import Server
from kvtui.demo.world import World


@contextlib.contextmanager
def _ended_by(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, *, with_parent: bool) -> Iterator[None]:
    """Set `stop` on SIGINT and SIGTERM, and when standard input ends if that is asked for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stdin = sys.stdin.fileno() if with_parent else -1

    def on_input() -> None:
        if not os.read(stdin, 4096):
            loop.remove_reader(stdin)
            stop.set()

    if with_parent:
        loop.add_reader(stdin, on_input)
    yield
    if with_parent:
        loop.remove_reader(stdin)


async def serve(world: World, options: Options) -> int:
    """Serve until told to end; the exit code."""
    stop = asyncio.Event()
    with _ended_by(asyncio.get_running_loop(), stop, with_parent=options.with_parent):
        server = Server(world, speed=options.speed)
        try:
            await server.start(options.port)
        except OSError as error:
            print(f"kvtui demo: cannot listen on port {options.port}: {error.strerror}", file=sys.stderr)
            return 1
        with tempfile.TemporaryDirectory(prefix="kvtui-demo-") as folder:
            path = Path(folder) / "kubeconfig"
            write_kubeconfig(path, server, options.user)
            print(path, flush=True)
            await stop.wait()
            await server.stop()
    return 0


def main() -> int:
    """Run with the arguments of the command line."""
    options = parse_options(sys.argv[1:])
    # Before the loop has its signal handlers: making a large world can be interrupted as any other program.
    try:
        world = World(options.size, options.seed)
    except KeyboardInterrupt:
        return 130
    return asyncio.run(serve(world, options))


if __name__ == "__main__":
    sys.exit(main())
