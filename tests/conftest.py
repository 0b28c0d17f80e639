"""Options of the whole suite, and the order of its files where several workers share them."""

from __future__ import annotations

import gc
import os
import sys
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import settings

SECONDS = Path(__file__).parent / "data" / "seconds.txt"
"""How long the files of tests take. It decides which of them start first, so it need not be exact."""
_FEW = 1.0
"""Seconds that files are not noted for, and that one which is not there is taken to need."""

# Whatever the surroundings say: hundreds of short-lived programs would else compile all of kvtui, each anew, and every
# worker all tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A machine that is busy with other tests is slow, not wrong. In CI the examples are the same for every run of the same
# tests, so that a change is judged by what it changed; at home they are new each time.
settings.register_profile("kvtui", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("kvtui")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew instead of comparing with them")
    parser.addoption("--seconds", action="store_true", help=f"note in {SECONDS.name} how long each file takes")


def pytest_configure(config: pytest.Config) -> None:
    # xdist would hand out the files with the most tests first, and end with one worker that waits for hung hosts.
    config.option.loadscopereorder = False
    if config.getoption("--seconds"):
        config.pluginmanager.register(Seconds())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        seconds = read_seconds()
        files = sorted(dict.fromkeys(_file(item.nodeid) for item in items), key=lambda file: -seconds.get(file, _FEW))
        place = {file: number for number, file in enumerate(_spread(files))}
        items.sort(key=lambda item: place[_file(item.nodeid)])


def pytest_collection_finish(session: pytest.Session) -> None:
    """All that was imported stays: it is not searched for garbage again and again, which was a tenth of the run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


class Seconds:
    """Notes how long each file takes."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._spent[_file(report.nodeid)] += report.duration

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if "PYTEST_XDIST_WORKER" in os.environ:
            return
        known = {
            file: seconds for file, seconds in read_seconds().items() if Path(session.config.rootpath, file).exists()
        }
        known |= self._spent
        lines = [f"{seconds:.0f} {file}\n" for file, seconds in sorted(known.items()) if seconds > _FEW]
        SECONDS.write_text("".join(lines), encoding="utf-8")


def read_seconds() -> dict[str, float]:
    """What was noted, by file."""
    lines = (line.split() for line in SECONDS.read_text(encoding="utf-8").splitlines())
    return {file: float(seconds) for seconds, file in lines}


def _spread(files: list[str]) -> list[str]:
    """Not all workers at once on guests by emulation: these boot in time when half of the workers do something else."""
    guests = [file for file in files if file.startswith("tests/real/")]
    others = [file for file in files if file not in guests]
    pairs = zip_longest(guests, others)
    return [file for pair in pairs for file in pair if file is not None]


def _file(nodeid: str) -> str:
    return nodeid.split("::")[0]
