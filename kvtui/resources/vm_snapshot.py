"""Snapshots of VMs of KubeVirt: the VM's spec, and copies of those disks whose storage can copy.

A volume whose storage class has no VolumeSnapshotClass is left out, and the snapshot succeeds all the same: what is in
it must be looked at before one trusts it (kubevirt-api.md 2.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kvtui.backends.base import Backend, Permission
from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.base import find_condition
from kvtui.records.copies import VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources import products, sources
from kvtui.resources.base import Action, Column, Danger, Resource, objects
from kvtui.resources.cells import age_cell, health_cell, reason_column, text_cell
from kvtui.resources.copying import (
    LABELS_HINT,
    MAY_CLONE,
    MAY_EXPORT,
    MAY_RESTORE,
    SAME_INSIDE,
    SNAPSHOTS,
    clone_body,
    export_body,
    free_name,
    fresh,
    policy_field,
    reference,
    restore_body,
    why_no_restore,
)
from kvtui.resources.form import Answers, Choice, Form, Number, Option, Text, Toggle
from kvtui.store import View
from kvtui.text import name_few, parse_time


@dataclass(frozen=True, slots=True)
class SnapshotOfVm:
    """A snapshot, and the VM that it was taken of, if that is there still."""

    backend: str
    snapshot: VmSnapshot
    vm: VirtualMachine | None = None
    vmi: VirtualMachineInstance | None = None
    restore: VmRestore | None = None
    """Of this snapshot, and not at its end."""
    exports: tuple[str, ...] = ()
    """The exports that offer its disks."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Disks on claims that are not in it."""
        left_out = self.snapshot.status.snapshot_volumes.excluded_volumes
        if self.vm is None:
            return ()
        claims = {volume.name for volume in self.vm.spec.template.spec.volumes if volume.claim}
        return tuple(name for name in left_out if name in claims)

    @property
    def taken(self) -> float | None:
        """When its disks were cut, in seconds since the epoch."""
        return parse_time(self.snapshot.status.creation_time) or self.snapshot.created

    @property
    def ready(self) -> bool:
        """Whether it can be restored."""
        return self.snapshot.status.ready_to_use and not self.snapshot.metadata.deletion_timestamp


def _row(view: View, ref: Ref) -> SnapshotOfVm | None:
    snapshot = view.find(VmSnapshot, ref)
    if snapshot is None:
        return None
    name = snapshot.spec.source.name
    vm = view.get(VirtualMachine, ref.backend, ref.namespace, name)
    if vm is not None and snapshot.status.source_uid not in ("", vm.metadata.uid):
        vm = None
    restores = view.linked(VmRestore, ref.backend, "snapshot", f"{ref.namespace}/{snapshot.metadata.name}")
    exports = view.linked(VmExport, ref.backend, "source", f"{VmSnapshot.KIND} {ref.namespace}/{ref.name}")
    return SnapshotOfVm(
        ref.backend,
        snapshot,
        vm,
        view.get(VirtualMachineInstance, ref.backend, ref.namespace, name),
        next((one for _, one in restores if not one.status.complete and not _failed(one)), None),
        tuple(sorted(export.name for export, _ in exports)),
    )


def _failed(restore: VmRestore) -> bool:
    return find_condition(restore.status.conditions, "Failure") is not None


def _of_vm(view: View, ref: Ref, _record: VirtualMachine | VirtualMachineInstance) -> Iterator[Ref]:
    for snapshot, _ in view.linked(VmSnapshot, ref.backend, "vm", ref.path):
        yield snapshot


def _of_restore(view: View, ref: Ref, restore: VmRestore) -> Iterator[Ref]:
    snapshot = view.get(VmSnapshot, ref.backend, ref.namespace, restore.spec.virtual_machine_snapshot_name)
    if snapshot is not None:
        yield snapshot.ref(ref.backend)


def _of_export(view: View, ref: Ref, export: VmExport) -> Iterator[Ref]:
    if export.spec.source.kind == VmSnapshot.KIND:
        snapshot = view.get(VmSnapshot, ref.backend, ref.namespace, export.spec.source.name)
        if snapshot is not None:
            yield snapshot.ref(ref.backend)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(VmSnapshot))


def _health(row: SnapshotOfVm, _now: float) -> Health:
    snapshot, status = row.snapshot, row.snapshot.status
    phase = status.phase or "InProgress"
    if snapshot.fault:
        return Health(Tone.BAD, phase, f"cannot be read in full: {snapshot.fault}")
    if snapshot.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Deleting")
    error = status.error.message if status.error is not None else ""
    if phase == "Failed":
        failure = find_condition(status.conditions, "Failure")
        said = (failure.message or failure.reason) if failure is not None else ""
        return Health(Tone.BAD, phase, "; ".join(filter(None, (said, error))) or "the server gives no reason")
    if phase != "Succeeded":
        progress = find_condition(status.conditions, "Progressing")
        words = error or (progress.message or progress.reason if progress is not None else "")
        return Health(Tone.WARN if error else Tone.BUSY, phase, words)
    if not status.ready_to_use:
        return Health(Tone.BAD, "NotReady", error or "its copies are not there (any more)")
    if row.missing or "PartialSnapshot" in status.indications:
        left_out = ", ".join(row.missing or status.snapshot_volumes.excluded_volumes)
        return Health(Tone.WARN, "Ready,partial", f"not in it: {left_out}")
    return Health(Tone.OK, "Ready", f"restore {row.restore.metadata.name} is under way" if row.restore else "")


_Make = Callable[[SnapshotOfVm, float], Cell]


def _by_vm(make: _Make) -> _Make:
    """The cell, ordered within its VM, as those of domains are ordered within their trees."""

    def cell(row: SnapshotOfVm, now: float) -> Cell:
        own = make(row, now)
        value = own.text if own.sort is None or isinstance(own.sort, tuple) else own.sort
        meta = row.snapshot.metadata
        levels = ((row.snapshot.spec.source.name, row.snapshot.status.source_uid), (value, meta.name))
        return Cell(own.text, own.tone, levels)

    return cell


def _status(row: SnapshotOfVm, now: float) -> Cell:
    return health_cell(_health(row, now))


def _taken_while(row: SnapshotOfVm, _now: float) -> Cell:
    """How far the guest was at rest; kubevirt-api.md 2.8, indications."""
    told = row.snapshot.status.indications
    if "Online" not in told:
        return Cell("off" if row.snapshot.status.creation_time else "-")
    if "QuiesceTimeout" in told:
        return Cell("running,not quiesced", Tone.WARN)
    if "Paused" in told:
        return Cell("paused")
    return Cell("running,quiesced") if "GuestAgent" in told else Cell("running,no agent", Tone.WARN)


def _holds(row: SnapshotOfVm, _now: float) -> Cell:
    names = row.snapshot.status.snapshot_volumes.included_volumes
    done = row.snapshot.status.phase == "Succeeded"
    return text_cell(", ".join(names), None) if names or not done else Cell("no disks", Tone.BAD)


def _age(row: SnapshotOfVm, now: float) -> Cell:
    return age_cell(row.taken, now)


def _fields(row: SnapshotOfVm) -> Mapping[str, str]:
    return {
        "node": row.vmi.status.node_name if row.vmi is not None else "",
        "parent": "",
        "snapshot": row.snapshot.metadata.name,
        "current": "",
        "vm": row.snapshot.spec.source.name,
    }


# When it is possible ---------------------------------------------------------------------------------------------


def _why_not(row: SnapshotOfVm) -> str:
    if row.snapshot.metadata.deletion_timestamp:
        return "it is being deleted"
    if row.ready:
        return ""
    failed = row.snapshot.status.phase == "Failed"
    return "it has failed and holds nothing" if failed else "it is not ready yet"


def _restore_when(row: SnapshotOfVm) -> str:
    if row.restore is not None:
        return f"restore {row.restore.metadata.name} is under way: delete that first"
    return _why_not(row)


def _export_when(row: SnapshotOfVm) -> str:
    empty = not row.snapshot.status.snapshot_volumes.included_volumes
    return _why_not(row) or ("there are no disks in it" if empty else "")


def _delete_when(row: SnapshotOfVm) -> str:
    return "it is being deleted already" if row.snapshot.metadata.deletion_timestamp else ""


# What is asked, and how it runs ----------------------------------------------------------------------------------


def _restore_form(view: View, rows: Sequence[SnapshotOfVm]) -> Form:
    (row,) = rows
    snapshot, name = row.snapshot, row.snapshot.spec.source.name
    taken = _names(view, VirtualMachine, row)
    running = row.vmi is not None and not row.vmi.is_final
    vm = f"{snapshot.metadata.namespace}/{name}"
    why_not = why_no_restore(view, row.backend, vm) if row.vm is not None else "that VM is gone"
    included = ", ".join(snapshot.status.snapshot_volumes.included_volumes) or "no disks"

    def in_place(answers: Answers) -> bool:
        return answers.text("target") == "in-place"

    def warn(answers: Answers) -> Sequence[str]:
        if not in_place(answers):
            return (f"it has {_tell_kept(row)} of the original: never run both; a clone has its own", SAME_INSIDE)
        said = [f"what was written to {included} since it was taken is lost, and so are changes of the VM's spec"]
        if row.missing:
            said.append(f"{', '.join(row.missing)} stays as it is, however new: it is not in the snapshot")
        if running and answers.text("policy") == "StopTarget":
            said.append("the VM runs and is shut down for it")
        return said

    return Form(
        f"restore {snapshot.metadata.name}",
        (
            Choice("target", "into", named=True, options=(
                Option("in-place", f"{name}, in place", reason=why_not),
                Option("new", "a new VM", note="which is not started"),
            )),
            Text("name", "name of the new VM", default=free_name(f"{name}-restored", taken),
                 check=fresh("name", taken, "a VM"), asked=lambda answers: not in_place(answers)),
            policy_field(running=running, asked=in_place),
        ),
        about=(f"taken {_when(row)}, holds {included}", *_rest(row)),
        warn=warn,
    )  # fmt: skip


def _tell_kept(row: SnapshotOfVm) -> str:
    """What a new VM has of the one that it is a snapshot of; MAC addresses that no spec has are made at a start."""
    if row.vm is None:
        return "the serial, the UUID and all MAC addresses in the spec"
    declared = any(nic.mac_address for nic in row.vm.spec.template.spec.domain.devices.interfaces)
    return "the MAC addresses, serial and UUID" if declared else "the serial and UUID"


def _rest(row: SnapshotOfVm) -> tuple[str, ...]:
    told = row.snapshot.status.indications
    if "Online" in told and "GuestAgent" not in told:
        return ("to the guest, going back is as if its power had failed: no agent brought its disks to rest",)
    return ()


def _when(row: SnapshotOfVm) -> str:
    return (row.snapshot.status.creation_time or "at an unknown time").replace("T", " ").replace("Z", " UTC")


def _is_new(answers: Answers) -> bool:
    return answers.text("target") == "new"


def _source_of(row: SnapshotOfVm) -> Ref:
    """The VM that it was taken of."""
    snapshot = row.snapshot
    name, uid = snapshot.spec.source.name, snapshot.status.source_uid
    return Ref(row.backend, VirtualMachine.KIND, snapshot.metadata.namespace, name, uid)


def _target_of(row: SnapshotOfVm, answers: Answers) -> Ref:
    """The VM that a restore is to."""
    source = _source_of(row)
    return source._replace(name=answers.text("name"), uid="") if _is_new(answers) else source


async def _restore(backend: Backend, row: SnapshotOfVm, answers: Answers) -> Ref:
    snapshot, vm = row.snapshot.metadata, _target_of(row, answers).name
    new = _is_new(answers)
    policy = "FailImmediate" if new else answers.text("policy")
    ref = Ref(row.backend, VmRestore.KIND, snapshot.namespace, f"{snapshot.name[:40].rstrip('-')}-")
    body, about = restore_body(snapshot.name, vm, policy), row.snapshot.ref(row.backend)
    return await objects(backend).create(ref, body, verb=f"restore into {vm}", about=about)


def _delete_form(_view: View, rows: Sequence[SnapshotOfVm]) -> Form:
    subject = rows[0].snapshot.metadata.name if len(rows) == 1 else f"{len(rows)} snapshots"
    kept = any(row.snapshot.spec.deletion_policy == "Retain" for row in rows)
    stays = ("the copies of disks stay: that is its deletion policy",) if kept else ()
    return Form(f"delete {subject}", (), about=("the VM stays as it is; one cannot go back to it any more", *stays))


async def _delete(backend: Backend, row: SnapshotOfVm, _answers: Answers) -> None:
    await objects(backend).delete(row.snapshot.ref(row.backend))


def _delete_warn(row: SnapshotOfVm) -> tuple[str, ...]:
    said = [f"restore {row.restore.metadata.name} needs it and will fail"] if row.restore is not None else []
    if row.exports:
        verb = "offers its disks and ends" if len(row.exports) == 1 else "offer its disks and end"
        said.append(f"export {name_few(row.exports, 3)} {verb} with it: a download breaks off")
    return tuple(said)


def _clone_form(view: View, rows: Sequence[SnapshotOfVm]) -> Form:
    (row,) = rows
    taken = _names(view, VirtualMachine, row)
    return Form(
        f"VM from {row.snapshot.metadata.name}",
        (
            Text("name", "name of the new VM", default=free_name(f"{row.snapshot.spec.source.name}-clone", taken),
                 check=fresh("name", taken, "a VM")),
            Toggle("labels", "with its labels", default=True, hint=LABELS_HINT),
            Text("serial", "serial", needed=False, hint="empty: none of its own"),
        ),
        about=("its MAC addresses and UUID are new; it is not started",),
        warn=lambda _: (SAME_INSIDE, *((f"without {', '.join(row.missing)}",) if row.missing else ())),
    )  # fmt: skip


async def _clone(backend: Backend, row: SnapshotOfVm, answers: Answers) -> Ref:
    snapshot, name = row.snapshot.metadata, answers.text("name")
    source = reference(VmSnapshot.KIND, snapshot.name)
    body = clone_body(source, name, labels=answers.flag("labels"), macs={}, serial=answers.text("serial"))
    ref = Ref(row.backend, VmClone.KIND, snapshot.namespace, f"{name}-")
    return await objects(backend).create(ref, body, verb=f"clone to {name}", about=row.snapshot.ref(row.backend))


def _export_form(view: View, rows: Sequence[SnapshotOfVm]) -> Form:
    (row,) = rows
    taken = _names(view, VmExport, row)
    return Form(
        f"export {row.snapshot.metadata.name}",
        (
            Text("name", "name", default=free_name(row.snapshot.metadata.name, taken),
                 check=fresh("name", taken, "an export")),
            Number("hours", "deleted after", unit="hours", default="2", least=1, most=24 * 365),
        ),
        about=(
            "its disks are copied into claims of their own meanwhile, which take as much room",
            "download them from :exports, or by kvtui download",
        ),
    )  # fmt: skip


async def _export(backend: Backend, row: SnapshotOfVm, answers: Answers) -> Ref:
    snapshot = row.snapshot.metadata
    body = export_body(VmSnapshot.KIND, snapshot.name, answers.number("hours") or 2)
    ref = Ref(row.backend, VmExport.KIND, snapshot.namespace, answers.text("name"))
    return await objects(backend).create(ref, body, verb="export", about=row.snapshot.ref(row.backend))


def _names(view: View, type_: type[VirtualMachine] | type[VmExport], row: SnapshotOfVm) -> set[str]:
    namespace = row.snapshot.metadata.namespace
    return {ref.name for ref, _ in view.items(type_, row.backend) if ref.namespace == namespace}


def _at_once(_before: SnapshotOfVm, _now: SnapshotOfVm) -> bool:
    """Another object shows how it goes on."""
    return True


ACTIONS: tuple[Action[SnapshotOfVm], ...] = (
    Action(
        id="snapshot.restore",
        command="restore",
        key="",
        label="restore",
        help="Take the VM back to the snapshot, or make a new VM of it.",
        needs=MAY_RESTORE,
        when=_restore_when,
        form=_restore_form,
        run=_restore,
        touches=lambda row, answers: (_target_of(row, answers),),
        target=_target_of,
        single=True,
        settled=_at_once,
        makes=products.RESTORE,
        awaits="restoring",
        danger=Danger.TYPE,
        usual=300.0,
        footer=False,
    ),
    Action(
        id="snapshot.delete",
        command="delete",
        key="ctrl+d",
        label="delete",
        help="Delete the snapshot.",
        needs=Permission("delete", SNAPSHOTS, "virtualmachinesnapshots"),
        when=_delete_when,
        form=_delete_form,
        warn=_delete_warn,
        run=_delete,
        touches=lambda row, _answers: (_source_of(row),),
        settled=lambda _before, _now: False,
        vanishes=lambda _row: True,
        awaits="being deleted",
        danger=Danger.TYPE,
        usual=60.0,
    ),
    Action(
        id="snapshot.clone",
        command="clone",
        key="",
        label="clone to a VM",
        help="Make a VM of the snapshot, with addresses and a UUID of its own.",
        needs=MAY_CLONE,
        when=_why_not,
        form=_clone_form,
        run=_clone,
        target=lambda row, answers: _source_of(row)._replace(name=answers.text("name"), uid=""),
        single=True,
        settled=_at_once,
        makes=products.CLONE,
        awaits="being cloned",
        usual=300.0,
        footer=False,
    ),
    Action(
        id="snapshot.export",
        command="export",
        key="",
        label="export",
        help="Offer the disks of the snapshot for download.",
        needs=MAY_EXPORT,
        when=_export_when,
        form=_export_form,
        run=_export,
        single=True,
        settled=_at_once,
        makes=products.EXPORT,
        awaits="being exported",
        usual=300.0,
        footer=False,
    ),
)

RESOURCE: Resource[SnapshotOfVm] = Resource(
    name="snapshots",
    aliases=("snapshot", "snap", "snaps", "vmsnapshot", "vmsnapshots", "virtualmachinesnapshots"),
    title="Snapshots",
    label="snapshot",
    row_type=SnapshotOfVm,
    sources=(sources.VM_SNAPSHOTS, sources.VM_RESTORES, sources.VM_EXPORTS, sources.MACHINES, sources.INSTANCES),
    refs=_refs,
    row=_row,
    related={
        VmSnapshot: lambda _view, ref, _record: (ref,),
        VmRestore: _of_restore,
        VmExport: _of_export,
        VirtualMachine: _of_vm,
        VirtualMachineInstance: _of_vm,
    },
    ref=lambda row: row.snapshot.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", _by_vm(lambda row, _now: Cell(row.snapshot.metadata.namespace)), 10, rank=2, grow=1),
        Column("VM", _by_vm(lambda row, _now: Cell(row.snapshot.spec.source.name)), 12, rank=0, grow=1),
        Column("NAME", _by_vm(lambda row, _now: Cell(row.snapshot.metadata.name)), 18, rank=0, grow=2),
        Column("STATUS", _by_vm(_status), 13, rank=0),
        Column("TAKEN WHILE", _by_vm(_taken_while), 16, rank=2),
        Column("HOLDS", _by_vm(_holds), 14, rank=1, grow=1),
        Column("AGE", _by_vm(_age), 5, rank=1, right=True, ticks=True),
        reason_column(_health, rank=2),
    ),
    fields=_fields,
    labels=lambda row: row.snapshot.metadata.labels,
    actions=ACTIONS,
)
