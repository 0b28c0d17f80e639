"""Ceph as Rook tells of it: health in Ceph's own words, and how full it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvtui.joins.ceph import judge_ceph
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.storage import CephCluster
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import NOTHING, age_column, health_cell, number_cell, reason_column, text_cell
from kvtui.store import View
from kvtui.text import size

_NEARLY_FULL = 0.85
"""Ceph's own nearfull ratio, as it ships."""


@dataclass(frozen=True, slots=True)
class CephRow:
    """A Ceph."""

    backend: str
    record: CephCluster


def _row(view: View, ref: Ref) -> CephRow | None:
    record = view.find(CephCluster, ref)
    return None if record is None else CephRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(CephCluster))


def _health(row: CephRow, _now: float) -> Health:
    return judge_ceph(row.record)


def _used(row: CephRow, _now: float) -> Cell:
    capacity = row.record.status.ceph.capacity
    if capacity.bytes_total <= 0:
        return NOTHING
    used = capacity.bytes_used / capacity.bytes_total
    return Cell(f"{used:.0%}", Tone.WARN if used >= _NEARLY_FULL else None, used)


def _free(row: CephRow, _now: float) -> Cell:
    capacity = row.record.status.ceph.capacity
    return number_cell(capacity.bytes_available, size(capacity.bytes_available)) if capacity.bytes_total else NOTHING


RESOURCE: Resource[CephRow] = Resource(
    name="cephclusters",
    aliases=("ceph", "cephcluster"),
    title="Ceph",
    label="ceph",
    row_type=CephRow,
    sources=(sources.CEPHS,),
    refs=_refs,
    row=_row,
    related={CephCluster: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 12, rank=3, grow=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 14, rank=0, grow=1),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        Column("PHASE", lambda row, _now: text_cell(row.record.status.phase), 10, rank=2),
        Column("USED", _used, 5, rank=1, right=True, drifts=True),
        Column("FREE", _free, 7, rank=1, right=True, drifts=True),
        age_column(lambda row: row.record.created),
        reason_column(_health, rank=1),
    ),
    fields=lambda _row: {},
    labels=lambda row: row.record.metadata.labels,
)
