"""The emulator and tmux show the same after the same bytes.

Where tmux 3.3 to 3.5 and xterm's ctlseqs differ, xterm decides; each such case is named here with its reason. The cases
of test_conformance.py are not compared: they are about the very corners where tmux has its own ways (no HPR and VPR, no
selective erasing, IL and DL outside the region, DECSTR that resets little, a wrap still due after many a sequence).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvtui.console.emulator import Emulator
from tests.bench.emulator import boot_log, full_screen, kernel_log, wide_text

from .programs import COLUMNS, LINES, SCRIPTS, record
from .test_emulator_golden import CASES
from .tmux import MISSING, Shown, Tmux, history_of, shown_by

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

_HALVES = "tmux leaves halves of wide characters behind, and its columns go wrong after them"

# Cases of the golden screens that tmux shows otherwise, and why.
DEVIATIONS = {
    "alternate-1048-cursor": "tmux has no ?1048",
    "insert-lines": "IL and DL move xterm's cursor to the first column, tmux's they do not",
    "linefeed-after-full-row": "LF ends xterm's pending wrap; tmux wraps a row lower",
    "repeat-rep": "tmux repeats nothing but ASCII",
    "tabs-cht-cbt": "tmux has no CHT",
    "string-without-end": "a line's end does not end tmux's strings",
    "title-cleaned": "a line's end does not end tmux's strings",
    "variation-selector-and-joiner": "tmux keeps the characters without width",
    "combining": "tmux keeps more marks",
    "wide-at-margin-without-wrap": "tmux drops a wide character that does not fit",
    "wide-half-overwritten": _HALVES,
    "wide-insert-delete": _HALVES,
    "c1-controls": "tmux knows no C1 controls in UTF-8",
    "column-mode-ignored": "DECCOLM clears tmux's screen; xterm ignores it unless told otherwise",
    "huge-numbers": "tmux swallows parameters without end",
    "broken-csi": "text within a sequence does not end it for tmux",
    "soft-reset-decstr": "DECSTR leaves tmux's charsets",
    "invalid-utf8": "tmux drops bytes that are no UTF-8",
}


@pytest.fixture(scope="module")
def tmux() -> Iterator[Tmux]:
    with Tmux() as server:
        yield server


def shown(stream: bytes, columns: int, lines: int) -> Shown:
    emulator = Emulator(columns, lines)
    emulator.feed(stream)
    return shown_by(emulator)


@pytest.mark.parametrize("name", [name for name in CASES if name not in DEVIATIONS])
def test_the_golden_screens_are_tmuxs_as_well(tmux: Tmux, name: str) -> None:
    columns, lines, text = CASES[name]
    stream = text if isinstance(text, bytes) else text.encode()
    assert shown(stream, columns, lines) == tmux.show(stream, columns, lines)


def test_no_deviation_is_named_without_a_case() -> None:
    assert set(DEVIATIONS) <= set(CASES)


@pytest.mark.parametrize("make", [kernel_log, boot_log, full_screen, wide_text])
def test_logs_and_their_history_are_tmuxs(tmux: Tmux, make: Callable[[], str]) -> None:
    stream = make().encode()
    emulator = Emulator(100, 30)
    emulator.feed(stream)
    with tmux.open(100, 30) as pane:
        pane.feed(stream)
        assert shown_by(emulator) == pane.shown()
        assert history_of(emulator) == pane.history()


@pytest.mark.parametrize("term", ["vt220", "linux", "xterm-256color"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_real_programs_look_as_in_tmux(tmux: Tmux, name: str, term: str, tmp_path: Path) -> None:
    """After each key pressed in it, and at its end."""
    script = SCRIPTS[name]
    if script.missing:
        pytest.skip(script.missing)
    emulator, sent = Emulator(COLUMNS, LINES), b""
    for piece in record(script, tmp_path, term):
        emulator.feed(piece)
        sent += piece
        assert shown_by(emulator) == tmux.show(sent, COLUMNS, LINES)


BLOCKS = {
    "Latin": (0xAE, 0x17F),
    "Greek": (0x370, 0x3FF),
    "Cyrillic": (0x400, 0x52F),
    "Hebrew": (0x591, 0x5F4),
    "Devanagari": (0x900, 0x97F),
    "Thai": (0xE01, 0xE5B),
    "marks": (0x300, 0x36F),
    "arrows and signs": (0x2190, 0x23FF),
    "boxes and shapes": (0x2500, 0x27BF),
    "Braille": (0x2800, 0x28FF),
    "Japanese": (0x3000, 0x30FF),
    "Chinese": (0x4E00, 0x51FF),
    "Korean": (0xAC00, 0xAFFF),
    "full width": (0xFF01, 0xFFEE),
    "emoji": (0x1F300, 0x1F64F),
    "private": (0xE000, 0xE0FF),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_characters_have_the_columns_that_tmux_gives_them(tmux: Tmux, block: str) -> None:
    first, last = BLOCKS[block]
    characters = [chr(code) for code in range(first, last + 1) if unicodedata.category(chr(code)) != "Cn"]
    rows = ["".join(f"x{character}" for character in characters[at : at + 16]) for at in range(0, len(characters), 16)]
    stream = "|\r\n".join(rows).encode()
    ours, theirs = shown(stream, 60, 70), tmux.show(stream, 60, 70)
    assert [composed(line) for line in ours.lines] == [composed(line) for line in theirs.lines]
    assert ours.cursor == theirs.cursor


def composed(line: str) -> str:
    return unicodedata.normalize("NFC", line)


WIDTH, HEIGHT = 20, 8
ROWS, STEPS = st.integers(1, HEIGHT + 1), st.integers(1, 9)
MOVES = st.builds("\x1b[{};{}H".format, ROWS, st.integers(1, WIDTH + 1))
# In tmux 3.3 ICH goes wrong when it inserts more than half of what is left of the row, and after a due wrap each
# function does as it likes: so the cursor is placed before.
EDITS = st.builds(
    "{}{}".format,
    MOVES,
    st.builds("\x1b[{}{}".format, STEPS, st.sampled_from("ABCDPXST"))
    | st.builds("\x1b[{}{}".format, st.integers(0, 2), st.sampled_from("JK"))
    | st.builds("\r\x1b[{}@".format, STEPS)
    | st.sampled_from(["\x1bM", "\x1bD", "\x1bE"]),
)
PARTS = st.one_of(
    st.text("abcdefgh ", min_size=1, max_size=30),
    st.integers(1, 4).map(lambda count: "\r\n" * count),
    MOVES,
    EDITS,
    st.builds("\x1b[{};{}r".format, st.integers(1, 4), st.integers(5, HEIGHT)),
    st.sampled_from(
        ["\x1b[r", "\x1b[31m", "\x1b[?1049h\r\nx\x1b[?1049l", "\x1b7\x1b[3;3H\x1b8", "\r\x1b[4habc\x1b[4l"]
    ),
)


@given(st.lists(PARTS, max_size=25).map("".join))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_moves_and_edits_look_as_in_tmux(tmux: Tmux, text: str) -> None:
    stream = text.encode()
    assert shown(stream, WIDTH, HEIGHT) == tmux.show(stream, WIDTH, HEIGHT)
