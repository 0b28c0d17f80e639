"""Plays a recording into an emulator: forward by feeding it, back from copies that were kept on the way.

Two times are told apart. `time` is when something was recorded; `position` is when it is played, in which pauses longer
than a limit are cut to it. All are seconds since the begin.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator
from typing import Final, NamedTuple

from kvtui.console.emulator import Emulator
from kvtui.console.recording import Event, Marker, Output, Place, Recording, RecordingError, Resize

SCROLLBACK: Final = 2_000
"""Lines that can be scrolled back to while a recording is played."""
_SURVEY_SLICE: Final = 512 * 1024
_SLICE: Final = 8_192
_MARKS_LIMIT: Final = 10_000
_CHECKPOINT_BYTES: Final = 1024 * 1024
_CHECKPOINTS: Final = 64


class Mark(NamedTuple):
    """A marker of the recording."""

    position: float
    time: float
    label: str


class Survey(NamedTuple):
    """What a recording holds, as far as it can be read."""

    duration: float
    """When the last event was recorded."""
    length: float
    """When it is played."""
    events: int
    output: int
    """Bytes that the guest sent."""
    marks: tuple[Mark, ...]
    """The markers, the first 10,000 of them."""
    trouble: str
    """Why there is no more to be read, if the file does not just end."""

    def mark_at(self, position: float) -> Mark | None:
        """The last marker until `position`."""
        at = bisect_right(self.marks, position, key=lambda mark: mark.position)
        return self.marks[at - 1] if at else None

    def mark_after(self, position: float) -> Mark | None:
        """The first marker later than `position`."""
        at = bisect_right(self.marks, position, key=lambda mark: mark.position)
        return self.marks[at] if at < len(self.marks) else None

    def mark_before(self, position: float) -> Mark | None:
        """The last marker earlier than `position`."""
        return next((mark for mark in reversed(self.marks) if mark.position < position), None)


def survey(recording: Recording, idle_limit: float) -> Generator[float, None, Survey]:
    """Read a recording to its end, yielding now and then how much of it is read. `idle_limit` is as in `Playback`."""
    events = output = 0
    played = time = 0.0
    marks: list[Mark] = []
    due = _SURVEY_SLICE
    while (event := _read(recording)) is not None:
        events += 1
        played += _pause(event.time - time, idle_limit)
        time = event.time
        if isinstance(event, Output):
            output += len(event.data)
        elif isinstance(event, Marker) and len(marks) < _MARKS_LIMIT:
            marks.append(Mark(played, time, event.label))
        if recording.place.offset >= due:
            due = recording.place.offset + _SURVEY_SLICE
            yield min(1.0, recording.place.offset / max(1, recording.size))
    return Survey(time, played, events, output, tuple(marks), recording.trouble)


def survey_now(recording: Recording, idle_limit: float = 0.0) -> Survey:
    """The whole survey at once."""
    steps = survey(recording, idle_limit)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Survey = end.value
            return result


class _Checkpoint(NamedTuple):
    """All that is needed to play on from a place: the state after everything until `position` but nothing later."""

    position: float
    time: float
    place: Place
    emulator: Emulator


class Playback:
    """A recording that is being played. `idle_limit` is the longest pause in seconds, 0 for no limit."""

    def __init__(self, recording: Recording, idle_limit: float, scrollback: int = SCROLLBACK) -> None:
        """`recording` stands at its begin. A line of it that is broken is its end; `Survey` tells of it."""
        self._recording = recording
        self._idle_limit = idle_limit
        header = recording.header
        self.emulator = Emulator(header.columns, header.lines, scrollback)
        """What it looks like at `position`; another object after going back."""
        self.position = 0.0
        self._played = self._time = 0.0
        self._rest = b""
        """What is left of the event before the next one."""
        self._spacing = _CHECKPOINT_BYTES
        self._since = 0
        self._checkpoints = [_Checkpoint(0.0, 0.0, recording.place, self.emulator.copy())]
        self._here = recording.place
        self._next: Event | None = _read(recording)

    @property
    def time(self) -> float:
        """When what is seen at `position` was recorded."""
        return self._time + max(0.0, self.position - self._played)

    @property
    def next_position(self) -> float | None:
        """When the next event is played; None after the last."""
        if self._rest:
            return self._played
        if self._next is None:
            return None
        return self._played + _pause(self._next.time - self._time, self._idle_limit)

    def advance(self, position: float) -> bool:
        """Feed a slice of what is due until `position`; False while there is more."""
        room = _SLICE
        while room > 0:
            due = self.next_position
            if due is None or due > position:
                self.position = max(self.position, position)
                return True
            room -= self._feed(room)
            self.position = max(self.position, self._played)
        return False

    def step(self) -> None:
        """Feed all of the next event."""
        if (due := self.next_position) is not None:
            self.position = max(self.position, due)
            self._feed(1)
            while self._rest:
                self._feed(_SLICE)

    def rewind(self, position: float) -> None:
        """Go back to somewhere before `position`, whence `advance` leads to it."""
        at = bisect_right(self._checkpoints, position, key=lambda kept: kept.position) - 1
        found = self._checkpoints[max(0, at)]
        self.position = self._played = found.position
        self._time = found.time
        self._rest, self._since = b"", 0
        self.emulator = found.emulator.copy()
        self._recording.go(found.place)
        self._here = found.place
        self._next = _read(self._recording)

    def _feed(self, room: int) -> int:
        """Feed at most `room` bytes of one event; how much it was, at least one."""
        if self._rest:
            piece, self._rest = self._rest[:room], self._rest[room:]
            self._feed_output(piece)
            return len(piece)
        event = self._next
        assert event is not None
        self._keep_checkpoint()
        self._played += _pause(event.time - self._time, self._idle_limit)
        self._time = event.time
        self._here = self._recording.place
        self._next = _read(self._recording)
        if isinstance(event, Output):
            self._feed_output(event.data[:room])
            self._rest = event.data[room:]
        elif isinstance(event, Resize):
            self.emulator.resize(event.columns, event.lines)
        return room if self._rest else max(1, len(event.data) if isinstance(event, Output) else 1)

    def _feed_output(self, data: bytes) -> None:
        began = self._recording.header.timestamp
        self.emulator.feed(data, 0.0 if began is None else began + self._time)
        self._since += len(data)

    def _keep_checkpoint(self) -> None:
        """Before an event: as many as have room, with ever more between them."""
        if self._since < self._spacing or self._played <= self._checkpoints[-1].position:
            return
        self._since = 0
        self._checkpoints.append(_Checkpoint(self._played, self._time, self._here, self.emulator.copy()))
        if len(self._checkpoints) > _CHECKPOINTS:
            del self._checkpoints[1::2]
            self._spacing *= 2


def _read(recording: Recording) -> Event | None:
    try:
        return recording.read()
    except RecordingError:
        return None


def _pause(seconds: float, limit: float) -> float:
    return min(seconds, limit) if limit > 0 else seconds
