"""The emulator and tmux show the same after the same bytes.

Where tmux 3.3 to 3.5 and xterm's ctlseqs differ, xterm decides; each such case is named here with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
