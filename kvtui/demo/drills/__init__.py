"""Troubles of the demo cluster: one small function each, which sets the trouble up and leaves the rest to the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvtui.demo.drills import background, copies, hosts, imports, migrations, running, starting

if TYPE_CHECKING:
    from kvtui.demo.world import World

Drill = Callable[["World"], None]

DRILLS: tuple[Drill, ...] = (
    starting.pending_claim,
    starting.missing_claim,
    starting.too_much_memory,
    starting.unknown_cpu_model,
    starting.over_quota,
    starting.missing_image,
    starting.crash_loop,
    running.io_error,
    running.no_agent,
    running.private_disk,
    running.restart_required,
    running.without_machine,
    migrations.never_converges,
    migrations.no_target,
    imports.not_found,
    imports.waits_for_consumer,
    imports.wrong_checksum,
    hosts.cordoned,
    hosts.not_ready,
    copies.begin,
)
"""The troubles of the default world."""


def begin(world: World) -> None:
    """Let all drills of the default world begin, and its everyday life."""
    for drill in DRILLS:
        drill(world)
    background.begin(world)
