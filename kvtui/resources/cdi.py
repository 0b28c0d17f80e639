"""The installation of CDI: its version, and whether it is whole. Conditions: kubevirt-api.md 2.7."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvtui.joins.installation import judge_installation
from kvtui.model import Cell, Health, Ref
from kvtui.records.cdi import Cdi
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, reason_column, text_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class CdiRow:
    """An installation."""

    backend: str
    record: Cdi


def _row(view: View, ref: Ref) -> CdiRow | None:
    record = view.find(Cdi, ref)
    return None if record is None else CdiRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Cdi))


def _health(row: CdiRow, _now: float) -> Health:
    return judge_installation(row.record.status.phase, row.record.status.conditions)


RESOURCE: Resource[CdiRow] = Resource(
    name="cdis",
    aliases=("cdi",),
    title="CDI",
    label="cdi",
    row_type=CdiRow,
    sources=(sources.CDIS,),
    refs=_refs,
    row=_row,
    related={Cdi: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 12, rank=0),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 12, rank=0),
        Column("VERSION", lambda row, _now: text_cell(row.record.status.observed_version), 12, rank=0),
        Column("TARGET", lambda row, _now: text_cell(row.record.status.target_version), 12, rank=2),
        age_column(lambda row: row.record.created),
        reason_column(_health),
    ),
    fields=lambda _row: {},
    labels=lambda row: row.record.metadata.labels,
)
