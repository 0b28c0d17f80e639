"""Migrations of running VMs. Phases and where the state stands: kubevirt-api.md 2.3, 2.4 and 5.

No object tells a percentage: how far it is comes from virt-handler's metrics, where those may be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kvtui.backends.base import Backend, Permission
from kvtui.joins.move import Move, join_move, moves_of_instance, moves_of_migration, tell_next_move, was_cancelled
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubevirt import Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.progress import MigrationProgress
from kvtui.resources import sources
from kvtui.resources.base import Action, Column, Danger, Resource, migrations
from kvtui.resources.cells import ACTIVE_FIRST, NOTHING, age_column, number_cell, reason_column, text_cell, urgency_cell
from kvtui.store import View
from kvtui.text import age, rate, size


def _health(row: Move, _now: float) -> Health:
    phase = row.migration.status.phase or "Pending"
    if row.migration.fault:
        return Health(Tone.BAD, phase, f"cannot be read in full: {row.migration.fault}")
    if phase == "Failed":
        aborted = row.state is not None and row.state.abort_requested
        return Health(Tone.WARN if aborted else Tone.BAD, phase, row.reason or _silent_end(row))
    if phase == "Succeeded":
        return Health(Tone.OK, phase)
    if row.aborting:
        return Health(Tone.WARN, f"{phase},aborting", "its end was asked for")
    progress = row.progress
    if progress is not None and progress.is_stuck:
        words = f"does not converge: dirty {rate(progress.dirty_rate)} >= transfer {rate(progress.transfer_rate)}"
        return Health(Tone.WARN, phase, words)
    return Health(Tone.WARN if row.reason else Tone.BUSY, phase, row.reason)


def _silent_end(row: Move) -> str:
    """How far one came that ended without a reason: before it moves memory, only events tell."""
    if was_cancelled(row.migration, row.state):
        return "it was cancelled"
    entered = {step.phase for step in row.migration.status.phase_transition_timestamps}
    never_ran = "Scheduling" in entered and "Scheduled" not in entered
    return "its target pod never ran" if never_ran else "the server gives no reason"


def _phase(row: Move, now: float) -> Cell:
    urgency = {"Failed": 1, "Succeeded": 2}.get(row.migration.status.phase, 0)
    return urgency_cell(_health(row, now), urgency, row.migration.created)


def _route(row: Move, _now: float) -> Cell:
    if not row.source and not row.target:
        return NOTHING
    return Cell(f"{row.source or '?'} > {row.target or '?'}")


def _elapsed(row: Move, now: float) -> Cell:
    if row.ahead is not None:
        waited = age(now - row.migration.created) if row.migration.created is not None else "-"
        queue = f"queue {row.ahead + 1}, {waited}" if row.ahead else f"waits {waited}"
        return Cell(queue, Tone.MUTED, now - (row.migration.created or now))
    if row.began is None:
        return NOTHING
    if row.migration.is_final:
        return NOTHING if row.ended is None else Cell(age(row.ended - row.began), None, row.ended - row.began)
    return Cell(age(now - row.began), None, now - row.began)


def _left(row: Move, _now: float) -> Cell:
    return NOTHING if row.progress is None else number_cell(row.progress.remaining, size(row.progress.remaining))


def _rate(row: Move, _now: float) -> Cell:
    return (
        NOTHING if row.progress is None else number_cell(row.progress.transfer_rate, rate(row.progress.transfer_rate))
    )


def _dirty(row: Move, _now: float) -> Cell:
    progress = row.progress
    if progress is None:
        return NOTHING
    return number_cell(progress.dirty_rate, rate(progress.dirty_rate), Tone.WARN if progress.is_stuck else None)


def _mode(row: Move, _now: float) -> Cell:
    return text_cell(row.state.mode if row.state is not None else "")


def _policy(row: Move, _now: float) -> Cell:
    return text_cell(row.state.migration_policy_name if row.state is not None else "")


def _trigger(row: Move) -> str:
    """Who asked for it, told by the names and annotations that KubeVirt gives (kubevirt-api.md 5.5)."""
    name = row.migration.metadata.name
    if row.migration.metadata.annotations.evacuation or name.startswith("kubevirt-evacuation-"):
        return "evacuation"
    return "update" if name.startswith("kubevirt-workload-update-") else "user"


def _fields(row: Move) -> Mapping[str, str]:
    return {
        "vm": row.migration.spec.vmi_name,
        "node": f"{row.source} {row.target}",
        "from": row.source,
        "to": row.target,
        "by": _trigger(row),
        "policy": row.state.migration_policy_name if row.state is not None else "",
    }


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(Migration))


def _cancel_when(row: Move) -> str:
    if row.migration.is_final:
        return f"the migration has ended: {row.migration.status.phase}"
    return "already being cancelled" if row.migration.metadata.deletion_timestamp else ""


def _cancel_warn(row: Move) -> tuple[str, ...]:
    if row.state is not None and row.state.mode == "PostCopy":
        return ("in post-copy it cannot be taken back",)
    stays = f"VM {row.migration.metadata.namespace}/{row.migration.spec.vmi_name} stays"
    where = f" on {row.source}" if row.source else ""
    to = f", and does not go to {row.target}" if row.target else ""
    return tuple(filter(None, (f"{stays}{where}{to}", tell_next_move(row.vmi))))


def _machine_of(row: Move) -> Ref:
    """The instance that it moves, or the VM of that, which bears the same name."""
    migration, owner = row.migration, row.vmi.controller if row.vmi is not None else None
    ref = Ref(row.backend, VirtualMachineInstance.KIND, migration.metadata.namespace, migration.spec.vmi_name)
    if owner is None or owner.kind != VirtualMachine.KIND:
        return ref
    return ref._replace(kind=owner.kind, uid=owner.uid)


async def _cancel(backend: Backend, row: Move) -> None:
    await migrations(backend).cancel_migration(row.migration.ref(row.backend))


RESOURCE: Resource[Move] = Resource(
    name="migrations",
    aliases=("migration", "vmim", "vmims", "virtualmachineinstancemigrations"),
    title="Migrations",
    label="migration",
    row_type=Move,
    sources=(sources.MIGRATIONS, sources.INSTANCES),
    refs=_refs,
    row=join_move,
    related={
        Migration: moves_of_migration,
        VirtualMachineInstance: moves_of_instance,
        MigrationProgress: moves_of_instance,
    },
    ref=lambda row: row.migration.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.migration.metadata.namespace), 10, rank=4, grow=1),
        Column("VM", lambda row, _now: text_cell(row.migration.spec.vmi_name), 12, rank=0, grow=2),
        Column("FROM > TO", _route, 15, rank=1, grow=2),
        Column("PHASE", _phase, 14, rank=0, order=ACTIVE_FIRST),
        Column("ELAPSED", _elapsed, 8, rank=2, right=True, ticks=True),
        Column("LEFT", _left, 6, rank=4, right=True, drifts=True),
        Column("RATE", _rate, 8, rank=4, right=True, drifts=True),
        Column("DIRTY", _dirty, 8, rank=5, right=True, drifts=True),
        Column("MODE", _mode, 8, rank=5),
        reason_column(_health, rank=3),
        age_column(lambda row: row.migration.created),
        Column("NAME", lambda row, _now: Cell(row.migration.metadata.name), 24, rank=7, wide=True),
        Column("BY", lambda row, _now: Cell(_trigger(row)), 10, rank=6, wide=True),
        Column("POLICY", _policy, 12, rank=6, wide=True),
    ),
    fields=_fields,
    labels=lambda row: row.migration.metadata.labels,
    sort="PHASE",
    actions=(
        Action(
            id="migration.cancel",
            command="cancel",
            key="M",
            label="cancel",
            help="Abort the migration; the guest runs on where it is.",
            needs=Permission("delete", "kubevirt.io", "virtualmachineinstancemigrations"),
            when=_cancel_when,
            run=_cancel,
            touches=lambda row, _answers: (_machine_of(row),),
            settled=lambda _before, now: now.migration.is_final,
            outcome=lambda _before, now: "too late, it has moved" if now.migration.status.phase == "Succeeded" else "",
            vanishes=lambda _row: True,
            awaits="cancelling",
            danger=Danger.ASK,
            warn=_cancel_warn,
            usual=60.0,
        ),
    ),
)
