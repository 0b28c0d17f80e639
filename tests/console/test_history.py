"""The lines of an emulator by lasting numbers, their text as people mean it, words, and what is found in them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvtui.console.emulator import Emulator
from kvtui.console.history import History, Place, Span, text_of
from kvtui.console.search import Search


def history(*said: str | bytes, columns: int = 20, lines: int = 4, scrollback: int = 100) -> History:
    emulator = Emulator(columns, lines, scrollback)
    for item in said:
        emulator.feed(item.encode() if isinstance(item, str) else item)
    return History(emulator)


def numbered(count: int, **size: int) -> History:
    return history("\r\n".join(f"line {number}" for number in range(count)), **size)


def all_text(lines: History) -> str:
    return "".join(lines.text(Span(Place(lines.first, 0), Place(lines.last, 1000))))


def done(lines: History, words: str) -> Search:
    search = Search(lines, words)
    while not search.is_done:
        search.step()
    return search


# -- numbers


def test_a_line_keeps_its_number_while_it_scrolls_away() -> None:
    emulator = Emulator(20, 4, 100)
    emulator.feed(b"line 0\r\nline 1\r\nline 2")
    before = History(emulator)
    emulator.feed(b"\r\nmore" * 50)
    now = History(emulator)
    assert text_of(now.row(1)) == text_of(before.row(1)) == "line 1"
    assert (before.first, before.last, now.first, now.last) == (0, 2, 0, 52)


@pytest.mark.parametrize(
    "said", ["\r\nmore" * 500, "\x1b[2J\x1b[H$ ", "\x1b[H\x1b[44mover", "\x1b[3J", "\x1bc", "\x1b[?1049h"]
)
def test_what_is_held_stays_whatever_comes(said: str) -> None:
    emulator = Emulator(20, 4, 30)
    emulator.feed(
        b"\r\n".join(b"line %d" % number for number in range(20)) + b"\r\na line so long that it is wrapped", 7.0
    )
    lines = History(emulator)
    before = (lines.rows(lines.first, lines.end), lines.first, lines.last, lines.cursor, all_text(lines))
    emulator.feed(said.encode(), 8.0)
    emulator.resize(7, 2)
    assert (lines.rows(lines.first, lines.end), lines.first, lines.last, lines.cursor, all_text(lines)) == before


def test_a_line_that_was_dropped_is_blank_and_the_others_keep_their_numbers() -> None:
    lines = numbered(50, scrollback=10)
    assert (lines.first, lines.last) == (36, 49)
    assert text_of(lines.row(35)) == ""
    assert text_of(lines.row(36)) == "line 36"


def test_a_line_keeps_its_number_when_the_screen_grows_and_shrinks() -> None:
    emulator = Emulator(20, 10, 100)
    emulator.feed(b"\r\n".join(b"line %d" % number for number in range(30)))
    for height in (4, 10):
        emulator.resize(20, height)
        lines = History(emulator)
        assert [text_of(lines.row(number)) for number in (5, 22, 29)] == ["line 5", "line 22", "line 29"]


def test_clearing_the_scrollback_takes_lines_and_no_numbers() -> None:
    lines = history("\r\n".join(f"line {number}" for number in range(30)), "\x1b[3J")
    assert lines.first == 26
    assert text_of(lines.row(26)) == "line 26"


def test_the_last_line_is_the_cursors_or_the_last_with_text() -> None:
    assert history("a\r\nb").last == 1
    assert history("a\r\nb\x1b[1;1H").last == 1
    assert history("a\r\n\r\n").last == 2


def test_rows_taken_together_are_those_taken_alone() -> None:
    lines = numbered(40, scrollback=20)
    for start, stop in ((0, 100), (10, 18), (30, 38), (37, 39), (38, 38)):
        expected = [lines.row(n) for n in range(max(start, lines.first), min(stop, lines.end))]
        assert lines.rows(start, stop) == expected


def test_a_line_tells_when_it_was_written() -> None:
    emulator = Emulator(20, 2)
    emulator.feed(b"one\r\n", 100.0)
    emulator.feed(b"two\r\nthree\r\n", 200.0)
    lines = History(emulator)
    assert [lines.row(number).stamp for number in range(4)] == [100.0, 200.0, 200.0, None]


# -- text


def test_wrapped_lines_are_joined_and_others_are_not() -> None:
    lines = history("abcdefghij\r\nklm", columns=4)
    assert all_text(lines) == "abcdefghij\nklm"


def test_blanks_at_the_end_are_left_off_and_those_at_a_wrap_are_kept() -> None:
    lines = history("abc  def    \r\nx", columns=4)
    assert all_text(lines) == "abc  def\nx"


def test_coloured_blanks_at_the_end_are_left_off_too() -> None:
    assert all_text(history("\x1b[44mabc   \x1b[0m\r\nx")) == "abc\nx"


def test_wide_characters_come_once_wherever_they_are_cut() -> None:
    lines = history("a日本b")
    assert "".join(lines.text(Span(Place(0, 2), Place(0, 3)))) == "日本"
    assert "".join(lines.text(Span(Place(0, 1), Place(0, 4)))) == "日本"
    assert "".join(lines.text(Span(Place(0, 0), Place(0, 0)))) == "a"


def test_a_wide_character_that_did_not_fit_leaves_no_blank() -> None:
    assert all_text(history("日本語日本語", columns=5)) == "日本語日本語"


def test_combining_marks_stay_with_their_character() -> None:
    lines = history("xe\u0301q\u0301z")
    assert "".join(lines.text(Span(Place(0, 1), Place(0, 2)))) == "\u00e9q\u0301"


def test_text_that_was_dropped_is_missing_and_nothing_else() -> None:
    lines = numbered(50, scrollback=10)
    assert "".join(lines.text(Span(Place(0, 3), Place(38, 5)))) == "line 36\nline 37\nline 3"


@given(
    st.lists(st.text("ab 日é", max_size=30).map(lambda text: f"<{text}>"), min_size=1, max_size=8), st.integers(2, 9)
)
@settings(deadline=None)
def test_the_text_of_all_lines_is_what_was_sent(said: list[str], columns: int) -> None:
    lines = history("\r\n".join(said), columns=columns)
    assert all_text(lines) == "\n".join(said)


@given(st.binary(max_size=400), st.integers(0, 30), st.integers(0, 30))
@settings(deadline=None)
def test_no_text_holds_a_control_character(data: bytes, left: int, right: int) -> None:
    lines = history(data, columns=10)
    text = "".join(lines.text(Span(Place(lines.first, left), Place(lines.last, right))))
    unwanted = {character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert unwanted <= {"\n"}


# -- words


def word(said: str, x: int, line: int = 0, **size: int) -> str:
    lines = history(said, **size)
    return "".join(lines.text(lines.word(Place(line, x))))


def test_a_word_is_what_names_paths_and_addresses_are_made_of() -> None:
    said = "see /var/log/x-1.log: 10.0.0.7, (fe80::1) done."
    assert word(said, 8, columns=60) == "/var/log/x-1.log"
    assert word(said, 24, columns=60) == "10.0.0.7"
    assert word(said, 36, columns=60) == "fe80::1"
    assert word(said, 43, columns=60) == "done"


def test_a_word_goes_on_over_the_edge() -> None:
    assert word("aa bbbbbbb cc", 4, columns=6) == "bbbbbbb"
    assert word("aa bbbbbbb cc", 0, line=1, columns=6) == "bbbbbbb"


def test_a_wide_word_is_found_from_either_half() -> None:
    assert word("x 日本 y", 2) == "日本"
    assert word("x 日本 y", 5) == "日本"


def test_between_words_the_cell_is_all_there_is() -> None:
    assert word("a (b)", 2) == "("
    assert word("a", 15) == ""


# -- search


def test_lower_case_finds_both_and_a_capital_only_itself() -> None:
    lines = history("Error\r\nerror\r\nERROR\r\nfine")
    assert list(done(lines, "error").lines()) == [0, 1, 2]
    assert list(done(lines, "Error").lines()) == [0]


def test_what_is_searched_is_plain_text() -> None:
    lines = history("a.b [x]\r\nacb")
    assert list(done(lines, "a.b").lines()) == [0]
    assert list(done(lines, "[x]").lines()) == [0]


def test_a_text_is_found_across_the_edge_where_its_line_was_wrapped() -> None:
    lines = history("0123456needle\r\nneed\r\nle", columns=10)
    search = done(lines, "needle")
    assert list(search.lines()) == [0]
    assert search.begin(0) == Place(0, 7)
    assert search.spans(0, 5) == {0: [(7, 10)], 1: [(0, 3)]}


def test_the_scrollback_goes_on_on_the_screen() -> None:
    lines = history("x\r\n" * 20 + "0123456needle\r\nend", columns=10, lines=2)
    assert lines.row(lines.screen - 1).wrapped
    assert list(done(lines, "needle").lines()) == [20]


def test_a_line_counts_once_and_all_of_it_is_marked() -> None:
    search = done(history("ab ab ab"), "ab")
    assert list(search.lines()) == [0]
    assert search.spans(0, 0) == {0: [(0, 2), (3, 5), (6, 8)]}


def test_columns_are_those_of_wide_characters() -> None:
    assert done(history("日本x日"), "x日").spans(0, 0) == {0: [(4, 7)]}


def test_next_and_previous_go_round_and_say_so() -> None:
    lines = history("\r\n".join("hit" if number % 3 == 0 else "-" for number in range(10)))
    search = done(lines, "hit")
    assert list(search.lines()) == [0, 3, 6, 9]
    assert search.following(3, 1) == (6, False)
    assert search.following(4, -1) == (3, False)
    assert search.following(9, 1) == (0, True)
    assert search.following(0, -1) == (9, True)
    assert done(lines, "nothing").following(3, 1) is None


def test_the_first_one_shown_is_here_or_below_or_else_the_last_above() -> None:
    lines = history("hit\r\n-\r\nhit\r\n-\r\n-")
    search = done(lines, "hit")
    assert [search.nearest(line) for line in (0, 1, 2, 3, 4)] == [0, 2, 2, 2, 2]
    assert done(lines, "nothing").nearest(0) is None


def test_a_search_in_slices_finds_what_one_in_a_piece_does() -> None:
    said = "".join(f"{number} is {'odd' if number % 2 else 'even'}\r\n" for number in range(9000))
    lines = history(said, scrollback=9000)
    search = Search(lines, "odd")
    shown = [search.progress]
    while not search.is_done:
        search.step(700)
        shown.append(search.progress)
    assert shown == sorted(set(shown))
    assert (shown[0], shown[-1]) == (0, 1)
    assert len(shown) > 5
    assert list(search.lines()) == list(range(lines.first + (lines.first + 1) % 2, 9000, 2))


@given(
    st.lists(st.text("aAb日", max_size=25), min_size=1, max_size=12),
    st.text("aAb日", min_size=1, max_size=4),
    st.integers(2, 8),
    st.integers(1, 40),
)
@settings(deadline=None, max_examples=200)
def test_search_finds_the_lines_that_hold_the_text(said: list[str], words: str, columns: int, slice_: int) -> None:
    lines = history("\r\n".join(said), columns=columns, lines=3, scrollback=1000)
    search = Search(lines, words)
    for _ in range(1000):
        search.step(slice_)
    folded = words == words.lower()
    expected = [text for text in said if words in (text.lower() if folded else text)]
    found = []
    for line in search.lines():
        first, last = lines.whole(line)
        found.append("".join(lines.text(Span(Place(first, 0), Place(last, 100)))))
    assert found == expected
