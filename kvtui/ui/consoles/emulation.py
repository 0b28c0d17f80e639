"""Draws an emulator: its screen, or what has scrolled off it, in frames of which only changed lines are sent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from typing import ClassVar, NamedTuple

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip

from kvtui.console.emulator import Emulator
from kvtui.console.look import Look, Run
from kvtui.text import cells
from kvtui.ui.hacks import PaintedWidget

_FRAMES = 20
_FRAMES_SLOW_LINK = 10
_GATHER = 0.005
"""Seconds that a frame waits after a silence: what a guest draws comes in several pieces."""


class Drawn(NamedTuple):
    """What decides how a line of the view looks."""

    row: tuple[Run, ...]
    cursor: int | None
    """Column of the cursor, if it is shown on this line."""
    left: int = 0
    """The first column in view."""
    more: object = None
    """What else a view that is more than this shows there."""


class EmulatorView(PaintedWidget, can_focus=True):
    """Shows the screen of `emulator`, which may be exchanged. A low view shows the part with the cursor."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"terminal--{index}" for index in range(16)} | {"terminal--cursor"}

    def __init__(self, emulator: Emulator, *, slow_link: bool = False) -> None:
        super().__init__()
        self.emulator = emulator
        self._frame = 1 / (_FRAMES_SLOW_LINK if slow_link else _FRAMES)
        self._frame_due = False
        self._back = 0
        self._frame_at = 0.0
        """When the last frame was drawn, by the monotonic clock."""
        self._corner = (0, 0)
        """The row at the top of the view and the column at its left in that frame."""
        self.drawn: dict[int, Drawn] = {}
        """By line of the view."""

    @property
    def scrolled_back(self) -> int:
        """Lines between the bottom of the view and the newest line."""
        return self._back

    # Frames --------------------------------------------------------------------------------------------------------

    def draw_soon(self) -> None:
        """Something changed: draw it with the next frame, however much more comes until then."""
        if not self._frame_due and self.is_mounted and self.is_on_screen:
            self._frame_due = True
            self.set_timer(max(_GATHER, self._frame_at + self._frame - time.monotonic()), self.draw_frame)

    def draw_frame(self) -> None:
        """Send the lines that look different than in the frame before."""
        self._frame_due = False
        self._frame_at = time.monotonic()
        stale = [y for y in self.take_touched() if self.look_of(y) != self.drawn.get(y)]
        if stale:
            self.refresh(*(Region(0, y, self.size.width, count) for y, count in _neighbours(stale)))

    def take_touched(self) -> Iterable[int]:
        """The lines of the view, in order, that may look different than in the frame before."""
        changed = self.emulator.take_changed()
        top, height = self.first_row, self.size.height
        before, self._corner = self._corner, (top, self.first_column)
        if changed is None or self._corner != before:
            return range(height)
        return sorted(row - top for row in changed if 0 <= row - top < height)

    def on_show(self, _event: events.Show) -> None:
        """What came while the view was hidden was not drawn."""
        self.refresh()

    # Lines ---------------------------------------------------------------------------------------------------------

    @property
    def first_row(self) -> int:
        """The emulator's row at the top of the view; negative rows are the scrollback.

        A view that is lower than the emulator's screen shows the part down to the cursor.
        """
        return self._lines_hidden - self._back

    @property
    def _lines_hidden(self) -> int:
        """Lines of the screen that are above the view while it is not scrolled back."""
        return max(0, self.emulator.cursor.y - self.size.height + 1)

    @property
    def _lines_above(self) -> int:
        """Lines that there are above the view while it is not scrolled back."""
        return self._lines_hidden + self.emulator.scrollback_size

    def look_of(self, y: int) -> Drawn:
        """What decides how a line of the view looks."""
        emulator, row = self.emulator, y + self.first_row
        if not -emulator.scrollback_size <= row < emulator.lines:
            return Drawn((), None)
        cursor = emulator.cursor
        is_here = row == cursor.y and cursor.visible and not self._back
        return Drawn(emulator.row(row), cursor.x if is_here else None, self.first_column)

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        drawn = self.drawn[y] = self.look_of(y)
        strip = self.strip_of(drawn.row)
        if drawn.cursor is not None:
            strip = self._with_cursor(strip, drawn.cursor)
        return strip.crop_extend(drawn.left, drawn.left + self.size.width, self.rich_style)

    @property
    def first_column(self) -> int:
        """The emulator's column at the left of the view.

        A view that is narrower than the emulator's screen moves by halves of its width, so that the cursor is in it.
        """
        cursor, width = self.emulator.cursor, self.size.width
        if not cursor.visible or cursor.x < width or width < 1:
            return 0
        step = max(1, width // 2)
        return -(-(cursor.x - width + 1) // step) * step

    def strip_of(self, row: tuple[Run, ...]) -> Strip:
        """A row in its colours, as long as it is."""
        return Strip([Segment(run.text, self._style(run.look)) for run in row], sum(cells(run.text) for run in row))

    def _with_cursor(self, strip: Strip, x: int) -> Strip:
        strip = strip.adjust_cell_length(max(strip.cell_length, x + 1), self.rich_style)
        style = Style(reverse=True) if self.has_focus else Style(underline=True)
        return Strip.join([strip.crop(0, x), strip.crop(x, x + 1).apply_style(style), strip.crop(x + 1)])

    def _style(self, look: Look) -> Style:
        style = _attributes(look)
        if look.fg:
            style += Style(color=self._colour(look.fg))
        if look.bg:
            style += Style(bgcolor=self._colour(look.bg))
        return self.rich_style + style

    def _colour(self, name: str) -> Color:
        if name.startswith("#"):
            return _true_colour(name)
        colour = self.get_component_rich_style(f"terminal--{name}").color
        return colour if colour is not None else Color.default()

    def on_resize(self, _event: events.Resize) -> None:
        """The emulator keeps the guest's size, which only the guest can change; the view shows a part of it."""
        self._back = min(self._back, self._lines_above)
        self.refresh()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back."""
        event.stop()
        self.scroll_back(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll towards the newest line."""
        event.stop()
        self.scroll_back(3)

    def scroll_back(self, lines: int) -> None:
        """Move the view by `lines`, negative ones into the past."""
        back = min(max(0, self._back - lines), self._lines_above)
        if back != self._back:
            self._back = back
            self.scrolled()
            self.refresh()

    def scrolled(self) -> None:
        """The view was moved."""


def _neighbours(lines: list[int]) -> Iterable[tuple[int, int]]:
    """Ascending numbers as stretches: the first of each, and how many."""
    for _, stretch in groupby(enumerate(lines), lambda item: item[1] - item[0]):
        same = [line for _, line in stretch]
        yield same[0], len(same)


@lru_cache(256)
def _attributes(look: Look) -> Style:
    return Style(
        bold=look.bold or None,
        dim=look.dim or None,
        italic=look.italic or None,
        underline=look.underline or None,
        reverse=look.reverse or None,
        strike=look.strike or None,
        conceal=look.conceal or None,
        overline=look.overline or None,
    )


@lru_cache(1024)
def _true_colour(name: str) -> Color:
    red, green, blue = (int(name[at : at + 2], 16) for at in (1, 3, 5))
    return Color.from_triplet(ColorTriplet(red, green, blue))
