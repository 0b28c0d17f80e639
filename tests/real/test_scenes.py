"""What real programs of a real guest draw looks the same in the emulator and in tmux, and means what was done."""

from __future__ import annotations

import pytest

from kvtui.console.emulator import Emulator
from tests.console.captures import cuts, shown_after, spelled
from tests.console.tmux import Tmux, history_of, shown_by
from tests.real.operator import Capture, Operator
from tests.real.scenes import SCENES, play

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

POINTS = 10
"""Places of each stream at which the screens are compared."""


def assert_same_as_tmux(tmux: Tmux, capture: Capture) -> None:
    places = cuts(capture.data, POINTS)
    screens = shown_after(capture.data, places, capture.columns, capture.lines)
    for place, shown in zip(places, screens, strict=True):
        theirs = spelled(tmux.show(capture.data[:place], capture.columns, capture.lines))
        assert shown == theirs, f"after {place} of {len(capture.data)} bytes"


async def test_boot_looks_as_in_tmux(boot: Capture, tmux: Tmux) -> None:
    assert_same_as_tmux(tmux, boot)


async def test_lines_that_left_the_screen_during_boot_are_those_of_tmux(boot: Capture, tmux: Tmux) -> None:
    emulator = Emulator(boot.columns, boot.lines)
    emulator.feed(boot.data)
    with tmux.open(boot.columns, boot.lines) as pane:
        pane.feed(boot.data)
        assert shown_by(emulator) == pane.shown()
        assert history_of(emulator) == pane.history()


@pytest.mark.parametrize("name", SCENES)
async def test_scene_looks_as_in_tmux(name: str, shell: Operator, tmux: Tmux) -> None:
    capture = await play(SCENES[name], shell)
    assert len(capture.data) > 1000
    assert_same_as_tmux(tmux, capture)
