"""Faults of kvtui's own that must not take the screen away, and messages that are too long for it."""

from __future__ import annotations

import stat
from collections.abc import Sequence

import pytest

from kvtui.config import Settings, state_dir
from kvtui.fleet import Fleet
from kvtui.ui.app import KvtuiApp
from kvtui.ui.hacks import screen_text
from tests.ui.backend import Stage
from tests.ui.conftest import Show


async def test_an_action_that_fails_is_told_and_the_program_goes_on(
    stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **_more: object) -> None:
        raise ZeroDivisionError("a fault of an action")

    monkeypatch.setattr(stage.backend, "may", fail)
    async with show(stage) as screen:
        await screen.press("2", "r")
        await screen.settle()
        assert "a fault of kvtui" in screen.text
        assert "ZeroDivisionError" in screen.text
        assert screen.app.is_running
        await screen.press("1")
        assert screen.app.focused is screen.main.panes[0].table
        screen.app.crash_log = None
    (log,) = state_dir().glob("crash-*.log")
    assert 'raise ZeroDivisionError("a fault of an action")' in log.read_text(), "the traceback is that of the fault"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


async def test_a_fault_while_connecting_is_told_where_one_can_try_again() -> None:
    async def connect(_contexts: Sequence[str]) -> Fleet:
        raise ZeroDivisionError("a fault of connecting")

    app = KvtuiApp(connect, Settings(), where="prod")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.pause()
        text = screen_text(app)
        assert "x a fault of kvtui" in text
        assert "a fault of connecting" in text
        assert "r  try again" in text


@pytest.mark.parametrize("message", ["\n".join(f"line {number}" for number in range(100)), "many words " * 500])
async def test_a_long_message_is_cut_to_its_head(stage: Stage, show: Show, message: str) -> None:
    async with show(stage, size=(80, 24)) as screen:
        before = screen.text.splitlines()
        screen.app.notify(message)
        await screen.settle()
        lines = screen.text.splitlines()
        changed = [number for number, line in enumerate(lines) if line != before[number]]
        assert message[:6] in screen.text
        assert len(changed) <= 8, "six lines, and the toast's edges"


async def test_a_short_message_is_whole(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        screen.app.notify("one\ntwo\nthree")
        await screen.settle()
        assert "three" in screen.text
        assert "..." not in screen.line_with("three")
