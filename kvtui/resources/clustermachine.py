"""Machines of clusters whose nodes are VMs (Cluster API): their phase, and the node that each has become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.clusters import ClusterMachine
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, reason_column, text_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One of them."""

    backend: str
    record: ClusterMachine


def _row(view: View, ref: Ref) -> MachineRow | None:
    record = view.find(ClusterMachine, ref)
    return None if record is None else MachineRow(ref.backend, record)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(ClusterMachine))


def _health(row: MachineRow, _now: float) -> Health:
    record = row.record
    if record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {record.fault}")
    if record.metadata.deletion_timestamp:
        deleting = record.status.find("Deleting")
        words = deleting.message.partition("\n")[0] if deleting is not None else ""
        return Health(Tone.BUSY, "Deleting", words)
    phase = record.status.phase or "Unknown"
    ready = record.status.find("NodeReady")
    if phase == "Running" and ready is not None and ready.status != "True":
        return Health(Tone.WARN, "NodeNotReady", ready.message or ready.reason)
    if phase == "Running" and record.ailing:
        worst = record.ailing[0]
        return Health(Tone.WARN, phase, f"{worst.type}: {worst.message or worst.reason}")
    words = record.status.failure_message or (ready.message if ready is not None and phase != "Running" else "")
    return Health(_TONES.get(phase, Tone.BUSY), phase, words)


_TONES = {"Running": Tone.OK, "Failed": Tone.BAD, "Unknown": Tone.MUTED}


def _fields(row: MachineRow) -> Mapping[str, str]:
    return {"cluster": row.record.spec.cluster_name, "node": row.record.node, "phase": row.record.status.phase}


RESOURCE: Resource[MachineRow] = Resource(
    name="machines",
    aliases=("ma", "machine"),
    title="Machines",
    label="machine",
    row_type=MachineRow,
    sources=(sources.CAPI_MACHINES,),
    refs=_refs,
    row=_row,
    related={ClusterMachine: itself},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 12, rank=2),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 20, rank=0, grow=2),
        Column("CLUSTER", lambda row, _now: text_cell(row.record.spec.cluster_name), 14, rank=0, grow=1),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 12, rank=0),
        Column("NODE", lambda row, _now: text_cell(row.record.node), 18, rank=1, grow=1),
        Column("VERSION", lambda row, _now: text_cell(row.record.spec.version), 9, rank=3),
        age_column(lambda row: row.record.created),
        reason_column(_health),
    ),
    fields=_fields,
    labels=lambda row: row.record.metadata.labels,
)
