"""What copies of VMs stand on: a snapshot on its VM, a restore on its snapshot and its target, and so on."""

from __future__ import annotations

from collections.abc import Iterator

from kvtui.joins.disk_stack import claim_layer
from kvtui.joins.layers import SHOWN_ABOVE, Layer, Stack, Walk, missing, told_once
from kvtui.joins.machine_stack import machine_layer
from kvtui.model import Ref
from kvtui.records.copies import Reference, VmClone, VmExport, VmRestore, VmSnapshot
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.store import View


def of_snapshot(view: View, ref: Ref) -> Stack | None:
    """A snapshot: what is made of it stands on it, and it on its VM."""
    if view.find(VmSnapshot, ref) is None:
        return None
    source = f"{VmSnapshot.KIND} {ref.path}"
    above = (
        *(Layer("restore", at.path, at) for at, _ in view.linked(VmRestore, ref.backend, "snapshot", ref.path)),
        *(Layer("clone", at.path, at) for at, _ in view.linked(VmClone, ref.backend, "source", source)),
        *(Layer("export", at.path, at) for at, _ in view.linked(VmExport, ref.backend, "source", source)),
    )
    return Stack(above, _snapshot_layer(Walk(view), ref.backend, ref.namespace, ref.name))


def of_restore(view: View, ref: Ref) -> Stack | None:
    """A restore: its target, and the snapshot that this is taken back to."""
    restore = view.find(VmRestore, ref)
    if restore is None:
        return None
    walk, spec = Walk(view), restore.spec
    below = (
        _vm_layer(walk, ref.backend, ref.namespace, spec.target.name),
        _snapshot_layer(walk, ref.backend, ref.namespace, spec.virtual_machine_snapshot_name),
    )
    return Stack((), Layer("restore", ref.path, ref, below=below))


def of_clone(view: View, ref: Ref) -> Stack | None:
    """A clone: the VM that it makes stands on it, and it on its source."""
    clone = view.find(VmClone, ref)
    if clone is None:
        return None
    made = view.get(VirtualMachine, ref.backend, ref.namespace, clone.target) if clone.target else None
    above = (Layer("VM", f"{ref.namespace}/{clone.target}", made.ref(ref.backend)),) if made is not None else ()
    source = _source_layer(Walk(view), ref, clone.spec.source)
    return Stack(above, Layer("clone", ref.path, ref, below=(source,)))


def of_export(view: View, ref: Ref) -> Stack | None:
    """An export: what it offers."""
    export = view.find(VmExport, ref)
    if export is None:
        return None
    return Stack((), Layer("export", ref.path, ref, below=(_source_layer(Walk(view), ref, export.spec.source),)))


def _source_layer(walk: Walk, ref: Ref, source: Reference) -> Layer:
    match source.kind:
        case VmSnapshot.KIND:
            return _snapshot_layer(walk, ref.backend, ref.namespace, source.name)
        case Claim.KIND:
            return claim_layer(walk, ref.backend, ref.namespace, source.name)
    return _vm_layer(walk, ref.backend, ref.namespace, source.name)


def _snapshot_layer(walk: Walk, backend: str, namespace: str, name: str) -> Layer:
    record = walk.view.get(VmSnapshot, backend, namespace, name)
    if record is None:
        return missing(walk.view, VmSnapshot, "snapshot", backend, namespace, name)
    ref, disks = record.ref(backend), record.status.snapshot_volumes.included_volumes
    note = f"has disks {', '.join(disks)}" if disks else ""
    return told_once(walk, Layer("snapshot", ref.path, ref, note=note), _below_snapshot(walk, backend, record))


def _below_snapshot(walk: Walk, backend: str, snapshot: VmSnapshot) -> Iterator[Layer]:
    yield _vm_layer(walk, backend, snapshot.metadata.namespace, snapshot.spec.source.name)


def _vm_layer(walk: Walk, backend: str, namespace: str, name: str) -> Layer:
    vm = walk.view.get(VirtualMachine, backend, namespace, name)
    if vm is None:
        return missing(walk.view, VirtualMachine, "VM", backend, namespace, name)
    if not walk.enter(vm.ref(backend)):
        return Layer("VM", f"{namespace}/{name}", vm.ref(backend), note=SHOWN_ABOVE)
    vmi = walk.view.get(VirtualMachineInstance, backend, namespace, name)
    return machine_layer(walk, backend, vm, vmi, whole=True)
