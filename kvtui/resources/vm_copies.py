"""What is kept of a VM of KubeVirt: snapshots, clones, exports, dumps of its memory; kubevirt-api.md 2.8 and 3.1."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.records.base import is_true
from kvtui.records.copies import VmClone, VmExport, VmSnapshot
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import VirtualMachine, Volume
from kvtui.resources import products, storage
from kvtui.resources.base import Action, Danger, objects
from kvtui.resources.copying import (
    LABELS_HINT,
    MAY_CLONE,
    MAY_EXPORT,
    MAY_SNAPSHOT,
    SAME_INSIDE,
    clone_body,
    export_body,
    free_name,
    fresh,
    reference,
    snapshot_body,
)
from kvtui.resources.form import Answers, Choice, Form, Number, Option, Text, Toggle
from kvtui.resources.storage import Facts
from kvtui.store import View
from kvtui.text import quantity, size

_MIB: Final = 2**20
_DUMP_OVERHEAD: Final = 100 * _MIB
"""What KubeVirt adds to the guest's memory (``CalcExpectedMemoryDumpSize``)."""
_FILE_SYSTEM: Final = 1.06
"""CDI's usual overhead of a file system; a class may have another, and then the server says so."""
_NEW: Final = "a new claim"
_MAC: Final = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)
_DUMPING: Final = frozenset({"Associating", "InProgress", "Unmounting", "Dissociating"})


def _why_not(machine: Machine) -> str:
    """What forbids every copy."""
    if machine.vm is None:
        return "it is an instance without a VM"
    if machine.vm.metadata.deletion_timestamp:
        return "the VM is being deleted"
    if machine.vm.status.snapshot_in_progress:
        return f"snapshot {machine.vm.status.snapshot_in_progress} is being taken"
    if machine.vm.status.restore_in_progress:
        return f"restore {machine.vm.status.restore_in_progress} is under way"
    return ""


def _names(view: View, type_: type[VirtualMachine | VmSnapshot | VmExport | Claim], machine: Machine) -> set[str]:
    namespace = machine.record.metadata.namespace
    return {ref.name for ref, _ in view.items(type_, machine.backend) if ref.namespace == namespace}


def _left_out(machine: Machine) -> dict[str, str]:
    """The disks on claims that a snapshot does not hold, and why."""
    if machine.vm is None:
        return {}
    claims = {volume.name for volume in _declared(machine) if volume.claim}
    told = machine.vm.status.volume_snapshot_statuses
    return {one.name: one.reason for one in told if one.name in claims and not one.enabled}


def _declared(machine: Machine) -> Sequence[Volume]:
    """The volumes of the VM, whichever its instance has."""
    return machine.vm.spec.template.spec.volumes if machine.vm is not None else ()


def _unclaimed(machine: Machine) -> dict[str, str]:
    """The disks that are on no claim, and what they are."""
    volumes = _declared(machine)
    images = {volume.name: "it is a container disk" for volume in volumes if volume.container_disk is not None}
    return images | {volume.name: "it is an empty disk" for volume in volumes if volume.empty_disk is not None}


def _no_rest(machine: Machine) -> str:
    """Why the guest's disks are not brought to rest; empty when they are, or are at rest."""
    if not machine.running or machine.vmi is None:
        return ""
    if machine.paused:
        return "it is paused: to the guest, going back is as if its power had failed"
    if not is_true(machine.vmi.status.conditions, "AgentConnected"):
        return "no guest agent is connected: to the guest, going back is as if its power had failed"
    return ""


# Snapshots ---------------------------------------------------------------------------------------------------------


def _take_form(view: View, machines: Sequence[Machine]) -> Form:
    taken = {name for machine in machines for name in _names(view, VmSnapshot, machine)}
    many = len(machines) > 1
    first = machines[0].record.metadata.name

    def check(answers: Answers) -> str:
        if many and not answers.text("name"):
            return ""
        if many:
            return "one name does not do for several: leave it empty"
        return fresh("name", taken, "a snapshot")(answers)

    return Form(
        f"snapshot of {f'{len(machines)} VMs' if many else first}",
        (
            Text("name", "name", default="" if many else free_name(f"{first}-snapshot", taken), needed=not many,
                 check=check, hint="empty: made by the server" if many else ""),
            Number("minutes", "give up after", unit="minutes", default="5", least=1, most=24 * 60,
                   hint="the VM can be neither stopped nor changed till then"),
        ),
        about=("memory is not in it; disks that are not on claims neither",),
    )  # fmt: skip


async def _take(backend: Backend, machine: Machine, answers: Answers) -> Ref:
    vm = machine.record.metadata
    ref = Ref(machine.backend, VmSnapshot.KIND, vm.namespace, answers.text("name") or f"{vm.name}-snapshot-")
    body = snapshot_body(vm.name, answers.number("minutes"))
    return await objects(backend).create(ref, body, verb="take snapshot", about=machine.ref)


def _take_warn(machine: Machine) -> tuple[str, ...]:
    left_out = _left_out(machine) | _unclaimed(machine)
    said = [f"{name} will not be in it: {reason}" for name, reason in left_out.items()]
    if all(not volume.claim or volume.name in left_out for volume in _declared(machine)):
        return ("no disk will be in it, only the VM's spec", *said)
    return (*said, *filter(None, (_no_rest(machine),)))


# Clones ------------------------------------------------------------------------------------------------------------


def _clone_when(machine: Machine) -> str:
    left_out = _left_out(machine)
    blocked = next((f"{name} cannot be copied: {reason}" for name, reason in left_out.items()), "")
    return _why_not(machine) or blocked


def _clone_form(view: View, machines: Sequence[Machine]) -> Form:
    (machine,) = machines
    name = machine.record.metadata.name
    taken = _names(view, VirtualMachine, machine)
    nics = machine.vm.spec.template.spec.domain.devices.interfaces if machine.vm is not None else ()

    def check_mac(field: str) -> Text:
        def check(answers: Answers) -> str:
            given = answers.text(f"mac-{field}")
            return "" if not given or _MAC.fullmatch(given) else "six pairs of hexadecimal digits with colons"

        return Text(f"mac-{field}", f"MAC of {field}", needed=False, check=check, hint="empty: a new one")

    return Form(
        f"clone {name}",
        (
            Text("name", "name", default=free_name(f"{name}-clone", taken), check=fresh("name", taken, "a VM")),
            Toggle("labels", "with its labels", default=True, hint=LABELS_HINT),
            *(check_mac(nic.name) for nic in nics),
            Text("serial", "serial", needed=False, hint="empty: none of its own"),
        ),
        about=("a snapshot of it is taken for that; the clone has a new UUID and is not started",),
        warn=lambda _: tuple(filter(None, (SAME_INSIDE, _no_rest(machine)))),
    )


async def _clone(backend: Backend, machine: Machine, answers: Answers) -> Ref:
    vm, name = machine.record.metadata, answers.text("name")
    nics = machine.vm.spec.template.spec.domain.devices.interfaces if machine.vm is not None else ()
    body = clone_body(
        reference(VirtualMachine.KIND, vm.name),
        name,
        labels=answers.flag("labels"),
        macs={nic.name: answers.text(f"mac-{nic.name}") for nic in nics},
        serial=answers.text("serial"),
    )
    ref = Ref(machine.backend, VmClone.KIND, vm.namespace, f"{name}-")
    return await objects(backend).create(ref, body, verb=f"clone to {name}", about=machine.ref)


# Exports -----------------------------------------------------------------------------------------------------------


def _export_when(machine: Machine) -> str:
    if reason := _why_not(machine):
        return reason
    return "" if any(volume.claim for volume in machine.spec.volumes) else "it has no disks on claims"


def _export_form(view: View, machines: Sequence[Machine]) -> Form:
    (machine,) = machines
    name = machine.record.metadata.name
    taken = _names(view, VmExport, machine)
    running = machine.live is not None
    return Form(
        f"export {name}",
        (
            Text("name", "name", default=free_name(f"{name}-export", taken), check=fresh("name", taken, "an export")),
            Number("hours", "deleted after", unit="hours", default="2", least=1, most=24 * 365),
        ),
        about=("download its disks from :exports, or by kvtui download",),
        warn=lambda _: (
            ("the VM runs: the export waits until it is off; one of a snapshot need not wait",) if running else ()
        ),
    )


async def _export(backend: Backend, machine: Machine, answers: Answers) -> Ref:
    vm = machine.record.metadata
    body = export_body(VirtualMachine.KIND, vm.name, answers.number("hours") or 2)
    ref = Ref(machine.backend, VmExport.KIND, vm.namespace, answers.text("name"))
    return await objects(backend).create(ref, body, verb="export", about=machine.ref)


# Dumps of memory ---------------------------------------------------------------------------------------------------


def dump_size(machine: Machine) -> int:
    """The bytes that a claim must have for a dump of a VM's memory."""
    domain = machine.spec.domain
    memory = quantity(domain.memory.guest or domain.resources.requests.get("memory")) or 0.0
    return math.ceil((memory + _DUMP_OVERHEAD) * _FILE_SYSTEM / _MIB) * _MIB


def _dump_when(machine: Machine) -> str:
    if reason := _why_not(machine):
        return reason
    if not machine.running:
        return "the VM is not running"
    request = machine.vm.status.memory_dump_request if machine.vm is not None else None
    return f"a dump to {request.claim_name} is under way" if request and request.phase in _DUMPING else ""


def _dump_form(view: View, machines: Sequence[Machine], facts: Facts | None = None) -> Form:
    (machine,) = machines
    name = machine.record.metadata.name
    needed = dump_size(machine)
    request = machine.vm.status.memory_dump_request if machine.vm is not None else None
    taken = _names(view, Claim, machine)
    if request is not None:
        options: Sequence[Option] = (Option(request.claim_name, note="holds the last one, which stays beside it"),)
    else:
        options = (Option("", _NEW), *_claims_for(view, machine, needed))

    def is_new(answers: Answers) -> bool:
        return request is None and not answers.text("claim")

    return Form(
        f"memory of {name}",
        (
            Choice("claim", "into", options=options),
            Text("name", "name of the claim", default=free_name(f"{name}-memory", taken), asked=is_new,
                 check=fresh("name", taken, "a claim")),
            Number("size", "size", unit="MiB", default=str(needed // _MIB), least=needed // _MIB, asked=is_new),
            storage.class_field(facts or Facts(), virtual=False, asked=is_new),
        ),
        about=(f"{size(needed)}: the guest's memory, and what its file system takes",),
        warn=lambda _: ("a dump holds every key and password that the guest has in its memory",
                        "while it is written, the guest runs slower or stands still"),
    )  # fmt: skip


def _claims_for(view: View, machine: Machine, needed: int) -> list[Option]:
    """The claims of its namespace that nothing runs from, and whether a dump fits."""
    namespace = machine.record.metadata.namespace
    found = []
    for ref, claim in view.items(Claim, machine.backend):
        if ref.namespace != namespace or claim.metadata.deletion_timestamp or claim.spec.volume_mode == "Block":
            continue
        if view.linked(VirtualMachine, ref.backend, "disk", ref.path):
            continue
        room = quantity(claim.status.capacity.get("storage") or claim.spec.resources.requests.get("storage")) or 0.0
        reason = f"too small: {size(room)} of {size(needed)}" if room < needed else ""
        found.append(Option(ref.name, note=size(room), reason=reason))
    return found


async def _dump(backend: Backend, machine: Machine, answers: Answers) -> None:
    vm = machine.ref
    claim = answers.text("claim")
    if not claim:
        claim = answers.text("name")
        ref = Ref(vm.backend, Claim.KIND, vm.namespace, claim)
        body = claim_body(answers.number("size") or 0, answers.text("class"))
        await objects(backend).create(ref, body, about=vm)
    await objects(backend).call(vm, "memorydump", {"claimName": claim}, verb=f"dump memory to {claim}")


def claim_body(mebibytes: int, storage_class: str) -> dict[str, object]:
    """A claim for a dump: with a file system, and mounted by one node at a time."""
    spec: dict[str, object] = {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": f"{mebibytes}Mi"}},
    }
    return {"spec": {**spec, **({"storageClassName": storage_class} if storage_class else {})}}


def _dumped(before: Machine, now: Machine) -> bool:
    old = before.vm.status.memory_dump_request if before.vm is not None else None
    new = now.vm.status.memory_dump_request if now.vm is not None else None
    if new is None or new.phase in _DUMPING:
        return False
    return old is None or (new.end_timestamp, new.phase) != (old.end_timestamp, old.phase)


def _tell_dump(_before: Machine, now: Machine) -> str:
    request = now.vm.status.memory_dump_request if now.vm is not None else None
    return f"its memory is on claim {request.claim_name}" if request is not None else ""


def _dump_failure(_before: Machine, now: Machine) -> str:
    request = now.vm.status.memory_dump_request if now.vm is not None else None
    if request is None or request.phase != "Failed":
        return ""
    return request.message or "the server gives no reason"


def _undump_when(machine: Machine) -> str:
    if reason := _why_not(machine):
        return reason
    request = machine.vm.status.memory_dump_request if machine.vm is not None else None
    if request is None:
        return "no claim for dumps of its memory is associated"
    return "it is being taken off already" if request.remove else ""


def _undump_warn(machine: Machine) -> tuple[str, ...]:
    request = machine.vm.status.memory_dump_request if machine.vm is not None else None
    if request is None:
        return ()
    underway = ("the dump under way is given up",) if request.phase in _DUMPING else ()
    return (*underway, f"claim {request.claim_name} stays, with the dumps in it")


async def _undump(backend: Backend, machine: Machine) -> None:
    await objects(backend).call(machine.ref, "removememorydump", verb="take off memory dump")


def _at_once(_before: Machine, _now: Machine) -> bool:
    """Another object shows how it goes on."""
    return True


def _may(subresource: str) -> Permission:
    return Permission("update", "subresources.kubevirt.io", "virtualmachines", subresource)


ACTIONS: tuple[Action[Machine], ...] = (
    Action(
        id="vm.snapshot",
        command="snapshot",
        key="",
        label="take snapshot",
        help="Keep the present state of the VM, to go back to it.",
        needs=MAY_SNAPSHOT,
        when=_why_not,
        form=_take_form,
        warn=_take_warn,
        run=_take,
        settled=_at_once,
        makes=products.SNAPSHOT,
        awaits="taking a snapshot",
        usual=120.0,
        footer=False,
    ),
    Action(
        id="vm.clone",
        command="clone",
        key="",
        label="clone",
        help="Make a VM like this one, with copies of its disks.",
        needs=MAY_CLONE,
        when=_clone_when,
        form=_clone_form,
        run=_clone,
        target=lambda machine, answers: machine.ref._replace(name=answers.text("name"), uid=""),
        single=True,
        settled=_at_once,
        makes=products.CLONE,
        awaits="being cloned",
        danger=Danger.ASK,
        usual=600.0,
        footer=False,
    ),
    Action(
        id="vm.export",
        command="export",
        key="",
        label="export",
        help="Offer the disks of the VM for download, for a while.",
        needs=MAY_EXPORT,
        when=_export_when,
        form=_export_form,
        run=_export,
        single=True,
        settled=_at_once,
        makes=products.EXPORT,
        awaits="being exported",
        usual=120.0,
        footer=False,
    ),
    Action(
        id="vm.memory_dump",
        command="dump-memory",
        key="",
        label="dump memory",
        help="Write the memory of the running guest to a claim, for those who look into it.",
        needs=_may("memorydump"),
        when=_dump_when,
        prepare=storage.prepare_facts,
        form=_dump_form,
        run=_dump,
        single=True,
        settled=_dumped,
        remark=_tell_dump,
        outcome=_dump_failure,
        awaits="dumping memory",
        danger=Danger.ASK,
        usual=300.0,
        footer=False,
    ),
    Action(
        id="vm.remove_memory_dump",
        command="remove-memory-dump",
        key="",
        label="take off memory dump",
        help="Take the claim of memory dumps off the VM; the claim itself stays.",
        needs=_may("removememorydump"),
        when=_undump_when,
        warn=_undump_warn,
        run=_undump,
        settled=lambda _before, now: now.vm is None or now.vm.status.memory_dump_request is None,
        remark=lambda _before, _now: "the claim of memory dumps is off it",
        awaits="taking the memory dump off",
        danger=Danger.ASK,
        usual=60.0,
        footer=False,
    ),
)
