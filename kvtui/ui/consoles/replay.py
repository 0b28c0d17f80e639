"""``kvtui replay``: plays a recording as it was seen, at its own times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from kvtui.config import Settings
from kvtui.console.emulator import Emulator
from kvtui.console.playback import Playback, Survey, survey
from kvtui.console.recording import Recording
from kvtui.text import cells, fit
from kvtui.ui.bar import Bar, Piece
from kvtui.ui.consoles.emulation import EmulatorView
from kvtui.ui.program import Program

if TYPE_CHECKING:
    from kvtui.ending import Ending

SPEEDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_STATUS_PAUSE: Final = 0.1
_LAG: Final = 0.25
"""Seconds that playing may be late before its clock waits for it."""
_SIDESTEP: Final = 8
_MARK: Final = "┼"
_LEAST_TRACK: Final = 10
_LEAST_WORDS: Final = 10
_KEYS: Final = (
    ("space", "pause", 1), ("left right", "5 s", 1), ("pgup pgdn", "60 s", 2), ("< >", "speed", 1),
    ("[ ]", "marker", 3), (".", "step", 4), ("0-9", "part", 4), ("j k", "scroll", 5), ("h l", "sideways", 5),
    ("z", "bars", 4), ("?", "help", 2), ("q", "quit", 1),
)  # fmt: skip
"""Keys of the last line, their words, and how soon they give way."""


class _Pace(NamedTuple):
    """What position it is: `position` at `moment` of the clock, and `speed` positions a second since."""

    position: float
    moment: float
    speed: float

    def at(self, moment: float) -> float:
        return self.position + (moment - self.moment) * self.speed


class ReplayView(EmulatorView):
    """The screen of the recording; where it is larger than the view, it can be moved."""

    def __init__(self, emulator: Emulator, *, slow_link: bool = False) -> None:
        super().__init__(emulator, slow_link=slow_link)
        self._left = 0

    @property
    def first_column(self) -> int:
        """The column at the left, no farther right than the screen needs."""
        return max(0, min(self._left, self.emulator.columns - self.size.width))

    def show(self, emulator: Emulator) -> None:
        """Draw another emulator from now on."""
        self.emulator = emulator
        self.refresh()

    def move_sideways(self, columns: int) -> None:
        """Move the view by columns."""
        self._left = self.first_column + columns
        self._left = max(0, self.first_column)
        self.refresh()

    @property
    def hidden(self) -> str:
        """What of the recorded screen is not in sight, in words."""
        words = []
        if self.scrolled_back:
            words.append(f"{self.scrolled_back} line{'s' if self.scrolled_back > 1 else ''} back")
        if self.emulator.columns > self.size.width:
            first = self.first_column
            words.append(f"columns {first + 1} to {first + self.size.width} of {self.emulator.columns}")
        return ", ".join(words)


class ReplayApp(Program, inherit_bindings=False):
    """Plays one recording."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause or go on"),
        Binding("left", "seek(-5)", "5 s back"),
        Binding("right", "seek(5)", "5 s on"),
        Binding("pageup,shift+left", "seek(-60)", "60 s back"),
        Binding("pagedown,shift+right", "seek(60)", "60 s on"),
        Binding("home,g", "part(0)", "to the begin"),
        Binding("end,G", "part(10)", "to the end"),
        *(Binding(str(tenth), f"part({tenth})", f"to {tenth * 10} %") for tenth in range(10)),
        Binding("less_than_sign,minus", "speed(-1)", "slower"),
        Binding("greater_than_sign,plus,equals_sign", "speed(1)", "faster"),
        Binding("right_square_bracket,m", "marker(1)", "the next marker"),
        Binding("left_square_bracket,M", "marker(-1)", "the marker before"),
        Binding("full_stop", "step", "the next event"),
        Binding("e", "exact", "read what a seek has left out"),
        Binding("up,k", "scroll(-1)", "a line up"),
        Binding("down,j", "scroll(1)", "a line down"),
        Binding("h", "sideways(-1)", "to the left"),
        Binding("l", "sideways(1)", "to the right"),
        Binding("z", "bars", "without the bars, or with them"),
        Binding("question_mark", "help", "this help"),
        Binding("q,escape,ctrl+c", "leave", "quit"),
        Binding("ctrl+z", "suspend_process", "suspend"),
    ]

    def __init__(
        self,
        recording: Recording,
        settings: Settings,
        *,
        idle_limit: float = 0.0,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`recording` stands at its begin; longer pauses than `idle_limit` are cut to it, unless it is 0."""
        super().__init__(settings.theme)
        self._recording = recording
        self._idle_limit = idle_limit
        self._clock = clock
        self._survey: Survey | None = None
        self._surveyed = 0.0
        """The part of the file that the survey has read."""
        self._playback = Playback(recording, idle_limit)
        self._paused = False
        self._pace = _Pace(0.0, clock(), speed)
        self._target: float | None = None
        """Where the user wants to be and playing is not yet."""
        self._exact = False
        """Whether the way to the target leaves nothing out, however long it takes."""
        self._origin = 0.0
        """Where the way to the target began."""
        self._awake = asyncio.Event()
        self._title = Bar(classes="replay-title")
        self._view = ReplayView(self._playback.emulator, slow_link=settings.slow_link)
        self._status = Bar(classes="replay-status")
        self._keys = Bar(classes="replay-keys")

    def compose(self) -> ComposeResult:
        """What is played over where it stands."""
        yield self._title
        yield self._view
        yield self._status
        yield self._keys

    def on_mount(self) -> None:
        """Read the file through, then play."""
        self._view.focus()
        self._keys.set_pieces([Piece(" "), *(piece for key in _KEYS for piece in _entry(*key))])
        self.tell_theme_troubles()
        self._draw_bars()
        self.set_interval(_STATUS_PAUSE, self._draw_bars)
        self.run_worker(self._play())

    def on_resize(self) -> None:
        """As much in the bars as has room."""
        self._draw_bars()

    # Playing -------------------------------------------------------------------------------------------------------

    @property
    def position(self) -> float:
        """Seconds of playing time since the begin."""
        at = self._playback.position if self._paused or self._target is not None else self._pace.at(self._clock())
        return max(0.0, min(at, self._length))

    @property
    def _length(self) -> float:
        return self._survey.length if self._survey else 0.0

    @property
    def has_ended(self) -> bool:
        """Whether everything was played."""
        return self._survey is not None and self._due is None and self._target is None

    @property
    def _due(self) -> float | None:
        """When the next event is played. What a file that still grows has got since it was read through is left out."""
        due = self._playback.next_position
        return due if due is not None and due <= self._length else None

    async def _play(self) -> None:
        await self._read_through()
        self._set_pace(0.0)
        while True:
            self._awake.clear()
            if self._target is not None:
                await self._go_to(self._target)
            elif self._paused or self.has_ended:
                self._paused = True
                await self._awake.wait()
            else:
                await self._play_on()

    async def _read_through(self) -> None:
        """The survey, in slices."""
        with Recording(self._recording.path) as recording:
            steps = survey(recording, self._idle_limit)
            while self._survey is None:
                try:
                    self._surveyed = next(steps)
                except StopIteration as end:
                    self._survey = end.value
                    self._playback.entries = end.value.entries
                await asyncio.sleep(0)

    async def _play_on(self) -> None:
        """A slice of what is due, or the pause until something is."""
        position = min(self._pace.at(self._clock()), self._length)
        is_done = self._playback.advance(position)
        self._view.draw_soon()
        due = self._due
        if is_done and due is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout((due - position) / self._pace.speed):
                    await self._awake.wait()
            return
        if position - self._playback.position > _LAG * self._pace.speed:
            self._set_pace(self._playback.position)
        await asyncio.sleep(0)

    async def _go_to(self, target: float) -> None:
        """Seek in slices until there or until the user wants to be elsewhere."""
        self._playback.seek(target, exact=self._exact)
        self._origin = self._playback.position
        while self._target == target:
            if self._playback.advance(target):
                self._target, self._exact = None, False
                self._set_pace(target)
                self._view.show(self._playback.emulator)
                self._draw_bars()
            await asyncio.sleep(0)

    def _set_pace(self, position: float, speed: float | None = None) -> None:
        self._pace = _Pace(position, self._clock(), self._pace.speed if speed is None else speed)

    # What the user wants -------------------------------------------------------------------------------------------

    def seek_to(self, position: float) -> None:
        """Go to a position, or as near to it as there is something."""
        if self._survey is None:
            return
        self._target, self._exact = max(0.0, min(position, self._length)), False
        self.wake()

    def wake(self) -> None:
        """Look again at what is to be done."""
        self._awake.set()
        self._draw_bars()

    def action_pause(self) -> None:
        """Stand still or go on; from the end, from the begin again."""
        if self.has_ended:
            self._paused = False
            self.seek_to(0.0)
            return
        if not self._paused:
            self._playback.advance(self.position)
        self._paused = not self._paused
        self._set_pace(self._playback.position)
        self.wake()

    def action_seek(self, seconds: int) -> None:
        """Go a while on or back, from where the user wants to be already."""
        self.seek_to((self.position if self._target is None else self._target) + seconds)

    def action_part(self, tenths: int) -> None:
        """Go to a part of the whole."""
        self.seek_to(self._length * tenths / 10)

    def action_speed(self, by: int) -> None:
        """Play faster or slower."""
        faster = [speed for speed in SPEEDS if speed > self._pace.speed]
        slower = [speed for speed in SPEEDS if speed < self._pace.speed]
        choice = faster[:1] if by > 0 else slower[-1:]
        if choice:
            self._set_pace(self.position, choice[0])
            self.wake()

    def action_marker(self, by: int) -> None:
        """Go to the next marker or the one before: while playing, to the one before that which was passed just now."""
        if self._survey is None:
            return
        here = self.position if self._target is None else self._target
        if by > 0:
            found = self._survey.mark_after(here)
        else:
            found = self._survey.mark_before(here - (0.0 if self._paused else 1.0))
        if found is None:
            self.notify(f"there is no marker {'after' if by > 0 else 'before'} this")
        else:
            self.seek_to(found.position)

    def action_step(self) -> None:
        """Stand still and go on by one event."""
        if self._survey is None or self._target is not None:
            return
        self._paused = True
        if self._due is not None:
            self._playback.step()
        self._set_pace(self._playback.position)
        self._view.draw_soon()
        self.wake()

    def action_exact(self) -> None:
        """Stay, but read what was left out on the way here; any other seek ends that."""
        if self._target is None and self._playback.begin is not None:
            self.seek_to(self.position)
            self._exact = True

    def action_scroll(self, by: int) -> None:
        """Move the view over what has scrolled off."""
        self._view.scroll_back(by)
        self._draw_bars()

    def action_sideways(self, by: int) -> None:
        """Move the view over a screen that is wider."""
        self._view.move_sideways(by * _SIDESTEP)
        self._draw_bars()

    def action_bars(self) -> None:
        """Give their lines to the recording, or take them back."""
        shown = not self._title.display
        for bar in (self._title, self._status, self._keys):
            bar.display = shown
        if not shown:
            self.notify("z shows the bars again", timeout=3)

    def action_help(self) -> None:
        """Show the keys; playing goes on."""
        from kvtui.ui.screens.help import HelpScreen, screen_lines

        self.push_screen(HelpScreen(screen_lines("Replay", self.BINDINGS)))

    def action_leave(self) -> None:
        """Quit."""
        self.exit(0)

    # Bars ----------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """What goes on, in a word or two."""
        if self._survey is None:
            return f"READING {self._surveyed:.0%}"
        if self._target is not None:
            way = self._target - self._origin
            return f"SEEKING {(self._playback.position - self._origin) / way:.0%}" if way > 0 else "SEEKING"
        if self.has_ended:
            return "END"
        return "PAUSED" if self._paused else "PLAYING"

    def _draw_bars(self) -> None:
        header, emulator = self._recording.header, self._playback.emulator
        title = [Piece(f" {header.title or self._recording.path.name}  ", "title")]
        size = [Piece(f"{emulator.columns}x{emulator.lines} ", "muted", rank=2)]
        if words := self._view.hidden:
            size.insert(0, Piece(f"{words}  ", "accent", rank=1))
        if self._playback.begin is not None:
            title.append(Piece(f"begun at {clock_text(self._playback.begin)}, what came before is left out  ", "warn"))
            title.append(Piece("e", "key", rank=1))
            title.append(Piece(" read it  ", rank=1))
        if self._survey is not None and self._survey.trouble:
            title.append(Piece(self._survey.trouble, "warn"))
        self._title.set_pieces(title, size)
        self._status.set_pieces(self._describe())

    def _describe(self) -> list[Piece]:
        """Where playing stands, a track as long as there is room, and what happened there last."""
        position = self.position
        state = self.state
        head = [
            Piece(f" {state:<8} ", "warn" if state in ("END", "PAUSED") else "accent"),
            Piece(f"{self._pace.speed:g}x  "),
            Piece(f"{clock_text(position)} / {clock_text(self._length)}  "),
        ]
        moment = self._moment(position)
        room = self.size.width - 1 - sum(cells(piece.text) for piece in head)
        if room < cells(moment) + _LEAST_TRACK:
            moment = ""
        room -= cells(moment)
        mark = self._survey.mark_at(position) if self._survey else None
        label = f"{_MARK} {mark.label}" if mark is not None and mark.label else ""
        label_room = min(cells(label), room - 2 - max(_LEAST_TRACK, self.size.width // 5))
        words = f"  {fit(label, label_room)}" if label_room >= min(cells(label), _LEAST_WORDS) > 0 else ""
        track = self._track(position, max(1, room - cells(words)))
        return [*head, *track, Piece(moment), Piece(words, "muted")]

    def _moment(self, position: float) -> str:
        """When what is shown was recorded, by the clock on the wall."""
        began = self._recording.header.timestamp
        if began is None:
            return ""
        moment = datetime.fromtimestamp(began + self._recorded_at(position)).astimezone()
        return f"  {moment:%Y-%m-%d %H:%M:%S}"

    def _recorded_at(self, position: float) -> float:
        playback = self._playback
        return min(
            playback.time + max(0.0, position - playback.position), self._survey.duration if self._survey else 0.0
        )

    def _track(self, position: float, length: int) -> list[Piece]:
        whole = self._length or 1.0
        cursor = min(length - 1, int(position / whole * (length - 1)))
        track = ["━" if at < cursor else "─" for at in range(length)]
        for mark in self._survey.marks if self._survey else ():
            track[int(mark.position / whole * (length - 1))] = _MARK
        return [
            Piece("".join(track[:cursor]), "accent"),
            Piece("●", "accent"),
            Piece("".join(track[cursor + 1 :]), "muted"),
        ]


def _entry(key: str, word: str, rank: int) -> tuple[Piece, Piece]:
    return Piece(key, "key", rank), Piece(f" {word}  ", "", rank)


def clock_text(seconds: float) -> str:
    """A time since the begin: ``0:07``, ``12:30``, ``1:00:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def run(recording: Recording, settings: Settings, ending: Ending, *, idle_limit: float, speed: float) -> int:
    """Play a recording until the user quits or `ending` ends it; the exit status. See `ReplayApp` for the arguments."""
    app = ReplayApp(recording, settings, idle_limit=idle_limit, speed=speed)
    return app.run_in_terminal(ending, mouse=settings.mouse)
