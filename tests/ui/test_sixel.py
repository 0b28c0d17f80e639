"""Screens in pixels on a terminal with sixels: no frame tears them, and what nothing touched is not sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import NamedTuple

import pytest
from PIL import Image
from textual.strip import Strip

from kvtui.config import ConsoleSettings, Settings
from kvtui.ui.hacks import TerminalReply, record_frames
from kvtui.ui.pictures.gallery import Order
from tests.pictures import SEABIOS, encode
from tests.sixels import CELL, Terminal
from tests.ui.backend import Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_gallery import RUNNING, crowd, look_at, look_at_all, tiles, until
from tests.ui.test_traffic import all_drawn, count_looks, has_looked, shows, with_cursor


class Seen(NamedTuple):
    screen: Screen
    terminal: Terminal
    frames: list[str]

    def update(self) -> int:
        """Let the terminal read what was sent since; how many characters that was."""
        sent = "".join(self.frames)
        self.frames.clear()
        self.terminal.feed(sent)
        return len(sent)


Look = Callable[..., AbstractAsyncContextManager[Seen]]
KIND = "?63;1;2;4;6;22c"


@pytest.fixture
def look(show: Show, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Runs the app in a terminal that shows sixels."""

    @asynccontextmanager
    async def run(stage: Stage, size: tuple[int, int] = (120, 35), way: str = "auto") -> AsyncIterator[Seen]:
        settings = Settings(console=ConsoleSettings(pictures=way))  # type: ignore[arg-type]
        async with show(stage, size, settings) as screen:

            def answer(_app: object, question: str) -> None:
                for reply, asked in (
                    (f"6;{CELL[1]};{CELL[0]}t", "\x1b[16t"),
                    ("?2;0;1000;1000S", "\x1b[?2;1;0S"),
                    ("?1;0;256S", "\x1b[?1;1;0S"),
                    (KIND, "\x1b[c"),
                ):
                    if asked in question:
                        screen.app.post_message(TerminalReply(reply))

            monkeypatch.setattr("kvtui.ui.screens.pictures.write_to_terminal", answer)
            yield Seen(screen, Terminal(size), record_frames(screen.app))

    return run


async def seen_whole(seen: Seen, count: int = 1) -> set[tuple[int, int]]:
    """Wait until so many pictures are shown in pixels; their cells."""
    await until(seen.screen, lambda: [in_pixels(tile.drawn) for tile in tiles(seen.screen)] == [True] * count)
    await all_drawn(seen.screen)
    seen.update()
    expected = {
        (x, y)
        for tile in tiles(seen.screen)
        for y, line in enumerate(tile.view._lines, tile.view.region.y)
        for x in marked(line, tile.view.region.x)
    }
    assert len(expected) > 200
    assert seen.terminal.drawn == expected
    return expected


def in_pixels(drawn: object) -> bool:
    return isinstance(drawn, Order) and drawn.canvas is not None


def marked(line: Strip, x: int) -> list[int]:
    """The columns of a line that are to show a picture."""
    columns: list[int] = []
    for segment in line:
        if segment.style is not None and "sixel" in segment.style.meta:
            columns += range(x, x + segment.cell_length)
        x += segment.cell_length
    return columns


# Behind the frames ---------------------------------------------------------------------------------------------------


async def test_pictures_are_drawn_in_pixels_and_leave_with_their_screen(stage: Stage, look: Look) -> None:
    async with look(stage) as seen:
        await look_at(seen.screen)
        await seen_whole(seen)
        await seen.screen.press("escape")
        seen.update()
        assert seen.terminal.drawn == set()
        assert "VMs" in seen.terminal.text


async def test_the_same_picture_again_sends_nothing(stage: Stage, look: Look) -> None:
    async with look(stage) as seen:
        await look_at(seen.screen)
        await seen_whole(seen)
        for _ in range(5):
            looks = count_looks(stage)
            await seen.screen.press("r")
            await until(seen.screen, partial(has_looked, stage, looks + 1))
            await all_drawn(seen.screen)
            assert seen.frames == []


async def test_of_another_picture_only_the_lines_that_look_different_are_sent(stage: Stage, look: Look) -> None:
    stage.backend.pictures[RUNNING] = SEABIOS
    async with look(stage) as seen:
        await look_at(seen.screen)
        await seen_whole(seen)
        before = dict(seen.terminal.cells)
        stage.backend.pictures[RUNNING] = with_cursor()
        await seen.screen.press("r")
        await until(seen.screen, lambda: shows(seen.screen, with_cursor()) and seen.frames)
        await all_drawn(seen.screen)
        assert 0 < seen.update() < 3000
        changed = {y for (x, y), content in seen.terminal.cells.items() if before[x, y] != content}
        assert 1 <= len(changed) <= 2


async def test_a_toast_is_in_front_and_what_it_covered_is_drawn_again_and_nothing_else(
    stage: Stage, look: Look
) -> None:
    async with look(stage) as seen:
        await look_at(seen.screen)
        whole = await seen_whole(seen)
        before = dict(seen.terminal.cells)
        seen.screen.app.notify("something was done\nand something else", timeout=60)
        await until(seen.screen, lambda: "something else" in seen.screen.text)
        await all_drawn(seen.screen)
        seen.update()
        covered = whole - seen.terminal.drawn
        assert 20 < len(covered) < 400
        assert "and something else" in seen.terminal.text
        seen.terminal.pictures = 0
        seen.screen.app.clear_notifications()
        await until(seen.screen, lambda: "something else" not in seen.screen.text)
        await all_drawn(seen.screen)
        assert seen.update() < 8000
        assert seen.terminal.pictures == 1
        assert seen.terminal.cells == before


async def test_a_picture_that_changes_behind_a_toast_leaves_the_toast_alone(stage: Stage, look: Look) -> None:
    async with look(stage) as seen:
        await look_at(seen.screen)
        whole = await seen_whole(seen)
        seen.screen.app.notify("one\ntwo\nthree", timeout=60)
        await until(seen.screen, lambda: "three" in seen.screen.text)
        stage.backend.pictures[RUNNING] = encode(Image.new("RGB", (720, 400), (90, 20, 20)))
        await seen.screen.press("r")
        await until(seen.screen, lambda: shows(seen.screen, stage.backend.pictures[RUNNING]))  # type: ignore[arg-type]
        await all_drawn(seen.screen)
        seen.update()
        assert "three" in seen.terminal.text
        assert seen.terminal.drawn < whole
        seen.screen.app.clear_notifications()
        await until(seen.screen, lambda: "three" not in seen.screen.text)
        await seen_whole(seen)
        assert len({seen.terminal.cells[cell] for cell in whole}) == 1


async def test_behind_a_dialog_a_picture_is_characters_and_comes_back(stage: Stage, look: Look) -> None:
    async with look(stage) as seen:
        await look_at(seen.screen)
        await seen_whole(seen)
        before = dict(seen.terminal.cells)
        await seen.screen.press("ctrl+p")
        await all_drawn(seen.screen)
        seen.update()
        assert seen.terminal.drawn == set()
        await seen.screen.press("escape")
        await all_drawn(seen.screen)
        seen.update()
        assert seen.terminal.cells == before


async def test_a_grid_and_its_pages_and_one_of_it_alone(stage: Stage, look: Look) -> None:
    crowd(stage, 12)
    async with look(stage) as seen:
        await look_at_all(seen.screen, "crowd")
        page = await seen_whole(seen, 9)
        await seen.screen.press("pagedown")
        assert await seen_whole(seen, 3) < page
        await seen.screen.press("enter")
        await seen_whole(seen)


async def test_another_size_of_the_terminal(stage: Stage, look: Look) -> None:
    async with look(stage) as seen:
        await look_at(seen.screen)
        small = await seen_whole(seen)
        await seen.screen.pilot.resize_terminal(140, 45)
        seen.terminal.columns, seen.terminal.lines = 140, 45
        await until(seen.screen, lambda: tiles(seen.screen)[0].view.size.width == 140)
        await until(seen.screen, lambda: tiles(seen.screen)[0].drawn is not None)
        assert len(await seen_whole(seen)) > len(small)


async def test_other_ways_of_drawing_are_one_key_away(stage: Stage, look: Look) -> None:
    async with look(stage, way="dots") as seen:
        await look_at(seen.screen)
        await until(seen.screen, lambda: "pixels, dots or blocks" in seen.screen.text)
        assert not in_pixels(tiles(seen.screen)[0].drawn)
        await seen.screen.press("d", "d")
        assert "drawn in true pixels" in seen.screen.text
        seen.screen.app.clear_notifications()
        await seen_whole(seen)


async def test_without_colours_the_terminal_is_not_even_asked(
    stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("kvtui.ui.screens.pictures.write_to_terminal", lambda _app, text: asked.append(text))
    async with show(stage, settings=Settings(console=ConsoleSettings(pictures="sixel"))) as screen:
        await look_at(screen)
        await until(screen, lambda: tiles(screen)[0].view.has_picture)
    assert asked == []
