"""What real programs of a real guest draw looks the same in the emulator and in tmux, and means what was done."""

from __future__ import annotations

import pytest

from kvtui.console.emulator import Emulator
from tests.console.captures import cuts, emulated, looks_in_tmux, looks_of, spelled
from tests.console.tmux import Tmux, history_of, shown_by
from tests.real.operator import Capture, Operator
from tests.real.scenes import SCENES, play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

POINTS = 10
"""Places of each stream at which the screens are compared."""


def assert_same_as_tmux(tmux: Tmux, capture: Capture) -> None:
    """Text and cursor, and the colours of all that was written: tmux does not tell those of erased ends of rows."""
    size = capture.columns, capture.lines
    places = cuts(capture.data, POINTS)
    for place, emulator in zip(places, emulated(capture.data, places, *size), strict=True):
        where = f"after {place} of {len(capture.data)} bytes"
        with tmux.open(*size) as pane:
            pane.feed(capture.data[:place])
            assert spelled(shown_by(emulator)) == spelled(pane.shown()), where
            ours, theirs = looks_of(emulator), looks_in_tmux(pane.coloured(), *size)
        assert [row[: len(other)] for row, other in zip(ours, theirs, strict=True)] == theirs, where


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
