"""Columns share a line."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kvtui.model import Cell
from kvtui.resources.base import Column
from kvtui.ui.columns import GAPS, Widths, lay_out


def column(title: str, width: int, rank: int = 1, *, wide: bool = False) -> Column[Any]:
    return Column(title, lambda _row, _now: Cell(""), width, rank=rank, wide=wide)


COLUMNS = (
    column("NAME", 10, 0), column("STATUS", 8, 0), column("NODE", 8, 2), column("IP", 14, 3), column("AGE", 5, 2),
)  # fmt: skip


def titles(room: int, **options: Any) -> list[str]:
    return [COLUMNS[slot.index].title for slot in lay_out(COLUMNS, room, **options)]


def test_all_stand_where_there_is_room() -> None:
    assert titles(100) == ["NAME", "STATUS", "NODE", "IP", "AGE"]


def test_the_greatest_rank_gives_way_first_and_the_last_of_equals() -> None:
    assert titles(48) == ["NAME", "STATUS", "NODE", "AGE"]
    assert titles(32) == ["NAME", "STATUS", "NODE"]
    assert titles(24) == ["NAME", "STATUS"]


def test_no_room_is_left_blank_that_a_hidden_column_would_fit_in() -> None:
    assert titles(25) == ["NAME", "STATUS", "AGE"]


def test_gaps_are_narrow_before_a_column_gives_way() -> None:
    assert len(titles(49)) == len(titles(53)) == 5
    assert lay_out(COLUMNS, 49)[1].left == 11
    assert lay_out(COLUMNS, 53)[1].left == 12


def test_rank_zero_stays_and_is_cut() -> None:
    slots = lay_out(COLUMNS, 15)
    assert [(slot.left, slot.width) for slot in slots] == [(0, 8), (9, 6)]


def test_wide_columns_stand_only_when_asked_for() -> None:
    columns = (*COLUMNS, column("UID", 20, wide=True))
    assert all(slot.index != 5 for slot in lay_out(columns, 200))
    assert any(slot.index == 5 for slot in lay_out(columns, 200, wide=True))
    assert all(slot.index != 5 for slot in lay_out(columns, 50, wide=True))


def widths(room: int, widest: dict[int, int]) -> dict[int, int]:
    return {slot.index: slot.width for slot in lay_out(COLUMNS, room, widest=widest)}


def test_a_long_text_takes_the_room_that_is_left() -> None:
    assert widths(100, {1: 18})[1] == 18
    assert widths(100, {1: 18})[0] == 10
    assert widths(25, {1: 30}) == {0: 10, 1: 14}


def test_a_long_name_leaves_the_room_to_a_sentence_that_grows() -> None:
    columns: tuple[Column[Any], ...] = (
        column("SUBJECT", 22, 0),
        column("TROUBLE", 20, 0),
        Column("CAUSE", lambda _row, _now: Cell(""), 20, rank=1, grow=4),
        column("AGE", 5, 2),
    )
    widths = [slot.width for slot in lay_out(columns, 120, widest={0: 51, 1: 11, 2: 90, 3: 5})]
    assert widths == [32, 11, 69, 5]
    widths = [slot.width for slot in lay_out(columns, 200, widest={0: 51, 1: 11, 2: 90, 3: 5})]
    assert widths == [51, 11, 90, 5]


def test_what_a_row_is_is_shown_whole_before_other_columns_stand() -> None:
    assert widths(40, {1: 18}) == {0: 10, 1: 18, 2: 8}


def test_what_matters_is_cut_before_it_gives_way() -> None:
    columns = (column("VM", 12, 0), column("FROM > TO", 15, 1), column("PHASE", 14, 0), column("ELAPSED", 8, 2))
    slots = lay_out(columns, 36, widest={0: 20, 1: 21, 2: 15, 3: 4})
    assert [slot.index for slot in slots] == [0, 1, 2]
    assert slots[-1].left + slots[-1].width == 36


def test_a_long_column_is_cut_to_stand_in_what_is_left() -> None:
    reason = Column[Any]("REASON", lambda _row, _now: Cell(""), 20, rank=3, grow=3)
    slots = lay_out((COLUMNS[0], reason), 25, widest={0: 10, 1: 60})
    assert [slot.width for slot in slots] == [10, 14]
    assert len(lay_out((COLUMNS[0], reason), 20, widest={0: 10, 1: 60})) == 1


def test_widths_grow_at_once_and_shrink_only_after_a_while() -> None:
    widths = Widths()
    assert widths.add([Cell("PreparingTarget")])
    assert not widths.add([Cell("Running")])
    assert not widths.judge([[Cell("Running")]])
    assert widths.widest == {0: 15}
    assert widths.judge([[Cell("Running")]])
    assert widths.widest == {0: 7}


def test_a_column_with_short_texts_asks_for_less_but_for_its_title() -> None:
    assert widths(100, {0: 2, 3: 9}) == {0: 4, 1: 8, 2: 8, 3: 9, 4: 5}


def test_the_arrow_of_the_sorted_column_has_room() -> None:
    slots = lay_out(COLUMNS, 100, widest={0: 2}, sort=0)
    assert slots[0].width == len("NAME") + 1


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5), st.booleans()), max_size=12),
    st.integers(1, 150),
    st.dictionaries(st.integers(0, 11), st.integers(0, 60)),
)
def test_columns_never_overlap_nor_leave_the_line(
    shapes: list[tuple[int, int, bool]], room: int, widest: dict[int, int]
) -> None:
    columns = tuple(column("T", width, rank, wide=wide) for width, rank, wide in shapes)
    slots = lay_out(columns, room, widest=widest, wide=True)
    assert [slot.index for slot in slots] == sorted(slot.index for slot in slots)
    for left, right in pairwise(slots):
        assert right.left - left.left - left.width in GAPS
    if slots:
        assert slots[-1].left + slots[-1].width <= room
        assert all(slot.width > 0 for slot in slots)
