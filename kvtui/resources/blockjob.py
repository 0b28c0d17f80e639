"""Jobs of disks and volumes on hosts of libvirt: copies, commits, builds and uploads, in the pane of imports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.libvirt import BlockJob
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import (
    ACTIVE_FIRST,
    NOTHING,
    age_column,
    number_cell,
    progress_cell,
    reason_column,
    text_cell,
    urgency_cell,
)
from kvtui.store import View
from kvtui.text import age, rate, size

_WORDS = {"Completed": "Succeeded"}
"""Phases in the word that the pane's other imports have."""


@dataclass(frozen=True, slots=True)
class Filling:
    """A job and the host that it is on."""

    backend: str
    job: BlockJob

    @property
    def progress(self) -> float | None:
        """Part that is done, from 0 to 1; None while it is not known."""
        return min(1.0, self.job.done / self.job.total) if self.job.total else None


def _row(view: View, ref: Ref) -> Filling | None:
    job = view.find(BlockJob, ref)
    return Filling(ref.backend, job) if job is not None else None


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(BlockJob))


def _health(row: Filling, _now: float) -> Health:
    job = row.job
    phase = _WORDS.get(job.phase, job.phase)
    match job.phase:
        case "Failed":
            return Health(Tone.BAD, phase, job.reason or "libvirt gives no reason")
        case "Cancelled":
            return Health(Tone.WARN, phase, job.reason)
        case "Completed":
            return Health(Tone.OK, phase, job.reason)
        case "Ready":
            return Health(Tone.BUSY, phase, "all is there, and written twice until somebody pivots or ends it")
    return Health(Tone.BUSY, phase, job.reason)


def _phase(row: Filling, now: float) -> Cell:
    urgency = {"Failed": 1, "Cancelled": 1, "Completed": 2}.get(row.job.phase, 0)
    return urgency_cell(_health(row, now), urgency, row.job.began)


def _source(row: Filling, _now: float) -> Cell:
    """The operation and the file; its whole path is a wide column."""
    name = row.job.source.rstrip("/").rpartition("/")[2]
    return text_cell(f"{row.job.operation} {name}".strip())


def _progress(row: Filling, _now: float) -> Cell:
    if row.job.phase == "Completed":
        return Cell("done", Tone.MUTED, 1.0)
    return progress_cell(row.progress, failed=row.job.phase == "Failed")


def _rate(row: Filling, _now: float) -> Cell:
    return number_cell(row.job.rate, rate(row.job.rate)) if not row.job.is_final else NOTHING


def _eta(row: Filling, _now: float) -> Cell:
    job = row.job
    if not job.rate or job.is_final or job.total <= job.done:
        return NOTHING
    left = (job.total - job.done) / job.rate
    return number_cell(left, age(left))


def _size(row: Filling, _now: float) -> Cell:
    return number_cell(row.job.total or None, size(row.job.total))


def _fields(row: Filling) -> Mapping[str, str]:
    job = row.job
    return {"vm": job.domain, "node": row.backend, "kind": job.operation, "path": job.source}


RESOURCE: Resource[Filling] = Resource(
    name="imports",
    aliases=("import", "blockjobs", "blockjob"),
    title="Imports",
    label="import",
    row_type=Filling,
    sources=(sources.BLOCK_JOBS, sources.DOMAINS, sources.STORAGE_VOLUMES),
    refs=_refs,
    row=_row,
    related={BlockJob: itself},
    ref=lambda row: row.job.ref(row.backend),
    health=_health,
    columns=(
        Column("NAME", lambda row, _now: Cell(row.job.metadata.name), 12, rank=0, grow=2),
        Column("SOURCE", _source, 14, rank=4, grow=2),
        Column("PHASE", _phase, 16, rank=0, order=ACTIVE_FIRST),
        Column("PROGRESS", _progress, 17, rank=1),
        Column("RATE", _rate, 8, rank=5, right=True, drifts=True),
        Column("ETA", _eta, 6, rank=3, right=True, drifts=True),
        Column("SIZE", _size, 5, rank=5, right=True),
        age_column(lambda row: row.job.began),
        reason_column(_health, rank=7),
        Column("PATH", lambda row, _now: text_cell(row.job.source), 24, rank=7, wide=True),
    ),
    fields=_fields,
    labels=lambda _row: {},
    sort="PHASE",
)
