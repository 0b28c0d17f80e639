"""The machines below nodes: what becomes of them is told by whoever runs them."""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.world import World

RUNNING, PAUSED, OFF = "running", "paused", "off"


def heed(world: World, line: str) -> None:
    """``UUID running|paused|off``: the machine in which the node of that system UUID runs. Nothing where none does."""
    uuid, _, state = line.strip().partition(" ")
    for node in world.storage.list(kinds.NODE):
        if node.get("status", {}).get("nodeInfo", {}).get("systemUUID") != uuid:
            continue
        if state == RUNNING:
            world.nodes.resume(node["metadata"]["name"])
        elif state in (PAUSED, OFF):
            world.nodes.halt(node["metadata"]["name"], off=state == OFF)
