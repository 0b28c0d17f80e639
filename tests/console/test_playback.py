"""Recordings played: any way of going to a position shows the same, pauses are cut, and a seek is a few slices."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console.emulator import Emulator
from kvtui.console.playback import Mark, Playback, Survey, survey_now
from kvtui.console.recording import Recording

Lines = Sequence[tuple[float, str, str]]


def write(folder: Path, events: Lines, *, columns: int = 20, lines: int = 4) -> Path:
    path = folder / "some.cast"
    header = {"version": 2, "width": columns, "height": lines, "timestamp": 1_000_000}
    path.write_text("".join(json.dumps(item) + "\n" for item in (header, *events)))
    return path


def play(path: Path, idle_limit: float = 0.0) -> Playback:
    return Playback(Recording(path), idle_limit)


def go(playback: Playback, position: float) -> None:
    """Seek as a player does."""
    playback.seek(position)
    while not playback.advance(position):
        pass


def looks(emulator: Emulator) -> object:
    past = [emulator.row(y) for y in range(-emulator.scrollback_size, 0)]
    return emulator.text(), [emulator.row(y) for y in range(emulator.lines)], past, emulator.cursor, emulator.modes


def fresh(path: Path, position: float, idle_limit: float = 0.0) -> Playback:
    playback = play(path, idle_limit)
    go(playback, position)
    return playback


# Emulators that are copied ------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_copy_of_an_emulator_goes_its_own_way_from_the_same_state(before: bytes, after: bytes) -> None:
    one, whole = Emulator(10, 3, 5), Emulator(10, 3, 5)
    one.feed(before)
    whole.feed(before)
    other = one.copy()
    state = looks(one)
    other.feed(after)
    whole.feed(after)
    assert looks(other) == looks(whole)
    assert looks(one) == state


# Going to positions -------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["x", "line\r\n", "\x1b[2J\x1b[H", "\x1b[31mred", "\x1b[?1049h", "\x1b[?1049l", "é", "\x1b[3;2H", "\x1b"]
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 5.0]), st.sampled_from("ooorm"), PIECES, st.sampled_from(["20x4", "9x2", "30x9"])
    ),
    max_size=20,
)


def timed(events: Sequence[tuple[float, str, str, str]]) -> list[tuple[float, str, str]]:
    now, result = 0.0, []
    for pause, code, text, size in events:
        now += pause
        result.append((now, code, size if code == "r" else text))
    return result


@given(EVENTS, st.lists(st.floats(-1, 60), max_size=6), st.sampled_from([0.0, 2.0]))
def test_a_position_looks_the_same_whichever_way_one_comes(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[float, str, str, str]], way: list[float], limit: float
) -> None:
    path = write(tmp_path_factory.mktemp("casts"), timed(events))
    playback = play(path, limit)
    for position in way:
        go(playback, position)
        expected = fresh(path, position, limit)
        assert looks(playback.emulator) == looks(expected.emulator)
        assert playback.next_position == expected.next_position


def long_recording(folder: Path, megabytes: int) -> Path:
    """A kernel's messages, 10 kB every tenth of a second."""
    text = "".join(f"[{number:9d}.123] some words of the kernel \x1b[32mok\x1b[0m\r\n" for number in range(200))
    count = megabytes * 1_000_000 // len(text)
    return write(
        folder, [(at / 10, "o", text + f"end of {at}\r\n") for at in range(1, count + 1)], columns=80, lines=24
    )


def test_going_back_in_a_long_recording_feeds_little(tmp_path: Path) -> None:
    path = long_recording(tmp_path, 6)
    playback = play(path)
    end = survey_now(Recording(path)).length
    go(playback, end)
    slices = 0
    playback.seek(end - 0.5)
    while not playback.advance(end - 0.5):
        slices += 1
    assert slices * 8192 < 2_500_000
    assert looks(playback.emulator) == looks(fresh(path, end - 0.5).emulator)
    assert f"end of {round(end * 10) - 5}" in playback.emulator.text()


# Seeks over much output ---------------------------------------------------------------------------------------------


class Meter:
    """Counts the bytes that emulators take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fed = self.pieces = 0
        feed = Emulator.feed

        def count(emulator: Emulator, data: bytes, now: float = 0.0) -> None:
            self.fed += len(data)
            self.pieces += 1
            feed(emulator, data, now)

        monkeypatch.setattr(Emulator, "feed", count)

    def take(self) -> tuple[int, int]:
        """How many bytes in how many pieces since the last call."""
        result = self.fed, self.pieces
        self.fed = self.pieces = 0
        return result


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    return Meter(monkeypatch)


def surveyed(path: Path) -> tuple[Playback, float]:
    """A player that knows where it may begin, and the length."""
    found, playback = survey_now(Recording(path)), play(path)
    playback.entries = found.entries
    return playback, found.length


@pytest.fixture(scope="module")
def long_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_recording(tmp_path_factory.mktemp("long"), 20)


def test_a_seek_over_much_output_feeds_little_and_tells_where_it_began(long_path: Path, meter: Meter) -> None:
    playback, end = surveyed(long_path)
    go(playback, end)
    assert meter.take()[0] < 3_500_000
    assert f"end of {round(end * 10)}" in playback.emulator.text()
    assert playback.emulator.scrollback_size == 2_000
    assert playback.begin is not None
    assert 0.8 * end < playback.begin < end
    assert playback.next_position is None


def test_what_a_long_seek_shows_is_what_playing_through_shows(long_path: Path) -> None:
    playback, end = surveyed(long_path)
    go(playback, end * 0.9)
    whole = fresh(long_path, end * 0.9)
    assert whole.begin is None
    assert looks(playback.emulator) == looks(whole.emulator)
    assert playback.next_position == whole.next_position


def test_small_seeks_after_a_long_one_go_on_from_where_it_began(long_path: Path, meter: Meter) -> None:
    playback, end = surveyed(long_path)
    go(playback, end * 0.8)
    begin = playback.begin
    meter.take()
    for position in (end * 0.8 + 1, end * 0.8 + 2, end * 0.8 + 0.5):
        go(playback, position)
        assert playback.begin == begin
    assert meter.take()[0] < 3_500_000
    assert f"end of {int((end * 0.8 + 0.5) * 10)}" in playback.emulator.text()
    go(playback, end * 0.6)
    assert playback.begin is not None
    assert playback.begin < end * 0.6
    assert meter.take()[0] < 3_500_000


def test_the_begin_and_what_is_near_it_leave_nothing_out(long_path: Path, meter: Meter) -> None:
    playback, end = surveyed(long_path)
    go(playback, end)
    meter.take()
    for position in (0.0, end * 0.3):
        go(playback, position)
        assert playback.begin is None
        assert looks(playback.emulator) == looks(fresh(long_path, position).emulator)


def test_a_seek_can_be_made_to_leave_nothing_out(long_path: Path, meter: Meter) -> None:
    playback, end = surveyed(long_path)
    go(playback, end)
    meter.take()
    playback.seek(end, exact=True)
    while not playback.advance(end):
        pass
    assert playback.begin is None
    assert meter.take()[0] > 19_000_000
    go(playback, end - 1)
    assert playback.begin is None, "what was played through is not left out again"
    assert meter.take()[0] < 3_000_000


def test_many_small_events_are_much_too(tmp_path: Path, meter: Meter) -> None:
    path = write(tmp_path, [(at / 1000, "o", f"{at:06}\r\n") for at in range(200_000)])
    playback, end = surveyed(path)
    go(playback, end)
    assert meter.take()[1] < 50_000
    assert playback.emulator.text()[2] == "199999"


def test_a_long_seek_begins_with_a_whole_line_in_the_size_of_then(tmp_path: Path) -> None:
    line = "0123456789" * 9 + "\r\n"
    text = line * 2000
    cut = [text[at : at + 777] for at in range(0, len(text), 777)] * 60
    events = [(1.0, "r", "100x7"), *((2.0 + at, "o", piece) for at, piece in enumerate(cut))]
    playback, end = surveyed(write(tmp_path, [*events, (len(cut) + 3.0, "r", "20x4")]))
    playback.seek(end - 1.5)
    while playback.emulator.scrollback_size < 3:
        playback.step()
    assert playback.begin is not None
    assert (playback.emulator.columns, playback.emulator.lines) == (100, 7)
    assert playback.emulator.row(-playback.emulator.scrollback_size)[0].text == line.rstrip()


def test_a_seek_into_output_without_line_ends_shows_some_of_it(tmp_path: Path) -> None:
    path = write(tmp_path, [(float(at), "o", "x" * 100_000) for at in range(120)])
    playback, end = surveyed(path)
    go(playback, end)
    assert playback.begin is not None
    assert playback.emulator.text()[0] == "x" * 20


def test_a_slice_is_short(tmp_path: Path) -> None:
    """The screen lives between two slices, whatever one event holds."""
    path = write(tmp_path, [(0.5, "o", "x" * 3_000_000)])
    playback = play(path)
    slices = 1
    while not playback.advance(1.0):
        slices += 1
    assert slices > 100


# Pauses, steps, marks -----------------------------------------------------------------------------------------------


def test_long_pauses_are_cut_and_the_time_of_the_recording_is_known(tmp_path: Path) -> None:
    path = write(tmp_path, [(1.0, "o", "a"), (3601.0, "o", "b"), (3602.0, "o", "c")])
    playback = play(path, 2.0)
    assert playback.next_position == 1.0
    go(playback, 2.5)
    assert (playback.emulator.text()[0], playback.time, playback.next_position) == ("a", 2.5, 3.0)
    go(playback, 3.0)
    assert (playback.emulator.text()[0], playback.time, playback.next_position) == ("ab", 3601.0, 4.0)
    go(playback, 10.0)
    assert playback.time == 3608.0
    assert survey_now(Recording(path), 2.0) == Survey(3602.0, 4.0, 3, 3, (), "")


def test_a_step_is_one_event(tmp_path: Path) -> None:
    playback = play(write(tmp_path, [(1.0, "o", "a"), (1.0, "o", "b" * 10), (2.0, "r", "30x9"), (2.5, "o", "c")]))
    seen = []
    for _ in range(5):
        playback.step()
        seen.append((playback.position, playback.emulator.text()[0], playback.emulator.columns))
    assert seen == [
        (1.0, "a", 20),
        (1.0, "a" + "b" * 10, 20),
        (2.0, "a" + "b" * 10, 30),
        (2.5, "a" + "b" * 10 + "c", 30),
        (2.5, "a" + "b" * 10 + "c", 30),
    ]


def test_marks_are_found_before_and_after(tmp_path: Path) -> None:
    path = write(tmp_path, [(1.0, "m", "one"), (101.0, "m", "two"), (101.0, "o", "x"), (102.0, "m", "three")])
    found = survey_now(Recording(path), 2.0)
    one, two, three = Mark(1.0, 1.0, "one"), Mark(3.0, 101.0, "two"), Mark(4.0, 102.0, "three")
    assert found.marks == (one, two, three)
    assert [found.mark_at(at) for at in (0.5, 1.0, 3.5, 9.0)] == [None, one, two, three]
    assert [found.mark_after(at) for at in (0.5, 1.0, 3.5, 4.0)] == [one, two, three, None]
    assert [found.mark_before(at) for at in (0.5, 1.0, 3.5, 9.0)] == [None, None, two, three]


def test_what_stands_before_a_broken_line_is_played(tmp_path: Path) -> None:
    path = write(tmp_path, [(1.0, "o", "a"), (2.0, "r", "0x0"), (3.0, "o", "b")])
    playback = fresh(path, 10.0)
    assert playback.emulator.text()[0] == "a"
    assert playback.next_position is None
    found = survey_now(Recording(path))
    assert (found.length, found.events) == (1.0, 1)
    assert "line 3 has a terminal of 0 by 0" in found.trouble


def test_lines_are_stamped_with_the_time_of_the_recording(tmp_path: Path) -> None:
    playback = fresh(write(tmp_path, [(1.5, "o", "a\r\n"), (4.0, "o", "b")]), 10.0)
    assert [playback.emulator.stamp(row) for row in (0, 1)] == [1_000_001.5, 1_000_004.0]


def test_a_recording_of_50_mb_is_surveyed_in_seconds(tmp_path: Path) -> None:
    path = long_recording(tmp_path, 50)
    begun = time.monotonic()
    assert survey_now(Recording(path), 2.0).output > 50_000_000
    assert time.monotonic() - begun < 10
