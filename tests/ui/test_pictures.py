"""Pictures of screens as characters: shape, colours, letters that can be read, and files that are no pictures."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.color import ColorSystem
from rich.color_triplet import ColorTriplet
from rich.style import Style
from textual.strip import Strip

from kvtui.ui.pictures.kitty import MARKS, KittyPictures, is_kitty
from kvtui.ui.pictures.picture import (
    MOST_PIXELS,
    WHOLE,
    PictureError,
    Way,
    Window,
    as_png,
    choose_way,
    decode,
    draw,
    encode_png,
    frame,
    is_png,
)
from tests.pictures import BLUE, RED, SEABIOS, encode, halves, plain, shades

Golden = Callable[[str, str], None]


def text_of(strips: list[Strip]) -> str:
    return "\n".join(strip.text.rstrip() for strip in strips)


def draw_in(data: bytes, columns: int, rows: int, way: Way, window: Window = WHOLE) -> list[Strip]:
    picture = decode(data)
    return draw(picture, frame(picture.size, columns, rows, window), way)


def looks(strip: Strip) -> set[tuple[str, str]]:
    """Ink and ground of the pieces of a line."""
    colours = [(style.color, style.bgcolor) for style in (segment.style or Style() for segment in strip)]
    return {(str(ink and ink.triplet), str(ground and ground.triplet)) for ink, ground in colours}


# Drawing -------------------------------------------------------------------------------------------------------------


def test_a_text_console_can_be_read_as_dots(golden: Golden) -> None:
    golden(text_of(draw_in(SEABIOS, 160, 46, Way.DOTS)), "picture-dots-160x46")


def test_half_of_a_text_console_can_be_read_on_a_small_terminal(golden: Golden) -> None:
    golden(text_of(draw_in(SEABIOS, 80, 22, Way.PLAIN, Window(2.0, 0.0, 0.0))), "picture-zoomed-80x22")


def test_shades_are_told_by_the_number_of_dots_where_there_are_no_colours(golden: Golden) -> None:
    golden(text_of(draw_in(shades(), 38, 10, Way.PLAIN)), "picture-shades-38x10")


def test_half_blocks_have_the_colours_of_their_two_pixels() -> None:
    strips = draw_in(halves((4, 6)), 4, 3, Way.BLOCKS)
    red, blue = f"ColorTriplet(red={RED[0]}, green=0, blue=0)", f"ColorTriplet(red=0, green=0, blue={BLUE[2]})"
    assert [strip.text for strip in strips] == ["    ", "▀▀▀▀", "    "]
    assert looks(strips[0]) == {("None", red)}
    assert looks(strips[1]) == {(red, blue)}
    assert looks(strips[2]) == {("None", blue)}


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("size", [(720, 400), (800, 600), (1920, 1080), (1080, 1920), (1, 3000), (3000, 1), (3, 5)])
@pytest.mark.parametrize("room", [(80, 22), (38, 10), (200, 48), (1, 1)])
def test_the_shape_is_kept_within_the_room(size: tuple[int, int], room: tuple[int, int], way: Way) -> None:
    columns, rows, box = frame(size, *room)
    assert list(box) == [0, 0, *size]
    strips = draw_in(plain(BLUE, size), *room, way)
    assert (len(strips), {strip.cell_length for strip in strips}) == (rows, {columns})
    assert 1 <= columns <= room[0]
    assert 1 <= rows <= room[1]
    if min(columns, rows) > 5:
        assert columns / (2 * rows) == pytest.approx(size[0] / size[1], rel=0.1)
        assert columns == room[0] or rows == room[1]


def test_thin_letters_keep_contrast_when_they_are_made_small_and_colours_stay_those_of_the_picture() -> None:
    small, hazy = decode(SEABIOS).scaled(38, 20), Image.open(io.BytesIO(SEABIOS)).convert("L").resize((38, 20))
    found, lost = max(small.convert("L").tobytes()), max(hazy.tobytes())
    assert 1.5 * lost < found <= 170, "no lighter than the grey that VGA writes with"


@pytest.mark.parametrize("way", Way)
def test_something_bright_changes_only_the_lines_that_it_is_in(way: Way) -> None:
    with_cursor = Image.open(io.BytesIO(SEABIOS)).convert("RGB")
    with_cursor.paste((168, 168, 168), (0, 380, 60, 400))
    for size in ((38, 10), (80, 22)):
        before, after = draw_in(SEABIOS, *size, way), draw_in(encode(with_cursor), *size, way)
        assert [old == new for old, new in zip(before, after, strict=True)].count(False) in (1, 2, 3)


def test_consoles_are_drawn_with_dots_and_desktops_with_blocks_unless_the_user_wants_it_otherwise() -> None:
    console, desktop = decode(SEABIOS), decode(shades())
    assert choose_way(console, "auto", coloured=True) is Way.DOTS
    assert choose_way(desktop, "auto", coloured=True) is Way.BLOCKS
    assert choose_way(console, "blocks", coloured=True) is Way.BLOCKS
    assert choose_way(desktop, "dots", coloured=True) is Way.DOTS
    assert choose_way(desktop, "blocks", coloured=False) is Way.PLAIN


def test_a_bar_of_inverse_text_stands_out_without_colours() -> None:
    """As the chosen entry of a boot menu does."""
    menu = Image.new("RGB", (160, 96), (0, 0, 0))
    menu.paste((170, 170, 170), (0, 32, 160, 48))
    out = io.BytesIO()
    menu.save(out, "PNG")
    lines = [strip.text for strip in draw_in(out.getvalue(), 20, 6, Way.PLAIN)]
    assert lines[2] == "\u28ff" * 20
    assert lines[1] == lines[3] == " " * 20


def test_thick_letters_are_ink_and_not_the_ground() -> None:
    """Of a stem that fills a cell, a block of light would be all that is seen."""
    image = Image.new("RGB", (640, 64), (0, 0, 0))
    for left in range(16, 640, 64):
        image.paste((170, 170, 170), (left, 16, left + 24, 48))
    grounds = {ground for strip in draw_in(encode(image), 80, 4, Way.DOTS) for _, ground in looks(strip)}
    assert grounds == {str(ColorTriplet(0, 0, 0))}


@pytest.mark.parametrize(("where", "colour"), [(0.0, RED), (1.0, BLUE)])
def test_a_window_shows_a_part(where: float, colour: tuple[int, int, int]) -> None:
    strips = draw_in(halves((80, 80)), 8, 4, Way.BLOCKS, Window(3.0, 0.5, where))
    assert set[tuple[str, str]]().union(*map(looks, strips)) == {("None", str(ColorTriplet(*colour)))}


@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.tuples(st.integers(1, 300), st.integers(1, 100)),
    st.builds(Window, st.floats(1, 8), st.floats(0, 1), st.floats(0, 1)),
)
def test_a_window_is_within_the_picture_and_its_cells_within_the_room(
    size: tuple[int, int], room: tuple[int, int], window: Window
) -> None:
    columns, rows, (left, top, right, bottom) = frame(size, *room, window)
    assert 1 <= columns <= room[0]
    assert 1 <= rows <= room[1]
    assert -1e-6 <= left < right <= size[0] + 1e-6
    assert -1e-6 <= top < bottom <= size[1] + 1e-6


def test_a_zoomed_picture_fills_the_room_that_its_shape_left_free() -> None:
    assert frame((800, 600), 120, 22)[:2] == (59, 22)
    assert frame((800, 600), 120, 22, Window(2.0))[:2] == (117, 22)
    assert frame((800, 600), 120, 22, Window(3.0))[:2] == (120, 22)


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_ppm_of_an_old_server_is_the_same_picture_and_becomes_a_png() -> None:
    ppm = halves(form="PPM")
    assert ppm.startswith(b"P6")
    assert text_of(draw_in(ppm, 8, 2, Way.BLOCKS)) == text_of(draw_in(halves(), 8, 2, Way.BLOCKS))
    assert is_png(as_png(ppm))
    assert decode(as_png(ppm)).size == (80, 40)
    assert as_png(SEABIOS) is SEABIOS


def _bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9999))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (MOST_PIXELS, 2), (20_000, 20_000)])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(
    size: tuple[int, int], recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(PictureError, match=f"too large to be drawn: {size[0]} by {size[1]} pixels"):
        decode(_bomb(*size))
    assert not recwarn.list, "a warning would be printed over the screen"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<html>busy</html>", "no PNG and no PPM"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "no PNG and no PPM"),
        (SEABIOS[:2000], "broken or cut off"),
        (SEABIOS[:40], "broken or cut off"),
        (_bomb(100, 100), "broken or cut off"),
        (b"P6 100 100 255\nfew", "broken or cut off"),
        (b"P6 0 0 255\n", "broken or cut off"),
        (b"P6 99999999999999999999 1 255\n", "broken or cut off"),
    ],
)
def test_what_is_no_picture_is_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        decode(data)


@given(st.integers(0, len(SEABIOS) - 1), st.binary(max_size=30), st.integers(0, 40))
def test_a_forged_file_is_a_picture_or_a_sentence(at: int, put: bytes, taken: int) -> None:
    forged = SEABIOS[:at] + put + SEABIOS[at + taken :]
    with suppress(PictureError):
        assert draw_in(forged, 10, 4, Way.BLOCKS)


@given(st.binary(max_size=300))
def test_noise_behind_the_head_of_a_picture_is_a_picture_or_a_sentence(noise: bytes) -> None:
    for head in (b"\x89PNG\r\n\x1a\n", b"P6 3 2 255\n", SEABIOS[:33]):
        with suppress(PictureError):
            assert decode(head + noise).size


# Kitty's graphics ----------------------------------------------------------------------------------------------------


class Terminal:
    """What a terminal that knows the protocol would have understood."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> None:
        self.written += text

    @property
    def commands(self) -> list[tuple[dict[str, str], str]]:
        found = re.findall(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\", self.written)
        return [(dict(pair.split("=") for pair in keys.split(",")), payload) for keys, payload in found]


def number_of(strip: Strip, *, true_colour: bool) -> int:
    """The picture that a cell stands for, as its colour tells it."""
    (segment,) = strip
    code = segment.style.render("x", color_system=_system(true_colour)) if segment.style else ""
    if true_colour:
        found = re.search(r"38;2;(\d+);(\d+);(\d+)m", code)
        assert found
        red, green, blue = map(int, found.groups())
        return red << 16 | green << 8 | blue
    found = re.search(r"38;5;(\d+)m", code)
    assert found
    return int(found[1])


def _system(true_colour: bool) -> ColorSystem:
    return ColorSystem.TRUECOLOR if true_colour else ColorSystem.EIGHT_BIT


@pytest.mark.parametrize("true_colour", [True, False])
def test_cells_tell_the_number_under_which_the_picture_was_sent(true_colour: bool) -> None:
    terminal = Terminal()
    kitty = KittyPictures(terminal.write, true_colour=true_colour)
    strips = [kitty.show(place, SEABIOS, 20, 5)[0] for place in range(60)]
    sent = [int(keys["i"]) for keys, _ in terminal.commands if "i" in keys]
    assert sent == [number_of(strip, true_colour=true_colour) for strip in strips]
    assert len(set(sent)) == 60
    assert 0 not in sent


def test_the_file_arrives_whole_in_chunks_and_the_terminal_need_not_answer() -> None:
    terminal = Terminal()
    data = SEABIOS + bytes(9000)
    KittyPictures(terminal.write, true_colour=True).show("a", data, 30, 9)
    commands = terminal.commands
    assert base64.b64decode("".join(payload for _, payload in commands)) == data
    assert max(len(payload) for _, payload in commands) <= 4096
    assert [keys["m"] for keys, _ in commands] == ["1"] * (len(commands) - 1) + ["0"]
    assert all(keys["q"] == "2" for keys, _ in commands)
    first = commands[0][0]
    assert (first["a"], first["U"], first["f"], first["c"], first["r"]) == ("T", "1", "100", "30", "9")


def test_each_cell_names_its_row_and_column_and_takes_one_column() -> None:
    strips = KittyPictures(Terminal().write, true_colour=True).show("a", SEABIOS, 400, 3)
    assert len(MARKS) == len(set(MARKS)) == 297
    for row, strip in enumerate(strips):
        assert strip.cell_length == len(MARKS), "wider than that a picture cannot be"
        assert Strip(list(strip)).cell_length == strip.cell_length
        cells = re.findall("\U0010eeee(.)(.)", strip.text)
        assert cells == [(MARKS[row], MARKS[column]) for column in range(len(MARKS))]


def test_a_new_picture_replaces_the_one_before_it_and_all_are_forgotten_at_the_end() -> None:
    terminal = Terminal()
    kitty = KittyPictures(terminal.write, true_colour=True)
    first, again, other = (kitty.show(place, SEABIOS, 8, 2) for place in "aab")
    assert [strip.text for strip in first] == [strip.text for strip in again]
    assert list(first[0]) == list(again[0]) != list(other[0])
    terminal.written = ""
    kitty.forget()
    assert [keys["d"] for keys, _ in terminal.commands] == ["I", "I"]


def test_through_tmux_every_sequence_is_wrapped() -> None:
    terminal = Terminal()
    KittyPictures(terminal.write, true_colour=True, tmux=True).show("a", SEABIOS, 8, 2)
    wrapped = re.findall(r"\x1bPtmux;((?:[^\x1b]|\x1b\x1b)*)\x1b\\", terminal.written)
    inner = Terminal()
    inner.write("".join(part.replace("\x1b\x1b", "\x1b") for part in wrapped))
    assert base64.b64decode("".join(payload for _, payload in inner.commands)) == SEABIOS
    assert terminal.written == "".join(f"\x1bPtmux;{part}\x1b\\" for part in wrapped)


@pytest.mark.parametrize(
    ("environ", "sizes_in_band", "expected"),
    [
        ({"TERM": "xterm-kitty"}, True, True),
        ({"TERM": "xterm-ghostty"}, True, True),
        ({"TERM": "xterm-kitty"}, False, False),
        ({"TERM": "foot"}, True, False),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, True, False),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, True, False),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, True, False),
        ({}, True, False),
    ],
)
def test_graphics_go_only_to_a_terminal_that_says_so_itself(
    environ: dict[str, str], sizes_in_band: bool, expected: bool
) -> None:
    assert is_kitty(environ, sizes_in_band=sizes_in_band) is expected


def test_a_picture_is_not_sent_larger_than_its_cells() -> None:
    assert decode(encode_png(decode(SEABIOS), (100, 100))).size == (100, 56)
    assert decode(encode_png(decode(SEABIOS), (4000, 4000))).size == (720, 400)
