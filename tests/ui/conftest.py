"""The screen under test: the recorded cluster, a clock that stands still, and the screen as text."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from kvtui.config import Settings
from kvtui.ui.app import KvtuiApp
from kvtui.ui.hacks import screen_text
from kvtui.ui.screens.main import MainScreen
from tests.ui.backend import Stage
from tests.ui.idle import Idle

GOLDEN = Path(__file__).parent.parent / "golden" / "ui"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of the machine that the tests run on: no settings, no colours, no time zone."""
    for name in [name for name in os.environ if name.startswith("TEXTUAL")] + ["NO_COLOR", "COLORTERM"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot goes on as soon as the app has nothing left to do."""
    Idle().install(monkeypatch)


@pytest.fixture(autouse=True)
def at_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests read a question as soon as it is drawn."""
    monkeypatch.setattr("kvtui.ui.dialogs.unseen._SEEN", 0.0)
    monkeypatch.setattr("kvtui.ui.dialogs.unseen._QUIET", 0.0)


@pytest.fixture
def soon_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why a console was cut is looked for as often as ever, but not for three seconds."""
    monkeypatch.setattr("kvtui.console.verdict._PAUSE", 0.01)


@pytest.fixture
def stage() -> Stage:
    """The recorded cluster, all of it listed."""
    stage = Stage()
    stage.list_all()
    return stage


class Screen:
    """A running app."""

    def __init__(self, app: KvtuiApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def main(self) -> MainScreen:
        assert self.app.main is not None
        return self.app.main

    @property
    def text(self) -> str:
        return screen_text(self.app)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def settle(self) -> None:
        await self.pilot.pause()

    async def look_again(self) -> None:
        """Between two looks at something that is waited for: looking all the time would keep it from coming."""
        await asyncio.sleep(0.01)
        await self.settle()

    def line_with(self, words: str) -> str:
        return next((line for line in self.lines if words in line), "")


Show = Callable[..., AbstractAsyncContextManager[Screen]]


@pytest.fixture
def show() -> Show:
    """Runs the app on a stage, in a terminal of a size."""

    @asynccontextmanager
    async def run(
        stage: Stage, size: tuple[int, int] = (120, 35), settings: Settings | None = None
    ) -> AsyncIterator[Screen]:
        app = KvtuiApp(stage.connect, settings or Settings(), where="prod-fra1")
        async with app.run_test(size=size, notifications=True) as pilot:
            for _ in range(100):
                await pilot.pause()
                if app.main is not None and app.screen is app.main and app.focused is not None:
                    break
            screen = Screen(app, pilot)
            await screen.settle()
            yield screen
        # A worker's fault does not end the program, and would pass unseen.
        assert app.crash_log is None, app.crash_log.read_text()

    return run


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a screen with the file of that name; ``--golden`` writes the file."""

    def check(text: str, name: str) -> None:
        path = GOLDEN / f"{name}.txt"
        text = text.rstrip("\n") + "\n"
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no {path.name}: run with --golden, look at it, keep it"
        assert text == path.read_text(encoding="utf-8")

    return check
