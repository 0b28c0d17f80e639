"""A console that another user takes while its guest goes: whose end it was, and who has the next boot."""

from __future__ import annotations

import pytest

from kvtui.console.sight import Place, Sight, Stage
from kvtui.console.state import State, Stream
from kvtui.errors import UnreachableError
from tests.console.test_session import CUT, RUNS, UNSEEN, Bench, bench, settle
from tests.console.test_session_life import MOVED, OFF, PLACED, RUNS_ANEW, STARTING, DeadLinkError, cut

__all__ = ["bench"]

GOES = RUNS._replace(stage=Stage.GOING)
BOOTS = [OFF, STARTING, PLACED, RUNS_ANEW]


def ended(at: float | None, phase: str = "Succeeded") -> Sight:
    return Sight(Stage.ENDED, Place("uid-1", "node-1"), phase, ended_at=at)


async def see_next_boot(bench: Bench) -> None:
    """The machine comes up again, and stays."""
    for sight in BOOTS:
        bench.sight = sight
        await bench.sleep.advance(2)
    await bench.sleep.advance(600)


@pytest.mark.parametrize("told", [True, False], ids=["the end is told", "the instance is gone before it is told"])
@pytest.mark.parametrize("until_end", [4.5, 6.0, 9.0, 15.0, 28.0])
async def test_a_console_that_is_taken_during_a_shutdown_is_not_opened_at_the_next_boot(
    bench: Bench, until_end: float, told: bool
) -> None:
    await bench.open()
    await cut(bench, GOES)
    await bench.sleep.advance(until_end)
    if told:
        bench.sight = ended(bench.sleep.now)
        await bench.sleep.advance(1)
    await see_next_boot(bench)
    assert (bench.state(), bench.dials) == (State.TAKEN, 1)
    bench.session.retake()
    await bench.sleep.advance(0.1)
    assert (bench.state(), bench.dials) == (State.SILENT, 2), "one key takes it back"


@pytest.mark.parametrize("told", [0.0, 0.8, 1.3])
async def test_a_guest_that_ends_as_its_line_is_cut_is_followed_to_its_next_boot(bench: Bench, told: float) -> None:
    await bench.open()
    await cut(bench, GOES)
    await bench.sleep.advance(told)
    bench.sight = OFF
    await see_next_boot(bench)
    assert (bench.state(), bench.dials) == (State.SILENT, 2)


@pytest.mark.parametrize("told", [True, False], ids=["the end is told", "the instance is gone before it is told"])
async def test_where_a_takeover_and_the_end_of_the_guest_look_the_same_nobody_is_thrown_out(
    bench: Bench, told: bool
) -> None:
    await bench.open()
    await cut(bench, GOES)
    at = bench.clock_words
    await bench.sleep.advance(1.8)
    bench.sight = ended(bench.sleep.now) if told else OFF
    await see_next_boot(bench)
    assert (bench.state(), bench.dials) == (State.LOST, 1)
    assert bench.session.sentence == f"Cut at {at}: the VM stopped, or another user took the console just before."


@pytest.mark.parametrize("lag", [4.0, 9.0, 20.0])
@pytest.mark.parametrize("before", [GOES, RUNS], ids=["shut down", "switched off inside"])
async def test_an_end_that_is_told_late_is_followed_by_the_servers_time_for_it(
    bench: Bench, before: Sight, lag: float
) -> None:
    await bench.open()
    end = bench.sleep.now + 0.4
    await cut(bench, before)
    await bench.sleep.advance(lag)
    bench.sight = ended(end)
    await bench.sleep.advance(1)
    assert bench.state() is State.WAITING
    await see_next_boot(bench)
    assert (bench.state(), bench.dials) == (State.SILENT, 2)


async def test_a_guest_that_had_failed_before_its_line_was_cut_explains_the_cut(bench: Bench) -> None:
    """A node that is lost: its guest fails for the cluster, and the line breaks much later."""
    await bench.open()
    await bench.sleep.advance(300)
    failed = ended(bench.sleep.now - 40, "Failed")
    await cut(bench, GOES)
    await bench.sleep.advance(5)
    bench.sight = failed
    await bench.sleep.advance(1)
    assert bench.session.sentence.startswith("The VM failed at ")


@pytest.mark.parametrize(
    ("created", "state"), [(0.4, State.SILENT), (2.0, State.LOST), (7.0, State.TAKEN), (None, State.TAKEN)]
)
async def test_another_instance_that_is_told_late_counts_by_the_time_it_was_made(
    bench: Bench, created: float | None, state: State
) -> None:
    await bench.open()
    made = None if created is None else bench.sleep.now + created
    await cut(bench, GOES)
    await bench.sleep.advance(8)
    bench.sight = RUNS_ANEW._replace(created_at=made)
    await bench.sleep.advance(60)
    assert bench.state() is state


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
@pytest.mark.parametrize(("told", "state"), [(1.3, State.WAITING), (8.0, State.TAKEN)])
async def test_where_clocks_do_not_agree_only_an_end_that_is_told_at_once_counts(
    bench: Bench, told: float, state: State, skew: float
) -> None:
    await bench.open()
    await cut(bench, GOES)
    await bench.sleep.advance(told)
    bench.sight = ended(bench.sleep.now + skew)
    await bench.sleep.advance(30)
    assert bench.state() is state


async def test_who_took_a_console_and_then_stops_the_vm_is_not_followed(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(6)
    bench.sight = GOES
    await bench.sleep.advance(6)
    bench.sight = ended(bench.sleep.now)
    await see_next_boot(bench)
    assert (bench.state(), bench.dials) == (State.TAKEN, 1)


async def test_a_boot_log_that_breaks_off_during_a_shutdown_goes_on_with_the_next_boot() -> None:
    """It is taken from nobody."""
    log = Bench(Stream.LOG)
    await log.open()
    await cut(log, GOES)
    await log.sleep.advance(8)
    log.sight = ended(log.sleep.now)
    await log.sleep.advance(1)
    await see_next_boot(log)
    assert (log.state(), log.dials) == (State.SILENT, 2)
    await log.session.stop()


# A paste that the cut broke off ---------------------------------------------------------------------------------------

OPEN_PASTE = "a paste may stand open: ctrl+c ends it"
DEAD_LINK = DeadLinkError("the link died")


async def begin_paste(bench: Bench, *, bracketed: bool = True) -> None:
    await bench.open()
    bench.line.send(b"\x1b[?2004h" if bracketed else b"$ ")
    await settle()
    assert bench.session.paste("x" * 1000)
    await bench.sleep.advance(0.01)


async def take_back(bench: Bench) -> None:
    await bench.sleep.advance(10)
    assert not bench.session.is_open
    bench.session.retake()
    await settle()


@pytest.mark.parametrize(
    ("now", "error"),
    [(RUNS, CUT), (UNSEEN, CUT), (RUNS, DEAD_LINK)],
    ids=["a takeover", "a cut that cannot be explained", "a dead link"],
)
async def test_where_somebody_else_may_have_been_no_end_of_a_paste_is_sent_and_ctrl_c_is_named(
    bench: Bench, now: Sight, error: UnreachableError
) -> None:
    await begin_paste(bench)
    await cut(bench, now, error)
    assert bench.session.loss.startswith("the paste ended at ")
    assert bench.session.pasting is None
    await take_back(bench)
    assert bench.session.sentence == f"Connected; {OPEN_PASTE}."
    bench.line.send(b"-- INSERT --")
    bench.session.send(b"a")
    await bench.sleep.advance(60)
    assert bench.line.written == [b"a"]
    assert bench.session.sentence == f"Connected; {OPEN_PASTE}."
    bench.session.interrupt()
    await settle()
    assert (bench.line.written, bench.session.sentence) == ([b"a", b"\x03"], "Connected.")


async def test_a_paste_stands_open_however_often_the_console_is_taken(bench: Bench) -> None:
    await begin_paste(bench)
    for _ in range(2):
        await cut(bench, RUNS)
        await take_back(bench)
        assert OPEN_PASTE in bench.session.sentence
    await cut(bench, MOVED)
    assert bench.session.sentence.endswith(f"; {OPEN_PASTE}.")
    await cut(bench, RUNS_ANEW)
    await bench.sleep.advance(1)
    assert OPEN_PASTE not in bench.session.sentence, "another boot has no paste"


async def test_the_end_of_a_paste_is_sent_where_the_session_followed_by_itself(bench: Bench) -> None:
    await begin_paste(bench)
    await cut(bench, MOVED)
    assert (bench.dials, bench.line.written) == (2, [b"\x1b[201~"])
    assert OPEN_PASTE not in bench.session.sentence


async def test_a_paste_without_brackets_leaves_nothing_open(bench: Bench) -> None:
    await begin_paste(bench, bracketed=False)
    await cut(bench, RUNS)
    await take_back(bench)
    assert OPEN_PASTE not in bench.session.sentence
    assert bench.line.written == []


async def test_a_shell_that_is_opened_anew_has_no_paste_of_the_last_one() -> None:
    shell = Bench(Stream.SHELL)
    await begin_paste(shell)
    await cut(shell, RUNS)
    await take_back(shell)
    assert (shell.line.written, shell.session.sentence) == ([], "Connected.")
    await shell.session.stop()
