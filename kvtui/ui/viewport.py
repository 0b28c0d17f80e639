"""Which part of a long list is on the screen, and where the scrollbar's thumb stands."""

from __future__ import annotations


class Viewport:
    """A window of `height` lines over `total` lines."""

    def __init__(self) -> None:
        self.top = 0
        self.height = 1
        self.total = 0

    def fit(self, total: int, height: int) -> None:
        """The list or the window has another size."""
        self.total, self.height = total, max(1, height)

    def scroll_to(self, top: int) -> bool:
        """Put a line at the top, as far as the list goes; whether the window moved."""
        before = self.top
        self.top = min(max(0, top), max(0, self.total - self.height))
        return self.top != before

    def show(self, line: int) -> bool:
        """Scroll as little as needed to see a line; whether the window moved."""
        return self.scroll_to(max(min(self.top, line), line - self.height + 1))

    @property
    def thumb(self) -> range:
        """The lines of the window on which the thumb stands; empty when all is in sight."""
        if self.total <= self.height:
            return range(0)
        length = max(1, self.height * self.height // self.total)
        start = round(self.top * (self.height - length) / (self.total - self.height))
        return range(start, start + length)
