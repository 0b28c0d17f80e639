"""Sessions on a line of the test's own: states, floods, pacing, takeover."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kvtui.console.session import Session
from kvtui.console.sight import Place, Sight, Stage
from kvtui.console.state import State, Stream
from kvtui.errors import AbsentError, BackendError, ForbiddenError, UnauthorizedError, UnreachableError

CUT = UnreachableError("the console was cut", "connection reset by peer")
# The words of virt-api 1.9 (recordings/http/console-pending.json, console-stopped.json) and of virt-handler.
PENDING = BackendError("console of shop/db-2", "VMI is not running", code=400)
STOPPED = AbsentError("console of shop/batch-1", 'virtualmachineinstance.kubevirt.io "batch-1" not found', code=404)
RUNS = Sight(Stage.RUNNING, Place("uid-1", "node-1"), "Running")
UNSEEN = Sight(Stage.UNKNOWN)
NO_DEVICE = BackendError("console of shop/web-1", "No serial consoles are present.", code=400)


class FakeLine:
    """A line whose other end is the test."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | BackendError] = asyncio.Queue()
        self.written: list[bytes] = []
        self.closed = 0

    def send(self, *items: bytes | BackendError) -> None:
        for item in items:
            self.incoming.put_nowait(item)

    async def read(self) -> bytes:
        item = await self.incoming.get()
        if isinstance(item, BackendError):
            raise item
        return item

    async def write(self, data: bytes) -> None:
        self.written.append(data)

    async def close(self) -> None:
        self.closed += 1


class FakeSleep:
    """Time that passes only when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    async def __call__(self, seconds: float) -> None:
        wake = asyncio.Event()
        self._sleepers.append((self.now + seconds, wake))
        await wake.wait()

    @property
    def count(self) -> int:
        return len(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper in its turn."""
        await settle()
        end = self.now + seconds
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= end + 1e-9]:
            first = min(due, key=lambda sleeper: sleeper[0])
            self._sleepers.remove(first)
            self.now, wake = first
            wake.set()
            await settle()
        self.now = end


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


class Bench:
    """A session, and what it is connected to."""

    def __init__(self, stream: Stream = Stream.SERIAL) -> None:
        self.lines: list[FakeLine] = []
        self.make_line = FakeLine
        self.refusals: list[BackendError] = []
        self.dials = 0
        self.sight = RUNS
        self.sleep = FakeSleep()
        self.changes = 0
        self.session = Session(
            self.dial,
            look=lambda: self.sight,
            stream=stream,
            clock=lambda: self.sleep.now,
            sleep=self.sleep,
            scrollback=50,
        )
        self.session.observe(self._count)

    def _count(self) -> None:
        self.changes += 1

    async def dial(self) -> FakeLine:
        self.dials += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self.lines.append(self.make_line())
        return self.lines[-1]

    @property
    def line(self) -> FakeLine:
        return self.lines[-1]

    def state(self) -> State:
        return self.session.state

    @property
    def clock_words(self) -> str:
        """The present time, as sentences have it."""
        return time.strftime("%H:%M", time.localtime(self.sleep.now))

    async def open(self) -> None:
        self.session.start()
        await settle()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.session.stop()


async def test_a_guest_that_says_nothing_is_told_apart_from_no_connection(bench: Bench) -> None:
    bench.session.start()
    assert bench.state() is State.CONNECTING
    await settle()
    assert bench.state() is State.SILENT
    assert bench.session.sentence == "Connected; silent: ctrl+u, then enter shows a prompt, else ctrl+c."
    assert bench.session.last_byte is None


async def test_bytes_of_the_guest_reach_the_screen_and_the_counters(bench: Bench) -> None:
    await bench.open()
    bench.sleep.now = 12.5
    bench.line.send(b"login: ")
    await settle()
    assert bench.state() is State.LIVE
    assert bench.session.emulator.text()[0] == "login:"
    assert (bench.session.received, bench.session.last_byte) == (7, 12.5)
    assert bench.session.emulator.stamp(0) == 12.5


async def test_what_the_user_types_reaches_the_guest_in_order(bench: Bench) -> None:
    await bench.open()
    assert all([bench.session.send(b"r"), bench.session.send(b"oot"), bench.session.send(b"\r")])
    await settle()
    assert b"".join(bench.line.written) == b"root\r"
    assert bench.session.sent == 5


async def test_the_terminals_replies_go_back_to_the_guest(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"\x1b[6n")
    await settle()
    assert bench.line.written == [b"\x1b[1;1R"]


async def test_a_clean_end_is_the_guests_end(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"bye", b"")
    await settle()
    await bench.sleep.advance(10)
    assert bench.state() is State.ENDED
    assert bench.line.closed == 1
    assert not bench.session.send(b"x")


async def test_a_cut_while_the_vm_runs_on_is_a_takeover_and_is_never_undone_by_itself(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"$ ", CUT)
    await settle()
    await bench.sleep.advance(10)
    assert bench.state() is State.TAKEN
    assert "another user" in bench.session.sentence
    await bench.sleep.advance(3600)
    assert bench.dials == 1


async def test_taking_back_opens_a_new_line_below_the_old_text(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"before \x1b[3", CUT)
    await settle()
    await bench.sleep.advance(10)
    bench.session.retake()
    await settle()
    assert bench.state() is State.SILENT
    bench.line.send(b"after")
    await settle()
    assert bench.session.emulator.text()[0] == "before after"


async def test_counters_are_those_of_the_present_line(bench: Bench) -> None:
    await bench.open()
    bench.session.send(b"x")
    bench.line.send(b"before", CUT)
    await settle()
    await bench.sleep.advance(10)
    bench.session.retake()
    await settle()
    assert (bench.session.received, bench.session.sent, bench.session.last_byte) == (0, 0, None)


async def test_a_cut_noticed_while_writing_ends_the_session_too(bench: Bench) -> None:
    await bench.open()

    async def fail(_: bytes) -> None:
        raise CUT

    bench.line.write = fail  # type: ignore[method-assign, assignment]
    bench.session.send(b"x")
    await settle()
    await bench.sleep.advance(10)
    assert bench.state() is State.TAKEN
    assert bench.line.closed == 1


async def test_waiting_ends_when_the_session_is_stopped(bench: Bench) -> None:
    bench.refusals = [PENDING] * 100
    await bench.open()
    await bench.session.stop()
    await bench.sleep.advance(50)
    assert bench.state() is State.ENDED
    assert bench.dials == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ForbiddenError("console of shop/web-1", "User cannot get subresource", code=403), "cannot get"),
        (UnauthorizedError("console of shop/web-1", "Unauthorized", code=401), "Unauthorized"),
        (NO_DEVICE, "No serial consoles are present."),
    ],
)
async def test_a_refusal_is_final_and_in_the_servers_words(bench: Bench, error: BackendError, words: str) -> None:
    bench.refusals = [error]
    await bench.open()
    await bench.sleep.advance(60)
    assert bench.state() is State.REFUSED
    assert words in bench.session.sentence
    assert bench.dials == 1


async def test_a_server_out_of_reach_is_a_lost_connection(bench: Bench) -> None:
    bench.refusals = [UnreachableError("no answer\x1b[2J", "timed out")]
    await bench.open()
    assert bench.state() is State.LOST
    assert "timed out" in bench.session.sentence
    assert "\x1b" not in bench.session.sentence


async def test_stopping_closes_the_line(bench: Bench) -> None:
    await bench.open()
    await bench.session.stop()
    assert bench.line.closed == 1
    assert bench.state() is State.ENDED


async def test_starting_twice_opens_one_line(bench: Bench) -> None:
    await bench.open()
    await bench.open()
    assert bench.dials == 1


async def test_a_flood_leaves_the_loop_to_others(bench: Bench) -> None:
    """Between two slices of a guest that never pauses, other tasks get their turn."""
    await bench.open()
    bench.line.send(*[b"0123456789abcde\n" * 4096] * 5)
    fed: list[int] = []
    feed = bench.session.emulator.feed
    turns = 0

    def counting(data: bytes, now: float = 0.0) -> None:
        fed.append(len(data))
        feed(data, now)

    bench.session.emulator.feed = counting  # type: ignore[method-assign]
    while sum(fed) < 5 * 65_536:
        turns += 1
        await asyncio.sleep(0)
    assert max(fed) <= 16_384
    assert sum(fed) == 5 * 65_536
    assert turns >= len(fed)
    assert bench.changes >= len(fed)


async def test_a_paste_is_paced_for_a_line_without_flow_control(bench: Bench) -> None:
    await bench.open()
    assert bench.session.paste("x" * 2500)
    await settle()
    assert [len(piece) for piece in bench.line.written] == [16]
    await bench.sleep.advance(0.0019)
    assert len(bench.line.written) == 1
    await bench.sleep.advance(0.0001)
    assert [len(piece) for piece in bench.line.written] == [16, 16]
    bench.session.send(b"\r")
    await bench.sleep.advance(0.32)
    assert b"".join(bench.line.written) == b"x" * 2500 + b"\r"
    assert bench.session.sent == 2501


async def test_the_progress_of_a_paste_is_told_to_who_looks_on(bench: Bench) -> None:
    await bench.open()
    assert bench.session.pasting is None
    bench.session.paste("x" * 16_000)
    seen: list[int | None] = []
    bench.session.observe(lambda: seen.append(bench.session.pasting))
    await bench.sleep.advance(3)
    assert seen == [*range(100), None]


async def test_a_paste_that_is_stopped_closes_its_brackets_and_what_was_typed_behind_it_comes(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"\x1b[?2004h")
    await settle()
    bench.session.paste("x" * 2500)
    bench.session.send(b"ls\r")
    await bench.sleep.advance(0.01)
    bench.session.stop_paste()
    await bench.sleep.advance(1)
    sent = b"".join(bench.line.written)
    assert sent.startswith(b"\x1b[200~xxx")
    assert sent.endswith(b"x\x1b[201~ls\r")
    assert len(sent) < 150
    assert bench.session.pasting is None


async def test_a_paste_that_is_stopped_makes_room_for_others(bench: Bench) -> None:
    await bench.open()
    assert bench.session.paste("x" * 1_000_000)
    await settle()
    bench.session.stop_paste()
    assert bench.session.paste("y" * 1_000_000)


async def test_an_interrupt_overtakes_what_waits(bench: Bench) -> None:
    await bench.open()
    bench.session.paste("x" * 2500)
    bench.session.send(b"ls\r")
    await bench.sleep.advance(0.01)
    assert bench.session.interrupt()
    await bench.sleep.advance(1)
    sent = b"".join(bench.line.written)
    assert sent.endswith(b"x\x03")
    assert b"ls" not in sent
    assert len(sent) < 150


async def test_a_stop_between_two_pieces_finds_nothing_to_send(bench: Bench) -> None:
    await bench.open()
    bench.session.paste("x" * 20)
    bench.session.stop_paste()
    await bench.sleep.advance(1)
    assert bench.line.written == []
    bench.session.send(b"a")
    await settle()
    assert bench.line.written == [b"a"]


async def test_a_paste_is_bracketed_when_the_guest_asked_for_it(bench: Bench) -> None:
    await bench.open()
    bench.line.send(b"\x1b[?2004h")
    await settle()
    bench.session.paste("ls\n")
    await bench.sleep.advance(0.1)
    assert b"".join(bench.line.written) == b"\x1b[200~ls\r\x1b[201~"


async def test_what_waits_to_be_sent_is_bounded(bench: Bench) -> None:
    await bench.open()
    assert bench.session.paste("x" * 1_000_000)
    assert not bench.session.paste("y" * 100_000)
    assert bench.session.send(b"\x03")


async def test_nothing_is_kept_for_a_line_that_is_not_there(bench: Bench) -> None:
    bench.refusals = [PENDING]
    await bench.open()
    assert not bench.session.send(b"lost")
    await bench.sleep.advance(1)
    await settle()
    assert bench.line.written == []


async def test_what_was_queued_for_a_broken_line_is_not_typed_into_the_next(bench: Bench) -> None:
    await bench.open()
    bench.session.paste("rm -r x\n" * 1000)
    await settle()
    bench.line.send(CUT)
    await settle()
    bench.session.retake()
    await settle()
    await bench.sleep.advance(5)
    assert len(bench.lines) == 2
    assert bench.line.written == []


async def test_a_resize_reaches_emulator_and_observers(bench: Bench) -> None:
    before = bench.changes
    bench.session.resize(100, 30)
    assert (bench.session.emulator.columns, bench.session.emulator.lines) == (100, 30)
    assert bench.changes > before


def test_a_fake_line_is_a_line() -> None:
    dial: Callable[[], Awaitable[FakeLine]] = Bench().dial
    Session(dial, look=lambda: RUNS)
