"""Where a user is who reads a console: the part in view, the reader's own cursor, what is selected, what was found.

All of it in a history, which stands still while output goes on. Pure.
"""

from __future__ import annotations

from kvtui.console.history import History, Place, Span
from kvtui.console.search import Search


class Reader:
    """Reads `history` in a view of `height` lines and `width` columns, whose first line is `top`."""

    def __init__(self, history: History, top: int, height: int, width: int) -> None:
        self.history = history
        self.height = height
        self.width = width
        self.top = top
        self.left = 0
        """The first column in view."""
        self.cursor = Place(history.cursor, 0)
        self.anchor: Place | None = None
        """Where the selection was begun; it reaches from there to the cursor."""
        self.by_lines = True
        """Whether whole lines are selected."""
        self.search: Search | None = None
        self._column = 0
        """The column that the cursor goes back to after a shorter line."""
        self._clamp()

    # What is in view -----------------------------------------------------------------------------------------------

    @property
    def bottom(self) -> int:
        """The first line of the lowest view there is: the newest text and the guest's cursor are in it."""
        return max(self.history.screen, self.history.last - self.height + 1)

    @property
    def back(self) -> int:
        """Lines between this view and the lowest."""
        return max(0, self.bottom - self.top)

    def resize(self, height: int, width: int) -> None:
        """The view has another size; its first line stays."""
        self.height, self.width = height, width
        self._clamp()
        self._show_column()

    # Moving --------------------------------------------------------------------------------------------------------

    def scroll(self, lines: int) -> None:
        """Move the view, negative `lines` into the past; the cursor stays in it."""
        self.top += lines
        self._clamp()
        line = min(max(self.cursor.line, self.top), self.top + self.height - 1)
        if line != self.cursor.line:
            self._put(line, self._column)

    def page(self, pages: int) -> None:
        """Move view and cursor by whole pages, but for one line that is in both."""
        lines = pages * max(1, self.height - 1)
        self.top += lines
        self._put(self.cursor.line + lines, self._column)

    def step(self, lines: int) -> None:
        """Move the cursor up or down."""
        self._put(self.cursor.line + lines, self._column)

    def step_sideways(self, by: int) -> None:
        """Move the cursor a character to the right or the left, within its line."""
        cells = self.history.cells(self.cursor.line)
        x = self.cursor.x + by
        if 0 < x < len(cells) and not cells[x]:
            x += by
        self.go(Place(self.cursor.line, max(0, min(x, len(cells) - 1))))

    def go_to_edge(self, *, end: bool) -> None:
        """Move the cursor to the begin or the end of its line."""
        self.go(Place(self.cursor.line, max(0, len(self.history.cells(self.cursor.line)) - 1) if end else 0))

    def go_home(self) -> None:
        """To the oldest line."""
        self.go(Place(self.history.first, 0))

    def go_end(self) -> None:
        """To the newest line."""
        self.top = self.bottom
        self.go(Place(self.history.last, 0))

    def go(self, place: Place) -> None:
        """Put the cursor somewhere, and into view."""
        self._column = place.x
        self._put(*place)

    def show(self, place: Place) -> None:
        """Put the cursor somewhere; if that was out of view, into the middle of it."""
        if not self.top <= place.line < self.top + self.height:
            self.top = place.line - self.height // 2
        self.go(place)

    def _put(self, line: int, x: int) -> None:
        history = self.history
        line = max(history.first, min(line, history.last))
        cells = history.cells(line)
        x = max(0, min(x, len(cells) - 1))
        if x and not cells[x]:
            x -= 1
        self.cursor = Place(line, x)
        self.top = max(min(self.top, line), line - self.height + 1)
        self._clamp()
        self._show_column()

    def _show_column(self) -> None:
        """Bring the cursor's character into view, and the line's begin if there is room for both."""
        x, cells = self.cursor.x, self.history.cells(self.cursor.line)
        wide = 1 if x + 1 < len(cells) and not cells[x + 1] else 0
        self.left = max(0, x + wide - self.width + 1)

    def _clamp(self) -> None:
        """Keep the view among the lines that there are."""
        self.top = max(self.history.first, min(self.top, self.bottom))

    # Selecting -----------------------------------------------------------------------------------------------------

    def toggle_selection(self, *, by_lines: bool) -> None:
        """Begin a selection at the cursor; or give it up; or let the one there is go by lines, or by characters."""
        if self.anchor is not None and self.by_lines == by_lines:
            self.anchor = None
            return
        self.by_lines = by_lines
        if self.anchor is None:
            self.anchor = self.cursor

    def select(self, span: Span) -> None:
        """Select from a cell to another."""
        self.anchor, self.by_lines = span.start, False
        self.go(span.end)

    @property
    def selection(self) -> Span | None:
        """The cells that are selected; of wrapped lines, when they are selected whole, all there is."""
        if self.anchor is None:
            return None
        start, end = sorted((self.anchor, self.cursor))
        if not self.by_lines:
            return Span(start, end)
        last = self.history.whole(end.line)[1]
        return Span(Place(self.history.whole(start.line)[0], 0), Place(last, len(self.history.cells(last))))

    @property
    def line(self) -> Span:
        """The whole line that the cursor is on."""
        first, last = self.history.whole(self.cursor.line)
        return Span(Place(first, 0), Place(last, len(self.history.cells(last))))

    @property
    def everything(self) -> Span:
        """All lines there are."""
        last = self.history.last
        return Span(Place(self.history.first, 0), Place(last, len(self.history.cells(last))))

    # Searching -----------------------------------------------------------------------------------------------------

    def find(self, words: str) -> Search:
        """Begin to look for a text. The search is to be stepped through, and then `show_first` called."""
        self.search = Search(self.history, words)
        return self.search

    def show_first(self) -> bool:
        """Go to what was found next to the cursor, if anything was: first from its line on, then before it."""
        line = self.search.nearest(self.cursor.line) if self.search else None
        if self.search is None or line is None:
            return False
        self.show(self.search.begin(line))
        return True

    def show_next(self, step: int) -> bool:
        """Go to the next or the previous line found; whether that went round the end."""
        found = self.search.following(self.cursor.line, step) if self.search else None
        if self.search is None or found is None:
            return False
        line, wrapped = found
        self.show(self.search.begin(line))
        return wrapped
