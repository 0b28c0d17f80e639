"""Drills: incidents that the demo cluster plays, and those among them that its default world has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvtui.demo.drills import (
    background,
    copies,
    gitops,
    hosts,
    imports,
    migrations,
    networks,
    platform,
    running,
    scheduling,
    starting,
    storage,
    tenants,
    volumes,
)
from kvtui.demo.drills.base import Drill, Play

if TYPE_CHECKING:
    from kvtui.demo.world import World

_THEMES = (
    scheduling,
    starting,
    volumes,
    imports,
    migrations,
    networks,
    running,
    hosts,
    platform,
    tenants,
    storage,
    gitops,
)
DRILLS: Final[dict[str, Drill]] = {
    one.name: one for theme in _THEMES for one in vars(theme).values() if isinstance(one, Drill)
}
"""All drills by name, by theme."""

_TROUBLES: Final[tuple[Play, ...]] = (
    starting.pending_claim.play,
    starting.missing_claim.play,
    scheduling.too_much_memory.play,
    scheduling.unknown_cpu_model.play,
    scheduling.over_quota.play,
    starting.missing_image.play,
    starting.crash_loop.play,
    running.io_error.play,
    running.no_agent.play,
    migrations.private_disk.play,
    running.restart_required.play,
    running.without_machine.play,
    migrations.never_converges.play,
    migrations.no_target.play,
    imports.not_found.play,
    imports.waits_for_consumer.play,
    imports.wrong_checksum.play,
    hosts.cordoned.play,
    hosts.not_ready.play,
    copies.begin,
)
"""The troubles of the default world."""


def begin(world: World) -> None:
    """Let the troubles of the default world begin, and its everyday life."""
    for play in _TROUBLES:
        play(world)
    background.begin(world)
