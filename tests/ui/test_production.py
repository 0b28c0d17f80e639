"""Production, and acting as somebody else: what the header and the dialogs say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvtui.fleet import Fleet
from kvtui.model import Care
from kvtui.ui.dialogs.confirm import ConfirmDialog
from tests.ui.backend import NAME, RecordedBackend, Stage
from tests.ui.conftest import Show


@pytest.fixture
def production() -> Stage:
    stage = Stage()
    stage.fleet = Fleet([stage.backend], clock=stage.clock, care={NAME: Care(production=True)})
    stage.list_all()
    return stage


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
async def test_production_is_a_word_in_the_header_whatever_the_width(
    production: Stage, show: Show, size: tuple[int, int]
) -> None:
    async with show(production, size) as screen:
        assert f"{NAME}   PRODUCTION " in screen.lines[0]


async def test_header_and_dialogs_of_production_look_otherwise(production: Stage, stage: Stage, show: Show) -> None:
    looks = []
    for one in (stage, production):
        async with show(one) as screen:
            header = screen.app.screen.query_one("Header").styles.background
            await screen.press("slash", *"dv-1", "enter", "R")
            assert isinstance(screen.app.screen, ConfirmDialog)
            border = screen.app.screen.query_one(".dialog").styles.border_top
            looks.append((header, border))
    assert looks[0][0] != looks[1][0]
    assert looks[0][1] != looks[1][1]


async def test_a_dialog_of_production_says_so_and_wants_the_name(production: Stage, show: Show) -> None:
    async with show(production) as screen:
        await screen.press("slash", *"dv-1", "enter", "R", "y", "enter")
        assert isinstance(screen.app.screen, ConfirmDialog)
        assert f"PRODUCTION {NAME}" in screen.text
        assert production.backend.calls == []
        await screen.press(*"dv-1", "enter")
        assert production.backend.calls == ["restart shop/dv-1"]


async def test_among_several_the_production_is_named(show: Show) -> None:
    stage = Stage()
    other = RecordedBackend("lab")
    stage.fleet = Fleet([stage.backend, other], clock=stage.clock, care={NAME: Care(production=True)})
    stage.list_all()
    async with show(stage) as screen:
        assert f" PRODUCTION: {NAME} " in screen.lines[0]


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
async def test_as_whom_we_act_is_in_the_header(show: Show, size: tuple[int, int]) -> None:
    stage = Stage()
    stage.backend.info = replace(stage.backend.info, acting_as="jane (ops)")
    stage.list_all()
    async with show(stage, size) as screen:
        assert " AS jane (ops) " in screen.lines[0]
