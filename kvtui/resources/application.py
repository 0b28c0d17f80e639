"""Applications of Argo CD: what keeps machines as git has them, and whether it puts back what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.gitops import Application
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, reason_column, text_cell, yes_no
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """One application."""

    backend: str
    record: Application


def _row(view: View, ref: Ref) -> ApplicationRow | None:
    record = view.find(Application, ref)
    return None if record is None else ApplicationRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Application))


def _health(row: ApplicationRow, _now: float) -> Health:
    """In the words of Argo CD: of its objects what they fare, and of those that fare well whether they are as in git
    (``HealthStatusCode`` of gitops-engine, ``SyncStatusCode``).
    """
    status = row.record.status
    if row.record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {row.record.fault}")
    health, sync = status.health.status, status.sync.status
    if health in ("", "Healthy"):
        tone = Tone.OK if sync == "Synced" else Tone.BUSY if row.record.heals else Tone.MUTED
        return Health(tone, sync or "Unknown")
    return Health(_TONES.get(health, Tone.MUTED), health, status.health.message)


_TONES = {"Progressing": Tone.BUSY, "Degraded": Tone.WARN, "Missing": Tone.WARN}


def _fields(row: ApplicationRow) -> Mapping[str, str]:
    status = row.record.status
    return {"sync": status.sync.status, "health": status.health.status, "git": row.record.origin}


RESOURCE: Resource[ApplicationRow] = Resource(
    name="applications",
    aliases=("application", "argo"),
    title="Applications",
    label="application",
    row_type=ApplicationRow,
    sources=(sources.APPLICATIONS,),
    refs=_refs,
    row=_row,
    related={Application: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 12, rank=3, grow=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        Column("HEALS", lambda row, _now: yes_no(row.record.heals), 5, rank=1),
        Column("GIT", lambda row, _now: text_cell(row.record.origin), 24, rank=2, grow=3),
        age_column(lambda row: row.record.created),
        reason_column(_health, rank=4),
    ),
    fields=_fields,
    labels=lambda row: row.record.metadata.labels,
)
