"""Network attachments of Multus: the networks that VMs may have besides that of the pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kvtui.model import Cell, Health, Ref, Tone
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.records.networks import NetworkAttachment
from kvtui.resources import sources
from kvtui.resources.base import Column, Resource, itself
from kvtui.resources.cells import age_column, health_cell, number_cell, reason_column, text_cell
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """An attachment, and the VMs that are on it or would be."""

    backend: str
    record: NetworkAttachment
    users: tuple[str, ...]


def _row(view: View, ref: Ref) -> AttachmentRow | None:
    record = view.find(NetworkAttachment, ref)
    if record is None:
        return None
    found = {
        user.path if user.namespace != ref.namespace else user.name
        for type_ in (VirtualMachine, VirtualMachineInstance)
        for user, _ in view.linked(type_, ref.backend, "attachment", ref.path)
    }
    return AttachmentRow(ref.backend, record, tuple(sorted(found)))


def _of_vm(view: View, ref: Ref, machine: VirtualMachine | VirtualMachineInstance) -> Iterator[Ref]:
    for link, path in machine.links():
        if link == "attachment":
            namespace, _, name = path.partition("/")
            record = view.get(NetworkAttachment, ref.backend, namespace, name)
            if record is not None:
                yield record.ref(ref.backend)


def _refs(view: View) -> Iterable[Ref]:
    return (ref for ref, _ in view.items(NetworkAttachment))


def _health(row: AttachmentRow, _now: float) -> Health:
    """An attachment has no status of its own: only what is wrong with its text can be told."""
    if row.record.fault:
        return Health(Tone.BAD, "Unreadable", f"cannot be read in full: {row.record.fault}")
    if row.record.metadata.deletion_timestamp:
        return Health(Tone.BUSY, "Terminating")
    fault = row.record.fault_of_config
    if fault:
        return Health(Tone.BAD, "Invalid", f"spec.config cannot be read: {fault}")
    return Health(Tone.MUTED, "Defined")


def _vlan(row: AttachmentRow, _now: float) -> Cell:
    vlan = row.record.plugin.vlan
    return number_cell(vlan or None, str(vlan))


def _fields(row: AttachmentRow) -> Mapping[str, str]:
    return {"vm": " ".join(row.users), "resource": row.record.metadata.annotations.device_resource}


RESOURCE: Resource[AttachmentRow] = Resource(
    name="nads",
    aliases=("nad", "net-attach-def", "networkattachmentdefinitions", "network-attachment-definitions"),
    title="Attachments",
    label="network",
    row_type=AttachmentRow,
    sources=(sources.ATTACHMENTS, sources.MACHINES, sources.INSTANCES),
    refs=_refs,
    row=_row,
    related={NetworkAttachment: itself, VirtualMachine: _of_vm, VirtualMachineInstance: _of_vm},
    ref=lambda row: row.record.ref(row.backend),
    health=_health,
    columns=(
        Column("NAMESPACE", lambda row, _now: Cell(row.record.metadata.namespace), 12, rank=1, grow=1),
        Column("NAME", lambda row, _now: Cell(row.record.metadata.name), 18, rank=0, grow=2),
        Column("STATUS", lambda row, now: health_cell(_health(row, now)), 11, rank=2),
        Column("TYPE", lambda row, _now: text_cell(row.record.plugin.type), 12, rank=1),
        Column("BRIDGE", lambda row, _now: text_cell(row.record.plugin.bridge or row.record.plugin.master), 10, rank=1),
        Column("VLAN", _vlan, 5, rank=2, right=True),
        Column("VMS", lambda row, _now: number_cell(len(row.users), str(len(row.users))), 4, rank=1, right=True),
        age_column(lambda row: row.record.created),
        Column("USED BY", lambda row, _now: text_cell(", ".join(row.users)), 24, rank=6, wide=True, grow=1),
        reason_column(_health),
    ),
    fields=_fields,
    labels=lambda row: row.record.metadata.labels,
)
