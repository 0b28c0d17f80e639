"""Sixels themselves: every pixel, whole and in parts, and what a terminal must have answered before it is sent any."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.segment import Segment
from textual import events
from textual._xterm_parser import XTermParser
from textual.geometry import Offset, Region
from textual.strip import Strip

from kvtui.ui.hacks import TerminalReply, mend_replies
from kvtui.ui.pictures.canvas import Canvas, Probe
from kvtui.ui.pictures.gallery import Order, carry_out
from kvtui.ui.pictures.picture import Colour
from kvtui.ui.pictures.sixel import Plate, SixelPictures, shades
from tests.pictures import encode
from tests.sixels import CELL, Terminal, percent, read_sixels

KIND = "?63;1;2;4;6;22c"

# Behind a frame ------------------------------------------------------------------------------------------------------


def test_the_last_line_of_the_screen_stays_without() -> None:
    plate = Plate(Image.new("RGB", (16, 51)), 2, 3, Canvas(CELL))
    pictures = SixelPictures(lambda _text: None, lambda: 5, lambda: None, wanted=True)
    strips = pictures.show(1, plate, [Strip([Segment("  ")], 2)] * 3, lambda: Offset(4, 2))
    sent = pictures.behind((y, 4, strip) for y, strip in enumerate(strips, 2))
    assert sent.startswith('\x1b[3;5H\x1bP0;1q"1;1;16;34')
    pictures.keep([])
    assert pictures.behind((y, 4, strip) for y, strip in enumerate(strips, 2)) == ""


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=42))
def test_whatever_cells_a_frame_writes_exactly_they_are_drawn_again(written: set[tuple[int, int]]) -> None:
    image = Image.linear_gradient("L").resize((7 * CELL[0], 6 * CELL[1])).convert("RGB")
    plate = Plate(image, 7, 6, Canvas(CELL))
    pictures = SixelPictures(lambda _text: None, lambda: 99, lambda: None, wanted=True)
    strips = pictures.show(1, plate, [Strip([Segment(" " * 7)], 7)] * 6, lambda: Offset(3, 2))
    terminal = Terminal((20, 20))
    terminal.feed(pictures.behind((y + 2, x + 3, strips[y].crop(x, x + 1)) for x, y in sorted(written)))
    assert terminal.drawn == {(x + 3, y + 2) for x, y in written}
    whole = Terminal((20, 20))
    whole.feed(f"\x1b[3;4H{plate.sixels()}")
    assert all(terminal.cells[cell] == whole.cells[cell] for cell in terminal.drawn)


# Encoding ------------------------------------------------------------------------------------------------------------

COLOURS = st.lists(st.tuples(*[st.sampled_from(range(0, 256, 17))] * 3), min_size=1, max_size=20)
"""As far apart as those of a screen are: Pillow takes neighbours for one."""


@given(st.integers(1, 9), st.integers(1, 4), COLOURS, st.randoms(use_true_random=False))
def test_every_pixel_is_drawn_once_in_its_colour(
    columns: int, rows: int, colours: list[Colour], chance: Random
) -> None:
    size = columns * 3, rows * 5
    image = Image.new("RGB", size)
    image.putdata([chance.choice(colours) for _ in range(size[0] * size[1])])
    plate = Plate(image, columns, rows, Canvas((3, 5)), list(dict.fromkeys(colours)))
    read_size, pixels = read_sixels(plate.sixels())
    assert read_size == size
    assert pixels == percent(image)


@given(st.tuples(st.integers(0, 11), st.integers(0, 5)), st.tuples(st.integers(1, 12), st.integers(1, 6)))
def test_a_part_is_that_part_of_the_whole(at: tuple[int, int], size: tuple[int, int]) -> None:
    region = Region(*at, *size).intersection(Region(0, 0, 12, 6))
    _, whole = read_sixels(PLATE.sixels())
    (width, height), part = read_sixels(PLATE.sixels(region))
    assert (width, height) == (region.width * CELL[0], region.height * CELL[1])
    left, top = region.x * CELL[0], region.y * CELL[1]
    assert part == {(x, y): whole[left + x, top + y] for x in range(width) for y in range(height)}


PLATE = Plate(
    Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize((96, 102)) for turn in (0, 90, 180)]),
    12, 6, Canvas(CELL),
)  # fmt: skip


def test_a_long_run_is_short() -> None:
    plate = Plate(Image.new("RGB", (800, 408)), 100, 24, Canvas(CELL))
    assert len(plate.sixels()) < 1000


def test_letters_keep_their_colours_however_few_they_are() -> None:
    palette = shades((0, 0, 0), [(170, 170, 170), (255, 60, 60)], 16)
    image = Image.new("RGB", (80, 34))
    image.paste((170, 170, 170), (0, 0, 60, 17))
    image.putpixel((70, 20), (255, 60, 60))
    _, pixels = read_sixels(Plate(image, 10, 2, Canvas(CELL), palette).sixels())
    assert pixels[70, 20] == (100, 24, 24)


@pytest.mark.parametrize("most", [2, 4, 16, 128])
@pytest.mark.parametrize("inks", [0, 1, 3, 15, 63])
def test_no_more_colours_are_used_than_the_terminal_has(inks: int, most: int) -> None:
    palette = shades((0, 0, 0), [(number * 4, 255 - number, 90) for number in range(inks)], most)
    assert len(palette) <= most
    noise = Image.effect_noise((80, 34), 120)
    image = Image.merge("RGB", (noise, noise.rotate(180), noise.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    for plate in (
        Plate(image, 10, 2, Canvas(CELL, None, most), palette),
        Plate(image, 10, 2, Canvas(CELL, None, most)),
    ):
        assert max(map(int, re.findall(r"#(\d+);2;", plate.sixels()))) < most


def test_noise_is_sent_in_few_colours_or_not_at_all() -> None:
    noise = Image.effect_noise((640, 340), 120)
    image = Image.merge("RGB", (noise, noise.rotate(180), noise.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    plate = Plate(image, 80, 20, Canvas(CELL))
    assert plate.too_long or len(plate.sixels()) <= 400_000
    screen = image.resize((1280, 1020), Image.Resampling.NEAREST)
    drawing = carry_out(Order(b"", 160, 60, "auto", True, canvas=Canvas(CELL)), encode(screen))
    assert drawing.plate is None
    assert drawing.strips, "characters are shown instead"


@given(st.integers(1, 600), st.integers(1, 300), st.tuples(st.integers(3, 99), st.integers(5, 199)))
def test_a_picture_is_never_larger_than_the_terminal_takes(columns: int, rows: int, cell: tuple[int, int]) -> None:
    for most in (None, (200, 200), (1000, 1000), (9000, 500)):
        fit = Canvas(cell, most).fit(columns, rows)
        assert 1 <= fit[0] <= columns
        assert 1 <= fit[1] <= rows
        width, height = fit[0] * cell[0], fit[1] * cell[1]
        assert width * height <= 1_300_000
        if most is not None:
            assert (width, height) <= most
            assert height <= most[1]


# Asking --------------------------------------------------------------------------------------------------------------


def probe(*replies: str, wanted: bool = False, measured: tuple[int, int] | None = None) -> tuple[Probe, list[str]]:
    written: list[str] = []
    asked = Probe(written.append, wanted=wanted, measure=lambda: measured)
    asked.ask()
    for reply in replies:
        asked.hear(reply)
    return asked, written


def test_a_terminal_that_says_so_is_asked_for_its_limits_before_anything_is_drawn() -> None:
    asked, written = probe("6;17;8t", KIND)
    assert asked.canvas is None
    assert written == ["\x1b[16t\x1b[c", "\x1b[?2;1;0S\x1b[?1;1;0S\x1b[c"]
    for reply in ("?2;0;1000;800S", "?1;0;16S", KIND):
        asked.hear(reply)
    assert asked.canvas == Canvas((8, 17), (1000, 800), 16)


def test_limits_that_a_terminal_does_not_know_are_none() -> None:
    assert probe("6;17;8t", KIND, "?2;3S", KIND)[0].canvas == Canvas((8, 17), None, 128)


def test_a_terminal_that_does_not_tell_its_cells_is_measured() -> None:
    assert probe(KIND, KIND, measured=(9, 18))[0].canvas == Canvas((9, 18), None, 128)
    assert probe(KIND, KIND)[0].canvas is None


@pytest.mark.parametrize("kind", ["?1;2c", "?62;22c", "?64;1;2;6;9;15;16;17;18;21;22;28c", "?4c", "?62;14;44c"])
def test_other_terminals_get_no_sixels_and_no_more_questions_unless_the_user_wants_them(kind: str) -> None:
    asked, written = probe("6;17;8t", kind, kind)
    assert asked.canvas is None
    assert len(written) == 1
    assert probe(kind, kind, wanted=True)[0].canvas == Canvas((10, 20), None, 128)


@pytest.mark.parametrize("cell", ["6;0;0t", "6;9999;9999t", "6;17;1t", "6;99999999;8t", "4;17;8t"])
def test_cells_that_cannot_be_are_not_believed(cell: str) -> None:
    assert probe(cell, KIND, KIND)[0].canvas is None


@pytest.mark.parametrize("limit", ["?2;0;0;0S", "?2;0;1;1S", "?1;0;0S", "?1;0;1S", "?1;0;99999999999S", "?9;9S"])
def test_limits_that_cannot_be_are_not_believed(limit: str) -> None:
    assert probe("6;17;8t", KIND, limit, KIND)[0].canvas == Canvas((8, 17), None, 128)


@given(st.lists(st.one_of(st.from_regex(r"\?[\d;]{1,40}[cS]", fullmatch=True), st.text(max_size=40)), max_size=9))
def test_whatever_a_terminal_answers_its_canvas_is_none_or_sane(replies: list[str]) -> None:
    canvas = probe(*replies)[0].canvas
    assert canvas is None or (canvas.fit(80, 24) <= (80, 24) and canvas.colours >= 2)


def parse(pieces: Sequence[str]) -> list[object]:
    mend_replies()
    parser = XTermParser()
    return [message for piece in pieces for message in parser.feed(piece)]


LONGEST = "?64;1;2;4;6;9;15;16;17;18;21;22;28;29;42;52c"
STREAM = f"a\x1b[6;17;8t\x1b[{LONGEST}\x1b[?2;0;1000;800S\x1b[?1;0;256Sb\x1b[A\x1b[<35;10;5M"


@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_replies_in_any_pieces_are_replies_and_keys_between_them_are_keys(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    messages = parse([STREAM[start:end] for start, end in pairwise(edges)])
    replies = [message.text for message in messages if isinstance(message, TerminalReply)]
    assert replies == ["6;17;8t", LONGEST, "?2;0;1000;800S", "?1;0;256S"]
    assert [message.key for message in messages if isinstance(message, events.Key)] == ["a", "b", "up"]
    assert isinstance(messages[-1], events.MouseMove)


@pytest.mark.parametrize("sequence", ["\x1b[?2026;2$y", "\x1b[I", "\x1b[5;7R", "\x1b[48;24;80;408;640t"])
def test_what_textual_asked_itself_stays_its_own(sequence: str) -> None:
    assert [type(message).__name__ for message in parse([sequence])] != ["TerminalReply"]
