"""The installation of KubeVirt: its version, and whether it is whole. Conditions: kubevirt-api.md 2.7."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvtui.joins.installation import judge_installation
from kvtui.model import Cell, Health, Ref
from kvtui.records.kubevirt import KubeVirt
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, reason_column, text_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class KubeVirtRow:
    """An installation."""

    backend: str
    record: KubeVirt


def _row(view: View, ref: Ref) -> KubeVirtRow | None:
    record = view.find(KubeVirt, ref)
    return None if record is None else KubeVirtRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(KubeVirt))


def _health(row: KubeVirtRow, _now: float) -> Health:
    return judge_installation(row.record.status.phase, row.record.status.conditions)


RESOURCE: Resource[KubeVirtRow] = Resource(
    name="kubevirts",
    aliases=("kubevirt", "kv", "kvs"),
    title="KubeVirt",
    label="kubevirt",
    row_type=KubeVirtRow,
    sources=(sources.KUBEVIRTS,),
    refs=_refs,
    row=_row,
    related={KubeVirt: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 12, rank=0),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 12, rank=0),
        Column("VERSION", lambda row, _now: text_cell(row.record.status.observed_kube_virt_version), 12, rank=0),
        Column("TARGET", lambda row, _now: text_cell(row.record.status.target_kube_virt_version), 12, rank=2),
        age_column(lambda row: row.record.created),
        reason_column(_health),
    ),
    fields=lambda _row: {},
    labels=lambda row: row.record.metadata.labels,
)
