"""Reading a console: the view stands still, and what is in it is found, selected, copied and saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from kvtui.config import ConsoleSettings, Settings
from kvtui.console.history import Place
from kvtui.ui.hacks import record_frames
from tests.ui.backend import Stage
from tests.ui.conftest import Show
from tests.ui.desk import sit
from tests.ui.test_consoles import sees, until

SMALL = (80, 24)
WIDE = (120, 35)


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
        assert "57 new lines since" in desk.bar
        await desk.press("G")
        assert desk.view[-2] == "line 199"
        await desk.press("G")
        await until(screen, lambda: desk.view[-1] == "new")
        assert not desk.terminal.is_reading


async def test_output_that_nobody_sees_is_not_sent_to_the_terminal(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "g")
        await until(screen, lambda: desk.view[0] == "line 0")
        frames = record_frames(screen.app)
        await desk.say_unseen(b"\r\nunseen" * 20)
        sent = "".join(frames)
        assert "20 new lines since" in sent
        assert "line 3" not in sent
        assert "unseen" not in sent


@pytest.mark.parametrize("flood", [b"\r\nnew" * 300, b"\x1b[2J\x1b[3J\x1b[H$ ", b"\x1bc", b"\x1b[?1049h\x1b[2Jeditor"])
async def test_what_is_read_is_found_copied_and_saved_though_it_is_gone_from_the_console(
    stage: Stage, show: Show, tmp_path: Path, flood: bytes
) -> None:
    settings = Settings(console=ConsoleSettings(scrollback=100))
    async with show(stage, SMALL, settings=settings) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "up", "up", "space", "up")
        before = desk.view[:-1]
        await desk.say_unseen(flood)
        assert desk.view[:-1] == before
        await desk.press("y")
        assert desk.copied == f"{before[-4]}\n{before[-3]}"
        await desk.press("down", "space", "down", "s")
        await until(screen, lambda: len(saved(tmp_path)) == 1)
        await until(screen, lambda: "2 lines saved to" in " ".join(screen.text.split()))
        assert saved(tmp_path)[0].read_text() == f"{before[-3]}\n{before[-2]}\n"
        await desk.press("escape")
        await desk.search("line 150")
        assert "line 150" in desk.view
        await desk.press("escape")
        await until(screen, lambda: "line 150" not in desk.view)


async def test_lines_that_come_on_a_screen_that_is_not_full_are_counted(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        desk = await sit(screen, stage, 3)
        await desk.press("ctrl+right_square_bracket", "left_square_bracket")
        await desk.say_unseen(b"\r\nnew" * 2)
        assert "2 new lines since" in desk.bar
        assert desk.view[2:4] == ["line 2", ""]


async def test_a_console_that_is_made_larger_meanwhile_is_read_on(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        desk = await sit(screen, stage)
        await desk.press("shift+pageup", "g")
        top = desk.view[:3]
        desk.terminal.session.resize(40, 10)
        await screen.pilot.resize_terminal(120, 35)
        await until(screen, lambda: desk.view[:3] == top)
        await desk.press("G")
        await until(screen, lambda: desk.view[-2] == "line 199")


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


@pytest.mark.usefixtures("soon_judged")
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


@pytest.mark.parametrize("words", ["line 1", "line 1" + "x" * 70])
async def test_which_one_was_found_is_said_on_a_small_screen_while_output_goes_on(
    stage: Stage, show: Show, words: str
) -> None:
    async with show(stage, SMALL) as screen:
        desk = await sit(screen, stage, 0)
        await desk.say(f"{words}\r\n".encode() * 1200 + b"the end", "the end")
        await desk.press("shift+pageup")
        await desk.say_unseen(b"\r\nnew" * 12_345)
        await desk.search(words)
        await desk.press(*["N"] * 30)
        assert "of 1,200" in desk.bar
        assert desk.bar.startswith(" paused")
        assert "esc follow" in desk.bar


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
