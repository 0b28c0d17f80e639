"""When a deleted VM is gone: with its instance and the launcher pods of that, and not sooner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from kvtui.backends.base import Verdict
from kvtui.errors import ForbiddenError
from kvtui.joins.machine import Machine
from kvtui.model import Feed, FeedState
from kvtui.records.base import Meta, Owner
from kvtui.records.cdi import DataVolume
from kvtui.resources import vm
from kvtui.resources.base import Progress
from kvtui.resources.form import Answers, Draft
from kvtui.store import Store
from tests.machines import Object, machine_store, read_machine, store_of

DELETE = next(action for action in vm.RESOURCE.actions if action.id == "vm.delete")


def machine(name: str, edit: Callable[[dict[str, Object]], None] | None = None) -> Machine:
    store = machine_store(name, edit)
    (ref,) = vm.RESOURCE.refs(store)
    row = vm.RESOURCE.row(store, ref)
    assert row is not None
    return row


def follow(name: str, items: list[Object]) -> Progress:
    """How far the deletion of a recorded machine is where these objects are left."""
    store = store_of(items)
    store.drain()
    assert DELETE.follow is not None
    return DELETE.follow(store, machine(name), Answers({}), 0.0)


def left(name: str, *kinds: str) -> list[Object]:
    return [item for item in read_machine(name) if item["kind"] in kinds]


def stopping(items: list[Object]) -> list[Object]:
    for item in items:
        item["metadata"]["deletionTimestamp"] = "2026-11-21T01:56:00Z"
    return items


def fleeting(items: dict[str, Object]) -> None:
    for item in (items["VirtualMachine"]["spec"]["template"], items["VirtualMachineInstance"]):
        item["spec"]["volumes"] = [
            {"name": "root", "containerDisk": {"image": "quay.io/os:1"}},
            {"name": "scratch", "emptyDisk": {"capacity": "1Gi"}},
        ]


def test_what_is_on_disks_that_do_not_last_is_said_to_be_lost() -> None:
    row = machine("running", fleeting)
    assert DELETE.warn(row) == (
        "what the guest wrote to root is lost: a container disk does not last",
        "what the guest wrote to scratch is lost: an empty disk does not last",
    )
    assert DELETE.form is not None
    assert "no disk of it lasts: what is on root, scratch goes with it" in DELETE.form(Store(), [row]).about
    assert DELETE.warn(machine("stopped")) == ()


def draft_of(row: Machine, state: FeedState = FeedState.LIVE) -> Draft:
    store = Store()
    store.post(Feed("c", "PersistentVolumeClaim", state, detail="no right to list them"))
    store.drain()
    assert DELETE.form is not None
    return Draft(DELETE.form(store, [row]))


def test_a_disk_goes_by_the_name_of_its_claim_and_by_that_of_its_volume() -> None:
    draft = draft_of(machine("unbound"))
    _, root = draft.form.fields
    assert root.name == "disk_db-1-data"
    assert {"disk_db-1/db-1-data", "disk_data", "disk_db-1/data"} <= set(root.also)


def test_all_disks_are_not_meant_where_nobody_knows_which_there_are() -> None:
    row = replace(machine("unbound"), volumes=(), claims=())
    draft = draft_of(row, FeedState.FORBIDDEN)
    draft.put("disks", True)
    assert draft.refusal.endswith(f"{row.ref.path} has db-1-data, and claims are not known here: no right to list them")
    draft = draft_of(row)
    draft.put("disks", True)
    assert not draft.refusal


async def test_a_vm_whose_instance_may_not_be_deleted_stays_where_a_disk_is_kept() -> None:
    row = machine("running")
    assert row.vm is not None
    meta = row.vm.metadata
    owner = Owner(kind="VirtualMachine", name=meta.name, uid=meta.uid)
    disk = DataVolume(metadata=Meta(name="root", namespace=meta.namespace, owner_references=(owner,)))
    row = replace(row, volumes=(disk,))
    backend = AsyncMock()
    backend.may.side_effect = lambda needs, _namespace: Verdict(needs.resource == "virtualmachines", "RBAC says no")
    assert DELETE.run is not None
    with pytest.raises(ForbiddenError, match=r"was not deleted: .*needs delete on virtualmachineinstances"):
        await DELETE.run(backend, row, Answers({}))
    backend.delete.assert_not_awaited()
    backend.may.side_effect = lambda _needs, _namespace: Verdict(True)
    await DELETE.run(backend, row, Answers({}))
    assert [call.args[0].kind for call in backend.delete.await_args_list] == [
        "VirtualMachine",
        "VirtualMachineInstance",
    ]


def test_it_is_not_gone_while_it_is_there() -> None:
    assert follow("running", read_machine("running")) == Progress("")


def test_its_instance_and_pods_are_told_while_they_are_there() -> None:
    pods = sorted(item["metadata"]["name"] for item in left("running", "Pod"))
    told = follow("running", left("running", "VirtualMachineInstance", "Pod"))
    assert not told.over
    assert told.words.startswith("it is gone, but not its instance (Running), launcher pod ")
    assert all(name in told.words for name in pods)
    assert "its instance (stopping)" in follow("running", stopping(left("running", "VirtualMachineInstance"))).words


def test_a_launcher_pod_is_waited_for_when_its_instance_is_gone() -> None:
    told = follow("running", stopping(left("running", "Pod")))
    assert not told.over
    assert "its instance" not in told.words
    assert "(stopping)" in told.words


@pytest.mark.parametrize("name", ["running", "stopped", "without_vm"])
def test_it_is_gone_when_nothing_of_it_is_left(name: str) -> None:
    assert follow(name, []) == Progress("it is gone", over=True)


def test_an_instance_of_another_vm_of_that_name_is_none_of_its() -> None:
    (other,) = left("running", "VirtualMachineInstance")
    other["metadata"] |= {"uid": "another", "ownerReferences": []}
    assert follow("running", [other]) == Progress("it is gone", over=True)
