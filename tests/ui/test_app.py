"""The program around the screen: connecting, themes, faults of its own, and its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kvtui.config import Settings, state_dir
from kvtui.errors import ConfigError
from kvtui.fleet import Fleet
from kvtui.ui.app import KvtuiApp
from kvtui.ui.hacks import screen_text
from kvtui.ui.themes import own_folder, shipped_folder
from tests.ui.backend import Stage
from tests.ui.conftest import Show


async def test_what_cannot_be_connected_to_is_told_and_can_be_tried_again(stage: Stage) -> None:
    tries = 0

    async def connect(_contexts: Sequence[str]) -> Fleet:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConfigError("no context [prod]", "the file names lab and test", "kubectl config get-contexts")
        return stage.fleet

    app = KvtuiApp(connect, Settings(), where="[prod]")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.pause()
        text = screen_text(app)
        assert "x no context [prod]" in text
        assert "the file names lab and test" in text
        assert "kubectl config get-contexts" in text
        await pilot.press("r")
        for _ in range(50):
            await pilot.pause()
            if app.main is not None and app.main.is_attached:
                break
        assert tries == 2
        assert "2 VMs 13" in screen_text(app)


async def test_who_quits_where_nothing_could_be_connected_to_leaves_a_failure() -> None:
    async def connect(_contexts: Sequence[str]) -> Fleet:
        raise ConfigError("no context prod")

    app = KvtuiApp(connect, Settings(), where="prod")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.pause()
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == 1


async def test_a_theme_that_is_not_there_is_told_of(stage: Stage, show: Show) -> None:
    async with show(stage, settings=Settings(theme="pink")) as screen:
        assert screen.app.theme == "kvtui-dark"
        assert 'there is no theme "pink"' in screen.text


async def test_a_users_theme_can_be_chosen(stage: Stage, show: Show) -> None:
    own_folder().mkdir(parents=True)
    dark = (shipped_folder() / "kvtui-dark.toml").read_text()
    (own_folder() / "mine.toml").write_text(dark.replace("kvtui-dark", "mine"))
    (own_folder() / "broken.toml").write_text("nonsense")
    async with show(stage, settings=Settings(theme="mine")) as screen:
        assert screen.app.theme == "mine"
        assert "broken.toml" in screen.text
        await screen.press("colon", *"theme kvtui-light", "enter")
        assert screen.app.theme == "kvtui-light"


async def test_a_fault_of_its_own_ends_in_a_sentence_and_a_log(stage: Stage, show: Show) -> None:
    def fail() -> None:
        raise RuntimeError("a fault")

    async def run() -> None:
        async with show(stage) as screen:
            screen.app.call_later(fail)
            await screen.settle()

    with pytest.raises(RuntimeError, match="a fault"):
        await run()
    logs = list(state_dir().glob("crash-*.log"))
    assert len(logs) == 1
    assert "RuntimeError: a fault" in logs[0].read_text()


def test_the_screen_needs_no_client_library_to_begin() -> None:
    code = "import sys, kvtui.ui.app; print([m for m in ('kubernetes', 'aiohttp', 'libvirt') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.toml")), ids=lambda path: path.stem)
async def test_the_screen_can_be_drawn_in_every_shipped_theme(stage: Stage, show: Show, path: Path) -> None:
    async with show(stage, settings=Settings(theme=path.stem)) as screen:
        assert "2 VMs 13" in screen.text


async def test_state_can_be_read_without_colours(stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with show(stage) as screen:
        assert screen.app.no_color
        assert screen.line_with("does not start").lstrip().startswith("x ")
        assert "ErrorUnschedulable" in screen.text
        assert any(line.lstrip(" ─").find("> ") >= 0 for line in screen.lines)


async def test_the_end_closes_the_backends(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("q")
    assert "close" in stage.backend.calls


async def test_the_first_line_names_the_only_namespace_that_is_shown(stage: Stage, show: Show) -> None:
    stage.backend.info = replace(stage.backend.info, namespace="ci")
    async with show(stage) as screen:
        assert "prod-fra1 > ci " in screen.lines[0]
        screen.main.show_namespace("")
        await screen.settle()
        assert "prod-fra1 > ci " in screen.lines[0], "nothing else is listed"
