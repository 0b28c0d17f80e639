"""Taking a VM back to one of its snapshots, by the VM's own name; kubevirt-api.md 2.8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kvtui.backends.base import Backend
from kvtui.errors import ConflictError
from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.records.copies import VmRestore, VmSnapshot
from kvtui.resources import products, sources
from kvtui.resources.base import Action, Danger, objects
from kvtui.resources.copying import MAY_RESTORE, policy_field, restore_body, why_no_restore
from kvtui.resources.form import Answers, Choice, Form, Option
from kvtui.store import View


def _when(machine: Machine) -> str:
    if machine.vm is None:
        return "it is an instance without a VM"
    if machine.vm.metadata.deletion_timestamp:
        return "the VM is being deleted"
    restore = machine.vm.status.restore_in_progress
    return f"restore {restore} is under way" if restore else ""


def _snapshots(view: View, machine: Machine) -> list[VmSnapshot]:
    """Those of this very VM, the newest first."""
    uids = {"", machine.record.metadata.uid}
    found = [one for _, one in view.linked(VmSnapshot, machine.backend, "vm", machine.ref.path)]
    own = [one for one in found if one.status.source_uid in uids]
    return sorted(own, key=lambda one: (one.status.creation_time or "", one.metadata.name), reverse=True)


def _offer(snapshot: VmSnapshot) -> Option:
    taken = (snapshot.status.creation_time or "").replace("T", " ").replace("Z", " UTC")
    included = ", ".join(snapshot.status.snapshot_volumes.included_volumes) or "no disks"
    ready = snapshot.status.ready_to_use and not snapshot.metadata.deletion_timestamp
    return Option(
        snapshot.metadata.name,
        note=f"{taken}, holds {included}" if taken else f"holds {included}",
        reason="" if ready else f"it is not ready: {snapshot.status.phase or 'Pending'}",
    )


async def _find(_backends: Mapping[str, Backend], view: View, machines: Sequence[Machine]) -> list[VmSnapshot]:
    """Raises ConflictError where there is none, or none can be gone back to now."""
    (machine,) = machines
    if reason := why_no_restore(view, machine.backend, machine.ref.path):
        raise ConflictError(f"{machine.ref.path} cannot be taken back now", reason)
    found = _snapshots(view, machine)
    if not found:
        raise ConflictError(f"{machine.ref.path} has no snapshot to go back to", "take one while all is well")
    return found


def _form(_view: View, machines: Sequence[Machine], known: Sequence[VmSnapshot]) -> Form:
    (machine,) = machines
    running = machine.live is not None

    def warn(answers: Answers) -> Sequence[str]:
        chosen = next((one for one in known if one.metadata.name == answers.text("snapshot")), None)
        return _warn(machine, chosen, stops=running and answers.text("policy") == "StopTarget") if chosen else ()

    return Form(
        f"revert {machine.record.metadata.name} to a snapshot",
        (
            Choice("snapshot", "snapshot", options=[_offer(one) for one in known], named=True),
            policy_field(running=running),
        ),
        about=("a new VM of one is made among the snapshots (:snapshots), by restore",),
        warn=warn,
    )


def _warn(machine: Machine, snapshot: VmSnapshot, *, stops: bool) -> Sequence[str]:
    volumes = snapshot.status.snapshot_volumes
    included = ", ".join(volumes.included_volumes) or "no disks"
    claims = {volume.name for volume in machine.spec.volumes if volume.claim}
    said = [f"what was written to {included} since it was taken is lost, and so are changes of the VM's spec"]
    if missing := [name for name in volumes.excluded_volumes if name in claims]:
        said.append(f"{', '.join(missing)} stays as it is, however new: it is not in the snapshot")
    if "Online" in snapshot.status.indications and "GuestAgent" not in snapshot.status.indications:
        said.append("to the guest, going back is as if its power had failed: no agent brought its disks to rest")
    return [*said, "the VM runs and is shut down for it"] if stops else said


async def _revert(backend: Backend, machine: Machine, answers: Answers) -> Ref:
    snapshot, vm = answers.text("snapshot"), machine.record.metadata
    ref = Ref(machine.backend, VmRestore.KIND, vm.namespace, f"{snapshot[:40].rstrip('-')}-")
    body = restore_body(snapshot, vm.name, answers.text("policy"))
    return await objects(backend).create(ref, body, verb=f"revert to {snapshot}", about=machine.ref)


REVERT: tuple[Action[Machine], ...] = (
    Action(
        id="vm.revert",
        command="revert",
        key="",
        label="revert to snapshot",
        help="Take the VM back to a snapshot (restore); what came after it is lost.",
        needs=MAY_RESTORE,
        when=_when,
        prepare=_find,
        form=_form,
        reads=(sources.VM_SNAPSHOTS, sources.VM_RESTORES),
        run=_revert,
        target=lambda machine, _answers: machine.ref,
        single=True,
        settled=lambda _before, _now: True,
        makes=products.RESTORE,
        awaits="reverting",
        danger=Danger.TYPE,
        usual=300.0,
        footer=False,
    ),
)
