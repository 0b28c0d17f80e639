"""One open console: a line to the guest, the emulator it feeds, and a state that the user can read.

A new serial connection to a VM evicts the present one, and the one evicted sees nothing but a cut. So a session that
was cut looks whether the VM itself explains it. If it does, the session follows the VM; if not, another user took the
console, and only the user takes it back: two programs that re-open by themselves would throw each other out for ever.
What is on the screen stays when a session follows, and holds nothing but what the guest sent; where one boot ends
and the next begins is in the state and in the transcript.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from kvtui.console.backlog import Backlog
from kvtui.console.dial import Dial, Line, SizedLine, is_worth_waiting
from kvtui.console.emulator import Emulator
from kvtui.console.losses import Losses
from kvtui.console.outbox import INTERRUPT, Outbox
from kvtui.console.paste import PACE, Paste
from kvtui.console.sentences import describe_line, describe_loss, describe_wait
from kvtui.console.sight import Look, Place, Sight, Stage, learn_place
from kvtui.console.state import OPEN, State, Stream
from kvtui.console.transcript import Transcript
from kvtui.console.verdict import Cause, find_cause, find_late_cause, judge_refusal
from kvtui.errors import BackendError, UnreachableError
from kvtui.text import begin_sentence, clean_line, end_sentence

_GLANCE: Final = 0.1
"""Seconds between two looks at the machine while it is waited for; the store that tells of it moves as often."""
_ASK_PAUSE: Final = 1.0
"""Seconds between two questions to the server, as virtctl has it ..."""
_ASK_PAUSE_SOON: Final = 0.2
"""... and when the guest may begin to speak any moment: what it says before there is a line is lost ..."""
_SOON: Final = 150
"""... for so many questions."""
_CANCEL: Final = b"\x18"
_FORGET_ALL: Final = b"\x18\x1bc\x1b[3J"


class Session:
    """One console. `look` tells of the machine, `clock` the time since the epoch; `pace` is how many bytes a second of
    a paste the serial line takes; `sleep` is asyncio's but for tests.

    A serial line and a boot log wait for the VM and follow it. A shell does not: it would have to log in anew.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        look: Look,
        stream: Stream = Stream.SERIAL,
        columns: int = 80,
        lines: int = 24,
        scrollback: int = 10_000,
        pace: int = PACE,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.stream = stream
        self.emulator = Emulator(columns, lines, scrollback, answer=self._answer)
        self.state = State.ENDED
        self.sentence = "Not connected yet."
        self.since = 0.0
        """When the state began, by the clock."""
        self.remark = ""
        """What the user should know of the last key: a clause, or empty."""
        self.received = 0
        """Bytes that came from the guest since the user connected; following the VM does not reset it."""
        self.sent = 0
        """Bytes that went to the guest since then."""
        self.takes = False
        """Whether the user wants the next line even if somebody else has it."""
        self.holds_enters = stream is Stream.SERIAL
        """Whether an enter by itself waits until the user was told what it may run; a script knows."""
        self.last_byte: float | None = None
        """When the guest last sent something since then, by the clock."""
        self.transcript: Transcript | None = None
        """Where everything goes that the guest sends, and what becomes of the session; see `record`."""
        self.tap: Callable[[bytes], None] | None = None
        """Gets everything that the guest sends, as it comes."""
        self._pace = None if stream is Stream.SHELL else pace
        self._backlog = Backlog(self.emulator, self.touch)
        self._shower: asyncio.Task[None] | None = None
        self._opens = self._retakes = False  # Whether the user asked for the next line, and for it again.
        self._shown_line: Line | None = None  # Over which line came what is on the screen.
        self._again = False  # Whether the line leads to the boot that the last one led to.
        self._dial = dial
        self._look = look
        self._clock = clock
        self._sleep = sleep
        self._observers: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._place: Place | None = None
        """Where the last line led to."""
        self._cause = ""
        """What the VM did that broke the last line, and when: a clause."""
        self._news = ""
        """What is different over this line, and since when: a clause."""
        self._outbox = Outbox()
        self._losses = Losses()

    @property
    def is_open(self) -> bool:
        """Whether the session has a line or is about to; if not, `retake` opens it again."""
        return self.state in OPEN

    @property
    def is_connected(self) -> bool:
        """Whether there is a line to type into."""
        return self.state in (State.SILENT, State.LIVE)

    @property
    def is_read_only(self) -> bool:
        """Whether it takes no keys."""
        return self.stream is Stream.LOG

    @property
    def is_sized(self) -> bool:
        """Whether the far end learns of the terminal's size; a serial line has none."""
        return self.stream is Stream.SHELL

    def observe(self, changed: Callable[[], None]) -> None:
        """Call `changed` after every change of the screen or the state; it must be quick."""
        self._observers.append(changed)

    def touch(self) -> None:
        """Tell the observers."""
        for changed in self._observers:
            changed()

    def start(self) -> None:
        """Open the console, in a task of the running loop. Does nothing while it is open."""
        if not self.is_open:
            if self._task:
                self._task.cancel()
            self._cause = self._news = ""
            self._opens = True
            self._become(State.CONNECTING, "Connecting.")
            if self._shower is None:
                self._shower = asyncio.get_running_loop().create_task(self._backlog.drain())
            self._task = asyncio.get_running_loop().create_task(self._run())

    def retake(self) -> None:
        """Open the console again, which ends the session of whoever has it now; where the server asks about that,
        only if the user was told of them.
        """
        self.takes = self.state in (State.HELD, State.TAKEN)
        self._retakes = True
        self.start()

    async def stop(self) -> None:
        """Close the console and wait until the line is closed."""
        tasks = [task for task in (self._task, self._shower) if task is not None]
        self._task = self._shower = None
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self.is_open:
            self._become(State.ENDED, "Closed.")
        self.stop_recording()

    @property
    def pasting(self) -> int | None:
        """How much of the paste under way the guest was given, in percent; None without one."""
        return self._outbox.pasting

    def send(self, data: bytes) -> bool:
        """Queue what the user typed. False if there is no line, a megabyte waits, or an enter is held back."""
        now = self._clock()
        if not self.is_connected:
            self._losses.add_key(now, data)
        elif not self._losses.hold(now, data):
            return self._put(data, data)
        self.touch()
        return False

    def report(self, data: bytes) -> None:
        """Queue what the mouse did; nobody misses it without a guest."""
        if self.is_connected and not self.is_read_only:
            self._outbox.put(data)

    @property
    def loss(self) -> str:
        """What did not reach the guest since the line was lost: a clause, or empty once it is told or forgotten."""
        return self._losses.tell(self._clock())

    @property
    def is_calm(self) -> bool:
        """Whether an enter now is meant for the console as it stands, and not for something typed."""
        return self.state is not State.CUT and self._losses.is_calm(self._clock(), self.since)

    @property
    def is_typed_into(self) -> bool:
        """Whether the next enter is the end of something typed."""
        return self._losses.is_begun

    @property
    def behind(self) -> int:
        """Bytes that came from the guest and are not on the screen yet."""
        return self._backlog.size

    def paste(self, text: str) -> bool:
        """Queue pasted text, slowed down for a line without flow control; all of it or, with False, nothing."""
        prepared, typed = self.prepare(text), text.encode(errors="replace")
        if not self.is_connected:
            self._losses.add_paste(typed, len(prepared.lines))
            self.touch()
            return False
        return self._put(prepared, typed)

    def prepare(self, text: str) -> Paste:
        """What `paste` would send now."""
        return Paste(text, bracketed=self.emulator.modes.bracketed_paste, pace=self._pace)

    def stop_paste(self) -> None:
        """Leave out what is left of a paste, but for the end of its brackets. What was typed behind it stays."""
        self._outbox.stop_pastes()
        self.touch()

    def interrupt(self) -> bool:
        """Type ctrl+c before all that waits: a paste stops, keys behind it are forgotten. False as for `send`."""
        self._outbox.stop_pastes(forget_keys=True)
        self.touch()
        return self.send(INTERRUPT)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the emulator; the guest of a shell learns of it, that of a serial line does not."""
        self.emulator.resize(columns, lines)
        if self.transcript is not None:
            self.transcript.resize(self.emulator.columns, self.emulator.lines)
        self._tell_size()
        self.touch()

    def record(self, transcript: Transcript) -> None:
        """Keep from now on all that the guest sends, and what becomes of the session, in `transcript`."""
        self.stop_recording()
        self.transcript = transcript
        if self.is_open:
            transcript.mark(self.sentence)
        self.touch()

    def stop_recording(self) -> None:
        """End the recording if there is one; the file is whole then."""
        if self.transcript is not None:
            self.transcript.close()
            self.transcript = None
            self.touch()

    # From the first attempt to the last cut ------------------------------------------------------------------------

    async def _run(self) -> None:
        self.received = self.sent = 0
        self.last_byte = None
        while (line := await self._connect()) is not None:
            self._greet(line)
            try:
                await self._serve(line)
            except BackendError as error:
                goes_on = await self._explain_cut(error)
            else:
                goes_on = await self._explain_end()
            if not goes_on:
                return

    async def _connect(self) -> Line | None:
        """A line, as soon as the server gives one; None when it will not."""
        quick = 0
        while True:
            sight = self._look()
            pause = _ASK_PAUSE
            if sight.is_off and self.stream is not Stream.SHELL:
                self._wait_for(sight, "")
            else:
                try:
                    return await self._dial()
                except BackendError as error:
                    if not is_worth_waiting(error, sight, self.stream, self.state):
                        self._become(*judge_refusal(error, self.stream))
                        return None
                    self._wait_for(sight, clean_line(str(error)))
                if sight.stage in (Stage.PLACED, Stage.RUNNING) and quick < _SOON:
                    quick += 1
                    pause = _ASK_PAUSE_SOON
            await self._watch(sight, pause)

    async def _watch(self, sight: Sight, seconds: float) -> None:
        """Wait so long, or until something else is to be seen of the machine."""
        for _ in range(round(seconds / _GLANCE)):
            await self._sleep(_GLANCE)
            if self._look() != sight:
                return

    def _wait_for(self, sight: Sight, words: str) -> None:
        """Say what is waited for; `words` are the server's."""
        if self.state is not State.FOLLOWING or sight.is_off:
            self._become(State.WAITING, describe_wait(self._cause, sight, words))

    def _greet(self, line: Line) -> None:
        """Begin with a new line: below what the last one brought, or above it when the guest booted anew."""
        sight = self._look()
        before, self._place = self._place, sight.place
        self._news = self._cause
        self._again = before is not None and self._place is not None and self._place.goes_on_from(before)
        if before is not None and self._place is not None and not self._again:
            self._news = f"new boot at {self._time(sight.began)}"
            prepare = self.emulator.begin_anew
            self._outbox = Outbox()
        elif self.stream is Stream.LOG and before == self._place:
            # The log is read from its begin again.
            prepare = partial(self.emulator.feed, _FORGET_ALL)
        else:
            # Whatever sequence the last line broke off in shall not swallow the begin of this one.
            prepare = partial(self.emulator.feed, _CANCEL)
        self._backlog.put_step(partial(self._begin_screen, prepare, line))
        self._cause, self.takes = "", False
        if self._opens or not self._again:
            # Only where the session followed by itself nobody else had a line in between.
            self._outbox.leave_open()
        # On a guest that was waited for nobody can have typed yet.
        found = self._opens and self.holds_enters and self.state is not State.WAITING
        self._losses.connect(self._clock(), found=found, taken_back=self._retakes, again=self._again)
        self._opens = self._retakes = False
        self._line = line
        self._tell_size()
        self._become_connected(State.SILENT)

    def _begin_screen(self, prepare: Callable[[], None], line: Line) -> None:
        """What came over the line before is on the screen now; what follows came over `line`."""
        prepare()
        self._shown_line = line

    async def _serve(self, line: Line) -> None:
        """Read and write until the line ends. Raises BackendError when it is cut."""
        reader = asyncio.create_task(self._read(line))
        writer = asyncio.create_task(self._write(line))
        placer = asyncio.create_task(self._learn_place())
        try:
            done, _ = await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            (reader if reader in done else writer).result()
        finally:
            self._line = None
            for task in (reader, writer, placer):
                task.cancel()
            await asyncio.gather(reader, writer, placer, return_exceptions=True)
            with suppress(BackendError):
                await line.close()

    async def _learn_place(self) -> None:
        """A line may be there before it is to be seen where the machine is."""
        while self._place is None or not self._place.node:
            await self._sleep(_GLANCE)
            self._place = learn_place(self._place, self._look().place)

    async def _read(self, line: Line) -> None:
        while data := await line.read():
            self.received += len(data)
            self.last_byte = now = self._clock()
            if self.state is State.SILENT:
                self._losses.see_guest()
                self._become_connected(State.LIVE)
            if self.transcript is not None:
                self.transcript.write(data)
            if self.tap is not None:
                self.tap(data)
            await self._backlog.put(data, now)

    async def _write(self, line: Line) -> None:
        while True:
            before = self.pasting
            data, pause = await self._outbox.take()
            await line.write(data)
            self.sent += len(data)
            if self.pasting != before:
                self.touch()
            if pause:
                await self._sleep(pause)

    # Why a line ended ----------------------------------------------------------------------------------------------

    async def _explain_cut(self, error: BackendError) -> bool:
        """Find out why the line was cut: the VM's doing, the link's, or another user's. Whether to connect again."""
        cut, at = self._clock(), self._time()
        self._end_paste()
        self._become(State.CUT, "The connection was cut; looking for the reason.")
        if isinstance(error, UnreachableError) and error.silent:
            return self._lose(at, clean_line(error.detail or error.title))
        sight, goes_on = await self._look_for_reason(at)
        if goes_on is not None:
            return goes_on
        if self.stream is not Stream.SERIAL:
            self._become(State.LOST, end_sentence(f"Connection lost at {at}: {clean_line(str(error))}"))
        elif self._place is None or not sight.is_seen:
            what = "taken over by another user, or the VM stopped or moved, which cannot be seen here"
            self._become(State.LOST, f"Cut at {at}: {what}.")
        else:
            self._become(State.TAKEN, f"Taken over by another user at {at}.")
            cause = await find_late_cause(self._look, self._place, self._sleep, self._clock, cut)
            return cause is not None and self._heed(cause, at)
        return False

    async def _explain_end(self) -> bool:
        """Find out why the far end closed the line. Whether to connect again."""
        at = self._time()
        self._end_paste()
        if self.stream is Stream.SHELL:
            self._losses.end_typing()
            self._become(State.ENDED, f"The shell ended at {at}.")
            return False
        self._become(State.CUT, "The console was closed; looking for the reason.")
        _, goes_on = await self._look_for_reason(at)
        if goes_on is None:
            who = "The log ended" if self.stream is Stream.LOG else "The guest's end closed the console"
            self._become(State.ENDED, f"{who} at {at}.")
        return bool(goes_on)

    async def _look_for_reason(self, at: str) -> tuple[Sight, bool | None]:
        """Whether to connect again, for a reason that the machine gives; None while it gives none."""
        sight, cause = await find_cause(self._look, self._place, self._sleep, self._clock, self.stream)
        if cause is not None:
            return sight, self._heed(cause, at)
        # A server may be silent for a moment, and then tell the reason.
        mute = sight.stage is Stage.UNREACHABLE
        return sight, self._lose(at, clean_line(sight.words)) if mute else None

    def _heed(self, cause: Cause, at: str) -> bool:
        """Follow the machine, but where that may throw another user out."""
        if cause.is_sure:
            return self._follow(f"{cause.words} at {at}", cause.sight)
        self._become(State.LOST, f"Cut at {at}: {cause.words}, or another user took the console just before.")
        return False

    def _follow(self, cause: str, sight: Sight) -> bool:
        self._cause = cause
        if self.stream is Stream.SHELL:
            self._become(State.LOST, f"Connection lost: {cause}.")
            return False
        if not sight.is_off:
            self._become(State.FOLLOWING, f"{begin_sentence(cause)}: following.")
        return True

    def _lose(self, at: str, words: str) -> bool:
        self._become(State.LOST, describe_loss(self.stream, at, words))
        return False

    def _end_paste(self) -> None:
        """Tell of a paste that did not arrive whole. The end of its brackets waits for a line that follows."""
        self._losses.begin_anew()
        if self.pasting is not None:
            lost = self._losses.break_paste(self.pasting)
            if self.transcript is not None:
                self.transcript.mark(lost)
        self._outbox.break_off()

    # Small things --------------------------------------------------------------------------------------------------

    def _tell_size(self) -> None:
        line: object = self._line
        if isinstance(line, SizedLine):
            line.resize(self.emulator.columns, self.emulator.lines)

    def _put(self, item: bytes | Paste, typed: bytes) -> bool:
        if self.is_read_only:
            self.remark = self.remark or "read-only: no key reaches the guest"
            self.touch()
            return False
        if taken := self._outbox.put(item):
            self._losses.add_sent(typed)
            self._become_connected(self.state)
        return taken

    def _answer(self, data: bytes) -> None:
        # What the line before asked must not be typed into the guest of this one.
        if self.is_connected and not self.is_read_only and self._shown_line is self._line:
            self._outbox.put(data)

    def _time(self, moment: float | None = None) -> str:
        return time.strftime("%H:%M", time.localtime(moment or self._clock()))

    def _become_connected(self, state: State) -> None:
        silent, open_paste = state is State.SILENT, self._outbox.leaves_open
        self._become(state, describe_line(self.stream, self._news, silent=silent, open_paste=open_paste))

    def _become(self, state: State, sentence: str) -> None:
        if self.transcript is not None and sentence != self.sentence:
            self.transcript.mark(sentence)
        if state is not self.state:
            self.since, self.remark = self._clock(), ""
        elif sentence == self.sentence:
            return
        self.state, self.sentence = state, sentence
        self.touch()
