"""A single line of text on the Line API: header, footer and the titles of panes are such bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip

from kvtui.text import cells, clean_line, fit
from kvtui.ui.hacks import PaintedWidget


class Piece(NamedTuple):
    """A piece of a bar."""

    text: str
    look: str = ""
    """A tone, or ``key``, ``title``, ``accent``, ``alarm``, ``production``; empty for plain text."""
    rank: int = 0
    """How soon it gives way when there is no room: 0 never, then the highest first; pieces of one rank go together."""
    key: str = ""
    """The key that a click on it stands for."""


class Bar(PaintedWidget):
    """One line: pieces at its left, pieces at its right, and a filling between them."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "bar--key", "bar--title", "bar--accent", "bar--alarm", "bar--production", "bar--line",
        "bar--ok", "bar--busy", "bar--warn", "bar--bad", "bar--muted",
    }  # fmt: skip
    DEFAULT_CSS = "Bar { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id, classes=classes)
        self._left: tuple[Piece, ...] = ()
        self._right: tuple[Piece, ...] = ()
        self._spots: list[tuple[int, int, str]] = []

    def set_pieces(self, left: Sequence[Piece], right: Sequence[Piece] = ()) -> None:
        """Say what the bar shows; it is repainted only when that is something else than before."""
        if (tuple(left), tuple(right)) != (self._left, self._right):
            self._left, self._right = tuple(left), tuple(right)
            self.refresh()

    @property
    def filling(self) -> str:
        """The character between left and right."""
        return " "

    def render_line(self, y: int) -> Strip:
        """The bar."""
        width = self.size.width
        base = self.rich_style
        if y > 0 or width <= 0:
            return Strip.blank(width, base)
        left, right = give_way(self._left, self._right, width)
        used = _width(left) + _width(right)
        line = self._look("line") if self.filling != " " else base
        gap = Segment(self.filling * max(0, width - used), line)
        self._spots = _find_spots(left, 0) + _find_spots(right, max(0, width - _width(right)))
        pieces = [*self._segments(left), gap, *self._segments(right)]
        return Strip(pieces).crop_extend(0, width, base)

    def _segments(self, pieces: Sequence[Piece]) -> list[Segment]:
        return [Segment(piece.text, self._look(piece.look)) for piece in pieces]

    def _look(self, look: str) -> Style:
        return self.get_component_rich_style(f"bar--{look}") if look else self.rich_style

    def on_click(self, event: events.Click) -> None:
        """A click on a key presses it."""
        for left, right, key in self._spots:
            if left <= event.x < right:
                event.stop()
                self.app.simulate_key(key)


def give_way(left: Sequence[Piece], right: Sequence[Piece], room: int) -> tuple[list[Piece], list[Piece]]:
    """The pieces that have room: those of the greatest rank go first, all together. What then is too long is cut."""
    lefts = [piece._replace(text=_clean(piece.text)) for piece in left]
    rights = [piece._replace(text=_clean(piece.text)) for piece in right]
    while _width(lefts) + _width(rights) > room:
        rank = max(piece.rank for piece in (*lefts, *rights))
        if rank == 0:
            break
        lefts = [piece for piece in lefts if piece.rank != rank]
        rights = [piece for piece in rights if piece.rank != rank]
    over = _width(lefts) + _width(rights) - room
    while over > 0 and lefts:
        last = lefts.pop()
        size = cells(last.text)
        if size > over:
            lefts.append(last._replace(text=fit(last.text, size - over)))
        over -= size
    return lefts, rights


def _clean(text: str) -> str:
    """The text cleaned, with the blanks at its ends that set it apart from its neighbours."""
    if text.isascii() and text.isprintable():
        return text
    body = clean_line(text)
    before = len(text) - len(text.lstrip(" "))
    after = len(text) - len(text.rstrip(" "))
    return " " * before + body + " " * after


def _width(pieces: Sequence[Piece]) -> int:
    return sum(cells(piece.text) for piece in pieces)


def _find_spots(pieces: Sequence[Piece], start: int) -> list[tuple[int, int, str]]:
    spots: list[tuple[int, int, str]] = []
    for piece in pieces:
        end = start + cells(piece.text)
        if piece.key:
            spots.append((start, end, piece.key))
        start = end
    return spots
