"""The line above an open console: its name always, then as many of the others and of the counters as have room."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from kvtui.text import cells, shorten_middle

_TITLE = " console "
_AROUND = 3
"""Columns of a tab beside its name."""


def draw_tabs(labels: Sequence[str], shown: int, counters: Sequence[str], room: int) -> Text:
    """The tabs with the one that is `shown` among them, at most `room` columns of them: tabs that have none are counted
    at their side, as ``<2`` and ``3>``. Of the counters, the first ones give way to the tabs and to the others.
    """
    inside = room - len(_TITLE)
    first, end = _choose(labels, shown, inside)
    before, after = _marks(len(labels), first, end)
    line = Text(f"{_TITLE}{before}")
    for index in range(first, end):
        label = labels[index]
        if index == shown:
            label = shorten_middle(label, inside - _AROUND - len(before) - len(after))
        line.append(f" {label} ", style="reverse" if index == shown else "")
        line.append(" ")
    line.append(after)
    parts = list(counters)
    while parts and line.cell_len + cells("  ".join(parts)) >= room:
        parts.pop(0)
    line.append("  ".join(parts).rjust(room - line.cell_len))
    return line


def _choose(labels: Sequence[str], shown: int, room: int) -> tuple[int, int]:
    """From which tab on and up to which there is room, spreading from the shown one to both sides in turn."""
    first, end = shown, shown + 1
    while True:
        before = first, end
        for left, right in ((0, 1), (1, 0)):
            wider = max(0, first - left), min(len(labels), end + right)
            if _width(labels, *wider) <= room:
                first, end = wider
        if (first, end) == before:
            return before


def _width(labels: Sequence[str], first: int, end: int) -> int:
    before, after = _marks(len(labels), first, end)
    return sum(cells(label) + _AROUND for label in labels[first:end]) + len(before) + len(after)


def _marks(count: int, first: int, end: int) -> tuple[str, str]:
    """How many tabs are left out on both sides."""
    return f"<{first} " if first else "", f" {count - end}>" if end < count else ""
