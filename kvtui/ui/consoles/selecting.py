"""Selecting with the mouse: drag for characters, two clicks for a word, three for a line; letting go copies."""

from __future__ import annotations

from textual import events
from textual.timer import Timer

from kvtui.console.history import Place, Span
from kvtui.console.reader import Reader
from kvtui.ui.consoles.reading import ReadingView

_LEFT = 1
_SCROLL_PAUSE = 0.05
"""Seconds between two lines while the mouse is held beyond the view's edge."""


class SelectingView(ReadingView):
    """A view that is read with the mouse, too. What was selected while it followed is copied, and it follows on."""

    _pressed: Place | None = None
    """Where the button was pressed, while it is held."""
    _held: Reader | None = None
    """What was in view then, while the view follows: output goes on until the mouse is moved."""
    _dragged = False
    """Whether the mouse was moved to another cell since."""
    _followed = False
    """Whether the view followed the guest before."""
    _beyond = 0
    """Lines by which the mouse is held beyond the view: negative above, positive below."""
    _scrolling: Timer | None = None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Perhaps a selection begins here."""
        if event.button != _LEFT:
            return
        event.stop()
        self._followed = not self.is_reading
        self._held = self.make_reader() if self._followed else None
        self._pressed = self._place(event)
        self._dragged = False
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select from where the button was pressed to here."""
        if self._pressed is None:
            return
        event.stop()
        place = self._place(event)
        if not self._dragged:
            if place == self._pressed:
                return
            self._dragged = True
            reader = self.reader or self.begin_in_place(self._held)
            reader.anchor, reader.by_lines = self._pressed, False
        height = self.reader.height if self.reader else self.size.height
        self._scroll_while_beyond(event.y if event.y < 0 else max(0, event.y - height + 1))
        self._select_to(place)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Copy what is selected; a mere click moves the cursor of who reads."""
        if self._pressed is None:
            return
        event.stop()
        self._let_go()
        reader = self.reader
        if reader is None:
            return
        if self._dragged and reader.selection is not None:
            self._take(reader.selection)
        elif not self._dragged:
            reader.anchor = None
            reader.go(self._place(event))
            self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Two clicks copy a word, three a line."""
        if event.chain < 2 or event.button != _LEFT or self._dragged:
            return
        event.stop()
        place = self._place(event)
        followed = not self.is_reading
        reader = self.reader or self.begin_in_place()
        self._followed = followed
        if event.chain == 2:
            span = reader.history.word(place)
        else:
            first, last = reader.history.whole(place.line)
            span = Span(Place(first, 0), Place(last, len(reader.history.cells(last))))
        reader.select(span)
        self._take(span)

    def on_hide(self, _event: events.Hide) -> None:
        """Nobody sees the mouse being let go."""
        self._let_go()

    def _take(self, span: Span) -> None:
        self.copy(span)
        if self._followed:
            self.follow()
        else:
            self.redraw()

    def _let_go(self) -> None:
        if self._pressed is not None:
            self._pressed = self._held = None
            self.release_mouse()
        self._scroll_while_beyond(0)

    def _place(self, event: events.MouseEvent) -> Place:
        """The cell under the mouse, or the one of the view next to it."""
        reader = self.reader
        if reader is None:
            top = self._held.top if self._held is not None else self.emulator.scrolled_total + self.first_row
            return Place(top + min(max(0, event.y), self.size.height - 1), max(0, event.x) + self.first_column)
        y = min(max(0, event.y), reader.height - 1)
        return Place(reader.top + y, max(0, event.x - self.stamp_width + reader.left))

    def _select_to(self, place: Place) -> None:
        if self.reader is not None:
            self.reader.go(place)
            self.redraw()

    def _scroll_while_beyond(self, lines: int) -> None:
        self._beyond = lines
        if lines and self._scrolling is None:
            self._scrolling = self.set_interval(_SCROLL_PAUSE, self._scroll_on)
        elif not lines and self._scrolling is not None:
            self._scrolling.stop()
            self._scrolling = None

    def _scroll_on(self) -> None:
        reader = self.reader
        if reader is None or self._pressed is None:
            self._scroll_while_beyond(0)
            return
        reader.scroll(max(-5, min(self._beyond, 5)))
        line = reader.top if self._beyond < 0 else reader.top + reader.height - 1
        self._select_to(Place(line, reader.cursor.x))
