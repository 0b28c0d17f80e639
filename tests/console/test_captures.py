"""Streams of a real guest look in the emulator as they looked in tmux, however they are cut: see tests/data/console."""

from __future__ import annotations

import random

import pytest

from kvtui.console.emulator import Emulator

from .captures import FOLDER, emulated, read_kept, spelled
from .screens import picture
from .tmux import shown_by

NAMES = sorted(file.stem for file in FOLDER.glob("*.gz"))


@pytest.mark.parametrize("name", NAMES)
def test_stream_of_a_guest_looks_as_it_did_in_tmux(name: str) -> None:
    kept = read_kept(name)
    places = [place for place, _ in kept.screens]
    assert places[-1] == len(kept.data)
    for emulator, (place, shown) in zip(
        emulated(kept.data, places, kept.columns, kept.lines), kept.screens, strict=True
    ):
        assert spelled(shown_by(emulator)) == spelled(shown), f"after {place} bytes"


@pytest.mark.parametrize("name", NAMES)
def test_stream_of_a_guest_looks_the_same_however_it_is_cut(name: str) -> None:
    kept = read_kept(name)
    whole, cut = Emulator(kept.columns, kept.lines), Emulator(kept.columns, kept.lines)
    whole.feed(kept.data)
    sizes = random.Random(name)
    begin = 0
    while begin < len(kept.data):
        end = begin + sizes.randint(1, 40)
        cut.feed(kept.data[begin:end])
        begin = end
    assert picture(cut) == picture(whole)


def test_streams_show_all_that_consoles_are_used_for() -> None:
    assert {"boot", "vi", "top", "less", "ls-color", "unicode", "mc", "procps-top", "vim"} <= set(NAMES)
