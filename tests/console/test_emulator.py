"""The emulator as a whole: any bytes in any pieces, sizes, what changed, replies."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcwidth

from kvtui.console.emulator import Emulator, Look
from kvtui.console.modes import Modes
from tests.bench.emulator import boot_log, kernel_log

from .screens import picture

NUMBERS = st.integers(0, 30).map(str) | st.sampled_from(["", "9999", "47", "1047", "1049", "2004", "38;5;200"])
PARAMETERS = st.lists(NUMBERS, max_size=4).map(";".join)


def _repeated(character: str) -> st.SearchStrategy[str]:
    """So many that the sequence is just within or just beyond what the tokenizer takes."""
    return st.sampled_from([3, 4, 5, 6, 255, 256, 257]).map(lambda count: character * count)


SEQUENCES = st.one_of(
    st.builds(
        "\x1b[{}{}{}{}".format,
        st.sampled_from(["", "", "?", ">", "="]),
        PARAMETERS,
        st.sampled_from(["", "", "", " ", "!", "\n"]),
        st.sampled_from("@ABCDEFGHIJKLMPSTXZ`abcdefghlmnprstu"),
    ),
    st.sampled_from([f"\x1b{c}" for c in "78DEHMZc=>\\"] + ["\x1b(0", "\x1b(B", "\x1b)0", "\x1b#8", "\x1b%G"]),
    st.builds(
        "\x1b{}{}{}".format, st.sampled_from("]P_^X"), st.text(max_size=8), st.sampled_from(["\x07", "\x1b\\", ""])
    ),
    st.builds(
        "\x1b{}{}{}".format, st.just("[") | st.just(""), st.sampled_from([" ", "1"]).flatmap(_repeated), st.just("m")
    ),
    st.sampled_from(list("\r\n\b\t\x0e\x0f\x18\x1b")),
    st.text(max_size=12),
    st.sampled_from(["日本語", "e\u0301", "❤\ufe0f", "👩\u200d💻", "x" * 15, "\u009b1m", "\u2502"]),
)
STREAMS = st.lists(
    SEQUENCES.map(lambda part: part.encode("utf-8", "replace")) | st.binary(max_size=6), max_size=25
).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=400, deadline=None)
def test_any_split_of_a_stream_gives_the_same_screen(stream: bytes, cuts: list[int]) -> None:
    whole, pieces = Emulator(12, 5, 30), Emulator(12, 5, 30)
    whole.feed(stream)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(places):
        pieces.feed(stream[start:end])
    assert picture(pieces) == picture(whole)


@given(STREAMS)
@settings(max_examples=200, deadline=None)
def test_byte_by_byte_gives_the_same_screen(stream: bytes) -> None:
    whole, pieces = Emulator(12, 5, 30), Emulator(12, 5, 30)
    whole.feed(stream)
    for byte in stream:
        pieces.feed(bytes((byte,)))
    assert picture(pieces) == picture(whole)


SIZES = st.tuples(st.integers(0, 20), st.integers(0, 8))


@given(st.lists(STREAMS | SIZES, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_bytes_and_no_sizes_break_the_screen(steps: list[bytes | tuple[int, int]]) -> None:
    emulator = Emulator(10, 4, 20)
    for step in steps:
        if isinstance(step, bytes):
            emulator.feed(step)
        else:
            emulator.resize(*step)
        assert_sound(emulator)


def assert_sound(emulator: Emulator) -> None:
    assert len(emulator.text()) == emulator.lines
    for y in range(-emulator.scrollback_size, emulator.lines):
        text = "".join(run.text for run in emulator.row(y))
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
        if y >= 0:
            assert sum(max(0, wcwidth(character)) for character in text) <= emulator.columns
        for before, after in pairwise(emulator.row(y)):
            assert before.look != after.look
    x, y, _ = emulator.cursor
    assert 0 <= x < emulator.columns
    assert 0 <= y < emulator.lines


@given(st.lists(STREAMS, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_every_changed_row_is_reported(streams: list[bytes]) -> None:
    emulator = Emulator(10, 5, 20)
    emulator.take_changed()
    for stream in streams:
        before, cursor = [emulator.row(y) for y in range(emulator.lines)], emulator.cursor
        emulator.feed(stream)
        changed = emulator.take_changed()
        if changed is not None:
            differing = {y for y in range(emulator.lines) if emulator.row(y) != before[y]}
            if emulator.cursor != cursor:
                differing |= {cursor.y, emulator.cursor.y}
            assert differing <= changed


def test_typing_changes_one_row_and_moving_the_cursor_two() -> None:
    emulator = Emulator(20, 5)
    assert emulator.take_changed() is None
    emulator.feed(b"abc")
    assert emulator.take_changed() == frozenset({0})
    emulator.feed(b"\x1b[4;1H")
    assert emulator.take_changed() == frozenset({0, 3})
    assert emulator.take_changed() == frozenset()
    emulator.feed(b"\n\n")
    assert emulator.take_changed() is None


def test_scrolling_a_region_changes_the_region_alone() -> None:
    emulator = Emulator(20, 6)
    emulator.feed(b"\x1b[2;4r\x1b[4;1H")
    emulator.take_changed()
    emulator.feed(b"\n")
    assert emulator.take_changed() == frozenset({1, 2, 3})


@pytest.mark.parametrize("make", [kernel_log, boot_log])
def test_logs_look_as_in_stock_pyte(make: Callable[[], str]) -> None:
    data = make().encode()[:60_000]
    ours, stock = Emulator(100, 30), pyte.Screen(100, 30)
    stream = pyte.ByteStream(stock)
    rng = random.Random(7)
    while data:
        size = rng.randint(1, 900)
        ours.feed(data[:size])
        stream.feed(data[:size])
        data = data[size:]
    assert ours.text() == [line.rstrip() for line in stock.display]


# -- sizes


def numbered(count: int, columns: int = 20, lines: int = 10) -> Emulator:
    emulator = Emulator(columns, lines)
    emulator.feed("\r\n".join(f"line {n}" for n in range(count)).encode())
    return emulator


def history(emulator: Emulator) -> list[str]:
    return ["".join(run.text for run in emulator.row(y)) for y in range(-emulator.scrollback_size, 0)]


def test_a_smaller_screen_keeps_every_line_and_the_prompt_in_sight() -> None:
    emulator = numbered(10)
    emulator.resize(20, 4)
    assert emulator.text() == ["line 6", "line 7", "line 8", "line 9"]
    assert history(emulator) == [f"line {n}" for n in range(6)]
    assert emulator.cursor[:2] == (6, 3)
    emulator.feed(b"!")
    assert emulator.text()[3] == "line 9!"


def test_blank_rows_below_the_cursor_give_way_first() -> None:
    emulator = numbered(3)
    emulator.resize(20, 5)
    assert emulator.text() == ["line 0", "line 1", "line 2", "", ""]
    assert emulator.scrollback_size == 0


def test_blank_rows_below_the_cursor_give_way_first_on_a_narrower_screen_too() -> None:
    emulator = numbered(3)
    emulator.resize(10, 5)
    assert emulator.text() == ["line 0", "line 1", "line 2", "", ""]
    assert emulator.cursor[:2] == (6, 2)
    emulator.resize(8, 4)
    assert emulator.text() == ["line 0", "line 1", "line 2", ""]
    assert emulator.scrollback_size == 0


def test_a_row_below_the_cursor_stays_when_all_that_is_on_it_is_hidden() -> None:
    emulator = numbered(3)
    emulator.feed(b"\x1b[5;15Hright\x1b[2;1H")
    emulator.resize(10, 4)
    assert emulator.scrollback_size == 1
    emulator.resize(20, 4)
    assert emulator.text() == ["line 1", "line 2", "", "              right"]


def test_a_larger_screen_takes_back_what_the_smaller_displaced() -> None:
    emulator = numbered(14)
    before = picture(emulator)
    emulator.resize(20, 3)
    assert emulator.scrolled_total == 11
    emulator.resize(20, 10)
    assert picture(emulator) == before


def test_a_larger_screen_takes_back_nothing_that_scrolled_away() -> None:
    emulator = numbered(14)
    emulator.resize(20, 12)
    assert emulator.text()[0] == "line 4"
    assert emulator.scrollback_size == 4


def test_what_a_smaller_screen_displaced_stays_above_once_more_has_scrolled() -> None:
    emulator = numbered(10)
    emulator.resize(20, 4)
    emulator.feed(b"\r\nnew")
    emulator.resize(20, 10)
    assert emulator.text()[:4] == ["line 7", "line 8", "line 9", "new"]
    assert history(emulator)[-1] == "line 6"


def test_the_main_screen_keeps_its_lines_when_resized_behind_the_alternate() -> None:
    emulator = numbered(10)
    emulator.feed(b"\x1b[?1049h\x1b[Hfull")
    emulator.resize(20, 4)
    assert emulator.text()[0] == "full"
    emulator.feed(b"\x1b[?1049l$")
    assert emulator.text() == ["line 6", "line 7", "line 8", "line 9$"]
    assert history(emulator) == [f"line {n}" for n in range(6)]


def test_wide_characters_come_back_from_the_scrollback_whole() -> None:
    emulator = Emulator(12, 3)
    emulator.feed("\x1b[31m日本e\u0301\x1b[0mx\r\nb\r\nc".encode())
    before = picture(emulator)
    emulator.resize(12, 1)
    emulator.resize(12, 3)
    assert picture(emulator) == before


def test_tab_stops_reach_over_new_columns() -> None:
    emulator = Emulator(10, 2)
    emulator.resize(40, 2)
    emulator.feed(b"\t\t\tx")
    assert emulator.text()[0] == " " * 24 + "x"


def test_the_scrollback_is_bounded_and_its_count_goes_on() -> None:
    emulator = Emulator(20, 2, scrollback=3)
    emulator.feed("\r\n".join(map(str, range(10))).encode())
    assert history(emulator) == ["5", "6", "7"]
    assert emulator.scrolled_total == 8
    with pytest.raises(IndexError):
        emulator.row(-4)


def test_a_scrollback_line_keeps_its_looks() -> None:
    emulator = Emulator(20, 1)
    emulator.feed(b"[\x1b[32m OK \x1b[0m] done\r\n")
    assert [(run.text, run.look) for run in emulator.row(-1)] == [
        ("[", Look()),
        (" OK ", Look(fg="2")),
        ("] done", Look()),
    ]


# -- replies


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        (b"\x1b[c", b"\x1b[?62;22c"),
        (b"\x1b[0c", b"\x1b[?62;22c"),
        (b"\x1bZ", b"\x1b[?62;22c"),
        (b"\x1b[>c", b"\x1b[>1;10;0c"),
        (b"\x1b[5n", b"\x1b[0n"),
        (b"\x1b[3;7H\x1b[6n", b"\x1b[3;7R"),
        (b"\x1b[3;7H\x1b[?6n", b"\x1b[?3;7R"),
        (b"\x1b[999;999H\x1b[6n", b"\x1b[24;80R"),
        (b"\x1b[4;9r\x1b[?6h\x1b[2;2H\x1b[6n", b"\x1b[2;2R"),
        (b"\x1b[18t", b"\x1b[8;24;80t"),
        (b"\x1b[4$p", b"\x1b[4;2$y"),
        (b"\x1b[4h\x1b[4$p", b"\x1b[4;1$y"),
        (b"\x1b[12$p", b"\x1b[12;0$y"),
        (b"\x1b[?7$p", b"\x1b[?7;1$y"),
        (b"\x1b[?7l\x1b[?7$p", b"\x1b[?7;2$y"),
        (b"\x1b[?1049$p", b"\x1b[?1049;2$y"),
        (b"\x1b[?1049h\x1b[?1049$p", b"\x1b[?1049;1$y"),
        (b"\x1b[?2026h\x1b[?2026$p", b"\x1b[?2026;0$y"),
    ],
)
def test_questions_are_answered(question: bytes, reply: bytes) -> None:
    replies: list[bytes] = []
    Emulator(answer=replies.append).feed(question)
    assert replies == [reply]


@pytest.mark.parametrize(
    "echo",
    [
        b"\x1b[?62;22c",
        b"\x1b[>1;10;0c",
        b"\x1b[0n",
        b"\x1b[3;7R",
        b"\x1b[8;24;80t",
        b"\x1b[?7;1$y",
        b"\x1b[21t",
        b"\x1b]52;c;?\x07",
    ],
)
def test_an_echoed_reply_and_questions_about_secrets_stay_without_reply(echo: bytes) -> None:
    replies: list[bytes] = []
    Emulator(answer=replies.append).feed(b"\x1b]0;title\x07" + echo)
    assert replies == []


def test_replies_are_limited_in_time() -> None:
    now = 100.0
    replies: list[bytes] = []
    emulator = Emulator(answer=replies.append, clock=lambda: now)
    emulator.feed(b"\x1b[5n" * 5000)
    assert len(replies) == 20
    now += 1.0
    emulator.feed(b"\x1b[5n" * 5000)
    assert len(replies) == 30


# -- slices


class Slow(Emulator):
    """An emulator that takes so many milliseconds for a kilobyte, by its own clock."""

    def __init__(self, milliseconds: float) -> None:
        self.seconds = 0.0
        self.milliseconds = milliseconds
        self.slices: list[int] = []
        super().__init__(clock=lambda: self.seconds)

    def feed(self, data: bytes, now: float = 0.0) -> None:
        self.seconds += self.milliseconds * len(data) / 1_000_000
        self.slices.append(len(data))
        super().feed(data, now)


def test_slices_grow_while_they_are_cheap() -> None:
    emulator = Slow(milliseconds=0.2)
    assert sum(1 for _ in emulator.feed_in_slices(b"x" * 100_000)) == len(emulator.slices)
    assert emulator.slices[:5] == [2048, 4096, 8192, 16384, 16384]
    assert sum(emulator.slices) == 100_000


def test_slices_shrink_when_they_cost_much_and_stay_so_for_what_comes_next() -> None:
    emulator = Slow(milliseconds=60)
    for _ in range(3):
        list(emulator.feed_in_slices(b"x" * 8192))
    assert emulator.slices[0] == 2048
    assert max(emulator.slices[1:]) * emulator.milliseconds / 1_000_000 <= 0.02
    assert sum(emulator.slices) == 3 * 8192


def test_lines_fed_in_slices_have_their_stamp_and_are_all_there() -> None:
    emulator = Emulator(80, 24)
    for _ in emulator.feed_in_slices("\r\n".join(map(str, range(5000))).encode(), 7.0):
        pass
    assert emulator.text()[-1] == "4999"
    assert emulator.stamp(-1) == 7.0


@pytest.mark.parametrize("end", [b"", b"\x1b[3", b"\x1b]0;title", "日".encode()[:2]])
def test_terminal_recovers_from_what_a_guest_left_behind(end: bytes) -> None:
    emulator = Emulator(10, 4)
    emulator.feed(b"shell$ vi\r\n\x1b[?1049h\x1b[?1;5;6;1003;1006;2004h\x1b[?7;25l\x1b[4;20h")
    emulator.feed(b"\x1b[2;3r\x1b[41;7m\x1b(0\x1b)0\x0eqqq" + end)
    emulator.recover()
    assert emulator.modes == Modes()
    assert emulator.text() == ["shell$ vi", "", "", ""]
    assert emulator.cursor == (0, 1, True)
    emulator.feed("q日本 wraps\r\nnext".encode())
    assert emulator.text() == ["shell$ vi", "q日本 wrap", "s", "next"]
    assert [run.look for run in emulator.row(1)] == [Look()]
    fresh = Emulator(10, 4)
    fresh.feed(b"text stays")
    fresh.recover()
    assert fresh.text()[0] == "text stays"
