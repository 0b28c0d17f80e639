"""Clones of VMs of KubeVirt: a snapshot of the source, and a restore of it into a new VM; kubevirt-api.md 2.8."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.copies import VmClone, VmSnapshot
from kvtui.resources import sources
from kvtui.resources.base import Action, Column, Danger, Resource, itself, objects
from kvtui.resources.cells import ACTIVE_FIRST, age_column, reason_column, text_cell, urgency_cell
from kvtui.store import View

_STEPS: Final = {
    "": "not begun",
    "SnapshotInProgress": "a snapshot of the source is taken",
    "RestoreInProgress": "its disks are restored into new claims",
    "CreatingTargetVM": "the VM is made",
}


@dataclass(frozen=True, slots=True)
class CloneOfVm:
    """A clone."""

    backend: str
    clone: VmClone


def _row(view: View, ref: Ref) -> CloneOfVm | None:
    clone = view.find(VmClone, ref)
    return None if clone is None else CloneOfVm(ref.backend, clone)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(VmClone))


def _health(row: CloneOfVm, _now: float) -> Health:
    clone, phase = row.clone, row.clone.status.phase
    if clone.fault:
        return Health(Tone.BAD, phase or "Unreadable", f"cannot be read in full: {clone.fault}")
    if clone.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Deleting")
    if phase == "Succeeded":
        return Health(Tone.OK, phase)
    if phase == "Failed":
        ready = find_condition(clone.status.conditions, "Ready")
        said = ready.message if ready is not None else ""
        return Health(Tone.BAD, phase, said or "its events tell why")
    return Health(Tone.BUSY if phase in _STEPS else Tone.WARN, phase or "Pending", _STEPS.get(phase, ""))


def _status(row: CloneOfVm, now: float) -> Cell:
    urgency = {"Failed": 1, "Succeeded": 2}.get(row.clone.status.phase, 0)
    return urgency_cell(_health(row, now), urgency, row.clone.created)


def _source(row: CloneOfVm, _now: float) -> Cell:
    source = row.clone.spec.source
    return text_cell(f"snapshot {source.name}" if source.kind == VmSnapshot.KIND else source.name)


def _delete_when(row: CloneOfVm) -> str:
    return "it is being deleted already" if row.clone.metadata.deletion_timestamp else ""


def _delete_warn(row: CloneOfVm) -> tuple[str, ...]:
    if row.clone.status.phase in VmClone.FINAL:
        return (f"only the record of it goes: {row.clone.target or 'the VM'} stays",)
    return ("the clone is given up; what is there of the new VM may have to be deleted by hand",)


async def _delete(backend: Backend, row: CloneOfVm) -> None:
    await objects(backend).delete(row.clone.ref(row.backend))


RESOURCE: Resource[CloneOfVm] = Resource(
    name="clones",
    aliases=("clone", "vmclone", "vmclones", "virtualmachineclones"),
    title="Clones",
    label="clone",
    row_type=CloneOfVm,
    sources=(sources.VM_CLONES,),
    refs=_refs,
    row=_row,
    related={VmClone: itself},
    ref=lambda row: row.clone.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.clone.metadata.namespace), 10, rank=3, grow=1),
        Column("SOURCE", _source, 20, rank=1, grow=2),
        Column("VM", lambda row, _now: text_cell(row.clone.target), 18, rank=0, grow=2),
        Column("STATUS", _status, 18, rank=0, order=ACTIVE_FIRST),
        reason_column(_health, rank=2),
        age_column(lambda row: row.clone.created),
        Column("NAME", lambda row, _now: Cell(row.clone.metadata.name), 20, rank=5, grow=1, wide=True),
    ),
    fields=lambda row: {"source": row.clone.spec.source.name, "name": row.clone.metadata.name},
    labels=lambda row: row.clone.metadata.labels,
    sort="STATUS",
    actions=(
        Action(
            id="clone.delete",
            command="delete",
            key="ctrl+d",
            label="delete",
            help="Delete the clone, not the VM that it made.",
            needs=Permission("delete", "clone.kubevirt.io", "virtualmachineclones"),
            when=_delete_when,
            warn=_delete_warn,
            run=_delete,
            settled=lambda _before, _now: False,
            vanishes=lambda _row: True,
            awaits="being deleted",
            danger=Danger.TYPE,
            usual=60.0,
        ),
    ),
)
