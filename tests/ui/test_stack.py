"""The layers under a VM: told from the top down, followed with enter, left for their rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvtui.model import FeedState
from kvtui.records.kubernetes import Claim
from kvtui.records.networks import NetworkAttachment
from kvtui.records.storage import CephCluster
from kvtui.ui.panes.problems import quiet_words
from kvtui.ui.panes.stack import StackTable
from kvtui.ui.screens.detail import DetailScreen
from tests.ui.backend import Stage, changed, recorded
from tests.ui.conftest import Screen, Show
from tests.ui.test_detail import launcher, open_tab, until
from tests.ui.test_main import cursor_name


def layers(screen: Screen) -> list[str]:
    """Role and name of each layer on the screen."""
    table = screen.app.screen.query_one(StackTable)
    return [f"{role} {name}" for _, role, name, _ in table.visible_keys]


async def move_to(screen: Screen, layer: str) -> None:
    await screen.press("home", *["down"] * layers(screen).index(layer))


@pytest.mark.parametrize("size", [(80, 24), (120, 35)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_stack_of_a_vm(
    stage: Stage, show: Show, golden: Callable[[str, str], None], size: tuple[int, int]
) -> None:
    stage.put(launcher())
    async with show(stage, size) as screen:
        await open_tab(screen, "x")
        golden(screen.text, f"stack-{size[0]}x{size[1]}")


async def test_enter_shows_a_layer_in_full_and_escape_comes_back_to_the_stack(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "x")
        await move_to(screen, "PVC shop/dv-1-root")
        await screen.press("enter")
        assert screen.lines[0].startswith(" claim shop/dv-1-root ")
        await screen.press("escape")
        assert "[stack]" in screen.lines[1]
        assert screen.lines[0].startswith(" vm shop/dv-1 ")


async def test_enter_on_the_instance_shows_its_vm(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "x")
        await move_to(screen, "VMI shop/dv-1")
        await screen.press("enter")
        assert "[overview]" in screen.lines[1]
        assert screen.lines[0].startswith(" vm shop/dv-1 ")


async def test_a_layer_that_is_no_object_says_that_there_is_no_more(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "x")
        await move_to(screen, "network pod network")
        await screen.press("enter")
        assert "there is no view of" in screen.text
        assert isinstance(screen.app.screen, DetailScreen)


async def test_o_leaves_for_the_row_of_the_layer(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "x")
        await move_to(screen, "node node02")
        await screen.press("o")
        assert cursor_name(screen) == "node02"


async def test_o_leaves_through_all_that_was_opened_on_the_way_and_shows_a_pane_for_the_kind(
    stage: Stage, show: Show
) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "x")
        await move_to(screen, "DataVolume shop/dv-1-root")
        await screen.press("enter", "x")
        await move_to(screen, "PVC shop/dv-1-root")
        await screen.press("o")
        await until(screen, ": Claims")
        assert cursor_name(screen) == "shop/dv-1-root"


async def test_the_line_below_tells_the_chosen_layer_in_full(stage: Stage, show: Show) -> None:
    async with show(stage, (80, 24)) as screen:
        await open_tab(screen, "x")
        await move_to(screen, "interface default")
        assert "interface default (198.18.1.17, fe80::1, 02:00:00:9a:b5:00)" in screen.text


async def test_the_stack_follows_what_happens(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "x")
        claim = next(one for one in recorded(Claim) if one.metadata.name == "dv-1-root")
        assert "Lost" not in screen.text
        stage.put(changed(claim, phase="Lost"))
        await until(screen, "Lost")


async def test_slash_and_tab_do_no_harm_on_the_stack(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await open_tab(screen, "x")
        await screen.press("slash", "tab")
        assert "[timeline]" in screen.lines[1]
        await screen.press("shift+tab", "down")
        assert "[stack]" in screen.lines[1]
        assert layers(screen)


# The panes of layers -------------------------------------------------------------------------------------------------


async def test_a_pane_of_what_is_not_installed_says_so_and_the_strip_claims_nothing_of_it(
    stage: Stage, show: Show
) -> None:
    stage.feed(CephCluster, FeedState.ABSENT)
    stage.feed(NetworkAttachment, FeedState.LIVE)
    stage.fleet.step()
    async with show(stage) as screen:
        await screen.press("colon", *"ceph", "enter")
        await until(screen, "cephclusters.ceph.rook.io is not installed on this cluster")
    words = quiet_words(stage.fleet, stage.fleet.resources)
    assert "Attachments" in words
    assert "Ceph" not in words


@pytest.mark.parametrize(
    ("word", "title"), [("pv", "PVs"), ("sc", "Storage classes"), ("nad", "Attachments"), ("ceph", "Ceph")]
)
async def test_each_kind_of_layer_has_a_pane(stage: Stage, show: Show, word: str, title: str) -> None:
    async with show(stage) as screen:
        await screen.press("colon", *word, "enter")
        await until(screen, f"loading {title} ...")
