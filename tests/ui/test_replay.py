"""Recordings on the screen: playing, pause, speed, seeking, markers, and recordings larger than the terminal."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from kvtui.config import Settings
from kvtui.console.recording import Recording
from kvtui.ui.consoles.replay import ReplayApp, clock_text
from kvtui.ui.hacks import screen_text
from tests.terminal import Program

EVENTS = [
    (0.5, "m", "Connected."),
    (1.0, "o", "one\r\n"),
    (2.0, "o", "two\r\n"),
    (60.0, "m", "Connection lost: the VM stopped."),
    (60.0, "o", "three\r\n"),
    (100.0, "o", "four\r\n"),
]


class Watch:
    """The player's clock: it moves when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Player:
    """A running replay."""

    def __init__(self, app: ReplayApp, pilot: Pilot[int], watch: Watch) -> None:
        self.app, self.pilot, self.watch = app, pilot, watch

    @property
    def text(self) -> str:
        return screen_text(self.app)

    @property
    def shown(self) -> list[str]:
        """What stands on the recorded screen."""
        return [line for line in self.text.splitlines()[1:-2] if line]

    @property
    def status(self) -> str:
        return self.text.splitlines()[-2]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 8
        while not condition():
            assert time.monotonic() < end, f"it did not come:\n{self.text}"
            await asyncio.sleep(0.002)

    def repeat(self, action: Callable[[int], None], by: int, times: int) -> None:
        """What a key that is held down does."""
        for _ in range(times):
            action(by)

    async def shows(self, *lines: str, state: str = "", at: float | None = None) -> None:
        await self.until(lambda: self.shown == list(lines) and (not state or self.app.state == state))
        if at is not None:
            assert round(self.app.position, 3) == at

    async def pass_time(self, seconds: float) -> None:
        """Let time pass. A pause that is waited for already is cut short by a key that does nothing."""
        self.watch.now += seconds
        self.app.wake()


@asynccontextmanager
async def playing(
    folder: Path,
    events: Sequence[tuple[float, str, str]] = EVENTS,
    *,
    size: tuple[int, int] = (80, 24),
    columns: int = 80,
    lines: int = 24,
    title: str = "prod/shop/db-2",
    speed: float = 1.0,
    idle_limit: float = 0.0,
) -> AsyncIterator[Player]:
    path = folder / "some.cast"
    header = {"version": 2, "width": columns, "height": lines, "timestamp": 1_795_572_847, "title": title}
    path.write_text("".join(json.dumps(item) + "\n" for item in (header, *events)))
    watch = Watch()
    with Recording(path) as recording:
        app = ReplayApp(recording, Settings(), idle_limit=idle_limit, speed=speed, clock=watch)
        async with app.run_test(size=size, notifications=True) as pilot:
            player = Player(app, pilot, watch)
            await player.until(lambda: not app.state.startswith("READING"))
            yield player
    assert app.crash_log is None, app.crash_log.read_text()


# Playing ------------------------------------------------------------------------------------------------------------


async def test_what_was_said_appears_at_its_time(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.shows(state="PLAYING", at=0.0)
        await player.pass_time(1.5)
        await player.shows("one", at=1.5)
        await player.pass_time(1.0)
        await player.shows("one", "two")
        await player.pass_time(200.0)
        await player.shows("one", "two", "three", "four", state="END", at=100.0)
        await player.until(lambda: player.status.startswith(" END "))
        assert "1:40 / 1:40" in player.status
        assert "2026-11-25 02:15:47" in player.status


async def test_the_bars_say_whose_recording_it_is_and_what_happened_last(tmp_path: Path) -> None:
    async with playing(tmp_path, size=(120, 24)) as player:
        assert player.text.splitlines()[0].startswith(" prod/shop/db-2")
        assert "80x24" in player.text.splitlines()[0]
        await player.pass_time(0.7)
        await player.until(lambda: player.status.endswith("  ┼ Connected."))
        await player.press("5")
        await player.pass_time(20)
        await player.until(lambda: player.status.endswith("  ┼ Connection lost: the VM stopped."))
        assert player.status.count("┼") == 3


async def test_a_pause_stands_still_and_goes_on_from_there(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.pass_time(1.5)
        await player.shows("one")
        await player.press("space")
        await player.shows("one", state="PAUSED", at=1.5)
        await player.pass_time(1000)
        await player.shows("one", state="PAUSED", at=1.5)
        await player.press("space")
        await player.pass_time(0.25)
        await player.shows("one", state="PLAYING", at=1.75)


async def test_at_the_end_a_pause_begins_anew(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.press("end")
        await player.shows("one", "two", "three", "four", state="END", at=100.0)
        await player.press("space")
        await player.shows(state="PLAYING", at=0.0)


async def test_speeds(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.press("greater_than_sign", "plus")
        await player.until(lambda: " 4x " in player.status)
        await player.pass_time(0.4)
        await player.shows("one", at=1.6)
        await player.press(*["less_than_sign"] * 9)
        await player.until(lambda: " 0.25x " in player.status)
        await player.pass_time(1.0)
        await player.shows("one", at=1.85)
        await player.press(*["greater_than_sign"] * 9)
        await player.until(lambda: " 16x " in player.status)


async def test_long_pauses_are_cut_and_the_clock_on_the_wall_tells(tmp_path: Path) -> None:
    async with playing(tmp_path, idle_limit=2.0) as player:
        await player.pass_time(3.9)
        await player.shows("one", "two")
        assert "02:14:10" in player.status
        await player.pass_time(0.2)
        await player.shows("one", "two", "three")
        await player.until(lambda: "02:15:07" in player.status)
        assert "0:04 / 0:06" in player.status


async def test_the_help_lists_the_keys_and_playing_goes_on(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        assert "? help" in player.text
        await player.press("question_mark")
        await player.until(lambda: "the next marker" in player.text)
        await player.pass_time(1.5)
        await player.press("escape")
        await player.shows("one", at=1.5)


# Seeking ------------------------------------------------------------------------------------------------------------


async def test_seeking_shows_what_stood_there(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.press("space")
        for keys, lines, at in (
            (["right"], ["one", "two"], 5.0),
            (["pagedown"], ["one", "two", "three"], 65.0),
            (["left", "left"], ["one", "two"], 55.0),
            (["shift+right"], ["one", "two", "three", "four"], 100.0),
            (["shift+left", "pageup"], [], 0.0),
            (["6"], ["one", "two", "three"], 60.0),
            (["home"], [], 0.0),
            (["end"], ["one", "two", "three", "four"], 100.0),
        ):
            await player.press(*keys)
            await player.until(lambda: not player.app.state.startswith("SEEKING"))
            await player.shows(*lines, at=at)


async def test_markers_are_gone_to(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.press("space", "right_square_bracket")
        await player.shows(state="PAUSED", at=0.5)
        await player.press("m")
        await player.shows("one", "two", "three", at=60.0)
        await player.press("m")
        await player.until(lambda: "there is no marker after this" in player.text)
        player.app.clear_notifications()
        await player.press("left_square_bracket")
        await player.shows(at=0.5)


async def test_while_playing_the_marker_that_just_passed_is_not_the_one_before(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.press("m", "m")
        await player.shows("one", "two", "three", state="PLAYING")
        await player.pass_time(0.5)
        await player.press("left_square_bracket")
        await player.shows(at=0.5)


async def test_a_step_is_one_event_and_stands_still(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.press("full_stop")
        await player.shows(state="PAUSED", at=0.5)
        await player.press("full_stop")
        await player.shows("one", at=1.0)
        await player.press("full_stop", "full_stop", "full_stop")
        await player.shows("one", "two", "three", at=60.0)
        await player.press("full_stop", "full_stop")
        await player.shows("one", "two", "three", "four", state="END", at=100.0)


async def test_a_long_way_does_not_keep_the_keys_waiting(tmp_path: Path) -> None:
    text = "".join(f"[{number:9d}.123] some words of the kernel\r\n" for number in range(300))
    events = [(at / 10, "o", text) for at in range(1, 600)]
    async with playing(tmp_path, [*events, (70.0, "o", "the end\r\n")]) as player:
        player.app.simulate_key("end")
        await player.until(lambda: player.app.state.startswith("SEEKING"))
        player.app.simulate_key("home")
        farthest = 0.0
        while player.app.state.startswith("SEEKING"):
            farthest = max(farthest, player.app.position)
            await asyncio.sleep(0)
        assert farthest < 60, "the way to the end was not gone on"
        await player.shows(at=0.0)


# The view -----------------------------------------------------------------------------------------------------------


async def test_a_recording_that_is_larger_than_the_terminal_can_be_looked_over(tmp_path: Path) -> None:
    wide = "".join(f"{at:<10}" for at in range(0, 130, 10))
    text = "".join(f"line {number}\r\n" for number in range(70)) + wide
    async with playing(tmp_path, [(0.5, "o", text)], columns=132, lines=50) as player:
        await player.pass_time(1)
        await player.until(lambda: "line 69" in player.text)
        assert "columns 1 to 80 of 132" in player.text
        assert player.shown[-1].startswith("0         10")
        assert "120" not in player.shown[-1]
        await player.press("l", "k")
        await player.until(lambda: "1 line back, columns 9 to 88 of 132" in player.text)
        await player.press("h", "j")
        await player.until(lambda: "line back" not in player.text)
        player.repeat(player.app.action_sideways, 1, 20)
        await player.until(lambda: "columns 53 to 132 of 132" in player.text)
        assert player.shown[-1].endswith("120")
        player.repeat(player.app.action_sideways, -1, 20)
        player.repeat(player.app.action_scroll, -1, 30)
        await player.until(lambda: "30 lines back" in player.text)
        assert "line 20" in player.shown[0]
        player.repeat(player.app.action_scroll, -1, 40)
        await player.until(lambda: player.shown[0] == "line 0")
        player.repeat(player.app.action_scroll, 1, 80)
        await player.until(lambda: "lines back" not in player.text)


async def test_a_resize_is_played(tmp_path: Path) -> None:
    async with playing(tmp_path, [(1.0, "r", "100x40"), (2.0, "o", "x")]) as player:
        await player.pass_time(3)
        await player.until(lambda: "100x40" in player.text)
        await player.press("home")
        await player.until(lambda: "80x24" in player.text)


async def test_without_the_bars_the_recording_has_their_lines(tmp_path: Path) -> None:
    rows = [f"row {number}" for number in range(24)]
    async with playing(tmp_path, [(1.0, "o", "\r\n".join(rows)), (2.0, "o", "")], size=(80, 24)) as player:
        await player.press("z", "end")
        await player.until(lambda: player.text.splitlines()[-1] == rows[-1])
        assert [line[:6].rstrip() for line in player.text.splitlines()] == rows
        assert player.app.state == "END"
        await player.press("z")
        await player.until(lambda: "db-2" in player.text)
        assert "END" in player.status


async def test_the_terminal_may_be_tiny_or_huge(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        await player.press("end")
        for size in ((20, 5), (1, 1), (300, 80), (80, 24)):
            await player.pilot.resize_terminal(*size)
            await player.pilot.pause()
        await player.shows("one", "two", "three", "four")


async def test_a_file_that_breaks_off_is_played_until_there_and_says_so(tmp_path: Path) -> None:
    async with playing(tmp_path, [(1.0, "o", "x"), (2.0, "r", "nonsense")], size=(200, 24)) as player:
        await player.press("end")
        await player.shows("x", state="END", at=1.0)
        assert "line 3 has a size that is not COLUMNSxLINES" in player.text


async def test_a_file_that_still_grows_is_played_as_far_as_it_went(tmp_path: Path) -> None:
    async with playing(tmp_path) as player:
        with (tmp_path / "some.cast").open("a") as file:
            file.write('[101.0, "o", "later"]\n')
        await player.press("end")
        await player.shows("one", "two", "three", "four", state="END", at=100.0)
        await player.pass_time(1000)
        await player.press("full_stop")
        await player.shows("one", "two", "three", "four", state="END", at=100.0)


async def test_an_empty_recording_has_ended(tmp_path: Path) -> None:
    async with playing(tmp_path, []) as player:
        await player.shows(state="END", at=0.0)
        await player.press("space", "right", "m", "full_stop", "end")
        player.app.clear_notifications()
        await player.shows(state="END", at=0.0)


async def test_a_title_is_data(tmp_path: Path) -> None:
    async with playing(tmp_path, title="[b]x[/b]\x1b[2J\u202ey") as player:
        assert "[b]x[/b]" in player.text.splitlines()[0]
        assert not {"\x1b", "\u202e"} & set(player.text)


def test_times_since_the_begin() -> None:
    assert [clock_text(value) for value in (0, 59.9, 61, 3600, 36_061)] == [
        "0:00",
        "0:59",
        "1:01",
        "1:00:00",
        "10:01:01",
    ]


def test_the_program_plays_in_a_real_terminal_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "some.cast"
    header = {"version": 2, "width": 80, "height": 24, "title": "prod/shop/db-2"}
    events = [(0.1, "o", "Debian GNU/Linux 12\r\n\r\n"), (0.4, "o", "db-2 login: "), (100.0, "o", "root")]
    path.write_text("".join(json.dumps(item) + "\n" for item in (header, *events)))
    command = [sys.executable, "-m", "kvtui", "replay", str(path), "--idle-limit", "0"]
    with Program(command, columns=100, lines=30) as program:
        program.wait_for("db-2 login:")
        program.wait_for("PLAYING")
        program.press("space")
        program.wait_for("PAUSED")
        program.press("right")
        program.wait_for(r"0:05 / 1:40|0:06 / 1:40")
        program.press("q")
        program.wait_exit()
        assert program.process.returncode == 0
        assert not program.alternate


# Much output --------------------------------------------------------------------------------------------------------


async def test_a_seek_over_much_output_says_what_it_left_out_and_reads_it_when_asked_to(tmp_path: Path) -> None:
    piece = (("x" * 78) + "\r\n") * 1_250
    events = [(float(at), "o", piece) for at in range(1, 100)]
    async with playing(tmp_path, [*events, (100.0, "o", "the end")]) as player:
        await player.press("end")
        await player.until(lambda: player.app.state == "END" and player.shown[-1] == "the end")
        title = player.text.splitlines()[0]
        assert "begun at 1:1" in title or "begun at 1:0" in title
        assert "what came before is left out" in title
        await player.press("e")
        await player.until(
            lambda: player.app.state == "END" and "left out" not in player.text and player.shown[-1] == "the end"
        )
