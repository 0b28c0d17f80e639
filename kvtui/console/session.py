"""One open console: a line to the guest, the emulator it feeds, and a state that the user can read.

A new serial connection to a VM evicts the present one, and the one evicted sees nothing but a cut. So a session that
was cut asks whether the VM itself explains it; if not, another user took the console, and only the user takes it back.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from kvtui.console.emulator import Emulator
from kvtui.console.outbox import Outbox
from kvtui.console.paste import PACE, Paste
from kvtui.console.transcript import Transcript
from kvtui.errors import BackendError, BusyError, UnreachableError
from kvtui.text import clean_line

_SLICE: Final = 16_384
_RETRY_PAUSE: Final = 1.0
# The connection breaks before the watch tells that the VM stopped or moved.
_VERDICT_PAUSE: Final = 0.25
_VERDICT_QUESTIONS: Final = 12
# virt-handler's words when the VM has no serial device; the same code 400 as for a VM that is not running yet.
_NO_DEVICE: Final = "No serial console"
_CANCEL: Final = b"\x18"
_INTERRUPT: Final = b"\x03"


class Line(Protocol):
    """The byte stream under a session."""

    async def read(self) -> bytes:
        """The next bytes; empty at a clean end. Raises BackendError when the line is cut."""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises BackendError when the line is cut."""

    async def close(self) -> None:
        """End the line; a second call does nothing."""


Dial = Callable[[], Awaitable[Line]]
"""Opens a line. Raises BackendError."""

Ask = Callable[[], str]
"""Why a console was cut: a clause such as "the VM stopped", or "" while the VM runs on unchanged."""


class Stream(enum.Enum):
    """What a session is connected to."""

    SERIAL = "serial"
    LOG = "boot log"
    SHELL = "shell"


class State(enum.Enum):
    """Where a session stands."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    SILENT = "silent"
    LIVE = "live"
    ENDED = "ended"
    CUT = "cut"
    """The line broke, and it is not known yet why."""
    LOST = "lost"
    TAKEN = "taken over"
    REFUSED = "refused"


_OPEN: Final = frozenset({State.CONNECTING, State.WAITING, State.SILENT, State.LIVE})


class Session:
    """One console. `pace` is how many bytes a second of a paste the serial line takes; `clock` gives the time of
    `last_byte`; `sleep` is asyncio's but for tests.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        why_cut: Ask,
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
        self.received = 0
        """Bytes that came from the guest over this line."""
        self.sent = 0
        """Bytes that went to the guest over this line."""
        self.last_byte: float | None = None
        """When the guest last sent something over this line, by the clock."""
        self.transcript: Transcript | None = None
        """Where everything goes that the guest sends, and what becomes of the session; see `record`."""
        self._pace = None if stream is Stream.SHELL else pace
        self._dial = dial
        self._why_cut = why_cut
        self._clock = clock
        self._sleep = sleep
        self._observers: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._outbox = Outbox()

    @property
    def is_open(self) -> bool:
        """Whether the session has a line or is about to; if not, `retake` opens it again."""
        return self.state in _OPEN

    @property
    def is_connected(self) -> bool:
        """Whether there is a line to type into."""
        return self.state in (State.SILENT, State.LIVE)

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
            self._become(State.CONNECTING, "Connecting.")
            self._task = asyncio.get_running_loop().create_task(self._run())

    def retake(self) -> None:
        """Open the console again, which ends the session of whoever has it now."""
        self.start()

    async def stop(self) -> None:
        """Close the console and wait until the line is closed."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self.is_open:
            self._become(State.ENDED, "Closed.")
        self.stop_recording()

    @property
    def pasting(self) -> int | None:
        """How much of the paste under way the guest was given, in percent; None without one."""
        return self._outbox.pasting

    def send(self, data: bytes) -> bool:
        """Queue what the user typed; False if there is no line or the guest has not taken the last megabyte yet."""
        return self._enqueue(data)

    def paste(self, text: str) -> bool:
        """Queue pasted text, slowed down for a line without flow control; all of it or, with False, nothing."""
        return self._enqueue(self.prepare(text))

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
        return self.send(_INTERRUPT)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the emulator; no guest learns of it over a serial line."""
        self.emulator.resize(columns, lines)
        if self.transcript is not None:
            self.transcript.resize(self.emulator.columns, self.emulator.lines)
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

    async def _run(self) -> None:
        line = await self._connect()
        if line is None:
            return
        self._outbox.clear()
        self.received = self.sent = 0
        self.last_byte = None
        # Whatever sequence the last line broke off in shall not swallow the begin of this one.
        self.emulator.feed(_CANCEL)
        self._become(State.SILENT, "Connected; the guest has sent nothing yet.")
        try:
            await self._serve(line)
        except BackendError:
            await self._explain_cut()
        else:
            self._become(State.ENDED, "The guest's end closed the console.")

    async def _connect(self) -> Line | None:
        """A line, after as many attempts as the VM needs to run; None when the server will not give one."""
        while True:
            try:
                return await self._dial()
            except BackendError as error:
                words = clean_line(str(error))
                if self._is_worth_waiting(error):
                    self._become(State.WAITING, f"Waiting for the VM to run. {words}")
                elif isinstance(error, UnreachableError | BusyError):
                    self._become(State.LOST, f"No connection. {words}")
                    return None
                else:
                    self._become(State.REFUSED, f"Refused. {words}")
                    return None
            await self._sleep(_RETRY_PAUSE)

    def _is_worth_waiting(self, error: BackendError) -> bool:
        if self.state is State.WAITING and isinstance(error, UnreachableError | BusyError):
            return True
        return error.code in (400, 404) and _NO_DEVICE not in f"{error.title} {error.detail}"

    async def _serve(self, line: Line) -> None:
        """Read and write until the line ends. Raises BackendError when it is cut."""
        reader = asyncio.create_task(self._read(line))
        writer = asyncio.create_task(self._write(line))
        try:
            done, _ = await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            (reader if reader in done else writer).result()
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            with suppress(BackendError):
                await line.close()

    async def _read(self, line: Line) -> None:
        while data := await line.read():
            self.received += len(data)
            self.last_byte = now = self._clock()
            if self.state is State.SILENT:
                self._become(State.LIVE, "Connected.")
            if self.transcript is not None:
                self.transcript.write(data)
            for start in range(0, len(data), _SLICE):
                self.emulator.feed(data[start : start + _SLICE], now)
                self.touch()
                # A flood must leave the loop to the keys and to the other panes.
                await asyncio.sleep(0)

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

    async def _explain_cut(self) -> None:
        """Find out why the line was cut: the VM's doing, or another user's."""
        self._become(State.CUT, "The connection was cut; looking for the reason.")
        for _ in range(_VERDICT_QUESTIONS):
            if reason := self._why_cut():
                self._become(State.LOST, f"Connection lost: {clean_line(reason)}.")
                return
            await self._sleep(_VERDICT_PAUSE)
        self._become(State.TAKEN, "Taken over by another user.")

    def _answer(self, data: bytes) -> None:
        self._enqueue(data)

    def _enqueue(self, item: bytes | Paste) -> bool:
        return self.is_connected and self._outbox.put(item)

    def _become(self, state: State, sentence: str) -> None:
        if self.transcript is not None and sentence != self.sentence:
            self.transcript.mark(sentence)
        self.state, self.sentence = state, sentence
        self.touch()
