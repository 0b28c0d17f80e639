"""Draws an emulator: its screen, or what has scrolled off it."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from kvtui.console.emulator import Emulator
from kvtui.console.look import Look
from kvtui.text import cells

_FRAMES = 20
_FRAMES_SLOW_LINK = 10


class EmulatorView(Widget, can_focus=True):
    """Shows the screen of `emulator`, which may be exchanged. A low view shows the part with the cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"terminal--{index}" for index in range(16)} | {"terminal--cursor"}

    def __init__(self, emulator: Emulator, *, slow_link: bool = False) -> None:
        super().__init__()
        self.emulator = emulator
        self._frame = 1 / (_FRAMES_SLOW_LINK if slow_link else _FRAMES)
        self._frame_due = False
        self._back = 0
        self._top = 0
        """The emulator's row that was drawn at the top of the view."""

    @property
    def scrolled_back(self) -> int:
        """Lines between the bottom of the view and the newest line."""
        return self._back

    def draw_soon(self) -> None:
        """Something came: draw it with the next frame, however much more comes until then."""
        if not self._frame_due and self.is_mounted:
            self._frame_due = True
            self.set_timer(self._frame, self._draw)

    def _draw(self) -> None:
        self._frame_due = False
        changed = self.emulator.take_changed()
        if self._back:
            return
        if changed is None or len(changed) > self.size.height // 2 or self._first_row != self._top:
            self._top = self._first_row
            self.refresh()
        else:
            self.refresh_lines_of(changed)

    def refresh_lines_of(self, rows: frozenset[int]) -> None:
        """Draw single rows of the emulator's screen."""
        top = self._first_row
        width = self.size.width
        self.refresh(*(Region(0, row - top, width, 1) for row in rows if 0 <= row - top < self.size.height))

    @property
    def _first_row(self) -> int:
        """The emulator's row at the top of the view; negative rows are the scrollback.

        A view that is lower than the emulator's screen shows the part down to the cursor.
        """
        return max(0, self.emulator.cursor.y - self.size.height + 1) - self._back

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        emulator = self.emulator
        row = y + self._first_row
        width = self.size.width
        if row >= emulator.lines or row < -emulator.scrollback_size:
            return Strip.blank(width, self.rich_style)
        runs = emulator.row(row)
        strip = Strip([Segment(run.text, self._style(run.look)) for run in runs], sum(cells(run.text) for run in runs))
        cursor = emulator.cursor
        if row == cursor.y and cursor.visible and not self._back:
            strip = self._with_cursor(strip.adjust_cell_length(max(strip.cell_length, cursor.x + 1)), cursor.x)
        return strip.crop_extend(0, width, self.rich_style)

    def _with_cursor(self, strip: Strip, x: int) -> Strip:
        before, under, after = (strip.crop(0, x), strip.crop(x, x + 1), strip.crop(x + 1))
        style = Style(reverse=True) if self.has_focus else Style(underline=True)
        return Strip.join([before, under.apply_style(style), after])

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
        self._back = min(self._back, self.emulator.scrollback_size)
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
        back = min(max(0, self._back - lines), self.emulator.scrollback_size)
        if back != self._back:
            self._back = back
            self.scrolled()
            self.refresh()

    def scrolled(self) -> None:
        """The view was moved."""


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
    )


@lru_cache(1024)
def _true_colour(name: str) -> Color:
    red, green, blue = (int(name[at : at + 2], 16) for at in (1, 3, 5))
    return Color.from_triplet(ColorTriplet(red, green, blue))
