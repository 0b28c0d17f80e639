"""Lines of the emulator: when they were written, which of them go on in the next, what a narrower screen hides."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kvtui.console.emulator import Emulator

from .screens import picture
from .test_emulator import STREAMS

CSI = "\x1b["


def fed(columns: int, lines: int, *pieces: str) -> Emulator:
    """An emulator fed with `pieces`, one second apart from 1.0 on."""
    emulator = Emulator(columns, lines)
    for second, piece in enumerate(pieces, 1):
        emulator.feed(piece.encode(), float(second))
    return emulator


def stamps(emulator: Emulator) -> list[float | None]:
    return [emulator.stamp(y) for y in range(-emulator.scrollback_size, emulator.lines)]


def wraps(emulator: Emulator) -> list[bool]:
    return [emulator.is_wrapped(y) for y in range(-emulator.scrollback_size, emulator.lines)]


# -- lines that scroll by

LINES = st.lists(
    st.one_of(
        st.lists(st.text("ab ", max_size=9), min_size=1, max_size=12).map(lambda lines: "\r\n".join(lines) + "\r\n"),
        st.sampled_from(
            [
                *("\n", "\r", "x", "日\r\n", "\t", "\x7f\r\n", f"{CSI}3b", f"{CSI}A", f"{CSI}9;1H", f"{CSI}1;1H"),
                *(
                    f"{CSI}41m",
                    f"{CSI}32m",
                    f"{CSI}m",
                    f"{CSI}2;3r",
                    f"{CSI}r",
                    f"{CSI}K",
                    f"{CSI}J",
                    f"{CSI}2J",
                    f"{CSI}3J",
                    "\x1bc",
                ),
                *(f"{CSI}?7l", f"{CSI}?7h", f"{CSI}20h", f"{CSI}4h", f"{CSI}4l", f"{CSI}?1049h", f"{CSI}?1049l"),
                *("\x1b(0", "\x1b(B", f"{CSI}P", f"{CSI}2@", f"{CSI}S", f"{CSI}T", f"{CSI}L", f"{CSI}M", "\x1bM"),
            ]
        ),
    ),
    max_size=8,
)


@example(6, 4, ["\n\n\n\nxy\n", "a\r\nb\r\nc\r\n"], (6, 4), [])
@example(6, 4, [f"{CSI}1;2r{CSI}4;1H\n", "a\r\nb\r\nc\r\n"], (6, 4), [])
@example(6, 4, ["\n\n\n\n", "a\r\nb\r\nc\r\n\r\n", f"{CSI}3b"], (6, 4), [])
@example(6, 4, ["\n\n\n\n", f"{CSI}1;32m", "a  \r\n  \r\nc\r\nd\r\ne\r\n"], (6, 4), [])
@given(st.integers(2, 9), st.integers(1, 5), LINES, st.tuples(st.integers(2, 9), st.integers(1, 9)), LINES)
@settings(deadline=None, max_examples=400)
def test_many_lines_at_once_leave_what_they_leave_one_by_one(
    columns: int, lines: int, before: list[str], size: tuple[int, int], after: list[str]
) -> None:
    whole, single = Emulator(columns, lines, 15), Emulator(columns, lines, 15)
    for second, said in enumerate((before, after), 1):
        data = "".join(said).encode()
        whole.feed(data, float(second))
        for byte in data:
            single.feed(bytes((byte,)), float(second))
        assert picture(whole) == picture(single)
        assert (stamps(whole), wraps(whole)) == (stamps(single), wraps(single))
        assert whole.scrolled_total == single.scrolled_total
        for emulator in (whole, single):
            emulator.resize(*size)


def test_a_flood_of_lines_changes_the_whole_screen_but_nothing_behind_it() -> None:
    emulator = Emulator(20, 4, 10)
    emulator.feed(b"start\r\n" * 4)
    held = list(emulator.past(0, 10))
    emulator.take_changed()
    emulator.feed(b"".join(b"line %d\r\n" % number for number in range(1000)), 5.0)
    assert emulator.take_changed() is None
    assert emulator.text() == ["line 997", "line 998", "line 999", ""]
    assert [emulator.row(y)[0].text for y in range(-10, 0)] == [f"line {number}" for number in range(987, 997)]
    assert (emulator.scrolled_total, emulator.stamp(-1)) == (1001, 5.0)
    assert [line.runs[0].text for line in held] == ["start"]


# -- stamps


def test_a_line_knows_when_it_was_last_written() -> None:
    assert stamps(fed(10, 4, "one\r\n", "two\r\nth", "ree")) == [1.0, 2.0, 3.0, None]


def test_a_line_written_over_is_as_old_as_what_stands_there_now() -> None:
    assert stamps(fed(10, 3, "one\r\ntwo", f"{CSI}H1", "\x1b[3;1H日")) == [2.0, 1.0, 3.0]


def test_a_combining_mark_is_written_too() -> None:
    assert stamps(fed(10, 1, "e", "\u0301")) == [2.0]


def test_moving_about_and_erasing_write_nothing() -> None:
    assert stamps(fed(10, 3, "one", f"{CSI}2;4H{CSI}K\r\n{CSI}1;2H{CSI}K")) == [1.0, None, None]


def test_stamps_go_along_into_the_scrollback_and_back() -> None:
    emulator = fed(10, 2, "one\r\n", "two\r\n", "three\r\n", "four")
    assert stamps(emulator) == [1.0, 2.0, 3.0, 4.0]
    emulator.resize(10, 1)
    assert stamps(emulator) == [1.0, 2.0, 3.0, 4.0]
    emulator.resize(10, 2)
    assert stamps(emulator) == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        ("L", [1.0, None, 2.0, 3.0]),
        ("M", [1.0, 3.0, 4.0, None]),
        ("S", [1.0, 2.0, 3.0, 4.0, None]),
        ("T", [None, 1.0, 2.0, 3.0]),
    ],
)
def test_stamps_move_with_their_lines(move: str, expected: list[float | None]) -> None:
    assert stamps(fed(10, 4, "1\r\n", "2\r\n", "3\r\n", "4", f"{CSI}2;1H{CSI}{move}")) == expected


def test_the_other_screen_leaves_the_stamps_of_the_main_one() -> None:
    emulator = fed(10, 2, "one", f"{CSI}?1049h{CSI}Htwo\r\ntwo")
    assert stamps(emulator) == [2.0, 2.0]
    emulator.feed(f"{CSI}?1049l".encode(), 9.0)
    assert stamps(emulator) == [1.0, None]


@pytest.mark.parametrize("y", [2, -1])
def test_there_are_no_stamps_beyond_the_lines(y: int) -> None:
    emulator = Emulator(10, 2)
    with pytest.raises(IndexError):
        emulator.stamp(y)
    with pytest.raises(IndexError):
        emulator.is_wrapped(y)


# -- wrapped lines


def test_a_line_too_long_goes_on_in_the_next() -> None:
    assert wraps(fed(5, 4, "abcdefghijklm\r\nnop")) == [True, True, False, False]


def test_a_line_that_fills_its_row_exactly_does_not_go_on() -> None:
    assert wraps(fed(5, 3, "abcde\r\nfghij\r\n")) == [False, False, False]


def test_wide_characters_wrap_a_column_early() -> None:
    assert wraps(fed(5, 2, "日本語")) == [True, False]


def test_wrapped_lines_stay_so_in_the_scrollback_and_when_taken_back() -> None:
    emulator = fed(5, 2, "abcdefghijklm\r\nnop")
    assert wraps(emulator) == [True, True, False, False]
    emulator.resize(5, 1)
    emulator.resize(5, 2)
    assert wraps(emulator) == [True, True, False, False]


def test_a_screen_of_one_row_wraps_into_its_scrollback() -> None:
    assert wraps(fed(5, 1, "abcdefg\r\nh")) == [True, False, False]


def test_the_last_column_without_wrapping_makes_no_long_line() -> None:
    assert wraps(fed(5, 2, f"{CSI}?7labcdefgh")) == [False, False]


@pytest.mark.parametrize(
    "edit",
    [
        f"{CSI}1;5HX",
        f"{CSI}1;3H{CSI}K",
        f"{CSI}1;3H{CSI}P",
        f"{CSI}1;3H{CSI}@",
        f"{CSI}2;1H{CSI}L",
        f"{CSI}2;1H{CSI}M",
        f"{CSI}2;1H{CSI}J",
        f"{CSI}2;1H{CSI}2K",
        f"{CSI}2;3r{CSI}S",
        f"{CSI}2;3r{CSI}T",
        f"{CSI}2;3r{CSI}3;1H\n",
        f"{CSI}2;3r{CSI}2;1H\x1bM",
        f"{CSI}2;2H{CSI}1J",
        "\x1b#8",
    ],
)
def test_what_parts_a_line_from_its_continuation_makes_two_lines_of_them(edit: str) -> None:
    emulator = fed(5, 4, "abcdefg")
    assert wraps(emulator)[0]
    emulator.feed(edit.encode())
    assert not any(wraps(emulator))


@pytest.mark.parametrize(
    "edit", [f"{CSI}1;2HX", f"{CSI}2;2H{CSI}K", f"{CSI}2;1HX", f"{CSI}1;2H{CSI}X", f"{CSI}3;1H{CSI}J"]
)
def test_an_edit_elsewhere_leaves_a_long_line_one(edit: str) -> None:
    assert wraps(fed(5, 3, "abcdefg", edit)) == [True, False, False]


@pytest.mark.parametrize(
    "clear",
    [f"{CSI}H{CSI}2J", f"{CSI}H{CSI}J", f"{CSI}2;5H{CSI}1J", f"{CSI}H{CSI}M", f"{CSI}H{CSI}L", f"{CSI}T", "\x1bc"],
)
def test_a_long_line_ends_in_the_scrollback_when_its_rest_is_cleared_away(clear: str) -> None:
    emulator = fed(5, 2, "abcdefg\r\nx")
    assert wraps(emulator) == [True, False, False]
    emulator.feed(clear.encode())
    rest_is_kept = emulator.scrollback_size > 1
    assert emulator.is_wrapped(-emulator.scrollback_size) == rest_is_kept
    assert not emulator.is_wrapped(-1)


@given(st.text("abcdefg 日本", max_size=60).map("<{}>".format), st.integers(2, 9), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_joined_where_wrapped_the_lines_are_the_text_that_was_sent(text: str, columns: int, lines: int) -> None:
    emulator = Emulator(columns, lines)
    emulator.feed(f"{text}\r\n{text}".encode())
    joined = [""]
    for y in range(-emulator.scrollback_size, emulator.lines):
        joined[-1] += "".join(run.text for run in emulator.row(y))
        if not emulator.is_wrapped(y):
            joined.append("")
    assert [line for line in joined if line] == [text, text]


def test_a_long_line_moves_as_one() -> None:
    assert wraps(fed(5, 4, "abcdefg", f"{CSI}1;1H{CSI}L")) == [False, True, False, False]


# -- widths


def test_a_narrower_screen_hides_and_a_wider_one_shows_again() -> None:
    emulator = fed(20, 3, f"{CSI}32mgreen text{CSI}0m and more\r\n日本語日本語日本\r\nshort")
    before = [emulator.row(y) for y in range(3)]
    emulator.resize(7, 3)
    assert emulator.text() == ["green t", "日本語", "short"]
    emulator.resize(13, 3)
    emulator.resize(3, 3)
    emulator.resize(20, 3)
    assert [emulator.row(y) for y in range(3)] == before


def test_hidden_text_goes_whole_into_the_scrollback_and_comes_back_so() -> None:
    emulator = fed(20, 2, "a long line of text\r\nend")
    emulator.resize(6, 2)
    emulator.resize(6, 1)
    assert [run.text for run in emulator.row(-1)] == ["a long line of text"]
    emulator.resize(6, 2)
    assert emulator.text() == ["a long", "end"]
    emulator.resize(20, 2)
    assert emulator.text() == ["a long line of text", "end"]


@pytest.mark.parametrize(
    ("edit", "shown"),
    [
        (f"{CSI}1;1HXY", "XYcdefghij"),
        (f"{CSI}1;4HXY", "abcXY"),
        (f"{CSI}1;3H{CSI}K", "ab"),
        (f"{CSI}1;3H{CSI}X", "ab defghij"),
        (f"{CSI}1;3H{CSI}P", "abde"),
        (f"{CSI}1;3H{CSI}@", "ab cd"),
        (f"{CSI}1;5H日", "abcde"),
    ],
)
def test_hidden_text_is_gone_once_the_right_edge_is_edited(edit: str, shown: str) -> None:
    emulator = fed(10, 3, "abcdefghij")
    emulator.resize(5, 3)
    emulator.feed(edit.encode())
    emulator.resize(10, 3)
    assert emulator.text()[0] == shown


def test_a_row_with_text_hidden_alone_does_not_give_way_to_a_lower_screen() -> None:
    emulator = fed(10, 3, f"{CSI}3;8Hx{CSI}1;1H")
    emulator.resize(5, 3)
    emulator.resize(5, 2)
    emulator.resize(10, 2)
    assert emulator.text() == ["", "       x"]


@given(STREAMS, st.lists(st.integers(2, 30), max_size=4))
@settings(max_examples=200, deadline=None)
def test_whatever_was_drawn_is_there_again_after_any_widths(stream: bytes, widths: list[int]) -> None:
    emulator = Emulator(12, 5, 30)
    emulator.feed(stream + b"\x1b[r\x1b[1;1H")
    before = picture(emulator)
    for width in widths:
        emulator.resize(width, 5)
    emulator.resize(12, 5)
    assert picture(emulator) == before
