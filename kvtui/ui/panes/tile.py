"""One machine's picture in a grid of them: a title line, and below it the picture or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip

from kvtui.model import Ref
from kvtui.text import cells, fit
from kvtui.ui.bar import Bar, Piece
from kvtui.ui.hacks import PaintedWidget
from kvtui.ui.lines import wrap


class PictureView(PaintedWidget):
    """Lines of a picture in the middle of the room that there is. Only those that changed are drawn anew."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"picture--words", "picture--note"}

    class Resized(Message):
        """There is more or less room."""

        def __init__(self, view: PictureView) -> None:
            super().__init__()
            self.view = view

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Strip] = []
        self._picture: Sequence[Strip] = ()

    @property
    def has_picture(self) -> bool:
        """Whether a picture is shown, and not a sentence."""
        return bool(self._picture)

    def picture_offset(self) -> Offset:
        """Where on the screen the first cell of the picture is."""
        width, height = self.size
        left = max(0, (width - max((strip.cell_length for strip in self._picture), default=0)) // 2)
        above = (height - min(height, len(self._picture))) // 2
        return self.content_region.offset + Offset(left, above)

    def show_picture(self, strips: Sequence[Strip], note: str = "") -> None:
        """Show a picture; a note stands in its last line."""
        self._picture = strips
        width, height = self.size
        blank = Strip.blank(width)
        shown = [_centre(strip, width) for strip in strips[:height]]
        above = (height - len(shown)) // 2
        lines = [*[blank] * above, *shown, *[blank] * (height - above - len(shown))]
        if note and lines:
            lines[-1] = Strip([Segment(fit(f" {note}", width), self.get_component_rich_style("picture--note"))], width)
        self._replace(lines)

    def note(self, note: str) -> None:
        """Put a note into the last line of the picture, or take it away."""
        if self._picture:
            self.show_picture(self._picture, note)

    def show_words(self, words: str) -> None:
        """Show a sentence instead of a picture."""
        self._picture = ()
        width, height = self.size
        style = self.get_component_rich_style("picture--words")
        told = [piece for piece in wrap(words, max(8, width - 2)) if piece][:height]
        above = max(0, (height - len(told)) // 2)
        blank = Strip.blank(width)
        lines = [_centre(Strip([Segment(fit(text, cells(text)), style)]), width) for text in told]
        self._replace([*[blank] * above, *lines, *[blank] * (height - above - len(lines))])

    def _replace(self, lines: list[Strip]) -> None:
        before, self._lines = self._lines, lines
        changed = [y for y, line in enumerate(lines) if y >= len(before) or line != before[y]]
        if len(changed) > self.size.height // 2 or len(before) != len(lines):
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """One line."""
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return self._lines[y].apply_style(self.rich_style).adjust_cell_length(width, self.rich_style)

    def on_resize(self, _event: events.Resize) -> None:
        """Whoever draws must draw anew."""
        self.post_message(self.Resized(self))


class PictureTile(Vertical):
    """The title and the picture of one machine."""

    class Picked(Message):
        """The tile was clicked."""

        def __init__(self, tile: PictureTile) -> None:
            super().__init__()
            self.tile = tile

    def __init__(self, ref: Ref) -> None:
        super().__init__()
        self.ref = ref
        self.drawn: object = None
        """What the view shows a drawing of."""
        self.title = Bar(classes="tile-title")
        self.view = PictureView()

    def compose(self) -> ComposeResult:
        """Title above, picture below."""
        yield self.title
        yield self.view

    def show_title(self, name: Sequence[Piece], state: Sequence[Piece], *, chosen: bool) -> None:
        """Say whose picture it is, how the machine fares, and how old it is."""
        self.set_class(chosen, "-chosen")
        self.title.set_pieces([Piece("> " if chosen else "  ", "accent"), *name], state)

    def on_click(self, event: events.Click) -> None:
        """Choose the tile."""
        event.stop()
        self.post_message(self.Picked(self))


def _centre(strip: Strip, width: int) -> Strip:
    left = max(0, (width - strip.cell_length) // 2)
    return Strip([Segment(" " * left), *strip], left + strip.cell_length).adjust_cell_length(width)
