"""Reading a console: the view stands still, and what is in it is found, selected, copied and saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from kvtui.config import ConsoleSettings, Settings
from kvtui.console.history import Place
from kvtui.ui.hacks import record_frames
from kvtui.ui.terminal import Terminal
from tests.ui.backend import ConsoleLine, Stage
from tests.ui.conftest import Screen, Show
from tests.ui.test_consoles import open_console, sees, until

SMALL = (80, 24)
WIDE = (120, 35)


class Desk:
    """A console that is open, and the one who reads it."""

    def __init__(self, screen: Screen, line: ConsoleLine) -> None:
        self.screen = screen
        self.line = line

    @property
    def terminal(self) -> Terminal:
        terminal = self.screen.main.consoles.shown
        assert terminal is not None
        return terminal

    @property
    def view(self) -> list[str]:
        """The lines of the console's view."""
        region = self.terminal.region
        lines = self.screen.text.split("\n")[region.y : region.bottom]
        return [text[region.x : region.right].rstrip() for text in lines]

    @property
    def bar(self) -> str:
        return self.view[-1]

    @property
    def copied(self) -> str:
        return self.screen.app.clipboard

    async def say(self, data: bytes, words: str) -> None:
        """The guest sends something, of which `words` are to be seen."""
        self.line.say(data)
        await until(self.screen, sees(self.screen, words))

    async def say_unseen(self, data: bytes) -> None:
        """The guest sends something while the view stands still."""
        received = self.terminal.session.received
        self.line.say(data)
        await until(self.screen, lambda: self.terminal.session.received == received + len(data))
        for _ in range(3):
            await self.screen.pilot.pause(0.06)

    async def press(self, *keys: str) -> None:
        await self.screen.press(*keys)

    async def write(self, text: str) -> None:
        await self.press(*("space" if character == " " else character for character in text))

    async def search(self, words: str) -> None:
        await self.press("slash")
        await self.write(words)
        await self.press("enter")
        await until(self.screen, lambda: "searching" not in self.bar)

    async def mouse(
        self, what: type[events.MouseEvent], x: int, y: int, *, button: int = 1, shift: bool = False
    ) -> None:
        """The mouse does something at a cell of the view, or beyond it."""
        region = self.terminal.region
        at = (region.x + x, region.y + y)
        event = what(None, *at, 0, 0, button, shift, False, False, *at)
        self.screen.app.screen._forward_event(event)
        await self.screen.settle()

    async def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        await self.mouse(events.MouseDown, *start)
        await self.mouse(events.MouseMove, *end)
        await self.mouse(events.MouseUp, *end)


async def sit(screen: Screen, stage: Stage, count: int = 200) -> Desk:
    """Open a console in which so many lines went by."""
    desk = Desk(screen, await open_console(screen, stage))
    if count:
        await desk.say(b"\r\n".join(b"line %d" % number for number in range(count)), f"line {count - 1}")
    return desk


# Standing still ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_what_is_read_does_not_move_while_output_goes_on(stage: Stage, show: Show, size: tuple[int, int]) -> None:
    async with show(stage, size) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup")
        await until(screen, lambda: "lines back" in desk.bar)
        before = desk.view[:-1]
        await desk.say_unseen(b"\r\nnew" * 57)
        assert desk.view[:-1] == before
        assert "57 new lines below" in desk.bar
        await desk.press("G")
        await until(screen, lambda: desk.view[-2] == "new")
        assert "new lines" not in desk.bar
        await desk.press("G")
        await until(screen, lambda: not desk.terminal.is_reading)


async def test_output_that_nobody_sees_is_not_sent_to_the_terminal(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "g")
        await until(screen, lambda: desk.view[0] == "line 0")
        frames = record_frames(screen.app)
        await desk.say_unseen(b"\r\nunseen" * 20)
        sent = "".join(frames)
        assert "20 new lines below" in sent
        assert "line 3" not in sent
        assert "unseen" not in sent


async def test_lines_that_the_scrollback_drops_are_told_of(stage: Stage, show: Show) -> None:
    settings = Settings(console=ConsoleSettings(scrollback=100))
    async with show(stage, settings=settings) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "g")
        oldest = desk.view[0]
        await desk.say_unseen(b"\r\nnew" * 30)
        assert "older lines have been dropped: the scrollback is full" in desk.bar
        assert desk.view[0] == f"line {int(oldest.split()[1]) + 30}"


@pytest.mark.parametrize("key", ["escape", "q", "enter", "ctrl+c"])
async def test_the_ways_back_lead_to_the_newest_line_and_are_not_typed(stage: Stage, show: Show, key: str) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", key)
        await until(screen, sees(screen, "line 199"))
        assert not desk.terminal.is_reading
        assert desk.line.written == b""


async def test_no_key_of_reading_reaches_the_guest(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press(
            "shift+pageup", *"hjkl0gGtvVnNx", "up", "down", "pageup", "ctrl+b", "f5", "tab", "space", "dollar_sign"
        )
        assert desk.terminal.is_reading
        assert desk.line.written == b""


async def test_the_list_has_a_key_to_read_the_open_console(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("ctrl+right_square_bracket", "left_square_bracket")
        assert desk.terminal.has_focus
        assert desk.bar.startswith(" paused at the newest line")
        assert "line 199" in desk.view[-2]


async def test_without_a_console_the_key_to_read_says_so(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("left_square_bracket")
        assert "no console is open" in screen.text


async def test_a_console_that_has_ended_can_be_read(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        desk.line.end()
        await until(screen, sees(screen, "enter connects"))
        await desk.press("shift+pageup")
        await until(screen, lambda: "lines back" in desk.bar)
        await desk.press("enter")
        assert not desk.terminal.is_reading
        assert len(stage.backend.consoles) == 1, "enter led back, and did not connect"


async def test_moving_by_line_and_page(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "g", "j", "j", "k", "down")
        reader = desk.terminal.reader
        assert reader is not None
        assert reader.cursor == Place(2, 0)
        await desk.press("pagedown")
        assert reader.cursor.line == 2 + reader.height - 1
        assert desk.view[0] == f"line {reader.height - 1}"
        await desk.press("dollar_sign", "left")
        assert reader.cursor.x == len(f"line {reader.cursor.line}") - 2


# Searching -----------------------------------------------------------------------------------------------------------


async def test_search_finds_counts_and_goes_round(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 0)
        lines = [b"Panic: no %d" % n if n % 50 == 0 else b"fine %d" % n for n in range(1, 180)]
        await desk.say(b"\r\n".join(lines), "fine 179")
        await desk.press("shift+pageup")
        await desk.search("panic")
        assert '"panic" 3 of 3' in desk.bar
        assert any("Panic: no 150" in text for text in desk.view)
        await desk.press("N")
        assert '"panic" 2 of 3' in desk.bar
        assert any("Panic: no 100" in text for text in desk.view)
        await desk.press("n", "n")
        assert "round the newest, on from the oldest" in desk.bar
        await desk.press("h")
        assert '"panic" 1 of 3' in desk.bar


async def test_search_says_when_there_is_nothing(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup")
        before = desk.view[:-1]
        await desk.search("Line")
        assert 'nothing found: "Line"' in desk.bar
        assert desk.view[:-1] == before


async def test_a_search_can_be_edited_and_given_up(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "slash")
        await desk.write("line 19x")
        assert desk.bar.startswith(" /line 19x")
        await desk.press("backspace", "escape")
        assert desk.terminal.is_reading
        assert "paused" in desk.bar
        await desk.search("line 19")
        assert '"line 19" ' in desk.bar
        desk.terminal.post_message(events.Paste("x"))
        await until(screen, lambda: "nothing was pasted" in desk.bar)
        await desk.press("slash")
        desk.terminal.post_message(events.Paste("line 42\n"))
        await until(screen, lambda: desk.bar.startswith(" /line 42"))
        await desk.press("enter")
        await until(screen, lambda: '"line 42" 1 of 1' in desk.bar)


async def test_what_was_found_is_marked_without_colours_too(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup")
        await desk.search("ne 150")
        terminal = desk.terminal
        assert terminal.reader is not None
        y = terminal.reader.cursor.line - terminal.reader.top
        marked = "".join(text for text, style, _ in terminal.render_line(y) if style and style.underline)
        assert marked == "ne 150"


async def test_lines_that_come_are_searched_too(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup")
        await desk.search("line 150")
        assert '"line 150" 1 of 1' in desk.bar
        await desk.say_unseen(b"\r\nonce more line 150")
        assert '"line 150" 1 of 2' in desk.bar


# Times ---------------------------------------------------------------------------------------------------------------


async def test_times_tell_when_a_line_was_written_and_the_day_if_it_is_not_today(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 0)
        stage.clock.now -= 86_400
        await desk.say(b"yesterday\r\n", "yesterday")
        stage.clock.now += 86_400
        await desk.say(b"today\r\n" * 60, "today")
        await desk.press("shift+pageup", "shift+pagedown", "shift+pageup", "t")
        assert desk.view[0] == "02:14:07 today"
        await desk.press("g")
        assert desk.view[:2] == ["Nov 20 02:14:07 yesterday", "Nov 21 02:14:07 today"]
        await desk.press("t")
        assert desk.view[0] == "yesterday"


async def test_a_line_that_the_times_cut_can_be_read_to_its_end(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        desk = await sit(screen, stage, 0)
        await desk.say(b"x" * 75 + b"<end>", "<end>")
        await desk.press("shift+pageup", "t")
        assert desk.view[0].endswith("x…")
        await desk.press("dollar_sign")
        assert desk.view[0].startswith("02:14:07 …xxx")
        assert desk.view[0].endswith("<end>")


# Copying and saving --------------------------------------------------------------------------------------------------


async def test_whole_lines_are_selected_copied_and_told(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "g", "j", "right", "space", "j", "j")
        assert desk.bar.startswith(" selected: 3 lines")
        await desk.press("y")
        assert desk.copied == "line 1\nline 2\nline 3"
        assert "copied 3 lines, 20 characters" in " ".join(screen.text.split())
        assert "paused" in desk.bar


async def test_characters_are_selected_with_v(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 0)
        await desk.say("あいう 10.0.0.7 end".encode(), "10.0.0.7")
        await desk.press("shift+pageup", "right", "v", "right")
        await desk.press("y")
        assert desk.copied == "いう"


async def test_y_without_a_selection_copies_the_line_however_often_it_was_wrapped(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 0)
        address = "https://example.com/" + "a" * 150
        await desk.say(address.encode() + b"\r\n$ ", "$")
        await desk.press("shift+pageup", "up", "y")
        assert desk.copied == address


async def test_escape_takes_back_the_selection_first(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "space", "escape")
        assert desk.terminal.is_reading
        await desk.press("escape")
        assert not desk.terminal.is_reading


async def test_more_than_terminals_take_is_not_copied_and_the_way_out_is_told(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 0)
        await desk.say(b"\r\n".join(b"%070d" % number for number in range(1500)), "1499")
        await desk.press("shift+pageup", "G", "space", "g", "y")
        assert "nothing was copied" in screen.text
        assert "s saves it" in " ".join(screen.text.split())
        assert desk.copied == ""


def saved(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state" / "kvtui" / "consoles").glob("*"))


async def test_everything_is_saved_for_its_owner_alone_and_never_over_another_file(
    stage: Stage, show: Show, tmp_path: Path
) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "s")
        await until(screen, lambda: len(saved(tmp_path)) == 1)
        await until(screen, lambda: "200 lines saved to" in " ".join(screen.text.split()))
        await desk.press("g", "space", "j", "s")
        await until(screen, lambda: len(saved(tmp_path)) == 2)
        await until(screen, lambda: "2 lines saved to" in " ".join(screen.text.split()))
    whole, part = saved(tmp_path)
    assert whole.name == "prod-fra1_shop_dv-1_20261121T021407Z.txt"
    assert whole.stat().st_mode & 0o777 == 0o600
    assert whole.read_text() == "".join(f"line {number}\n" for number in range(200))
    assert part.read_text() == "line 0\nline 1\n"


async def test_a_file_that_cannot_be_made_is_told_of(stage: Stage, show: Show, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "s")
        await until(screen, sees(screen, "not saved"))
        assert "Not a directory" in screen.text


# The mouse -----------------------------------------------------------------------------------------------------------


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


# Looks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_the_bar_of_reading_fits(stage: Stage, show: Show, size: tuple[int, int], golden: object) -> None:
    assert callable(golden)
    async with show(stage, size) as screen:
        desk = await sit(screen, stage)
        bars = []
        for keys in (("shift+pageup",), ("slash", "l", "5"), ("escape", "space", "k"), ("escape", "t"), ("x",)):
            await desk.press(*keys)
            bars.append(desk.bar)
        await desk.search("line 1")
        bars.append(desk.bar)
        await desk.say_unseen(b"\r\nnew" * 1234)
        bars += [desk.bar, *desk.view[:4]]
        golden("\n".join(bars), f"reading-{size[0]}x{size[1]}")
