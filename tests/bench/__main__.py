"""``make bench``: measure what has a budget, on the demo cluster, through a real pseudo terminal.

Figures of one machine at one moment: read them against each other and against the budget, not against other machines.
``python -m tests.bench NAME...`` runs only the named ones.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from compileall import compile_dir
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import kvtui
from tests.bench.control import Control
from tests.bench.emulator import speeds
from tests.bench.ssh import floods
from tests.bench.triage import time_triage
from tests.bench.tunnel import tunnels
from tests.real.hosts import Host, missing
from tests.terminal import Program
from tests.testdriver import CONNECTIONS, DOMAINS, make_uris

KVTUI = [sys.executable, "-m", "kvtui"]
BIG = int(os.environ.get("BENCH_SIZE", "10000"))
CHURN_SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))


@dataclass(frozen=True)
class Figure:
    """One measured value beside its budget."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    least: float | None = None
    """A budget that must be reached instead of kept."""

    def __str__(self) -> str:
        verdict = ""
        if self.budget is not None:
            verdict = f"budget {self.budget:g} {self.unit:<6} {'ok' if self.value <= self.budget else 'OVER'}"
        elif self.least is not None:
            verdict = f"least  {self.least:g} {self.unit:<6} {'ok' if self.value >= self.least else 'UNDER'}"
        return f"  {self.what:<58} {self.value:>10.2f} {self.unit:<6} {verdict}"


@contextmanager
def demo(size: int, *options: str) -> Iterator[Path]:
    """A demo cluster in its own process; the path of its kubeconfig."""
    command = [sys.executable, "-m", "kvtui.demo", "--size", str(size), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Path(server.stdout.readline().strip())
        finally:
            server.terminate()
            server.wait(10)


def open_screen(kubeconfig: Path, *, columns: int = 160, lines: int = 50) -> Program:
    """kvtui on that cluster."""
    return Program([*KVTUI, "--kubeconfig", str(kubeconfig), "-A"], columns=columns, lines=lines)


def measure_start() -> Iterator[Figure]:
    """First paint, the panes and first rows on a cluster of 100 VMs, and the exit."""
    # As whoever installs it does: a checkout may be kept from writing its bytecode.
    compile_dir(kvtui.__path__[0], quiet=1)
    paints, panes, rows, exits = [], [], [], []
    with demo(100) as kubeconfig:
        for _ in range(5):
            with open_screen(kubeconfig) as screen:
                screen.wait_for("connecting|VMs")
                paints.append(time.monotonic() - screen.started)
                screen.wait_for("VMs")
                panes.append(time.monotonic() - screen.started)
                screen.wait_for(r"VMs \d+[^\n]*\n(.*\n)*.*Running")
                rows.append(time.monotonic() - screen.started)
                screen.settle(1.0)
                screen.press("q")
                exits.append(screen.wait_exit())
    yield Figure("first paint, median of 5", statistics.median(paints), "s", 0.4)
    yield Figure("the panes, empty still, median of 5", statistics.median(panes), "s")
    yield Figure("first rows of 100 VMs, median of 5", statistics.median(rows), "s", 1.0)
    yield Figure("exit, median of 5", statistics.median(exits), "s", 0.3)


def measure_fleet() -> Iterator[Figure]:
    """A fleet of ten thousand: all rows, memory, idle, one change, a storm of changes."""
    with demo(BIG, "--quiet") as kubeconfig, open_screen(kubeconfig) as screen:
        control = Control(kubeconfig)
        screen.wait_for(lambda text: _count_of_vms(text) >= BIG, 60)
        yield Figure(f"all {BIG} VMs on screen", time.monotonic() - screen.started, "s", 4.0)
        screen.settle(5)
        yield Figure("resident memory", screen.memory(), "MiB", 300 * 1e6 / 2**20)

        cpu, begun = screen.cpu_seconds(), time.monotonic()
        seconds = [screen.settle(1.0) for _ in range(30)]
        passed = time.monotonic() - begun
        yield Figure("idle: CPU of one core", 100 * (screen.cpu_seconds() - cpu) / passed, "%", 2)
        quiet = statistics.median(seconds)
        yield Figure("idle: bytes to the terminal in a second, median", quiet, "B/s", 100)
        yield Figure("idle: the same, mean (new measurements of usage show)", sum(seconds) / passed, "B/s")

        # The machine that changes is the first by name of those that run; put it in sight.
        screen.press("/", "name:cache-1", "enter")
        screen.wait_for(r"cache-1 ")
        changes = [_bytes_of_one_change(screen, control) for _ in range(10)]
        screen.press("escape")
        change = max(0.0, statistics.median(changes) - quiet)
        yield Figure("one row changes: bytes to the terminal, median of 10", change, "B", 1000)

        yield from _storm(screen, control)


def _bytes_of_one_change(screen: Program, control: Control) -> float:
    control.churn(rate=1, seconds=1, visible=True)
    return float(screen.settle(1.0))


def _storm(screen: Program, control: Control) -> Iterator[Figure]:
    control.churn(rate=1000, seconds=CHURN_SECONDS)
    cpu, begun = screen.cpu_seconds(), time.monotonic()
    delays: list[float] = []
    while time.monotonic() - begun < CHURN_SECONDS:
        delays.append(_key_to_paint(screen, "k" if len(delays) % 2 else "j"))
        screen.settle(0.2)
    passed = time.monotonic() - begun
    yield Figure("1,000 events/s: CPU of one core", 100 * (screen.cpu_seconds() - cpu) / passed, "%", 40)
    yield Figure("1,000 events/s: key to paint, p95", 1000 * _p95(delays), "ms", 50)
    screen.settle(3)
    yield Figure("memory after the storm", screen.memory(), "MiB", 300 * 1e6 / 2**20)


def measure_triage() -> Iterator[Figure]:
    """All rules over a fleet of ten thousand, and after one changed object: what the CPU does, without a screen."""
    times = time_triage(BIG)
    yield Figure(f"all rules over {BIG} VMs, {times.findings} findings", times.whole, "s", 1.5)
    yield Figure("the same in slices: the longest that the keyboard waits", 1000 * max(times.slices), "ms", 5)
    every = [seconds for changes in times.changes.values() for seconds in changes]
    yield Figure("one changed object: median", 1000 * statistics.median(every), "ms", 5)
    for what, changes in sorted(times.changes.items(), key=lambda item: -max(item[1], default=0.0))[:4]:
        yield Figure(f"one changed object, the longest: {what}", 1000 * max(changes), "ms", 5)


def measure_hosts() -> Iterator[Figure]:
    """A thousand domains over twenty connections, on libvirt's test driver: in this process, and behind a libvirtd."""
    with TemporaryDirectory() as folder:
        yield from _measure_hosts("in process", make_uris(Path(folder)))
    if missing():
        print(f"  left out: the same through a real libvirtd ({missing()})")
        return
    with Host() as host:
        yield from _measure_hosts("through libvirtd", make_uris(host.folder, socket=host.socket))


def _measure_hosts(how: str, uris: Sequence[str]) -> Iterator[Figure]:
    config = Path(uris[0].removeprefix("test://").removeprefix("test+unix://").partition("?")[0]).with_name(
        "hosts.toml"
    )
    config.write_text("".join(f'[[host]]\nname = "kvm{at}"\nuri = "{uri}"\n' for at, uri in enumerate(uris, 1)))
    hosts = [word for at in range(1, len(uris) + 1) for word in ("--host", f"kvm{at}")]
    with Program([*KVTUI, "--config", str(config), *hosts], columns=160, lines=50) as screen:
        screen.wait_for(lambda text: _count_of_vms(text) >= CONNECTIONS * DOMAINS, 60)
        yield Figure(f"1,000 domains over 20 connections shown, {how}", time.monotonic() - screen.started, "s", 3.0)
        screen.settle(5)
        cpu, begun = screen.cpu_seconds(), time.monotonic()
        seconds = [screen.settle(1.0) for _ in range(30)]
        passed = time.monotonic() - begun
        yield Figure(f"at rest: CPU of one core, {how}", 100 * (screen.cpu_seconds() - cpu) / passed, "%", 5)
        yield Figure(f"at rest: bytes to the terminal in a second, median, {how}", statistics.median(seconds), "B/s")
        yield Figure(f"resident memory, {how}", screen.memory(), "MiB")
        screen.press("q")
        yield Figure(f"exit, {how}", screen.wait_exit(), "s", 0.3)


def measure_console() -> Iterator[Figure]:
    """A guest that floods its serial line."""
    # The guest floods with 4 MiB in a second of its own time.
    with demo(20, "--speed", "0.25") as kubeconfig, open_screen(kubeconfig) as screen:
        screen.wait_for("Running")
        screen.press("/", "web cache-1", "enter", "c")
        screen.wait_for("login:|onnected", 30)
        screen.press("ctrl+u", "enter")
        screen.wait_for("login:", 30)
        screen.press("root\r")
        screen.wait_for("assword", 10)
        screen.press("x\r")
        screen.wait_for(r"root@\S+ ~\]#", 10)
        screen.press("flood 20\r")
        screen.settle(1)
        screen.press("ctrl+]", "escape")
        screen.settle(2)
        cpu, begun = screen.cpu_seconds(), time.monotonic()
        delays: list[float] = []
        while time.monotonic() - begun < 8:
            delays.append(_key_to_paint(screen, "k" if len(delays) % 2 else "j"))
            screen.settle(0.1)
        passed = time.monotonic() - begun
        cost = 100 * (screen.cpu_seconds() - cpu) / passed
        yield Figure("console flood of 1 MiB/s: CPU of one core", cost, "%", 50)
        yield Figure("console flood of 1 MiB/s: key to paint in the list, p95", 1000 * _p95(delays), "ms", 100)


def measure_emulator() -> Iterator[Figure]:
    """The console's emulator alone, beside stock pyte."""
    for speed in speeds():
        yield Figure(f"{speed.what}: emulated", speed.ours, "MB/s")
        yield Figure(f"{speed.what}: times the speed of stock pyte", speed.ours / speed.stock, "x", least=3)


def measure_ssh() -> Iterator[Figure]:
    """A guest that floods its shell over SSH, read without a screen."""
    for where, flood in floods():
        yield Figure(f"ssh flood read {where}", flood.rate, "MiB/s")
        yield Figure(f"ssh flood read {where}: turns of the loop late, p95", _p95(flood.late), "ms")
        yield Figure(f"ssh flood read {where}: the latest turn", max(flood.late), "ms")


def measure_bulk() -> Iterator[Figure]:
    """Some 1,000 marked VMs of 2,000 are paused together: the screen meanwhile."""
    with demo(2000, "--quiet") as kubeconfig, open_screen(kubeconfig) as screen:
        screen.wait_for(r"2 VMs \d{4}", 60)
        screen.settle(3)
        screen.press("z", "g", "space")
        while _count_of(r"(\d+) marked", screen.screen) < 1000:
            screen.press(*["pagedown"] * 5, "\0")
            screen.settle(2)
        screen.press("p")
        screen.wait_for(r"pause \d+ VMs\?")
        count = _count_of(r"pause (\d+) VMs", screen.screen)
        screen.settle(0.5)
        begun, cpu = time.monotonic(), screen.cpu_seconds()
        screen.press(str(count), "enter")
        delays: list[float] = []
        while f"accepted for {count}" not in screen.screen and time.monotonic() - begun < 120:
            delays.append(_key_to_paint(screen, "k" if len(delays) % 2 else "j"))
            screen.settle(0.1)
        passed = time.monotonic() - begun
        yield Figure("VMs that are paused together", count, "")
        yield Figure("until all are accepted", passed, "s")
        yield Figure("meanwhile: CPU of one core", 100 * (screen.cpu_seconds() - cpu) / passed, "%")
        yield Figure("meanwhile: key to paint, median", 1000 * statistics.median(delays), "ms")
        yield Figure("meanwhile: key to paint, p95", 1000 * _p95(delays), "ms", 100)
        yield Figure("meanwhile: key to paint, longest", 1000 * max(delays), "ms")


def measure_tunnel() -> Iterator[Figure]:
    """The way through two real ssh servers, as for API servers behind bastions."""
    for what, values, unit in tunnels():
        if len(values) == 1:
            yield Figure(what, values[0], unit)
        else:
            yield Figure(f"{what}, median", statistics.median(values), unit)
            yield Figure(f"{what}, p95", _p95(values), unit)


def _key_to_paint(screen: Program, key: str) -> float:
    while screen.pump(0):
        pass
    begun = time.monotonic()
    before = screen.backgrounds
    screen.press(key)
    while screen.backgrounds == before and time.monotonic() - begun < 2:
        screen.pump(0.5)
    return time.monotonic() - begun


def _count_of_vms(text: str) -> int:
    return _count_of(r"2 VMs (\d+)", text)


def _count_of(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else 0.0


MEASURES: dict[str, Callable[[], Iterator[Figure]]] = {
    "start": measure_start,
    "fleet": measure_fleet,
    "triage": measure_triage,
    "hosts": measure_hosts,
    "bulk": measure_bulk,
    "console": measure_console,
    "emulator": measure_emulator,
    "ssh": measure_ssh,
    "tunnel": measure_tunnel,
}


def main() -> None:
    """Run the chosen measures and print their figures as they come."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(MEASURES)}; all when none is named")
    for name in parser.parse_args().names or MEASURES:
        print(f"{name}: {(MEASURES[name].__doc__ or '').strip()}", flush=True)
        for figure in MEASURES[name]():
            print(figure, flush=True)


if __name__ == "__main__":
    main()
