"""Read-only text that scrolls and can be searched: details, YAML, events, help."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kvtui.model import Tone
from kvtui.text import cells, clean
from kvtui.ui.hacks import PaintedWidget


class Part(NamedTuple):
    """A piece of a line."""

    text: str
    look: str = ""
    """A tone, ``title``, ``key`` or ``bold``; empty for plain text."""


Line = tuple[Part, ...]


def line(text: str = "", look: str | Tone = "") -> Line:
    """A line of one piece."""
    return (Part(text, str(look)),)


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """The text in lines of at most `width` columns, broken between words where that is possible."""
    room = max(8, width - len(indent))
    result: list[str] = []
    for paragraph in text.split("\n"):
        current = ""
        for word in paragraph.split():
            while cells(word) > room:
                head, word = word[:room], word[room:]
                result.extend(filter(None, (current, head)))
                current = ""
            joined = f"{current} {word}" if current else word
            if cells(joined) > room:
                result.append(current)
                joined = word
            current = joined
        result.append(current)
    return [indent + piece for piece in result]


class LinesView(ScrollView, PaintedWidget, can_focus=True):
    """Shows lines; ``/`` is the screen's business, `search` and `next_match` move to what was found."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--title",
        "lines--key",
        "lines--bold",
        "lines--ok",
        "lines--busy",
        "lines--warn",
        "lines--bad",
        "lines--muted",
        "lines--match",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "up", show=False),
        Binding("j", "scroll_down", "down", show=False),
        Binding("g", "scroll_home", "top", show=False),
        Binding("G", "scroll_end", "end", show=False),
        Binding("space", "page_down", "page down", show=False),
        Binding("b", "page_up", "page up", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._pattern: re.Pattern[str] | None = None
        self._matches: list[int] = []
        """Lines that have what was searched."""
        self._found: int | None = None
        """The line of them that was moved to last."""

    def show(self, lines: Iterable[Line]) -> None:
        """Replace the text; the scroll position stays."""
        self._lines = tuple(lines)
        width = max((sum(cells(part.text) for part in item) for item in self._lines), default=0)
        self.virtual_size = Size(width, len(self._lines))
        self._find()
        self.refresh()

    @property
    def text(self) -> str:
        """All lines as plain text."""
        return "\n".join("".join(part.text for part in item) for item in self._lines)

    def search(self, words: str) -> int:
        """Mark every occurrence, move to the first, and say how many lines have one; no words end the search."""
        self._pattern = re.compile(re.escape(words), re.IGNORECASE) if words else None
        self._find()
        self._found = None
        if self._matches:
            self.next_match()
        self.refresh()
        return len(self._matches)

    def next_match(self, step: int = 1) -> bool:
        """Go to the next line found, or with ``-1`` the one before; round the end. The first is sought from the top of
        the view on. Whether there is one.
        """
        if not self._matches:
            return False
        here = self.scroll_offset.y - 1 if self._found is None else self._found
        if step > 0:
            self._found = next((at for at in self._matches if at > here), self._matches[0])
        else:
            self._found = next((at for at in reversed(self._matches) if at < here), self._matches[-1])
        self.scroll_to(y=self._found, animate=False)
        self.refresh()
        return True

    def render_line(self, y: int) -> Strip:
        """One line of the viewport."""
        left, top = self.scroll_offset
        width = self.size.width
        if not 0 <= y + top < len(self._lines):
            return Strip.blank(width, self.rich_style)
        segments: list[Segment] = []
        for text, look in self._lines[y + top]:
            style = self.get_component_rich_style(f"lines--{look}") if look else self.rich_style
            segments.extend(self._split(_printable(text), style, y + top == self._found))
        return Strip(segments).crop_extend(left, left + width, self.rich_style)

    def _split(self, text: str, style: Style, current: bool) -> Iterable[Segment]:
        if self._pattern is None:
            yield Segment(text, style)
            return
        match = self.get_component_rich_style("lines--match") + Style(reverse=current)
        at = 0
        for found in self._pattern.finditer(text):
            yield Segment(text[at : found.start()], style)
            yield Segment(found[0], style + match)
            at = found.end()
        yield Segment(text[at:], style)

    def _find(self) -> None:
        pattern = self._pattern
        self._matches = (
            [at for at, item in enumerate(self._lines) if pattern.search("".join(part.text for part in item))]
            if pattern
            else []
        )


def _printable(text: str) -> str:
    """The text as it may stand on one line of a terminal, its blanks kept."""
    return clean(text).expandtabs(4).replace("\n", " ")
