"""A demo cluster of its own process, and the command line on it."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes.client import connect
from kvtui.backends.objects import Body
from kvtui.cli import main
from kvtui.cli.demo import DemoCluster
from kvtui.model import Ref

SPEED = 20
"""Virtual seconds in a real one: what is waited for comes soon."""


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[str]:
    """That of a small cluster, in which machines are in all kinds of states."""
    with DemoCluster(["--size", "30", "--seed", "1", "--speed", str(SPEED)]) as cluster:
        yield cluster.wait_for_kubeconfig()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of this machine, and no terminal."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("kvtui.cli.asking._TERMINAL", str(tmp_path / "no-terminal"))


Run = Callable[..., tuple[int, str, str]]
"""The exit code of a command line, and what it printed on both streams."""


@pytest.fixture
def run(kubeconfig: str, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = call_main(["--kubeconfig", kubeconfig, *words])
        out, err = capfd.readouterr()
        return code, out, err

    return call


async def change_object(kubeconfig: str, kind: str, path: str, change: Body) -> None:
    """Have somebody else change an object, NAMESPACE/NAME, by a merge patch."""
    namespace, _, name = path.partition("/")
    backend = connect(kubeconfig, None, "", False, AuditLog(Path(kubeconfig).parent / "others.jsonl"))
    try:
        await backend.patch(Ref(backend.name, kind, namespace, name), change, verb="edit")
    finally:
        await backend.close()


def call_main(words: Sequence[str]) -> int:
    """The exit code, whichever way it is told."""
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture
def type_answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A terminal on which somebody types a line."""
    master, slave = pty.openpty()
    monkeypatch.setattr("kvtui.cli.asking._TERMINAL", os.ttyname(slave))
    # What is typed before the question counts, once the terminal's input is no longer flushed for it.
    monkeypatch.setattr("termios.TCSAFLUSH", 0)

    def answer(line: str) -> None:
        os.write(master, f"{line}\n".encode())

    yield answer
    os.close(master)
    os.close(slave)
