"""What does not reach the guest, what is known late, and what comes faster than it can be shown."""

from __future__ import annotations

import time

from kvtui.console.state import State
from tests.console.test_session import CUT, RUNS, UNSEEN, Bench, bench, settle
from tests.console.test_session_life import RUNS_ANEW, cut

__all__ = ["bench"]

# Keys and pastes that reach nobody -----------------------------------------------------------------------------------


async def test_keys_without_a_guest_are_counted_until_one_reaches_it(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    for key in (b"a", b"b"):
        assert not bench.session.send(key)
    assert bench.session.loss == "2 keys were not sent"
    await bench.sleep.advance(10)
    bench.session.retake()
    await settle()
    assert bench.session.loss == "2 keys were not sent", "whoever looks now shall know"
    bench.session.send(b"c")
    assert bench.session.loss == ""


def is_calm(bench: Bench) -> bool:
    return bench.session.is_calm


async def test_who_types_when_a_console_is_lost_does_not_mean_to_connect(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    assert not is_calm(bench), "the reason is not known yet"
    await bench.sleep.advance(10)
    assert bench.state() is State.TAKEN
    assert is_calm(bench)
    bench.session.send(b"l")
    assert not is_calm(bench), "an enter now would be the end of what is typed"
    await bench.sleep.advance(2)
    assert is_calm(bench)


async def test_what_was_left_on_the_guests_line_is_not_run_by_the_hint(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    bench.session.retake()
    await settle()
    assert bench.session.sentence == "Connected; silent so far: ctrl+u, then enter, shows a prompt."


async def test_a_paste_that_is_cut_off_is_told_and_its_bracket_is_closed_on_the_same_guest(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"\x1b[?2004h")
    await settle()
    assert bench.session.paste("x" * 1000)
    await bench.sleep.advance(0.01)
    await cut(bench, RUNS)
    assert bench.session.loss.startswith("the paste ended at ")
    assert bench.session.pasting is None
    await bench.sleep.advance(10)
    assert bench.state() is State.TAKEN
    bench.session.retake()
    await settle()
    assert bench.line.written == [b"\x1b[201~"]


async def test_the_bracket_of_a_paste_is_not_closed_on_another_boot(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"\x1b[?2004h")
    await settle()
    assert bench.session.paste("x" * 1000)
    await bench.sleep.advance(0.01)
    await cut(bench, RUNS_ANEW)
    await bench.sleep.advance(1)
    assert (bench.state(), bench.line.written) == (State.SILENT, [])


# What is known late --------------------------------------------------------------------------------------------------


async def test_a_new_boot_is_told_with_the_time_of_its_begin(bench: Bench) -> None:
    await bench.open()
    began = bench.sleep.now - 3600
    await cut(bench, RUNS_ANEW._replace(began=began))
    await bench.sleep.advance(1)
    assert f"new boot at {time.strftime('%H:%M', time.localtime(began))};" in bench.session.sentence


async def test_a_machine_that_is_seen_only_after_the_line_is_there_explains_a_cut_all_the_same(bench: Bench) -> None:
    bench.sight = UNSEEN
    await bench.open()
    bench.sight = RUNS
    await bench.sleep.advance(1)
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    assert bench.state() is State.TAKEN


async def test_a_line_that_brings_more_than_can_be_shown_is_read_to_its_end(bench: Bench) -> None:
    await bench.open()
    first = bench.line
    first.send(b"\x1b[31m12345678\x1b[m\r\n" * 100_000, CUT)
    bench.sight = RUNS_ANEW
    for _ in range(200):
        if len(bench.lines) > 1:
            break
        await bench.sleep.advance(0.1)
    assert bench.session.behind > 0, "the new boot is caught while the old one is still being shown"
    bench.line.send(b"SeaBIOS")
    while bench.session.behind:
        await settle()
    assert bench.session.emulator.text()[0] == "SeaBIOS"
    assert bench.session.received == 100_000 * len(b"\x1b[31m12345678\x1b[m\r\n") + len(b"SeaBIOS")
