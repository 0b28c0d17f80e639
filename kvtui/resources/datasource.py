"""Data sources: the names under which images for VMs are kept, and whether what they stand for is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.cdi import DataSource
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, reason_column, text_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One of them."""

    backend: str
    record: DataSource


def _row(view: View, ref: Ref) -> SourceRow | None:
    record = view.find(DataSource, ref)
    return None if record is None else SourceRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(DataSource))


def _health(row: SourceRow, _now: float) -> Health:
    if row.record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {row.record.fault}")
    ready = find_condition(row.record.status.conditions, "Ready")
    if ready is None:
        return Health(Tone.MUTED, "Unknown", "CDI has not looked at it yet")
    if ready.status == "True":
        return Health(Tone.OK, "Ready")
    return Health(Tone.WARN, ready.reason or "Not ready", ready.message)


def _fields(row: SourceRow) -> Mapping[str, str]:
    return {"source": row.record.origin}


RESOURCE: Resource[SourceRow] = Resource(
    name="datasources",
    aliases=("das", "datasource"),
    title="Data sources",
    label="data source",
    row_type=SourceRow,
    sources=(sources.DATA_SOURCES,),
    refs=_refs,
    row=_row,
    related={DataSource: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 14, rank=1, grow=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 10, rank=0),
        Column("SOURCE", lambda row, _now: text_cell(row.record.origin), 30, rank=1, grow=2),
        age_column(lambda row: row.record.created),
        reason_column(_health),
    ),
    fields=_fields,
    labels=lambda row: row.record.metadata.labels,
)
