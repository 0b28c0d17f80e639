"""What machines show on their screens, live: one large, several as a grid, and why there is no picture."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.config import ConsoleSettings, Settings, state_dir
from kvtui.errors import BackendError, ForbiddenError, UnreachableError
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import Drop
from kvtui.ui.consoles.terminal import Terminal
from kvtui.ui.panes.tile import PictureTile
from kvtui.ui.pictures.gallery import LEAST_TILE, Grid, Order, carry_out, in_sight, plan_grid, save
from kvtui.ui.pictures.picture import is_png
from kvtui.ui.screens.pictures import PicturesScreen
from tests.pictures import BLUE, RED, SEABIOS, halves, plain
from tests.ui.backend import NAME, Stage, changed
from tests.ui.conftest import Screen, Show

Golden = Callable[[str, str], None]
RUNNING = "dv-1"
SMALL = (80, 24)
DOT = range(0x2801, 0x2900)


async def until(screen: Screen, condition: Callable[[], object], *, patience: float = 8.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"it did not come:\n{screen.text}"
        await screen.settle()


def sees(screen: Screen, words: str) -> Callable[[], bool]:
    return lambda: words in " ".join(screen.text.split())


def has_dots(screen: Screen) -> bool:
    return any(ord(character) in DOT for character in screen.text)


def tiles(screen: Screen) -> list[PictureTile]:
    return list(screen.app.screen.query(PictureTile))


def has_tiles(screen: Screen, count: int) -> bool:
    return len(tiles(screen)) == count


async def look_at(screen: Screen, name: str = RUNNING) -> None:
    """The screen of one VM."""
    await screen.press("slash", *name, "enter", "v")
    await until(screen, lambda: isinstance(screen.app.screen, PicturesScreen))


async def look_at_all(screen: Screen, filter_text: str = "") -> None:
    """The screens of all VMs of the list, marked one after the other."""
    await screen.press("slash", *filter_text, "enter", "g", "space", "G", "ctrl+space", "v")
    await until(screen, lambda: isinstance(screen.app.screen, PicturesScreen))


def crowd(stage: Stage, count: int) -> None:
    """Many running VMs."""
    vm = next(vm for ref, vm in stage.fleet.view.items(VirtualMachine) if ref.name == RUNNING)
    vmi = next(vmi for ref, vmi in stage.fleet.view.items(VirtualMachineInstance) if ref.name == RUNNING)
    for number in range(count):
        for record in (vm, vmi):
            copy = msgspec.convert(msgspec.to_builtins(record), type(record))
            copy.metadata.name, copy.metadata.uid = f"crowd-{number:03}", f"crowd-{number}"
            stage.put(copy)


# One machine ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, (120, 35), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_picture_of_one_machine(stage: Stage, show: Show, golden: Golden, size: tuple[int, int]) -> None:
    async with show(stage, size) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        golden(screen.text, f"pictures-one-{size[0]}x{size[1]}")


async def test_without_colours_something_true_is_seen(
    stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stage.backend.pictures[RUNNING] = halves()
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        halves_shown = ["\u28ff" * 40 in line for line in screen.lines[2:-1]]
        assert halves_shown[2:4] != halves_shown[-4:-2], "one half stands out from the other"
        assert "▀" not in screen.text


async def test_without_colours_no_blocks_are_offered_and_it_is_said_why(
    stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with show(stage, SMALL, Settings(console=ConsoleSettings(pictures="blocks"))) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        assert "dots or blocks" not in screen.lines[-1]
        drawn = tiles(screen)[0].drawn
        await screen.press("d")
        assert "drawn with dots: blocks are nothing" in screen.text
        assert "but colours, and NO_COLOR is set" in screen.text
        assert tiles(screen)[0].drawn == drawn


async def test_a_desktop_is_drawn_with_blocks_until_dots_are_asked_for(stage: Stage, show: Show) -> None:
    stage.backend.pictures[RUNNING] = halves((81, 43))
    settings = Settings(console=ConsoleSettings(pictures="blocks"))
    async with show(stage, SMALL, settings) as screen:
        await look_at(screen)
        await until(screen, sees(screen, "live"))
        (tile,) = tiles(screen)
        await until(screen, lambda: tile.view.has_picture)
        assert not has_dots(screen)
        await screen.press("d")
        assert "drawn as it suits the picture" in " ".join(screen.text.split())


async def test_zooming_shows_less_and_that_larger_and_arrows_move_it(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        whole = screen.lines[2:-1]
        await screen.press("plus", "plus")
        assert "zoomed 2 times" in screen.text
        await until(screen, lambda: screen.lines[2:-1] != whole)
        left = screen.lines[2:-1]
        await screen.press("right")
        await until(screen, lambda: screen.lines[2:-1] != left)
        await screen.press("left")
        await until(screen, lambda: screen.lines[2:-1] == left)
        await screen.press("minus", "minus")
        await until(screen, lambda: screen.lines[2:-1] == whole)
        assert "zoomed" not in screen.text


async def test_a_zoomed_picture_shows_where_the_last_words_are() -> None:
    order = Order(b"", 80, 22, "auto", True, zoom=3.0)
    drawing = carry_out(order, SEABIOS)
    _, top, _, bottom = drawing.frame.box
    assert top > 0
    assert bottom == pytest.approx(174, abs=2), "the cursor is in the 11th line of 16 pixels"
    assert carry_out(order, plain(BLUE)).frame.box[1] == 0


async def test_a_picture_that_comes_no_more_stays_and_says_so(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        assert "live" in screen.lines[1]
        stage.backend.pictures[RUNNING] = UnreachableError("no answer", "timed out")
        stage.clock.now += 12
        await screen.press("r")
        await until(screen, sees(screen, "the server does not answer"))
        assert "12s old" in screen.lines[1]
        assert has_dots(screen)
        del stage.backend.pictures[RUNNING]
        await screen.press("r")
        await until(screen, sees(screen, "live"))
        assert "does not answer" not in screen.text


async def test_a_server_that_hangs_makes_the_picture_old(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        stage.backend.shutter.clear()
        stage.clock.now += 8
        await until(screen, lambda: "8s old" in screen.lines[1])


async def test_pausing_keeps_the_picture_and_says_so(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        await screen.press("space")
        assert "PAUSED" in screen.lines[0]
        assert "0s old" in screen.lines[1]
        await screen.press("space")
        assert "PAUSED" not in screen.lines[0]
        await until(screen, lambda: "live" in screen.lines[1])


# Why there is no picture ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ForbiddenError("x", 'User "jane" cannot get resource "vnc/screenshot"', code=403), 'forbidden: User "jane"'),
        (BackendError("x", "VMI has no graphics device", code=400), "no picture: VMI has no graphics device"),
        (UnreachableError("x", "timed out"), "the server does not answer"),
    ],
)
async def test_the_reason_stands_in_place_of_the_picture(
    stage: Stage, show: Show, error: BackendError, words: str
) -> None:
    stage.backend.pictures[RUNNING] = error
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, sees(screen, words))
        assert "live" not in screen.text


@pytest.mark.parametrize("data", [b"", b"<html>", SEABIOS[:1000]])
async def test_a_broken_picture_is_a_sentence(stage: Stage, show: Show, data: bytes) -> None:
    stage.backend.pictures[RUNNING] = data
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: any(word in screen.text for word in ("broken", "no PNG", "empty")))


async def test_a_machine_that_does_not_run_is_not_asked_and_is_seen_when_it_does(stage: Stage, show: Show) -> None:
    vmi = next(vmi for ref, vmi in stage.fleet.view.items(VirtualMachineInstance) if ref.name == RUNNING)
    stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING))
    stage.fleet.step()
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, sees(screen, "no screen: the VM does not run"))
        assert stage.backend.calls == []
        early = changed(vmi, phase="Scheduled")
        stage.put(early)
        await until(screen, sees(screen, "no screen yet"))
        stage.put(changed(early, phase="Running"))
        await until(screen, lambda: has_dots(screen))
        stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING))
        stage.fleet.step()
        await until(screen, sees(screen, "no screen: the VM does not run"))
        assert not has_dots(screen), "what it showed before it stopped is no picture of it now"


async def test_where_instances_may_not_be_listed_the_server_is_asked(stage: Stage, show: Show) -> None:
    stage.fleet.store.post(Drop(NAME, VirtualMachineInstance, "shop", RUNNING))
    stage.feed(VirtualMachineInstance, FeedState.FORBIDDEN)
    stage.fleet.step()
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))


async def test_only_vms_have_screens(stage: Stage, show: Show) -> None:
    async with show(stage) as screen:
        await screen.press("1", "v")
        assert "a screen belongs to a VM" in " ".join(screen.text.split())
        assert screen.app.screen is screen.main


async def test_looking_is_allowed_where_nothing_may_be_changed(show: Show) -> None:
    stage = Stage(read_only=True)
    stage.list_all()
    async with show(stage, SMALL, Settings(read_only=True)) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))


# Several machines ----------------------------------------------------------------------------------------------------


async def test_marked_machines_are_a_grid(stage: Stage, show: Show, golden: Golden) -> None:
    stage.backend.pictures["evict-1"] = BackendError("x", "VMI has no graphics device", code=400)
    async with show(stage, (120, 35)) as screen:
        await look_at_all(screen)
        await until(screen, lambda: sum(tile.view.has_picture for tile in tiles(screen)) == 2)
        await until(screen, lambda: "looking" not in screen.text)
        golden(screen.text, "pictures-grid-120x35")


async def test_arrows_move_enter_enlarges_and_escape_leads_back(stage: Stage, show: Show) -> None:
    crowd(stage, 4)
    async with show(stage, SMALL) as screen:
        await look_at_all(screen, "crowd")
        for key, name in (("right", "001"), ("down", "003"), ("left", "002"), ("up", "000"), ("up", "000")):
            await screen.press(key)
            assert f"> shop/crowd-{name}" in screen.text
        await screen.press("down", "enter")
        assert [tile.ref.name for tile in tiles(screen)] == ["crowd-002"]
        await screen.press("right")
        assert [tile.ref.name for tile in tiles(screen)] == ["crowd-003"]
        await screen.press("escape")
        assert len(tiles(screen)) == 4
        assert "> shop/crowd-003" in screen.text
        await screen.press("escape")
        assert screen.app.screen is screen.main


async def test_of_hundreds_only_those_in_sight_are_asked_and_four_at_a_time(stage: Stage, show: Show) -> None:
    crowd(stage, 300)
    stage.backend.shutter.clear()
    async with show(stage, (120, 35)) as screen:
        await look_at_all(screen, "crowd")
        assert "page 1 of 34" in screen.lines[0]
        await until(screen, lambda: stage.backend.asked_at_once == 4)
        await screen.settle()
        assert stage.backend.most_asked_at_once == 4
        await screen.press("pagedown")
        await until(screen, lambda: "screenshot shop/crowd-009" in stage.backend.calls)
        assert stage.backend.asked_at_once == 4, "nobody waits for the page before"
        stage.backend.shutter.set()
        await until(screen, lambda: all(tile.view.has_picture for tile in tiles(screen)))
        asked = {call.rpartition("-")[2] for call in stage.backend.calls}
        assert asked == {f"{number:03}" for number in (*range(4), *range(9, 18))}
        assert stage.backend.most_asked_at_once == 4


async def test_pages_turn_to_the_end_and_back(stage: Stage, show: Show) -> None:
    crowd(stage, 10)
    async with show(stage, SMALL) as screen:
        await look_at_all(screen, "crowd")
        await screen.press("pagedown", "pagedown")
        assert [tile.ref.name for tile in tiles(screen)] == ["crowd-008", "crowd-009"]
        await screen.press("pagedown")
        assert "> shop/crowd-009" in screen.text
        await screen.press("home")
        assert "page 1 of 3" in screen.lines[0]
        await screen.press("end")
        assert "10 of 10 VMs" in screen.lines[0]


async def test_the_grid_follows_the_terminals_size(stage: Stage, show: Show) -> None:
    crowd(stage, 12)
    async with show(stage, SMALL) as screen:
        await look_at_all(screen, "crowd")
        assert len(tiles(screen)) == 4
        for size, count in (((200, 50), 12), ((120, 24), 6), ((30, 8), 1)):
            await screen.pilot.resize_terminal(*size)
            await until(screen, partial(has_tiles, screen, count))
            await until(screen, lambda: all(tile.view.has_picture for tile in tiles(screen)))


async def test_a_machine_that_is_gone_says_so(stage: Stage, show: Show) -> None:
    crowd(stage, 2)
    async with show(stage, SMALL) as screen:
        await look_at_all(screen, "crowd")
        for type_ in (VirtualMachine, VirtualMachineInstance):
            stage.fleet.store.post(Drop(NAME, type_, "shop", "crowd-001"))
        stage.fleet.step()
        await until(screen, sees(screen, "this VM is gone"))


# From here on --------------------------------------------------------------------------------------------------------


async def test_c_leads_to_the_console_of_the_tile(stage: Stage, show: Show) -> None:
    crowd(stage, 2)
    async with show(stage) as screen:
        await look_at_all(screen, "crowd")
        await screen.press("right", "c")
        await until(screen, lambda: isinstance(screen.app.focused, Terminal))
        assert "console shop/crowd-001" in stage.backend.calls


async def test_a_saved_picture_is_a_png_for_its_owner_alone_and_its_path_is_told(stage: Stage, show: Show) -> None:
    stage.backend.pictures[RUNNING] = halves(form="PPM")
    async with show(stage) as screen:
        await look_at(screen)
        await until(screen, lambda: tiles(screen)[0].view.has_picture)
        await screen.press("o")
        await until(screen, sees(screen, "saved"))
        (file,) = (state_dir() / "screenshots").iterdir()
        assert file.name.startswith(f"shop-{RUNNING}-")
        assert file.name in "".join(line.partition("▌")[2].strip() for line in screen.lines)
        assert is_png(file.read_bytes())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_without_a_picture_there_is_nothing_to_save(stage: Stage, show: Show) -> None:
    stage.backend.shutter.clear()
    async with show(stage) as screen:
        await look_at(screen)
        await screen.press("ctrl+s")
        assert f"there is no picture of shop/{RUNNING} to save" in " ".join(screen.text.split())


def test_files_of_one_second_have_names_of_their_own_and_stay_in_their_folder(tmp_path: Path) -> None:
    ref = Ref(NAME, "VirtualMachine", "", "../../etc/pass wd\x1b")
    paths = {save(plain(RED), tmp_path / "folder", ref) for _ in range(5)}
    assert len(paths) == 5
    assert {path.parent for path in paths} == {tmp_path / "folder"}
    assert all(path.name.isprintable() for path in paths)


async def test_a_terminal_that_takes_pictures_gets_one_and_forgets_it(
    stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr("kvtui.ui.screens.pictures.write_to_terminal", lambda _app, text: written.append(text))
    monkeypatch.setenv("TEXTUAL_COLOR_SYSTEM", "truecolor")
    async with show(stage, SMALL, Settings(console=ConsoleSettings(pictures="kitty"))) as screen:
        screen.app.console._color_system = None
        monkeypatch.setattr(type(screen.app.console), "color_system", "truecolor")
        await look_at(screen)
        await until(screen, lambda: screen.text.count("\U0010eeee") > 500)
        assert written[0].startswith("\x1b_Ga=T,U=1,")
        await screen.press("escape")
        assert "a=d,d=I" in written[-1]


async def test_no_terminal_gets_more_than_a_question_that_did_not_say_that_it_takes_pictures(
    stage: Stage, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr("kvtui.ui.screens.pictures.write_to_terminal", lambda _app, text: written.append(text))
    monkeypatch.setenv("TERM", "xterm-256color")
    async with show(stage, SMALL) as screen:
        await look_at(screen)
        await until(screen, lambda: has_dots(screen))
        await screen.press("escape")
    assert written == ["\x1b[16t\x1b[c"]


# The arrangement -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (1, (80, 22), (1, 1)),
        (2, (80, 22), (2, 1)),
        (2, (80, 48), (1, 2)),
        (4, (80, 22), (2, 2)),
        (300, (80, 22), (2, 2)),
        (9, (120, 33), (3, 3)),
        (300, (200, 48), (5, 4)),
        (3, (20, 5), (1, 1)),
    ],
)
def test_the_grid_in_which_pictures_are_largest(count: int, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert plan_grid(count, *size) == expected


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 150))
def test_a_grid_has_room_and_its_tiles_are_never_too_small(count: int, width: int, height: int) -> None:
    grid = plan_grid(count, width, height)
    assert grid.columns == 1 or (width + 1) // grid.columns - 1 >= LEAST_TILE[0]
    assert grid.rows == 1 or height // grid.rows >= LEAST_TILE[1]
    fits = Grid(max(1, (width + 1) // 39), max(1, height // 11)).size
    assert grid.size >= min(count, fits)


@given(st.integers(1, 60), st.integers(0, 59), st.builds(Grid, st.integers(1, 5), st.integers(1, 4)))
def test_the_cursor_is_always_in_sight(count: int, cursor: int, grid: Grid) -> None:
    refs = [Ref(NAME, "VirtualMachine", "shop", str(number)) for number in range(count)]
    cursor %= count
    page = in_sight(refs, cursor, grid)
    assert refs[cursor] in page
    assert len(page) <= grid.size
