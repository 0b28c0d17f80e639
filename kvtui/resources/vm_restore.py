"""Restores of VMs of KubeVirt from their snapshots; conditions: kubevirt-api.md 2.8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kvtui.backends.base import Backend, Permission
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.copies import VmRestore
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources import sources
from kvtui.resources.base import Action, Column, Danger, Resource, itself, objects
from kvtui.resources.cells import ACTIVE_FIRST, age_cell, age_column, reason_column, text_cell, urgency_cell
from kvtui.resources.copying import SNAPSHOTS
from kvtui.store import View
from kvtui.text import parse_time

_WAITS = "Waiting for target to be ready"


@dataclass(frozen=True, slots=True)
class RestoreOfVm:
    """A restore, and the instance of its target while that runs."""

    backend: str
    restore: VmRestore
    vmi: VirtualMachineInstance | None = None

    @property
    def failed(self) -> bool:
        """Whether it has been given up."""
        return find_condition(self.restore.status.conditions, "Failure") is not None

    @property
    def over(self) -> bool:
        """Whether nothing more happens."""
        return self.restore.status.complete or self.failed


def _row(view: View, ref: Ref) -> RestoreOfVm | None:
    restore = view.find(VmRestore, ref)
    if restore is None:
        return None
    vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, restore.spec.target.name)
    return RestoreOfVm(ref.backend, restore, vmi)


def _of_instance(view: View, ref: Ref, _record: VirtualMachineInstance) -> Iterator[Ref]:
    for restore, _ in view.linked(VmRestore, ref.backend, "vm", ref.path):
        yield restore


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(VmRestore))


def _health(row: RestoreOfVm, _now: float) -> Health:
    restore = row.restore
    if restore.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {restore.fault}")
    if restore.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Deleting")
    if restore.status.complete:
        return Health(Tone.OK, "Complete")
    failure = find_condition(restore.status.conditions, "Failure")
    if failure is not None:
        return Health(Tone.BAD, "Failed", failure.message or failure.reason or "the server gives no reason")
    progress = find_condition(restore.status.conditions, "Progressing")
    if progress is None:
        return Health(Tone.BUSY, "Pending")
    words = progress.message or progress.reason
    if words == _WAITS:
        return Health(Tone.WARN, "Waiting", f"{restore.spec.target.name} runs: it waits until that is off")
    return Health(Tone.BUSY, "InProgress", words) if progress.status == "True" else Health(Tone.WARN, "Stuck", words)


def _status(row: RestoreOfVm, now: float) -> Cell:
    return urgency_cell(_health(row, now), 1 if row.failed else 2 if row.over else 0, row.restore.created)


def _volumes(row: RestoreOfVm, _now: float) -> Cell:
    return text_cell(", ".join(one.volume_name for one in row.restore.status.restores))


def _done(row: RestoreOfVm, now: float) -> Cell:
    return age_cell(parse_time(row.restore.status.restore_time), now)


def _delete_when(row: RestoreOfVm) -> str:
    return "it is being deleted already" if row.restore.metadata.deletion_timestamp else ""


def _delete_warn(row: RestoreOfVm) -> tuple[str, ...]:
    if row.over:
        return ("only the record of it goes: the VM stays as it is",)
    return (f"the restore is given up; {row.restore.spec.target.name} is not taken back",)


def _target_of(row: RestoreOfVm) -> Ref:
    """The VM that it is to."""
    return Ref(row.backend, VirtualMachine.KIND, row.restore.metadata.namespace, row.restore.spec.target.name)


async def _delete(backend: Backend, row: RestoreOfVm) -> None:
    await objects(backend).delete(row.restore.ref(row.backend))


RESOURCE: Resource[RestoreOfVm] = Resource(
    name="restores",
    aliases=("restore", "vmrestore", "vmrestores", "virtualmachinerestores"),
    title="Restores",
    label="restore",
    row_type=RestoreOfVm,
    sources=(sources.VM_RESTORES, sources.INSTANCES),
    refs=_refs,
    row=_row,
    related={VmRestore: itself, VirtualMachineInstance: _of_instance},
    ref=lambda row: row.restore.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.restore.metadata.namespace), 10, rank=3, grow=1),
        Column("VM", lambda row, _now: text_cell(row.restore.spec.target.name), 14, rank=0, grow=1),
        Column(
            "SNAPSHOT", lambda row, _now: text_cell(row.restore.spec.virtual_machine_snapshot_name), 20, rank=1, grow=2
        ),
        Column("STATUS", _status, 10, rank=0, order=ACTIVE_FIRST),
        Column("VOLUMES", _volumes, 14, rank=4, grow=1),
        Column("DONE", _done, 6, rank=3, right=True, ticks=True),
        reason_column(_health, rank=2),
        age_column(lambda row: row.restore.created),
        Column("NAME", lambda row, _now: Cell(row.restore.metadata.name), 24, rank=5, grow=1, wide=True),
    ),
    fields=lambda row: {"snapshot": row.restore.spec.virtual_machine_snapshot_name, "name": row.restore.metadata.name},
    labels=lambda row: row.restore.metadata.labels,
    sort="STATUS",
    actions=(
        Action(
            id="restore.delete",
            command="delete",
            key="ctrl+d",
            label="delete",
            help="Delete the restore; one that is not complete is given up.",
            needs=Permission("delete", SNAPSHOTS, "virtualmachinerestores"),
            when=_delete_when,
            warn=_delete_warn,
            run=_delete,
            touches=lambda row, _answers: (_target_of(row),),
            settled=lambda _before, _now: False,
            vanishes=lambda _row: True,
            awaits="being deleted",
            danger=Danger.TYPE,
            usual=60.0,
        ),
    ),
)
