"""``kvtui demo``: the screen on a simulated cluster that runs as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kvtui.cli.codes import OK
from kvtui.cli.connecting import make_fleet, name_places, read_settings
from kvtui.cli.output import printing
from kvtui.cli.screen import run_screen
from kvtui.config import HostSettings
from kvtui.ending import Ending
from kvtui.errors import ConfigError, KvtuiError

if TYPE_CHECKING:
    from kvtui.demo.drills.base import Drill
    from kvtui.fleet import Fleet
    from kvtui.records.libvirt import Domain
    from kvtui.store import Delta

_ALIKE: Final = 3
"""Names that are told for one that there is not."""
_PATIENCE: Final = 3.0
"""Seconds that the cluster gets to end by itself."""


def demo(options: Namespace) -> int:
    """Run the demo; the exit code."""
    if options.list_drills:
        return _list_drills()
    incident = _find_drill(options.drill) if options.drill else None
    arguments = _arguments(options)
    if options.serve:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "kvtui.demo", *arguments])
    settings = read_settings(options)
    from kvtui.demo.folder import make_folder

    if incident is not None:
        # Behind the screen, for whoever scrolls back.
        sys.stderr.write(f"{incident.told_before}\n")
        sys.stderr.flush()
    with Ending() as ending, DemoCluster(arguments) as cluster, make_folder() as folder:
        underlay = Underlay(cluster.tell)
        ending.at_last(partial(shutil.rmtree, folder, ignore_errors=True))
        settings.host = [*settings.host, *_make_pool(options.hosts, folder)]

        async def connect(contexts: Sequence[str]) -> Fleet:
            if options.kubeconfig is None:
                await cluster.wait_for_words()
                options.kubeconfig = cluster.wait_for_kubeconfig()
            fleet = make_fleet(options, settings, contexts)
            fleet.listen(underlay.heed)
            return fleet

        status = run_screen(
            settings,
            connect,
            ending,
            where="the demo cluster",
            contexts=lambda: name_places(options, settings),
            briefing=incident.briefing if incident is not None else "",
        )
    if incident is not None:
        with printing():
            sys.stdout.write(f"{incident.told_after}\n")
    return status


def _find_drill(name: str) -> Drill:
    """Raises ConfigError for a name that no drill has."""
    from kvtui.demo.drills import DRILLS

    if name in DRILLS:
        return DRILLS[name]
    alike = get_close_matches(name, DRILLS) or [one for one in DRILLS if name in one][:_ALIKE]
    hint = f"did you mean {' or '.join(alike)}?" if alike else "kvtui demo --list-drills names them all"
    raise ConfigError(f"there is no drill {name!r}", hint=hint)


def _list_drills() -> int:
    from kvtui.demo.drills import DRILLS

    width = max(map(len, DRILLS))
    with printing():
        sys.stdout.writelines(f"{one.name:<{width}}  {one.sentence}\n" for one in DRILLS.values())
    return OK


def _make_pool(count: int, folder: Path) -> list[HostSettings]:
    """Plain hosts beside the cluster, as many as wanted; none where libvirt is not installed."""
    if importlib.util.find_spec("libvirt") is None:
        return []
    from kvtui.demo.pool import write_hosts

    return [HostSettings(uri, name) for name, uri in write_hosts(folder, count)]


def _arguments(options: Namespace) -> list[str]:
    given = ((name, getattr(options, name)) for name in ("size", "speed", "seed", "user", "drill"))
    words = [word for name, value in given if value is not None for word in (f"--{name}", str(value))]
    return [*words, "--quiet"] if options.quiet else words


class Underlay:
    """Tells the cluster what becomes of the domains that its nodes run in: they fall silent and come back with them."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """`tell` is given the lines of kvtui/demo/machinery.py."""
        from kvtui.demo.pool import plane_uuids

        self._tell = tell
        self._told = dict.fromkeys(plane_uuids(), "running")
        """The last word on each machine, by its UUID."""

    def heed(self, delta: Delta) -> None:
        """Listens to a fleet."""
        from kvtui.records.libvirt import Domain

        for change in delta.changes:
            domain = change.record
            if isinstance(domain, Domain) and domain.metadata.uid in self._told:
                self._say(domain.metadata.uid, _word(domain) if change.new is not None else "off")

    def _say(self, uuid: str, word: str) -> None:
        if self._told[uuid] != word:
            self._told[uuid] = word
            self._tell(f"{uuid} {word}\n")


def _word(domain: Domain) -> str:
    if domain.state in ("paused", "pmsuspended"):
        return "paused"
    return "running" if domain.active else "off"


class DemoCluster:
    """The cluster's process: begun on entering, ended on leaving, come what may."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        # What it complains of is kept off the screen and told when it does not start.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving

    def __enter__(self) -> DemoCluster:
        # A session of its own keeps the terminal's signals from it; the pipe ends it with us, even if we are killed.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kvtui.demo", "--with-parent", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            start_new_session=True,
        )
        return self

    async def wait_for_words(self) -> None:
        """Return when it serves, or ended instead: without a thread, which would have to be waited for at the end."""
        assert self.process.stdout is not None
        loop, said = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.process.stdout, said.set)
        try:
            await said.wait()
        finally:
            loop.remove_reader(self.process.stdout)

    def wait_for_kubeconfig(self) -> str:
        """The path of its kubeconfig, as soon as it serves. Raises KvtuiError when it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode().strip()
        if line:
            return line
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").strip().splitlines()
        raise KvtuiError("the demo cluster did not start", said[-1] if said else "it said nothing")

    def tell(self, line: str) -> None:
        """Tell it of a machine below a node. One that has ended hears nothing."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()

    def __exit__(self, *_: object) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._complaints.close()
