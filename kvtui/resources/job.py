"""Jobs of libvirt's domains: migrations, in the pane of migrations; all of them, saves and dumps too, as ``jobs``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kvtui.joins.transit import Transit, join_migration, join_transit, transits_of_domain, transits_of_job
from kvtui.model import Cell, Health, Platform, Ref, Tone
from kvtui.records.libvirt import Domain, DomainJob
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource
from kvtui.resources.cells import (
    ACTIVE_FIRST,
    NOTHING,
    age_cell,
    number_cell,
    reason_column,
    urgency_cell,
)
from kvtui.resources.job_actions import ACTIONS
from kvtui.store import View
from kvtui.text import age, percent, rate, size

_WORDS = {"Completed": "Succeeded"}
"""Phases in the word that the pane's other migrations have."""


def _health(row: Transit, _now: float) -> Health:
    job = row.job
    phase = _WORDS.get(job.phase, job.phase)
    match job.phase:
        case "Failed":
            return Health(Tone.BAD, phase, job.reason or "libvirt gives no reason")
        case "Cancelled":
            return Health(Tone.WARN, phase, job.reason)
        case "Completed":
            return Health(Tone.OK, phase, job.reason)
        case "PostCopy":
            return Health(Tone.BUSY, phase, "its guest runs at the target already: a cut now would kill it")
    if row.job.is_stuck:
        words = f"does not converge: dirty {rate(job.dirty_rate)} >= transfer {rate(job.rate)}"
        return Health(Tone.WARN, phase, words)
    if job.operation == "incoming migration":
        return Health(Tone.BUSY, phase, "comes in; its source has the numbers")
    steps = {"disks": "copies its disks, then its memory", "memory": "its disks are there, copies its memory"}
    return Health(Tone.BUSY, phase, steps.get(job.step, "") if job.total else "prepares")


def _phase(row: Transit, now: float) -> Cell:
    urgency = {"Failed": 1, "Cancelled": 1, "Completed": 2}.get(row.job.phase, 0)
    return urgency_cell(_health(row, now), urgency, row.job.began)


def _route(row: Transit, _now: float) -> Cell:
    return Cell(f"{row.source or '?'} > {row.target or '?'}")


def _place(row: Transit, now: float) -> Cell:
    return _route(row, now) if row.job.is_migration else Cell(row.backend)


def _elapsed(row: Transit, now: float) -> Cell:
    job = row.job
    if job.began is None:
        return NOTHING
    spent = (job.elapsed or (job.ended or now) - job.began) if job.is_final else now - job.began
    return Cell(age(spent), None, spent)


def _done(row: Transit, _now: float) -> Cell:
    """Rounded down: what is not over never reads 100%. It falls when the guest writes faster than is copied."""
    if row.job.phase == "Completed":
        return Cell("100%", Tone.MUTED, 1.0)
    part = row.job.progress
    return NOTHING if part is None else Cell(f"{min(99, int(100 * part))}%", None, part)


def _left(row: Transit, _now: float) -> Cell:
    job = row.job
    return number_cell(job.left, size(job.left)) if job.total and not job.is_final else NOTHING


def _rate(row: Transit, _now: float) -> Cell:
    return number_cell(row.job.rate, rate(row.job.rate))


def _dirty(row: Transit, _now: float) -> Cell:
    job = row.job
    return NOTHING if job.is_final else number_cell(job.dirty_rate, rate(job.dirty_rate), _stuck_tone(row))


def _stuck_tone(row: Transit) -> Tone | None:
    return Tone.WARN if row.job.is_stuck else None


def _iteration(row: Transit, _now: float) -> Cell:
    return number_cell(row.job.iteration or None, str(row.job.iteration))


def _downtime(row: Transit, _now: float) -> Cell:
    """At the end, what it was; until then, what libvirt expects."""
    seconds = row.job.downtime
    if seconds is None:
        return NOTHING
    text = f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.1f}s"
    return Cell(text if row.job.is_final else f"~{text}", None, seconds)


def _throttle(row: Transit, _now: float) -> Cell:
    return number_cell(row.job.throttle, percent(row.job.throttle, 1.0), Tone.WARN if row.job.throttle else None)


def _total(row: Transit, _now: float) -> Cell:
    return number_cell(row.job.total or None, size(row.job.total))


def _fields(row: Transit) -> Mapping[str, str]:
    return {
        "vm": row.job.domain,
        "node": f"{row.source} {row.target}".strip(),
        "from": row.source,
        "to": row.target,
        "operation": row.job.operation,
        "uuid": row.job.domain_uid,
    }


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(DomainJob))


_NUMBERS: tuple[Column[Transit], ...] = (
    Column("DONE", _done, 5, rank=2, right=True),
    Column("ELAPSED", _elapsed, 8, rank=2, right=True, ticks=True),
    Column("LEFT", _left, 6, rank=4, right=True, drifts=True),
    Column("RATE", _rate, 8, rank=4, right=True, drifts=True),
    Column("DIRTY", _dirty, 8, rank=5, right=True, drifts=True),
    Column("ITER", _iteration, 4, rank=6, right=True, drifts=True),
    Column("DOWNTIME", _downtime, 8, rank=6, right=True, drifts=True),
    reason_column(_health, rank=3, drifts=True),
    Column("AGE", lambda row, now: age_cell(row.job.began, now), 5, rank=6, right=True, ticks=True),
    Column("THROTTLE", _throttle, 8, rank=6, wide=True, right=True, drifts=True),
    Column("TOTAL", _total, 6, rank=6, wide=True, right=True, drifts=True),
)

RESOURCE: Resource[Transit] = Resource(
    name="migrations",
    aliases=("migration",),
    title="Migrations",
    label="migration",
    row_type=Transit,
    sources=(sources.JOBS, sources.DOMAINS),
    refs=_refs,
    row=join_migration,
    related={DomainJob: transits_of_job, Domain: transits_of_domain},
    ref=lambda row: row.ref,
    health=_health,
    columns=(
        Column("VM", lambda row, _now: Cell(row.job.domain), 12, rank=0, grow=2),
        Column("FROM > TO", _route, 15, rank=1, grow=2),
        Column("PHASE", _phase, 14, rank=0, order=ACTIVE_FIRST),
        *_NUMBERS,
    ),
    fields=_fields,
    labels=lambda _row: {},
    sort="PHASE",
    placed=frozenset({Platform.LIBVIRT}),
    actions=ACTIONS,
)

JOBS: Resource[Transit] = replace(
    RESOURCE,
    name="jobs",
    aliases=("job", "domainjobs"),
    title="Jobs",
    label="job",
    row=join_transit,
    elsewhere="jobs of single disks are among the imports: kvtui get imports",
    columns=(
        Column("VM", lambda row, _now: Cell(row.job.domain), 12, rank=0, grow=2),
        Column("OPERATION", lambda row, _now: Cell(row.job.operation), 18, rank=0),
        Column("NODE", _place, 12, rank=1, grow=1),
        Column("PHASE", _phase, 10, rank=0, order=ACTIVE_FIRST),
        *_NUMBERS,
    ),
    actions=(replace(ACTIONS[0], id="job.cancel", help="Abort the job; the VM stays as it was."),),
)
