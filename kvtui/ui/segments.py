"""A line of the terminal, built out of few segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from kvtui.text import cells


class SegmentedLine:
    """Joins neighbours of one style: each segment costs an escape sequence on the wire."""

    def __init__(self, base: Style) -> None:
        self._base = base
        self._parts: list[tuple[str, Style]] = []
        self._width = 0

    def add(self, text: str, style: Style) -> None:
        """Append text; the blanks at its end need no style of their own."""
        body = text.rstrip(" ") if style != self._base else text
        self._append(body, style)
        self._append(text[len(body) :], self._base)
        self._width += cells(text)

    def pad_to(self, column: int) -> None:
        """Append blanks up to a column."""
        self._append(" " * (column - self._width), self._base)
        self._width = max(self._width, column)

    def strip(self, width: int) -> Strip:
        """The line in exactly `width` columns."""
        self.pad_to(width)
        line = Strip([Segment(text, style) for text, style in self._parts], self._width)
        return line if self._width == width else line.crop(0, width)

    def _append(self, text: str, style: Style) -> None:
        if not text:
            return
        if self._parts and self._parts[-1][1] == style:
            self._parts[-1] = (self._parts[-1][0] + text, style)
        else:
            self._parts.append((text, style))


def toggle_reverse(style: Style) -> Style:
    """The style with text and background in each other's colours, however it was."""
    return style + Style(reverse=not style.reverse)


def restyle(strip: Strip, left: int, right: int, change: Callable[[Style], Style]) -> Strip:
    """The strip with another style in the columns from `left` to before `right`."""
    if left >= right:
        return strip
    middle = strip.crop(left, right)
    changed = [Segment(text, change(style or Style())) for text, style, _ in middle]
    return Strip.join([strip.crop(0, left), Strip(changed, middle.cell_length), strip.crop(right)])


def whole_cells(columns: Sequence[str], left: int, right: int) -> tuple[int, int]:
    """The columns, with the other halves of wide characters that they would cut."""
    if left < len(columns) and not columns[left]:
        left -= 1
    if right < len(columns) and not columns[right]:
        right += 1
    return left, right
