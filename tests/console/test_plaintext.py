"""Recordings as text: the same lines however the output was cut into events, in as few pieces as may be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console.emulator import Emulator
from kvtui.console.plaintext import read_lines
from kvtui.console.recording import Recording


def lines_of(folder: Path, events: Sequence[tuple[float, str, str]]) -> list[str]:
    path = folder / "some.cast"
    header = {"version": 2, "width": 20, "height": 4}
    path.write_text("".join(json.dumps(item) + "\n" for item in (header, *events)))
    with Recording(path) as recording:
        return list(read_lines(recording))


@given(st.lists(st.sampled_from(["word ", "é", "end\r\n", "x" * 30, "\x1b[31m", "\r\n"]), max_size=40), st.data())
def test_the_lines_are_the_same_in_one_event_and_in_many(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], data: st.DataObject
) -> None:
    folder, text = tmp_path_factory.mktemp("casts"), "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert lines_of(folder, [(1.0, "o", part) for part in parts]) == lines_of(folder, [(1.0, "o", text)])


def test_many_small_events_are_fed_in_few_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    feed = Emulator.feed

    def count(emulator: Emulator, data: bytes) -> None:
        fed.append(len(data))
        feed(emulator, data)

    monkeypatch.setattr(Emulator, "feed", count)
    lines = lines_of(tmp_path, [(at / 10, "o", f"{at:04}\r\n") for at in range(5000)])
    assert lines == [f"{at:04}" for at in range(5000)]
    assert sum(fed) == 30_000
    assert len(fed) < 20


def test_a_change_of_size_stands_between_what_was_said_before_and_after(tmp_path: Path) -> None:
    events = [(1.0, "o", "\x1b[99Ca\r\n"), (2.0, "r", "30x4"), (3.0, "o", "\x1b[99Cb\r\n")]
    assert lines_of(tmp_path, events) == [" " * 19 + "a", " " * 29 + "b"]


def test_what_stands_before_a_broken_line_is_there(tmp_path: Path) -> None:
    assert lines_of(tmp_path, [(1.0, "o", "one\r\n"), (2.0, "o", "two"), (3.0, "r", "nonsense")]) == ["one", "two"]
