"""Recordings as text: the same lines however the output was cut into events, in as few pieces as may be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console import plaintext
from kvtui.console.emulator import Emulator
from kvtui.console.plaintext import read_text
from kvtui.console.recording import Recording


def lines_of(folder: Path, events: Sequence[tuple[float, str, str]]) -> list[str]:
    path = folder / "some.cast"
    header = {"version": 2, "width": 20, "height": 4}
    path.write_text("".join(json.dumps(item) + "\n" for item in (header, *events)))
    with Recording(path) as recording:
        text = "".join(read_text(recording))
    assert not text or text.endswith("\n")
    return text.split("\n")[:-1]


@given(st.lists(st.sampled_from(["word ", "é", "end\r\n", "x" * 30, "\x1b[31m", "\r\n"]), max_size=40), st.data())
def test_the_lines_are_the_same_in_one_event_and_in_many(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], data: st.DataObject
) -> None:
    folder, text = tmp_path_factory.mktemp("casts"), "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert lines_of(folder, [(1.0, "o", part) for part in parts]) == lines_of(folder, [(1.0, "o", text)])


_GUEST = [
    *("x", "word ", "   ", "é", "日本", "e\u0301", "soft\xadhyphen", "👩\u200d🚀", "\t", "x" * 33),
    *("\r", "\n", "\r\n", "\r\r\n", "one\r\n", "日本語\r\n" * 9, "\x1b[31m", "\x1b[44m", "\x1b[m", "\x1b[5b"),
    *("\x1b[H", "\x1b[2J", "\x1b[J", "\x1b[2A", "\x1b[K", "\x1b[?1049h", "\x1b[?1049l", "\x1b[2;3r", "\x1b[r"),
    *("\x1b[?7l", "\x1b[?7h", "\x1b[4h", "\x1b[4l", "\x1b(0", "\x1b(B", "\x1b7", "\x1b8", "\x1b]0;title", "\x07"),
    *("\x9b1m", "\x1b[3", "\x1bc"),
    *(f"{line}\r\n" * 30 for line in ("", "a", "long " * 9, "\x1b[1mb ", "日本語" * 9)),
]
"""What a guest may say, much of it lines that only scroll by."""


@given(st.lists(st.sampled_from(_GUEST) | st.just(None), max_size=60))
def test_lines_that_are_not_drawn_read_as_if_they_were(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str | None]
) -> None:
    folder = tmp_path_factory.mktemp("casts")
    events = [(1.0, "r", f"20x{4 + at % 3}") if piece is None else (1.0, "o", piece) for at, piece in enumerate(pieces)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plaintext, "_SLICE", 16)
        taken = lines_of(folder, events)
        patch.setattr(plaintext, "_WORTHWHILE", 1_000_000)
        assert taken == lines_of(folder, events)


def test_lines_that_only_scroll_by_are_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    feed = Emulator.feed

    def count(emulator: Emulator, data: bytes) -> None:
        fed.append(len(data))
        feed(emulator, data)

    monkeypatch.setattr(Emulator, "feed", count)
    lines = lines_of(tmp_path, [(at / 10, "o", f"\x1b[32m{at:04}\x1b[m\r\n") for at in range(5000)])
    assert lines == [f"{at:04}" for at in range(5000)]
    assert sum(fed) < 10_000
    assert len(fed) < 20


def test_no_more_lines_are_kept_than_a_screen_may_take_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    feed = Emulator.feed

    def look(emulator: Emulator, data: bytes) -> None:
        sizes.append(emulator.scrollback_size)
        feed(emulator, data)

    monkeypatch.setattr(Emulator, "feed", look)
    lines = lines_of(tmp_path, [(1.0, "o", f"{at}\t\r\n") for at in range(20_000)])
    assert len(lines) == 20_000
    assert max(sizes) <= 1_000


def test_a_change_of_size_stands_between_what_was_said_before_and_after(tmp_path: Path) -> None:
    events = [(1.0, "o", "\x1b[99Ca\r\n"), (2.0, "r", "30x4"), (3.0, "o", "\x1b[99Cb\r\n")]
    assert lines_of(tmp_path, events) == [" " * 19 + "a", " " * 29 + "b"]


def test_what_stands_before_a_broken_line_is_there(tmp_path: Path) -> None:
    assert lines_of(tmp_path, [(1.0, "o", "one\r\n"), (2.0, "o", "two"), (3.0, "r", "nonsense")]) == ["one", "two"]
