"""Passwords and keys of VMs: who else gets them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import pytest

from kvtui.demo import kinds
from kvtui.demo.world import World
from kvtui.joins.machine import Machine, all_machines, join_machine
from kvtui.model import Ref
from kvtui.resources.form import Draft
from kvtui.resources.vm_credentials import CREDENTIALS, Credential
from kvtui.store import Store
from tests.demo.worlds import START
from tests.machines import Object, store_of

SECRET: Final = "winfile-users"
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
