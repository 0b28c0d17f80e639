"""What goes to the terminal, which may be at the end of a slow link: nothing that the user does not see."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from PIL import Image

from kvtui.ui.hacks import record_frames
from kvtui.ui.pictures.gallery import Order
from tests.pictures import SEABIOS, encode
from tests.ui.backend import Stage, changed
from tests.ui.conftest import Screen, Show
from tests.ui.test_gallery import DOT, RUNNING, SMALL, look_at, tiles, until
from tests.ui.test_main import vm


def with_cursor() -> bytes:
    """The usual picture with a block in one line of letters."""
    image = Image.open(io.BytesIO(SEABIOS)).convert("RGB")
    image.paste((168, 168, 168), (0, 300, 8, 308))
    return encode(image)


async def sent_for(screen: Screen, stage: Stage, pictures: Sequence[bytes]) -> list[list[int]]:
    """How large the frames are that go to the terminal for each of these pictures but the first."""
    frames = record_frames(screen.app)
    stage.backend.pictures[RUNNING] = pictures[0]
    await look_at(screen)
    await until(screen, partial(shows, screen, pictures[0]))
    await until(screen, lambda: any(map(has_dots, frames)))
    await all_drawn(screen)
    sent = []
    for before, picture in pairwise(pictures):
        stage.backend.pictures[RUNNING] = picture
        frames.clear()
        looks = count_looks(stage)
        await screen.press("r")
        await until(screen, partial(has_looked, stage, looks + 1))
        await until(screen, partial(shows, screen, picture))
        if picture != before:
            await until(screen, lambda: frames)
        await all_drawn(screen)
        sent.append([len(frame) for frame in frames])
    return sent


def shows(screen: Screen, picture: bytes) -> bool:
    (tile,) = tiles(screen)
    digest = hashlib.blake2b(picture, digest_size=16).digest()
    return isinstance(tile.drawn, Order) and tile.drawn.digest == digest


def count_looks(stage: Stage) -> int:
    return stage.backend.calls.count(f"screenshot shop/{RUNNING}")


def has_looked(stage: Stage, times: int) -> bool:
    return count_looks(stage) >= times and stage.backend.asked_at_once == 0


def has_dots(frame: str) -> bool:
    return any(ord(character) in DOT for character in frame)


async def all_drawn(screen: Screen) -> None:
    """Wait until what was to be drawn has gone to the terminal."""
    await screen.settle()
    drawn = asyncio.Event()
    screen.app.screen.call_after_refresh(drawn.set)
    await drawn.wait()


# Pictures ------------------------------------------------------------------------------------------------------------


async def test_the_same_picture_again_sends_nothing_to_the_terminal(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        assert await sent_for(screen, stage, [SEABIOS] * 7) == [[]] * 6


async def test_of_another_picture_only_the_changed_lines_are_sent(stage: Stage, show: Show) -> None:
    async with show(stage, SMALL) as screen:
        sent = await sent_for(screen, stage, [(SEABIOS, with_cursor())[count % 2] for count in range(7)])
        assert [len(frames) for frames in sent] == [1] * 6
        assert all(0 < size < 500 for (size,) in sent), f"two lines, and not the picture: {sent}"


# Screens behind others -----------------------------------------------------------------------------------------------


async def test_what_changes_behind_another_screen_sends_nothing_and_is_there_on_the_way_back(
    stage: Stage, show: Show
) -> None:
    async with show(stage) as screen:
        await screen.press("question_mark")
        frames = record_frames(screen.app)
        for _second in range(3):
            stage.clock.now += 1
            screen.main.tick()
            await screen.settle()
        stage.put(changed(vm("batch-2"), printableStatus="Starting"))
        await screen.settle()
        assert frames == []
        await screen.press("escape")
        assert "02:14:10" in screen.lines[0]
        assert "Starting" in screen.line_with("batch-2")


async def test_a_terminal_resized_behind_another_screen_has_all_arranged_on_the_way_back(
    stage: Stage, show: Show
) -> None:
    async with show(stage, (80, 24)) as screen:
        for size, single in (((200, 50), False), ((80, 24), True)):
            await screen.press("question_mark")
            await screen.pilot.resize_terminal(*size)
            await screen.press("escape")
            assert screen.main.single is single
            assert max(map(len, screen.lines)) == size[0]
            assert len(screen.lines) == size[1]
            assert "? help" in screen.lines[-1]
