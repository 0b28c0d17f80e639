"""Deleting a VM, with those of its disks that are ticked and no other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.backends.objects import Rehearser
from kvtui.errors import AbsentError, ForbiddenError, KvtuiError, PartlyError
from kvtui.joins.disk import tell_lost
from kvtui.joins.holdups import grace_left, grace_of, hold_machine_deletion
from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.records.base import Record
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Pod
from kvtui.records.kubevirt import VirtualMachine, VirtualMachineInstance
from kvtui.resources.base import Action, Danger, Progress, objects
from kvtui.resources.form import Answers, Form, Toggle
from kvtui.resources.vm_changes import whom
from kvtui.store import View
from kvtui.text import fit, quantity, size

_GONE: Final = 60.0
"""Seconds until a deleted VM is gone, beside the grace period of its guest."""
_DISKS: Final = "disks"
_ONE_BY_ONE: Final = 60
"""Disks of several VMs that are offered one by one; who chooses among more than that reads no line of it."""
_LABEL: Final = 22
"""Columns of a field's label."""


def _delete_when(machine: Machine) -> str:
    return "it is being deleted already" if machine.record.metadata.deletion_timestamp else ""


def disks_of(machine: Machine) -> list[DataVolume | Claim]:
    """What holds its data: DataVolumes, and claims that no DataVolume made."""
    made = {volume.metadata.name for volume in machine.volumes}
    return [*machine.volumes, *(claim for claim in machine.claims if claim.metadata.name not in made)]


def _is_owned(machine: Machine, disk: DataVolume | Claim) -> bool:
    """Whether it would go with the VM, which is its owner."""
    return machine.vm is not None and any(
        owner.uid == machine.vm.metadata.uid for owner in disk.metadata.owner_references
    )


def _names(machine: Machine, disk: DataVolume | Claim) -> tuple[str, str, str, str]:
    """The names of a disk: alone, with its VM, with the namespace, and with the backend too."""
    return _name_in_full(machine, disk.metadata.name)


def _name_in_full(machine: Machine, name: str) -> tuple[str, str, str, str]:
    ref = machine.ref
    return name, f"{ref.name}/{name}", f"{ref.path}/{name}", f"{ref.backend}/{ref.path}/{name}"


def _volume(machine: Machine, disk: DataVolume | Claim) -> str:
    """What the VM itself calls a disk; empty where it says no more than the name of the claim, or means another."""
    claims = {one.metadata.name for one in disks_of(machine)}
    found = next((volume.name for volume in machine.spec.volumes if volume.claim == disk.metadata.name), "")
    return "" if found in claims else found


def _field(name: str) -> str:
    return f"disk_{name}"


def _is_ticked(machine: Machine, disk: DataVolume | Claim, answers: Answers) -> bool:
    """Whether it is to go, by whichever of its names the form has."""
    return answers.flag(_DISKS) or any(answers.flag(_field(name)) for name in _names(machine, disk))


def _form(view: View, machines: Sequence[Machine]) -> Form:
    if len(machines) > 1:
        return _form_of_several(view, machines)
    machine = machines[0]
    disks = disks_of(machine)
    # A command says the same of one VM as of several, and however many disks it has.
    every = Toggle(_DISKS, "delete all its disks", hint=_count(disks), check=_check_known(view, machines), shown=False)
    return Form(
        f"delete {whom(machines)}",
        [every, *(_toggle(view, machine, disk, 0) for disk in disks)],
        about=["tick the disks to delete with it; the others stay"] if disks else [_tell_none(machine)],
        warn=lambda answers: _warn_one(view, machine, answers),
    )


def _toggle(view: View, machine: Machine, disk: DataVolume | Claim, which: int) -> Toggle:
    """Whether a disk is to go; `which` of its names tells it from all others."""
    volume, names = _volume(machine, disk), _names(machine, disk)
    also = [*names[which + 1 :], *(_name_in_full(machine, volume)[which:] if volume else ())]
    label = fit(names[0], _LABEL).rstrip() if not which else _cut(names[1])
    hint = _describe(view, machine, disk) + (f", its volume {volume}" if volume else "")
    hint += f", of {machine.ref.path}" if which else ""
    return Toggle(_field(names[which]), label, hint=hint, asked=_not_all, also=tuple(map(_field, also)))


def _count(disks: Sequence[object]) -> str:
    return (
        f"{'1 disk' if len(disks) == 1 else f'{len(disks)} disks in all'}, with all data" if disks else "there is none"
    )


def _tell_none(machine: Machine) -> str:
    fleeting = [volume.name for volume in machine.spec.volumes if volume.container_disk or volume.empty_disk]
    if not fleeting:
        return "no disk of it is known here"
    return f"no disk of it lasts: what is on {', '.join(fleeting)} goes with it"


def _form_of_several(view: View, machines: Sequence[Machine]) -> Form:
    disks = [(machine, disk) for machine in machines for disk in disks_of(machine)]
    backends, spaces = {machine.backend for machine in machines}, {machine.ref.namespace for machine in machines}
    which = 3 if len(backends) > 1 else 2 if len(spaces) > 1 else 1
    check = _check_known(view, machines)
    fields = [Toggle(_DISKS, "delete all their disks", hint=_count(disks), check=check, shown=bool(disks))]
    about = [] if disks else ["no disk of them is known here"]
    if len(disks) > _ONE_BY_ONE:
        about.append(f"their {len(disks)} disks are too many to choose from: all or none; mark fewer VMs to choose")
    elif disks:
        about.append("tick the disks to delete with them; the others stay")
        fields += [_toggle(view, machine, disk, which) for machine, disk in disks]
    return Form(
        f"delete {whom(machines)}",
        fields,
        about=about,
        warn=lambda answers: _warn_several(view, disks, machines, answers),
    )


def _check_known(view: View, machines: Sequence[Machine]) -> Callable[[Answers], str]:
    """Why not all their disks can be meant: where claims cannot be seen, nobody knows which there are."""

    def check(answers: Answers) -> str:
        for machine in machines if answers.flag(_DISKS) else ():
            known = {disk.metadata.name for disk in disks_of(machine)}
            unknown = [volume.claim for volume in machine.spec.volumes if volume.claim and volume.claim not in known]
            feed = view.feed(machine.backend, Claim.KIND)
            if unknown and not feed.usable:
                why = feed.detail or feed.state
                return f"{machine.ref.path} has {', '.join(unknown)}, and claims are not known here: {why}"
        return ""

    return check


def _cut(name: str) -> str:
    """The name, or as much of its end as a label has room for: there disks of one VM differ."""
    return name if len(name) <= _LABEL else f"…{name[1 - _LABEL :]}"


def _not_all(answers: Answers) -> bool:
    return not answers.flag(_DISKS)


def _describe(view: View, machine: Machine, disk: DataVolume | Claim) -> str:
    claim = view.get(Claim, machine.backend, disk.metadata.namespace, disk.metadata.name)
    amount = quantity(claim.status.capacity.get("storage")) if claim is not None else None
    kind = "DataVolume" if isinstance(disk, DataVolume) else "PVC"
    return f"{kind} {disk.metadata.name}{f' of {size(amount)}' if amount else ''}"


def _warn_one(view: View, machine: Machine, answers: Answers) -> Sequence[str]:
    gone = [disk for disk in disks_of(machine) if _is_ticked(machine, disk, answers)]
    kept = [disk for disk in disks_of(machine) if disk not in gone]
    said = []
    if gone:
        said.append(f"all data on {', '.join(disk.metadata.name for disk in gone)} is lost")
    for disk in gone:
        users = [name for name in _users(view, machine.backend, disk) if name != machine.ref.path]
        if users:
            said.append(f"{disk.metadata.name} is used by {', '.join(users[:3])} too")
    if kept:
        said.append(f"{', '.join(disk.metadata.name for disk in kept)} {'stay' if len(kept) > 1 else 'stays'}")
    if machine.live is not None:
        said.append("it is running: it is shut down first" if _is_plain(machine, kept) else "it is running: it ends")
    return said


def _warn_lost(machine: Machine) -> tuple[str, ...]:
    return tuple(tell_lost(machine.live.spec.volumes)) if machine.live is not None else ()


def _warn_several(
    view: View, disks: Sequence[tuple[Machine, DataVolume | Claim]], machines: Sequence[Machine], answers: Answers
) -> Sequence[str]:
    gone = [(machine, disk) for machine, disk in disks if _is_ticked(machine, disk, answers)]
    if len(gone) == len(disks):
        said = ["all data on their disks is lost"] if disks else []
    elif gone:
        said = [f"all data on {', '.join(_names(*one)[1] for one in gone)} is lost; their other disks stay"]
    else:
        said = ["their disks stay"]
    chosen = {machine.ref.path for machine in machines}
    for machine, disk in gone:
        users = [name for name in _users(view, machine.backend, disk) if name not in chosen]
        if users:
            said.append(f"{disk.metadata.name} is used by {', '.join(users[:3])} too")
    running = sum(1 for machine in machines if machine.live is not None)
    return [*said, f"{running} of them {'is' if running == 1 else 'are'} running"] if running else said


def _users(view: View, backend: str, disk: DataVolume | Claim) -> list[str]:
    """The VMs that name it."""
    path = f"{disk.metadata.namespace}/{disk.metadata.name}"
    return sorted({ref.path for ref, _ in view.linked(VirtualMachine, backend, "disk", path)})


def _is_plain(machine: Machine, kept: Sequence[DataVolume | Claim]) -> bool:
    """Whether the server may delete with the VM all that it owns."""
    return not any(_is_owned(machine, disk) for disk in kept)


async def _delete(backend: Backend, machine: Machine, answers: Answers) -> None:
    """The VM first: should the server refuse that, nothing has happened. What is deleted after it must be allowed too.

    What the VM owns would go with it. Where a disk shall stay that it owns, all of it is orphaned, as
    ``kubectl delete --cascade=orphan`` has it, and the instance is deleted by itself.
    """
    gone = [disk for disk in disks_of(machine) if _is_ticked(machine, disk, answers)]
    kept = [disk for disk in disks_of(machine) if disk not in gone]
    plain = _is_plain(machine, kept)
    left: list[Ref] = []
    if not plain and machine.live is not None:
        left.append(machine.live.ref(machine.backend))
    left += [disk.ref(machine.backend) for disk in gone if not (plain and _is_owned(machine, disk))]
    await _ask_for(backend, machine, {ref.kind for ref in left})
    await objects(backend).delete(
        machine.ref, verb="delete" if plain else "delete, orphan what it owns", orphan=not plain
    )
    for number, ref in enumerate(left):
        try:
            await objects(backend).delete(ref)
        except AbsentError:
            # It went with the VM.
            continue
        except KvtuiError as error:
            if isinstance(backend, Rehearser) and backend.rehearses:
                # Nothing is deleted of what went before.
                raise
            rest = ", ".join(f"{other.kind} {other.name}" for other in left[number:])
            raise PartlyError(f"{machine.ref.path} is deleted, but not {rest}", str(error)) from error


async def _ask_for(backend: Backend, machine: Machine, kinds: Collection[str]) -> None:
    """Raise ForbiddenError where the account may delete the VM and not what goes after it; where nobody can say, the
    server will.
    """
    namespace = machine.ref.namespace
    if not kinds or not (await backend.may(DELETE, namespace)).allowed:
        return
    for needs in (_DELETES[kind] for kind in sorted(kinds)):
        verdict = await backend.may(needs, namespace)
        if verdict.asked and not verdict.allowed:
            title = f"{machine.ref.path} was not deleted: what is deleted with it needs {needs}"
            raise ForbiddenError(title, verdict.reason or "the account does not have it")


_DELETES: Final = {
    VirtualMachineInstance.KIND: Permission("delete", "kubevirt.io", "virtualmachineinstances"),
    DataVolume.KIND: Permission("delete", "cdi.kubevirt.io", "datavolumes"),
    Claim.KIND: Permission("delete", "", "persistentvolumeclaims"),
}


def _follow(view: View, before: Machine, _answers: Answers, _asked: float) -> Progress:
    """It is gone when nothing of it runs: a VM that leaves a disk behind goes at once, its instance only then."""
    if view.record(before.ref) is not None:
        return Progress("")
    left = _left_of(view, before)
    return Progress(f"it is gone, but not {', '.join(left)}") if left else Progress("it is gone", over=True)


def _left_of(view: View, before: Machine) -> list[str]:
    """Its instance and the launcher pods of that, as far as they are there, and what they do."""
    vmi = view.get(VirtualMachineInstance, before.backend, before.ref.namespace, before.ref.name)
    if vmi is not None and not _is_its_instance(before, vmi):
        vmi = None
    instance = vmi or before.vmi
    if instance is None:
        return []
    pods = view.linked(Pod, before.backend, "vmi", instance.metadata.uid)
    left = [f"launcher pod {pod.metadata.name} ({_tell_state(pod, pod.status.phase)})" for _, pod in pods]
    return left if vmi is None else [f"its instance ({_tell_state(vmi, vmi.status.phase)})", *left]


def _tell_state(record: Record, phase: str) -> str:
    return "stopping" if record.metadata.deletion_timestamp else phase


def _is_its_instance(before: Machine, vmi: VirtualMachineInstance) -> bool:
    """Whether it is the one that was there, or one that the VM made since."""
    if before.vmi is not None and before.vmi.metadata.uid == vmi.metadata.uid:
        return True
    return before.vm is not None and any(owner.uid == before.vm.metadata.uid for owner in vmi.metadata.owner_references)


DELETE: Final = Permission("delete", "kubevirt.io", "virtualmachines")
REMOVAL: tuple[Action[Machine], ...] = (
    Action(
        id="vm.delete",
        key="ctrl+d",
        label="delete",
        help="Delete the VM, with those of its disks that you tick.",
        needs=DELETE,
        when=_delete_when,
        form=_form,
        run=_delete,
        settled=lambda _before, _now: False,
        follow=_follow,
        vanishes=lambda _row: True,
        awaits="deleting",
        danger=Danger.TYPE,
        warn=_warn_lost,
        patience=lambda before: _GONE + (grace_of(before) if before.live is not None else 0),
        left=grace_left,
        holds=lambda _view, _before, now, clock: hold_machine_deletion(now, clock),
        footer=False,
        command="delete",
    ),
)
