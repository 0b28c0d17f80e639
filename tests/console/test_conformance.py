"""Each control function that the emulator claims, by the VT510's manual and xterm's ctlseqs.

The points that are tested are largely those of esctest, the suite that xterm and iTerm2 are tried with; what of it the
emulator does not claim is listed in kvtui/console/emulator.py.
"""

from __future__ import annotations

import pytest

from kvtui.console.emulator import Emulator

from .cases_cursor import CURSOR
from .cases_edit import EDIT
from .cases_modes import MODES
from .conformance import COLUMNS, LINES, Case, outcome

CASES: dict[str, Case] = CURSOR | EDIT | MODES


@pytest.mark.parametrize("name", CASES)
def test_control_function(name: str) -> None:
    case = CASES[name]
    emulator = Emulator(COLUMNS, LINES)
    emulator.feed(case.data)
    assert outcome(emulator) == (case.rows, case.cursor)
