"""The main job, as a person does it: the real program on the demo cluster, in a terminal, with the keyboard alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.terminal import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Program]:
    """``kvtui demo`` with a fast clock, its state in a folder of its own."""
    command = [sys.executable, "-m", "kvtui", "demo", "--speed", "5", "--size", "20"]
    with Program(command, columns=160, lines=45, env={"XDG_STATE_HOME": str(tmp_path), "KUBECONFIG": ""}) as program:
        program.wait_for(r"VMs \d+(.*\n)*.*Running", 60)
        yield program


def children_of(group: int) -> list[str]:
    """The processes of a session that are left, by their command lines."""
    listing = subprocess.run(["ps", "-eo", "sid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if line.split()[0] == str(group)]


NAME = "cache-1"


def choose(screen: Program) -> None:
    """Filter the VMs down to web/cache-1."""
    screen.press("2", "/", f"web {NAME}", "enter")
    screen.wait_for(rf"VMs 1/\d+ /web {NAME}")


def row_of(screen: Program) -> str:
    """The line of the VM in its pane."""
    return next((line for line in screen.screen.splitlines() if re.search(rf"> (demo\s+)?web\s+{NAME}\b", line)), "")


def test_migrate_stop_start_console_quit(screen: Program, tmp_path: Path) -> None:
    choose(screen)

    screen.press("m")
    screen.wait_for(rf"migrate {NAME}")
    screen.answer("enter")
    screen.wait_for("nothing was chosen here yet: enter once more does it")
    screen.press("enter")
    screen.wait_for(lambda _: "Migrating" in row_of(screen) or "migration asked" in row_of(screen))
    screen.wait_for(rf"{NAME}\s+\S+ > \S+\s+Running", 60)
    screen.wait_for(rf"{NAME}\s+\S+ > \S+\s+Succeeded", 60)

    screen.press("S")
    screen.wait_for(rf"stop vm \S*{NAME} in demo\?")
    screen.answer("enter")
    assert screen.settle(0.5) >= 0
    assert f"{NAME} in demo?" in screen.screen, "enter alone must not confirm"
    screen.press("y")
    screen.wait_for(lambda _: "Stopped" in row_of(screen), 60)
    screen.press("s")
    screen.wait_for(lambda _: "Running" in row_of(screen), 90)

    screen.press("c")
    screen.wait_for(r"Connected|Waiting")
    screen.wait_for(r"login:", 60)
    screen.press("root\r")
    screen.wait_for("assword")
    screen.press("secret\r")
    screen.wait_for(r"\[root@\S+ ~\]#")
    screen.press("uname -n\r")
    screen.wait_for(r"uname -n\ncache-1\n")
    clock = re.search(r"\d\d:\d\d:\d\d", screen.screen.splitlines()[0])
    assert clock
    screen.wait_for(lambda text: clock[0] not in text.splitlines()[0], 5)

    screen.press("ctrl+]", "q")
    screen.wait_for("quit and close the open consoles")
    screen.answer("y")
    screen.wait_exit()
    assert screen.process.returncode == 0
    assert not screen.alternate
    assert (
        screen.raw.rstrip().endswith((b"\x1b[?25h", b"\x1b[?1049l", b"\x1b[?1004l"))
        or b"\x1b[?25h" in screen.raw[-300:]
    )
    assert children_of(screen.process.pid) == []
    log = (tmp_path / "kvtui" / "audit.jsonl").read_text()
    entries = [json.loads(line) for line in log.splitlines()]
    assert [(entry["verb"], entry.get("dry_run", False)) for entry in entries if entry["result"] == "accepted"] == [
        ("migrate", True), ("migrate", False), ("stop", False), ("start", False), ("console", False),
    ]  # fmt: skip
    assert "secret" not in log


def test_demo_server_ends_with_the_program_that_is_killed(screen: Program) -> None:
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    servers = [int(line.split()[0]) for line in listing.splitlines() if line.split()[1] == str(screen.process.pid)]
    assert servers
    screen.process.kill()
    screen.process.wait()
    for pid in servers:
        screen.wait_for(partial(_has_ended, pid), 10)


def _has_ended(pid: int, _screen: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")
    except FileNotFoundError:
        return True


def test_view_account_is_told_what_it_may_not_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kvtui", "demo", "--user", "view", "--size", "20"]
    with Program(command, columns=160, lines=45, env={"XDG_STATE_HOME": str(tmp_path)}) as screen:
        screen.wait_for(r"VMs \d+(.*\n)*.*Running", 60)
        choose(screen)
        screen.press("m")
        screen.wait_for("needs update on virtualmachines/migrate", 15)
        assert not (tmp_path / "kvtui" / "audit.jsonl").exists()
        screen.press("q")
        screen.wait_exit()


def test_the_stack_is_walked_down_and_left_for_a_row(screen: Program) -> None:
    choose(screen)
    screen.press("x")
    screen.wait_for(rf">[ x!i]+VM +web/{NAME} +Running")
    screen.wait_for(rf"VMI +web/{NAME} +Running")
    screen.wait_for(rf"launcher +virt-launcher-{NAME}\S* +Running")
    screen.press("down", "down", "enter")
    screen.wait_for(rf"^ pod web/virt-launcher-{NAME}\S+ +Running")
    screen.press("escape", "down")
    screen.wait_for(r">[ x!i]+node +worker-\d+ +Ready")
    screen.press("o")
    screen.wait_for(r"> (demo +)?worker-\d+ +Ready")
    screen.press("q")
    screen.wait_exit()
