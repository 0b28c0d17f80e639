"""What is kept of a domain, and its end: snapshots, clones, and undefining it with what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence

from kvtui.backends.base import Backend
from kvtui.backends.domains import Clones, Definitions, NewSnapshot, Removal, Snapshots
from kvtui.joins.domain import Guest
from kvtui.joins.storage import name_broken, needed_by
from kvtui.records.domain_snapshots import DomainSnapshot
from kvtui.records.libvirt import Disk, Domain, StoragePool
from kvtui.resources.base import Action, Danger, able
from kvtui.resources.domain_changes import NEEDS, subject, why_not
from kvtui.resources.form import Answers, Choice, Form, Option, Taken, Text, Toggle
from kvtui.resources.sources import POOLS, SNAPSHOTS, STORAGE_VOLUMES
from kvtui.store import View

# Snapshots ---------------------------------------------------------------------------------------------------------


def _snapshots_of(view: View, guest: Guest) -> list[DomainSnapshot]:
    found = view.linked(DomainSnapshot, guest.backend, "domain", guest.domain.metadata.uid)
    return sorted((snapshot for _, snapshot in found), key=lambda one: one.metadata.creation_timestamp or "")


def _snapshot_field(view: View, guest: Guest) -> Choice | Text:
    """Which one; typed where nobody lists them."""
    known = _snapshots_of(view, guest)
    if not known:
        return Text("snapshot", "snapshot", hint="its name")
    options = [Option(one.snapshot, note=_note(one)) for one in known]
    current = next((one.snapshot for one in known if one.current), "")
    return Choice("snapshot", "snapshot", options=options, default=current, named=True)


def _note(snapshot: DomainSnapshot) -> str:
    current = "(current)" if snapshot.current else ""
    return " ".join(filter(None, (current, snapshot.state, snapshot.description)))


def _take_form(view: View, guests: Sequence[Guest]) -> Form:
    active = any(guest.domain.active for guest in guests)
    taken = {one.snapshot for guest in guests for one in _snapshots_of(view, guest)}
    no_agent = _lack_agent(guests)

    def warn(answers: Answers) -> Sequence[str]:
        if not active:
            return ()
        if answers.text("holds") == "disks":
            return () if answers.flag("quiesce") else ("to the guest, going back is as if its power had failed",)
        return ("the guest stands still until its memory is written",)

    return Form(
        f"snapshot of {subject(guests)}",
        (
            Text("name", "name", needed=False, hint="empty: made of the time",
                 check=lambda answers: Taken("there is one of that name") if answers.text("name") in taken else ""),
            Text("description", "description", needed=False),
            Choice("holds", "holds", options=(
                Option("all", "memory and disks", note="inside the disks' images"),
                Option("disks", "disks alone", note="each goes on in a new file"),
            ), asked=lambda _: active),
            Toggle("quiesce", "quiesce", hint="the guest agent brings the file systems to rest meanwhile",
                   asked=lambda answers: active and answers.text("holds") == "disks",
                   check=lambda answers: no_agent if answers.flag("quiesce") else ""),
        ),
        warn=warn,
    )  # fmt: skip


def _lack_agent(guests: Sequence[Guest]) -> str:
    """Why not all of them can be quiesced."""
    mute = next((guest.domain for guest in guests if not guest.domain.agent), None)
    if mute is None:
        return ""
    words = "no guest agent is connected" if mute.agent is False else "it has no channel for a guest agent"
    return words if len(guests) == 1 else f"{mute.metadata.name}: {words}"


async def _take(backend: Backend, guest: Guest, answers: Answers) -> None:
    disks_only = guest.domain.active and answers.text("holds") == "disks"
    wanted = NewSnapshot(
        answers.text("name"),
        answers.text("description"),
        disks_only=disks_only,
        quiesce=disks_only and answers.flag("quiesce"),
    )
    await _snapshots(backend).take_snapshot(guest.ref, wanted)


def _revert_form(view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests
    lost = ("what the guest has written since then is lost", *name_broken(view, guest.backend, guest.domain))
    return Form(
        f"revert {subject(guests)} to a snapshot",
        (
            _snapshot_field(view, guest),
            Toggle("force", "by force", hint="where libvirt says that it is risky"),
        ),
        warn=lambda _: lost,
    )


async def _revert(backend: Backend, guest: Guest, answers: Answers) -> None:
    await _snapshots(backend).revert(guest.ref, answers.text("snapshot"), force=answers.flag("force"))


def _delete_form(view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests
    known = _snapshots_of(view, guest)

    def warn(answers: Answers) -> Sequence[str]:
        after = _after(known, answers.text("snapshot"))
        if after and answers.flag("children"):
            return (f"goes too: {', '.join(after)}",)
        return ()

    return Form(
        f"delete a snapshot of {subject(guests)}",
        (_snapshot_field(view, guest), Toggle("children", "and those after it")),
        about=("the VM stays as it is; one cannot go back to it any more",),
        warn=warn,
    )


def _after(known: Sequence[DomainSnapshot], name: str) -> list[str]:
    """The snapshots that stand on one."""
    found = [one.snapshot for one in known if one.parent == name]
    return [*found, *(later for child in found if child != name for later in _after(known, child))]


async def _delete(backend: Backend, guest: Guest, answers: Answers) -> None:
    await _snapshots(backend).delete_snapshot(guest.ref, answers.text("snapshot"), children=answers.flag("children"))


def _take_when(guest: Guest) -> str:
    return why_not(guest) or ("" if guest.domain.persistent or guest.domain.active else "it is transient")


def _has_snapshots(guest: Guest) -> str:
    return why_not(guest) or ("" if guest.domain.snapshots else "it has no snapshots")


# Clones ------------------------------------------------------------------------------------------------------------


def _clone_form(view: View, guests: Sequence[Guest]) -> Form:
    (guest,) = guests
    taken = {domain.metadata.name for _, domain in view.items(Domain, guest.backend)}
    name = guest.domain.metadata.name
    disks = _own_disks(guest)
    copied = ", ".join(disk.target for disk in disks) or "none of its own"

    def check(answers: Answers) -> str:
        if "/" in answers.text("name"):
            return "may have no /"
        return Taken("there is a VM of that name") if answers.text("name") in taken else ""

    def warn(answers: Answers) -> Sequence[str]:
        said = ["host name, keys and machine id inside are those of the original"]
        if answers.text("kind") == "linked" and disks:
            said.insert(0, f"from now on {name} may not write to its disks any more, or the clone breaks")
        if guest.domain.firmware == "efi":
            said.append("the variables of its firmware are made anew")
        return said

    return Form(
        f"clone {name}",
        (
            Text("name", "name", default=_free_name(name, taken), check=check),
            Choice("kind", "disks", options=(
                Option("full", "full copies", note="takes as long as they are large"),
                Option("linked", "linked", note="hold only what differs"),
            )),
        ),
        about=[f"its disks: {copied}; addresses and UUID are new"],
        warn=warn,
    )  # fmt: skip


def _free_name(name: str, taken: set[str]) -> str:
    number = 0
    found = f"{name}-clone"
    while found in taken:
        number += 1
        found = f"{name}-clone{number + 1}"
    return found


def _own_disks(guest: Guest) -> list[Disk]:
    """Those that belong to it alone: no drives, nothing shared or read-only."""
    return [
        disk
        for disk in guest.domain.disks
        if disk.source and disk.device in ("disk", "lun") and not disk.shared and not disk.read_only
    ]


def _clone_when(guest: Guest) -> str:
    return why_not(guest) or ("it runs: stop it first, for its disks are copied" if guest.domain.active else "")


async def _clone(backend: Backend, guest: Guest, answers: Answers) -> None:
    clones = able(backend, Clones)  # type: ignore[type-abstract]
    await clones.clone(guest.ref, answers.text("name"), linked=answers.text("kind") == "linked")


# The end -----------------------------------------------------------------------------------------------------------


def _undefine_form(view: View, guests: Sequence[Guest]) -> Form:
    saved = any(guest.domain.saved for guest in guests)
    snapshots = sum(guest.domain.snapshots for guest in guests)
    firmware = any(guest.domain.firmware == "efi" for guest in guests)
    disks = _own_disks(guests[0]) if len(guests) == 1 else []
    blind = [pool.metadata.name for _, pool in view.items(StoragePool, guests[0].backend) if pool.state == "inactive"]

    def must(name: str, words: str) -> Toggle:
        return Toggle(name, words, hint="libvirt does not undefine the VM without it",
                      check=lambda answers: "" if answers.flag(name) else "must go too")  # fmt: skip

    fields: list[Toggle] = []
    if saved:
        fields.append(must("save", "delete saved memory"))
    if snapshots:
        fields.append(must("snapshots", "forget snapshots"))
    if firmware:
        fields.append(Toggle("nvram", "delete NVRAM", hint="the variables of its firmware"))
    fields += [_volume_field(view, guests[0], disk) for disk in disks]

    def warn(answers: Answers) -> Sequence[str]:
        gone = [disk.source for disk in disks if answers.flag(f"volume {disk.target}")]
        said = [f"{source} is deleted for good" for source in gone]
        if gone and blind:
            said.append(f"what in pool {', '.join(blind)} stands on it nobody knows: not active")
        if disks and len(gone) < len(disks):
            said.append("volumes that are not chosen stay, without a VM")
        return said

    many = ("the volumes of all of them stay",) if len(guests) > 1 else ()
    return Form(f"undefine {subject(guests)}", fields, about=("what is stored of it is forgotten", *many), warn=warn)


def _volume_field(view: View, guest: Guest, disk: Disk) -> Toggle:
    name = f"volume {disk.target}"
    reason = needed_by(view, guest.backend, disk.source, guest.domain.metadata.name).words
    return Toggle(
        name,
        f"delete {disk.target}",
        hint=reason or disk.source,
        check=lambda answers: reason if answers.flag(name) else "",
    )


async def _undefine(backend: Backend, guest: Guest, answers: Answers) -> None:
    definitions = able(backend, Definitions)  # type: ignore[type-abstract]
    volumes = tuple(disk.source for disk in _own_disks(guest) if answers.flag(f"volume {disk.target}"))
    removal = Removal(
        save=answers.flag("save"), nvram=answers.flag("nvram"), snapshots=answers.flag("snapshots"), volumes=volumes
    )
    await definitions.undefine(guest.ref, removal)


def _undefine_when(guest: Guest) -> str:
    reason = why_not(guest)
    if reason:
        return reason
    if guest.domain.active:
        return "it runs: stop it first"
    return ""


def _snapshots(backend: Backend) -> Snapshots:
    return able(backend, Snapshots)  # type: ignore[type-abstract]


def _at_once(_before: Guest, _now: Guest) -> bool:
    """It returns when it is done."""
    return True


COPIES: tuple[Action[Guest], ...] = (
    Action(
        id="vm.snapshot",
        command="snapshot",
        key="",
        label="take snapshot",
        help="Keep the present state of the VM, to go back to it.",
        needs=NEEDS,
        when=_take_when,
        form=_take_form,
        reads=(SNAPSHOTS,),
        run=_take,
        settled=_at_once,
        awaits="taking a snapshot",
        usual=120.0,
        footer=False,
    ),
    Action(
        id="vm.revert",
        command="revert",
        key="",
        label="revert to snapshot",
        help="Take the VM back to a snapshot; what came after it is lost.",
        needs=NEEDS,
        when=_has_snapshots,
        form=_revert_form,
        reads=(SNAPSHOTS, STORAGE_VOLUMES),
        run=_revert,
        single=True,
        settled=_at_once,
        awaits="reverting",
        danger=Danger.TYPE,
        usual=120.0,
        footer=False,
    ),
    Action(
        id="vm.delete_snapshot",
        command="delete-snapshot",
        key="",
        label="delete snapshot",
        help="Delete a snapshot of the VM.",
        needs=NEEDS,
        when=_has_snapshots,
        form=_delete_form,
        reads=(SNAPSHOTS,),
        run=_delete,
        single=True,
        settled=_at_once,
        awaits="deleting a snapshot",
        danger=Danger.TYPE,
        usual=120.0,
        footer=False,
    ),
    Action(
        id="vm.clone",
        command="clone",
        key="",
        label="clone",
        help="Make a VM like this one, with copies of its disks or with disks that hold only what differs.",
        needs=NEEDS,
        when=_clone_when,
        form=_clone_form,
        run=_clone,
        single=True,
        settled=_at_once,
        awaits="being cloned",
        danger=Danger.ASK,
        usual=600.0,
        footer=False,
    ),
    Action(
        id="vm.undefine",
        command="undefine",
        key="",
        label="undefine",
        help="Forget the VM; what else goes, its volumes too, is chosen one by one.",
        needs=NEEDS,
        when=_undefine_when,
        form=_undefine_form,
        reads=(POOLS, STORAGE_VOLUMES),
        run=_undefine,
        settled=_at_once,
        vanishes=lambda _row: True,
        awaits="being undefined",
        danger=Danger.TYPE,
        footer=False,
    ),
)
