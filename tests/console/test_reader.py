"""Where a reader is: the view and the cursor by the numbers of lines, among those that are held."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from kvtui.console.emulator import Emulator
from kvtui.console.history import History, Place, Span, text_of
from kvtui.console.reader import Reader


def reading(said: str, *, columns: int = 20, lines: int = 6, scrollback: int = 50, height: int = 5) -> Reader:
    emulator = Emulator(columns, lines, scrollback)
    emulator.feed(said.encode())
    top = emulator.scrolled_total + max(0, emulator.cursor.y - height + 1)
    return Reader(History(emulator), top, height, columns)


def numbered(count: int, **size: int) -> Reader:
    return reading("\r\n".join(f"line {number}" for number in range(count)), **size)


def view(reader: Reader) -> list[str]:
    return [text_of(reader.history.row(reader.top + y)) for y in range(reader.height)]


def test_the_lowest_view_ends_with_the_newest_line() -> None:
    reader = numbered(20)
    assert (view(reader)[-1], reader.back) == ("line 19", 0)
    reader.scroll(5)
    assert reader.back == 0


def test_the_lowest_view_of_an_empty_screen_begins_with_it() -> None:
    reader = reading("old\r\n" * 10 + "\x1b[2J\x1b[H$ ")
    assert (view(reader)[0], reader.back) == ("$", 0)
    reader.scroll(-2)
    assert reader.back == 2


def test_the_cursor_goes_back_to_its_column_after_a_shorter_line() -> None:
    reader = reading("long line\r\nab\r\nlong line")
    reader.go(Place(0, 6))
    reader.step(1)
    assert reader.cursor == Place(1, 1)
    reader.step(1)
    assert reader.cursor == Place(2, 6)


def test_the_cursor_steps_over_wide_characters_whole() -> None:
    reader = reading("a日b")
    reader.go(Place(0, 0))
    columns = []
    for _ in range(4):
        reader.step_sideways(1)
        columns.append(reader.cursor.x)
    assert columns == [1, 3, 3, 3]
    reader.step_sideways(-1)
    assert reader.cursor.x == 1


def test_a_line_longer_than_the_view_moves_under_the_cursor() -> None:
    reader = reading("0123456789abcdef")
    reader.resize(5, 10)
    reader.go(Place(0, 12))
    assert reader.left == 3
    reader.go_to_edge(end=False)
    assert reader.left == 0


def test_whole_lines_are_selected_with_all_of_what_was_wrapped() -> None:
    reader = reading("one\r\nabcdefghij\r\ntwo", columns=4)
    reader.go(Place(2, 1))
    reader.toggle_selection(by_lines=True)
    assert reader.selection == Span(Place(1, 0), Place(3, 2))
    assert "".join(reader.history.text(reader.selection)) == "abcdefghij"


def test_a_selection_goes_by_lines_or_characters_and_is_given_up_by_the_same_key() -> None:
    reader = numbered(3)
    reader.go(Place(1, 2))
    reader.toggle_selection(by_lines=True)
    reader.toggle_selection(by_lines=False)
    assert reader.selection == Span(Place(1, 2), Place(1, 2))
    reader.toggle_selection(by_lines=False)
    assert reader.selection is None


def test_a_selection_may_go_backwards() -> None:
    reader = numbered(5)
    reader.go(Place(3, 2))
    reader.toggle_selection(by_lines=False)
    reader.go(Place(1, 4))
    assert reader.selection == Span(Place(1, 4), Place(3, 2))


def test_what_was_found_out_of_view_comes_into_its_middle() -> None:
    reader = numbered(40)
    search = reader.find("line 20")
    while not search.is_done:
        search.step()
    assert reader.show_first()
    assert (reader.cursor, reader.top) == (Place(20, 0), 18)


MOVES: list[Callable[[Reader], object]] = [
    lambda reader: reader.scroll(-3),
    lambda reader: reader.scroll(2),
    lambda reader: reader.page(-1),
    lambda reader: reader.page(1),
    lambda reader: reader.step(-1),
    lambda reader: reader.step(1),
    lambda reader: reader.step_sideways(-1),
    lambda reader: reader.step_sideways(1),
    lambda reader: reader.go_to_edge(end=True),
    Reader.go_home,
    Reader.go_end,
    lambda reader: reader.toggle_selection(by_lines=True),
    lambda reader: reader.toggle_selection(by_lines=False),
    lambda reader: reader.resize(3, 7),
    lambda reader: reader.resize(9, 30),
    lambda reader: reader.find("a").step(3),
    Reader.show_first,
    lambda reader: reader.show_next(1),
    lambda reader: reader.show_next(-1),
]
SAID = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "\x1b[2J",
                "\x1b[3J",
                "\x1bc",
                "\x1b[?1049h",
                "\x1b[?1049l",
                "\x1b[5A",
                "\x1b[J",
                "日",
                "a" * 30,
                "\r\n" * 9,
            ]
        ),
        max_size=5,
    ).map(lambda parts: "".join(parts).encode()),
)


@given(st.lists(SAID, max_size=6), st.lists(st.sampled_from(MOVES), max_size=25))
@settings(deadline=None, max_examples=300)
def test_whatever_the_guest_sent_and_the_reader_does_view_and_cursor_are_among_the_lines(
    said: list[bytes], moves: list[Callable[[Reader], object]]
) -> None:
    emulator = Emulator(20, 6, 10)
    emulator.feed(b"".join([b"line\r\n" * 12, *said]))
    history = History(emulator)
    reader = Reader(history, history.screen, 5, 20)
    for move in moves:
        move(reader)
        assert history.first <= reader.top <= reader.bottom
        assert history.first <= reader.cursor.line < history.end
        assert reader.back >= 0
        if reader.selection is not None:
            assert reader.selection.start <= reader.selection.end
            "".join(history.text(reader.selection))
        if reader.search is not None:
            reader.search.spans(reader.top, reader.top + reader.height)
            assert list(reader.search.lines()) == sorted(set(reader.search.lines()))
