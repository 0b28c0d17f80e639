"""API services: the groups of the API, who answers for them, and whether they are to be had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.kubernetes import ApiService
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, text_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One group and version."""

    backend: str
    record: ApiService


def _row(view: View, ref: Ref) -> ServiceRow | None:
    record = view.find(ApiService, ref)
    return None if record is None else ServiceRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(ApiService))


def _health(row: ServiceRow, _now: float) -> Health:
    if row.record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {row.record.fault}")
    available = find_condition(row.record.status.conditions, "Available")
    if available is None:
        return Health(Tone.MUTED, "Unknown", "the API server has not looked at it yet")
    if available.status == "True":
        return Health(Tone.OK, "Available")
    return Health(Tone.BAD, "Unavailable", available.message or available.reason)


def _served_by(row: ServiceRow) -> str:
    service = row.record.spec.service
    return "the API server" if service is None else f"{service.namespace}/{service.name}"


def _fields(row: ServiceRow) -> Mapping[str, str]:
    return {"group": row.record.spec.group, "service": _served_by(row)}


RESOURCE: Resource[ServiceRow] = Resource(
    name="apiservices",
    aliases=("apiservice",),
    title="API services",
    label="API service",
    row_type=ServiceRow,
    sources=(sources.API_SERVICES,),
    refs=_refs,
    row=_row,
    related={ApiService: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 30, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        Column("SERVICE", lambda row, _now: text_cell(_served_by(row)), 22, rank=1, grow=1),
        age_column(lambda row: row.record.created),
    ),
    fields=_fields,
    labels=lambda row: row.record.metadata.labels,
)
