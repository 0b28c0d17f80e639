"""Disks that are attached to a VM and taken off, while it runs too; kubevirt-api.md 3.3.

The server adds what it attaches to the VM's own spec, so that it lasts, and marks it as hot-pluggable: only that can be
taken off again. Clusters that still use the older feature gate can attach for the present run alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.joins.disk import User, find_users
from kvtui.joins.machine import Machine, migratable
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import Volume
from kvtui.resources.base import Action, Danger, objects
from kvtui.resources.form import Answers, Choice, Form, Option, Text, Toggle
from kvtui.store import View
from kvtui.text import quantity, size

_DATA_VOLUME: Final = "datavolume"
_CLAIM: Final = "claim"
_BUSES: Final = (
    Option("virtio", note="the fastest; before KubeVirt 1.6 a running guest takes scsi alone"),
    Option("scsi", note="taken by all versions"),
)
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SHARED: Final = "ReadWriteMany"
"""Without it virt-handler calls a VM DisksNotLiveMigratable (kubevirt-api.md 2.2)."""
_READY: Final = "Ready"
_FILLED: Final = frozenset({"Succeeded", "WaitForFirstConsumer", "PendingPopulation"})
"""Phases of DataVolumes that can be attached: filled, or filled as soon as somebody uses them."""
_UNFILLED: Final = {
    "UploadReady": "it waits for its image: kvtui upload",
    "UploadScheduled": "it waits for its image: kvtui upload",
    "Failed": "its import failed",
}


def _may(verb: str) -> Permission:
    return Permission("update", "subresources.kubevirt.io", "virtualmachines", verb)


def _own(machine: Machine) -> Sequence[Volume]:
    """The volumes of the VM's spec, or of an instance that has none."""
    return machine.vm.spec.template.spec.volumes if machine.vm is not None else machine.spec.volumes


def _plugged(machine: Machine) -> list[Volume]:
    return [volume for volume in _own(machine) if volume.hotpluggable]


def _why_not(machine: Machine) -> str:
    if machine.record.metadata.deletion_timestamp:
        return "the VM is being deleted"
    if machine.migration is not None or machine.moving is not None:
        return "it is being migrated"
    if machine.vm is None and machine.live is None:
        return "its instance has ended"
    return ""


def _detach_when(machine: Machine) -> str:
    return _why_not(machine) or ("" if _plugged(machine) else "no disk of it was attached later: the others stay")


# Attach ------------------------------------------------------------------------------------------------------------


def _attach_form(view: View, machines: Sequence[Machine]) -> Form:
    (machine,) = machines
    names = {volume.name for volume in _own(machine)}

    def check(answers: Answers) -> str:
        name = disk_name(answers)
        if name in names:
            return f"it has a disk {name}"
        return "" if _NAME.fullmatch(name) else "a-z, 0-9 and - within, 63 at most"

    def share(answers: Answers) -> str:
        return "" if answers.flag("share") else f"{_sharers(view, machine, answers)} it already"

    running = machine.vm is not None and machine.live is not None
    return Form(
        f"attach a disk to {machine.record.metadata.name}",
        (
            Choice("volume", "volume", options=_offered(view, machine), named=True),
            Text("name", "name", needed=False, hint="in the VM; empty: as the volume is called", check=check),
            Choice("bus", "bus", options=_BUSES),
            Text("serial", "serial", needed=False, hint="by which the guest knows it; empty: none"),
            Toggle("persist", "keep after a stop", default=True, asked=lambda _answers: running,
                   hint="else only for the present run, where the cluster still allows that"),
            Toggle("share", "share it", check=share, asked=lambda answers: bool(_sharers(view, machine, answers)),
                   hint="only for a file system that is made for several writers"),
        ),
        about=("DataVolumes and claims of its namespace",),
        warn=lambda answers: (*_warn_shared(view, machine, answers), *_warn_fixed(view, machine, answers)),
    )  # fmt: skip


def _offered(view: View, machine: Machine) -> list[Option]:
    """DataVolumes, and claims that no DataVolume made; those that it has already cannot be chosen."""
    namespace = machine.record.metadata.namespace
    has = {volume.claim for volume in _own(machine)}
    made = {ref.name for ref, _ in view.items(DataVolume, machine.backend) if ref.namespace == namespace}
    found = [(_DATA_VOLUME, name) for name in made]
    found += [
        (_CLAIM, ref.name)
        for ref, _ in view.items(Claim, machine.backend)
        if ref.namespace == namespace and ref.name not in made and not ref.name.startswith("prime-")
    ]
    return [
        Option(
            f"{kind}/{name}",
            name,
            _describe(view, machine, kind, name),
            "it has it already" if name in has else _why_useless(view, machine, kind, name),
        )
        # What is free comes first: a slip must not take the disk of another VM.
        for kind, name in sorted(found, key=lambda one: (one[1] in has, bool(_users(view, machine, one[1])), one[1]))
    ]


def _why_useless(view: View, machine: Machine, kind: str, name: str) -> str:
    """Why a volume cannot be a disk now: KubeVirt attaches one that is empty or half filled, too."""
    namespace = machine.record.metadata.namespace
    made = view.get(DataVolume, machine.backend, namespace, name) if kind == _DATA_VOLUME else None
    if made is not None and made.metadata.deletion_timestamp:
        return "it is being deleted"
    if made is not None and made.status.phase not in _FILLED:
        return _UNFILLED.get(made.status.phase, f"it is not filled yet: {made.status.phase or 'Pending'}")
    claim = view.get(Claim, machine.backend, namespace, name)
    if claim is not None and claim.metadata.deletion_timestamp:
        return "its claim is being deleted"
    return "its volume is gone" if claim is not None and claim.status.phase == "Lost" else ""


def _describe(view: View, machine: Machine, kind: str, name: str) -> str:
    claim = view.get(Claim, machine.backend, machine.record.metadata.namespace, name)
    amount = quantity(claim.status.capacity.get("storage")) if claim is not None else None
    users = _users(view, machine, name)
    said = [kind if amount is None else f"{kind}, {size(amount)}"]
    return ", ".join([*said, *(f"used by {user.name}" for user in users[:1])])


def _users(view: View, machine: Machine, name: str) -> list[User]:
    meta = machine.record.metadata
    return [user for user in find_users(view, machine.backend, f"{meta.namespace}/{name}") if user.name != meta.name]


def _sharers(view: View, machine: Machine, answers: Answers) -> str:
    """Which other VMs have the chosen volume: ``web-1, web-2 have``; empty when none has."""
    users = _users(view, machine, answers.text("volume").partition("/")[2])
    named = ", ".join(user.name for user in users[:3])
    return f"{named} {'has' if len(users) == 1 else 'have'}" if users else ""


def _warn_shared(view: View, machine: Machine, answers: Answers) -> Sequence[str]:
    sharers = _sharers(view, machine, answers)
    return (f"{sharers} it too: two guests that write to one file system destroy it",) if sharers else ()


def _warn_fixed(view: View, machine: Machine, answers: Answers) -> Sequence[str]:
    """That a volume which one node alone may write to fixes a VM to its node that can be moved now."""
    name = answers.text("volume").partition("/")[2]
    claim = view.get(Claim, machine.backend, machine.record.metadata.namespace, name)
    modes = (claim.status.access_modes or claim.spec.access_modes) if claim is not None else ()
    if not modes or _SHARED in modes or machine.live is None or not migratable(machine)[0]:
        return ()
    lead, evicted = f"{name} is {', '.join(modes)}: the VM cannot be migrated live", machine.live.spec.eviction_strategy
    if evicted == "LiveMigrate":
        return (f"{lead}, nor its node drained, while it has it",)
    if evicted == "LiveMigrateIfPossible":
        return (f"{lead} while it has it, and a drain of its node shuts it down",)
    return (f"{lead} while it has it",)


def disk_name(answers: Answers) -> str:
    """What the disk is to be called in the VM."""
    return answers.text("name") or answers.text("volume").partition("/")[2]


def attach_options(answers: Answers) -> dict[str, object]:
    """The body of ``addvolume``."""
    kind, _, volume = answers.text("volume").partition("/")
    name = disk_name(answers)
    disk: dict[str, object] = {"name": name, "disk": {"bus": answers.text("bus")}}
    if answers.text("serial"):
        disk["serial"] = answers.text("serial")
    source = {"dataVolume": {"name": volume}}
    if kind == _CLAIM:
        source = {"persistentVolumeClaim": {"claimName": volume}}
    return {"name": name, "disk": disk, "volumeSource": source}


async def _attach(backend: Backend, machine: Machine, answers: Answers) -> None:
    once = machine.vm is not None and machine.live is not None and not answers.flag("persist")
    verb = f"attach disk {disk_name(answers)}"
    await objects(backend).call(machine.ref, "addvolume", attach_options(answers), verb=verb, instance=once)


def _states(machine: Machine) -> dict[str, str]:
    """By the names of disks, how far the running instance is with them."""
    live = machine.live
    return {status.name: status.phase for status in live.status.volume_status} if live is not None else {}


def _new(before: Machine, now: Machine) -> set[str]:
    had = {volume.name for volume in (*_own(before), *before.spec.volumes)}
    return {volume.name for volume in (*_own(now), *now.spec.volumes)} - had


def _is_attached(before: Machine, now: Machine) -> bool:
    new = _new(before, now)
    states = _states(now)
    return bool(new) and (now.live is None or all(states.get(name) == _READY for name in new))


def _tell_attached(before: Machine, now: Machine) -> str:
    return f"the {'VM' if now.live is None else 'guest'} has {', '.join(sorted(_new(before, now)))}"


# Detach ------------------------------------------------------------------------------------------------------------


def _detach_form(_view: View, machines: Sequence[Machine]) -> Form:
    (machine,) = machines
    return Form(
        f"detach a disk from {machine.record.metadata.name}",
        (Choice("name", "disk", options=[Option(one.name, note=one.claim) for one in _plugged(machine)], named=True),),
        about=("its volume stays, with all data",),
        warn=lambda _answers: ("unmount it in the guest first: what is not written is lost",) if machine.live else (),
    )


async def _detach(backend: Backend, machine: Machine, answers: Answers) -> None:
    name = answers.text("name")
    await objects(backend).call(machine.ref, "removevolume", {"name": name}, verb=f"detach disk {name}")


def _gone(before: Machine, now: Machine) -> set[str]:
    return {volume.name for volume in _own(before)} - {volume.name for volume in _own(now)}


def _is_detached(before: Machine, now: Machine) -> bool:
    gone = _gone(before, now)
    return bool(gone) and not gone & _states(now).keys()


def _tell_detached(before: Machine, now: Machine) -> str:
    return f"the {'VM' if now.live is None else 'guest'} has no {', '.join(sorted(_gone(before, now)))} any more"


DISKS: tuple[Action[Machine], ...] = (
    Action(
        id="vm.attach_disk",
        key="",
        label="attach disk",
        help="Attach a DataVolume or claim to the VM, while it runs too.",
        needs=_may("addvolume"),
        when=_why_not,
        form=_attach_form,
        run=_attach,
        settled=_is_attached,
        remark=_tell_attached,
        awaits="attaching",
        danger=Danger.ASK,
        single=True,
        usual=60.0,
        footer=False,
        command="attach-disk",
    ),
    Action(
        id="vm.detach_disk",
        key="",
        label="detach disk",
        help="Take a disk off the VM that was attached to it; its volume stays.",
        needs=_may("removevolume"),
        when=_detach_when,
        form=_detach_form,
        run=_detach,
        settled=_is_detached,
        remark=_tell_detached,
        awaits="detaching",
        danger=Danger.ASK,
        single=True,
        usual=60.0,
        footer=False,
        command="detach-disk",
    ),
)
