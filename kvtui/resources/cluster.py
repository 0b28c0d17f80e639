"""Clusters whose nodes are VMs (Cluster API): their phase, and how many of their machines have what they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import Record
from kvtui.records.clusters import (
    CLUSTER_LABEL,
    PARTS,
    Cluster,
    ControlPlane,
    KubevirtMachine,
)
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, number_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A cluster, and its machines."""

    backend: str
    record: Cluster
    machines: int
    waiting: int
    """How many of them have no VM that runs."""
    planes: tuple[ControlPlane, ...]
    """Its control plane, where that is seen."""


def _row(view: View, ref: Ref) -> ClusterRow | None:
    record = view.find(Cluster, ref)
    if record is None:
        return None
    machines = [machine for _, machine in view.linked(KubevirtMachine, ref.backend, "cluster", ref.path)]
    planes = tuple(plane for _, plane in view.linked(ControlPlane, ref.backend, "cluster", ref.path))
    return ClusterRow(ref.backend, record, len(machines), sum(map(_waits, machines)), planes)


def _waits(machine: KubevirtMachine) -> bool:
    provisioned = machine.status.find("VMProvisioned")
    return provisioned is not None and provisioned.status == "False"


def _of_part(view: View, ref: Ref, part: Record) -> Iterator[Ref]:
    cluster = view.get(Cluster, ref.backend, ref.namespace, part.metadata.labels.get(CLUSTER_LABEL, ""))
    if cluster is not None:
        yield cluster.ref(ref.backend)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Cluster))


def _health(row: ClusterRow, _now: float) -> Health:
    if row.record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {row.record.fault}")
    probe = row.record.status.find("RemoteConnectionProbe")
    if probe is not None and probe.status == "False":
        return Health(Tone.BAD, "Unreachable", probe.message or probe.reason)
    if row.record.spec.paused:
        return Health(Tone.WARN, "Paused", "spec.paused is set: Cluster API does nothing for it")
    phase = row.record.status.phase or "Unknown"
    return Health(_TONES.get(phase, Tone.BUSY), phase)


_TONES = {"Provisioned": Tone.OK, "Failed": Tone.BAD, "Unknown": Tone.MUTED}


def _fields(row: ClusterRow) -> Mapping[str, str]:
    return {"phase": row.record.status.phase}


RESOURCE: Resource[ClusterRow] = Resource(
    name="clusters",
    aliases=("cl", "cluster"),
    title="Clusters",
    label="cluster",
    row_type=ClusterRow,
    sources=(
        sources.CLUSTERS,
        sources.CLUSTER_ADDRESSES,
        sources.CLUSTER_MACHINES,
        sources.KUBEADM_CONFIGS,
        sources.CONTROL_PLANES,
        sources.MACHINE_DEPLOYMENTS,
    ),
    refs=_refs,
    row=_row,
    related={
        Cluster: itself,
        **dict.fromkeys(PARTS, _of_part),
    },
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 14, rank=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 12, rank=0),
        Column("MACHINES", lambda row, _now: number_cell(row.machines, str(row.machines), None), 8, rank=1, right=True),
        Column("WAITING", lambda row, _now: number_cell(row.waiting, str(row.waiting), None), 7, rank=2, right=True),
        age_column(lambda row: row.record.created),
    ),
    fields=_fields,
    labels=lambda row: row.record.metadata.labels,
)
