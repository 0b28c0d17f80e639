"""Machines that somebody else puts back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.drills.base import drill
from kvtui.demo.drills.making import edit
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_EVERY = 120.0


@drill(
    "put-back",
    "a change never lasts",
    briefing="A colleague tries to give data/kafka-1 more memory. Each time it is back at the old value, he says.",
    debrief="The VM is declared in Git: Argo CD application argocd/streaming heals itself and puts it back within "
    "seconds. Change it in the repository (path streaming of fleet.git), or switch selfHeal off for the time "
    "being.",
)
def put_back(world: World) -> None:
    """A user changes what Argo CD keeps."""

    def more(vm: Object) -> None:
        vm["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "24Gi"

    def change() -> None:
        world.clock.call_later(_EVERY, change)
        edit(world, kinds.VM, "data", "kafka-1", more)

    world.clock.call_later(_EVERY, change)
