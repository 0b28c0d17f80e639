"""What happened to one object and its layers, live: one layer or all, by one of three clock faces."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual.binding import Binding, BindingType
from textual.message import Message

from kvtui.actions.recall import Recall
from kvtui.audit import AuditLog
from kvtui.config import state_dir
from kvtui.console.files import open_new, short_path
from kvtui.fleet import Fleet
from kvtui.joins.involved import Layer
from kvtui.joins.moments import Moment
from kvtui.joins.timeline import Gap, Now, Row, fold, is_trouble, lay_out
from kvtui.joins.timeline_words import (
    Clockface,
    name_subject,
    sign_of,
    tell_date,
    tell_detail,
    tell_gap,
    tell_markdown,
    tell_time,
    tell_zone,
)
from kvtui.model import Ref, Tone
from kvtui.store import Delta
from kvtui.text import cells, clean_line
from kvtui.ui.lines import Line, LinesView, Part, line, wrap

TIMELINE_KEYS: Final = "f F layer  ! trouble  T times  s save  / search n N  r again"
_FACES: Final = tuple(Clockface)
_REFRESH: Final = 10.0
"""Seconds between two questions to the servers."""
_TICK: Final = 1.0


class TimelineView(LinesView):
    """The timeline of one object, the newest at the bottom; who stands there follows what comes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "layer(1)", "layer", show=False, tooltip="the next layer alone, or all"),
        Binding("F", "layer(-1)", "layer before", show=False, tooltip="the layer before"),
        Binding("exclamation_mark", "faults", "trouble", show=False, tooltip="only trouble, or all"),
        Binding("T", "times", "times", show=False, tooltip="local time, UTC, or how long ago"),
        Binding("s", "save", "save", show=False, tooltip="save what is shown, as Markdown for a ticket"),
    ]

    class Changed(Message):
        """Something else is shown."""

    def __init__(self, fleet: Fleet, ref: Ref, label: str) -> None:
        """`label` is what the object is called before its name."""
        super().__init__(id="detail-timeline")
        self._fleet = fleet
        self._ref = ref
        self._label = label
        self._recall = Recall(fleet, ref, AuditLog(state_dir() / "audit.jsonl"))
        self._layer: Layer | None = None
        """The only one that is shown; None for all."""
        self._faults = False
        self._face = Clockface.LOCAL
        self._moments: list[Moment] = []

    def on_mount(self) -> None:
        """Let the time go on."""
        self.set_interval(_TICK, self._tick)

    async def follow(self) -> None:
        """Show what is known at once, and ask the servers for the rest again and again."""
        self.redraw(end=True)
        while True:
            await self._recall.look()
            self.redraw()
            await asyncio.sleep(_REFRESH)

    def take(self, delta: Delta) -> None:
        """Follow the store."""
        self._recall.take(delta)

    def _tick(self) -> None:
        if self.display:
            self.redraw()

    def redraw(self, *, end: bool = False) -> None:
        """Show what is known now; at its end when the view stood there, or with `end`."""
        following = end or self.scroll_offset.y >= self.max_scroll_y
        self.show(self._told(max(40, self.size.width - 1)))
        if following:
            self.scroll_end(animate=False)
        self.post_message(self.Changed())

    # Keys ------------------------------------------------------------------------------------------------------------

    def action_layer(self, by: int) -> None:
        """Show the next layer alone, or all again."""
        known = {moment.layer for moment in self._moments}
        choices: list[Layer | None] = [None, *(layer for layer in Layer if layer in known)]
        here = choices.index(self._layer) if self._layer in choices else 0
        self._layer = choices[(here + by) % len(choices)]
        self.redraw(end=True)

    def action_faults(self) -> None:
        """Show only trouble, or all."""
        self._faults = not self._faults
        self.redraw(end=True)

    def action_times(self) -> None:
        """Tell times in another way."""
        self._face = _FACES[(_FACES.index(self._face) + 1) % len(_FACES)]
        self.redraw()

    def action_save(self) -> None:
        """Write what is shown as Markdown into a new file, and tell where it is."""
        try:
            path = self._save()
        except OSError as error:
            words = f"the timeline was not saved: {error.strerror or error}"
            self.notify(clean_line(words), severity="error", timeout=15, markup=False)
        else:
            self.notify(f"saved to {short_path(path)}", timeout=15, markup=False)

    def _save(self) -> Path:
        now = self._fleet.clock()
        shown = lay_out(fold(self._shown), now)
        title = f"{self._label} {self._fleet.name(self._ref)}"
        names = [clean_line(name) for name in (self._ref.backend, self._ref.namespace, self._ref.name) if name]
        path, file = open_new(state_dir() / "timelines", names, ".md", now)
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write("\n".join(tell_markdown(shown, title, now, self._recall.notes)) + "\n")
        return path

    # What is shown ---------------------------------------------------------------------------------------------------

    @property
    def _shown(self) -> list[Moment]:
        return [
            moment
            for moment in self._moments
            if (self._layer is None or moment.layer is self._layer) and (not self._faults or is_trouble(moment))
        ]

    @property
    def state(self) -> str:
        """``pod 12 of 48, only trouble, local time``."""
        shown, total = len(self._shown), len(self._moments)
        count = str(total) if shown == total else f"{shown} of {total}"
        trouble = ", only trouble" if self._faults else ""
        return f"{self._layer or 'all'} {count}{trouble}, {self._face}"

    def _told(self, width: int) -> list[Line]:
        """What is known now, the oldest first, and below it what is not."""
        now = self._fleet.clock()
        self._moments = self._recall.moments()
        rows = lay_out(fold(self._shown), now)
        told = list(timeline_lines(rows, self._ref, now, self._face, width))
        for note in self._recall.notes:
            told += [line(piece, Tone.MUTED) for piece in wrap(note, width)]
        return told


def timeline_lines(rows: Sequence[Row], ref: Ref, now: float, face: Clockface, width: int) -> Iterator[Line]:
    """The rows of a timeline, what is too long for one line below itself."""
    times = [tell_time(row.at, now, face) if not isinstance(row, Gap) else "" for row in rows]
    time_width = max(map(len, times), default=0)
    layer_width = max((len(row.layer) for row in rows if isinstance(row, Moment)), default=0)
    indent = " " * (time_width + layer_width + 4)
    for time, row in zip(times, rows, strict=True):
        if isinstance(row, Gap):
            yield line(f"{'':{time_width}}   {tell_gap(row)}", Tone.MUTED)
            continue
        if isinstance(row, Now):
            yield (Part(f"{time:>{time_width}}   ", "title"), Part("now", "title"),
                   Part(f"  {tell_date(now, face)}, {tell_zone(now, face)}", "muted"))  # fmt: skip
            continue
        name = name_subject(row, ref)
        detail = tell_detail(row, now, face)
        told = [
            *([Part(name, "muted")] if name else []),
            Part(f"{clean_line(row.what)}{':' if detail else ''}", str(row.tone or "bold")),
            Part(detail, "muted" if row.tone is Tone.MUTED else ""),
        ]
        first, *more = _flow(told, width - len(indent))
        head = (
            Part(f"{time:>{time_width}} ", "muted"),
            Part(sign_of(row) or " ", str(row.tone or "")),
            Part(f" {row.layer:<{layer_width}} ", "muted"),
        )
        yield (*head, *first)
        for piece in more:
            yield (Part(indent), *piece)


def _flow(parts: Sequence[Part], width: int) -> list[list[Part]]:
    """The parts one behind the other in lines of at most `width` columns, broken between words where that can be."""
    room = max(16, width)
    rows: list[list[Part]] = [[]]
    used = 0
    for text, look in parts:
        for word in text.split():
            rest = word
            if used and used + 1 + cells(rest) > room:
                rows.append([])
                used = 0
            while cells(rest) > room:
                rows[-1].append(Part(rest[:room], look))
                rows.append([])
                rest = rest[room:]
            rows[-1].append(Part(f" {rest}" if used else rest, look))
            used += cells(rest) + bool(used)
    return rows
