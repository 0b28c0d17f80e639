"""The mouse in a console: it scrolls, selects and copies, or it is the guest's."""

from __future__ import annotations

from textual import events

from kvtui.console.history import Place
from tests.ui.backend import Stage
from tests.ui.conftest import Show
from tests.ui.desk import sit
from tests.ui.test_consoles import until


async def test_the_wheel_begins_to_read_and_at_the_end_it_follows_again(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.mouse(events.MouseScrollUp, 3, 3, button=0)
        await until(screen, lambda: "3 lines back" in desk.bar)
        await desk.mouse(events.MouseScrollDown, 3, 3, button=0)
        assert not desk.terminal.is_reading


async def test_the_wheel_does_nothing_where_there_is_nothing_above(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 3)
        await desk.mouse(events.MouseScrollUp, 3, 3, button=0)
        assert not desk.terminal.is_reading


async def test_a_drag_copies_and_the_console_follows_on(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        first = desk.view.index("line 190")
        await desk.drag((5, first), (3, first + 1))
        assert desk.copied == "190\nline"
        assert not desk.terminal.is_reading
        await desk.press("x")
        await until(screen, lambda: desk.line.written == b"x")


async def test_a_drag_selects_what_was_under_the_mouse_when_it_was_pressed(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        first = desk.view.index("line 190")
        await desk.mouse(events.MouseDown, 5, first)
        await desk.say(b"\r\nnew" * 50, "new")
        await desk.mouse(events.MouseMove, 3, first + 1)
        assert desk.view[first] == "line 190"
        await desk.mouse(events.MouseUp, 3, first + 1)
        assert desk.copied == "190\nline"
        assert not desk.terminal.is_reading


async def test_a_drag_beyond_the_edge_scrolls_on(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        first = desk.view.index("line 190")
        await desk.mouse(events.MouseDown, 7, first)
        await desk.mouse(events.MouseMove, 0, -3)
        await until(screen, lambda: desk.terminal.scrolled_back > 30)
        await desk.mouse(events.MouseUp, 0, -3)
        lines = desk.copied.split("\n")
        assert lines[-1] == "line 190"
        assert lines == [f"line {number}" for number in range(191 - len(lines), 191)]
        assert len(lines) > 30


async def test_two_clicks_copy_a_word_and_three_a_line(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 0)
        await desk.say(b"address 10.0.0.7, gateway 10.0.0.1\r\n", "gateway")
        await screen.pilot.click(desk.terminal, (10, 0), times=2)
        await until(screen, lambda: desk.copied == "10.0.0.7")
        assert 'copied "10.0.0.7"' in " ".join(screen.text.split())
        await screen.pilot.click(desk.terminal, (10, 0), times=3)
        await until(screen, lambda: desk.copied == "address 10.0.0.7, gateway 10.0.0.1")
        assert not desk.terminal.is_reading


async def test_a_click_moves_the_cursor_of_who_reads(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "g")
        await screen.pilot.click(desk.terminal, (3, 5))
        assert desk.terminal.reader is not None
        assert desk.terminal.reader.cursor == Place(5, 3)
        assert desk.copied == ""


MOUSE = b"\x1b[?1002h\x1b[?1006h"


async def test_a_guest_that_wants_the_mouse_gets_it_but_for_clicks_with_shift(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 0)
        await desk.say(MOUSE + b"menu of it", "menu of it")
        await desk.drag((2, 1), (4, 2))
        await desk.mouse(events.MouseScrollUp, 2, 1, button=0)
        expected = b"\x1b[<0;3;2M\x1b[<32;5;3M\x1b[<0;5;3m\x1b[<64;3;2M"
        await until(screen, lambda: desk.line.written == expected)
        assert desk.copied == ""
        await desk.mouse(events.MouseDown, 0, 0, shift=True)
        await desk.mouse(events.MouseMove, 3, 0, shift=True)
        await desk.mouse(events.MouseUp, 3, 0, shift=True)
        assert desk.copied == "menu"
        assert desk.line.written == expected


async def test_the_wheel_moves_the_cursor_of_a_full_screen_program_that_knows_no_mouse(
    stage: Stage, show: Show
) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.say(b"\x1b[?1049h\x1b[?1hpager", "pager")
        await desk.mouse(events.MouseScrollDown, 2, 1, button=0)
        await until(screen, lambda: desk.line.written == b"\x1bOB" * 3)
        await desk.mouse(events.MouseScrollUp, 2, 1, button=0, shift=True)
        assert desk.terminal.is_reading
