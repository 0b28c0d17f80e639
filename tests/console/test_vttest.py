"""vttest, the VT100's and VT102's own test program: each picture is what its words say it shall be.

Its pictures of 132 columns are passed over, for that is not for the guest to decide.
"""

from __future__ import annotations

import os
import shutil
import signal
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal import Program

pytestmark = pytest.mark.skipif(not shutil.which("vttest"), reason="vttest is not installed: apt-get install vttest")

STARS = "*" * 80


@pytest.fixture
def vttest() -> Iterator[Program]:
    """At its menu. It wants a controlling terminal."""
    with Program(["setsid", "-cw", "vttest"], columns=80, lines=24, env={"TERM": "xterm"}) as program:
        program.wait_for("Enter choice number")
        pid = program.process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        try:
            yield program
        finally:
            # In a session of its own it outlives setsid, and at the end of its input it would ask again for ever.
            os.kill(int(child), signal.SIGKILL)


def choose(vttest: Program, number: int) -> list[str]:
    vttest.press(f"{number}\r")
    return picture(vttest)


def following(vttest: Program) -> list[str]:
    vttest.press("enter")
    return picture(vttest)


def picture(vttest: Program) -> list[str]:
    """What it shows once it waits for the next key."""
    while vttest.settle(0.3):
        pass
    vttest.wait_for(r"Push <RETURN>|Enter choice number")
    return vttest.screen.split("\n")


def test_cursor_movements(vttest: Program) -> None:
    rows = choose(vttest, 1)
    assert [rows[0], rows[23]] == [STARS, STARS]
    assert [rows[1], rows[22]] == [f"*{'+' * 78}*"] * 2
    assert {row[:2] + row[78:] for row in rows[2:22]} == {"*++*"}
    assert [rows[8], rows[15]] == [f"*+{' ' * 8}{'E' * 60}{' ' * 8}+*"] * 2
    assert {row[10] + row[69] for row in rows[8:16]} == {"EE"}
    following(vttest)
    # In the picture of autowrap letters stand at both edges in their order.
    rows = following(vttest)
    letters = string.ascii_uppercase[-18:]
    assert "".join(row[0] for row in rows[2:20]) == letters
    assert "".join(row[79] for row in rows[2:20]) == letters.lower()
    following(vttest)
    rows = following(vttest)
    assert rows[1] == "Below should be four identical lines:"
    assert len(set(rows[3:7])) == 1
    assert rows[3] == "A B C D E F G H I"
    rows = following(vttest)
    assert "This is a correct sentence" in rows


def test_screen_features(vttest: Program) -> None:
    rows = choose(vttest, 2)
    assert rows[:4] == [STARS, STARS, STARS, ""]
    rows = following(vttest)
    stops = [row for row in rows if "*" in row]
    assert len(stops) == 2
    assert len(set(stops)) == 1


def test_inserting_and_deleting(vttest: Program) -> None:
    rows = choose(vttest, 8)
    assert [row[79] for row in rows] == list(string.ascii_uppercase[:24])
    rows = following(vttest)
    assert [rows[0], rows[23]] == ["A" * 80, "X" * 80]
    assert not any(rows[2:23])
    rows = following(vttest)
    assert rows[0] == f"A{'*' * 78}B"
    rows = following(vttest)
    assert rows[0] == "AB"
    rows = following(vttest)
    assert [len(row) for row in rows] == [79 - y for y in range(24)]
    # The same with lines of double width, and then ICH.
    following(vttest)
    rows = following(vttest)
    inserted = [row for row in rows if "A B C" in row]
    assert len(inserted) == 2
    assert len(set(inserted)) == 1
