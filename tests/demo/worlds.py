"""Help for tests of the simulated cluster: small quiet worlds, and what was seen to happen in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.drills.making import small_machine
from kvtui.demo.storage import Change, Kind, Object
from kvtui.demo.world import World

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "data" / "recorded_sequences.json").read_text(encoding="utf-8")
)


def quiet_world(seed: int = 0) -> World:
    """A world where nothing happens by itself."""
    return World(13, seed, START, troubles=False)


def create(world: World, kind: Kind, obj: Object) -> Object:
    return world.storage.create(kind, admit(world, kind, obj, None, "CREATE"))


def running_machine(world: World, name: str = "box-1", namespace: str = "lab") -> Object:
    """A machine that has started, with its agent connected."""
    create(world, kinds.VM, small_machine(namespace, name))
    world.advance(60)
    return world.storage.get(kinds.VM, namespace, name)


class Watch:
    """The states that one object went through, each once: status word and conditions."""

    def __init__(self, world: World, kind: Kind, name: str = "") -> None:
        self.seen: list[list[Any]] = []
        self._kind, self._name = kind, name
        world.storage.subscribe(self._on_change)

    def _on_change(self, change: Change) -> None:
        if change.kind is not self._kind or self._name not in ("", change.name) or change.type == "DELETED":
            return
        status = json.loads(change.raw).get("status", {})
        word = status.get("printableStatus") or status.get("phase", "")
        state = [word, sorted(_told(item) for item in status.get("conditions", ()))]
        if not self.seen or self.seen[-1] != state:
            self.seen.append(state)

    @property
    def words(self) -> list[str]:
        """The status words alone, repetitions left out."""
        found: list[str] = []
        for word, _ in self.seen:
            if not found or found[-1] != word:
                found.append(word)
        return found


def _told(condition: Object) -> str:
    # The recorded kubelet was a stand-in that gave no reason for a pod that is not ready.
    reason = "" if condition.get("reason") == "ReadinessGatesNotReady" else condition.get("reason", "")
    return f"{condition['type']}={condition['status']}" + (f" {reason}" if reason else "")
