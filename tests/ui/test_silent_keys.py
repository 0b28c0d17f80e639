"""Keys that cannot do what they are for say why; none that is shown does nothing without a word."""

from __future__ import annotations

import pytest

from kvtui.model import FeedState
from kvtui.records.base import Record
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.store import Replace
from kvtui.triage.base import backend_ref
from kvtui.ui.dialogs.search import SearchDialog
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.screens.problems import ProblemsScreen
from tests.ui.backend import KINDS, NAME, Stage
from tests.ui.conftest import Screen, Show


def without(*types: type[Record]) -> Stage:
    """The recorded cluster without some kinds of objects."""
    stage = Stage()
    stage.list_all()
    for type_ in types:
        stage.fleet.store.post(Replace(NAME, type_, []))
    stage.fleet.step()
    return stage


def said(screen: Screen) -> list[str]:
    """The toasts so far, the last one last."""
    return [toast.message for toast in screen.app._notifications]


async def answer(screen: Screen, key: str) -> str:
    """What a key that cannot do its work says."""
    before = len(said(screen))
    await screen.press(key)
    told = said(screen)
    assert len(told) > before, f"{key} says nothing"
    return told[-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
@pytest.mark.parametrize("key", ["enter", "space", "ctrl+space", "y", "d", "E", "l", "x", "t", "w"])
async def test_a_pane_without_rows_says_so_to_each_of_its_keys(show: Show, key: str, size: tuple[int, int]) -> None:
    async with show(without(VirtualMachine, VirtualMachineInstance, Migration), size=size) as screen:
        assert await answer(screen, key) == "no row is chosen: no VMs in any namespace"


async def test_rows_that_a_filter_hides_are_not_said_to_be_none(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("slash", *"nosuch", "enter")
        assert "matches the filter" in await answer(screen, "w")


async def test_of_a_list_that_is_forbidden_that_is_the_reason(show: Show) -> None:
    stage = without(VirtualMachine, VirtualMachineInstance)
    stage.feed(VirtualMachine, FeedState.FORBIDDEN)
    async with show(stage) as screen:
        assert await answer(screen, "x") == "no row is chosen: this account may not list virtualmachines.kubevirt.io"


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
async def test_where_nothing_can_be_done_the_menu_opens_and_says_why_and_what_is_typed_acts_on_nothing(
    stage: Stage, show: Show, size: tuple[int, int]
) -> None:
    async with show(stage, size=size) as screen:
        await screen.press("slash", *"nosuch", "enter", "a")
        assert "no row is chosen: none of 13 VMs matches the filter" in screen.text
        await screen.press(*"quit", "enter")
        assert isinstance(screen.app.screen, SearchDialog)
        await screen.press("escape")
        assert screen.main.current.resource.name == "vms"
        await screen.press("colon", *"events", "enter", "a")
        assert "nothing can be done to Events here" in screen.text
        assert isinstance(screen.app.screen, SearchDialog)


@pytest.mark.parametrize("key", ["enter", "w", "x", "t"])
async def test_an_empty_strip_says_so(show: Show, key: str) -> None:
    async with show(without(*KINDS)) as screen:
        await screen.press("0")
        assert await answer(screen, key) == "no problem is chosen: there is none in the strip"


@pytest.mark.parametrize("key", ["enter", "w", "t", "x", "A"])
async def test_among_all_problems_a_heading_and_an_empty_list_say_so(stage: Stage, show: Show, key: str) -> None:
    async with show(stage) as screen:
        await screen.press("P", "o", "home")
        assert await answer(screen, key) == "this is a heading: choose a line below it"
    async with show(without(*KINDS)) as screen:
        await screen.press("P")
        assert await answer(screen, key) == "no problem is chosen: none is known"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("enter", "has no row: all that is known of it stands below"),
        ("w", "has no row: all that is known of it stands below"),
        ("x", "has no stack: all that is known of it stands below"),
        ("t", "has no timeline: all that is known of it stands below"),
    ],
)
async def test_a_problem_of_what_has_no_row_is_told_among_all_with_a_word(show: Show, key: str, words: str) -> None:
    stage = without(*KINDS)
    stage.feed(VirtualMachine, FeedState.FORBIDDEN)
    async with show(stage) as screen:
        while not stage.fleet.engine.problems:
            await screen.settle()
        await screen.press("0")
        await screen.press(key)
        assert isinstance(screen.app.screen, ProblemsScreen)
        assert screen.lines[0].endswith(f"{NAME} {words}")
        await screen.press("escape", "P", key)
        assert screen.lines[0].endswith(f"{NAME} {words}")


async def test_what_is_said_of_a_problem_goes_with_the_cursor(stage: Stage, show: Show) -> None:
    stage.feed(VirtualMachine, FeedState.FORBIDDEN)
    async with show(stage) as screen:
        while (finding := stage.fleet.engine.worst.get(backend_ref(NAME)[:4])) is None:
            await screen.settle()
        await screen.press("P")
        page = screen.app.screen
        assert isinstance(page, ProblemsScreen)
        page.table.move_to((finding.rule, *finding.subject))
        await screen.press("t")
        assert "has no timeline" in screen.lines[0]
        await screen.press("tab", "home")
        assert "has no timeline" not in screen.lines[0]


@pytest.mark.parametrize("key", ["enter", "tab", "x", "M", "r", "exclamation_mark"])
async def test_where_nothing_was_done_each_key_of_the_jobs_says_so(stage: Stage, show: Show, key: str) -> None:
    async with show(stage) as screen:
        await screen.press("J")
        assert await answer(screen, key) == "nothing was done yet"


@pytest.mark.parametrize("key", ["Z", "5", "full_stop", "left_square_bracket", "ctrl+pagedown"])
async def test_without_a_console_its_keys_say_how_to_open_one(stage: Stage, show: Show, key: str) -> None:
    async with show(stage) as screen:
        assert await answer(screen, key) == "no console is open: c opens that of a VM"


async def test_where_only_one_pane_fits_it_cannot_be_zoomed(stage: Stage, show: Show) -> None:
    async with show(stage, size=(80, 24)) as screen:
        assert (await answer(screen, "z")).startswith("this pane stands alone already")
        await screen.pilot.resize_terminal(120, 35)
        await screen.settle()
        assert not screen.main.single


@pytest.mark.parametrize(
    ("tab", "key", "words"),
    [
        ("d", "o", "only layers of the stack have rows to go to: 4 shows it"),
        ("d", "c", "only the log has containers: 6 shows it"),
        ("d", "n", "nothing was found: / asks what to look for"),
        ("d", "r", "read again"),
        ("x", "slash", "a stack is not searched: 1 shows the overview, which is"),
        ("l", "c", "there is no other container"),
    ],
)
async def test_in_full_a_key_of_another_tab_says_whose_it_is(
    stage: Stage, show: Show, tab: str, key: str, words: str
) -> None:
    async with show(stage) as screen:
        await screen.press(tab)
        assert isinstance(screen.app.screen, DetailScreen)
        assert await answer(screen, key) == words


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
async def test_the_strip_names_its_keys(stage: Stage, show: Show, size: tuple[int, int]) -> None:
    async with show(stage, size=size) as screen:
        await screen.press("0")
        assert "enter its row  w why  x stack" in screen.lines[-1]
        assert ("t timeline  P all problems" in screen.lines[-1]) == (size[0] > 80)


@pytest.mark.parametrize(("key", "label"), [("s", "start"), ("S", "stop"), ("ctrl+k", "force stop")])
async def test_the_key_of_an_action_says_in_the_strip_on_which_row_it_is_done(
    stage: Stage, show: Show, key: str, label: str
) -> None:
    async with show(stage) as screen:
        await screen.press("0")
        told = await answer(screen, key)
        assert told == f"{label} is done on a row: enter goes to vm shop/db-2, and {key} there does it"
