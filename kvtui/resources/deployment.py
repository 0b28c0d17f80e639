"""Deployments of KubeVirt's own and CDI's: how many of their pods are ready."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.kubernetes import Deployment
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, reason_column
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """One of them."""

    backend: str
    record: Deployment


def _row(view: View, ref: Ref) -> DeploymentRow | None:
    record = view.find(Deployment, ref)
    return None if record is None else DeploymentRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Deployment))


def _health(row: DeploymentRow, _now: float) -> Health:
    record = row.record
    if record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {record.fault}")
    if not record.spec.replicas:
        return Health(Tone.WARN, "Scaled to 0", "nobody does its work")
    if not record.status.ready_replicas:
        available = find_condition(record.status.conditions, "Available")
        return Health(Tone.BAD, "Not ready", available.message if available is not None else "no pod of it is ready")
    if record.status.ready_replicas < record.spec.replicas:
        return Health(Tone.WARN, "In part", "some of its pods are not ready")
    return Health(Tone.OK, "Ready")


def _ready(row: DeploymentRow, _now: float) -> Cell:
    ready, wanted = row.record.status.ready_replicas, row.record.spec.replicas
    return Cell(f"{ready}/{wanted}", Tone.WARN if ready < wanted else None, ready - wanted)


RESOURCE: Resource[DeploymentRow] = Resource(
    name="deployments",
    aliases=("deploy", "deployment"),
    title="KubeVirt deployments",
    label="deployment",
    row_type=DeploymentRow,
    sources=(sources.DEPLOYMENTS, sources.CDI_DEPLOYMENTS),
    refs=_refs,
    row=_row,
    related={Deployment: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 12, rank=1, grow=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=0),
        Column("READY", _ready, 5, rank=0, right=True),
        age_column(lambda row: row.record.created),
        reason_column(_health),
    ),
    fields=lambda _row: {},
    labels=lambda row: row.record.metadata.labels,
)
