"""Taking a VM back to a snapshot, from the VM's own menu."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kvtui.errors import ConflictError
from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.records.copies import VmRestore
from kvtui.resources import vm
from kvtui.resources.form import Answers, Choice, Form
from kvtui.store import Put, Store
from tests.machines import Object, read_machine, store_of

REVERT = next(action for action in vm.RESOURCE.actions if action.id == "vm.revert")


def snapshot(name: str, of: Object, *, uid: str = "", ready: bool = True, **status: Any) -> Object:
    meta = of["metadata"]
    return {
        "apiVersion": "snapshot.kubevirt.io/v1beta1",
        "kind": "VirtualMachineSnapshot",
        "metadata": {"name": name, "namespace": meta["namespace"], "uid": f"uid-{name}"},
        "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": meta["name"]}},
        "status": {
            "readyToUse": ready, "sourceUID": uid or meta["uid"], "phase": "Succeeded" if ready else "InProgress",
            "creationTime": f"2026-11-2{name[-1]}T01:00:00Z", **status,
        },
    }  # fmt: skip


def restore(name: str, row: Machine, **status: Any) -> VmRestore:
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": row.ref.namespace, "uid": f"uid-{name}"},
            "spec": {"target": {"kind": "VirtualMachine", "name": row.ref.name}, "virtualMachineSnapshotName": "old-1"},
            "status": status,
        },
        VmRestore,
    )


def world(name: str = "running") -> tuple[Store, Machine]:
    items = read_machine(name)
    whole = next(item for item in items if item["kind"] == "VirtualMachine")
    items += [
        snapshot("old-1", whole, snapshotVolumes={"includedVolumes": ["root"]}, indications=["Online"]),
        snapshot("new-3", whole),
        snapshot("half-2", whole, ready=False),
        snapshot("other-0", whole, uid="another"),
    ]
    store = store_of(items)
    store.drain()
    (ref,) = vm.RESOURCE.refs(store)
    row = vm.RESOURCE.row(store, ref)
    assert row is not None
    return store, row


async def draft(store: Store, row: Machine) -> Form:
    assert REVERT.prepare is not None
    assert REVERT.form is not None
    return REVERT.form(store, [row], await REVERT.prepare({}, store, [row]))


async def test_a_vm_without_snapshots_says_so() -> None:
    store, row = world()
    with pytest.raises(ConflictError, match="has no snapshot to go back to"):
        await draft(Store(), row)
    assert len((await draft(store, row)).fields) == 2


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([], "restore older is under way: delete that first"),
        ([{"type": "Failure", "status": "True"}], "restore older has failed and is in the way: delete it first"),
    ],
)
async def test_while_it_is_restored_already_it_is_not_taken_back(conditions: list[Object], words: str) -> None:
    store, row = world()
    store.apply([Put(row.backend, restore("older", row, complete=False, conditions=conditions))])
    with pytest.raises(ConflictError, match="cannot be taken back now") as caught:
        await draft(store, row)
    assert caught.value.detail == words
    store.apply([Put(row.backend, restore("older", row, complete=True, conditions=conditions))])
    assert (await draft(store, row)).fields


async def test_its_own_snapshots_are_offered_the_newest_first_and_what_is_not_ready_says_so() -> None:
    store, row = world()
    field = (await draft(store, row)).fields[0]
    assert isinstance(field, Choice)
    assert not callable(field.options)
    assert [(option.value, option.reason) for option in field.options] == [
        ("new-3", ""), ("half-2", "it is not ready: InProgress"), ("old-1", ""),
    ]  # fmt: skip


async def test_what_it_costs_is_told_of_the_snapshot_that_is_chosen() -> None:
    store, row = world()
    form = await draft(store, row)
    assert list(form.warn(Answers({"snapshot": "old-1", "policy": "StopTarget"}))) == [
        "what was written to root since it was taken is lost, and so are changes of the VM's spec",
        "to the guest, going back is as if its power had failed: no agent brought its disks to rest",
        "the VM runs and is shut down for it",
    ]
    assert "shut down" not in " ".join(form.warn(Answers({"snapshot": "old-1", "policy": "WaitEventually"})))


async def test_a_restore_of_it_into_the_vm_is_made() -> None:
    _, row = world()
    made: list[tuple[Ref, Any, Any]] = []

    class Backend:
        async def create(self, ref: Ref, body: Any, *, verb: str = "", about: Ref | None = None) -> Ref:
            made.append((ref, body, about))
            return ref

        read = read_all = patch = replace = delete = call = create

    backend: Any = Backend()
    await REVERT.run(backend, row, Answers({"snapshot": "old-1", "policy": "StopTarget"}))
    ((ref, body, about),) = made
    assert (ref.kind, ref.namespace, ref.name) == ("VirtualMachineRestore", row.ref.namespace, "old-1-")
    assert body["spec"]["virtualMachineSnapshotName"] == "old-1"
    assert body["spec"]["target"]["name"] == row.ref.name
    assert about == row.ref
