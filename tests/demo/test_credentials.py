"""Passwords that the simulated KubeVirt brings into guests, and what it says of those that it cannot bring in."""

from __future__ import annotations

from collections.abc import Collection

from kvtui.demo import kinds
from kvtui.demo.controllers.credentials import SYNCHRONIZED
from kvtui.demo.objects import condition
from kvtui.demo.storage import Object
from kvtui.demo.world import World
from tests.demo.worlds import START

VM = ("erp", "winfile-1")


def quiet() -> World:
    return World(60, 0, START, troubles=False)


def write(world: World, users: Collection[str]) -> None:
    """Passwords of these users are in the Secret that the VM names, and of no others."""

    def put(secret: Object) -> None:
        secret["data"] = dict.fromkeys(users, "czNjcmV0")

    world.storage.modify(kinds.SECRET, VM[0], "winfile-users", put)


def told(world: World) -> tuple[str, str, str]:
    found = condition(world.storage.get(kinds.VMI, *VM), SYNCHRONIZED)
    assert found is not None
    return found["status"], found.get("message", ""), found["lastTransitionTime"]


def test_what_the_guest_takes_changes_nothing_in_the_condition() -> None:
    world = quiet()
    before = told(world)
    assert before[:2] == ("True", "")
    write(world, ["Administrator"])
    world.advance(180)
    assert told(world) == before


def test_a_user_that_the_guest_does_not_have_is_told_until_it_is_out_of_the_secret() -> None:
    world = quiet()
    write(world, ["Administrator", "nosuchuser"])
    world.advance(10)
    assert told(world)[0] == "True", "kubelet has not looked yet"
    world.advance(110)
    status, message, _ = told(world)
    assert status == "False"
    assert message.startswith("Error encountered setting password for user [nosuchuser]: LibvirtError(")
    reasons = [one["reason"] for one in world.storage.list(kinds.EVENT, VM[0]) if one["type"] == "Warning"]
    assert "AccessCredentialsSyncFailed" in reasons
    write(world, ["Administrator"])
    world.advance(120)
    assert told(world)[:2] == ("True", "")


def test_a_guest_whose_agent_stays_away_has_none() -> None:
    world = quiet()
    world.guest(*VM).agent = False
    world.handler.reboot_guest(*VM)
    world.advance(30)
    assert told(world)[:2] == ("False", "Guest agent is offline")
    world.guest(*VM).agent = True
    world.handler.reboot_guest(*VM)
    world.advance(30)
    assert told(world)[:2] == ("True", "")
