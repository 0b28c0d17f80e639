"""Drills as their user meets them: the list, the briefing before and on the screen, the debrief at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from kvtui.cli import main
from kvtui.config import Settings
from kvtui.demo.drills import DRILLS
from kvtui.ui.app import KvtuiApp
from kvtui.ui.dialogs.briefing import BriefingDialog
from kvtui.ui.hacks import screen_text
from tests.terminal import Program
from tests.ui.backend import Stage

NAME = "unbound-claim"


def test_the_drills_are_listed_with_a_sentence_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--list-drills"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 1)[0] for line in lines] == list(DRILLS)
    assert lines[list(DRILLS).index(NAME)].endswith(DRILLS[NAME].sentence)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("unbound-clam", "did you mean unbound-claim?"),
        ("quota", "did you mean over-quota"),
        ("xyzzy", "kvtui demo --list-drills names them all"),
    ],
)
def test_an_unknown_drill_is_refused_with_what_is_like_it(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--drill", name]) == 2
    told = capsys.readouterr().err
    assert f"there is no drill '{name}'" in told
    assert hint in told


async def test_the_briefing_lies_over_the_list_until_a_key_and_comes_again_from_the_palette(stage: Stage) -> None:
    app = KvtuiApp(stage.connect, Settings(), briefing="The shop is down.")
    async with app.run_test(size=(80, 24)) as pilot:
        await _until(pilot, lambda: "The shop is down." in screen_text(app))
        while isinstance(app.screen, BriefingDialog):
            await pilot.press("x")
        await _until(pilot, lambda: "VMs 13" in screen_text(app))
        assert "The shop is down." not in screen_text(app)
        await app.run_action("app.briefing")
        await _until(pilot, lambda: "The shop is down." in screen_text(app))


async def _until(pilot: Pilot[int], is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await pilot.pause(0.02)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_cause_is_told_when_the_user_has_quit(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kvtui", "demo", "--drill", NAME, "--hosts", "0"]
    with Program(command, columns=120, lines=40, env={"XDG_STATE_HOME": str(tmp_path), "KUBECONFIG": ""}) as program:
        program.wait_for(r"any key begins", 60)
        program.answer("enter")
        program.wait_for(r"x class nfs-archive +makes no volumes +stops VM shop/orders-db-1", 60)
        program.press("q")
        program.wait_for(r"what it was: Claim orders-db-1-data", 30)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_without_a_screen_both_are_told_on_standard_error() -> None:
    command = [sys.executable, "-m", "kvtui", "demo", "--drill", NAME, "--serve"]
    environment = {**os.environ, "KUBECONFIG": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert Path(process.stdout.readline().strip()).exists()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    before, after = told.split(f"Drill {NAME}, what it was:")
    assert "It does not start." in " ".join(before.split())
    assert "nfs.csi.k8s.io does not run" in " ".join(after.split())
