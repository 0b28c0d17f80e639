"""The program ends with its terminal and at a signal, whatever it is doing, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvtui.console.recording import Output, Recording
from tests.terminal import Program

pytestmark = pytest.mark.timeout(120)
KVTUI = [sys.executable, "-m", "kvtui"]
SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
SOON = 1.8
"""Seconds, on a machine that has much else to do: what does not end by itself is ended after two."""
HUNG = """
import time
from pathlib import Path
from kvtui.config import Settings
from kvtui.ending import Ending
from kvtui.ui.app import run

async def connect(contexts):
    Path.home().joinpath("hung").touch()
    while True:
        time.sleep(0.01)

with Ending() as ending:
    raise SystemExit(run(Settings(), connect, ending, where="nowhere"))
"""
"""A program whose event loop stands still as soon as the first frame is drawn."""


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether it comes true in that time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def has_ended(program: Program, seconds: float = SOON) -> bool:
    """Whether it ends in that time, while nobody reads what it writes."""
    return within(seconds, lambda: program.process.poll() is not None)


def written(program: Program) -> int:
    """Bytes that it has written, to whatever it was."""
    lines = Path(f"/proc/{program.process.pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def children(program: Program) -> list[int]:
    """The processes that it started and that still run."""
    text = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children").read_text()
    return [int(word) for word in text.split()]


def is_alive(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return False


def open_console(demo: Program, name: str) -> None:
    """Open the console of a VM, up to its login."""
    demo.press("2", "/", f"web {name}", "enter")
    demo.wait_for(rf"VMs 1/\d+ /web {name}")
    demo.press("c")
    demo.wait_for("Connected|Waiting")
    demo.press("ctrl+u", "enter")
    demo.wait_for("login:", 60)


def leave_unread(program: Program) -> None:
    """Press keys until the program writes nothing more, for nobody reads it."""
    before, same = written(program), 0
    while same < 60:
        program.press("x")
        time.sleep(0.02)
        now = written(program)
        before, same = now, same + 1 if now == before else 0


def wait_until_it_hangs(program: Program, home: Path) -> None:
    program.wait_for("nowhere")
    assert within(20, (home / "hung").exists)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    folders = {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CONFIG", "STATE")}
    (tmp_path / "tmp").mkdir()
    return {**folders, "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}


@pytest.fixture
def screen(env: dict[str, str]) -> Iterator[Program]:
    """kvtui with an open console whose guest echoes every byte."""
    with Program([sys.executable, "-m", "tests.ui.telltale"], columns=100, env=env) as program:
        program.wait_for("dv-1", 30)
        program.press("/dv-1\rc")
        program.wait_for("Connected")
        yield program


@pytest.fixture
def demo(env: dict[str, str]) -> Iterator[Program]:
    with Program([*KVTUI, "demo", "--size", "20"], env=env) as program:
        program.wait_for(r"VMs \d+(.*\n)*.*Running", 60)
        yield program


# The terminal goes away ---------------------------------------------------------------------------------------------


def test_the_program_ends_with_its_terminal_without_any_signal(screen: Program) -> None:
    screen.hang_up()
    assert has_ended(screen)
    assert screen.process.returncode == 128 + signal.SIGHUP


def test_a_question_does_not_keep_it(screen: Program) -> None:
    screen.press("ctrl+]", "q")
    screen.wait_for("quit and close the open consoles")
    screen.hang_up()
    assert has_ended(screen)


def test_what_nobody_read_does_not_keep_it(screen: Program) -> None:
    leave_unread(screen)
    screen.hang_up()
    assert has_ended(screen)


def test_the_signal_of_the_terminal_is_no_second_telling(env: dict[str, str], tmp_path: Path) -> None:
    """As most terminals end: the kernel sends SIGHUP, the shell sends another, and there is nothing to read."""
    program = Program(["setsid", "-c", "-w", *KVTUI, "demo", "--size", "20"], env=env)
    with program:
        program.wait_for(r"VMs \d+(.*\n)*.*Running", 60)
        (child,) = children(program)
        program.hang_up()
        os.kill(child, signal.SIGHUP)
        assert has_ended(program)
        assert program.process.returncode == 128 + signal.SIGHUP
        assert list((tmp_path / "tmp").iterdir()) == [], "it had the time to clean up"


def test_a_replay_ends_with_its_terminal(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "some.cast"
    header = {"version": 2, "width": 80, "height": 24, "title": "prod/shop/db-2"}
    path.write_text("".join(json.dumps(item) + "\n" for item in (header, (0.1, "o", "login: "), (99.0, "o", "x"))))
    with Program([*KVTUI, "replay", str(path)], env=env) as program:
        program.wait_for("login:")
        program.hang_up()
        assert has_ended(program)


@pytest.mark.parametrize("how", ["hang up", *SIGNALS])
def test_the_demo_leaves_no_process_and_no_file_behind(
    demo: Program, how: str | signal.Signals, tmp_path: Path
) -> None:
    servers = children(demo)
    assert len(servers) == 1
    open_console(demo, "cache-1")
    if isinstance(how, signal.Signals):
        demo.process.send_signal(how)
    else:
        demo.hang_up()
    assert has_ended(demo)
    assert demo.process.returncode == 128 + (how if isinstance(how, signal.Signals) else signal.SIGHUP)
    assert not is_alive(servers[0])
    assert list((tmp_path / "tmp").iterdir()) == []


def test_recordings_are_whole(env: dict[str, str], tmp_path: Path) -> None:
    command = [*KVTUI, "demo", "--size", "20", "--record", str(tmp_path / "casts")]
    with Program(command, env=env) as program:
        program.wait_for(r"VMs \d+(.*\n)*.*Running", 60)
        open_console(program, "cache-1")
        program.press("some-name")
        program.wait_for("login: some-name")
        program.hang_up()
        assert has_ended(program)
    (path,) = (tmp_path / "casts").rglob("*.cast")
    with Recording(path) as recording:
        said = b"".join(event.data for event in recording.events() if isinstance(event, Output))
    assert recording.trouble == ""
    assert b"some-name" in said


# A signal comes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_while_it_asks(screen: Program, number: signal.Signals) -> None:
    screen.press("ctrl+]", "q")
    screen.wait_for("quit and close the open consoles")
    screen.process.send_signal(number)
    assert screen.wait_exit(SOON) < SOON
    assert screen.process.returncode == 128 + number
    assert not screen.alternate


def test_a_signal_ends_it_while_nobody_reads(screen: Program) -> None:
    leave_unread(screen)
    screen.process.send_signal(signal.SIGTERM)
    assert has_ended(screen, 2.0)
    assert screen.process.returncode == 128 + signal.SIGTERM
    screen.settle(0.1)
    assert screen.echoes, "the keyboard is as it was"
    assert not screen.alternate, "who reads again gets what gives the terminal back, and none of the frames"


def test_a_terminal_that_is_read_again_loses_nothing(screen: Program) -> None:
    leave_unread(screen)
    screen.press("|")
    screen.wait_for(r"\| 1\.")
    screen.press("ctrl+]", "q")
    screen.wait_for("quit and close the open consoles")
    screen.answer("y")
    screen.wait_exit()
    assert screen.process.returncode == 0


@pytest.mark.parametrize("size", ["20", "10000"])
def test_a_signal_ends_it_while_it_starts(env: dict[str, str], tmp_path: Path, size: str) -> None:
    with Program([*KVTUI, "demo", "--size", size], env=env) as program:
        assert within(20, lambda: len(children(program)) == 1)
        servers = children(program)
        if size == "10000":
            program.wait_for("connecting")
        program.process.send_signal(signal.SIGTERM)
        program.wait_exit(SOON)
        assert program.process.returncode == 128 + signal.SIGTERM
        assert not program.alternate
    assert within(SOON, lambda: not is_alive(servers[0]))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_program_that_hangs_is_ended_and_gives_the_terminal_back(env: dict[str, str], tmp_path: Path) -> None:
    with Program([sys.executable, "-c", HUNG], env=env) as program:
        wait_until_it_hangs(program, tmp_path)
        program.process.send_signal(signal.SIGTERM)
        assert program.wait_exit(3.0) > 1.5
        assert program.process.returncode == 128 + signal.SIGTERM
        assert not program.alternate
        assert program.echoes


def test_a_second_signal_ends_a_program_that_hangs_at_once(env: dict[str, str], tmp_path: Path) -> None:
    with Program([sys.executable, "-c", HUNG], env=env) as program:
        wait_until_it_hangs(program, tmp_path)
        program.process.send_signal(signal.SIGTERM)
        program.settle(0.5)
        assert program.process.poll() is None
        program.process.send_signal(signal.SIGTERM)
        assert program.wait_exit(0.5) < 0.5
        assert program.process.returncode == 128 + signal.SIGTERM
        assert not program.alternate


def test_who_was_started_to_ignore_hangups_goes_on(env: dict[str, str]) -> None:
    with Program(["sh", "-c", f"trap '' HUP; exec {sys.executable} -m tests.ui.telltale"], env=env) as program:
        program.wait_for("dv-1", 30)
        program.process.send_signal(signal.SIGHUP)
        program.press("/dv-1\r")
        program.wait_for(r"VMs 1/\d+ /dv-1")
        program.process.send_signal(signal.SIGTERM)
        program.wait_exit(SOON)


def test_the_editor_ends_too_and_what_it_saved_is_kept(env: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\necho '<changed/>' >$1\necho $$ >{tmp_path}/pid\necho EDITING\nexec sleep 600\n")
    editor.chmod(0o700)
    command = [*KVTUI, "--host", "test:///default"]
    with Program(command, env={**env, "VISUAL": str(editor)}) as program:
        program.wait_for(r"VMs 1\b(.*\n)*.*Running", 30)
        program.press("2", "e")
        program.wait_for("EDITING")
        program.process.send_signal(signal.SIGTERM)
        program.wait_exit(SOON)
        assert program.process.returncode == 128 + signal.SIGTERM
        assert not program.alternate
        assert program.echoes
    assert within(SOON, lambda: not is_alive(int((tmp_path / "pid").read_text())))
    (path,) = tmp_path.rglob("edits/*.xml")
    assert path.read_text() == "<changed/>\n"


@pytest.mark.parametrize(("editor", "words"), [("/no/editor", "cannot be run"), ("false", "the editor failed")])
def test_an_editor_that_fails_gives_the_screen_back(env: dict[str, str], editor: str, words: str) -> None:
    pytest.importorskip("libvirt")
    with Program([*KVTUI, "--host", "test:///default"], env={**env, "VISUAL": editor}) as program:
        program.wait_for(r"VMs 1\b(.*\n)*.*Running", 30)
        program.press("2", "e")
        program.wait_for(words)
        program.press("?")
        program.wait_for("Everywhere")


# The demo's server --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SIGNALS)
def test_a_demo_that_only_serves_ends_at_a_signal(env: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*KVTUI, "demo", "--serve", "--size", "1"], stdout=subprocess.PIPE, env={**os.environ, **env}
    )
    with process:
        assert process.stdout is not None
        assert Path(process.stdout.readline().decode().strip()).exists()
        process.send_signal(number)
        assert process.wait(5) == 0
    assert list((tmp_path / "tmp").iterdir()) == []
