"""What a view of an emulator draws, and how often."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from kvtui.console.emulator import Emulator
from kvtui.ui import program
from kvtui.ui.consoles.emulation import EmulatorView
from kvtui.ui.hacks import record_frames, screen_text
from kvtui.ui.themes import fallback_variables

SIZE = (80, 24)
STYLE = Path(program.__file__).with_name("style.tcss")


class Host(App[None]):
    """Nothing but the view."""

    CSS_PATH = STYLE

    def __init__(self, view: EmulatorView) -> None:
        super().__init__()
        self.view = view

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return fallback_variables()

    def compose(self) -> ComposeResult:
        yield self.view


class Stand:
    """A running view and what it sends to the terminal."""

    def __init__(self, view: EmulatorView, pilot: Pilot[None]) -> None:
        self.view = view
        self.pilot = pilot
        self.frames = record_frames(view.app)

    def say(self, data: bytes) -> None:
        """The guest sends something."""
        self.view.emulator.feed(data)
        self.view.draw_soon()

    async def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, screen_text(self.view.app)
            await self.pilot.pause()

    async def sees(self, words: str) -> None:
        await self.until(lambda: words in screen_text(self.view.app))


@asynccontextmanager
async def stand(*, slow_link: bool = False, size: tuple[int, int] = SIZE) -> AsyncIterator[Stand]:
    view = EmulatorView(Emulator(*SIZE), slow_link=slow_link)
    async with Host(view).run_test(size=size) as pilot:
        await pilot.pause()
        yield Stand(view, pilot)


async def test_a_line_that_changed_is_sent_and_no_other() -> None:
    async with stand() as it:
        it.say(b"\r\n".join(b"line %d" % number for number in range(20)))
        await it.sees("line 19")
        it.frames.clear()
        it.say(b"\x1b[3;1Hchanged")
        await it.sees("changed")
        sent = "".join(it.frames)
        assert "changed" in sent
        assert "line 19" in sent, "the cursor left this line"
        assert "line 5" not in sent


async def test_lines_that_are_drawn_anew_as_they_were_are_not_sent() -> None:
    async with stand() as it:
        page = b"\x1b[2J\x1b[H" + b"\r\n".join(b"load %d" % number for number in range(20))
        it.say(page)
        await it.sees("load 19")
        it.frames.clear()
        it.say(page.replace(b"load 7\r", b"LOAD 7\r"))
        await it.sees("LOAD 7")
        sent = "".join(it.frames)
        assert "load 6" not in sent
        assert "load 8" not in sent


@pytest.mark.parametrize(("slow_link", "most"), [(False, 20), (True, 10)])
async def test_a_flood_is_drawn_at_most_so_often_a_second(slow_link: bool, most: int) -> None:
    async with stand(slow_link=slow_link) as it:
        it.frames.clear()
        begun, number = time.monotonic(), 0
        while time.monotonic() - begun < 0.6:
            number += 1
            it.say(b"flood %d\r\n" % number)
            await it.pilot.pause()
        passed = time.monotonic() - begun
        assert 1 < len(it.frames) <= most * passed + 2


async def test_a_hidden_view_draws_nothing_and_shows_what_came_when_it_is_seen_again() -> None:
    async with stand() as it:
        it.view.display = False
        await it.pilot.pause()
        it.frames.clear()
        it.say(b"meanwhile")
        for _ in range(3):
            await it.pilot.pause(0.02)
        assert not it.frames
        assert it.view.emulator.take_changed() != frozenset(), "nobody took the changes"
        it.view.display = True
        await it.sees("meanwhile")
        it.say(b" more")
        await it.sees("meanwhile more")


async def test_a_view_smaller_than_the_screen_shows_the_rows_down_to_the_cursor() -> None:
    async with stand(size=(40, 10)) as it:
        it.say(b"\x1b[1;1Hfirst row\x1b[24;1Hlast row")
        await it.sees("last row")
        assert "first row" not in screen_text(it.view.app)
        it.say(b"\x1b[1;1H")
        await it.sees("first row")


async def test_control_characters_never_reach_the_terminal() -> None:
    async with stand() as it:
        it.say(b"\x1b]52;c;aGVsbG8=\x07\x1bP+q\x1b\\\x1b[31mred\x9b5n")
        await it.sees("red")
        assert "]52" not in "".join(it.frames)


async def test_a_narrow_view_shows_the_columns_with_the_cursor() -> None:
    async with stand(size=(40, 10)) as it:
        it.say(b"begin" + b"-" * 60 + b"end")
        await it.sees("end")
        assert "begin" not in screen_text(it.view.app)
        it.say(b"\r")
        await it.sees("begin")
