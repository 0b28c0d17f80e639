"""Events, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubernetes import Event
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_cell, number_cell, text_cell
from kvtui.store import View
from kvtui.text import clean_line


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event."""

    backend: str
    event: Event


def _row(view: View, ref: Ref) -> EventRow | None:
    event = view.find(Event, ref)
    return None if event is None else EventRow(ref.backend, event)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Event))


def _health(row: EventRow, _now: float) -> Health:
    tone = Tone.WARN if row.event.type == "Warning" else Tone.MUTED
    return Health(tone, row.event.type or "Normal", row.event.message)


def _type(row: EventRow, now: float) -> Cell:
    health = _health(row, now)
    return Cell(health.word, health.tone)


def _about(row: EventRow) -> str:
    about = row.event.involved_object
    return f"{about.kind}/{about.name}" if about.kind else about.name


def _last(row: EventRow, now: float) -> Cell:
    return age_cell(row.event.last_seen, now)


def _first(row: EventRow, now: float) -> Cell:
    return age_cell(row.event.first_seen, now)


def _reporter(row: EventRow) -> str:
    return row.event.reporting_component or row.event.source.component


def _fields(row: EventRow) -> Mapping[str, str]:
    return {"about": row.event.involved_object.name, "kind": row.event.involved_object.kind}


RESOURCE: Resource[EventRow] = Resource(
    name="events",
    aliases=("event", "ev"),
    title="Events",
    label="event",
    row_type=EventRow,
    sources=(sources.EVENTS,),
    refs=_refs,
    row=_row,
    related={Event: itself},
    ref=lambda row: row.event.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.event.metadata.namespace), 12, rank=3),
        Column("LAST", _last, 5, rank=0, right=True, ticks=True),
        Column("TYPE", _type, 7, rank=1),
        Column("REASON", lambda row, _now: text_cell(row.event.reason), 18, rank=0),
        Column("OBJECT", lambda row, _now: text_cell(_about(row)), 28, rank=2, grow=1),
        Column("COUNT", lambda row, _now: number_cell(row.event.times, str(row.event.times)), 5, rank=4, right=True),
        Column("MESSAGE", lambda row, _now: text_cell(clean_line(row.event.message)), 30, rank=0, grow=4),
        Column("FIRST", _first, 5, rank=5, wide=True, right=True, ticks=True),
        Column("FROM", lambda row, _now: text_cell(_reporter(row)), 20, rank=5, wide=True),
        Column("NAME", lambda row, _now: Cell(row.event.metadata.name), 24, rank=6, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.event.metadata.labels,
    sort="LAST",
)
