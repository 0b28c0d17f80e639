"""Plays a recording into an emulator: forward by feeding it, back from copies that were kept on the way.

Where that would be too much output, a seek begins with an empty screen somewhat before its target: what was said and
set before it is then missing, and `begin` tells so.

Two times are told apart. `time` is when something was recorded; `position` is when it is played, in which pauses longer
than a limit are cut to it. All are seconds since the begin.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Sequence
from typing import Final, NamedTuple

from kvtui.console.emulator import Emulator
from kvtui.console.recording import Event, Marker, Output, Place, Recording, RecordingError, Resize

SCROLLBACK: Final = 2_000
"""Lines that can be scrolled back to while a recording is played."""
_SURVEY_SLICE: Final = 512 * 1024
_SLICE: Final = 8_192
_MARKS_LIMIT: Final = 10_000
_CHECKPOINT_WORK: Final = 1024 * 1024
_CHECKPOINTS: Final = 64
_EVENT_WORK: Final = 64
"""What reading and feeding an event costs beside its bytes, in bytes that could be fed meanwhile."""
_ENTRY_WORK: Final = 1024 * 1024
_RUN_UP: Final = 2
"""So many entries before its target a seek over much output begins: some ten thousand lines of usual length."""
_FAR: Final = 8 * 1024 * 1024
"""Work that a seek may take, a second or so, before it leaves something out."""
_MOST_OF_A_LINE: Final = 64 * 1024
"""Bytes in which the end of the first, broken line is looked for."""


class Mark(NamedTuple):
    """A marker of the recording."""

    position: float
    time: float
    label: str


class Entry(NamedTuple):
    """Where one can begin to play with an empty screen: after everything until `position` but nothing later."""

    position: float
    time: float
    place: Place
    work: int
    """What was to be done until here: bytes of output, and some for each event."""
    columns: int
    lines: int


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
    entries: tuple[Entry, ...] = ()
    """One after every megabyte or so of work."""

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
    events = output = work = 0
    played = time = 0.0
    marks: list[Mark] = []
    entries: list[Entry] = []
    columns, lines = recording.header.columns, recording.header.lines
    due, entry_due = _SURVEY_SLICE, _ENTRY_WORK
    while True:
        if work >= entry_due:
            entry_due = work + _ENTRY_WORK
            entries.append(Entry(played, time, recording.place, work, columns, lines))
        if (event := _read(recording)) is None:
            break
        events += 1
        work += _work(event)
        played += _pause(event.time - time, idle_limit)
        time = event.time
        if isinstance(event, Output):
            output += len(event.data)
        elif isinstance(event, Marker) and len(marks) < _MARKS_LIMIT:
            marks.append(Mark(played, time, event.label))
        elif isinstance(event, Resize):
            columns, lines = event.columns, event.lines
        if recording.place.offset >= due:
            due = recording.place.offset + _SURVEY_SLICE
            yield min(1.0, recording.place.offset / max(1, recording.size))
    return Survey(time, played, events, output, tuple(marks), recording.trouble, tuple(entries))


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
    work: int
    emulator: Emulator


class _Checkpoints:
    """Those of one way through the recording: as many as have room, with ever more between them."""

    def __init__(self, first: _Checkpoint) -> None:
        self._kept = [first]
        self.spacing = _CHECKPOINT_WORK

    @property
    def first(self) -> _Checkpoint:
        """Where the way began."""
        return self._kept[0]

    @property
    def last(self) -> _Checkpoint:
        """The one that is farthest on."""
        return self._kept[-1]

    def before(self, position: float) -> _Checkpoint:
        """The last one until `position`; the first if there is none."""
        return self._kept[max(0, bisect_right(self._kept, position, key=lambda kept: kept.position) - 1)]

    def add(self, checkpoint: _Checkpoint) -> None:
        """Keep one that is farther on than all others."""
        self._kept.append(checkpoint)
        if len(self._kept) > _CHECKPOINTS:
            del self._kept[1::2]
            self.spacing *= 2


class Playback:
    """A recording that is being played. `idle_limit` is the longest pause in seconds, 0 for no limit."""

    def __init__(self, recording: Recording, idle_limit: float, scrollback: int = SCROLLBACK) -> None:
        """`recording` stands at its begin. A line of it that is broken is its end; `Survey` tells of it."""
        self._recording = recording
        self._idle_limit = idle_limit
        self._scrollback = scrollback
        self.entries: Sequence[Entry] = ()
        """Where a seek over much output may begin, of the recording's `Survey`; without, every seek is exact."""
        header = recording.header
        self.emulator = Emulator(header.columns, header.lines, scrollback)
        """What it looks like at `position`; another object after a seek."""
        self.position = 0.0
        self._played = self._time = 0.0
        self._rest = b""
        """What is left of the event before the next one."""
        self._broken = 0
        """Bytes in which the end of a line is still looked for, to begin behind it."""
        self._work = self._kept_at = 0
        self._whole = _Checkpoints(_Checkpoint(0.0, 0.0, recording.place, 0, self.emulator.copy()))
        self._checkpoints = self._whole
        """Those of the way that led here: from the very begin, or from where the last seek began anew."""
        self._here = recording.place
        self._next: Event | None = _read(recording)

    @property
    def time(self) -> float:
        """When what is seen at `position` was recorded."""
        return self._time + max(0.0, self.position - self._played)

    @property
    def begin(self) -> float | None:
        """The position before which all was left out; None if nothing was."""
        return None if self._checkpoints is self._whole else self._checkpoints.first.position

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

    def seek(self, position: float, *, exact: bool = False) -> None:
        """Stand whence `advance` leads to `position`: here, at a checkpoint, or, where that is far and it need not be
        `exact`, at a new begin.
        """
        at = bisect_right(self.entries, position, key=lambda entry: entry.position) - 1
        if exact or at < _RUN_UP:
            self._go_on(self._whole, position)
            return
        begin, work = self.entries[at - _RUN_UP], self.entries[at].work
        if work - self._work_before(self._whole, position) <= max(_FAR, self._whole.spacing):
            self._go_on(self._whole, position)
        elif (
            self._checkpoints.first.work <= begin.work and work - self._work_before(self._checkpoints, position) <= _FAR
        ):
            self._go_on(self._checkpoints, position)
        else:
            emulator = Emulator(begin.columns, begin.lines, self._scrollback)
            start = _Checkpoint(begin.position, begin.time, begin.place, begin.work, emulator)
            self._checkpoints = _Checkpoints(start)
            self._stand(start)

    def _work_before(self, checkpoints: _Checkpoints, position: float) -> int:
        """What is done already of the way to `position` that has these checkpoints."""
        kept = checkpoints.before(position).work
        return max(kept, self._work) if checkpoints is self._checkpoints and self.position <= position else kept

    def _go_on(self, checkpoints: _Checkpoints, position: float) -> None:
        """Stand as near before `position` as the way that has these checkpoints allows."""
        found = checkpoints.before(position)
        if checkpoints is self._checkpoints and self.position <= position and found.work <= self._work:
            return
        self._checkpoints = checkpoints
        self._stand(found)

    def _stand(self, found: _Checkpoint) -> None:
        self.position = self._played = found.position
        self._time = found.time
        self._rest = b""
        self._broken = _MOST_OF_A_LINE if found is self._checkpoints.first and self.begin is not None else 0
        self._work = self._kept_at = found.work
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
        self._work += _EVENT_WORK
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
        self._work += len(data)
        if self._broken:
            data = self._from_next_line(data)
        self.emulator.feed(data, 0.0 if began is None else began + self._time)

    def _from_next_line(self, data: bytes) -> bytes:
        """What comes after the end of the first line, which began before all that is played."""
        end = data.find(b"\n") + 1
        self._broken = 0 if end else max(0, self._broken - len(data))
        return data[end:] if end else b""

    def _keep_checkpoint(self) -> None:
        """Before an event."""
        if self._work - self._kept_at < self._checkpoints.spacing or self._played <= self._checkpoints.last.position:
            return
        self._kept_at = self._work
        self._checkpoints.add(_Checkpoint(self._played, self._time, self._here, self._work, self.emulator.copy()))


def _read(recording: Recording) -> Event | None:
    try:
        return recording.read()
    except RecordingError:
        return None


def _work(event: Event) -> int:
    return _EVENT_WORK + (len(event.data) if isinstance(event, Output) else 0)


def _pause(seconds: float, limit: float) -> float:
    return min(seconds, limit) if limit > 0 else seconds
