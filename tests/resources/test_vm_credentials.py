"""Passwords and keys of VMs: who else gets them, and whether the guest has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import pytest

from kvtui.demo import kinds
from kvtui.demo.controllers.credentials import SYNCHRONIZED
from kvtui.demo.world import World
from kvtui.joins.machine import Machine, all_machines, join_machine
from kvtui.model import Ref
from kvtui.resources.base import Progress
from kvtui.resources.form import Answers, Draft
from kvtui.resources.vm_credentials import CREDENTIALS, Credential
from kvtui.store import Store
from tests.demo.worlds import START
from tests.machines import Object, store_of

SECRET: Final = "winfile-users"
INSTANCE: Final = "VirtualMachineInstance"
ACTIONS: Final = {action.id: action for action in CREDENTIALS}


@cache
def served() -> str:
    """VMs and instances of the demo cluster, as they are served."""
    world = World(60, 0, START)
    return json.dumps([obj for kind in (kinds.VM, kinds.VMI) for obj in world.storage.list(kind)])


def fleet(*without: str) -> Store:
    """A store of these, without the VMs of some names; their instances stay."""
    items: list[Object] = json.loads(served())
    kept = [one for one in items if one["kind"] != "VirtualMachine" or one["metadata"]["name"] not in without]
    store = store_of(kept)
    store.drain()
    return store


def row_of(store: Store, name: str) -> Machine:
    found = join_machine(store, next(ref for ref in all_machines(store) if ref.name == name))
    assert found is not None
    return found


def warnings(store: Store, action_id: str, secret: str = SECRET) -> Sequence[str]:
    row, form = row_of(store, "winfile-1"), ACTIONS[action_id].form
    assert form is not None
    known: Any = [Credential(Ref("c", "Secret", "erp", secret), "", missing=False, makable=True)]
    return Draft(form(store, [row], known)).warnings


@pytest.mark.parametrize(("action_id", "what"), [("vm.set_password", "password"), ("vm.add_key", "key")])
def test_vms_that_name_the_same_secret_are_told_to_get_it_as_well(action_id: str, what: str) -> None:
    words = f"winfile-2, winfile-3 name Secret {SECRET} too: they get this {what} as well"
    assert warnings(fleet(), action_id) == (words,)
    assert warnings(fleet(), action_id, "its-own") == ()


def test_an_instance_without_a_vm_counts() -> None:
    assert "winfile-3" in warnings(fleet("winfile-3"), "vm.set_password")[0]


# What comes of it --------------------------------------------------------------------------------------------------

ASKED: Final = START.timestamp()
ANSWERS: Final = Answers({"secret": SECRET})
Edit = Callable[[Object], None]


def of_instance(edit: Edit) -> Store:
    """The store when the instance of winfile-1 was edited."""
    items: list[Object] = json.loads(served())
    edit(next(one for one in items if (one["kind"], one["metadata"]["name"]) == (INSTANCE, "winfile-1")))
    store = store_of(items)
    store.drain()
    return store


def says(status: str, message: str = "", at: str = "2026-11-21T02:00:30Z") -> Edit:
    """What KubeVirt tells of the credentials."""

    def edit(vmi: Object) -> None:
        kept = [one for one in vmi["status"]["conditions"] if one["type"] != SYNCHRONIZED]
        told = {"type": SYNCHRONIZED, "status": status, "message": message, "lastTransitionTime": at}
        vmi["status"]["conditions"] = [*kept, told]

    return edit


def forget(vmi: Object) -> None:
    vmi["status"]["conditions"] = [one for one in vmi["status"]["conditions"] if one["type"] != SYNCHRONIZED]


def lose_agent(vmi: Object) -> None:
    vmi["status"]["conditions"] = [one for one in vmi["status"]["conditions"] if one["type"] != "AgentConnected"]


def end(vmi: Object) -> None:
    vmi["status"]["phase"] = "Succeeded"


def name_none(vmi: Object) -> None:
    del vmi["spec"]["accessCredentials"]


def read_at_boot(vmi: Object) -> None:
    vmi["spec"]["accessCredentials"][0]["userPassword"]["propagationMethod"] = {"noCloud": {}}


def follow(before: Store, now: Store) -> Progress:
    looks = ACTIONS["vm.set_password"].follow
    assert looks is not None
    return looks(now, row_of(before, "winfile-1"), ANSWERS, ASKED)


@pytest.mark.parametrize(
    ("edit", "when"),
    [
        (end, "the VM is started"),
        (lose_agent, "its agent connects"),
        (read_at_boot, "the VM is restarted"),
        (name_none, "the VM is restarted: what runs does not name the Secret"),
    ],
)
def test_what_the_guest_cannot_have_yet_is_said_to_be_written_only(edit: Edit, when: str) -> None:
    progress = follow(of_instance(edit), of_instance(edit))
    assert progress.words == f"written to Secret {SECRET}; the guest gets it when {when}"
    assert (progress.over, progress.untold, progress.failure) == (True, True, "")


def test_what_kubevirt_could_not_bring_in_has_failed_with_its_words() -> None:
    progress = follow(fleet(), of_instance(says("False", "no such user")))
    assert progress.words == f"written to Secret {SECRET}, and not in the guest"
    assert (progress.over, progress.failure, progress.due) == (False, "no such user", None)


def test_what_kubevirt_brought_in_after_a_failure_is_in_the_guest() -> None:
    failed = says("False", "no such user", at="2026-11-21T01:00:00Z")
    progress = follow(of_instance(failed), of_instance(says("True")))
    assert progress.words == f"written to Secret {SECRET}, and in the guest"
    assert (progress.over, progress.failure, progress.due) == (True, "", None)


def test_where_kubevirt_says_the_same_as_before_its_word_counts_after_two_minutes() -> None:
    progress = follow(fleet(), fleet())
    assert progress.words == f"written to Secret {SECRET}; KubeVirt tells of no failure"
    assert (progress.over, progress.failure, progress.due) == (True, "", ASKED + 120)
    failed = of_instance(says("False", "no such user"))
    progress = follow(failed, failed)
    assert progress.words == f"written to Secret {SECRET}; KubeVirt says as before: no such user"
    assert (progress.over, progress.due) == (False, ASKED + 120)
    assert progress.failure == "nothing tells that the guest has it"


def test_while_kubevirt_says_nothing_nothing_is_claimed() -> None:
    progress = follow(of_instance(forget), of_instance(forget))
    assert progress.words == f"written to Secret {SECRET}; KubeVirt has not told whether the guest has it"
    assert not progress.over
    assert not progress.failure
