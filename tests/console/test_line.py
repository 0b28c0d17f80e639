"""One line of cells under any edits."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from kvtui.console.line import Line, columns_of
from kvtui.console.look import PLAIN, apply_sgr

RED = apply_sgr(PLAIN, "41")
LOOKS = st.sampled_from([PLAIN, RED])
COLUMNS = st.integers(1, 12)


def _within(line: Line, x: int) -> int:
    return x % len(line.text)


def _write(x: int, text: str) -> Callable[[Line], None]:
    def edit(line: Line) -> None:
        at = _within(line, x)
        cells = [
            cell for character in text for cell in ([character, ""] if columns_of(character) == 2 else [character])
        ]
        if at + len(cells) <= len(line.text):
            line.write(at, cells, PLAIN)

    return edit


EDITS: st.SearchStrategy[Callable[[Line], None]] = st.one_of(
    st.builds(_write, st.integers(0, 11), st.text("ab日本", min_size=1, max_size=4)),
    st.builds(
        lambda a, b, look: lambda line: line.erase(*sorted((_within(line, a), 1 + _within(line, b))), look),
        st.integers(0, 11),
        st.integers(0, 11),
        LOOKS,
    ),
    st.builds(lambda x, n, look: lambda line: line.insert(_within(line, x), n, look), COLUMNS, COLUMNS, LOOKS),
    st.builds(lambda x, n, look: lambda line: line.delete(_within(line, x), n, look), COLUMNS, COLUMNS, LOOKS),
    st.builds(lambda x: lambda line: line.combine(_within(line, x), "\u0301"), COLUMNS),
    st.builds(lambda n: lambda line: line.fit(n), COLUMNS),
    st.builds(lambda look: lambda line: line.clear(len(line.text), look), LOOKS),
    st.builds(lambda look: lambda line: line.fill("E", len(line.text), look), LOOKS),
    st.just(lambda line: line.wrap(len(line.text))),
)


@given(COLUMNS, st.lists(EDITS, max_size=12))
@settings(max_examples=500)
def test_any_edits_leave_whole_characters_and_a_true_end(columns: int, edits: list[Callable[[Line], None]]) -> None:
    line = Line(columns)
    for edit in edits:
        edit(line)
        assert len(line.text) == len(line.looks)
        for x, cell in enumerate(line.text):
            if cell == "":
                assert x > 0
                assert columns_of(line.text[x - 1][0]) == 2
            elif columns_of(cell[0]) == 2:
                assert line.text[x + 1] == ""
        assert all(cell == " " for cell in line.text[line.used :])
        assert all(look is PLAIN for look in line.looks[line.used :])
        full = "".join(run.text for run in line.all_runs())
        shown = "".join(run.text for run in line.runs())
        assert full.startswith(shown)
        assert not full.removeprefix(shown).strip(" ")


def test_the_end_of_a_line_is_known_after_erasing_it() -> None:
    line = Line(80)
    line.write(0, "abcdef", PLAIN)
    assert line.used == 6
    line.erase(2, 80, PLAIN)
    assert line.used == 2
    line.erase(0, 80, RED)
    assert line.used == 80
    line.clear(80, PLAIN)
    assert line.used == 0
    assert line.is_blank()
