"""What can be done to claims, and how they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kvtui.backends.base import Backend, Permission
from kvtui.errors import ConflictError
from kvtui.joins.disk import ClaimRow, tell_end
from kvtui.joins.holdups import hold_growth
from kvtui.model import Ref
from kvtui.records.base import is_true
from kvtui.records.kubernetes import Claim
from kvtui.resources import products, storage
from kvtui.resources.base import Action, Danger, Site, objects
from kvtui.resources.disk_users import warn_users
from kvtui.resources.form import Answers, Choice, Form, Number, Option
from kvtui.resources.storage import Facts
from kvtui.store import View
from kvtui.text import name_few, quantity, size

FILE_SYSTEM_PENDING: Final = "FileSystemResizePending"
"""The volume has grown, the file system on it grows when a pod uses it next."""
RESIZING: Final = "Resizing"
_GIB: Final = 2**30
_MUCH: Final = 4
"""From how many times its size on a new one may be a slip."""


# Create ------------------------------------------------------------------------------------------------------------


def _create_form(view: View, sites: Sequence[Site], facts: Facts) -> Form:
    (site,) = sites
    taken: dict[str, set[str]] = {}
    for ref, _ in view.items(Claim, site.backend):
        taken.setdefault(ref.namespace, set()).add(ref.name)

    def modes(answers: Answers) -> Sequence[Option]:
        sets = facts.sets(answers.text("class"))
        found = dict.fromkeys(mode for one in sets for mode in one.access_modes) or dict.fromkeys(storage.MODES)
        return [Option(mode, note=storage.MODES.get(mode, "")) for mode in found]

    return Form(
        f"new claim in {site.backend}",
        (
            storage.name_field({key: frozenset(names) for key, names in taken.items()}, "a PVC"),
            storage.namespace_field(view, site),
            storage.size_field(named=True, hint="GiB, or 20Gi"),
            storage.class_field(facts, virtual=False),
            Choice("access", "access mode", options=modes),
            Choice("mode", "volume mode", options=(
                Option("Filesystem", note="the disk is a file in it"), Option("Block", note="it is the disk itself"),
            )),
        ),
        about=("an empty volume: a VM finds no disk on a file system that nobody has put one on",),
    )  # fmt: skip


async def _create(backend: Backend, site: Site, answers: Answers) -> Ref:
    ref = Ref(site.backend, Claim.KIND, answers.text("namespace") or site.namespace, answers.text("name"))
    return await objects(backend).create(ref, {"spec": storage.storage_spec(answers, answers.number("size"))})


# Delete ------------------------------------------------------------------------------------------------------------


def _why_gone(row: ClaimRow) -> str:
    return "it is being deleted already" if row.claim.metadata.deletion_timestamp else ""


def _warn_delete(row: ClaimRow) -> tuple[str, ...]:
    said = [f"all data on its {size(row.size)} is lost, unless the class keeps volumes"]
    if row.claim.status.phase != "Bound":
        said = ["no volume was bound to it yet"]
    if row.volume is not None:
        said.append(f"DataVolume {row.claim.metadata.name} made it and is left without it: delete that one instead")
    if row.dumps:
        said.append(f"the memory of VM {name_few(row.dumps, 3)} is dumped to it: take the memory dump off that first")
    return (*said, *warn_users(row.users))


def _hold_delete(_view: View, _before: ClaimRow, now: ClaimRow, _clock: float) -> str:
    return tell_end(now) if now.claim.metadata.deletion_timestamp else ""


async def _delete(backend: Backend, row: ClaimRow) -> None:
    await objects(backend).delete(row.ref)


# Resize ------------------------------------------------------------------------------------------------------------


def _resize_when(row: ClaimRow) -> str:
    if _why_gone(row):
        return _why_gone(row)
    return "" if row.claim.status.phase == "Bound" else "only a claim that is bound can grow"


async def _prepare_resize(backends: Mapping[str, Backend], _view: View, rows: Sequence[ClaimRow]) -> Facts:
    """The classes there are. Raises ConflictError where that of the claim is known not to allow it."""
    (row,) = rows
    facts = await storage.read_facts(backends[row.backend])
    name = row.claim.spec.storage_class_name or ""
    found = facts.classes.get(name)
    if found is not None and not found.allow_volume_expansion:
        raise ConflictError(f"storage class {name} lets no claim grow", "its allowVolumeExpansion is not set")
    return facts


def _resize_form(_view: View, rows: Sequence[ClaimRow], _facts: Facts) -> Form:
    (row,) = rows
    asked = quantity(row.claim.spec.resources.requests.get("storage")) or row.size or 0
    least = int(asked // _GIB) + 1

    def warn(answers: Answers) -> Sequence[str]:
        times = (answers.number("size") or 0) * _GIB / asked if asked else 0.0
        much = f": {times:.0f} times of what it has" if times >= _MUCH else ""
        said = [f"it cannot be made smaller again{much}"]
        if row.claim.spec.volume_mode != "Block":
            said.append("the file system that holds the image grows when a pod uses it, and then the image")
        sees = "the guest sees a larger disk soon, and" if any(user.running for user in row.users) else "the guest"
        return [*said, f"{sees} has to grow the file system on it itself"]

    return Form(
        f"resize {row.ref.path}",
        (Number("size", "size", unit="GiB", least=least, default=str(least), hint=f"now {size(asked)}", named=True),),
        warn=warn,
    )


async def _resize(backend: Backend, row: ClaimRow, answers: Answers) -> None:
    amount = f"{answers.number('size')}Gi"
    patch = {"spec": {"resources": {"requests": {"storage": amount}}}}
    await objects(backend).patch(row.ref, patch, verb=f"resize to {amount}")


def _has_grown(before: ClaimRow, now: ClaimRow) -> bool:
    if is_true(now.claim.status.conditions, FILE_SYSTEM_PENDING):
        return True
    return now.claim.status.capacity.get("storage") != before.claim.status.capacity.get("storage")


def _tell_growth(_before: ClaimRow, now: ClaimRow) -> str:
    if is_true(now.claim.status.conditions, FILE_SYSTEM_PENDING):
        return hold_growth(now.claim)
    return f"it has {now.claim.status.capacity.get('storage', '?')}"


ACTIONS: tuple[Action[ClaimRow], ...] = (
    Action(
        id="pvc.resize",
        command="resize",
        key="plus",
        label="resize",
        help="Make the claim larger, where its storage class allows that.",
        needs=Permission("patch", "", "persistentvolumeclaims"),
        when=_resize_when,
        prepare=_prepare_resize,
        form=_resize_form,
        run=_resize,
        settled=_has_grown,
        remark=_tell_growth,
        awaits="growing",
        danger=Danger.ASK,
        single=True,
        usual=120.0,
        holds=lambda _view, _before, now, _clock: hold_growth(now.claim),
    ),
    Action(
        id="pvc.delete",
        command="delete",
        key="ctrl+d",
        label="delete",
        help="Delete the claim, and its volume with all data unless its class keeps that.",
        needs=Permission("delete", "", "persistentvolumeclaims"),
        when=_why_gone,
        run=_delete,
        settled=lambda _before, _now: False,
        shown=lambda _before, now: bool(now.claim.metadata.deletion_timestamp),
        holds=_hold_delete,
        vanishes=lambda _row: True,
        awaits="deleting",
        danger=Danger.TYPE,
        warn=_warn_delete,
    ),
)

MAKERS: tuple[Action[Site], ...] = (
    Action(
        id="pvc.create",
        command="create",
        key="n",
        label="new",
        help="Make an empty claim.",
        needs=Permission("create", "", "persistentvolumeclaims"),
        when=storage.on_kubernetes,
        prepare=storage.prepare_facts,
        form=_create_form,
        run=_create,
        settled=lambda _before, _now: True,
        makes=products.CLAIM,
        lasts=120.0,
        awaits="creating",
    ),
)
