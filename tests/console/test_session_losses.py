"""What does not reach the guest, what is known late, and what comes faster than it can be shown."""

from __future__ import annotations

import time

import pytest

from kvtui.console.sight import Place, Sight
from kvtui.console.state import State, Stream
from tests.console.test_session import CUT, RUNS, UNSEEN, Bench, bench, settle
from tests.console.test_session_life import MOVED, MOVING, MUTE, OFF, RUNS_ANEW, STARTING, cut

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


async def test_a_loss_is_told_for_some_seconds_on_the_next_line(bench: Bench) -> None:
    await bench.open()
    await cut(bench, OFF)
    bench.session.send(b"a")
    await bench.sleep.advance(600)
    assert bench.session.loss == "1 key was not sent"
    bench.sight = RUNS_ANEW
    await bench.sleep.advance(4)
    assert bench.session.loss == "1 key was not sent"
    await bench.sleep.advance(2)
    assert bench.session.loss == ""


async def test_each_loss_of_the_line_counts_anew(bench: Bench) -> None:
    await bench.open()
    await cut(bench, MOVED)
    bench.line.send(CUT)
    await settle()
    bench.session.send(b"a")
    await bench.sleep.advance(30)
    bench.session.retake()
    await settle()
    await cut(bench, MOVED)
    bench.session.send(b"b")
    assert bench.session.loss == "1 key was not sent"


@pytest.mark.parametrize(
    ("pastes", "words"),
    [
        (["ls\n" * 300], "a paste of 300 lines was not sent"),
        (["ls"], "a paste of 1 line was not sent"),
        (["a\nb\n", "c"], "2 pastes of 3 lines were not sent"),
    ],
)
async def test_a_paste_that_reaches_nobody_is_told_as_one(bench: Bench, pastes: list[str], words: str) -> None:
    await bench.open()
    await cut(bench, RUNS)
    for text in pastes:
        assert not bench.session.paste(text)
    assert bench.session.loss == words
    bench.session.send(b"x")
    assert bench.session.loss == f"{words}, 1 key was not sent"


def is_calm(bench: Bench) -> bool:
    return bench.session.is_calm


async def lose(bench: Bench) -> None:
    """The console was taken over a while ago."""
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    assert bench.state() is State.TAKEN


def press_enter(bench: Bench) -> bool:
    """Press it as the view does: whether it takes the console back."""
    if not bench.session.is_open and bench.session.is_calm:
        bench.session.retake()
        return True
    bench.session.send(b"\r")
    return False


async def test_an_enter_means_nothing_before_the_user_could_see_what_happened(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    assert not is_calm(bench), "the reason is not known yet"
    await bench.sleep.advance(10)
    assert bench.state() is State.TAKEN
    assert is_calm(bench)


@pytest.mark.parametrize("pause", [0.6, 1.7, 600.0])
async def test_the_enter_behind_something_typed_belongs_to_it_however_late_it_comes(bench: Bench, pause: float) -> None:
    await lose(bench)
    for key in b"poweroff":
        bench.session.send(bytes([key]))
    await bench.sleep.advance(pause)
    assert not press_enter(bench)
    assert bench.session.loss == "9 keys were not sent"
    await bench.sleep.advance(1)
    assert press_enter(bench)


async def test_a_stray_key_costs_one_enter(bench: Bench) -> None:
    await lose(bench)
    bench.session.send(b"x")
    taken = []
    for _ in range(2):
        await bench.sleep.advance(0.6)
        taken.append(press_enter(bench))
    assert taken == [False, True]


@pytest.mark.parametrize(("typed", "meant"), [(b"power", False), (b"ls\r", True), (b"ls\x15", True), (b"\x03", True)])
async def test_what_was_sent_before_the_cut_has_its_enter_too(bench: Bench, typed: bytes, meant: bool) -> None:
    await bench.open()
    bench.session.send(typed)
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    assert bench.session.is_typed_into is not meant
    assert is_calm(bench) is meant


async def test_an_enter_that_is_held_down_is_not_meant(bench: Bench) -> None:
    await lose(bench)
    bench.session.send(b"l")
    for _ in range(100):
        await bench.sleep.advance(0.04)
        assert not is_calm(bench)
        bench.session.send(b"\r")


@pytest.mark.parametrize("typed", [b"x", b" ", b"\x7f"])
async def test_whatever_is_typed_but_enter_begins_something(bench: Bench, typed: bytes) -> None:
    await lose(bench)
    for _ in range(5):
        await bench.sleep.advance(10)
        bench.session.send(typed)
        assert not is_calm(bench)


async def test_lone_enters_never_run_what_stands_on_the_line_that_they_took_back(bench: Bench) -> None:
    await bench.open()
    bench.session.send(b"rm -rf /srv")
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    bench.session.send(b"x")
    for _ in range(20):
        await bench.sleep.advance(1)
        press_enter(bench)
    assert bench.session.is_connected
    await settle()
    assert bench.line.written == []
    assert "18 enters were held back" in bench.session.loss


async def test_enter_reaches_a_guest_again_behind_another_key_or_a_pause(bench: Bench) -> None:
    await lose(bench)
    for first in (b"\x15", b""):
        press_enter(bench)
        await bench.sleep.advance(1)
        press_enter(bench)
        assert bench.session.loss.startswith("enter was held back")
        if first:
            bench.session.send(first)
        else:
            await bench.sleep.advance(3)
        assert bench.session.send(b"\r")
        await settle()
        assert b"".join(bench.line.written) == first + b"\r"
        assert bench.session.loss == ""
        await cut(bench, RUNS)
        await bench.sleep.advance(10)


async def test_a_boot_that_was_waited_for_has_nothing_on_its_line(bench: Bench) -> None:
    await lose(bench)
    bench.sight = OFF
    press_enter(bench)
    await bench.sleep.advance(10)
    bench.sight = RUNS_ANEW
    await bench.sleep.advance(1)
    assert bench.session.send(b"\r")


async def test_whoever_took_a_console_may_have_typed_in_the_next_boot_too(bench: Bench) -> None:
    await lose(bench)
    bench.sight = RUNS_ANEW
    press_enter(bench)
    await settle()
    assert not bench.session.send(b"\r")


@pytest.mark.parametrize("pause", [0.1, 5.0, 600.0])
async def test_the_first_lone_enter_into_a_guest_that_was_found_silent_runs_nothing_of_somebody_else(
    bench: Bench, pause: float
) -> None:
    await bench.open()
    await bench.sleep.advance(pause)
    assert not bench.session.send(b"\r")
    assert bench.session.loss == (
        "enter was held back: text may stand on the guest's line; "
        "ctrl+u, or else ctrl+c, clears it, enter after 3 s runs it"
    )
    await bench.sleep.advance(3)
    assert bench.session.send(b"\r")
    await settle()
    assert bench.line.written == [b"\r"]
    assert bench.session.send(b"\r"), "it is asked once"


@pytest.mark.parametrize("first", [b"\x15", b"root", b"\x1b[A"])
async def test_enter_behind_whatever_else_was_typed_is_not_held_back(bench: Bench, first: bytes) -> None:
    await bench.open()
    assert bench.session.send(first)
    assert bench.session.send(b"\r")


async def test_enter_behind_a_paste_is_not_held_back(bench: Bench) -> None:
    await bench.open()
    bench.session.paste("uptime")
    assert bench.session.send(b"\r")


async def test_enter_is_not_held_back_from_a_guest_that_speaks(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"localhost login: ")
    await settle()
    assert bench.session.send(b"\r")


async def test_a_guest_that_was_followed_takes_enter_at_once(bench: Bench) -> None:
    await bench.open()
    bench.session.send(b"ls\r")
    for sight in (MOVED, RUNS_ANEW):
        await cut(bench, sight)
        await bench.sleep.advance(1)
        assert bench.session.send(b"\r")


async def test_what_stands_on_the_line_of_a_guest_that_was_found_stays_there_when_it_moves(bench: Bench) -> None:
    await bench.open()
    await cut(bench, MOVED)
    await bench.sleep.advance(1)
    assert not bench.session.send(b"\r")


async def test_an_enter_is_held_back_from_a_line_taken_back_though_its_guest_speaks(bench: Bench) -> None:
    """Who took it back with enter may press it once more."""
    await lose(bench)
    press_enter(bench)
    bench.line.send(b"[ 1234.5] eth0: link up\r\n")
    await settle()
    assert not bench.session.send(b"\r")


@pytest.mark.parametrize("stream", [Stream.SHELL, Stream.LOG])
async def test_enter_is_held_back_from_serial_lines_alone(stream: Stream) -> None:
    bench = Bench(stream)
    await bench.open()
    assert bench.session.send(b"\r") is (stream is Stream.SHELL)
    assert "held back" not in bench.session.loss
    await bench.session.stop()


async def test_a_paste_into_nothing_begins_something_too(bench: Bench) -> None:
    await lose(bench)
    bench.session.paste("reboot")
    await bench.sleep.advance(10)
    assert not is_calm(bench)


async def test_what_was_left_on_the_guests_line_is_not_run_by_the_hint(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    bench.session.retake()
    await settle()
    assert bench.session.sentence == "Connected; silent: ctrl+u, then enter shows a prompt, else ctrl+c."


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


async def test_a_move_that_is_told_before_the_cut_explains_it(bench: Bench) -> None:
    await bench.open()
    bench.sight = MOVING
    await bench.sleep.advance(5)
    bench.sight = MOVED
    await bench.sleep.advance(5)
    assert bench.dials == 1
    await cut(bench, MOVED)
    assert (bench.state(), bench.dials) == (State.SILENT, 2)
    assert "the VM moved to node-77 at " in bench.session.sentence


async def test_a_line_that_was_there_before_it_was_seen_where_the_machine_is_follows_a_move(bench: Bench) -> None:
    bench.sight = STARTING
    await bench.open()
    assert bench.state() is State.SILENT
    bench.sight = RUNS_ANEW
    await bench.sleep.advance(60)
    await cut(bench, RUNS_ANEW._replace(place=Place("uid-2", "node-77")))
    assert (bench.state(), bench.dials) == (State.SILENT, 2)
    assert "the VM moved to node-77 at " in bench.session.sentence


@pytest.mark.parametrize("meanwhile", [RUNS, MUTE])
async def test_a_move_that_is_told_after_a_takeover_was_said_corrects_it(bench: Bench, meanwhile: Sight) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(4)
    assert bench.state() is State.TAKEN
    at = bench.clock_words
    bench.sight = meanwhile
    await bench.sleep.advance(4)
    bench.sight = MOVED
    await bench.sleep.advance(1)
    assert (bench.state(), bench.dials) == (State.SILENT, 2)
    assert f"the VM moved to node-77 at {at}" in bench.session.sentence


async def test_a_migration_that_begins_after_a_takeover_does_not_explain_it(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(4)
    for sight in (MOVING, MOVED):
        bench.sight = sight
        await bench.sleep.advance(4)
    assert (bench.state(), bench.dials) == (State.TAKEN, 1)


async def test_a_move_long_after_a_takeover_does_not_explain_it(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(60)
    bench.sight = MOVED
    await bench.sleep.advance(60)
    assert (bench.state(), bench.dials) == (State.TAKEN, 1)


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


@pytest.mark.parametrize("until_end", [6.0, 9.0, 15.0])
async def test_a_console_that_is_taken_while_a_migration_goes_on_is_not_fought_for_when_it_ends(
    bench: Bench, until_end: float
) -> None:
    await bench.open()
    await cut(bench, MOVING)
    await bench.sleep.advance(until_end)
    bench.sight = MOVED._replace(moved_at=bench.sleep.now)
    await bench.sleep.advance(30)
    assert (bench.state(), bench.dials) == (State.TAKEN, 1)


@pytest.mark.parametrize("lag", [0.0, 8.0, 20.0])
async def test_a_move_is_followed_however_late_it_is_told(bench: Bench, lag: float) -> None:
    await bench.open()
    end = bench.sleep.now + 1
    await cut(bench, MOVING)
    await bench.sleep.advance(1 + lag)
    bench.sight = MOVED._replace(moved_at=end)
    await bench.sleep.advance(1)
    assert (bench.state(), bench.dials) == (State.SILENT, 2)


@pytest.mark.parametrize(("told", "state"), [(3.0, State.SILENT), (8.0, State.TAKEN)])
async def test_where_clocks_do_not_agree_a_move_counts_that_is_told_at_once(
    bench: Bench, told: float, state: State
) -> None:
    await bench.open()
    await cut(bench, MOVING)
    await bench.sleep.advance(told)
    bench.sight = MOVED._replace(moved_at=bench.sleep.now - 3600)
    await bench.sleep.advance(30)
    assert bench.state() is state
