"""Disks of VMs: what can be attached and taken off, and what is said before."""

from __future__ import annotations

from typing import Any

import pytest

from kvtui.joins.machine import Machine
from kvtui.model import Ref
from kvtui.resources import vm
from kvtui.resources.base import Danger
from kvtui.resources.form import Choice, Draft
from kvtui.resources.vm_disks import attach_options
from kvtui.store import Store
from tests.disks import claim, disk_store, user, volume
from tests.machines import Object

ACTIONS = {action.id: action for action in vm.RESOURCE.actions}
ATTACH, DETACH = ACTIONS["vm.attach_disk"], ACTIONS["vm.detach_disk"]


def machine(store: Store) -> Machine:
    row = vm.RESOURCE.row(store, Ref("c", "VirtualMachine", "shop", "db"))
    assert row is not None
    return row


def plugged(*, running: bool = True, phase: str = "Ready") -> list[Object]:
    """A VM with a disk of its own and one that was attached later."""
    items = user("db", "web", running=running)
    later = {"name": "more", "dataVolume": {"name": "data", "hotpluggable": True}}
    items[0]["spec"]["template"]["spec"]["volumes"].append(later)
    for item in items[1:]:
        item["status"]["volumeStatus"] = [{"name": "root", "target": "vda"}, {"name": "more", "phase": phase}]
    return items


def draft(store: Store) -> Draft:
    assert ATTACH.form is not None
    return Draft(ATTACH.form(store, [machine(store)]))


def offered(form: Draft) -> dict[str, str]:
    field = form.form.fields[0]
    assert isinstance(field, Choice)
    return {option.value: option.reason or option.note for option in field.offer(form.answers)}


def test_datavolumes_and_claims_of_the_namespace_are_offered_each_once_with_who_has_them() -> None:
    items = [volume("web"), claim("web"), volume("data"), claim("data"), claim("plain"), claim("prime-1")]
    store = disk_store(*items, *user("db", "web"), *user("other", "data"))
    assert offered(draft(store)) == {
        "claim/plain": "claim, 10Gi",
        "datavolume/data": "datavolume, 10Gi, used by other",
        "datavolume/web": "it has it already",
    }


def test_the_body_names_the_source_by_its_kind() -> None:
    store = disk_store(claim("plain"), volume("data"), *user("db", "web"))
    form = draft(store)
    form.put("volume", "claim/plain")
    form.put("serial", "S1")
    assert attach_options(form.answers) == {
        "name": "plain",
        "disk": {"name": "plain", "disk": {"bus": "virtio"}, "serial": "S1"},
        "volumeSource": {"persistentVolumeClaim": {"claimName": "plain"}},
    }
    form.put("volume", "datavolume/data")
    form.put("name", "logs")
    assert attach_options(form.answers)["volumeSource"] == {"dataVolume": {"name": "data"}}
    assert attach_options(form.answers)["name"] == "logs"


def test_a_name_that_the_vm_has_already_is_refused() -> None:
    form = draft(disk_store(volume("data"), *user("db", "web")))
    for name, refused in (("root", True), ("Data", True), ("data-2", False)):
        form.put("name", name)
        assert bool(form.refusal) == refused, name


def test_a_free_disk_comes_first_and_that_of_another_vm_is_only_taken_when_that_is_ticked() -> None:
    items = [volume("data"), claim("data"), volume("zero"), claim("zero")]
    form = draft(disk_store(*items, *user("db", "web"), *user("other", "data")))
    assert (form.answers.text("volume"), form.refusal, list(form.warnings)) == ("datavolume/zero", "", [])
    form.put("volume", "datavolume/data")
    assert form.refusal == "share it: other has it already"
    assert form.warnings == ("other has it too: two guests that write to one file system destroy it",)
    form.put("share", True)
    assert form.refusal == ""


@pytest.mark.parametrize(
    ("status", "strategy", "mode", "told"),
    [
        ("True", "LiveMigrate", "ReadWriteOnce", "cannot be migrated live, nor its node drained, while it has it"),
        ("True", "LiveMigrateIfPossible", "ReadWriteOnce", "while it has it, and a drain of its node shuts it down"),
        ("True", "", "ReadOnlyMany", "plain is ReadOnlyMany: the VM cannot be migrated live while it has it"),
        ("True", "LiveMigrate", "ReadWriteMany", ""),
        ("True", "LiveMigrate", "", ""),
        ("False", "LiveMigrate", "ReadWriteOnce", ""),
    ],
)
def test_a_disk_that_one_node_alone_may_write_to_fixes_a_vm_that_could_be_moved(
    status: str, strategy: str, mode: str, told: str
) -> None:
    plain, items = claim("plain"), user("db", "web", running=True)
    plain["spec"]["accessModes"] = [mode] if mode else []
    for item in items[1:]:
        item["spec"]["evictionStrategy"] = strategy
        item["status"]["conditions"] = [{"type": "LiveMigratable", "status": status}]
    form = draft(disk_store(plain, *items))
    form.put("volume", "claim/plain")
    assert [told in words for words in form.warnings] == ([True] if told else [])


def test_a_vm_that_is_off_is_told_nothing_of_moves() -> None:
    form = draft(disk_store(claim("plain"), *user("db", "web")))
    form.put("volume", "claim/plain")
    assert form.warnings == ()


def test_only_a_running_vm_is_asked_whether_it_is_to_last() -> None:
    store = disk_store(volume("data"), *user("db", "web", running=True))
    assert "persist" in [field.name for field in draft(store).asked]
    store = disk_store(volume("data"), *user("db", "web"))
    assert "persist" not in [field.name for field in draft(store).asked]


def test_only_what_was_attached_later_can_be_taken_off() -> None:
    assert "the others stay" in DETACH.when(machine(disk_store(*user("db", "web"))))
    row = machine(disk_store(*plugged()))
    assert DETACH.when(row) == ""
    assert DETACH.form is not None
    form = Draft(DETACH.form(disk_store(), [row]))
    assert list(offered(form)) == ["more"]
    assert DETACH.danger is Danger.ASK
    assert "unmount it in the guest first" in form.warnings[0]
    assert not Draft(DETACH.form(disk_store(), [machine(disk_store(*plugged(running=False)))])).warnings


@pytest.mark.parametrize(("phase", "done"), [("Pending", False), ("AttachedToNode", False), ("Ready", True)])
def test_it_is_attached_once_the_guest_has_it(phase: str, done: bool) -> None:
    before = machine(disk_store(*user("db", "web", running=True)))
    assert ATTACH.settled(before, machine(disk_store(*plugged(phase=phase)))) is done
    assert not ATTACH.settled(before, before)


def test_to_a_vm_that_is_off_it_is_attached_at_once() -> None:
    before = machine(disk_store(*user("db", "web")))
    assert ATTACH.settled(before, machine(disk_store(*plugged(running=False))))


def test_it_is_off_once_the_guest_has_it_no_more() -> None:
    before = machine(disk_store(*plugged()))
    gone: list[Any] = plugged()
    gone[0]["spec"]["template"]["spec"]["volumes"].pop()
    assert not DETACH.settled(before, machine(disk_store(*gone)))
    gone[1]["status"]["volumeStatus"].pop()
    assert DETACH.settled(before, machine(disk_store(*gone)))


def test_nothing_is_attached_during_a_migration() -> None:
    items = user("db", "web", running=True)
    items[1]["status"]["migrationState"] = {"startTimestamp": "2026-11-21T01:50:00Z", "targetNode": "n2"}
    assert ATTACH.when(machine(disk_store(*items))) == "it is being migrated"


@pytest.mark.parametrize(
    ("phase", "told"),
    [("UploadReady", "it waits for its image: kvtui upload"),
     ("ImportInProgress", "it is not filled yet: ImportInProgress"),
     ("Failed", "its import failed"), ("WaitForFirstConsumer", ""), ("Succeeded", "")],
)  # fmt: skip
def test_a_disk_that_is_not_filled_cannot_be_attached_and_says_why(phase: str, told: str) -> None:
    form = draft(disk_store(volume("data", phase=phase), claim("data"), *user("db", "web")))
    assert form.troubles.get("volume", "") == told
