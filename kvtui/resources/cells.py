"""Cells and columns that several resources share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from kvtui.model import Cell, Health, Tone
from kvtui.records.base import Record
from kvtui.records.libvirt import Host
from kvtui.resources.base import Column
from kvtui.text import age

Row = TypeVar("Row")

NOTHING = Cell("-", Tone.MUTED)
"""Not known, or does not apply."""
ACTIVE_FIRST = "active first"
"""The order of `urgency_cell` with 0 for what goes on, 1 for what failed and 2 for the rest, all of them after rows in
which the rules found trouble.
"""
MODES: Final = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
"""Access modes as kubectl shortens them."""
_BAR = 10
_LATER = 1e11
"""Seconds; more than any moment since the epoch."""


def text_cell(value: str, tone: Tone | None = None) -> Cell:
    """The text, or a dash where there is none."""
    return Cell(value, tone) if value else NOTHING


def age_cell(moment: float | None, now: float, tone: Tone | None = None) -> Cell:
    """How long ago; the youngest sorts first."""
    return NOTHING if moment is None else Cell(age(now - moment), tone, -moment)


def number_cell(value: float | None, text: str, tone: Tone | None = None) -> Cell:
    """A number with its text; unknown numbers sort last."""
    return NOTHING if value is None else Cell(text, tone, value)


def yes_no(value: bool | None, *, no_tone: Tone | None = Tone.MUTED) -> Cell:
    """``yes``, ``no``, or ``?`` while nobody has said."""
    if value is None:
        return Cell("?", Tone.MUTED)
    return Cell("yes") if value else Cell("no", no_tone)


def urgency_cell(health: Health, urgency: int, created: float | None) -> Cell:
    """A phase: the least `urgency` number sorts first (`ACTIVE_FIRST`), the youngest first among equals."""
    return Cell(health.word, health.tone, urgency * _LATER - (created or 0.0))


def progress_cell(done: float | None, *, failed: bool = False) -> Cell:
    """A bar with the percentage of `done`, from 0 to 1. Rounded down: what is not done yet never reads 100%."""
    if done is None:
        return NOTHING
    percent = f"{int(100 * done)}%"
    if failed:
        return Cell(f"failed at {percent}", Tone.BAD, done)
    return Cell(f"[{'=' * int(done * _BAR):<{_BAR}}] {percent}", None, done)


def health_cell(health: Health) -> Cell:
    """The word of a STATUS column."""
    return Cell(health.word, health.tone)


def last_known(health: Health, backend: str, host: Host | None, now: float) -> Health:
    """The health of what is on a host: once that does not answer, no more than what was known last."""
    if host is None or host.connected:
        return health
    silence = host.silence(now)
    last = f", last answer {age(silence)} ago" if silence is not None else ""
    words = f"{backend} {host.absence}{last}; last known state: {health.word}"
    return Health(Tone.MUTED, f"{health.word}?", words)


def name_column(width: int = 16) -> Column[Record]:
    """NAME of a row that is a record."""
    return Column("NAME", lambda row, _now: Cell(row.metadata.name), width, rank=0, grow=3)


def namespace_column() -> Column[Record]:
    """NAMESPACE of a row that is a record."""
    return Column("NAMESPACE", lambda row, _now: Cell(row.metadata.namespace), 10, rank=1, grow=1)


def age_column(created: Callable[[Row], float | None]) -> Column[Row]:
    """AGE since creation."""
    return Column("AGE", lambda row, now: age_cell(created(row), now), 5, rank=3, right=True, ticks=True)


def reason_column(
    health: Callable[[Row, float], Health], *, wide: bool = False, rank: int = 4, drifts: bool = False
) -> Column[Row]:
    """REASON: why the status is what it is; it drifts where there are figures in it."""
    return Column("REASON", lambda row, now: _reason(health(row, now)), 20, rank=rank, grow=3, wide=wide, drifts=drifts)


def _reason(health: Health) -> Cell:
    return Cell(health.reason, health.tone if health.tone in (Tone.WARN, Tone.BAD) else Tone.MUTED)
