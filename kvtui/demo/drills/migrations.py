"""Migrations that do not end well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest
from kvtui.demo.drills.making import create, migration_of, small_machine
from kvtui.demo.objects import MI
from kvtui.demo.storage import StorageError

if TYPE_CHECKING:
    from kvtui.demo.world import World

_EVERY = 480.0
"""Seconds between two attempts that never converge: the next one begins soon after the last was aborted."""


def never_converges(world: World) -> None:
    """The guest changes its memory quicker than it can be sent, until the time is up; then somebody tries again."""
    world.guests["data", "hot-cache-1"] = Guest(dirty_rate=412.0 * MI, transfer_rate=380.0 * MI)
    create(world, kinds.VM, small_machine("data", "hot-cache-1", system="debian", memory="4Gi", cores=8))

    def attempt() -> None:
        world.clock.call_later(_EVERY, attempt)
        try_to_migrate(world, "data", "hot-cache-1")

    world.clock.call_later(240.0, attempt)


def no_target(world: World) -> None:
    """The migration asks for a node that does not exist: after five minutes it fails."""
    create(world, kinds.VM, small_machine("shop", "payment-hsm-1", system="rhel", memory="4Gi"))

    def attempt() -> None:
        try_to_migrate(world, "shop", "payment-hsm-1", {"example.org/hsm": "true"})

    world.clock.call_later(120.0, attempt)


def try_to_migrate(world: World, namespace: str, name: str, selector: dict[str, str] | None = None) -> None:
    """Ask for a migration; a refusal is no matter."""
    job = migration_of(namespace, name)
    if selector:
        job["spec"]["addedNodeSelector"] = selector
    try:
        create(world, kinds.VMIM, job)
    except StorageError as error:
        if error.code not in (400, 409, 422):
            raise
