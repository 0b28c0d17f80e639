"""The line above a console: the shown one is always named."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvtui.text import cells
from kvtui.ui.consoles.tabs import draw_tabs
from tests.ui.conftest import Show
from tests.ui.test_consoles import SMALL, sees, until
from tests.ui.test_several import choose, make_pair

names = st.text("abc-漢", min_size=1, max_size=60)


@given(st.lists(names, min_size=1, max_size=30), st.data(), st.integers(30, 120))
def test_the_shown_one_is_named_in_any_width(labels: list[str], data: st.DataObject, room: int) -> None:
    shown = data.draw(st.integers(0, len(labels) - 1))
    line = draw_tabs(labels, shown, ["in 4Mi", "last byte 3s ago"], room)
    assert line.cell_len <= room
    [marked] = [line.plain[span.start : span.end].strip() for span in line.spans if span.style == "reverse"]
    head, cut, tail = marked.partition("…")
    assert marked == labels[shown] or (cut and labels[shown].startswith(head) and labels[shown].endswith(tail))
    assert not cut or cells(labels[shown]) > room - len(" console  <99  99> ")


def test_tabs_without_room_are_counted_at_their_side() -> None:
    labels = [f"shop/web-{number} in production" for number in range(9)]
    assert draw_tabs(labels, 4, ["last byte 3s ago"], 79).plain.split() == [
        *("console", "<4", "shop/web-4", "in", "production", "shop/web-5", "in", "production", "3>"),
    ]
    assert "<" not in draw_tabs(labels, 0, [], 79).plain
    assert ">" not in draw_tabs(labels, 8, [], 79).plain


def test_counters_give_way_to_tabs() -> None:
    counters = ["in 1Mi", "out 3B", "last byte 3s ago"]
    assert draw_tabs(["shop/web-1"], 0, counters, 60).plain.endswith("  in 1Mi  out 3B  last byte 3s ago")
    assert draw_tabs(["shop/web-1", "shop/web-2"], 0, counters, 60).plain.endswith(
        " shop/web-2   out 3B  last byte 3s ago"
    )
    assert "last" not in draw_tabs(["shop/web-1" * 4], 0, counters, 60).plain


def test_a_name_without_room_keeps_its_ends() -> None:
    name = "shop/" + "orders-" * 20 + "7 in gke_project_europe-west1_prod"
    line = draw_tabs([name], 0, ["in 1Mi"], 79).plain
    assert "shop/orders" in line
    assert line.rstrip().endswith("_prod")


async def test_of_two_contexts_the_shown_console_is_named_on_a_small_screen(show: Show) -> None:
    pair = make_pair("a-second-cluster-with-a-name-of-the-usual-length.example.org")
    async with show(pair, SMALL) as screen:
        for backend in pair.fleet.backends:
            await choose(screen, backend)
            await screen.press("c")
            await until(screen, sees(screen, "Connected"))
            heading = screen.lines[screen.main.consoles.region.y]
            assert "shop/dv-1" in heading
            assert backend[-9:] in heading
            await screen.press("ctrl+right_square_bracket")
        assert len(screen.main.consoles.channels) == 2
