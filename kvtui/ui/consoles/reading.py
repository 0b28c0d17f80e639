"""Reading what a console has shown: the view stands still, keys move in it, find, select, copy and save.

What is read is held as it was when reading began; meanwhile output goes on and is only counted. No key reaches the
guest.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final, NamedTuple

from rich.segment import Segment
from textual import events
from textual.strip import Strip

from kvtui.config import state_dir
from kvtui.console.emulator import Emulator
from kvtui.console.files import open_new, short_path
from kvtui.console.history import History, Span, cells_of, last_line, text_of
from kvtui.console.line import PastLine
from kvtui.console.reader import Reader
from kvtui.text import cells, clean_line, shorten
from kvtui.ui.bar import Piece, give_way
from kvtui.ui.consoles.emulation import Drawn, EmulatorView
from kvtui.ui.segments import restyle, toggle_reverse, whole_cells

COPY_LIMIT: Final = 74_994
"""Bytes that are copied at most: what is 100,000 in base64, where several terminals stop listening."""
_TOAST_WORDS: Final = 40
_FOUND_WORDS: Final = 20
"""Columns of what was searched, in the bar."""
_LINE_STAMP: Final = "%H:%M:%S "
_DAY_STAMP: Final = "%b %d %H:%M:%S "

_MOVES: Final[dict[str, Callable[[Reader], None]]] = {
    "up": lambda reader: reader.step(-1),
    "k": lambda reader: reader.step(-1),
    "down": lambda reader: reader.step(1),
    "j": lambda reader: reader.step(1),
    "left": lambda reader: reader.step_sideways(-1),
    "h": lambda reader: reader.step_sideways(-1),
    "right": lambda reader: reader.step_sideways(1),
    "l": lambda reader: reader.step_sideways(1),
    "0": lambda reader: reader.go_to_edge(end=False),
    "dollar_sign": lambda reader: reader.go_to_edge(end=True),
    "pageup": lambda reader: reader.page(-1),
    "ctrl+b": lambda reader: reader.page(-1),
    "shift+pageup": lambda reader: reader.page(-1),
    "pagedown": lambda reader: reader.page(1),
    "ctrl+f": lambda reader: reader.page(1),
    "home": Reader.go_home,
    "g": Reader.go_home,
    "space": lambda reader: reader.toggle_selection(by_lines=True),
    "V": lambda reader: reader.toggle_selection(by_lines=True),
    "v": lambda reader: reader.toggle_selection(by_lines=False),
}
READING_KEYS: Final = (
    ("up down j k", "a line up or down; left right h l 0 $ within the line"),
    ("pgup pgdn", "a page up or down, as ctrl+b ctrl+f; home g, end G to the oldest and the newest line"),
    ("/", "search; n N go to the next and the previous line found"),
    ("space", "select whole lines; v characters"),
    ("y", "copy what is selected, or else the line, to the terminal's clipboard"),
    ("s", "save what is selected, or else everything, to a file"),
    ("t", "when each line was written"),
    ("esc q enter", "follow the guest again, as end on the newest line"),
)
"""For the help."""


class _Shown(NamedTuple):
    """What decides, beside its text, how a line looks that is read."""

    stamp: str
    found: tuple[tuple[int, int], ...]
    selected: Span | None
    cursor: int | None


class ReadingView(EmulatorView):
    """A view of an emulator that can be read. `names` (backend, namespace, name) tell files apart that are saved."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"terminal--match", "terminal--stamp", "terminal--bar", "terminal--key"}

    def __init__(
        self,
        emulator: Emulator,
        *,
        slow_link: bool = False,
        names: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(emulator, slow_link=slow_link)
        self.names = names
        self.reader: Reader | None = None
        """Set while the view is read; without it the view follows the guest."""
        self._clock = clock
        self._typed: str | None = None
        """What is typed of a text to search, while it is."""
        self._words = ""
        """What was searched last."""
        self._notice = ""
        """What the bar says until the next key."""
        self._with_stamps = False
        self._stamps: tuple[str, ...] = ()
        self._spans: dict[int, list[tuple[int, int]]] = {}

    # Beginning and ending ------------------------------------------------------------------------------------------

    @property
    def is_reading(self) -> bool:
        """Whether the view stands still, and no key is the guest's."""
        return self.reader is not None

    @property
    def is_typing(self) -> bool:
        """Whether a text to search is being typed."""
        return self._typed is not None

    @property
    def scrolled_back(self) -> int:
        """Lines between the bottom of the view and the newest line that is held."""
        return self.reader.back if self.reader else 0

    def begin_reading(self) -> Reader:
        """Let the view stand still."""
        reader = self.reader
        if reader is None:
            reader = self.begin_in_place()
            # The bar takes the place of the lowest line.
            reader.scroll(1)
            self.redraw()
        return reader

    def begin_in_place(self, reader: Reader | None = None) -> Reader:
        """Let the view stand still, with every line where it is, or was for `reader`; the bar covers the lowest."""
        self.reader = reader or self.make_reader()
        self._notice = ""
        return self.reader

    def make_reader(self) -> Reader:
        """One that reads what is there now, beginning with what is in view."""
        return Reader(History(self.emulator), self.emulator.scrolled_total + self.first_row, *self._room)

    def follow(self) -> None:
        """Show the newest lines again; keys are the guest's."""
        if self.reader is not None:
            self.reader = self._typed = None
            self.refresh()
            self.scrolled()

    def scroll_back(self, lines: int) -> None:
        """Move the view by `lines`, negative ones into the past, which begins to read; at the end it follows again."""
        reader = self.reader
        if reader is None:
            if lines >= 0 or not self._lines_above:
                return
            reader = self.begin_reading()
        reader.scroll(lines)
        self._leave_at_end(lines)

    def _leave_at_end(self, lines: int) -> None:
        reader = self.reader
        if reader and lines > 0 and not reader.back and reader.anchor is None and self._typed is None:
            self.follow()
        else:
            self.redraw()

    # Keys ----------------------------------------------------------------------------------------------------------

    def take_key(self, key: str, character: str | None) -> None:
        """A key while the view is read."""
        reader = self.reader
        if reader is None:
            return
        self._notice = ""
        if self._typed is not None:
            self._type(key, character)
        elif key in _MOVES:
            _MOVES[key](reader)
        elif key in ("end", "G"):
            if reader.cursor.line == reader.history.last and not reader.back:
                self.follow()
                return
            reader.go_end()
        elif key == "shift+pagedown":
            reader.page(1)
            self._leave_at_end(1)
            return
        elif key in ("escape", "q", "enter", "ctrl+c"):
            if key != "escape" or reader.anchor is None:
                self.follow()
                return
            reader.anchor = None
        else:
            self._command(reader, key)
        self.redraw()

    def _command(self, reader: Reader, key: str) -> None:
        if key == "slash":
            self._typed = ""
        elif key in ("n", "N"):
            self._next(reader, 1 if key == "n" else -1)
        elif key == "t":
            self._with_stamps = not self._with_stamps
        elif key == "y":
            self.copy(reader.selection or reader.line)
            reader.anchor = None
        elif key == "s":
            self.save(reader.selection or reader.everything)
        else:
            self._notice = "no key reaches the guest while paused: esc follows"

    def take_paste(self, text: str) -> None:
        """A paste while the view is read: words to search, or nothing."""
        if self._typed is not None:
            self._typed += clean_line(text)
        else:
            self._notice = "nothing was pasted: the console is paused, esc follows"
        self.redraw()

    # Searching -----------------------------------------------------------------------------------------------------

    def _type(self, key: str, character: str | None) -> None:
        """A key of the line in which a text to search is typed."""
        typed = self._typed or ""
        if key in ("escape", "ctrl+c") or (key == "backspace" and not typed):
            self._typed = None
        elif key == "enter":
            self._typed = None
            self._search(typed or self._words)
        elif key == "backspace":
            self._typed = typed[:-1]
        elif key == "ctrl+u":
            self._typed = ""
        elif character is not None and character.isprintable():
            self._typed = typed + character

    def _search(self, words: str) -> None:
        if self.reader is not None and words:
            self._words = words
            self.reader.find(words)
            self._go_on_searching()

    def _go_on_searching(self) -> None:
        """Look through a slice of the lines, and leave the loop to keys and output before the next one."""
        reader = self.reader
        if reader is None or reader.search is None:
            return
        reader.search.step()
        if not reader.search.is_done:
            self._notice = f"searching, {reader.search.progress:.0%}"
            self.set_timer(0.001, self._go_on_searching)
        else:
            self._notice = "" if reader.show_first() else f'nothing found: "{self._words}"'
        self.redraw()

    def _next(self, reader: Reader, step: int) -> None:
        if reader.search is None:
            self._notice = "nothing was searched yet: / does"
        elif not reader.search.lines():
            self._notice = f'nothing found: "{self._words}"'
        elif reader.show_next(step):
            ends = ("newest", "oldest") if step > 0 else ("oldest", "newest")
            self._notice = f"round the {ends[0]}, on from the {ends[1]}"

    # Copying and saving --------------------------------------------------------------------------------------------

    def copy(self, span: Span) -> None:
        """Give a text to the terminal for its clipboard (OSC 52), and tell what was given."""
        pieces: list[str] = []
        size = 0
        for piece in self.reader.history.text(span) if self.reader else ():
            pieces.append(piece)
            size += len(piece.encode())
            if size > COPY_LIMIT:
                self.notify(
                    f"nothing was copied: more than {COPY_LIMIT // 1000} kB do not pass through many terminals. "
                    "s saves it to a file",
                    severity="warning",
                )
                return
        text = "".join(pieces)
        if not text.strip():
            self.notify("nothing was copied: there is no text", severity="warning")
            return
        self.app.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        what = f'"{text}"' if lines == 1 and len(text) <= _TOAST_WORDS else _count(len(text), "character")
        what = f"{_count(lines, 'line')}, {what}" if lines > 1 else what
        self.notify(f"copied {what} (if the terminal lets programs set its clipboard: OSC 52)", markup=False)

    def save(self, span: Span) -> None:
        """Save a text to a new file, a slice at a time, and tell where it is."""
        if self.reader is not None:
            self.run_worker(self._save(self.reader.history, span))

    async def _save(self, history: History, span: Span) -> None:
        folder = state_dir() / "consoles"
        lines = 1
        try:
            path, file = open_new(folder, self.names, ".txt", self._clock())
            with os.fdopen(file, "w", encoding="utf-8") as out:
                for piece in history.text(span):
                    out.write(piece)
                    lines += piece.count("\n")
                    await asyncio.sleep(0)
                out.write("\n")
        except OSError as error:
            words = f"not saved in {short_path(folder)}: {error.strerror or error}"
            self.notify(clean_line(words), severity="error", timeout=15, markup=False)
            return
        self.notify(f"{_count(lines, 'line')} saved to {short_path(path)}", timeout=15, markup=False)

    # Drawing -------------------------------------------------------------------------------------------------------

    @property
    def _room(self) -> tuple[int, int]:
        """Lines and columns for the text that is read."""
        return max(1, self.size.height - 1), max(1, self.size.width - self.stamp_width)

    @property
    def stamp_width(self) -> int:
        """Columns that the times take."""
        return len(self._stamps[0]) if self._stamps else 0

    def redraw(self) -> None:
        """The reader did something."""
        self._prepare()
        self.refresh()
        self.scrolled()

    def _prepare(self) -> None:
        """Find out what is in view."""
        reader = self.reader
        if reader is None:
            return
        height = self._room[0]
        reader.resize(height, reader.width)
        self._stamps = self._make_stamps(reader, height) if self._with_stamps else ()
        reader.resize(*self._room)
        search = reader.search
        self._spans = search.spans(reader.top, reader.top + height - 1) if search else {}

    def _make_stamps(self, reader: Reader, height: int) -> tuple[str, ...]:
        stamps = [reader.history.row(number).stamp for number in range(reader.top, reader.top + height)]
        today = time.localtime(self._clock())[:3]
        moments = [time.localtime(stamp) if stamp is not None else None for stamp in stamps]
        form = _LINE_STAMP if all(moment is None or moment[:3] == today for moment in moments) else _DAY_STAMP
        texts = [time.strftime(form, moment) if moment else "" for moment in moments]
        width = max(map(len, texts), default=0) or len(_LINE_STAMP)
        return tuple(text.ljust(width) for text in texts)

    def on_resize(self, _event: events.Resize) -> None:
        """The first line in view stays."""
        self._prepare()

    def take_touched(self) -> Iterable[int]:
        """While the view is read, output changes nothing but the bar."""
        return super().take_touched() if self.reader is None else (self.reader.height,)

    def look_of(self, y: int) -> Drawn:
        """What decides how a line of the view looks."""
        reader = self.reader
        if reader is None:
            return super().look_of(y)
        if y >= reader.height:
            return Drawn((), None, more=self._bar_pieces(reader))
        number = reader.top + y
        stamp = self._stamps[y] if y < len(self._stamps) else ""
        span = reader.selection
        selected = span if span is not None and span.start.line <= number <= span.end.line else None
        cursor = reader.cursor.x if number == reader.cursor.line else None
        more = _Shown(stamp, tuple(self._spans.get(number, ())), selected, cursor)
        return Drawn(reader.history.row(number).runs, None, more=more)

    def render_line(self, y: int) -> Strip:
        """One line of the view, or the bar below it."""
        reader = self.reader
        if reader is None:
            return super().render_line(y)
        self.drawn[y] = self.look_of(y)
        if y >= reader.height:
            return self._bar(reader)
        number = reader.top + y
        row = reader.history.row(number)
        strip = self._with_marks(reader, number, row, self.strip_of(row.runs))
        text = self._cut(strip, reader.left, reader.width)
        if y < len(self._stamps):
            stamp = Segment(self._stamps[y], self.get_component_rich_style("terminal--stamp"))
            text = Strip.join([Strip([stamp]), text])
        return text.crop_extend(0, self.size.width, self.rich_style)

    def _cut(self, strip: Strip, left: int, width: int) -> Strip:
        """The columns that are in view, with a sign where the line goes on beyond them."""
        sign = Strip([Segment("…", toggle_reverse(self.rich_style))])
        text = strip.crop_extend(left, left + width, self.rich_style)
        if strip.cell_length > left + width:
            text = Strip.join([text.crop(0, width - 1), sign])
        if left and strip.cell_length > left:
            text = Strip.join([sign, text.crop(1)])
        return text

    def _with_marks(self, reader: Reader, number: int, row: PastLine, strip: Strip) -> Strip:
        """The line with what was found, what is selected, and the cursor."""
        match = self.get_component_rich_style("terminal--match", partial=True)
        for left, right in self._spans.get(number, ()):
            strip = restyle(strip, left, right, lambda style: style + match)
        columns = cells_of(text_of(row))
        span = reader.selection
        if span is not None and span.start.line <= number <= span.end.line:
            left = span.start.x if number == span.start.line else 0
            right = span.end.x + 1 if number == span.end.line else len(columns) + 1
            if reader.by_lines:
                right = reader.left + reader.width
            strip = restyle(self._extended(strip, right), *whole_cells(columns, left, right), toggle_reverse)
        if number == reader.cursor.line:
            x = reader.cursor.x
            strip = restyle(self._extended(strip, x + 1), *whole_cells(columns, x, x + 1), toggle_reverse)
        return strip

    def _extended(self, strip: Strip, width: int) -> Strip:
        return strip.adjust_cell_length(max(strip.cell_length, width), self.rich_style)

    # The bar -------------------------------------------------------------------------------------------------------

    def _bar_pieces(self, reader: Reader) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        if self._typed is not None:
            return (Piece(f" /{self._typed}"), Piece(" ", "cursor")), _keys("esc back", "enter find")
        left = self._place_pieces(reader)
        if self._notice:
            return (*left, Piece(f" {self._notice} ")), ()
        if (span := reader.selection) is not None:
            unit = "v characters" if reader.by_lines else "V lines"
            left = [Piece(f" selected: {_count(reader.history.count(span), 'line')}")]
            return tuple(left), _keys("esc unselect", "y copy", "s save", unit)
        keys = ["esc follow", "/ search", "space select", "y copy", "s save", "t times", "? help"]
        if reader.search is not None and self._words:
            left.append(Piece(f" {self._found(reader)}  "))
            keys.insert(1, "n N next")
        return tuple(left), _keys(*keys)

    def _place_pieces(self, reader: Reader) -> list[Piece]:
        """``paused: 213 lines back, 57 new lines since``, of which the numbers give way, those of new lines first."""
        numbers = [f"{_count(reader.back, 'line')} back"] if reader.back else []
        new = max(0, last_line(self.emulator) - reader.history.last)
        numbers += [f"{_count(new, 'new line')} since"] if new else []
        pieces = [Piece(f"{', ' if at else ': '}{words}", rank=at + 1) for at, words in enumerate(numbers)]
        pieces = pieces or [Piece(" at the newest line", rank=1)]
        return [Piece(" paused", rank=1 if self._notice else 0), *pieces, Piece("  ")]

    def _found(self, reader: Reader) -> str:
        """``"panic" 3 of 17``, where the cursor is on one of the lines found."""
        words = shorten(self._words, _FOUND_WORDS)
        lines = reader.search.lines() if reader.search else ()
        at = bisect_left(lines, reader.cursor.line)
        if at < len(lines) and lines[at] == reader.cursor.line:
            return f'"{words}" {at + 1:,} of {len(lines):,}'
        return f'"{words}" {_count(len(lines), "line")}'

    def _bar(self, reader: Reader) -> Strip:
        width = self.size.width
        base = self.get_component_rich_style("terminal--bar")
        looks = {"": base, "key": self.get_component_rich_style("terminal--key"), "cursor": toggle_reverse(base)}
        left, right = give_way(*self._bar_pieces(reader), width)
        used = sum(cells(piece.text) for piece in (*left, *right))
        segments = [Segment(piece.text, looks[piece.look]) for piece in left]
        segments.append(Segment(" " * max(0, width - used), base))
        segments += [Segment(piece.text, looks[piece.look]) for piece in right]
        return Strip(segments).crop_extend(0, width, base)


def _keys(leave: str, *others: str) -> tuple[Piece, ...]:
    """Keys with what they do; where there is no room for all, those at the end give way, and the way out never."""
    pieces: list[Piece] = []
    for rank, words in (*enumerate(others, start=3), (0, leave)):
        key, _, meaning = words.rpartition(" ")
        pieces += [Piece(f" {key}", "key", rank=rank), Piece(f" {meaning} ", rank=rank)]
    return tuple(pieces)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
