"""What the actions that copy VMs share: names, references, and the bodies of their objects; kubevirt-api.md 2.8."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final

from kvtui.backends.base import Permission
from kvtui.backends.objects import Body
from kvtui.records.base import find_condition
from kvtui.records.copies import VmRestore, VmSnapshot
from kvtui.records.kubevirt import VirtualMachine
from kvtui.resources.form import Answers, Choice, Option, Taken
from kvtui.store import View

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LONGEST: Final = 63
CORE: Final = "kubevirt.io"
SNAPSHOTS: Final = "snapshot.kubevirt.io"
MAY_SNAPSHOT: Final = Permission("create", SNAPSHOTS, "virtualmachinesnapshots")
MAY_RESTORE: Final = Permission("create", SNAPSHOTS, "virtualmachinerestores")
MAY_CLONE: Final = Permission("create", "clone.kubevirt.io", "virtualmachineclones")
MAY_EXPORT: Final = Permission("create", "export.kubevirt.io", "virtualmachineexports")
_GROUPS: Final = {VirtualMachine.KIND: CORE, VmSnapshot.KIND: SNAPSHOTS, "PersistentVolumeClaim": ""}
_OFF_POLICY: Final = "WaitGracePeriod"
"""What is to become of a VM that is started meanwhile: nobody was asked whether it may be shut down."""
LABELS_HINT: Final = "a Service that chooses by them chooses the clone too"
SAME_INSIDE: Final = "host name, keys and machine id inside are those of the original"


def check_name(name: str) -> str:
    """Why an object cannot be called so; empty when it can."""
    if len(name) > _LONGEST:
        return f"at most {_LONGEST} characters"
    return "" if _NAME.fullmatch(name) else "small letters, digits and hyphens, none of these at an end"


def fresh(field: str, taken: Collection[str], what: str) -> Callable[[Answers], str]:
    """A check of a field that names an object: it is a name, and nobody's yet."""

    def check(answers: Answers) -> str:
        name = answers.text(field)
        return check_name(name) or (Taken(f"there is {what} of that name") if name in taken else "")

    return check


def free_name(base: str, taken: Collection[str]) -> str:
    """`base`, numbered where it is taken."""
    base = base[: _LONGEST - 4].rstrip("-")
    number, found = 1, base
    while found in taken:
        number += 1
        found = f"{base}-{number}"
    return found


def reference(kind: str, name: str) -> Body:
    """How a source or a target is named."""
    group = _GROUPS[kind]
    return {**({"apiGroup": group} if group else {}), "kind": kind, "name": name}


def snapshot_body(vm: str, minutes: int | None) -> Body:
    """A snapshot of a VM, given up after so many minutes; 5 when None."""
    limit = {} if minutes is None else {"failureDeadline": f"{minutes}m"}
    return {"spec": {"source": reference(VirtualMachine.KIND, vm), **limit}}


def restore_body(snapshot: str, vm: str, policy: str) -> Body:
    """A restore of a snapshot into a VM, which is there or is made."""
    return {
        "spec": {
            "target": reference(VirtualMachine.KIND, vm),
            "targetReadinessPolicy": policy,
            "virtualMachineSnapshotName": snapshot,
        }
    }


def why_no_restore(view: View, backend: str, vm: str) -> str:
    """What keeps a restore into a VM, ``namespace/name``, from being taken: KubeVirt wants one at a time, and one that
    failed counts too (pkg/storage/admitters/vmrestore.go); empty when nothing does.
    """
    for _, restore in view.linked(VmRestore, backend, "vm", vm):
        if not restore.status.complete:
            failed = find_condition(restore.status.conditions, "Failure") is not None
            how = "has failed and is in the way: delete it first" if failed else "is under way: delete that first"
            return f"restore {restore.metadata.name} {how}"
    return ""


def policy_field(*, running: bool, asked: Callable[[Answers], bool] = lambda _answers: True) -> Choice:
    """What a restore in place does while the VM runs; asked only of one that does."""
    return Choice("policy", "while the VM runs", named=True, options=(
        Option("StopTarget", "shut it down", note="it stays off until it is started"),
        Option("WaitEventually", "wait until it is off"),
        Option("WaitGracePeriod", "wait 5 minutes for that"),
    ), default="StopTarget" if running else _OFF_POLICY, asked=lambda answers: running and asked(answers))  # fmt: skip


def clone_body(source: Body, target: str, *, labels: bool, macs: dict[str, str], serial: str) -> Body:
    """A clone; without `labels` neither VM nor guest bears those of the source. What is not given is made anew."""
    spec: dict[str, object] = {"source": source, "target": reference(VirtualMachine.KIND, target)}
    if not labels:
        spec |= {"labelFilters": ["!*"], "template": {"labelFilters": ["!*"]}}
    given = {name: mac for name, mac in macs.items() if mac}
    if given:
        spec["newMacAddresses"] = given
    if serial:
        spec["newSMBiosSerial"] = serial
    return {"spec": spec}


def export_body(kind: str, name: str, hours: int) -> Body:
    """An export, which deletes itself after so many hours; its token is made by the server."""
    return {"spec": {"source": reference(kind, name), "ttlDuration": f"{hours}h"}}
