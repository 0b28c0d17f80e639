"""Snapshots, restores, clones, exports and memory dumps of VMs: what is possible, what is said, what is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest

from kvtui.backends.base import Backend
from kvtui.cli.fields import fill_form
from kvtui.demo import kinds
from kvtui.demo.world import World
from kvtui.errors import ConfigError
from kvtui.joins.machine import Machine
from kvtui.model import Cell, Platform, Ref, Tone
from kvtui.records.copies import Reference, VmExport, VmRestore
from kvtui.records.kubevirt import InstanceStatus, VirtualMachineInstance
from kvtui.resources import pvc_export, resources_for, vm_clone, vm_copies, vm_export, vm_restore, vm_snapshot
from kvtui.resources.base import AnyAction, AnyResource
from kvtui.resources.form import Choice, Draft
from kvtui.store import Drop, Put, Store
from kvtui.text import clean
from tests.demo.worlds import START
from tests.machines import Object, store_of

NOW = START.timestamp()
KINDS = (kinds.SNAPSHOT, kinds.RESTORE, kinds.CLONE, kinds.EXPORT, kinds.VM, kinds.VMI, kinds.PVC)


@cache
def served() -> str:
    """The demo cluster's own, as they are served."""
    world = World(60, 0, START)
    return json.dumps([obj for kind in KINDS for obj in world.storage.list(kind)])


def copies(edit: Callable[[dict[str, Object]], None] | None = None) -> Store:
    """A store of the demo cluster's copies and machines; `edit` gets them by name, first of all those that copy."""
    items: list[Object] = json.loads(served())
    if edit is not None:
        edit({item["metadata"]["name"]: item for item in reversed(items)})
    store = store_of(items)
    store.drain()
    return store


def row_of(resource: AnyResource, name: str, store: Store) -> Any:
    ref = next(ref for ref in resource.refs(store) if ref.name == name)
    return resource.row(store, ref)


def machine(name: str, store: Store) -> Machine:
    vms = next(one for one in resources_for([Platform.KUBERNETES]) if one.name == "vms")
    found = row_of(vms, name, store)
    assert isinstance(found, Machine)
    return found


def action(name: str, actions: tuple[AnyAction, ...]) -> AnyAction:
    return next(found for found in actions if found.id == name)


class Recorder:
    """A backend that keeps what it is asked to do."""

    name = "c"
    info: Any = None

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    async def read(self, ref: Ref) -> dict[str, object]:
        raise AssertionError(ref)

    async def read_all(self, ref: Ref) -> list[dict[str, object]]:
        raise AssertionError(ref)

    async def create(self, ref: Ref, body: Any, *, verb: str = "create", about: Ref | None = None) -> Ref:
        self.done.append(("create", ref.kind, ref.path, dict(body)))
        return ref

    async def patch(self, ref: Ref, patch: Any, *, verb: str, version: str = "", about: Ref | None = None) -> None: ...

    async def replace(self, ref: Ref, body: Any, *, verb: str = "edit") -> None: ...

    async def delete(self, ref: Ref, *, verb: str = "delete", grace: int | None = None, orphan: bool = False) -> None:
        self.done.append(("delete", ref.kind, ref.path, ref.uid != ""))

    async def call(
        self, ref: Ref, subresource: str, options: Any = None, *, verb: str = "", instance: bool = False
    ) -> None:
        self.done.append(("call", ref.path, subresource, options))


async def run(chosen: AnyAction, row: Any, store: Store, **typed: str | bool) -> list[tuple[Any, ...]]:
    """What is asked of the server when the form is filled in so."""
    backend = Recorder()
    doing: Backend = backend  # type: ignore[assignment]
    if chosen.form is None:
        await chosen.run(doing, row)
        return backend.done
    draft = draft_of(chosen, row, store, **typed)
    assert draft.refusal == ""
    await chosen.run(doing, row, draft.answers)
    return backend.done


def draft_of(chosen: AnyAction, row: Any, store: Store, **typed: str | bool) -> Draft:
    assert chosen.form is not None
    draft = Draft(chosen.form(store, [row]))
    for name, value in typed.items():
        draft.put(name, value)
    return draft


def said(chosen: AnyAction, row: Any, store: Store, **typed: str | bool) -> str:
    """All warnings, of the row and of the answers."""
    draft = draft_of(chosen, row, store, **typed)
    return "\n".join([*chosen.warn(row), *draft.warnings])


def _reference(kind: str, name: str, group: str = "kubevirt.io") -> Object:
    return {"apiGroup": group, "kind": kind, "name": name}


SNAPSHOT_ACTIONS = {found.id: found for found in vm_snapshot.ACTIONS}
VM_ACTIONS = {found.id: found for found in vm_copies.ACTIONS}


@pytest.mark.parametrize("resource", [vm_snapshot.RESOURCE, vm_restore.RESOURCE, vm_clone.RESOURCE, vm_export.RESOURCE])
def test_every_copy_of_the_demo_cluster_shows_in_every_column(resource: AnyResource) -> None:
    store = copies()
    refs = list(resource.refs(store))
    assert len(refs) >= 2
    for ref in refs:
        row = resource.row(store, ref)
        assert row is not None
        assert resource.ref(row) == ref
        for column in resource.columns:
            cell = column.cell(row, NOW)
            assert isinstance(cell, Cell)
            assert cell.text == clean(cell.text), column.title
        assert resource.health(row, NOW).word
        assert all(isinstance(value, str) for value in resource.fields(row).values())


@pytest.mark.parametrize(
    ("resource", "name", "tone", "word", "reason"),
    [
        (vm_snapshot.RESOURCE, "postgres-1-before-upgrade", Tone.OK, "Ready", "restore postgres-1-rollback"),
        (vm_snapshot.RESOURCE, "mssql-1-nightly", Tone.BAD, "Failed", "snapshot deadline exceeded; VolumeSnapshot"),
        (vm_snapshot.RESOURCE, "orders-db-1-before-move", Tone.WARN, "Ready,partial", "not in it: data"),
        (vm_restore.RESOURCE, "postgres-1-rollback", Tone.WARN, "Waiting", "postgres-1 runs: it waits"),
        (vm_restore.RESOURCE, "catalog-2-undo-release-41", Tone.OK, "Complete", ""),
        (vm_clone.RESOURCE, "orders-db-copy", Tone.BAD, "Failed", "does not support snapshots"),
        (vm_clone.RESOURCE, "frontend-for-load-test", Tone.OK, "Succeeded", ""),
        (vm_export.RESOURCE, "spark-5-to-lab", Tone.OK, "Ready", ""),
        (vm_export.RESOURCE, "frontend-2-offsite", Tone.WARN, "Pending", "web/frontend-2 is running: it waits"),
    ],
)
def test_health_says_what_to_look_at(resource: AnyResource, name: str, tone: Tone, word: str, reason: str) -> None:
    health = resource.health(row_of(resource, name, copies()), NOW)
    assert (health.tone, health.word) == (tone, word)
    assert reason in health.reason


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({"phase": "InProgress", "readyToUse": False}, "InProgress"),
        ({"phase": "Succeeded", "readyToUse": False, "error": {"message": "gone"}}, "NotReady"),
        ({"phase": "Failed"}, "Failed"),
        ({}, "InProgress"),
    ],
)
def test_a_snapshot_that_is_not_ready_is_not_restored(status: Object, word: str) -> None:
    def edit(items: dict[str, Object]) -> None:
        items["sap-app-1-monthly"]["status"] = status

    row = row_of(vm_snapshot.RESOURCE, "sap-app-1-monthly", copies(edit))
    assert vm_snapshot.RESOURCE.health(row, NOW).word == word
    for name in ("snapshot.restore", "snapshot.clone", "snapshot.export"):
        assert SNAPSHOT_ACTIONS[name].when(row)
    assert SNAPSHOT_ACTIONS["snapshot.delete"].when(row) == ""


async def test_a_snapshot_is_taken_with_its_deadline() -> None:
    store = copies()
    row = machine("checkout-1", store)
    done = await run(VM_ACTIONS["vm.snapshot"], row, store, name="before", minutes="10")
    spec = {"source": _reference("VirtualMachine", "checkout-1"), "failureDeadline": "10m"}
    assert done == [("create", "VirtualMachineSnapshot", "shop/before", {"spec": spec})]


def test_a_snapshot_says_what_will_not_be_in_it() -> None:
    store = copies()
    words = said(VM_ACTIONS["vm.snapshot"], machine("orders-db-1", store), store)
    assert "data will not be in it: No VolumeSnapshotClass" in words
    assert "cloudinit" not in words


def test_a_snapshot_that_holds_no_disk_says_so_and_names_what_is_left_out() -> None:
    store = copies()
    words = said(VM_ACTIONS["vm.snapshot"], machine("cache-2", store), store)
    assert words.splitlines() == [
        "no disk will be in it, only the VM's spec",
        "rootdisk will not be in it: it is a container disk",
    ]


def test_a_container_disk_beside_disks_on_claims_is_named() -> None:
    def add(named: dict[str, Object]) -> None:
        spec = named["checkout-1"]["spec"]["template"]["spec"]
        spec["volumes"] += [{"name": "tools", "containerDisk": {"image": "t"}}, {"name": "tmp", "emptyDisk": {}}]

    store = copies(add)
    assert said(VM_ACTIONS["vm.snapshot"], machine("checkout-1", store), store).splitlines() == [
        "tools will not be in it: it is a container disk",
        "tmp will not be in it: it is an empty disk",
    ]


def test_a_snapshot_of_a_guest_without_agent_says_so() -> None:
    store = copies()
    row = machine("checkout-1", store)
    assert said(VM_ACTIONS["vm.snapshot"], row, store) == ""
    assert row.vmi is not None
    kept = tuple(one for one in row.vmi.status.conditions if one.type != "AgentConnected")
    silent = replace(row, vmi=msgspec.structs.replace(row.vmi, status=InstanceStatus(phase="Running", conditions=kept)))
    assert "no guest agent is connected" in said(VM_ACTIONS["vm.snapshot"], silent, store)


@pytest.mark.parametrize(("name", "words"), [("Upper", "small letters"), ("a" * 64, "at most 63"), ("s1", "")])
def test_names_are_checked_before_the_server_does(name: str, words: str) -> None:
    store = copies()
    draft = draft_of(VM_ACTIONS["vm.snapshot"], machine("checkout-1", store), store, name=name)
    assert words in draft.refusal if words else draft.refusal == ""


def test_a_name_that_is_taken_is_refused() -> None:
    store = copies()
    draft = draft_of(VM_ACTIONS["vm.snapshot"], machine("checkout-2", store), store, name="checkout-2-nightly")
    assert "there is a snapshot of that name" in draft.refusal


async def test_a_restore_in_place_says_what_is_lost_and_stops_the_vm() -> None:
    store = copies()
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    chosen = SNAPSHOT_ACTIONS["snapshot.restore"]
    words = said(chosen, row, store)
    assert "what was written to rootdisk since it was taken is lost" in words
    assert "the VM runs and is shut down for it" in words
    done = await run(chosen, row, store)
    spec = {
        "target": _reference("VirtualMachine", "checkout-2"),
        "targetReadinessPolicy": "StopTarget",
        "virtualMachineSnapshotName": "checkout-2-nightly",
    }
    assert done == [("create", "VirtualMachineRestore", "shop/checkout-2-nightly-", {"spec": spec})]


def test_a_command_has_to_say_what_a_restore_overwrites_and_what_becomes_of_the_running_vm() -> None:
    store = copies()
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    form = draft_of(SNAPSHOT_ACTIONS["snapshot.restore"], row, store).form
    with pytest.raises(ConfigError, match="needs --target") as caught:
        fill_form(form, {})
    assert caught.value.detail == "there is in-place, new"
    with pytest.raises(ConfigError, match="needs --policy") as caught:
        fill_form(form, {"target": "in-place"})
    assert caught.value.detail == "there is StopTarget, WaitEventually, WaitGracePeriod"


async def test_a_vm_that_was_off_is_not_stopped_when_somebody_starts_it_before_it_is_taken_back() -> None:
    store = copies()
    store.apply([Drop(ref.backend, VirtualMachineInstance, ref.namespace, ref.name, ref.uid)
                 for ref, _ in [*store.items(VirtualMachineInstance)]])  # fmt: skip
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    (done,) = await run(SNAPSHOT_ACTIONS["snapshot.restore"], row, store)
    assert done[3]["spec"]["targetReadinessPolicy"] == "WaitGracePeriod"


async def test_a_restore_into_a_new_vm_warns_of_two_with_one_identity() -> None:
    store = copies()
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    chosen = SNAPSHOT_ACTIONS["snapshot.restore"]
    words = said(chosen, row, store, target="new")
    assert "it has the serial and UUID of the original: never run both; a clone has its own" in words
    (done,) = await run(chosen, row, store, target="new", name="checkout-9")
    assert done[3]["spec"]["target"]["name"] == "checkout-9"
    assert "there is a VM" in draft_of(chosen, row, store, target="new", name="checkout-1").refusal


def test_a_restore_into_a_new_vm_tells_of_mac_addresses_where_the_spec_has_them() -> None:
    def declare(named: dict[str, Object]) -> None:
        spec = named["checkout-2"]["spec"]["template"]["spec"]
        spec["domain"]["devices"]["interfaces"][0]["macAddress"] = "02:00:00:00:00:01"

    store = copies(declare)
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    words = said(SNAPSHOT_ACTIONS["snapshot.restore"], row, store, target="new")
    assert "it has the MAC addresses, serial and UUID of the original" in words


def test_disks_that_a_restore_does_not_bring_back_are_named() -> None:
    store = copies()
    row = row_of(vm_snapshot.RESOURCE, "orders-db-1-before-move", store)
    assert "data stays as it is" in said(SNAPSHOT_ACTIONS["snapshot.restore"], row, store)


def test_a_second_restore_waits_for_the_first() -> None:
    row = row_of(vm_snapshot.RESOURCE, "postgres-1-before-upgrade", copies())
    assert "postgres-1-rollback is under way" in SNAPSHOT_ACTIONS["snapshot.restore"].when(row)
    assert SNAPSHOT_ACTIONS["snapshot.delete"].warn(row) == ("restore postgres-1-rollback needs it and will fail",)


def test_deleting_a_snapshot_names_the_exports_that_end_with_it() -> None:
    store = copies()
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    assert SNAPSHOT_ACTIONS["snapshot.delete"].warn(row) == ()
    export = next(one for _, one in store.items(VmExport))
    source = Reference(kind="VirtualMachineSnapshot", name=row.snapshot.metadata.name)
    other = msgspec.structs.replace(export, spec=msgspec.structs.replace(export.spec, source=source))
    other.metadata = msgspec.structs.replace(
        export.metadata, name="nightly", namespace=row.snapshot.metadata.namespace, uid="nightly"
    )
    store.apply([Put(row.backend, other)])
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    words = "export nightly offers its disks and ends with it: a download breaks off"
    assert SNAPSHOT_ACTIONS["snapshot.delete"].warn(row) == (words,)


def test_a_restore_in_place_waits_for_that_of_another_snapshot() -> None:
    store = copies()
    first = next(one for _, one in store.items(VmRestore) if one.metadata.name == "postgres-1-rollback")
    target = msgspec.structs.replace(first.spec.target, name="checkout-2")
    other = msgspec.structs.replace(first, spec=msgspec.structs.replace(first.spec, target=target))
    other.metadata = msgspec.structs.replace(first.metadata, name="another", uid="another")
    row = row_of(vm_snapshot.RESOURCE, "checkout-2-nightly", store)
    store.apply([Put(row.backend, other)])
    form = draft_of(SNAPSHOT_ACTIONS["snapshot.restore"], row, store).form
    field = form.fields[0]
    assert isinstance(field, Choice)
    assert not callable(field.options)
    assert [option.reason for option in field.options] == ["restore another is under way: delete that first", ""]


async def test_a_clone_has_its_own_identity() -> None:
    store = copies()
    row = machine("checkout-1", store)
    chosen = VM_ACTIONS["vm.clone"]
    (done,) = await run(chosen, row, store, name="copy-1")
    both = {"source": _reference("VirtualMachine", "checkout-1"), "target": _reference("VirtualMachine", "copy-1")}
    assert done == ("create", "VirtualMachineClone", "shop/copy-1-", {"spec": both})
    typed: dict[str, str | bool] = {
        "name": "copy-1",
        "labels": False,
        "mac-default": "02:00:00:00:00:01",
        "serial": "S1",
    }
    (done,) = await run(chosen, row, store, **typed)
    assert done[3]["spec"] == both | {
        "labelFilters": ["!*"],
        "template": {"labelFilters": ["!*"]},
        "newMacAddresses": {"default": "02:00:00:00:00:01"},
        "newSMBiosSerial": "S1",
    }
    assert "hexadecimal" in draft_of(chosen, row, store, **(typed | {"mac-default": "nonsense"})).refusal


def test_a_vm_with_a_disk_that_cannot_be_snapshotted_is_not_cloned() -> None:
    assert "data cannot be copied: No VolumeSnapshotClass" in VM_ACTIONS["vm.clone"].when(
        machine("orders-db-1", copies())
    )


@pytest.mark.parametrize("name", sorted(VM_ACTIONS))
@pytest.mark.parametrize(("field", "words"), [("snapshotInProgress", "snapshot x"), ("restoreInProgress", "restore x")])
def test_a_vm_that_is_held_is_not_copied(name: str, field: str, words: str) -> None:
    def edit(items: dict[str, Object]) -> None:
        items["checkout-1"]["status"][field] = "x"

    assert words in VM_ACTIONS[name].when(machine("checkout-1", copies(edit)))


async def test_an_export_of_a_running_vm_says_that_it_waits() -> None:
    store = copies()
    running, off = machine("checkout-1", store), machine("spark-5", store)
    chosen = VM_ACTIONS["vm.export"]
    assert "waits until it is off" in said(chosen, running, store)
    assert said(chosen, off, store) == ""
    (done,) = await run(chosen, off, store, name="out", hours="12")
    spec = {"source": _reference("VirtualMachine", "spark-5"), "ttlDuration": "12h"}
    assert done == ("create", "VirtualMachineExport", "data/out", {"spec": spec})
    assert chosen.when(machine("runner-1", store)) == "it has no disks on claims"


async def test_a_snapshot_and_a_claim_are_exported_by_their_kinds() -> None:
    store = copies()
    row = row_of(vm_snapshot.RESOURCE, "sap-app-1-monthly", store)
    (done,) = await run(SNAPSHOT_ACTIONS["snapshot.export"], row, store, name="a")
    assert done[3]["spec"]["source"] == _reference(
        "VirtualMachineSnapshot", "sap-app-1-monthly", "snapshot.kubevirt.io"
    )
    claims = next(one for one in resources_for([Platform.KUBERNETES]) if one.name == "pvcs")
    claim = row_of(claims, "checkout-1-root", store)
    (chosen,) = pvc_export.ACTIONS
    assert "until checkout-1 is off" in said(chosen, claim, store)
    (done,) = await run(chosen, claim, store, name="b")
    assert done[3]["spec"]["source"] == {"kind": "PersistentVolumeClaim", "name": "checkout-1-root"}


def test_a_snapshot_without_disks_is_not_exported() -> None:
    row = row_of(vm_snapshot.RESOURCE, "orders-db-1-before-move", copies())
    assert SNAPSHOT_ACTIONS["snapshot.export"].when(row) == "there are no disks in it"


def test_the_size_of_a_dump_is_that_of_the_memory_and_more() -> None:
    # 8 GiB and 100 MiB, with the 6 % of a file system, in whole MiB.
    assert vm_copies.dump_size(machine("checkout-1", copies())) == 8790 * 2**20


async def test_a_dump_makes_its_claim_first() -> None:
    store = copies()
    row = machine("checkout-1", store)
    claim, call = await run(VM_ACTIONS["vm.memory_dump"], row, store, name="dump", **{"class": "cephfs"})
    assert claim[:3] == ("create", "PersistentVolumeClaim", "shop/dump")
    assert claim[3]["spec"]["resources"] == {"requests": {"storage": "8790Mi"}}
    assert claim[3]["spec"]["volumeMode"] == "Filesystem"
    assert call == ("call", "shop/checkout-1", "memorydump", {"claimName": "dump"})


def test_claims_that_are_too_small_for_a_dump_are_offered_with_the_reason() -> None:
    def edit(items: dict[str, Object]) -> None:
        claim = items["checkout-3-root"]
        claim["spec"]["volumeMode"] = "Filesystem"
        claim["metadata"]["name"] = "small"
        claim["status"]["capacity"] = {"storage": "1Gi"}

    store = copies(edit)
    draft = draft_of(VM_ACTIONS["vm.memory_dump"], machine("checkout-1", store), store, claim="small")
    assert "too small: 1Gi of 8.6Gi" in draft.refusal


@pytest.mark.parametrize(
    ("request_", "dump", "remove"),
    [
        (None, "", "no claim for dumps"),
        ({"claimName": "d", "phase": "InProgress"}, "a dump to d is under way", ""),
        ({"claimName": "d", "phase": "Completed"}, "", ""),
        ({"claimName": "d", "phase": "Dissociating", "remove": True}, "a dump to d is under way", "taken off already"),
    ],
)
def test_dumps_and_their_removal_are_possible_by_their_phases(request_: Object | None, dump: str, remove: str) -> None:
    def edit(items: dict[str, Object]) -> None:
        items["checkout-1"]["status"]["memoryDumpRequest"] = request_

    row = machine("checkout-1", copies(edit))
    for name, words in (("vm.memory_dump", dump), ("vm.remove_memory_dump", remove)):
        reason = VM_ACTIONS[name].when(row)
        assert words in reason if words else reason == ""


def test_an_export_offers_what_can_be_had() -> None:
    store = copies()
    (download, _) = vm_export.RESOURCE.actions
    row = row_of(vm_export.RESOURCE, "spark-5-to-lab", store)
    draft = draft_of(download, row, store)
    assert draft.answers.text("volume") == "spark-5-root"
    assert draft.answers.text("format") == "gzip"
    waiting = row_of(vm_export.RESOURCE, "frontend-2-offsite", store)
    assert "it is Pending: Virtual Machine web/frontend-2 is running" in download.when(waiting)


def test_a_file_that_is_there_wants_to_be_overwritten(tmp_path: Any) -> None:
    store = copies()
    (download, _) = vm_export.RESOURCE.actions
    row = row_of(vm_export.RESOURCE, "spark-5-to-lab", store)
    file = tmp_path / "d.img.gz"
    file.write_bytes(b"")
    assert "there already" in draft_of(download, row, store, file=str(file)).refusal
    assert draft_of(download, row, store, file=str(file), overwrite=True).refusal == ""
    assert "no folder" in draft_of(download, row, store, file=str(tmp_path / "no" / "d")).refusal


@pytest.mark.parametrize("resource", [vm_restore.RESOURCE, vm_clone.RESOURCE, vm_export.RESOURCE])
async def test_records_of_copies_are_deleted_by_their_uid(resource: AnyResource) -> None:
    store = copies()
    row = resource.row(store, next(iter(resource.refs(store))))
    chosen = next(found for found in resource.actions if found.id.endswith(".delete"))
    assert chosen.when(row) == ""
    (done,) = await run(chosen, row, store)
    assert done[0] == "delete"
    assert done[3] is True
