"""Several clusters at once, which have machines of the same names."""

from __future__ import annotations

import pytest

from kvtui.errors import BackendError
from kvtui.fleet import Fleet
from kvtui.model import Feed, FeedState
from kvtui.store import Replace
from kvtui.ui.dialogs.confirm import ConfirmDialog
from tests.ui.backend import KINDS, RecordedBackend, Stage, recorded
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import sees, until

RUNNING = "dv-1"
OTHER = "staging"
SMALL = (80, 24)


def make_pair(other: str = OTHER) -> Stage:
    """The recorded cluster twice: prod-fra1 and another one."""
    stage = Stage()
    stage.fleet = Fleet([stage.backend, RecordedBackend(other)], clock=stage.clock)
    stage.list_all()
    for type_ in KINDS:
        stage.fleet.store.post(Replace(other, type_, recorded(type_)))
        stage.fleet.store.post(Feed(other, type_.KIND, FeedState.LIVE, stage.clock.now))
    stage.fleet.step()
    return stage


@pytest.fixture
def pair() -> Stage:
    return make_pair()


async def choose(screen: Screen, backend: str) -> None:
    """The VM of that name in one of the clusters."""
    await screen.press("2", "slash", *RUNNING, "enter", "home")
    table = screen.main.current.table
    while table.cursor is not None and table.cursor.backend != backend:
        await screen.press("j")


@pytest.mark.parametrize("size", [SMALL, (120, 35)])
@pytest.mark.parametrize("backend", ["prod-fra1", OTHER])
async def test_a_question_names_the_cluster(pair: Stage, show: Show, backend: str, size: tuple[int, int]) -> None:
    async with show(pair, size) as screen:
        await choose(screen, backend)
        await screen.press("S")
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert f"stop vm shop/{RUNNING} in {backend}?" in screen.text


async def test_a_question_about_many_names_the_cluster_of_each(pair: Stage, show: Show) -> None:
    async with show(pair) as screen:
        await screen.press("2", "slash", *RUNNING, "enter", "home", "space", "space", "S")
        for backend in ("prod-fra1", OTHER):
            assert f"shop/{RUNNING} in {backend}" in screen.text


async def test_a_failure_names_the_cluster(pair: Stage, show: Show) -> None:
    pair.backend.refusal = BackendError("stop", "not now", code=500)
    async with show(pair) as screen:
        await choose(screen, "prod-fra1")
        await screen.press("S", "y")
        await until(screen, sees(screen, f"stop shop/{RUNNING} in prod-fra1: stop: not now"))


async def test_consoles_of_the_same_name_are_told_apart(pair: Stage, show: Show) -> None:
    async with show(pair) as screen:
        for backend in ("prod-fra1", OTHER):
            await choose(screen, backend)
            await screen.press("c")
            await until(screen, sees(screen, "Connected"))
            await screen.press("ctrl+right_square_bracket")
        tabs = screen.line_with("console ")
        assert f"shop/{RUNNING} in prod-fra1" in tabs
        assert f"shop/{RUNNING} in {OTHER}" in tabs
        await screen.press("full_stop")
        assert f"│ shop/{RUNNING} in {OTHER} " in screen.text
        await screen.press("escape", "q")
        for backend in ("prod-fra1", OTHER):
            assert f"shop/{RUNNING} in {backend}" in screen.text


async def test_the_question_of_a_shell_names_the_cluster(pair: Stage, show: Show) -> None:
    async with show(pair, SMALL) as screen:
        await choose(screen, OTHER)
        await screen.press("C")
        await until(screen, sees(screen, f"shop/{RUNNING} shell in {OTHER}"))
        await until(screen, sees(screen, f"user on shop/{RUNNING}"))


async def test_problems_name_the_cluster(pair: Stage, show: Show) -> None:
    async with show(pair) as screen:
        problems = "\n".join(screen.lines[2:6])
        assert "prod-fra1" in problems
        assert OTHER in problems


async def test_one_cluster_is_not_named_everywhere(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await choose(screen, "prod-fra1")
        await screen.press("S")
        assert f"stop vm shop/{RUNNING}?" in screen.text
