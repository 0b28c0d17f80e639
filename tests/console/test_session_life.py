"""The life of a session: what it waits for, what it follows, and what it leaves to the user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kvtui.console.sight import Place, Sight, Stage
from kvtui.console.state import State, Stream
from kvtui.console.transcript import create_transcript
from kvtui.errors import AbsentError, BackendError, ForbiddenError, HeldError, UnreachableError
from tests.console.test_session import CUT, NO_DEVICE, PENDING, RUNS, STOPPED, UNSEEN, Bench, FakeLine, bench, settle
from tests.console.test_session_recording import markers_of

__all__ = ["bench"]

OFF = Sight(Stage.OFF, words="Stopped")
STARTING = Sight(Stage.STARTING, Place("uid-2", ""), "Scheduling")
PLACED = Sight(Stage.PLACED, Place("uid-2", "node-2"), "Scheduled")
RUNS_ANEW = Sight(Stage.RUNNING, Place("uid-2", "node-2"), "Running")
MOVING = RUNS._replace(stage=Stage.GOING)
MOVED = Sight(Stage.RUNNING, Place("uid-1", "node-77"), "Running")
FAILED = Sight(Stage.ENDED, Place("uid-1", "node-1"), "Failed (GuestPanicked)")
MUTE = Sight(Stage.UNREACHABLE, words="prod-fra1 does not answer")


class DeadLinkError(UnreachableError):
    """What a backend raises when nobody answers its pings."""

    silent = True


@pytest.fixture
async def log() -> AsyncIterator[Bench]:
    bench = Bench(Stream.LOG)
    yield bench
    await bench.session.stop()


@pytest.fixture
async def shell() -> AsyncIterator[Bench]:
    bench = Bench(Stream.SHELL)
    yield bench
    await bench.session.stop()


async def cut(bench: Bench, now: Sight, error: BackendError = CUT) -> None:
    """The line breaks, and this is to be seen of the machine."""
    bench.sight = now
    bench.line.send(error)
    await settle()


# Waiting -------------------------------------------------------------------------------------------------------------


async def test_nothing_is_asked_of_the_server_while_the_vm_is_stopped(bench: Bench) -> None:
    bench.sight = OFF
    await bench.open()
    await bench.sleep.advance(60)
    assert (bench.state(), bench.dials) == (State.WAITING, 0)
    assert bench.session.sentence == "Waiting for the VM to run: it is Stopped."


async def test_the_server_is_asked_each_second_while_the_vm_starts_and_often_once_it_is_with_its_node(
    bench: Bench,
) -> None:
    bench.sight = OFF
    bench.refusals = [PENDING] * 100
    await bench.open()
    bench.sight = STARTING
    await bench.sleep.advance(5.05)
    assert (bench.session.sentence, bench.dials) == ("Waiting for the VM to run: it is Scheduling.", 5)
    bench.sight = PLACED
    await bench.sleep.advance(2.0)
    assert bench.dials == 15


async def test_the_console_is_attached_a_moment_after_the_server_allows_it(bench: Bench) -> None:
    bench.sight = PLACED
    bench.refusals = [PENDING] * 7
    await bench.open()
    await bench.sleep.advance(1.4)
    assert (bench.state(), bench.dials) == (State.SILENT, 8)


async def test_a_vm_that_begins_to_run_is_attached_to_at_once(bench: Bench) -> None:
    bench.sight = OFF
    await bench.open()
    await bench.sleep.advance(60)
    bench.sight = RUNS
    await bench.sleep.advance(0.1)
    assert bench.state() is State.SILENT


async def test_a_server_that_goes_on_refusing_is_asked_less_often_after_a_while(bench: Bench) -> None:
    bench.sight = PLACED
    bench.refusals = [PENDING] * 1000
    await bench.open()
    await bench.sleep.advance(60)
    before = bench.dials
    await bench.sleep.advance(10)
    assert bench.dials - before == 10


async def test_a_vm_that_cannot_be_seen_is_asked_for_each_second_in_the_servers_words(bench: Bench) -> None:
    bench.sight = UNSEEN
    bench.refusals = [STOPPED, PENDING, PENDING]
    await bench.open()
    assert bench.state() is State.WAITING
    assert "not found" in bench.session.sentence
    await bench.sleep.advance(1)
    assert "VMI is not running" in bench.session.sentence
    await bench.sleep.advance(2)
    assert (bench.state(), bench.dials) == (State.SILENT, 4)


async def test_waiting_outlives_a_time_without_the_server(bench: Bench) -> None:
    bench.sight = STARTING
    bench.refusals = [PENDING, *[UnreachableError("no answer")] * 5, PENDING]
    await bench.open()
    await bench.sleep.advance(0.5)
    bench.sight = MUTE
    await bench.sleep.advance(3)
    assert (bench.state(), "no answer" in bench.session.sentence) == (State.WAITING, True)
    bench.sight = RUNS
    await bench.sleep.advance(5)
    assert bench.state() is State.SILENT


async def test_waiting_ends_at_a_refusal(bench: Bench) -> None:
    bench.sight = STARTING
    bench.refusals = [PENDING, NO_DEVICE]
    await bench.open()
    await bench.sleep.advance(5)
    assert (bench.state(), bench.dials) == (State.REFUSED, 2)


# Following -----------------------------------------------------------------------------------------------------------


async def test_a_restart_is_followed_from_the_last_line_to_the_first(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"reboot: Power down\r\n")
    await settle()
    await cut(bench, OFF)
    assert bench.state() is State.WAITING
    assert bench.session.sentence.startswith("The VM stopped at ")
    assert bench.session.sentence.endswith("; waiting for it to run: it is Stopped.")
    await bench.sleep.advance(30)
    assert bench.dials == 1
    bench.sight = PLACED
    await bench.sleep.advance(0.1)
    assert bench.state() is State.SILENT
    assert bench.session.sentence.startswith("Connected; new boot at ")
    bench.line.send(b"SeaBIOS")
    await settle()
    assert bench.session.emulator.text()[0] == "SeaBIOS"
    assert "".join(run.text for run in bench.session.emulator.row(-1)).strip() == "reboot: Power down"
    assert bench.session.sentence.startswith("Connected; new boot at ")


async def test_an_instance_that_is_another_already_is_a_restart(bench: Bench) -> None:
    await bench.open()
    bench.refusals = [PENDING] * 3
    await cut(bench, STARTING)
    assert bench.state() is State.FOLLOWING
    assert bench.session.sentence.startswith("The VM was restarted at ")
    assert bench.session.sentence.endswith(": following.")
    bench.sight = RUNS_ANEW
    await bench.sleep.advance(5)
    assert bench.state() is State.SILENT


async def test_a_new_boot_is_not_drawn_into_what_a_program_of_the_old_one_left(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"$ vi\r\n\x1b[?1049h\x1b[5;10r\x1b[7mfile\x1b[?1000h\x1b[?25l\x1b[3")
    await settle()
    await cut(bench, RUNS_ANEW)
    bench.line.send(b"1mSeaBIOS")
    await settle()
    emulator = bench.session.emulator
    assert emulator.text()[0] == "1mSeaBIOS"
    assert not emulator.modes.alternate
    assert emulator.cursor.visible
    assert not any(run.look.reverse for run in emulator.row(0))
    assert "".join(run.text for run in emulator.row(-1)).strip() == "$ vi"


async def test_a_migration_is_followed_and_leaves_the_screen_as_it_is(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"\x1b[?1049h\x1b[7mtop")
    await settle()
    bench.refusals = [BackendError("console", "dial tcp 10.0.0.7:8186: connection refused", code=500)]
    await cut(bench, MOVED)
    assert bench.state() is State.FOLLOWING
    assert "The VM moved to node-77 at " in bench.session.sentence
    await bench.sleep.advance(0.2)
    assert bench.state() is State.SILENT
    assert "Connected; the VM moved to node-77 at " in bench.session.sentence
    bench.line.send(b" goes on")
    await settle()
    assert bench.session.emulator.text()[0] == "top goes on"
    assert bench.session.emulator.modes.alternate


async def test_the_reason_may_come_a_moment_after_the_cut(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(1.0)
    assert bench.state() is State.CUT
    bench.sight = MOVED
    await bench.sleep.advance(1.0)
    assert (bench.state(), bench.dials) == (State.SILENT, 2)


async def test_the_end_of_a_migration_is_waited_for_longer_but_not_for_ever(bench: Bench) -> None:
    """Somebody may take the console while a migration goes on for an hour."""
    await bench.open()
    await cut(bench, MOVING)
    await bench.sleep.advance(6.0)
    assert bench.state() is State.CUT
    await bench.sleep.advance(6.0)
    assert (bench.state(), bench.dials) == (State.TAKEN, 1)


async def test_counters_go_on_while_the_session_follows_by_itself(bench: Bench) -> None:
    await bench.open()
    bench.session.send(b"x")
    bench.line.send(b"before")
    await settle()
    await cut(bench, MOVED)
    bench.line.send(b"after")
    await settle()
    assert (bench.session.received, bench.session.sent) == (11, 1)


async def test_what_was_queued_before_a_move_is_not_typed_after_it(bench: Bench) -> None:
    await bench.open()
    bench.session.paste("rm -r x\n" * 1000)
    await settle()
    await cut(bench, MOVED)
    await bench.sleep.advance(5)
    assert len(bench.lines) == 2
    assert bench.line.written == []


async def test_a_vm_that_failed_is_told_from_one_that_stopped(bench: Bench) -> None:
    await bench.open()
    await cut(bench, FAILED)
    assert bench.state() is State.WAITING
    assert bench.session.sentence.startswith("The VM failed at ")
    assert "it is Failed (GuestPanicked)" in bench.session.sentence


# What is left to the user --------------------------------------------------------------------------------------------


async def test_a_line_that_is_cut_at_once_after_a_move_was_taken_over(bench: Bench) -> None:
    """Two programs that follow the same VM: the one that came first gives way, once."""
    await bench.open()
    await cut(bench, MOVED)
    assert bench.state() is State.SILENT
    await cut(bench, MOVED)
    await bench.sleep.advance(3600)
    assert (bench.state(), bench.dials) == (State.TAKEN, 2)
    assert bench.session.sentence.startswith("Taken over by another user at ")


async def test_a_console_that_was_taken_over_does_not_come_back_with_the_next_boot(bench: Bench) -> None:
    await bench.open()
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    for sight in (OFF, STARTING, RUNS_ANEW):
        bench.sight = sight
        await bench.sleep.advance(10)
    assert (bench.state(), bench.dials) == (State.TAKEN, 1)


@pytest.mark.parametrize(
    ("now", "error", "words"),
    [
        (MUTE, CUT, "prod-fra1 does not answer"),
        (RUNS, DeadLinkError("the console fell silent", "no answer to a ping"), "no answer to a ping"),
    ],
)
async def test_a_lost_link_is_no_takeover_and_not_reopened(
    bench: Bench, now: Sight, error: BackendError, words: str
) -> None:
    await bench.open()
    await cut(bench, now, error)
    await bench.sleep.advance(5)
    assert bench.state() is State.LOST
    assert words in bench.session.sentence
    assert "somebody else may have the console by now" in bench.session.sentence
    bench.sight = RUNS
    await bench.sleep.advance(3600)
    assert bench.dials == 1
    bench.session.retake()
    await settle()
    assert bench.state() is State.SILENT


async def test_a_server_that_is_silent_for_a_moment_may_tell_the_reason_yet(bench: Bench) -> None:
    await bench.open()
    await cut(bench, MUTE)
    await bench.sleep.advance(1)
    bench.sight = MOVED
    await bench.sleep.advance(1)
    assert bench.state() is State.SILENT


async def test_where_the_vm_cannot_be_seen_a_cut_has_all_reasons(bench: Bench) -> None:
    await bench.open()
    await cut(bench, UNSEEN)
    await bench.sleep.advance(10)
    assert (bench.state(), bench.dials) == (State.LOST, 1)
    for words in ("taken over by another user", "stopped", "moved", "cannot be seen"):
        assert words in bench.session.sentence


async def test_a_cut_long_after_the_connection_names_the_time_of_the_cut(bench: Bench) -> None:
    await bench.open()
    bench.sleep.now = 3 * 3600 + 12 * 60 + 59
    at = bench.clock_words
    await cut(bench, RUNS)
    await bench.sleep.advance(10)
    assert bench.session.sentence == f"Taken over by another user at {at}."


async def test_the_transcript_tells_one_boot_from_the_next(bench: Bench, tmp_path: Path) -> None:
    transcript = create_transcript(tmp_path, ("prod", "shop", "db-2"), 80, 24)
    bench.session.record(transcript)
    await bench.open()
    await cut(bench, OFF)
    bench.sight = RUNS_ANEW
    await bench.sleep.advance(1)
    await bench.session.stop()
    marks = markers_of(transcript.path)
    assert any(mark.startswith("The VM stopped at ") for mark in marks)
    assert any(mark.startswith("Connected; new boot at ") for mark in marks)


# The boot log --------------------------------------------------------------------------------------------------------


async def test_keys_typed_into_a_boot_log_go_nowhere_and_it_is_said(log: Bench) -> None:
    await log.open()
    log.line.send(b"\x1b[6n[    0.000000] Linux\r\n")
    await settle()
    assert log.session.sentence == "Reading the boot log."
    assert not log.session.send(b"x")
    assert not log.session.paste("x")
    await settle()
    assert log.session.remark == "read-only: no key reaches the guest"
    assert log.line.written == []
    assert log.session.sent == 0


async def test_a_boot_log_follows_a_restart_like_a_console(log: Bench) -> None:
    await log.open()
    log.line.send(b"old boot\r\n", b"")
    log.sight = OFF
    await settle()
    assert log.state() is State.WAITING
    log.sight = RUNS_ANEW
    await log.sleep.advance(0.1)
    assert log.session.sentence.startswith("Reading the boot log; new boot at ")
    log.line.send(b"new boot\r\n")
    await settle()
    assert log.session.emulator.text()[0] == "new boot"


async def test_a_boot_log_waits_for_the_launcher_of_a_vm_that_starts(log: Bench) -> None:
    log.sight = STARTING
    log.refusals = [
        AbsentError("shop/a does not run yet", "it has no launcher pod", code=404),
        BackendError("x", "container is waiting to start", code=400),
    ]
    await log.open()
    assert log.state() is State.WAITING
    log.sight = PLACED
    await log.sleep.advance(1)
    assert (log.state(), log.dials) == (State.SILENT, 3)


@pytest.mark.parametrize(
    ("error", "begin"),
    [
        (AbsentError("shop/a keeps no boot log", "logSerialConsole is false", code=404), "No boot log: "),
        (ForbiddenError("not allowed", 'cannot get resource "pods/log"', code=403), "Refused: "),
    ],
)
async def test_a_log_that_is_absent_says_why(log: Bench, error: BackendError, begin: str) -> None:
    log.refusals = [error]
    await log.open()
    assert log.state() is State.REFUSED
    assert log.session.sentence == f"{begin}{error}."


async def test_a_log_that_broke_off_is_read_from_its_begin_again(log: Bench) -> None:
    await log.open()
    log.line.send(b"line\r\n" * 40, CUT)
    await settle()
    await log.sleep.advance(30)
    assert log.state() is State.LOST
    assert "somebody" not in log.session.sentence
    log.session.retake()
    await settle()
    log.line.send(b"line\r\n" * 30)
    await settle()
    emulator = log.session.emulator
    assert emulator.scrollback_size + len([row for row in emulator.text() if row]) == 30


# The shell -----------------------------------------------------------------------------------------------------------


async def test_a_shell_that_ended_is_not_opened_again(shell: Bench) -> None:
    await shell.open()
    shell.line.send(b"logout\r\n", b"")
    await settle()
    assert shell.state() is State.ENDED
    assert shell.session.sentence.startswith("The shell ended at ")
    await shell.sleep.advance(60)
    assert shell.dials == 1


async def test_a_shell_does_not_follow_but_says_what_the_vm_did(shell: Bench) -> None:
    await shell.open()
    await cut(shell, MOVED)
    await shell.sleep.advance(60)
    assert (shell.state(), shell.dials) == (State.LOST, 1)
    assert "the VM moved to node-77" in shell.session.sentence


async def test_a_shell_is_no_takeover_when_it_breaks(shell: Bench) -> None:
    await shell.open()
    await cut(shell, RUNS)
    await shell.sleep.advance(60)
    assert shell.state() is State.LOST
    assert "user" not in shell.session.sentence


async def test_the_guest_of_a_shell_learns_of_each_size(shell: Bench) -> None:
    sizes: list[tuple[int, int]] = []

    class SizedLine(FakeLine):
        def resize(self, columns: int, lines: int) -> None:
            sizes.append((columns, lines))

    shell.make_line = SizedLine
    shell.session.resize(100, 30)
    await shell.open()
    shell.session.resize(132, 43)
    assert sizes == [(100, 30), (132, 43)]


# Held by somebody else -----------------------------------------------------------------------------------------------


HELD = HeldError("the console of web", "Active console session exists for this domain", code=9)


async def test_a_console_that_somebody_has_is_not_asked_for_again_until_the_user_takes_it(bench: Bench) -> None:
    bench.refusals = [HELD]
    await bench.open()
    await bench.sleep.advance(60)
    assert (bench.state(), bench.dials, bench.session.takes) == (State.HELD, 1, False)
    bench.session.retake()
    assert bench.session.takes
    await settle()
    assert (bench.state(), bench.session.takes) == (State.SILENT, False)


async def test_who_waits_for_a_vm_does_not_take_its_console_from_who_was_first(bench: Bench) -> None:
    bench.sight = OFF
    bench.refusals = [HELD]
    await bench.open()
    bench.sight = RUNS
    await bench.sleep.advance(5)
    assert (bench.state(), bench.dials) == (State.HELD, 1)


async def test_a_console_that_was_lost_is_not_taken_from_who_has_it_meanwhile(bench: Bench) -> None:
    await bench.open()
    error = DeadLinkError("the console was cut")
    await cut(bench, RUNS, error)
    assert bench.state() is State.LOST
    bench.session.retake()
    assert not bench.session.takes
