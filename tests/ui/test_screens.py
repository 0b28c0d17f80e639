"""Whole screens of the recorded cluster, as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvtui.config import Settings
from kvtui.model import FeedState
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Node
from kvtui.records.kubevirt import Migration, VirtualMachine
from tests.ui.backend import Stage
from tests.ui.conftest import Show

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_main_screen(stage: Stage, show: Show, golden: Golden, size: tuple[int, int]) -> None:
    async with show(stage, size) as screen:
        golden(screen.text, f"main-{size[0]}x{size[1]}")


async def test_a_zoomed_pane_shows_its_wide_columns(stage: Stage, show: Show, golden: Golden) -> None:
    async with show(stage, (200, 50)) as screen:
        await screen.press("z")
        golden(screen.text, "zoomed-200x50")


async def test_before_anything_is_known(show: Show, golden: Golden) -> None:
    async with show(Stage()) as screen:
        golden(screen.text, "loading-120x35")


async def test_feeds_in_trouble_say_so_in_their_panes(stage: Stage, show: Show, golden: Golden) -> None:
    stage.feed(Node, FeedState.FORBIDDEN, 'nodes is forbidden: User "view" cannot list resource "nodes"')
    stage.feed(Migration, FeedState.ABSENT, "404 page not found")
    stage.feed(DataVolume, FeedState.FAILED, "the server sent broken JSON")
    stage.feed(VirtualMachine, FeedState.STALE, "connection refused", ago=40)
    stage.fleet.step()
    async with show(stage) as screen:
        golden(screen.text, "troubled-120x35")


async def test_a_read_only_fleet_says_so(show: Show) -> None:
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage, (80, 24), Settings(read_only=True)) as screen:
        assert "READ-ONLY" in screen.lines[0]


@pytest.mark.parametrize("width", [60, 80, 100, 110, 159, 160])
async def test_no_line_is_longer_than_the_terminal(stage: Stage, show: Show, width: int) -> None:
    async with show(stage, (width, 24)) as screen:
        assert len(screen.lines) == 24
        assert max(len(line) for line in screen.lines) <= width
