"""Resource quotas: what the pods of a namespace may ask for together, and how much of it is taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvtui.joins.quota import Taken, taken_of
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubernetes import ResourceQuota
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import NOTHING, age_column, health_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """A quota, and the resource of which the largest share is taken."""

    backend: str
    record: ResourceQuota
    fullest: Taken | None
    """None while nothing is known of what is used."""


def _row(view: View, ref: Ref) -> QuotaRow | None:
    record = view.find(ResourceQuota, ref)
    if record is None:
        return None
    return QuotaRow(ref.backend, record, max(taken_of(record), key=lambda one: one.share, default=None))


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(ResourceQuota))


def _health(row: QuotaRow, _now: float) -> Health:
    """That it is full is no fault: it is there for that."""
    if row.record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {row.record.fault}")
    if row.fullest is None:
        return Health(Tone.MUTED, "Unknown", "nobody has counted yet what is used of it")
    return Health(Tone.MUTED, "Full") if row.fullest.share >= 1 else Health(Tone.OK, "Room")


def _used(row: QuotaRow, _now: float) -> Cell:
    return NOTHING if row.fullest is None else Cell(f"{row.fullest.share:.0%}", None, row.fullest.share)


RESOURCE: Resource[QuotaRow] = Resource(
    name="quotas",
    aliases=("quota", "resourcequotas", "resourcequota"),
    title="Quotas",
    label="quota",
    row_type=QuotaRow,
    sources=(sources.QUOTAS,),
    refs=_refs,
    row=_row,
    related={ResourceQuota: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 14, rank=1, grow=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 8, rank=0),
        Column("USED", _used, 5, rank=0, right=True),
        Column(
            "FULLEST",
            lambda row, _now: NOTHING if row.fullest is None else Cell(row.fullest.words),
            30,
            rank=1,
            grow=2,
        ),
        age_column(lambda row: row.record.created),
    ),
    fields=lambda _row: {},
    labels=lambda row: row.record.metadata.labels,
)
